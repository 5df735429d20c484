//! Several packets as one value.

use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};

use crate::packet::buf::PacketBuf;
use crate::packet::chain::PacketRef;
use crate::packet::meta::PacketMeta;
use crate::packet::pool::PacketPool;
use crate::packet::segment::{Segment, drop_each};
use crate::pool::burst::Burst;
use crate::pool::error::PushError;
use crate::sync;
use crate::wire::{summarize, summarize_lax};

/// Packets that are prefetched before they are read.
const AHEAD: usize = 4;

/// Owns up to `N` packets of one pool: four bytes for each. Dropping it frees them.
///
/// ```
/// use framepool::packet::{PacketBurst, PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 256))?;
/// let mut cache = packets.cache();
/// let mut burst: PacketBurst<'_, 32> = cache.alloc_burst(32)?;
/// for mut packet in burst.iter_mut() {
///     packet.append_slice(b"ping")?;
///     packet.meta_mut().queue = 3;
/// }
/// assert_eq!(burst.bytes(7), Some(&b"ping"[..]));
/// let last = burst.pop().unwrap();
/// assert_eq!((burst.len(), last.meta().queue), (31, 3));
/// assert!(cache.free_burst(burst).is_ok());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a burst frees its packets"]
pub struct PacketBurst<'p, const N: usize> {
    packets: &'p PacketPool<'p>,
    /// The lines of the packets. Invariant: this burst has the one handle of each. It is a burst of blocks only if each is
    /// the own line of a block, and its count is one.
    lines: ManuallyDrop<Burst<'p, N>>,
}

impl<'p, const N: usize> PacketBurst<'p, N> {
    /// An empty burst for packets of a pool.
    #[inline]
    pub fn new(packets: &'p PacketPool<'p>) -> Self {
        Self {
            packets,
            lines: ManuallyDrop::new(Burst::new(packets.blocks())),
        }
    }

    /// A burst of new packets in these blocks.
    #[inline(always)]
    pub(crate) fn begin(packets: &'p PacketPool<'p>, blocks: Burst<'p, N>) -> Self {
        // SAFETY: the burst owns the blocks.
        unsafe { packets.begin_lines(blocks.as_ids()) };
        Self::of(packets, blocks)
    }

    /// A burst of the packets in these blocks, whose lines are written.
    #[inline(always)]
    pub(crate) fn of(packets: &'p PacketPool<'p>, blocks: Burst<'p, N>) -> Self {
        Self {
            packets,
            lines: ManuallyDrop::new(blocks),
        }
    }

    #[inline(always)]
    pub(crate) fn is_of(&self, packets: &PacketPool<'_>) -> bool {
        core::ptr::eq(self.packets, packets)
    }

