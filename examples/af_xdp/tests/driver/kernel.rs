//! The kernel's end of a queue, played by a test: the four rings in a memfd.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::pwrite;
use rustix::net::xdp::{XdpDesc, XdpDescOptions, XdpRingFlags, XdpRingOffset};

use crate::rings::{Consumer, Producer};
use crate::socket::{Rings, Socket};

/// As in a mapping of the kernel: each word on a line of its own.
pub const AT: XdpRingOffset = XdpRingOffset {
    producer: 0,
    consumer: 64,
    flags: Some(128),
    desc: 192,
};
/// Bytes from one ring to the next in the file. Whole pages of any size.
const RING: u64 = 1 << 16;
const TRANSMIT: u64 = RING;

/// The kernel's ends.
pub struct Kernel {
    file: OwnedFd,
    pub fill: Consumer<u64>,
    pub transmit: Consumer<XdpDesc>,
    pub received: Producer<XdpDesc>,
    pub completed: Producer<u64>,
}

/// Both ends of a queue with rings of `slots` slots.
pub fn queue<'p>(slots: u32) -> (Socket<'p>, Kernel) {
    let file = memfd_create("rings", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, 4 * RING).unwrap();
    let kernel = Kernel {
        fill: Consumer::map(&file, 0, AT, slots).unwrap(),
        transmit: Consumer::map(&file, TRANSMIT, AT, slots).unwrap(),
        received: Producer::map(&file, 2 * RING, AT, slots).unwrap(),
        completed: Producer::map(&file, 3 * RING, AT, slots).unwrap(),
        file: file.try_clone().unwrap(),
    };
    let rings = Rings {
        fill: (0, AT),
        transmit: (TRANSMIT, AT),
        received: (2 * RING, AT),
        completed: (3 * RING, AT),
    };
    (Socket::over(file, rings, slots).unwrap(), kernel)
}

impl Kernel {
    /// The next block to receive into.
    pub fn next_chunk(&mut self) -> Option<u64> {
        let chunk = self.fill.pop();
        self.fill.release();
        chunk
    }

    /// The next frame to send.
    pub fn next_frame(&mut self) -> Option<XdpDesc> {
        let frame = self.transmit.pop();
        self.transmit.release();
        frame
    }

    /// Gives a chunk back with `len` bytes after the kernel's headroom. False: the RX ring is full.
    pub fn receive(&mut self, chunk: u64, len: u32) -> bool {
        let descriptor = XdpDesc {
            addr: chunk + 256,
            len,
            options: XdpDescOptions::empty(),
        };
        // SAFETY: the chunk is the kernel's, and goes back by this.
        let is_there = unsafe { self.received.push(descriptor) };
        self.received.publish();
        is_there
    }

    /// Completes a frame. False: the completion ring is full.
    pub fn complete(&mut self, addr: u64) -> bool {
        // SAFETY: as above.
        let is_there = unsafe { self.completed.push(addr) };
        self.completed.publish();
        is_there
    }

    /// Says that it sleeps until it is called to send.
    pub fn sleep(&self) {
        let flag = XdpRingFlags::XDP_RING_NEED_WAKEUP.bits().to_ne_bytes();
        let at = AT.flags.unwrap_or_default();
        assert_eq!(pwrite(&self.file, &flag, TRANSMIT + at), Ok(flag.len()));
    }
}
