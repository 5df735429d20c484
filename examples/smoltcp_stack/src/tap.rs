//! A driver for a TAP device: frames are read into blocks of a pool, and written from blocks.

use std::ffi::{c_int, c_short};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use framepool::adapters::Driver;
use framepool::packet::{Blank, PacketBuf, PacketMeta, PacketPool};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::ioctl::{Updater, ioctl, opcode};

use crate::error::Failure;

/// `struct ifreq` of the kernel, with the flags of a device.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: c_short,
    _rest: [u8; 22],
}

const IFF_TAP: c_short = 2;
/// Frames without a header of the kernel's.
const IFF_NO_PI: c_short = 0x1000;

/// A TAP device of the kernel. It vanishes with this value.
pub struct Tap<'p> {
    file: OwnedFd,
    rx: &'p PacketPool<'p>,
    /// The block of the next frame.
    blank: Option<Blank<'p>>,
}

impl<'p> Tap<'p> {
    /// Makes the device in the thread's network namespace.
    pub fn new(name: &str, rx: &'p PacketPool<'p>) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = open("/dev/net/tun", flags, Mode::empty())
            .map_err(|e| Failure::cannot_run("/dev/net/tun", e))?;
        let mut request = Request {
            name: [0; 16],
            flags: IFF_TAP | IFF_NO_PI,
            _rest: [0; 22],
        };
        // The last byte stays 0.
        for (to, from) in request.name[..15].iter_mut().zip(name.bytes()) {
            *to = from;
        }
        // SAFETY: TUNSETIFF reads and writes a `struct ifreq`. Its number is coded for an `int`.
        let set = unsafe {
            let set = Updater::<{ opcode::write::<c_int>(b'T', 202) }, Request>::new(&mut request);
            ioctl(&file, set)
        };
        set.map_err(|e| Failure::cannot_run("no TAP device", e))?;
        Ok(Self {
            file,
            rx,
            blank: None,
        })
    }
}

impl AsFd for Tap<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl<'p> Driver<'p> for Tap<'p> {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        let blank = self.blank.take().or_else(|| self.rx.alloc_blank().ok());
        // Without a block, the frame stays with the kernel.
        let mut blank = blank?;
        let start = self.rx.headroom();
        let room = blank.bytes_mut().get_mut(start..).unwrap_or_default();
        match read(&self.file, room) {
            Ok(n) => blank.receive(start..start + n, PacketMeta::default()).ok(),
            Err(_) => {
                self.blank = Some(blank);
                None
            }
        }
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        match write(&self.file, frame.bytes()) {
            // The kernel has the bytes; the block is free.
            Ok(_) => Ok(()),
            Err(Errno::AGAIN | Errno::NOBUFS) => Err(frame),
            // The device is down: the frame is lost, as on a cable that is not plugged in.
            Err(_) => Ok(()),
        }
    }
}
