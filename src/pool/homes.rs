//! Where pools live: in memory the caller lends, or in memory they own.

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use crate::error::ConfigError;
use crate::pool::depot::{Depot, assume_init};
use crate::pool::geometry::LINE;
use crate::pool::meta::Base;
use crate::pool::{Pool, PoolConfig, PoolLayout};
use crate::sync::{self, Word};

/// Two parts of memory that a pool is about to be built in, and what is left over.
struct Site {
    blocks: NonNull<u8>,
    metadata: NonNull<u8>,
    slack: usize,
    /// Whether the metadata is zeroed already.
    zeroed: bool,
}

impl<'m> Pool<'m> {
    /// A pool in the caller's memory, blocks first, metadata behind them.
    ///
    /// The region may start anywhere: what its misalignment costs is in [`slack`](Self::slack). The
    /// blocks' bytes are left as they are. O(capacity): the links, 4 bytes a block, are zeroed; every
    /// other home has them zeroed already.
    ///
    /// # Errors
    /// Any [`ConfigError`] but `OutOfMemory`.
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

    /// A pool whose blocks lie in one region and whose metadata in another: for blocks in memory that
    /// is uncached, or on the far side of a bus.
    ///
    /// The metadata takes [`PoolLayout::metadata_size`] bytes, and up to a cache line more where it
    /// starts misaligned. `config` must say how many blocks there are: [`PoolConfig::new`].
    ///
    /// # Errors
    /// Any [`ConfigError`] but `OutOfMemory`.
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

    /// A pool in `len` bytes at `start`: a linker section, a DMA window, a mapping of the caller's.
    ///
    /// # Errors
    /// Any [`ConfigError`] but `OutOfMemory`.
    ///
    /// # Safety
    /// The bytes are valid for reads and writes for `'m`, from every thread, core and interrupt that
    /// the pool or its handles get to, and nothing else accesses them meanwhile, except through the
    /// pointers that handles give out.
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
        // With an impossible lead nothing is left, and the error says how much was needed.
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
        // SAFETY: the parts are the caller's to give, aligned and long enough.
        Ok(unsafe { Self::build(site, layout) })
    }

    /// # Safety
    /// Both parts of the site are valid and unshared for `'m`, aligned, and as long as the layout
    /// says.
    unsafe fn build(site: Site, layout: PoolLayout) -> Self {
        // SAFETY: the caller's promise.
        let base = unsafe {
            let (capacity, magazine) = (layout.capacity() as u32, layout.magazine() as u16);
            Base::write(site.metadata, site.zeroed, capacity, magazine, site.slack)
        };
        // A checked layout: every figure fits its field.
        Self {
            depot: Depot {
                base,
                // SAFETY: a layout has blocks.
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
    /// Touches every page of blocks never handed out and of the metadata, so that no later operation
    /// takes a page fault for the first time. O(capacity).
    ///
    /// Blocks are taken and put back 64 at a time: meanwhile others find those missing. Blocks that
    /// were handed out before have been touched by whoever had them, or are theirs to touch. Mappings
    /// with prefault (the default) have no need of this.
    pub fn prefault(&self) {
        let mut ids = [MaybeUninit::uninit(); 64];
        let mut awaited = false;
        loop {
            // Told first, so that it does not look like use.
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
        self.look_if(awaited);
    }

    /// Writes to every page of a block.
    ///
    /// # Safety
    /// The caller owns the block.
    unsafe fn touch(&self, id: u32) {
        // The smallest page of any target; a step too many costs nothing.
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

/// The first aligned `size` bytes of a slice, and how many it has besides.
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
    /// Returns memory that the pool owns. Memory that was lent is left as it is.
    fn drop(&mut self) {
        // A static that others may share owns nothing.
        #[cfg(feature = "audit")]
        if !self.depot.shared {
            self.drop_ledger();
        }
        #[cfg(feature = "std")]
        let owner = if self.depot.shared {
            None
        } else {
            self.take_owner()
        };
        // After the owner is taken: it runs the user's code, and if that unwinds, memory goes back.
        if !self.depot.shared {
            self.forget_waiters();
        }
        #[cfg(loom)]
        // SAFETY: made by `Base::write`, and freed here only.
        drop(unsafe { std::boxed::Box::from_raw(self.depot.base.as_ptr()) });
        // Last: the header lies in the memory that goes with it.
        #[cfg(feature = "std")]
        drop(owner);
    }
}
