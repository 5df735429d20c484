//! Packets for the crate `bytes`.

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut, Bytes};

use crate::packet::buf::PacketBuf;
use crate::packet::chain::Chain;
use crate::packet::shared::Shared;

/// ```
/// use bytes::Bytes;
///
/// framepool::packet_pool!(static PACKETS: [2048; 16]);
///
/// let bytes = Bytes::from(PACKETS.alloc_from(b"payload")?);
/// let part = bytes.slice(3..);
/// drop(bytes);
/// assert_eq!((&part[..], PACKETS.stats().blocks.in_use), (&b"load"[..], 1));
/// drop(part);
/// assert_eq!(PACKETS.stats().blocks.in_use, 0);
/// # Ok::<(), framepool::packet::FromBytesError>(())
/// ```
impl From<PacketBuf<'static>> for Bytes {
    /// Does not copy the payload. Allocates a few words, for the count of `Bytes`.
    fn from(packet: PacketBuf<'static>) -> Self {
        Self::from_owner(packet)
    }
}

impl From<Shared<'static>> for Bytes {
    /// Does not copy the payload. Allocates a few words, for the count of `Bytes`.
    fn from(shared: Shared<'static>) -> Self {
        Self::from_owner(shared)
    }
}

impl Buf for PacketBuf<'_> {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes()
    }

    /// Advances by at most the bytes that there are.
    fn advance(&mut self, n: usize) {
        let _ = self.trim_front(n.min(self.len()));
    }
}

// SAFETY: `chunk_mut` is all of the tailroom, and `advance_mut` keeps to it.
unsafe impl BufMut for PacketBuf<'_> {
    fn remaining_mut(&self) -> usize {
        self.tailroom()
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::new(self.tailroom_mut())
    }

    /// Advances by at most the tailroom.
    unsafe fn advance_mut(&mut self, n: usize) {
        let _ = self.append(n.min(self.tailroom()));
    }
}

impl Buf for Chain<'_> {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.front()
    }

    /// Advances by at most the bytes that there are. Segments that become empty are freed.
    fn advance(&mut self, n: usize) {
        let _ = self.trim_front(n.min(self.len()));
    }
}
