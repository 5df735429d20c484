//! Runs each operation of a pool in the situations in which it takes longest: blocks never used, in the free stack, in
//! magazines; none left; a task that waits. The test reads from QEMU's log how many instructions ran between `cpsid i`
//! and `cpsie i`. Each operation is a function of its own, whose symbol the test finds in the log.
#![no_std]
#![no_main]
#![allow(improper_ctypes_definitions)]

use core::arch::asm;
use core::future::Future;
use core::mem::{self, MaybeUninit};
use core::panic::PanicInfo;
use core::pin::pin;
use core::ptr::NonNull;
use core::task::{Context, Waker};

use framepool::{Block, Burst, Cache, Pool, Posted};

#[path = "../../firmware/src/single_core.rs"]
mod single_core;

// No magazines; magazines of 8 and of 512 indices.
framepool::pool!(static PLAIN: [32; 64], caches = false);
framepool::pool!(static SMALL: [32; 64]);
framepool::pool!(static LARGE: [32; 4096]);

type RxPool = &'static Pool<'static>;
type Frames = Burst<'static, 32>;
type Front = Cache<'static, 1024>;

const MOST: usize = 4096;

macro_rules! operations {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block)*) => { $(
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $name($($arg: $type),*) $(-> $out)? $body
    )* };
}

operations! {
    fn pool_alloc(pool: RxPool) -> Option<Block<'static>> {
        pool.alloc().ok()
    }
    fn block_drop(block: Block<'static>) {
        drop(block);
    }
    fn pool_alloc_burst(pool: RxPool, out: &mut MaybeUninit<Frames>) {
        out.write(pool.alloc_up_to(32));
    }
    fn burst_drop(burst: &mut MaybeUninit<Frames>) {
        // SAFETY: written by `pool_alloc_burst` or `cache_alloc_burst`, and not used again.
        unsafe { burst.assume_init_drop() };
    }
    fn cache_alloc(cache: &mut Front) -> Option<Block<'static>> {
        cache.alloc().ok()
    }
    fn cache_free(cache: &mut Front, block: Block<'static>) {
        let _ = cache.free(block);
    }
    fn cache_alloc_burst(cache: &mut Front, out: &mut MaybeUninit<Frames>) {
        out.write(cache.alloc_up_to(32));
    }
    fn cache_free_burst(cache: &mut Front, burst: &mut MaybeUninit<Frames>) {
        // SAFETY: as in `burst_drop`.
        let _ = cache.free_burst(unsafe { burst.assume_init_read() });
    }
    fn cache_drop(cache: &mut MaybeUninit<Front>) {
        // SAFETY: written by `with_cache`, and not used again.
        unsafe { cache.assume_init_drop() };
    }
    fn block_into_raw(block: Block<'static>) -> NonNull<u8> {
        block.into_raw()
    }
    fn pool_free_raw(pool: RxPool, raw: NonNull<u8>) {
        // SAFETY: made raw by `block_into_raw`, and used nowhere else.
        let _ = unsafe { pool.free_raw(raw) };
    }
    fn posted_post(posted: &mut Posted<'static>, block: Block<'static>) -> usize {
        posted.post(block).unwrap_or(0)
    }
    fn posted_take(posted: &mut Posted<'static>, offset: usize) -> Option<Block<'static>> {
        posted.take(offset).map(|(block, _)| block)
    }
    fn alloc_async_poll(pool: RxPool, then: fn()) {
        let mut wait = pin!(pool.alloc_async());
        let mut context = Context::from_waker(Waker::noop());
        let _ = wait.as_mut().poll(&mut context);
        then();
    }
    fn pool_stats(pool: RxPool) -> u64 {
        pool.stats().in_use
    }
}

/// All blocks of a pool in handles.
struct All {
    blocks: [MaybeUninit<Block<'static>>; MOST],
    len: usize,
}

impl All {
    fn take(&mut self, mut alloc: impl FnMut() -> Option<Block<'static>>) {
        while self.len < MOST
            && let Some(block) = alloc()
        {
            self.blocks[self.len].write(block);
            self.len += 1;
        }
        // One more: the pool is exhausted.
        drop(alloc());
    }

