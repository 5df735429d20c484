//! Packets of several blocks.

use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};

use crate::packet::buf::PacketBuf;
use crate::packet::error::{ChainError, NoRoom, PastEnd, Refused, SplitError};
use crate::packet::line::Control;
use crate::packet::meta::PacketMeta;
use crate::packet::pool::{FromBytesError, PacketPool};
use crate::packet::segment::{Segment, drop_each};
use crate::packet::source::PacketSource;
use crate::packet::unlinked::Unlinked;
use crate::pool::block::Block;
use crate::pool::burst::Burst;

/// No line: the chain has no segment.
const NONE: u32 = u32::MAX;

/// Blocks that a dropped chain frees at once.
const TOGETHER: usize = 16;

/// Owns packets in a list, which together are one: a scattered frame, or one of more than 64 KiB.
///
/// A segment of a chain has no handle of its own. So no segment can be freed alone, and a chain moves to another core
/// whole. [`pop_front`](Self::pop_front) takes a segment out. The facts are those of the first segment.
///
/// ```text
/// chain: first, last ──► line: next ──► line: next ──► line: number of segments
///                        length
/// ```
///
/// ```
/// use framepool::packet::Chain;
///
/// framepool::packet_pool!(static PACKETS: [2048; 64]);
///
/// let mut cache = PACKETS.cache();
/// let mut chain = Chain::copy_from(&mut cache, &[7; 5000])?;
/// assert_eq!((chain.len(), chain.segments()), (5000, 3));
/// chain.push_front(PACKETS.alloc_from(b"header")?)?;
/// let mut bytes = [0; 8];
/// assert_eq!(chain.copy_to(0, &mut bytes), 8);
/// assert_eq!(&bytes, b"header\x07\x07");
/// drop((chain, cache));
/// assert_eq!(PACKETS.stats().blocks.in_use, 0);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a chain frees its packets"]
pub struct Chain<'p> {
    packets: &'p PacketPool<'p>,
    /// The first line, or [`NONE`].
    ///
    /// Invariant: this chain has the one handle of each line from here on to `last`. The `next` of each names the
    /// following one; that of `last` is the number of lines. The `length` of the first is the sum of all lengths.
    first: u32,
    /// The last line; [`NONE`] if `first` is.
    last: u32,
}

