//! DPDK's packet buffers (feature `dpdk`). Their measured loops are in `dpdk.c`.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr::NonNull;

use crate::dpdk::{Opaque, Ring, Wait, name};
use crate::packet::single::{Completion, ETHERNET, FRAME, PAYLOAD};
use crate::pool::{BURST, LIVE};

/// `struct frames`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Frames {
    bytes: *const u8,
    len: u32,
    count: u32,
}

unsafe extern "C" {
    fn fp_mbufs_new(name: *const c_char, count: c_uint, room: c_uint, cache: c_uint)
    -> *mut Opaque;
    fn fp_pool_free(pool: *mut Opaque);
    fn fp_lcore_begin() -> c_int;
    fn fp_lcore_end();
    fn fp_mbuf_lifo(pool: *mut Opaque, n: u64);
    fn fp_mbuf_burst32(pool: *mut Opaque, n: u64);
    fn fp_mbuf_burst32_unshared(pool: *mut Opaque, n: u64);
    fn fp_mbuf_burst32_raw(pool: *mut Opaque, n: u64);
    fn fp_mbuf_random1024(pool: *mut Opaque, n: u64, order: *const u16);
    fn fp_mbuf_clone_drop(pool: *mut Opaque, n: u64);
    fn fp_mbuf_count_drop(pool: *mut Opaque, n: u64);
    fn fp_mbuf_prepend(pool: *mut Opaque, n: u64, header: *const u8);
    fn fp_mbuf_chain4(pool: *mut Opaque, n: u64, payload: *const u8);
    fn fp_mbufs_fill(pool: *mut Opaque, frames: Frames);
    fn fp_mbuf_rx_path(
        pool: *mut Opaque,
        ring: *mut Opaque,
        completions: *const Completion,
        n: u64,
    ) -> u64;
    fn fp_mbuf_produce(pool: *mut Opaque, ring: *mut Opaque, packets: u64, wait: Wait);
    fn fp_mbuf_consume(ring: *mut Opaque, packets: u64, wait: Wait);
}

/// A pool of mbufs with a cache for each lcore.
pub struct Mbufs(NonNull<Opaque>);

// SAFETY: threads use the pool through caches of their own: each of them is an lcore.
unsafe impl Sync for Mbufs {}

impl Mbufs {
    /// `room`: bytes after the headroom. `cache`: the number of mbufs in the cache of each lcore.
    pub fn new(count: usize, room: usize, cache: usize) -> Result<Self, String> {
        // SAFETY: the name is a string; invalid numbers return null.
        let pool = unsafe {
            let name = name("mbufs");
            fp_mbufs_new(name.as_ptr(), count as _, room as _, cache as _)
        };
        let pool = NonNull::new(pool).ok_or("DPDK could not allocate a pool of mbufs")?;
        Ok(Self(pool))
    }

    pub fn lifo(&self, n: u64) {
        // SAFETY: here and below, the pool lives as long as `self`, and the calling thread is an lcore.
        unsafe { fp_mbuf_lifo(self.0.as_ptr(), n) }
    }

    pub fn burst32(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_mbuf_burst32(self.0.as_ptr(), n) }
    }

    /// Frees without reading the mbufs.
    pub fn burst32_unshared(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_mbuf_burst32_unshared(self.0.as_ptr(), n) }
    }

    /// Neither reads nor writes an mbuf.
    pub fn burst32_raw(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_mbuf_burst32_raw(self.0.as_ptr(), n) }
    }

    pub fn random1024(&self, n: u64, order: &[u16; LIVE]) {
        // SAFETY: as in `lifo`; `order` is a permutation of the mbufs that the loop uses.
        unsafe { fp_mbuf_random1024(self.0.as_ptr(), n, order.as_ptr()) }
    }

    pub fn clone_drop(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_mbuf_clone_drop(self.0.as_ptr(), n) }
    }

    pub fn count_drop(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_mbuf_count_drop(self.0.as_ptr(), n) }
    }

    pub fn prepend(&self, n: u64, header: &[u8; ETHERNET]) {
        // SAFETY: as in `lifo`; the loop reads as many bytes of the header.
        unsafe { fp_mbuf_prepend(self.0.as_ptr(), n, header.as_ptr()) }
    }

    pub fn chain4(&self, n: u64, payload: &[u8; PAYLOAD]) {
        // SAFETY: as in `prepend`.
        unsafe { fp_mbuf_chain4(self.0.as_ptr(), n, payload.as_ptr()) }
    }

    /// Writes one of these frames to each buffer.
    pub fn fill(&self, frames: &[[u8; FRAME]]) {
        let frames = Frames {
            bytes: frames.as_ptr().cast(),
            len: FRAME as u32,
            count: frames.len() as u32,
        };
        // SAFETY: nothing else uses the pool now, and a frame fits a buffer.
        unsafe { fp_mbufs_fill(self.0.as_ptr(), frames) }
    }

    /// The ring has places for a burst.
    pub fn rx_path(&self, ring: &Ring, completions: &[Completion; BURST], n: u64) -> u64 {
        // SAFETY: as in `lifo`; this thread is the ring's only producer and consumer.
        unsafe { fp_mbuf_rx_path(self.0.as_ptr(), ring.as_ptr(), completions.as_ptr(), n) }
    }

    /// Sends packets, 32 at a time.
    pub fn produce(&self, ring: &Ring, packets: u64, pauses: [u32; 2]) {
        be_lcore();
        // SAFETY: as in `lifo`; the ring has one producer and one consumer.
        unsafe { fp_mbuf_produce(self.0.as_ptr(), ring.as_ptr(), packets, Wait(pauses)) }
    }

    /// Receives packets of this pool and frees them.
    pub fn consume(&self, ring: &Ring, packets: u64, pauses: [u32; 2]) {
        be_lcore();
        // SAFETY: as in `produce`.
        unsafe { fp_mbuf_consume(ring.as_ptr(), packets, Wait(pauses)) }
    }
}

impl Drop for Mbufs {
    fn drop(&mut self) {
        // SAFETY: made by `new`.
        unsafe { fp_pool_free(self.0.as_ptr()) };
    }
}

/// A thread that DPDK has registered, until it ends.
struct Lcore;

impl Drop for Lcore {
    fn drop(&mut self) {
        // SAFETY: `be_lcore` has registered this thread.
        unsafe { fp_lcore_end() };
    }
}

/// Makes this thread an lcore, unless it is one.
fn be_lcore() {
    thread_local! {
        static LCORE: Lcore = {
            // SAFETY: DPDK is initialised.
            let done = unsafe { fp_lcore_begin() };
            assert!(done == 0, "DPDK could not register a thread");
            Lcore
        };
    }
    LCORE.with(|_| ());
}
