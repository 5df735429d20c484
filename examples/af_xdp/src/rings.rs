//! The rings that the kernel and the program share: each has one producer and one consumer.
//!
//! ```text
//!   mapping: ┌──────────┬──────────┬───────┬─────────────────────────┐
//!            │ producer │ consumer │ flags │ slots, a power of two   │
//!            └──────────┴──────────┴───────┴─────────────────────────┘
//!   fill and TX:        the program produces, the kernel consumes: Producer
//!   RX and completion:  the kernel produces, the program consumes: Consumer
//! ```
//!
//! Positions count up and wrap at 2^32; a slot is a position modulo the number of slots.

use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::xdp::{XdpDesc, XdpRingFlags, XdpRingOffset};

/// What a slot holds: any bits are a valid value.
///
/// # Safety
/// The type is valid for any bits, and has the layout that the kernel expects.
pub unsafe trait Slot: Copy {}
// SAFETY: an integer; the address of a chunk.
unsafe impl Slot for u64 {}
// SAFETY: `struct xdp_desc`, of integers.
unsafe impl Slot for XdpDesc {}

/// Bytes of the mapping of a ring: 8 for each slot of the fill and the completion ring, 16 for RX and TX.
pub fn map_len<T>(at: &XdpRingOffset, slots: u32) -> usize {
    at.desc as usize + slots as usize * size_of::<T>()
}

/// The mapping of a ring. It keeps the socket alive in the kernel: it must go before the socket is closed, or the
/// queue stays busy.
struct Shared<T> {
    map: NonNull<u8>,
    map_len: usize,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    slots: NonNull<T>,
    mask: u32,
}

impl<T: Slot> Shared<T> {
    /// Maps one ring of a socket that has `slots` slots, a power of two.
    fn map(fd: impl AsFd, page: u64, at: XdpRingOffset, slots: u32) -> io::Result<Self> {
        // Without flags the kernel is older than 5.4, and lacks need_wakeup.
        let flags = at.flags.ok_or(io::Errno::OPNOTSUPP)? as usize;
        let map_len = map_len::<T>(&at, slots);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let map = unsafe {
            mmap(
                null_mut(),
                map_len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                fd,
                page,
            )
        }?;
        let map = NonNull::new(map.cast::<u8>()).ok_or(io::Errno::FAULT)?;
        // SAFETY: the kernel states offsets within the mapping, aligned for what lies there.
        let part = |offset: usize| unsafe { map.add(offset) };
        Ok(Self {
            map,
            map_len,
            producer: part(at.producer as usize).cast(),
            consumer: part(at.consumer as usize).cast(),
            flags: part(flags).cast(),
            slots: part(at.desc as usize).cast(),
            mask: slots - 1,
        })
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: in the mapping, which `self` keeps; the kernel accesses it atomically, too.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as in `producer`.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as in `producer`.
        unsafe { self.flags.as_ref() }
    }

    fn slot(&self, position: u32) -> NonNull<T> {
        // SAFETY: the mask keeps it among the slots.
        unsafe { self.slots.add((position & self.mask) as usize) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length, and no reference into it is left. It fails only for a range
        // that is not mapped.
        let _ = unsafe { munmap(self.map.as_ptr().cast(), self.map_len) };
    }
}

/// The program's end of the fill ring or the TX ring.
pub struct Producer<T> {
    ring: Shared<T>,
    /// Where the next value goes.
    head: u32,
    /// The kernel's position when it was last read.
    tail: u32,
}

impl<T: Slot> Producer<T> {
    pub fn map(fd: impl AsFd, page: u64, at: XdpRingOffset, slots: u32) -> io::Result<Self> {
        let ring = Shared::map(fd, page, at, slots)?;
        let (head, tail) = (
            ring.producer().load(Ordering::Relaxed),
            ring.consumer().load(Ordering::Relaxed),
        );
        Ok(Self { ring, head, tail })
    }

    /// Free slots. Reads the kernel's position only if fewer than `wanted` are known to be free.
    pub fn free(&mut self, wanted: usize) -> usize {
        if self.known_free() < wanted {
            // Acquire: pairs with the kernel's release, after which it reads the slots no more.
            self.tail = self.ring.consumer().load(Ordering::Acquire);
        }
        self.known_free()
    }

    fn known_free(&self) -> usize {
        let slots = self.ring.mask + 1;
        slots.saturating_sub(self.head.wrapping_sub(self.tail)) as usize
    }

    /// Writes a value, which the kernel sees after [`publish`](Self::publish). False: the ring is full.
    ///
    /// # Safety
    /// The chunk that the value names is lent: nothing but the kernel accesses it until the kernel returns it, or
    /// the socket is closed.
    #[must_use]
    pub unsafe fn push(&mut self, value: T) -> bool {
        if self.free(1) == 0 {
            return false;
        }
        // SAFETY: the slot is free, so the kernel does not access it.
        unsafe { self.ring.slot(self.head).write(value) };
        self.head = self.head.wrapping_add(1);
        true
    }

    /// Shows the kernel all values written so far.
    pub fn publish(&mut self) {
        // Release: pairs with the kernel's acquire, after which it reads the slots and the chunks they name.
        self.ring.producer().store(self.head, Ordering::Release);
    }

    /// Whether the kernel sleeps until it is called.
    pub fn needs_wakeup(&self) -> bool {
        let flags = self.ring.flags().load(Ordering::Relaxed);
        flags & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }
}

/// The program's end of the RX ring or the completion ring.
pub struct Consumer<T> {
    ring: Shared<T>,
    /// The next value to read.
    tail: u32,
    /// The kernel's position when it was last read.
    head: u32,
}

impl<T: Slot> Consumer<T> {
    pub fn map(fd: impl AsFd, page: u64, at: XdpRingOffset, slots: u32) -> io::Result<Self> {
        let ring = Shared::map(fd, page, at, slots)?;
        let tail = ring.consumer().load(Ordering::Relaxed);
        Ok(Self {
            ring,
            tail,
            head: tail,
        })
    }

    /// Reads a value. Its slot is the kernel's again after [`release`](Self::release).
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail {
            // Acquire: pairs with the kernel's release, after it wrote the slots and the chunks they name.
            self.head = self.ring.producer().load(Ordering::Acquire);
            if self.head == self.tail {
                return None;
            }
        }
        // SAFETY: written by the kernel, which does not access it before it is released.
        let value = unsafe { self.ring.slot(self.tail).read() };
        self.tail = self.tail.wrapping_add(1);
        Some(value)
    }

    /// Gives all slots read so far back to the kernel.
    pub fn release(&mut self) {
        // Release: pairs with the kernel's acquire, before it writes to the slots.
        self.ring.consumer().store(self.tail, Ordering::Release);
    }
}
