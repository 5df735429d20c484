//! Making a packet pool in memory.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::packet::config::{PacketConfig, PacketLayout};
use crate::packet::error::PacketPoolError;
use crate::packet::line::Line;
use crate::packet::pool::PacketPool;
use crate::pool::Pool;
use crate::pool::error::ConfigError;
#[cfg(feature = "std")]
use crate::pool::owner::{Allocation, Owner};

impl<'m> PacketPool<'m> {
    /// A packet pool in the caller's memory. Zeroes it: O(its length).
    ///
    /// # Errors
    /// [`PacketPoolError`].
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let mut memory = [MaybeUninit::uninit(); 32 * 1024];
    /// let packets = PacketPool::new(&mut memory, PacketConfig::fill(1536))?;
    /// assert!(packets.capacity() >= 17);
    /// # Ok::<(), framepool::packet::PacketPoolError>(())
    /// ```
    pub fn new(
        region: &'m mut [MaybeUninit<u8>],
        config: PacketConfig,
    ) -> Result<Self, PacketPoolError> {
        region.fill(MaybeUninit::new(0));
        let (start, len) = (NonNull::from(&mut *region).cast(), region.len());
        // SAFETY: the slice is valid for writes and exclusively borrowed for 'm, and it was just zeroed.
        unsafe { Self::build_in(start, len, config, true) }
    }

    /// A packet pool in `len` bytes at `start`: a linker section, a DMA window, or a mapping. The bytes of the blocks
    /// are not written. O(number of blocks).
    ///
    /// # Errors
    /// [`PacketPoolError`].
    ///
    /// # Safety
    /// As for [`Pool::from_raw`]; and all bytes are initialised, as those of device memory, mappings and statics are.
    pub unsafe fn from_raw(
        start: NonNull<u8>,
        len: usize,
        config: PacketConfig,
    ) -> Result<Self, PacketPoolError> {
        // SAFETY: the caller's promise.
        unsafe { Self::build_in(start, len, config, false) }
    }

    /// # Safety
    /// As for [`from_raw`](Self::from_raw); if `zeroed`, every byte is 0.
    pub(crate) unsafe fn build_in(
        start: NonNull<u8>,
        len: usize,
        config: PacketConfig,
        zeroed: bool,
    ) -> Result<Self, PacketPoolError> {
        let align = config.region_align()?;
        let lead = start.addr().get().wrapping_neg() & (align - 1);
        let layout = match config.layout_in(len.saturating_sub(lead)) {
            Err(PacketPoolError::Config(ConfigError::RegionTooSmall { required, .. })) => {
                return Err(PacketPoolError::Config(ConfigError::RegionTooSmall {
                    required: lead + required,
                    available: len,
                }));
            }
            other => other?,
        };
        // SAFETY: `lead + layout.size()` is at most `len`: `layout_in` checked it. The parts do not overlap.
        unsafe { Self::build_at(start.add(lead), &layout, config, zeroed) }
    }

    /// # Safety
    /// As for [`build_in`](Self::build_in), for the bytes of the layout from an aligned start.
    unsafe fn build_at(
        start: NonNull<u8>,
        layout: &PacketLayout,
        config: PacketConfig,
        zeroed: bool,
    ) -> Result<Self, PacketPoolError> {
        let blocks = config.blocks(layout.capacity());
        // SAFETY: the caller's promise, for the first part.
        let blocks = unsafe { Pool::build_in(start, layout.blocks.size(), blocks, zeroed) };
        let side = layout.side.map(|side| {
            let config = PacketConfig::side_lines(side.capacity());
            // SAFETY: the caller's promise, for the last part.
            unsafe {
                let start = start.add(layout.side_offset());
                Pool::build_in(start, side.size(), config, zeroed)
            }
        });
        // SAFETY: the lines lie between the two.
        let lines = unsafe { lines_at(start.add(layout.lines_offset()), layout) };
        let blocks = blocks.map_err(PacketPoolError::Config)?;
        let side = side.transpose().map_err(PacketPoolError::Config)?;
        // SAFETY: the lines are followed by the blocks of `side`; all bytes are initialised.
        Ok(unsafe { Self::assemble(blocks, side, lines, layout.room()) })
    }
}

/// # Safety
/// `at` points at the room for the lines.
#[cfg(not(loom))]
unsafe fn lines_at(at: NonNull<u8>, _: &PacketLayout) -> NonNull<Line> {
    at.cast()
}

/// Loom's types are not plain words.
#[cfg(loom)]
unsafe fn lines_at(_: NonNull<u8>, layout: &PacketLayout) -> NonNull<Line> {
    let lines = 0..layout.capacity() + layout.side();
    let lines: std::boxed::Box<[Line]> = lines.map(|_| Line::new()).collect();
    NonNull::from(std::boxed::Box::leak(lines)).cast()
}