    /// Returns the number of packets.
    #[inline]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no packet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The number of packets that fit: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// The pool of the packets.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.packets
    }

    /// Adds a packet at the end.
    ///
    /// # Errors
    /// [`PushError`] with the packet, if the burst is full or belongs to another pool.
    #[inline]
    pub fn push(&mut self, packet: PacketBuf<'p>) -> Result<(), PushError<PacketBuf<'p>>> {
        if !packet.is_of(self.packets) {
            return Err(PushError::WrongPool(packet));
        }
        let len = self.lines.len();
        match self.lines.ids_mut().get_mut(len) {
            Some(place) => {
                place.write(packet.disown());
                // SAFETY: one more line is written, whose handle is the burst's now.
                unsafe { self.lines.set_len(len + 1) };
                Ok(())
            }
            None => Err(PushError::Full(packet)),
        }
    }

    /// Removes the last packet and returns it.
    #[inline]
    pub fn pop(&mut self) -> Option<PacketBuf<'p>> {
        let (&line, rest) = self.lines.as_ids().split_last()?;
        let len = rest.len();
        // SAFETY: the last line is written, and its handle passes to the packet.
        unsafe {
            self.lines.set_len(len);
            Some(PacketBuf::own(self.packets, line))
        }
    }

    #[inline]
    fn segment(&self, i: usize) -> Option<Segment<'p>> {
        let line = *self.lines.as_ids().get(i)? as usize;
        let packets = self.packets;
        Some(Segment { packets, line })
    }

    /// The bytes of the packet at position `i`.
    #[inline]
    pub fn bytes(&self, i: usize) -> Option<&[u8]> {
        // SAFETY: the burst is the handle, and borrowed as long as the bytes.
        Some(unsafe { self.segment(i)?.bytes() })
    }

    /// The facts of the packet at position `i`.
    #[inline]
    pub fn meta(&self, i: usize) -> Option<&PacketMeta> {
        // SAFETY: as in `bytes`.
        Some(unsafe { self.segment(i)?.meta() })
    }

    /// The packet at position `i`.
    #[inline]
    pub fn get(&self, i: usize) -> Option<PacketRef<'_, 'p>> {
        self.segment(i).map(PacketRef::new)
    }

    /// The packets.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = PacketRef<'_, 'p>> {
        let packets = self.packets;
        let lines = self.lines.as_ids().iter().map(|&line| line as usize);
        lines.map(move |line| PacketRef::new(Segment { packets, line }))
    }

    /// The packet at position `i`, to change.
    #[inline]
    pub fn get_mut(&mut self, i: usize) -> Option<PacketMut<'_, 'p>> {
        Some(PacketMut {
            segment: self.segment(i)?,
            _burst: PhantomData,
        })
    }

    /// The packets, to change.
    #[inline]
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = PacketMut<'_, 'p>> {
        let packets = self.packets;
        self.lines.as_ids().iter().map(move |&line| PacketMut {
            segment: Segment {
                packets,
                line: line as usize,
            },
            _burst: PhantomData,
        })
    }

    /// Writes the layers of each packet to its facts, as [`PacketMeta::set_layers`] does: up to the first error in it.
    /// Returns the number of packets without an error. O(1) for each; packets are prefetched.
    ///
    /// ```
    /// use framepool::packet::{PacketConfig, PacketPool};
    /// use framepool::wire::Transport;
    ///
    /// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
    /// let mut burst = packets.alloc_burst::<8>(2)?;
    /// # let frame = framepool::wire::EXAMPLE_FRAME;
    /// burst.get_mut(0).unwrap().append_slice(frame)?;
    /// burst.get_mut(1).unwrap().append_slice(&frame[..20])?;
    /// assert_eq!(burst.summarize(), 1);
    /// assert_eq!(burst.meta(0).unwrap().packet_type.transport(), Transport::Udp);
    /// assert!(burst.meta(1).unwrap().packet_type.is_partial());
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn summarize(&mut self) -> usize {
        for i in 0..AHEAD.min(self.len()) {
            self.prefetch(i);
        }
        let mut right = 0;
        for i in 0..self.len() {
            self.prefetch(i + AHEAD);
            let Some(mut packet) = self.get_mut(i) else {
                break;
            };
            let (summary, is_right) = match summarize(packet.bytes()) {
                Ok(summary) => (summary, true),
                Err(_) => (summarize_lax(packet.bytes()).0, false),
            };
            packet.meta_mut().set_layers(&summary);
            right += usize::from(is_right);
        }
        right
    }

    /// Prefetches a packet's first bytes.
    #[inline]
    fn prefetch(&self, i: usize) {
        if let Some(segment) = self.segment(i) {
            let control = segment.control();
            let start = segment.at(&control, control.room.data.start);
            sync::prefetch(start.as_ptr());
            // Headers may extend into a second cache line, and packets start anywhere.
            sync::prefetch(start.as_ptr().wrapping_add(64));
        }
    }

    /// Whether each packet has a block to itself.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        // SAFETY: the burst's lines exist.
        unsafe { self.packets.are_sole(self.lines.as_ids()) }
    }

    /// The blocks of the packets, as a burst that owns them: it may be drained. Their lines end.
    ///
    /// # Safety
    /// [`is_plain`](Self::is_plain) is true, and the caller empties the burst.
    #[inline(always)]
    pub(crate) unsafe fn blocks_mut(&mut self) -> &mut Burst<'p, N> {
        &mut self.lines
    }

    /// Frees the packets one by one.
    #[cold]
    #[inline(never)]
    pub(crate) fn free_each(&mut self) {
        drop_each(|| self.pop());
    }
}

