//! Bytes of a stream that have arrived and were not used yet, in memory of the caller.

/// Keeps the bytes of a TCP stream until whole messages have arrived.
///
/// ```text
///   ┌──────────────┬───────────────────────┬────────────────┐
///   │ consumed     │ filled()              │ space()        │   space() first moves the filled
///   └──────────────┴───────────────────────┴────────────────┘   bytes to the front
/// ```
///
/// The buffer must have room for the longest message. [`space`](Self::space) copies the bytes that are left
/// over; nothing else is copied.
///
/// ```
/// use framepool::feed::StreamBuffer;
/// use framepool::feed::soupbintcp::{Packet, Packets};
///
/// let mut memory = [0; 64];
/// let mut stream = StreamBuffer::new(&mut memory);
/// let mut hearts = 0;
/// // Two heartbeats, in three reads.
/// for read in [&b"\x00\x01"[..], b"H\x00", b"\x01H"] {
///     stream.space()[..read.len()].copy_from_slice(read);
///     stream.commit(read.len());
///     let mut packets = Packets::new(stream.filled());
///     for packet in &mut packets {
///         assert_eq!(packet?, Packet::ServerHeartbeat);
///         hearts += 1;
///     }
///     let consumed = packets.consumed();
///     stream.consume(consumed);
/// }
/// assert_eq!((hearts, stream.filled().len()), (2, 0));
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
pub struct StreamBuffer<'b> {
    memory: &'b mut [u8],
    start: usize,
    end: usize,
}

describe!(StreamBuffer<'_> as StreamBuffer { filled = |buffer| buffer.filled().len(), capacity });

impl<'b> StreamBuffer<'b> {
    /// An empty buffer over `memory`.
    pub fn new(memory: &'b mut [u8]) -> Self {
        Self {
            memory,
            start: 0,
            end: 0,
        }
    }

    /// Returns the size of the memory in bytes. A longer message never becomes whole.
    pub const fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Returns the bytes that have arrived and are not consumed.
    pub fn filled(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the space to read into. It is empty if the memory is full of bytes that are not consumed.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    /// Marks `n` bytes as read into [`space`](Self::space). A greater `n` than the space counts as all of it.
    pub fn commit(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.memory.len());
    }

    /// Consumes the first `n` filled bytes. A greater `n` than there are counts as all of them.
    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}
