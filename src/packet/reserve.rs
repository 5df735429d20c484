//! Reservations: packets that no other user of the pool can take.

use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;

use crate::packet::pool::PacketPool;
use crate::pool::error::ReserveError;
use crate::pool::meta::{RAW, is_mark};
use crate::pool::reserve::{Reservation, Withdrawn};
use crate::sync::Ordering::*;

/// A guaranteed quota of packets: withdrawn from a [`PacketPool`], allocated like a pool's own through [`Deref`], and
/// returned here when they are freed, from any place. So reception cannot starve transmission in one pool, or one UMEM.
///
/// A packet keeps the block, the [`offset`](super::PacketBuf::offset) and the metadata line that it has in the parent. The
/// reservation has side lines of its own. In everything else it is another pool: packets of both do not go into one
/// [`Chain`](super::Chain) or [`PacketBurst`](super::PacketBurst). A [`PrivateData`](super::PrivateData) of the parent has
/// the values of these packets, too.
///
/// Dropping a reservation returns its blocks and side lines to the parent; those that a device has are from then on the
/// parent's to [reclaim](PacketPool::reclaim). What is forgotten is lost as that of a [`Reservation`](crate::Reservation).
///
/// ```
/// use framepool::packet::{PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// let tx = packets.reserve(16, 4)?;
/// let received: Vec<_> = std::iter::from_fn(|| packets.alloc().ok()).collect();
/// assert_eq!(received.len(), 48);
/// let mut reply = tx.alloc_from(b"header body")?;
/// let body = reply.split_off(7)?;
/// drop((reply, body));
/// assert_eq!((tx.available(), packets.available()), (16, 0));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a reservation gives its blocks back"]
pub struct PacketReservation<'p> {
    /// Invariant: its blocks were withdrawn from those of `parent`, and its side lines from its side lines; it has the
    /// parent's lines, and as many names for both.
    packets: PacketPool<'p>,
    parent: &'p PacketPool<'p>,
    quota: usize,
}

impl<'m> PacketPool<'m> {
    /// Withdraws `n` blocks and `side` side lines, all or none. O(n). Allocates 8 bytes from the global allocator for each
    /// block of this pool, and for each side line unless `side` is 0: then the packets cannot be split.
    ///
    /// # Errors
    /// [`PacketReserveError`]: fewer are free (blocks in workers' caches do not count), `n` is 0, or the allocation failed.
    #[cfg(feature = "std")]
    pub fn reserve(
        &self,
        n: usize,
        side: usize,
    ) -> Result<PacketReservation<'_>, PacketReserveError> {
        let (blocks, lines) = self.withdraw(n, side)?;
        let blocks = blocks.allocate().map_err(PacketReserveError::Blocks)?;
        let lines = lines.map(Withdrawn::allocate).transpose();
        let lines = lines.map_err(PacketReserveError::SideLines)?;
        Ok(self.reservation(blocks, lines))
    }

    /// [`reserve`](Self::reserve) with the metadata in the caller's memory: needs no allocator.
    /// [`reservation_size`](Self::reservation_size) bytes are enough.
    ///
    /// # Errors
    /// As for `reserve`; [`ConfigError::RegionTooSmall`](crate::ConfigError::RegionTooSmall) has the number of bytes that
    /// the blocks or the side lines require.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    ///
    /// framepool::packet_pool!(static PACKETS: [1536; 32]);
    ///
    /// let mut metadata = [MaybeUninit::uninit(); 2048];
    /// assert!(metadata.len() >= PACKETS.reservation_size());
    /// let tx = PACKETS.reserve_in(&mut metadata, 8, 2)?;
    /// assert_eq!((tx.quota(), PACKETS.available()), (8, 24));
    /// # Ok::<(), framepool::packet::PacketReserveError>(())
    /// ```
    pub fn reserve_in<'p>(
        &'p self,
        metadata: &'p mut [MaybeUninit<u8>],
        n: usize,
        side: usize,
    ) -> Result<PacketReservation<'p>, PacketReserveError> {
        let (blocks, lines) = self.withdraw(n, side)?;
        let middle = self.blocks().reservation_size().min(metadata.len());
        let (first, rest) = metadata.split_at_mut(middle);
        let blocks = blocks.settle_in(first);
        let blocks = blocks.map_err(PacketReserveError::Blocks)?;
        let lines = lines.map(|lines| lines.settle_in(rest)).transpose();
        let lines = lines.map_err(PacketReserveError::SideLines)?;
        Ok(self.reservation(blocks, lines))
    }

    /// The largest number of bytes that [`reserve_in`](Self::reserve_in) needs.
    pub const fn reservation_size(&self) -> usize {
        let lines = match self.side_pool() {
            Some(side) => side.reservation_size(),
            None => 0,
        };
        self.blocks().reservation_size() + lines
    }

    fn withdraw(
        &self,
        n: usize,
        side: usize,
    ) -> Result<(Withdrawn<'_>, Option<Withdrawn<'_>>), PacketReserveError> {
        let blocks = Withdrawn::take(self.blocks(), n).map_err(PacketReserveError::Blocks)?;
        let lines = match (side, self.side_pool()) {
            (0, _) => None,
            (_, None) => return Err(PacketReserveError::NoSideLines),
            (n, Some(side)) => {
                let lines = Withdrawn::take(side, n).map_err(PacketReserveError::SideLines)?;
                Some(lines.with_all_names())
            }
        };
        Ok((blocks.with_all_names(), lines))
    }

    fn reservation<'p>(
        &'p self,
        blocks: Reservation<'p>,
        side: Option<Reservation<'p>>,
    ) -> PacketReservation<'p> {
        let quota = blocks.quota();
        let (blocks, side) = (blocks.into_pool(), side.map(Reservation::into_pool));
        PacketReservation {
            // SAFETY: the lines are those of this pool. Blocks and side lines have the same names here, and as many: so
            // they have the same lines. A line is accessed by the owner of its block or side line alone, which was
            // withdrawn. The bytes of the blocks are initialised.
            packets: unsafe { PacketPool::assemble(blocks, side, self.lines(), self.room()) },
            parent: self,
            quota,
        }
    }
}

