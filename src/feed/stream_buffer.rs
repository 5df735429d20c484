//! Bytes of a stream that have arrived and are not used up, in memory of the caller.

/// Keeps what has arrived of a TCP stream until whole messages are there.
///
/// ```text
///   ┌──────────────┬───────────────────────┬────────────────┐
///   │ consumed     │ filled()              │ space()        │   space() first moves what is filled
///   └──────────────┴───────────────────────┴────────────────┘   to the front, where that helps
/// ```
///
/// The buffer must have room for the longest message. Nothing is copied but what is left over when
/// space is asked for.
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

    /// Bytes of the memory: no message that is longer will ever be whole.
    pub const fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// What has arrived and is not consumed.
    pub fn filled(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Where to read into; empty if the memory is full of what is not consumed.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `n` bytes were read into [`space`](Self::space); more than that has count as that.
    pub fn commit(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.memory.len());
    }

    /// Says that the first `n` bytes are done with; more than there are count as all.
    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}