    fn give(&mut self, mut free: impl FnMut(Block<'static>)) {
        while let Some(last) = self.len.checked_sub(1) {
            self.len = last;
            // SAFETY: written by `take`, and read once.
            free(unsafe { self.blocks[last].assume_init_read() });
        }
    }
}

fn with_cache(pool: RxPool, run: impl FnOnce(&mut Front)) {
    let mut cache = MaybeUninit::uninit();
    run(cache.write(Cache::new(pool)));
    cache_drop(&mut cache);
}

fn run(pool: RxPool, all: &mut All) {
    // Blocks never used, then all of them in the stack.
    for _ in 0..2 {
        all.take(|| pool_alloc(pool));
        all.give(|block| block_drop(block));
    }
    let mut burst = MaybeUninit::uninit();
    for _ in 0..pool.capacity() / 32 {
        pool_alloc_burst(pool, &mut burst);
        burst_drop(&mut burst);
    }
    // From the stack into caches; from there into magazines, and again.
    for _ in 0..2 {
        with_cache(pool, |cache| {
            all.take(|| cache_alloc(cache));
            all.give(|block| cache_free(cache, block));
            all.take(|| cache_alloc(cache));
            all.give(|block| cache_free(cache, block));
            cache_alloc_burst(cache, &mut burst);
            cache_free_burst(cache, &mut burst);
        });
    }
    with_cache(pool, |cache| {
        for _ in 0..4 {
            cache_alloc_burst(cache, &mut burst);
            cache_free_burst(cache, &mut burst);
        }
    });
    // Single blocks out of magazines, with a task that waits in the end.
    all.take(|| pool_alloc(pool));
    all.give(|block| block_drop(block));
    with_cache(pool, |cache| {
        all.take(|| cache_alloc(cache));
        all.give(|block| cache_free(cache, block));
    });
    pool_alloc_burst(pool, &mut burst);
    burst_drop(&mut burst);
    all.take(|| pool_alloc(pool));
    alloc_async_poll(pool, || ());
    all.give(|block| block_drop(block));
    // Raw blocks.
    for _ in 0..4 {
        if let Some(block) = pool_alloc(pool) {
            let raw = block_into_raw(block);
            pool_free_raw(pool, raw);
            pool_free_raw(pool, raw);
        }
    }
    // SAFETY: there is no device.
    if let Ok(mut posted) = unsafe { Posted::new(pool) } {
        let mut offsets = [0; 64];
        for offset in &mut offsets {
            if let Some(block) = pool_alloc(pool) {
                *offset = posted_post(&mut posted, block);
            }
        }
        for offset in offsets {
            if let Some(block) = posted_take(&mut posted, offset) {
                block_drop(block);
            }
        }
        mem::drop(posted);
    }
    pool_stats(pool);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn next_pool() {
    // SAFETY: does nothing. Makes the function different from any other.
    unsafe { asm!("movs r0, #77", out("r0") _) };
}

#[unsafe(link_section = ".vectors")]
#[used]
static RESET: extern "C" fn() -> ! = _start;

/// The entry point.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    let mut all = All {
        blocks: [const { MaybeUninit::uninit() }; MOST],
        len: 0,
    };
    let mut lost = 0;
    for pool in [&PLAIN, &SMALL, &LARGE] {
        next_pool();
        run(pool, &mut all);
        lost += pool.stats().in_use;
    }
    exit(if lost == 0 { 0x2_0026 } else { 0x2_0023 })
}

/// Ends QEMU: SYS_EXIT of Arm's semihosting, with ADP_Stopped_ApplicationExit or ADP_Stopped_RunTimeErrorUnknown.
fn exit(reason: u32) -> ! {
    loop {
        // SAFETY: QEMU ends here.
        unsafe { asm!("bkpt #0xab", inout("r0") 0x18 => _, in("r1") reason) };
    }
}

#[panic_handler]
fn on_panic(_: &PanicInfo<'_>) -> ! {
    exit(0x2_0023)
}