impl<'p> PacketReservation<'p> {
    /// Number of reserved blocks.
    pub const fn quota(&self) -> usize {
        self.quota
    }

    /// The pool that the blocks were withdrawn from.
    pub const fn parent(&self) -> &'p PacketPool<'p> {
        self.parent
    }
}

impl<'p> Deref for PacketReservation<'p> {
    type Target = PacketPool<'p>;

    fn deref(&self) -> &PacketPool<'p> {
        &self.packets
    }
}

impl PacketReservation<'_> {
    /// Makes packets of the blocks that queues left with a device: the parent has one mark for all that devices have, which
    /// stands for a handle of the line. O(capacity).
    #[cold]
    fn begin_posted(&self) {
        let blocks = self.packets.blocks();
        for id in 0..blocks.capacity() as u32 {
            // SAFETY: below the capacity. Relaxed: the queues were this reservation's, and are gone.
            let link = unsafe { blocks.link(id) }.load(Relaxed);
            if is_mark(link) && link != RAW {
                // SAFETY: a posted block has no handle, and this reservation ends.
                unsafe { self.packets.begin_line(id) };
            }
        }
    }
}

impl Drop for PacketReservation<'_> {
    fn drop(&mut self) {
        if self.packets.blocks().raw_out() > 0 {
            self.begin_posted();
        }
        if let (Some(side), Some(parent)) = (self.packets.side_pool(), self.parent.side_pool()) {
            side.end_reservation(parent);
        }
        // Last: it may run the user's code.
        self.packets.blocks().end_reservation(self.parent.blocks());
    }
}

describe!(PacketReservation<'_> as PacketReservation { quota, stats = |it| it.packets.stats() });

/// Packets could not be reserved. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PacketReserveError {
    /// The blocks could not be reserved.
    Blocks(ReserveError),
    /// The side lines could not be reserved.
    SideLines(ReserveError),
    /// The pool was made without side lines.
    NoSideLines,
}

impl fmt::Display for PacketReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(error) => error.fmt(f),
            Self::SideLines(error) => write!(f, "side lines: {error}"),
            Self::NoSideLines => write!(f, "the pool has no side lines"),
        }
    }
}

impl core::error::Error for PacketReserveError {}
