//! The handle that owns one packet.

use core::mem;

use crate::packet::error::{PastEnd, SplitError};
use crate::packet::line::{EXTERNAL_BLOCK, Room, Span, refs};
use crate::packet::pool::PacketPool;
use crate::packet::segment::Segment;
use crate::pool::block::Block;
use crate::pool::error::Exhausted;

/// Owns one packet of a [`PacketPool`]: a range of bytes in a block, room around it, and its facts.
///
/// Dropping it frees it, from any thread or interrupt. The handle is two words. It is exclusive: for read-only handles
/// of one packet, see [`Shared`](super::Shared); for packets of several blocks, [`Chain`](super::Chain).
///
/// ```
/// use framepool::packet::{NoRoom, PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64).headroom(20))?;
/// let mut packet = packets.alloc_from(b"payload")?;
/// assert_eq!(packet.prepend(40).unwrap_err(), NoRoom { needed: 40, available: 20 });
/// packet.prepend(14)?.fill(0xFF);
/// assert_eq!((packet.len(), packet.headroom()), (21, 6));
/// packet.trim_front(14)?;
/// assert_eq!(packet.bytes(), b"payload");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A packet does not change while a reference to its bytes exists:
/// ```compile_fail,E0502
/// # use framepool::packet::{PacketConfig, PacketPool};
/// # let packets = PacketPool::allocate(PacketConfig::new(2048, 64)).unwrap();
/// let mut packet = packets.alloc_from(b"header, payload").unwrap();
/// let header = &packet.bytes()[..8];
/// packet.trim_front(8);
/// println!("{header:?}");
/// ```
#[must_use = "dropping a packet frees it"]
pub struct PacketBuf<'p> {
    /// Invariant: this is the one handle of the line, and the bytes of its window are accessed through it only.
    segment: Segment<'p>,
}

const _: () = assert!(size_of::<PacketBuf<'_>>() == 2 * size_of::<usize>());
const _: () = assert!(size_of::<Result<PacketBuf<'_>, Exhausted>>() <= 16);

impl<'p> PacketBuf<'p> {
    /// # Safety
    /// The line has one handle, which passes to the packet.
    #[inline(always)]
    pub(crate) unsafe fn own(packets: &'p PacketPool<'p>, line: u32) -> Self {
        Self {
            segment: Segment {
                packets,
                line: line as usize,
            },
        }
    }

    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment<'p> {
        self.segment
    }

    /// Ends the handle without freeing the packet: the caller has the line's handle now.
    #[inline(always)]
    pub(crate) fn disown(self) -> u32 {
        let line = self.segment.line as u32;
        mem::forget(self);
        line
    }

    /// Whether this packet belongs to `packets`.
    #[inline(always)]
    pub(crate) fn is_of(&self, packets: &PacketPool<'_>) -> bool {
        core::ptr::eq(self.segment.packets, packets)
    }

    /// The block, if this is its only packet and its bytes are not external.
    #[inline(always)]
    pub(crate) fn sole_block(&self) -> Option<u32> {
        // The count of a side line is never this.
        self.segment
            .line()
            .is_sole()
            .then_some(self.segment.line as u32)
    }

    /// The pool of the packet.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.segment.packets
    }

    /// Whether the block has no other packet: this one was not split, and is not a part of a split one.
    pub fn is_whole(&self) -> bool {
        self.sole_block().is_some()
    }

    /// Shortens the packet to its first `len` bytes. Does nothing if it is not longer. O(1).
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        let excess = self.len().saturating_sub(len);
        // Succeeds: the packet is no shorter.
        let _ = self.trim_back(excess);
    }

    /// Splits the packet at byte `at`: keeps the bytes before it, and returns the rest, without a copy. The window is
    /// divided there too: this packet has no tailroom any more, the other one no headroom. The facts are copied. The
    /// block is free when both packets are. O(1), two atomic operations.
    ///
    /// # Errors
    /// [`SplitError`]: past the end, or no side line is free. The packet is unchanged.
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
    /// let mut head = packets.alloc_from(b"head body")?;
    /// let mut body = head.split_off(5)?;
    /// head.bytes_mut()[0] = b'H';
    /// body.bytes_mut()[0] = b'B';
    /// assert_eq!((head.bytes(), body.bytes()), (&b"Head "[..], &b"Body"[..]));
    /// assert_eq!((head.tailroom(), body.headroom()), (0, 0));
    /// assert_eq!(packets.stats().blocks.in_use, 1);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn split_off(&mut self, at: usize) -> Result<Self, SplitError> {
        let (segment, control) = (self.segment, self.segment.control());
        let Room { window, data } = control.room;
        PastEnd::check(at, data.len())?;
        // At most the end of the data, which is a u16.
        let middle = data.start + at as u16;
        let rest = Room {
            window: Span {
                start: middle,
                end: window.end,
            },
            data: Span {
                start: middle,
                end: data.end,
            },
        };
        // SAFETY: the handle is exclusive, and gives up the window from `middle` on below.
        let other = unsafe { segment.packets.side_packet(&control, rest, *self.meta(), 0) }?;
        // SAFETY: the handle is exclusive; the ranges keep their order.
        let room = unsafe { &mut segment.line().control_mut().room };
        room.window.end = middle;
        room.data.end = middle;
        Ok(other)
    }
}

reading!(impl['p] PacketBuf<'p>);
writing!(impl['p] PacketBuf<'p>);

impl Drop for PacketBuf<'_> {
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    fn drop(&mut self) {
        let Segment { packets, line } = self.segment;
        match self.sole_block() {
            // SAFETY: the block has no other handle, and this one ends.
            Some(id) => drop(unsafe { Block::own(packets.blocks(), id) }),
            // SAFETY: this handle ends.
            None => unsafe { packets.release(line as u32) },
        }
    }
}

describe!(PacketBuf<'_> as PacketBuf { line = |it| it.segment.line, len, headroom, tailroom });

impl<'m> PacketPool<'m> {
    /// Makes a packet of a side line, over a part of a block.
    ///
    /// # Safety
    /// The caller has a handle of a line of the block, and gives up the window in `room`, or shares it with the new
    /// packet, which then is only read; `flags` says so.
    pub(crate) unsafe fn side_packet(
        &self,
        control: &crate::packet::line::Control,
        room: Room,
        meta: crate::packet::meta::PacketMeta,
        flags: u32,
    ) -> Result<PacketBuf<'_>, SplitError> {
        let side = self.side_pool().ok_or(SplitError::NoSideLines)?;
        let free = side.alloc().map_err(SplitError::Exhausted)?;
        // SAFETY: the caller's handle keeps the block in use, so that its line can be counted up.
        let own = unsafe { self.line(control.index()) };
        let max = refs::MAX_PARTS;
        if !own.add(refs::PART, refs::PARTS, max, flags) {
            return Err(SplitError::TooManyParts { max: max as usize });
        }
        let line = self.capacity() as u32 + free.disown();
        let external = control.block & EXTERNAL_BLOCK;
        // SAFETY: the side line was just allocated, and counts its block.
        unsafe {
            let block = control.index() | external;
            self.line(line)
                .begin(refs::SIDE | refs::HANDLE, block, room, meta);
            Ok(PacketBuf::own(self, line))
        }
    }
}