impl<const N: usize> Drop for PacketBurst<'_, N> {
    #[inline]
    fn drop(&mut self) {
        if self.is_plain() {
            // SAFETY: it is a burst of blocks, and not used any more.
            unsafe { ManuallyDrop::drop(&mut self.lines) };
        } else {
            self.free_each();
        }
    }
}

describe!(impl[const N: usize] PacketBurst<'_, N> as PacketBurst { len, lines = |it| it.lines.as_ids() });

impl<'p, const N: usize> IntoIterator for PacketBurst<'p, N> {
    type Item = PacketBuf<'p>;
    type IntoIter = PacketBurstIntoIter<'p, N>;

    fn into_iter(self) -> PacketBurstIntoIter<'p, N> {
        PacketBurstIntoIter {
            burst: ManuallyDrop::new(self),
            from: 0,
        }
    }
}

/// Iterates over the packets of a burst by value, from the first to the last. Dropping it frees the rest.
pub struct PacketBurstIntoIter<'p, const N: usize> {
    /// Not dropped: it still has the lines of packets that were given away.
    burst: ManuallyDrop<PacketBurst<'p, N>>,
    /// Invariant: at most the length, and packets before it are not the burst's any more.
    from: usize,
}

impl<'p, const N: usize> Iterator for PacketBurstIntoIter<'p, N> {
    type Item = PacketBuf<'p>;

    #[inline]
    fn next(&mut self) -> Option<PacketBuf<'p>> {
        let line = *self.burst.lines.as_ids().get(self.from)?;
        self.from += 1;
        // SAFETY: by the invariants the handle is the burst's, and passes to the packet.
        Some(unsafe { PacketBuf::own(self.burst.packets, line) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.burst.len() - self.from;
        (left, Some(left))
    }
}

impl<const N: usize> ExactSizeIterator for PacketBurstIntoIter<'_, N> {}
impl<const N: usize> core::iter::FusedIterator for PacketBurstIntoIter<'_, N> {}

impl<const N: usize> Drop for PacketBurstIntoIter<'_, N> {
    fn drop(&mut self) {
        drop_each(|| self.next());
    }
}

describe!(impl[const N: usize] PacketBurstIntoIter<'_, N> as PacketBurstIntoIter { left = |it| it.len() });

/// A packet of a burst, borrowed exclusively.
///
/// ```
/// use framepool::packet::{PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// let mut burst = packets.alloc_burst::<8>(2)?;
/// let mut first = burst.get_mut(0).unwrap();
/// first.append_slice(b"data")?;
/// first.prepend_slice(b"more ")?;
/// assert_eq!(burst.bytes(0), Some(&b"more data"[..]));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct PacketMut<'a, 'p> {
    segment: Segment<'p>,
    _burst: PhantomData<&'a mut PacketBuf<'p>>,
}

impl<'p> PacketMut<'_, 'p> {
    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment<'p> {
        self.segment
    }
}

reading!(impl['a, 'p] PacketMut<'a, 'p>);
writing!(impl['a, 'p] PacketMut<'a, 'p>);

describe!(PacketMut<'_, '_> as PacketMut { line = |it| it.segment.line, len, headroom, tailroom });

const _: () = assert!(mem::size_of::<PacketMut<'_, '_>>() <= 16);
