//! Handles that share a packet and only read it.

use core::mem;
use core::ops::Range;

use crate::packet::buf::PacketBuf;
use crate::packet::error::{RangeError, Refused, SplitError, TooManyShares};
use crate::packet::line::{Room, Span, refs};
use crate::packet::pool::{FromBytesError, PacketPool};
use crate::packet::segment::{Segment, copy};
use crate::packet::source::PacketSource;
use crate::sync::Ordering::*;

/// One of several handles of a packet, which read it. The packet is freed with the last of them.
///
/// For a packet that goes to several receivers. No handle can change it. To change it, take it alone with
/// [`into_unique`](Self::into_unique), or a copy with [`make_unique`](Self::make_unique).
///
/// ```
/// use framepool::packet::{PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// let one = packets.alloc_from(b"quote")?.share();
/// let two = one.try_clone()?;
/// std::thread::scope(|s| {
///     s.spawn(move || assert_eq!(two.bytes(), b"quote"));
/// });
/// let mut packet = one.into_unique().expect("the other handle is gone");
/// packet.bytes_mut()[0] = b'Q';
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A shared packet cannot be written:
/// ```compile_fail,E0599
/// # use framepool::packet::{PacketConfig, PacketPool};
/// # let packets = PacketPool::allocate(PacketConfig::new(2048, 64)).unwrap();
/// let mut shared = packets.alloc_from(b"quote").unwrap().share();
/// shared.bytes_mut()[0] = b'Q';
/// ```
#[must_use = "dropping the last handle frees the packet"]
pub struct Shared<'p> {
    /// Invariant: this handle is counted in the line. No handle of the line writes to it, or to the bytes.
    segment: Segment<'p>,
}

const _: () = assert!(size_of::<Shared<'_>>() == 2 * size_of::<usize>());

impl<'p> PacketBuf<'p> {
    /// Makes the packet read-only, so that it can have several handles. O(1), no atomic.
    #[inline]
    pub fn share(self) -> Shared<'p> {
        let segment = self.segment();
        self.disown();
        Shared { segment }
    }
}

