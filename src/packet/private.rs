//! The user's own data for each packet.

use core::cell::UnsafeCell;
use core::fmt;

use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketMut;
use crate::packet::chain::PacketRef;
use crate::packet::pool::PacketPool;
use crate::packet::segment::Segment;
use crate::packet::shared::Shared;

/// A value of the user's for each packet: mbuf's private area, in an array of its own.
///
/// A handle of a packet is the key to its value, and as exclusive. A value stays when its packet is freed: the next packet
/// of that line finds it.
///
/// The pool's handles have no type parameter for it, and several tables may belong to one pool.
///
/// ```
/// use framepool::packet::PrivateData;
///
/// framepool::packet_pool!(static PACKETS: [256; 16], side = 4);
///
/// let mut values = [0u64; 16 + 4];
/// let flows = PrivateData::new(&PACKETS, &mut values)?;
/// let mut packet = PACKETS.alloc()?;
/// *flows.get_mut(&mut packet).unwrap() = 7;
/// assert_eq!(flows.get(&packet), Some(&7));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
//
// Invariant: a value is accessed through the handles of its line only, and there is one for each line.
pub struct PrivateData<'m, T> {
    packets: &'m PacketPool<'m>,
    values: &'m [UnsafeCell<T>],
}

// SAFETY: a value is read through shared handles and written through exclusive ones, on whatever thread they are.
unsafe impl<T: Send + Sync> Sync for PrivateData<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for PrivateData<'_, T> {}

impl<'m, T: Send + Sync> PrivateData<'m, T> {
    /// A table over one value for each line of the pool: [`capacity`](PacketPool::capacity) and
    /// [`side`](PacketPool::side) together. O(1).
    ///
    /// # Errors
    /// [`TooFewValues`] if there are fewer.
    pub fn new(packets: &'m PacketPool<'m>, values: &'m mut [T]) -> Result<Self, TooFewValues> {
        let (needed, available) = (packets.capacity() + packets.side(), values.len());
        if available < needed {
            return Err(TooFewValues { needed, available });
        }
        let values = core::ptr::from_mut(values) as *const [UnsafeCell<T>];
        // SAFETY: the slice is borrowed exclusively for 'm, and a cell has the layout of its value.
        let values = unsafe { &*values };
        Ok(Self { packets, values })
    }

    #[inline(always)]
    fn cell(&self, segment: Segment<'_>) -> Option<*mut T> {
        // A reservation has the lines of its parent.
        if segment.packets.lines() != self.packets.lines() {
            return None;
        }
        self.values.get(segment.line).map(UnsafeCell::get)
    }

    /// The value of a packet. `None` if it belongs to another pool than this table's, or a reservation of it.
    #[inline]
    pub fn get<'a>(&'a self, packet: &'a impl Key) -> Option<&'a T> {
        let value = self.cell(packet.segment())?;
        // SAFETY: the handle is borrowed, so that no exclusive borrow of it exists; other handles only read.
        Some(unsafe { &*value })
    }

    /// The value of a packet, to change. `None` as for [`get`](Self::get).
    #[inline]
    pub fn get_mut<'a>(&'a self, packet: &'a mut impl ExclusiveKey) -> Option<&'a mut T> {
        let value = self.cell(packet.segment())?;
        // SAFETY: the handle is the line's only one, and borrowed exclusively.
        Some(unsafe { &mut *value })
    }
}

impl<T> fmt::Debug for PrivateData<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateData")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "defmt")]
impl<T> defmt::Format for PrivateData<'_, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "PrivateData {{ values: {=usize} }}", self.values.len());
    }
}

mod sealed {
    use super::*;

    #[allow(private_interfaces, reason = "nobody outside can name or call it")]
    pub trait Handle {
        fn segment(&self) -> Segment<'_>;
    }
}

/// A handle of a packet: [`PacketBuf`], [`PacketMut`], [`PacketRef`], [`Shared`].
pub trait Key: sealed::Handle {}

/// An exclusive handle of a packet: [`PacketBuf`], [`PacketMut`].
pub trait ExclusiveKey: Key {}

macro_rules! keys {
    ($($ty:ty)*) => { $(
        #[allow(private_interfaces, reason = "nobody outside can name or call it")]
        impl sealed::Handle for $ty {
            #[inline(always)]
            fn segment(&self) -> Segment<'_> {
                <$ty>::segment(self)
            }
        }

        impl Key for $ty {}
    )* };
}

keys!(PacketBuf<'_> PacketMut<'_, '_> PacketRef<'_, '_> Shared<'_>);

impl ExclusiveKey for PacketBuf<'_> {}
impl ExclusiveKey for PacketMut<'_, '_> {}

/// A table has fewer values than the pool has lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooFewValues {
    /// Lines of the pool.
    pub needed: usize,
    /// Values.
    pub available: usize,
}

impl fmt::Display for TooFewValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} values needed, one for each line, {} available",
            self.needed, self.available
        )
    }
}

impl core::error::Error for TooFewValues {}
