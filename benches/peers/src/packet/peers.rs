//! The peers without DPDK: the crate `bytes`, and the buffers of smoltcp.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smoltcp::storage::{PacketBuffer, PacketMetadata};

use crate::contenders::{BLOCK, Single};
use crate::harness::escape;
use crate::packet::single::{ETHERNET, PAYLOAD};

/// `BytesMut` in memory of the C library's malloc.
pub struct Heap;

impl Single for Heap {
    type Handle = BytesMut;

    #[inline]
    fn take(&mut self) -> BytesMut {
        BytesMut::with_capacity(BLOCK)
    }

    #[inline]
    fn give(&mut self, handle: BytesMut) {
        drop(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut BytesMut) -> *mut u8 {
        handle.as_mut_ptr()
    }
}

/// smoltcp's ring of packets: `enqueue` and `dequeue`.
pub struct Ring(PacketBuffer<'static, ()>);

impl Ring {
    pub fn new(packets: usize) -> Self {
        let metadata = vec![PacketMetadata::EMPTY; packets].leak();
        let bytes = vec![0; packets * BLOCK].leak();
        Self(PacketBuffer::new(&mut *metadata, &mut *bytes))
    }

    /// A packet with a header and a payload, there and back.
    #[inline]
    fn framed(&mut self, header: &[u8; ETHERNET], payload: &[u8; PAYLOAD]) {
        let frame = self.0.enqueue(ETHERNET + PAYLOAD, ());
        let (start, rest) = frame.expect("room").split_at_mut(ETHERNET);
        start.copy_from_slice(header);
        rest.copy_from_slice(payload);
        escape(&mut self.0);
        self.give(());
    }

    pub fn prepend(&mut self, n: u64, header: &[u8; ETHERNET], payload: &[u8; PAYLOAD]) {
        for _ in 0..n {
            self.framed(header, payload);
        }
    }
}

impl Single for Ring {
    type Handle = ();

    #[inline]
    fn take(&mut self) {
        self.0.enqueue(BLOCK, ()).expect("room");
    }

    #[inline]
    fn give(&mut self, (): ()) {
        self.0.dequeue().expect("a packet");
    }

    #[inline]
    fn start(&mut self, (): &mut ()) -> *mut u8 {
        let (_, bytes) = self.0.peek().expect("a packet");
        bytes.as_ptr().cast_mut()
    }
}

pub fn clone_drop(n: u64, payload: &[u8; PAYLOAD]) {
    let bytes = Bytes::copy_from_slice(payload);
    for _ in 0..n {
        let mut other = bytes.clone();
        escape(&mut other);
        drop(other);
    }
}

/// A header in front of a payload: `BytesMut` has no headroom, so both are copied.
pub fn prepend(n: u64, header: &[u8; ETHERNET], payload: &[u8; PAYLOAD]) {
    for _ in 0..n {
        let mut frame = BytesMut::with_capacity(ETHERNET + PAYLOAD);
        frame.put_slice(header);
        frame.put_slice(payload);
        escape(&mut frame);
    }
}

pub fn chain4(n: u64, payload: &[u8; PAYLOAD]) {
    let segment = || {
        let mut segment = BytesMut::with_capacity(BLOCK);
        segment.put_slice(payload);
        segment
    };
    for _ in 0..n {
        let mut chain = segment().chain(segment()).chain(segment()).chain(segment());
        escape(&mut chain);
    }
}
