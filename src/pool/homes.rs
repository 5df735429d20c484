//! Making a pool in memory, touching it beforehand, and dropping it.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::config::{PoolConfig, PoolLayout};
use crate::pool::depot::Depot;
use crate::pool::depot::ids::assume_init;
use crate::pool::error::ConfigError;
use crate::pool::geometry::LINE;
use crate::pool::meta::Base;
use crate::sync::{self, Word};

/// The memory for a new pool: two parts, and the number of bytes left over.
struct Site {
    blocks: NonNull<u8>,
    metadata: NonNull<u8>,
    slack: usize,
    /// Whether the metadata is zeroed already.
    zeroed: bool,
}

impl<'m> Pool<'m> {
    /// A pool in the caller's memory: blocks first, metadata after them.
    ///
    /// The region may start at any address; [`slack`](Self::slack) includes the bytes lost to its misalignment.
    /// The bytes of the blocks are not written. O(capacity): the links, 4 bytes for each block, are zeroed; in
    /// statics, allocations and new mappings they are zero already.
    ///
    /// # Errors
    /// Any [`ConfigError`] except `OutOfMemory`.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use framepool::{ConfigError, Pool, PoolConfig};
    ///
    /// let mut memory = [MaybeUninit::uninit(); 4096];
    /// let error = Pool::new(&mut memory, PoolConfig::new(1024, 4)).unwrap_err();
    /// let ConfigError::RegionTooSmall { required, available } = error else { panic!() };
    /// assert!(required > 4096 && available == 4096);
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn new(region: &'m mut [MaybeUninit<u8>], config: PoolConfig) -> Result<Self, ConfigError> {
        let (start, len) = (NonNull::from(&mut *region).cast(), region.len());
        // SAFETY: the slice is valid for writes and exclusively borrowed for 'm.
        unsafe { Self::from_raw(start, len, config) }
    }

    /// A pool whose blocks and metadata lie in different regions: for blocks in uncached or remote memory.
    ///
    /// The metadata takes [`PoolLayout::metadata_size`] bytes, and up to a cache line more if its region is
    /// misaligned. `config` must state the number of blocks: [`PoolConfig::new`].
    ///
    /// # Errors
    /// Any [`ConfigError`] except `OutOfMemory`.
    pub fn from_parts(
        blocks: &'m mut [MaybeUninit<u8>],
        metadata: &'m mut [MaybeUninit<u8>],
        config: PoolConfig,
    ) -> Result<Self, ConfigError> {
        let layout = config.layout()?;
        let (blocks, blocks_slack) = carve(blocks, layout.block_align(), layout.blocks_size())?;
        let (metadata, metadata_slack) = carve(metadata, LINE, layout.metadata_size())?;
        let site = Site {
            blocks,
            metadata,
            slack: blocks_slack + metadata_slack,
            zeroed: false,
        };
        // SAFETY: both parts are exclusively borrowed for 'm, aligned and long enough.
        Ok(unsafe { Self::build(site, layout) })
    }

    /// A pool in `len` bytes at `start`: a linker section, a DMA window, or a mapping.
    ///
    /// # Errors
    /// Any [`ConfigError`] except `OutOfMemory`.
    ///
    /// # Safety
    /// The bytes are valid for reads and writes for `'m`, from every thread, core and interrupt that uses the
    /// pool or its handles. Nothing else accesses them during `'m`, except through pointers obtained from
    /// handles.
    pub unsafe fn from_raw(
        start: NonNull<u8>,
        len: usize,
        config: PoolConfig,
    ) -> Result<Self, ConfigError> {
        // SAFETY: the caller's promise.
        unsafe { Self::build_in(start, len, config, false) }
    }

    /// # Safety
    /// As for [`from_raw`](Self::from_raw); if `zeroed`, every byte is 0.
    pub(crate) unsafe fn build_in(
        start: NonNull<u8>,
        len: usize,
        config: PoolConfig,
        zeroed: bool,
    ) -> Result<Self, ConfigError> {
        let align = config.region_align()?;
        let lead = start.addr().get().wrapping_neg() & (align - 1);
        // If the region ends before its first aligned byte, nothing is left, and the error has the size.
        let layout = match config.layout_in(len.saturating_sub(lead)) {
            Err(ConfigError::RegionTooSmall { required, .. }) => {
                return Err(ConfigError::RegionTooSmall {
                    required: lead + required,
                    available: len,
                });
            }
            other => other?,
        };
        // SAFETY: `lead + layout.size()` is at most `len`: `layout_in` checked it.
        let site = unsafe {
            let blocks = start.add(lead);
            Site {
                blocks,
                metadata: blocks.add(layout.metadata_offset()),
                slack: len - layout.blocks_size() - layout.metadata_size(),
                zeroed,
            }
        };
        // SAFETY: the caller owns the parts, which are aligned and long enough.
        Ok(unsafe { Self::build(site, layout) })
    }

