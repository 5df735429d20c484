//! A chain taken apart.

use crate::packet::buf::PacketBuf;
use crate::packet::pool::PacketPool;

/// The packets of what was a chain, from the first to the last. Dropping it frees the rest.
pub(crate) struct Unlinked<'p> {
    packets: &'p PacketPool<'p>,
    next: u32,
    /// Invariant: the handles of `next` and the lines after it, as many as this, are this value's.
    left: usize,
}

impl<'p> Unlinked<'p> {
    /// # Safety
    /// The caller has the handles of `first` and the lines after it, `segments` together, and gives them up.
    #[inline(always)]
    pub(crate) unsafe fn new(packets: &'p PacketPool<'p>, first: u32, segments: usize) -> Self {
        Self {
            packets,
            next: first,
            left: segments,
        }
    }
}

impl<'p> Iterator for Unlinked<'p> {
    type Item = PacketBuf<'p>;

    #[inline]
    fn next(&mut self) -> Option<PacketBuf<'p>> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: by the invariant; the handle passes to the packet.
        let packet = unsafe { PacketBuf::own(self.packets, self.next) };
        self.next = packet.segment().control().next;
        Some(packet)
    }
}

impl Drop for Unlinked<'_> {
    #[inline]
    fn drop(&mut self) {
        // Only if the release of external memory unwinds.
        while self.next().is_some() {}
    }
}
