//! A worker's own cache of packets: allocation and freeing without an atomic.

use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketBurst;
use crate::packet::chain::Chain;
use crate::packet::pool::PacketPool;
use crate::packet::raw::{Blank, RawBurst};
use crate::pool::block::Block;
use crate::pool::cache::Cache;
use crate::pool::error::{AllocManyError, Exhausted, WrongPool};
use crate::pool::stats::CacheStats;

/// A worker's own cache of a [`PacketPool`]'s free blocks: a [`Cache`](crate::Cache) for packets, with its rules and
/// its guarantee.
///
/// An allocation takes an index out of an array and writes one line. A free reads one word of the line and puts the
/// index back. Neither has an atomic instruction, unless the packet was shared or split.
///
/// ```
/// use framepool::packet::{PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 1024))?;
/// let mut cache = packets.cache();
/// let mut packet = cache.alloc()?;
/// packet.append_slice(b"ping")?;
/// assert!(cache.free(packet).is_ok());
/// assert_eq!(cache.stats().allocations, 1);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct PacketCache<'p, const N: usize = 1024> {
    packets: &'p PacketPool<'p>,
    /// Invariant: of the blocks of `packets`.
    blocks: Cache<'p, N>,
}

impl<'m> PacketPool<'m> {
    /// A cache of the default size. [`PacketCache::new`] makes caches of other sizes.
    pub fn cache(&self) -> PacketCache<'_> {
        PacketCache::new(self)
    }
}

impl<'p, const N: usize> PacketCache<'p, N> {
    /// An empty cache for up to `N` blocks. O(1), no atomic.
    pub fn new(packets: &'p PacketPool<'p>) -> Self {
        Self {
            packets,
            blocks: Cache::new(packets.blocks()),
        }
    }

    /// An empty cache that keeps at most `most` free blocks: see [`Cache::holding`](crate::Cache::holding).
    pub fn holding(packets: &'p PacketPool<'p>, most: usize) -> Self {
        Self {
            packets,
            blocks: Cache::holding(packets.blocks(), most),
        }
    }

