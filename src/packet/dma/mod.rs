//! Packets at a device.
//!
//! ```text
//!            lend, post                            complete
//!   PacketBuf ─────────► InFlight, RxQueue, TxQueue ─────────► PacketBuf
//!             clean or            │                  acquire
//!             invalidate,         │ dropped          fence,
//!             release fence       ▼                  invalidate
//!                             quarantine ── PacketPool::reclaim ──► pool
//! ```
//!
//! What the program wrote before is visible to the device, and what the device wrote is visible to the program after
//! completion: the fences, and the calls that maintain the data cache, are inside. A handle that is dropped at the wrong
//! time does not free its block, because the device may still use it.

mod in_flight;
mod queue;

use core::fmt;
use core::ptr::NonNull;

pub use in_flight::{Direction, InFlight};
pub use queue::{CompletionFault, Descriptor, QueueStats, RxQueue, TxQueue};

use crate::packet::pool::PacketPool;

/// Maintains the data cache of a processor whose devices do not see it: a Cortex-M7, or a system without coherent DMA.
///
/// Where DMA is coherent, use [`Coherent`]. An implementation calls the processor's instructions for the lines of the
/// range, which begins and ends at multiples of [`GRANULE`](Self::GRANULE), except in [`clean`](Self::clean).
///
/// ```
/// use core::ptr::NonNull;
/// use framepool::packet::CacheMaintenance;
///
/// struct M7;
///
/// impl CacheMaintenance for M7 {
///     const GRANULE: usize = 32;
///
///     fn clean(&self, start: NonNull<u8>, len: usize) {
///         // scb.clean_dcache_by_address(start.as_ptr() as usize, len)
///         # let _ = (start, len);
///     }
///
///     fn invalidate(&self, start: NonNull<u8>, len: usize) {
///         // scb.invalidate_dcache_by_address(start.as_ptr() as usize, len)
///         # let _ = (start, len);
///     }
///
///     fn barrier(&self) {
///         // cortex_m::asm::dsb()
///     }
/// }
/// ```
pub trait CacheMaintenance {
    /// Bytes of a line of the data cache, a power of two. Memory that a device writes must not share a line with other
    /// memory.
    const GRANULE: usize;

    /// Writes the lines of a range back to memory, before a device reads it.
    fn clean(&self, start: NonNull<u8>, len: usize);

    /// Discards the lines of a range: before a device writes to it, so that no line is written back over the device's
    /// bytes, and after that, so that no line from before is read.
    fn invalidate(&self, start: NonNull<u8>, len: usize);

    /// Waits until the maintenance and all writes before it are complete. Called after [`clean`](Self::clean) or
    /// [`invalidate`](Self::invalidate), before the device gets the address or the program reads the bytes. The release and acquire fences are made
    /// in addition.
    fn barrier(&self);

    /// Whether the device can reach this memory. Default: true. A queue is not made over memory out of reach.
    fn reaches(&self, start: NonNull<u8>, len: usize) -> bool {
        let _ = (start, len);
        true
    }
}

/// The maintenance of a processor whose devices see its cache: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Coherent;

impl CacheMaintenance for Coherent {
    const GRANULE: usize = 1;

    #[inline(always)]
    fn clean(&self, _: NonNull<u8>, _: usize) {}

    #[inline(always)]
    fn invalidate(&self, _: NonNull<u8>, _: usize) {}

    #[inline(always)]
    fn barrier(&self) {}
}

impl<M: CacheMaintenance> CacheMaintenance for &M {
    const GRANULE: usize = M::GRANULE;

    #[inline(always)]
    fn clean(&self, start: NonNull<u8>, len: usize) {
        M::clean(self, start, len);
    }

    #[inline(always)]
    fn invalidate(&self, start: NonNull<u8>, len: usize) {
        M::invalidate(self, start, len);
    }

    #[inline(always)]
    fn barrier(&self) {
        M::barrier(self);
    }

    fn reaches(&self, start: NonNull<u8>, len: usize) -> bool {
        M::reaches(self, start, len)
    }
}

/// Memory cannot be given to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DmaError {
    /// A block, or the window of a packet, may share a line of the data cache with other memory.
    SharesLine {
        /// Bytes of a line of the data cache.
        granule: usize,
        /// The largest power of two that address and length of the memory are multiples of.
        align: usize,
    },
    /// The device does not reach the pool's memory.
    OutOfReach,
    /// The packet does not have its block to itself, or has external memory.
    NotWhole,
    /// The packet belongs to another pool.
    WrongPool,
    /// The pool has as many queues as it can have.
    TooManyQueues {
        /// The maximum.
        max: usize,
    },
}

impl fmt::Display for DmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharesLine { granule, align } => write!(
                f,
                "memory aligned to {align} bytes shares cache lines of {granule}"
            ),
            Self::OutOfReach => write!(f, "the device does not reach the pool's memory"),
            Self::NotWhole => write!(f, "the packet does not have a block to itself"),
            Self::WrongPool => write!(f, "the packet belongs to another pool"),
            Self::TooManyQueues { max } => write!(f, "the pool has {max} queues already"),
        }
    }
}

impl core::error::Error for DmaError {}

/// Checks that address and length are multiples of a line.
pub(crate) fn whole_lines<M: CacheMaintenance>(addr: usize, len: usize) -> Result<(), DmaError> {
    let both = addr | len;
    match both % M::GRANULE.max(1) {
        0 => Ok(()),
        _ => Err(DmaError::SharesLine {
            granule: M::GRANULE,
            align: 1 << both.trailing_zeros(),
        }),
    }
}

impl PacketPool<'_> {
    /// Returns the number of packets that devices have: in queues, quarantined, or converted
    /// [into an address](super::PacketBuf::into_raw). An [`InFlight`] counts only after it was dropped. The count of a queue may be up to 63 too high while it is alive.
    pub fn lent(&self) -> usize {
        self.blocks().raw_out() + self.side_pool().map_or(0, |side| side.raw_out())
    }
}