const _: () = assert!(size_of::<Chain<'_>>() <= 16);

impl<'p> Chain<'p> {
    /// An empty chain, for packets of a pool.
    pub const fn new(packets: &'p PacketPool<'p>) -> Self {
        Self {
            packets,
            first: NONE,
            last: NONE,
        }
    }

    /// A chain with a copy of `bytes` in as many packets as needed, all or none. The first has the pool's headroom, the
    /// others none. O(their number).
    ///
    /// # Errors
    /// [`ChainError`]: not enough blocks are free; or the bytes are more than a chain holds. Nothing is taken.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn copy_from(source: &mut impl PacketSource<'p>, bytes: &[u8]) -> Result<Self, ChainError> {
        let mut chain = Self::new(source.packets());
        chain.push(source.alloc()?).map_err(|e| *e.reason())?;
        chain.extend_from_slice(source, bytes)?;
        Ok(chain)
    }

    /// The pool of the packets.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.packets
    }

    #[inline(always)]
    fn segment(&self, line: u32) -> Segment<'p> {
        Segment {
            packets: self.packets,
            line: line as usize,
        }
    }

    #[inline(always)]
    pub(crate) fn head(&self) -> Option<Segment<'p>> {
        (self.first != NONE).then(|| self.segment(self.first))
    }

    #[inline(always)]
    fn tail(&self) -> Option<Segment<'p>> {
        (self.last != NONE).then(|| self.segment(self.last))
    }

    /// The packet of a line, borrowed.
    ///
    /// # Safety
    /// The line is the chain's. If its length changes, the caller changes that of the chain.
    #[inline(always)]
    unsafe fn packet(&mut self, line: u32) -> ManuallyDrop<PacketBuf<'p>> {
        // SAFETY: the chain has the one handle, and is borrowed exclusively.
        ManuallyDrop::new(unsafe { PacketBuf::own(self.packets, line) })
    }

    /// The same chain again.
    ///
    /// # Safety
    /// One of the two is not used as a chain of its own while the other one exists.
    pub(crate) unsafe fn another(&self) -> Self {
        Self { ..*self }
    }

    /// The chain without its first segment, whose line has the words `control`, and is not read.
    ///
    /// # Safety
    /// The other lines are this chain's alone. It is not used afterwards.
    pub(crate) unsafe fn without_first(&self, control: &Control) -> Self {
        let mut rest = Self::new(self.packets);
        if self.first != self.last {
            // The number of segments is in the last line, which is not the first one.
            let segments = self.segments() - 1;
            (rest.first, rest.last) = (control.next, self.last);
            rest.set_len(control.length as usize - control.room.data.len());
            rest.set_next(rest.last, segments as u32);
        }
        rest
    }

    /// Returns the number of bytes. O(1).
    #[inline]
    pub fn len(&self) -> usize {
        self.head().map_or(0, |head| head.control().length as usize)
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of segments. O(1).
    #[inline]
    pub fn segments(&self) -> usize {
        self.tail().map_or(0, |tail| tail.control().next as usize)
    }

    fn set_len(&mut self, len: usize) {
        if let Some(head) = self.head() {
            // SAFETY: the chain is exclusive.
            unsafe { head.line().control_mut() }.length = len as u32;
        }
    }

    fn set_next(&mut self, line: u32, next: u32) {
        // SAFETY: the chain has the line, and is exclusive.
        unsafe { self.segment(line).line().control_mut() }.next = next;
    }

    /// The line after `line`, which is not the last.
    #[inline(always)]
    fn next(&self, line: u32) -> u32 {
        self.segment(line).control().next
    }

    /// The facts of the first segment, which are those of the chain.
    pub fn meta(&self) -> Option<&PacketMeta> {
        // SAFETY: the chain has the handle, and is borrowed as long as the facts.
        Some(unsafe { self.head()?.meta() })
    }

    /// The facts, to change.
    pub fn meta_mut(&mut self) -> Option<&mut PacketMeta> {
        // SAFETY: as in `meta`, exclusively.
        Some(unsafe { self.head()?.meta_mut() })
    }

    /// The segments, from the first to the last: one descriptor each.
    pub fn iter(&self) -> Segments<'_, 'p> {
        Segments {
            packets: self.packets,
            next: self.first,
            left: self.segments(),
            _chain: PhantomData,
        }
    }

    /// The bytes of the segments, to change.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u8]> {
        // SAFETY: the chain is borrowed exclusively, and each segment comes once.
        self.iter().map(|it| unsafe { it.segment.bytes_mut() })
    }

    /// Checks that `more` bytes of a pool can be added.
    fn check(&self, packets: &PacketPool<'_>, more: usize) -> Result<(), ChainError> {
        if !core::ptr::eq(self.packets, packets) {
            return Err(ChainError::WrongPool);
        }
        self.longer(more).map(drop)
    }

    /// The number of bytes with `more`.
    fn longer(&self, more: usize) -> Result<u32, ChainError> {
        let len = self.len();
        let longer = len.checked_add(more).and_then(|n| u32::try_from(n).ok());
        longer.ok_or(ChainError::TooLong { len, more })
    }

    /// Adds a packet at the end. O(1).
    ///
    /// # Errors
    /// [`Refused`] with the packet: it belongs to another pool, or the chain would have more than 4,294,967,295 bytes.
    #[inline]
    pub fn push(
        &mut self,
        packet: PacketBuf<'p>,
    ) -> Result<(), Refused<PacketBuf<'p>, ChainError>> {
        match self.check(packet.pool(), packet.len()) {
            Ok(()) => {
                self.link(packet);
                Ok(())
            }
            Err(reason) => Err(Refused::new(packet, reason)),
        }
    }

    /// Adds a packet of the same pool at the end; the sum of the lengths fits.
    #[inline]
    fn link(&mut self, packet: PacketBuf<'p>) {
        let (Some(head), Some(tail)) = (self.head(), self.tail()) else {
            return self.join(Self::from(packet));
        };
        let (len, line) = (packet.len() as u32, packet.disown());
        // SAFETY: the chain is exclusive, and has the handle of the new line now.
        unsafe {
            let segments = mem::replace(&mut tail.line().control_mut().next, line);
            self.segment(line).line().control_mut().next = segments + 1;
            head.line().control_mut().length += len;
        }
        self.last = line;
    }

    /// The packets by value, without the links.
    #[inline]
    pub(crate) fn unlink(self) -> Unlinked<'p> {
        // SAFETY: the handles pass on, as the chain is forgotten.
        let unlinked = unsafe { Unlinked::new(self.packets, self.first, self.segments()) };
        mem::forget(self);
        unlinked
    }

    /// Adds a packet at the front. The chain takes over its facts. O(1).
    ///
    /// # Errors
    /// As for [`push`](Self::push).
    #[inline]
    pub fn push_front(
        &mut self,
        packet: PacketBuf<'p>,
    ) -> Result<(), Refused<PacketBuf<'p>, ChainError>> {
        match self.check(packet.pool(), packet.len()) {
            Ok(()) => {
                let rest = mem::replace(self, Self::from(packet));
                self.join(rest);
                Ok(())
            }
            Err(reason) => Err(Refused::new(packet, reason)),
        }
    }

    /// Adds all packets of another chain at the end. O(1).
    ///
    /// # Errors
    /// [`Refused`] with the other chain, as for [`push`](Self::push).
    pub fn append(&mut self, other: Self) -> Result<(), Refused<Self, ChainError>> {
        match self.check(other.packets, other.len()) {
            Ok(()) => {
                self.join(other);
                Ok(())
            }
            Err(reason) => Err(Refused::new(other, reason)),
        }
    }

    /// Links another chain of the same pool to the end; the sum of their lengths fits.
    #[inline]
    fn join(&mut self, other: Self) {
        let (first, last) = (other.first, other.last);
        let (len, segments) = (other.len(), other.segments());
        // Its lines are this chain's now.
        mem::forget(other);
        if first == NONE {
            return;
        }
        if self.first == NONE {
            (self.first, self.last) = (first, last);
            return;
        }
        let (len, segments) = (self.len() + len, self.segments() + segments);
        self.set_next(self.last, first);
        self.set_next(last, segments as u32);
        self.set_len(len);
        self.last = last;
    }

    /// Takes the first segment out. The chain's facts go with it. O(1).
    pub fn pop_front(&mut self) -> Option<PacketBuf<'p>> {
        let head = self.head()?;
        let (line, len) = (self.first, self.len() - head.len());
        if line == self.last {
            (self.first, self.last) = (NONE, NONE);
        } else {
            let segments = self.segments() - 1;
            self.first = self.next(line);
            self.set_next(self.last, segments as u32);
            self.set_len(len);
        }
        // SAFETY: the line's handle passes to the packet.
        Some(unsafe { PacketBuf::own(self.packets, line) })
    }

    /// The packet, if there is exactly one segment. O(1).
    ///
    /// # Errors
    /// The chain, if there are others, or none.
    pub fn into_packet(mut self) -> Result<PacketBuf<'p>, Self> {
        if self.segments() != 1 {
            return Err(self);
        }
        self.pop_front().ok_or(self)
    }

    /// Extends the first segment by `n` bytes at its front, and returns them. Their values are arbitrary. O(1).
    ///
    /// # Errors
    /// [`ChainError::NoRoom`] if its headroom is less, or if there is no segment: see [`push_front`](Self::push_front).
    /// [`ChainError::TooLong`] if the chain would have more than 4,294,967,295 bytes.
    pub fn prepend(&mut self, n: usize) -> Result<&mut [u8], ChainError> {
        let longer = self.longer(n)?;
        let head = self.head().ok_or(ChainError::NoRoom(NoRoom {
            needed: n,
            available: 0,
        }))?;
        // SAFETY: the chain is borrowed exclusively as long as the bytes; its length is changed, too.
        unsafe {
            let bytes = head.prepend(n).map_err(ChainError::NoRoom)?;
            head.line().control_mut().length = longer;
            Ok(bytes)
        }
    }

    /// Copies `bytes` to the end: into the tailroom of the last segment, then into new ones from `source`. All or none.
    /// O(their number).
    ///
    /// # Errors
    /// [`ChainError`]. The chain is unchanged.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn extend_from_slice(
        &mut self,
        source: &mut impl PacketSource<'p>,
        bytes: &[u8],
    ) -> Result<(), ChainError> {
        self.check(source.packets(), bytes.len())?;
        let here = self.tail().map_or(0, |tail| tail.tailroom());
        let mut rest = bytes.get(here..).unwrap_or_default();
        // First what may fail. If it does, these packets are freed.
        let mut more = Self::new(self.packets);
        while !rest.is_empty() {
            let packet = source.alloc()?;
            // SAFETY: the packet is exclusive and empty; the start of its window lies in the window.
            unsafe {
                let room = &mut packet.segment().line().control_mut().room;
                room.data.start = room.window.start;
                room.data.end = room.window.start;
                rest = packet.segment().append_some(rest);
            }
            more.push(packet).map_err(|e| *e.reason())?;
        }
        if let Some(tail) = self.tail() {
            // SAFETY: the chain is borrowed exclusively; its length is changed, too.
            unsafe { tail.append_some(bytes) };
            self.set_len(self.len() + bytes.len().min(here));
        }
        self.join(more);
        Ok(())
    }

    /// Copies bytes from `offset` on to `to`. Returns their number, less than the length of `to` if the chain ends
    /// before. O(segments + bytes).
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        for segment in self.iter() {
            let bytes = segment.bytes();
            let from = bytes.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(bytes.len());
            let room = to.get_mut(done..).unwrap_or_default();
            let n = from.len().min(room.len());
            if let (Some(from), Some(room)) = (from.get(..n), room.get_mut(..n)) {
                room.copy_from_slice(from);
            }
            done += n;
            if done == to.len() {
                break;
            }
        }
        done
    }

    /// The bytes of the first segment that has some.
    #[cfg(any(feature = "std", feature = "bytes"))]
    pub(crate) fn front(&self) -> &[u8] {
        for segment in self.iter() {
            if !segment.is_empty() {
                // SAFETY: the chain has the handle, and is borrowed as long as the bytes.
                return unsafe { segment.segment.bytes() };
            }
        }
        &[]
    }

    /// Makes one packet of the chain: itself if it has one segment, else a copy out of `source`, with the facts, and
    /// with the headroom of the source's pool if the block has room for it. O(length).
    ///
    /// # Errors
    /// [`Refused`] with the chain, if no block is free, or none is large enough.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn linearize(
        self,
        source: &mut impl PacketSource<'p>,
    ) -> Result<PacketBuf<'p>, Refused<Self, FromBytesError>> {
        let chain = match self.into_packet() {
            Ok(packet) => return Ok(packet),
            Err(chain) => chain,
        };
        let mut packet = match source.alloc() {
            Ok(packet) => packet,
            Err(e) => return Err(Refused::new(chain, FromBytesError::Exhausted(e))),
        };
        // SAFETY: the packet is exclusive.
        unsafe { packet.segment().clear_for(chain.len()) };
        match packet.append(chain.len()) {
            Ok(place) => chain.copy_to(0, place),
            Err(e) => return Err(Refused::new(chain, FromBytesError::NoRoom(e))),
        };
        if let Some(meta) = chain.meta() {
            *packet.meta_mut() = *meta;
        }
        Ok(packet)
    }

    /// Removes the first `n` bytes. Segments that become empty are freed, but not the last one; the facts stay the
    /// chain's. O(freed segments).
    ///
    /// # Errors
    /// [`PastEnd`] if there are fewer.
    pub fn trim_front(&mut self, n: usize) -> Result<(), PastEnd> {
        let len = self.len();
        PastEnd::check(n, len)?;
        let mut left = n;
        while let Some(head) = self.head() {
            let there = head.len();
            if left < there || self.first == self.last {
                // SAFETY: the line is the chain's; its length is changed below.
                let trimmed = unsafe { self.packet(self.first).trim_front(left) };
                debug_assert!(trimmed.is_ok());
                self.set_len(len - n);
                break;
            }
            left -= there;
            let freed = self.pop_front();
            if let (Some(freed), Some(meta)) = (&freed, self.meta_mut()) {
                *meta = *freed.meta();
            }
        }
        Ok(())
    }

    /// Removes the last `n` bytes. Segments that become empty are freed, but not the first one. O(segments).
    ///
    /// # Errors
    /// [`PastEnd`] if there are fewer.
    pub fn trim_back(&mut self, n: usize) -> Result<(), PastEnd> {
        let len = self.len();
        PastEnd::check(n, len)?;
        drop(self.cut(len - n));
        Ok(())
    }

    /// Splits the chain at byte `at`: keeps the bytes before it, and returns the rest. A segment that is cut is
    /// [split](PacketBuf::split_off) without a copy. The rest gets the facts of the segment that it begins with.
    /// O(segments).
    ///
    /// # Errors
    /// [`SplitError`]; the chain is unchanged.
    ///
    /// ```
    /// use framepool::packet::{Chain, PacketConfig, PacketPool};
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(64, 64).headroom(0))?;
    /// let mut head = Chain::copy_from(&mut &packets, &[7; 100])?;
    /// let tail = head.split_off(80)?;
    /// assert_eq!((head.len(), head.segments(), tail.len(), tail.segments()), (80, 2, 20, 1));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn split_off(&mut self, at: usize) -> Result<Self, SplitError> {
        let len = self.len();
        PastEnd::check(at, len)?;
        if at == 0 {
            return Ok(mem::replace(self, Self::new(self.packets)));
        }
        let (mut line, mut before) = (self.first, 0);
        // The segment in which the cut lies, if it lies inside of one.
        while let Some(n) = (line != NONE).then(|| self.segment(line).len()) {
            if at < before + n || line == self.last {
                break;
            }
            before += n;
            line = self.next(line);
        }
        let inside = at - before;
        let middle = if line != NONE && inside > 0 && inside < self.segment(line).len() {
            // SAFETY: the line is the chain's; `cut` below sets the length again.
            Some(unsafe { self.packet(line).split_off(inside) }?)
        } else {
            None
        };
        if let Some(middle) = &middle {
            self.set_len(len - middle.len());
        }
        let mut rest = self.cut(at);
        if let Some(middle) = middle {
            let pushed = rest.push_front(middle);
            debug_assert!(pushed.is_ok());
        }
        Ok(rest)
    }

    /// Keeps the first `at` bytes (at most the length), trims the segment in which they end, and returns the segments
    /// after it. The first segment stays.
    fn cut(&mut self, at: usize) -> Self {
        let mut rest = Self::new(self.packets);
        let (len, segments) = (self.len(), self.segments());
        let (mut line, mut before, mut kept) = (self.first, 0, 1);
        if line == NONE {
            return rest;
        }
        while line != self.last && before + self.segment(line).len() < at {
            before += self.segment(line).len();
            line = self.next(line);
            kept += 1;
        }
        let excess = (before + self.segment(line).len()).saturating_sub(at);
        let after = len - before - self.segment(line).len();
        if line != self.last {
            (rest.first, rest.last) = (self.next(line), self.last);
            rest.set_len(after);
            rest.set_next(rest.last, (segments - kept) as u32);
            self.last = line;
        }
        self.set_next(line, kept as u32);
        // SAFETY: the line is the chain's; its length is changed below.
        let trimmed = unsafe { self.packet(line).trim_back(excess) };
        debug_assert!(trimmed.is_ok());
        self.set_len(at);
        rest
    }
}

