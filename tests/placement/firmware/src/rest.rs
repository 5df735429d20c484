//! The rest of the interface: operations outside of hot paths, which must not panic either.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use framepool::{
    Block, BlockId, CacheStats, Census, ConfigError, Pool, PoolBox, PoolConfig, Stats,
};

use crate::{Frames, Front, leaving_refused, written};

type RxPool = &'static Pool<'static>;
type Region = &'static mut [MaybeUninit<u8>];

crate::probes! {
    /// [`Cache::new`](framepool::Cache::new).
    fn cache_new(pool: RxPool, out: &mut MaybeUninit<Front>) {
        out.write(Front::new(pool));
    }

    /// Drop of a cache.
    fn cache_drop(cache: &mut MaybeUninit<Front>) {
        // SAFETY: the caller passes a cache, and does not use it again.
        unsafe { cache.assume_init_drop() };
    }

    /// [`Cache::flush`](framepool::Cache::flush).
    fn cache_flush(cache: &mut Front) {
        cache.flush();
    }

    /// [`Cache::alloc_up_to`](framepool::Cache::alloc_up_to).
    fn cache_alloc_up_to(cache: &mut Front, n: usize, out: &mut MaybeUninit<Frames>) -> bool {
        written(out, Some(cache.alloc_up_to(n)))
    }

    /// [`Cache::drain_burst`](framepool::Cache::drain_burst).
    fn cache_drain_burst(cache: &mut Front, burst: &mut Frames) -> bool {
        cache.drain_burst(burst).is_ok()
    }

    /// [`Cache::alloc_array`](framepool::Cache::alloc_array).
    fn cache_alloc_array(cache: &mut Front) -> Option<[Block<'static>; 4]> {
        cache.alloc_array().ok()
    }

    /// [`Cache::free_array`](framepool::Cache::free_array).
    fn cache_free_array(cache: &mut Front, blocks: [Block<'static>; 4]) -> bool {
        leaving_refused(cache.free_array(blocks).map_err(|refused| refused.into_inner()))
    }

    /// [`Cache::alloc_value`](framepool::Cache::alloc_value).
    fn cache_alloc_value(cache: &mut Front, value: u64) -> Option<PoolBox<'static, u64>> {
        cache.alloc_value(value).ok()
    }

    /// [`Cache::stats`](framepool::Cache::stats).
    fn cache_stats(cache: &Front) -> CacheStats {
        cache.stats()
    }

    /// [`Pool::free`].
    fn pool_free(pool: RxPool, block: Block<'static>) -> bool {
        leaving_refused(pool.free(block).map_err(|refused| refused.into_inner()))
    }

    /// [`Pool::free_burst`].
    fn pool_free_burst(pool: RxPool, burst: &mut MaybeUninit<Frames>) -> bool {
        // SAFETY: the caller passes a burst, and does not use it again.
        let burst = unsafe { burst.assume_init_read() };
        leaving_refused(pool.free_burst(burst).map_err(|refused| refused.into_inner()))
    }

    /// [`Pool::alloc_up_to`].
    fn pool_alloc_up_to(pool: RxPool, n: usize, out: &mut MaybeUninit<Frames>) -> bool {
        written(out, Some(pool.alloc_up_to(n)))
    }

    /// [`Pool::alloc_value`].
    fn pool_alloc_value(pool: RxPool, value: u64) -> Option<PoolBox<'static, u64>> {
        pool.alloc_value(value).ok()
    }

    /// Drop of a [`PoolBox`].
    fn box_drop(value: PoolBox<'static, u64>) {
        drop(value);
    }

    /// [`PoolBox::into_inner`].
    fn box_into_inner(value: PoolBox<'static, u64>) -> u64 {
        value.into_inner()
    }

    /// [`Pool::stats`].
    fn pool_stats(pool: RxPool) -> Stats {
        pool.stats()
    }

    /// [`Pool::available`].
    fn pool_available(pool: RxPool) -> usize {
        pool.available()
    }

    /// [`Pool::blocks_len`].
    fn pool_blocks_len(pool: RxPool) -> usize {
        pool.blocks_len()
    }

    /// [`Pool::contains`].
    fn pool_contains(pool: RxPool, ptr: *const u8) -> bool {
        pool.contains(ptr)
    }

    /// [`Pool::id_at_offset`].
    fn pool_id_at_offset(pool: RxPool, offset: usize) -> Option<BlockId> {
        pool.id_at_offset(offset)
    }

    /// [`Pool::prefault`].
    fn pool_prefault(pool: RxPool) {
        pool.prefault();
    }

    /// [`Pool::check`].
    fn pool_check(pool: &mut Pool<'static>) -> Option<Census> {
        pool.check().ok()
    }

    /// [`Pool::reset`].
    fn pool_reset(pool: &mut Pool<'static>) -> bool {
        pool.reset().is_ok()
    }

    /// [`Pool::reset_static`].
    fn pool_reset_static(pool: RxPool) -> bool {
        pool.reset_static().is_ok()
    }

    /// [`Pool::new`], and drop of a pool.
    fn pool_new(region: Region, config: PoolConfig) -> Option<ConfigError> {
        Pool::new(region, config).err()
    }

    /// [`Pool::from_parts`].
    fn pool_from_parts(blocks: Region, metadata: Region, config: PoolConfig) -> bool {
        Pool::from_parts(blocks, metadata, config).is_ok()
    }

    /// [`Block::write`].
    fn block_write(block: &mut Block<'static>, bytes: &&[u8]) -> bool {
        block.write(bytes).is_ok()
    }

    /// [`Block::zeroed`].
    fn block_zeroed(block: &mut Block<'static>) -> *const u8 {
        block.zeroed().as_ptr()
    }

    /// [`Block::into_raw`].
    fn block_into_raw(block: Block<'static>) -> NonNull<u8> {
        block.into_raw()
    }

    /// [`Pool::free_raw`].
    fn pool_free_raw(pool: RxPool, ptr: NonNull<u8>) -> bool {
        // SAFETY: the caller passes an address that is its own to free.
        unsafe { pool.free_raw(ptr) }.is_ok()
    }

    /// [`Pool::block_from_raw`].
    fn pool_block_from_raw(pool: RxPool, ptr: NonNull<u8>) -> Option<Block<'static>> {
        // SAFETY: the caller passes an address that is its own to free.
        unsafe { pool.block_from_raw(ptr) }.ok()
    }

    /// [`Block::into_id`].
    fn block_into_id(block: Block<'static>) -> BlockId {
        block.into_id()
    }

    /// [`Pool::free_id`].
    fn pool_free_id(pool: RxPool, id: BlockId) -> bool {
        // SAFETY: the caller passes a name that is its own to free.
        unsafe { pool.free_id(id) }.is_ok()
    }

    /// [`Pool::block_from_id`].
    fn pool_block_from_id(pool: RxPool, id: BlockId) -> Option<Block<'static>> {
        // SAFETY: the caller passes a name that is its own to free.
        unsafe { pool.block_from_id(id) }.ok()
    }

    /// [`Burst::push`](framepool::Burst::push).
    fn burst_push(burst: &mut Frames, block: Block<'static>) -> bool {
        burst.push(block).is_ok()
    }

    /// [`Burst::pop`](framepool::Burst::pop).
    fn burst_pop(burst: &mut Frames) -> Option<Block<'static>> {
        burst.pop()
    }

    /// [`Burst::block_mut`](framepool::Burst::block_mut).
    fn burst_block_mut(burst: &mut Frames, at: usize) -> *const MaybeUninit<u8> {
        burst.block_mut(at).unwrap_or_default().as_ptr()
    }

    /// [`Burst::offset`](framepool::Burst::offset).
    fn burst_offset(burst: &Frames, at: usize) -> Option<usize> {
        burst.offset(at)
    }

    /// Iteration over a whole burst.
    fn burst_into_iter(burst: &mut MaybeUninit<Frames>) {
        // SAFETY: the caller passes a burst, and does not use it again.
        unsafe { burst.assume_init_read() }.into_iter().for_each(drop);
    }
}