    /// # Safety
    /// Both parts of the site are valid and unshared for `'m`, aligned, and of the size in the layout.
    unsafe fn build(site: Site, layout: PoolLayout) -> Self {
        // SAFETY: the caller's promise.
        let base = unsafe {
            let (capacity, magazine) = (layout.capacity() as u32, layout.magazine() as u16);
            Base::write(site.metadata, site.zeroed, capacity, magazine, site.slack)
        };
        // The layout is checked: every number fits its field.
        Self {
            depot: Depot {
                base,
                // SAFETY: by the invariant of `PoolLayout`, at least 1.
                capacity: unsafe { NonZeroU32::new_unchecked(layout.capacity() as u32) },
                magazine: layout.magazine() as u16,
                align_log2: layout.block_align().trailing_zeros() as u8,
                shared: false,
            },
            blocks: site.blocks,
            block_size: layout.block_size() as u32,
            stride: layout.stride() as u32,
            _memory: PhantomData,
        }
    }
}

impl Pool<'_> {
    /// Touches every page of the metadata and of blocks that were never allocated, so that no later operation
    /// takes a first page fault. O(capacity).
    ///
    /// Takes and returns 64 blocks at a time; meanwhile these are not available to others. Blocks that were
    /// allocated before are not touched. Mappings with prefault (the default) do not need this.
    pub fn prefault(&self) {
        let mut ids = [MaybeUninit::uninit(); 64];
        let mut awaited = false;
        loop {
            // Counted as lent first, so that the blocks do not count as in use.
            let most = ids.len() as Word;
            self.lend(most);
            let n = sync::section(|s| self.depot.take_new(s, &mut ids));
            // SAFETY: as many were written.
            let taken = unsafe { assume_init(ids.get(..n).unwrap_or_default()) };
            if taken.is_empty() {
                self.lend(most.wrapping_neg());
                break;
            }
            for &id in taken {
                // SAFETY: the block was just taken.
                unsafe { self.touch(id) };
            }
            self.uncount(n);
            // SAFETY: the blocks were just taken, and are given up here. This writes their links.
            awaited |= unsafe { self.give_quietly(taken) };
            self.lend(most.wrapping_neg());
        }
        self.depot.prefault_magazines();
        self.look_for_waiters_if(awaited);
    }

    /// Writes to every page of a block.
    ///
    /// # Safety
    /// The caller owns the block.
    unsafe fn touch(&self, id: u32) {
        // The smallest page of any target; on larger pages the extra writes cost little.
        const PAGE: usize = 4096;
        // SAFETY: the block is owned, so its index is in range and its bytes are the caller's.
        unsafe {
            let start = self.block_start(id);
            for at in (0..self.block_size()).step_by(PAGE) {
                start.add(at).write_volatile(0);
            }
            start.add(self.block_size() - 1).write_volatile(0);
        }
    }
}

/// The first aligned `size` bytes of a slice, and the number of bytes left over.
pub(crate) fn carve(
    part: &mut [MaybeUninit<u8>],
    align: usize,
    size: usize,
) -> Result<(NonNull<u8>, usize), ConfigError> {
    let start = NonNull::from(&mut *part).cast::<u8>();
    let lead = start.addr().get().wrapping_neg() & (align - 1);
    if lead + size > part.len() {
        return Err(ConfigError::RegionTooSmall {
            required: lead + size,
            available: part.len(),
        });
    }
    // SAFETY: just checked.
    Ok((unsafe { start.add(lead) }, part.len() - size))
}

impl Drop for Pool<'_> {
    /// Returns memory that the pool owns, unless a block is raw or posted: a device may still write to it. Then the
    /// memory leaks, and [`Pool::leaked`] counts it. Borrowed memory is left as it is. O(1); with raw blocks
    /// O(capacity).
    fn drop(&mut self) {
        // A static with other descriptors owns nothing.
        if self.depot.shared {
            return;
        }
        // Dropped after all else, because the header lies in its memory.
        #[cfg(feature = "std")]
        let _owner = self.take_owner();
        self.drop_ledger();
        // After the owner is taken: it runs the user's code, and if that unwinds, the memory is returned.
        self.forget_waiters();
        #[cfg(loom)]
        // SAFETY: made by `Base::write`, and freed here only.
        drop(unsafe { std::boxed::Box::from_raw(self.depot.base.as_ptr()) });
    }
}