impl<'p> Shared<'p> {
    /// The maximum number of handles of a packet.
    pub const MAX: usize = refs::MAX_HANDLES as usize;

    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment<'p> {
        self.segment
    }

    /// The pool of the packet.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.segment.packets
    }

    /// Returns the number of handles, this one included. Other threads may change it at any time.
    pub fn handles(&self) -> usize {
        (self.segment.line().refs.load(Relaxed) & refs::HANDLES) as usize
    }

    /// Makes another handle. O(1), one compare-and-swap.
    ///
    /// # Errors
    /// [`TooManyShares`] if there are [`MAX`](Self::MAX).
    #[inline]
    pub fn try_clone(&self) -> Result<Self, TooManyShares> {
        let (line, max) = (self.segment.line(), refs::MAX_HANDLES);
        if line.add(refs::HANDLE, refs::HANDLES, max, 0) {
            Ok(Self {
                segment: self.segment,
            })
        } else {
            Err(TooManyShares { max: Self::MAX })
        }
    }

    /// Makes a handle of a range of the packet, on a side line. The facts are copied. O(1), two atomic operations.
    ///
    /// # Errors
    /// [`SplitError`]: the range does not lie in the packet, or no side line is free.
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
    /// let whole = packets.alloc_from(b"header body")?.share();
    /// let body = whole.slice(7..11)?;
    /// drop(whole);
    /// assert_eq!(body.bytes(), b"body");
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn slice(&self, range: Range<usize>) -> Result<Self, SplitError> {
        let control = self.segment.control();
        let data = control.room.data;
        RangeError::check(&range, data.len())?;
        // At most the end of the data, which is a u16.
        let span = Span {
            start: data.start + range.start as u16,
            end: data.start + range.end as u16,
        };
        let room = Room {
            window: span,
            data: span,
        };
        let (packets, meta) = (self.segment.packets, *self.meta());
        // SAFETY: this handle keeps the block; the new packet becomes one that only reads.
        let part = unsafe { packets.side_packet(&control, room, meta, refs::SLICED) }?;
        Ok(part.share())
    }

    /// Returns the packet for exclusive use, if this is its only handle. If the block was ever
    /// [sliced](Self::slice) since it had one packet, this must be the only packet in it. O(1), no read-modify-write.
    ///
    /// # Errors
    /// The handle, if there are others.
    pub fn into_unique(self) -> Result<PacketBuf<'p>, Self> {
        if !self.is_unique() {
            return Err(self);
        }
        let Segment { packets, line } = self.segment;
        mem::forget(self);
        // SAFETY: this was the only handle of the line, and no other line has its bytes.
        Ok(unsafe { PacketBuf::own(packets, line as u32) })
    }

    /// Whether nothing else can reach the bytes. It stays so: only this handle could make others. If no slice is left, the
    /// mark of slices is removed.
    fn is_unique(&self) -> bool {
        let segment = self.segment;
        // Acquire: pairs with the releases in `remove`: what ended handles read happens before what the caller
        // writes, and the mark of slices that were made through them is seen below.
        let here = segment.line().refs.load(Acquire);
        if here & refs::HANDLES != refs::HANDLE {
            return false;
        }
        let (line, own, alone) = if here & refs::SIDE == 0 {
            (segment.line(), here, refs::HANDLE)
        } else {
            // SAFETY: this handle keeps the block, and so its line.
            let line = unsafe { segment.packets.line(segment.control().index()) };
            // Acquire: as above, for the packets on other lines.
            (line, line.refs.load(Acquire), refs::PART)
        };
        if own & refs::SLICED == 0 {
            return true;
        }
        if own & refs::COUNTS != alone {
            return false;
        }
        // Relaxed: the block has no other handle that could read or change this word.
        line.refs.store(own & !refs::SLICED, Relaxed);
        true
    }

    /// Returns the packet for exclusive use: itself, if this is its only handle, or a copy out of `source`, which may be
    /// of another pool. O(length) for a copy.
    ///
    /// # Errors
    /// [`Refused`] with the handle, if a copy is needed, and no block is free or large enough.
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
    /// let one = packets.alloc_from(b"quote")?.share();
    /// let two = one.try_clone()?;
    /// let mut changed = two.make_unique(&mut &packets).unwrap();
    /// changed.bytes_mut()[0] = b'Q';
    /// assert_eq!((one.bytes(), changed.bytes()), (&b"quote"[..], &b"Quote"[..]));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn make_unique(
        self,
        source: &mut impl PacketSource<'p>,
    ) -> Result<PacketBuf<'p>, Refused<Self, FromBytesError>> {
        let shared = match self.into_unique() {
            Ok(packet) => return Ok(packet),
            Err(shared) => shared,
        };
        match shared.copy(source) {
            Ok(packet) => Ok(packet),
            Err(reason) => Err(Refused::new(shared, reason)),
        }
    }

    /// A copy of the packet and its facts, with the pool's headroom if the block has room for it. O(length).
    ///
    /// # Errors
    /// [`FromBytesError`]: no block is free, or none is large enough.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn copy(
        &self,
        source: &mut impl PacketSource<'p>,
    ) -> Result<PacketBuf<'p>, FromBytesError> {
        let mut packet = source.alloc().map_err(FromBytesError::Exhausted)?;
        // SAFETY: the packet is exclusive.
        unsafe { packet.segment().clear_for(self.len()) };
        let place = packet.append(self.len()).map_err(FromBytesError::NoRoom)?;
        copy(self.bytes(), place);
        *packet.meta_mut() = *self.meta();
        Ok(packet)
    }
}

reading!(impl['p] Shared<'p>);

impl Drop for Shared<'_> {
    #[cfg_attr(feature = "audit", track_caller)]
    fn drop(&mut self) {
        let Segment { packets, line } = self.segment;
        // SAFETY: this handle ends.
        unsafe { packets.release(line as u32) };
    }
}

describe!(Shared<'_> as Shared { line = |it| it.segment.line, len, handles });