#[cfg(feature = "std")]
impl PacketPool<'static> {
    /// A packet pool in memory of the global allocator; the pool owns that memory and frees it.
    ///
    /// # Errors
    /// [`PacketPoolError`].
    pub fn allocate(config: PacketConfig) -> Result<Self, PacketPoolError> {
        let layout = config.layout()?;
        let memory =
            Allocation::zeroed(layout.size(), layout.align()).map_err(PacketPoolError::Config)?;
        // SAFETY: the allocation is zeroed, unshared, and lives as long as the pool, which owns it.
        let mut packets = unsafe { Self::build_at(memory.start(), &layout, config, true) }?;
        packets.own(Owner::Allocated(memory));
        Ok(packets)
    }
}

#[cfg(all(feature = "mmap", target_os = "linux"))]
mod mapped {
    use super::*;
    use crate::pool::{Umem, UmemError};
    use crate::region::{Iova, IovaError, MappedRegion, RegionReport};

    impl PacketPool<'static> {
        /// A packet pool in a mapping of its own, as [`Pool::map`] makes it: hugepages if available, prefaulted.
        ///
        /// # Errors
        /// [`MapPacketPoolError`]: the configuration is invalid, or the mapping failed.
        ///
        /// ```
        /// use framepool::packet::{PacketConfig, PacketPool};
        ///
        /// let packets = PacketPool::map(PacketConfig::new(2048, 4096))?;
        /// assert_eq!(packets.alloc()?.headroom(), 256);
        /// # Ok::<(), Box<dyn core::error::Error>>(())
        /// ```
        pub fn map(config: PacketConfig) -> Result<Self, MapPacketPoolError> {
            let layout = config.layout().map_err(MapPacketPoolError::Config)?;
            let region = MappedRegion::builder(layout.size())
                .map()
                .map_err(MapPacketPoolError::Map)?;
            // SAFETY: a new anonymous mapping is zeroed; the pool owns it from now on.
            let packets = unsafe { Self::build_in(region.as_ptr(), region.len(), config, true) };
            let mut packets = packets.map_err(MapPacketPoolError::Config)?;
            packets.own(Owner::Mapped(region));
            Ok(packets)
        }

        /// A packet pool over all of a mapping; the pool owns the mapping. O(number of blocks).
        ///
        /// # Errors
        /// [`PacketPoolError`], with the mapping.
        pub fn over_mapping(
            region: MappedRegion,
            config: PacketConfig,
        ) -> Result<Self, (PacketPoolError, MappedRegion)> {
            // SAFETY: the mapping is valid, unshared and initialised; the pool owns it from now on.
            match unsafe { Self::build_in(region.as_ptr(), region.len(), config, false) } {
                Ok(mut packets) => {
                    packets.own(Owner::Mapped(region));
                    Ok(packets)
                }
                Err(error) => Err((error, region)),
            }
        }
    }

    impl PacketPool<'_> {
        /// The report of the mapping: which memory the kernel granted, and why. `None` if the pool does not own a
        /// mapping.
        pub fn region_report(&self) -> Option<&RegionReport> {
            self.blocks().region_report()
        }

        /// Checks that the blocks can be a UMEM in aligned mode: see [`Pool::umem`].
        ///
        /// # Errors
        /// [`UmemError`] with what the kernel would refuse.
        ///
        /// ```
        /// use framepool::PoolConfig;
        /// use framepool::packet::{PacketConfig, PacketPool};
        ///
        /// let packets = PacketPool::map(PacketConfig::of(PoolConfig::umem(2048, 64)))?;
        /// let umem = packets.umem()?;
        /// assert_eq!((umem.addr(), umem.chunk_size()), (packets.blocks_ptr().addr().get(), 2048));
        /// # Ok::<(), Box<dyn core::error::Error>>(())
        /// ```
        pub fn umem(&self) -> Result<Umem, UmemError> {
            self.blocks().umem()
        }

        /// Checks that the blocks can be a UMEM in unaligned mode: see [`Pool::unaligned_umem`].
        ///
        /// # Errors
        /// [`UmemError`] with what the kernel would refuse.
        pub fn unaligned_umem(&self) -> Result<Umem, UmemError> {
            self.blocks().unaligned_umem()
        }

        /// Reads the physical addresses of all blocks: see [`Pool::iova`]. [`PacketBuf::iova`](crate::packet::PacketBuf::iova) and
        /// its like look addresses up in the table.
        ///
        /// # Errors
        /// As for [`Pool::iova`].
        pub fn iova(&self) -> Result<Iova, IovaError> {
            self.blocks().iova()
        }
    }

    /// A packet pool in a mapping of its own could not be made.
    #[derive(Debug, Clone)]
    #[non_exhaustive]
    pub enum MapPacketPoolError {
        /// The configuration is invalid.
        Config(PacketPoolError),
        /// The mapping failed.
        Map(crate::region::MapError),
    }

    impl core::fmt::Display for MapPacketPoolError {
        fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            match self {
                Self::Config(error) => error.fmt(f),
                Self::Map(error) => error.fmt(f),
            }
        }
    }

    impl core::error::Error for MapPacketPoolError {}
}
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use mapped::MapPacketPoolError;