impl<'p> From<PacketBuf<'p>> for Chain<'p> {
    /// A chain of one segment. O(1).
    #[inline]
    fn from(packet: PacketBuf<'p>) -> Self {
        let (packets, len) = (packet.pool(), packet.len());
        let line = packet.disown();
        let mut chain = Self {
            packets,
            first: line,
            last: line,
        };
        chain.set_next(line, 1);
        chain.set_len(len);
        chain
    }
}

impl Drop for Chain<'_> {
    #[cfg_attr(feature = "audit", track_caller)]
    fn drop(&mut self) {
        let blocks = self.packets.blocks();
        let mut together: Burst<'_, TOGETHER> = Burst::new(blocks);
        // What comes out here does not have its block to itself; the other blocks are gathered.
        drop_each(|| {
            loop {
                let packet = self.pop_front()?;
                let Some(id) = packet.sole_block() else {
                    return Some(packet);
                };
                packet.disown();
                if together.len() == TOGETHER {
                    drop(mem::replace(&mut together, Burst::new(blocks)));
                }
                // SAFETY: the packet had its block to itself, and has ended.
                let pushed = together.push(unsafe { Block::own(blocks, id) });
                debug_assert!(pushed.is_ok());
            }
        });
    }
}

describe!(Chain<'_> as Chain { len, segments });

impl<'a, 'p> IntoIterator for &'a Chain<'p> {
    type Item = PacketRef<'a, 'p>;
    type IntoIter = Segments<'a, 'p>;

    fn into_iter(self) -> Segments<'a, 'p> {
        self.iter()
    }
}

/// Iterates over the segments of a [`Chain`].
#[derive(Clone)]
pub struct Segments<'a, 'p> {
    packets: &'p PacketPool<'p>,
    next: u32,
    /// Invariant: `next` and the lines after it, as many as this, are the chain's.
    left: usize,
    _chain: PhantomData<&'a Chain<'p>>,
}

impl<'a, 'p> Iterator for Segments<'a, 'p> {
    type Item = PacketRef<'a, 'p>;

    #[inline]
    fn next(&mut self) -> Option<PacketRef<'a, 'p>> {
        self.left = self.left.checked_sub(1)?;
        let segment = Segment {
            packets: self.packets,
            line: self.next as usize,
        };
        self.next = segment.control().next;
        Some(PacketRef::new(segment))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Segments<'_, '_> {}
impl core::iter::FusedIterator for Segments<'_, '_> {}

describe!(Segments<'_, '_> as Segments { left = |it| it.left });

/// A packet of a burst or a chain, borrowed for reading.
#[derive(Clone, Copy)]
pub struct PacketRef<'a, 'p> {
    segment: Segment<'p>,
    _owner: PhantomData<&'a PacketBuf<'p>>,
}

impl<'p> PacketRef<'_, 'p> {
    #[inline(always)]
    pub(crate) fn new(segment: Segment<'p>) -> Self {
        Self {
            segment,
            _owner: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment<'p> {
        self.segment
    }
}

reading!(impl['a, 'p] PacketRef<'a, 'p>);

describe!(PacketRef<'_, '_> as PacketRef { line = |it| it.segment.line, len });