    /// The pool of this cache.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.packets
    }

    /// Free blocks in this cache.
    #[inline]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether this cache holds no free block.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Returns the statistics of this cache. Exact, except that packets which were shared or split return to the pool.
    pub fn stats(&self) -> CacheStats {
        self.blocks.stats()
    }

    /// Returns every block in this cache to the pool.
    pub fn flush(&mut self) {
        self.blocks.flush();
    }

    /// Takes one packet: empty, with the pool's headroom. O(1), no atomic; one exchange with the pool if the cache is
    /// empty.
    ///
    /// # Errors
    /// [`Exhausted`] if neither the cache nor the pool has a block.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc(&mut self) -> Result<PacketBuf<'p>, Exhausted> {
        let block = self.blocks.alloc()?;
        // SAFETY: the block is disowned, and passes to the packet.
        Ok(unsafe { self.packets.begin(block.disown()) })
    }

    /// Frees a packet. O(1), no atomic if it has a block to itself.
    ///
    /// # Errors
    /// [`WrongPool`] with the packet, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free(&mut self, packet: PacketBuf<'p>) -> Result<(), WrongPool<PacketBuf<'p>>> {
        if !packet.is_of(self.packets) {
            self.blocks.count_refusal();
            return Err(WrongPool(packet));
        }
        let Some(id) = packet.sole_block() else {
            drop(packet);
            return Ok(());
        };
        packet.disown();
        // SAFETY: the packet had its block to itself, and has ended. The pool is the cache's own, so that the
        // compiler sees the same pool in the cache's comparison.
        let block = unsafe { Block::own(self.blocks.pool(), id) };
        // Succeeds, for that reason.
        let _ = self.blocks.free(block);
        Ok(())
    }

    /// Takes `n` packets, all or none. Writes `n` lines.
    ///
    /// # Errors
    /// [`AllocManyError`]: fewer are free, or `n` is greater than `K`.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_burst<const K: usize>(
        &mut self,
        n: usize,
    ) -> Result<PacketBurst<'p, K>, AllocManyError> {
        let blocks = self.blocks.alloc_burst(n)?;
        Ok(PacketBurst::begin(self.packets, blocks))
    }

    /// Takes up to `n` packets (at most `K`): as many as are free, possibly none.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_up_to<const K: usize>(&mut self, n: usize) -> PacketBurst<'p, K> {
        PacketBurst::begin(self.packets, self.blocks.alloc_up_to(n))
    }

    /// Frees the packets of a burst. Reads a word of each line, and copies the indices.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_burst<const K: usize>(
        &mut self,
        mut burst: PacketBurst<'p, K>,
    ) -> Result<(), WrongPool<PacketBurst<'p, K>>> {
        match self.drain_burst(&mut burst) {
            Ok(()) => {
                // Empty: its drop has nothing to do.
                core::mem::forget(burst);
                Ok(())
            }
            Err(_) => Err(WrongPool(burst)),
        }
    }

    /// Frees the packets of a burst and leaves it empty: [`free_burst`](Self::free_burst) without moving it.
    ///
    /// # Errors
    /// [`WrongPool`] if the burst belongs to another pool; it keeps its packets.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn drain_burst<const K: usize>(
        &mut self,
        burst: &mut PacketBurst<'p, K>,
    ) -> Result<(), WrongPool<()>> {
        if !burst.is_of(self.packets) {
            self.blocks.count_refusal();
            return Err(WrongPool(()));
        }
        if !burst.is_plain() {
            self.free_each(burst);
            return Ok(());
        }
        // SAFETY: just checked, and drained here.
        self.blocks.drain_burst(unsafe { burst.blocks_mut() })
    }

    /// Frees the packets of a burst and leaves it empty, without reading their lines.
    ///
    /// # Errors
    /// [`WrongPool`] if the burst belongs to another pool; it keeps its packets.
    ///
    /// # Safety
    /// Every packet has a block to itself ([`PacketBuf::is_whole`]): none was split or is a part of a split one, none has
    /// external memory. Debug builds check it.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub unsafe fn drain_burst_unshared<const K: usize>(
        &mut self,
        burst: &mut PacketBurst<'p, K>,
    ) -> Result<(), WrongPool<()>> {
        if !burst.is_of(self.packets) {
            self.blocks.count_refusal();
            return Err(WrongPool(()));
        }
        debug_assert!(burst.is_plain(), "a packet of the burst shares its block");
        // SAFETY: the caller's promise.
        self.blocks.drain_burst(unsafe { burst.blocks_mut() })
    }

    /// Frees the packets of a burst one by one.
    #[cold]
    #[inline(never)]
    #[cfg_attr(feature = "audit", track_caller)]
    fn free_each<const K: usize>(&mut self, burst: &mut PacketBurst<'p, K>) {
        while let Some(packet) = burst.pop() {
            // Succeeds: the burst is of this pool.
            let _ = self.free(packet);
        }
    }

    /// Frees the packets of a chain. O(segments), no atomic for those that have a block to themselves.
    ///
    /// # Errors
    /// [`WrongPool`] with the chain, if it belongs to another pool.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_chain(&mut self, chain: Chain<'p>) -> Result<(), WrongPool<Chain<'p>>> {
        if !core::ptr::eq(chain.pool(), self.packets) {
            self.blocks.count_refusal();
            return Err(WrongPool(chain));
        }
        for packet in chain.unlink() {
            // Succeeds: the chain is of this pool.
            let _ = self.free(packet);
        }
        Ok(())
    }

    /// Takes one block without writing its line.
    ///
    /// # Errors
    /// As for [`alloc`](Self::alloc).
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_blank(&mut self) -> Result<Blank<'p>, Exhausted> {
        Ok(Blank::new(self.packets, self.blocks.alloc()?))
    }

    /// Frees a block whose line is not written.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_blank(&mut self, blank: Blank<'p>) -> Result<(), WrongPool<Blank<'p>>> {
        let packets = blank.pool();
        (self.blocks.free(blank.into_block()))
            .map_err(|WrongPool(block)| WrongPool(Blank::new(packets, block)))
    }

    /// Takes `n` blocks without writing their lines, all or none. Copies `n` indices.
    ///
    /// # Errors
    /// As for [`alloc_burst`](Self::alloc_burst).
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_raw_burst<const K: usize>(
        &mut self,
        n: usize,
    ) -> Result<RawBurst<'p, K>, AllocManyError> {
        self.blocks.hold_run::<K>(n)?;
        // SAFETY: just made.
        let blocks = unsafe { self.blocks.pop_burst(n) };
        Ok(RawBurst::new(self.packets, blocks))
    }

    /// Takes up to `n` blocks (at most `K`) without writing their lines: as many as are free, possibly none.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_raw_up_to<const K: usize>(&mut self, n: usize) -> RawBurst<'p, K> {
        RawBurst::new(self.packets, self.blocks.alloc_up_to(n))
    }

    /// Frees blocks whose lines are not written. Copies the indices.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_raw_burst<const K: usize>(
        &mut self,
        burst: RawBurst<'p, K>,
    ) -> Result<(), WrongPool<RawBurst<'p, K>>> {
        let packets = burst.pool();
        (self.blocks.free_burst(burst.into_blocks()))
            .map_err(|WrongPool(blocks)| WrongPool(RawBurst::new(packets, blocks)))
    }

    /// [`free_raw_burst`](Self::free_raw_burst) without moving the burst; it is left empty.
    ///
    /// # Errors
    /// [`WrongPool`] if the burst belongs to another pool; it keeps its blocks.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn drain_raw_burst<const K: usize>(
        &mut self,
        burst: &mut RawBurst<'p, K>,
    ) -> Result<(), WrongPool<()>> {
        self.blocks.drain_burst(burst.blocks_mut())
    }
}

describe!(impl[const N: usize] PacketCache<'_, N> as PacketCache { capacity = |_| N, len });
