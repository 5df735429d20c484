//! DPDK's pools and rings (feature `dpdk`). Their measured loops are in `dpdk_shim.c`.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::options::Options;
use crate::pool::{BURST, LIVE};

/// `struct rte_mempool`, `struct rte_mempool_cache` and `struct rte_ring`: opaque.
#[repr(C)]
pub struct Opaque([u8; 0]);

/// `struct side`: a pool and its cache, or null.
#[repr(C)]
#[derive(Clone, Copy)]
struct Side {
    pool: *mut Opaque,
    cache: *mut Opaque,
}

/// `struct wait`: the pauses before the second look, and their maximum; they double each time.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Wait(pub [u32; 2]);

unsafe extern "C" {
    fn fp_eal_init(argc: c_int, argv: *mut *mut c_char) -> c_int;
    fn fp_pool_new(name: *const c_char, count: c_uint, size: c_uint, cache: c_uint) -> *mut Opaque;
    fn fp_pool_free(pool: *mut Opaque);
    fn fp_cache_new(size: c_uint) -> *mut Opaque;
    fn fp_cache_free(side: Side);
    fn fp_ring_new(name: *const c_char, count: c_uint) -> *mut Opaque;
    fn fp_ring_of(name: *const c_char, count: c_uint, size: c_uint) -> *mut Opaque;
    fn fp_ring_send(ring: *mut Opaque, messages: u64, size: c_uint, n: c_uint, wait: Wait);
    fn fp_ring_receive(ring: *mut Opaque, messages: u64, size: c_uint, n: c_uint, wait: Wait);
    fn fp_ring_free(ring: *mut Opaque);
    fn fp_lifo(side: Side, n: u64);
    fn fp_batch32(side: Side, n: u64);
    fn fp_burst32(side: Side, n: u64);
    fn fp_burst32_touched(side: Side, n: u64);
    fn fp_random1024(side: Side, n: u64, order: *const u16);
    fn fp_random_mixed(side: Side, n: u64, order: *const u16);
    fn fp_random_whole(side: Side, n: u64, order: *const u16);
    fn fp_line_write(side: Side, n: u64, size: c_uint);
    fn fp_latency(side: Side, order: *const u16, gets: *mut u32, puts: *mut u32);
    fn fp_produce1(side: Side, ring: *mut Opaque, blocks: u64, wait: Wait);
    fn fp_produce32(side: Side, ring: *mut Opaque, blocks: u64, wait: Wait);
    fn fp_consume1(side: Side, ring: *mut Opaque, blocks: u64, wait: Wait);
    fn fp_consume32(side: Side, ring: *mut Opaque, blocks: u64, wait: Wait);
}

/// Starts DPDK's environment on the calling thread, and pins this thread to the first core.
pub fn init(options: &Options) -> Result<(), String> {
    // No files remain, and several processes do not disturb each other. One lcore is enough: the second thread has
    // its own caches, and need not be an lcore.
    let mut args = vec![
        "framepool-peers".to_owned(),
        format!("-l{}", options.cores[0]),
    ];
    args.extend(["--no-pci", "--no-telemetry", "--log-level=error"].map(str::to_owned));
    match &options.huge_dir {
        Some(dir) => args.extend(["--in-memory".to_owned(), format!("--huge-dir={dir}")]),
        None => args.extend(["--no-shconf", "--no-huge", "-m512"].map(str::to_owned)),
    }
    let args: Result<Vec<CString>, _> = args.into_iter().map(CString::new).collect();
    let args = args.map_err(|e| e.to_string())?;
    // DPDK keeps pointers to its arguments and permutes them, so they are leaked.
    let mut argv: Vec<*mut c_char> = args.into_iter().map(CString::into_raw).collect();
    argv.push(ptr::null_mut());
    let argv = argv.leak();
    // SAFETY: a null-terminated array of strings that are never freed.
    match unsafe { fp_eal_init(argv.len() as c_int - 1, argv.as_mut_ptr()) } {
        0.. => Ok(()),
        _ => Err("DPDK could not be started".to_owned()),
    }
}

/// A name that is unique among the pools and rings of this process.
pub fn name(kind: &str) -> CString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{kind}{}", COUNT.fetch_add(1, Relaxed));
    CString::new(name).expect("the name has no zero byte")
}

/// An `rte_mempool` over an `rte_ring`, DPDK's default, and the cache to use it with.
pub struct Mempool {
    pool: NonNull<Opaque>,
    own: Option<User>,
}

impl Mempool {
    /// `cache`: the number of objects in the cache of each lcore, or 0 for none.
    pub fn new(count: usize, size: usize, cache: usize) -> Result<Self, String> {
        // SAFETY: the name is a string; invalid numbers return null.
        let pool = unsafe {
            let name = name("pool");
            fp_pool_new(name.as_ptr(), count as _, size as _, cache as _)
        };
        let pool = NonNull::new(pool).ok_or("DPDK could not allocate a pool")?;
        Ok(Self { pool, own: None })
    }

    /// Uses the pool through the caller's cache instead of the lcore's.
    pub fn with_cache(mut self, size: usize) -> Result<Self, String> {
        self.own = Some(self.user(size)?);
        Ok(self)
    }

    /// Another cache of this pool, for a thread. It must be dropped before the pool.
    pub fn user(&self, size: usize) -> Result<User, String> {
        // SAFETY: an invalid size returns null.
        let cache = unsafe { fp_cache_new(size as _) };
        match cache.is_null() {
            true => Err("DPDK could not allocate a cache".to_owned()),
            false => Ok(User(Side {
                pool: self.pool.as_ptr(),
                cache,
            })),
        }
    }

    fn side(&self) -> Side {
        match &self.own {
            Some(user) => user.0,
            None => Side {
                pool: self.pool.as_ptr(),
                cache: ptr::null_mut(),
            },
        }
    }

    pub fn lifo(&self, n: u64) {
        // SAFETY: here and below, pool and cache live as long as `self` and are used on its thread only: neither
        // type is Sync.
        unsafe { fp_lifo(self.side(), n) }
    }

    pub fn batch32(&self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_batch32(self.side(), n) }
    }

    pub fn burst32(&self, n: u64, touched: bool) {
        // SAFETY: as in `lifo`; objects are longer than the 8 bytes written.
        unsafe {
            match touched {
                true => fp_burst32_touched(self.side(), n),
                false => fp_burst32(self.side(), n),
            }
        }
    }

    pub fn random1024(&self, n: u64, order: &[u16; LIVE]) {
        // SAFETY: as in `lifo`; `order` is a permutation of the blocks that the loop uses.
        unsafe { fp_random1024(self.side(), n, order.as_ptr()) }
    }

    pub fn random_mixed(&self, n: u64, order: &[u16; LIVE]) {
        // SAFETY: as in `random1024`.
        unsafe { fp_random_mixed(self.side(), n, order.as_ptr()) }
    }

    pub fn random_whole(&self, n: u64, order: &[u16; LIVE / BURST]) {
        // SAFETY: as in `random1024`.
        unsafe { fp_random_whole(self.side(), n, order.as_ptr()) }
    }

    /// `size` is at most the size of an object.
    pub fn line_write(&self, n: u64, size: usize) {
        // SAFETY: as in `lifo`.
        unsafe { fp_line_write(self.side(), n, size as c_uint) }
    }

    /// Ticks of 1024 single gets and puts. The pool must use its own cache.
    pub fn latency(&self, order: &[u16; LIVE], gets: &mut [u32; LIVE], puts: &mut [u32; LIVE]) {
        assert!(self.own.is_some());
        // SAFETY: as in `random1024`; the arrays have an element for each block that the loop uses.
        unsafe {
            fp_latency(
                self.side(),
                order.as_ptr(),
                gets.as_mut_ptr(),
                puts.as_mut_ptr(),
            );
        }
    }
}

impl Drop for Mempool {
    fn drop(&mut self) {
        drop(self.own.take());
        // SAFETY: made by `new`; its caches have been dropped.
        unsafe { fp_pool_free(self.pool.as_ptr()) };
    }
}

/// A thread's cache of a pool.
pub struct User(Side);

// SAFETY: a cache has one owner, on any thread; its pool may be shared between threads.
unsafe impl Send for User {}

impl User {
    pub fn lifo(&mut self, n: u64) {
        // SAFETY: pool and cache live, and `&mut` gives exclusive access to the cache.
        unsafe { fp_lifo(self.0, n) }
    }

    pub fn burst32(&mut self, n: u64) {
        // SAFETY: as in `lifo`.
        unsafe { fp_burst32(self.0, n) }
    }

    /// Passes blocks on, 1 or 32 at a time.
    pub fn produce(&mut self, ring: &Ring, blocks: u64, bulk: bool, pauses: [u32; 2]) {
        // SAFETY: as in `lifo`; each ring has one producer and one consumer.
        unsafe {
            match bulk {
                true => fp_produce32(self.0, ring.0.as_ptr(), blocks, Wait(pauses)),
                false => fp_produce1(self.0, ring.0.as_ptr(), blocks, Wait(pauses)),
            }
        }
    }

    /// Receives blocks and frees them.
    pub fn consume(&mut self, ring: &Ring, blocks: u64, bulk: bool, pauses: [u32; 2]) {
        // SAFETY: as in `produce`.
        unsafe {
            match bulk {
                true => fp_consume32(self.0, ring.0.as_ptr(), blocks, Wait(pauses)),
                false => fp_consume1(self.0, ring.0.as_ptr(), blocks, Wait(pauses)),
            }
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // SAFETY: made by `user`, and its pool still lives.
        unsafe { fp_cache_free(self.0) };
    }
}

/// An `rte_ring` for one producer and one consumer.
pub struct Ring(NonNull<Opaque>);

// SAFETY: DPDK allows it; the bench uses one end of each kind.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    pub fn new(count: usize) -> Result<Self, String> {
        // SAFETY: the name is a string; invalid numbers return null.
        let ring = unsafe { fp_ring_new(name("ring").as_ptr(), count as c_uint) };
        Ok(Self(
            NonNull::new(ring).ok_or("DPDK has no memory for a ring")?,
        ))
    }

    /// A ring for elements of 8 or 64 bytes.
    pub fn of(count: usize, size: usize) -> Result<Self, String> {
        // SAFETY: the name is a string; invalid numbers return null.
        let ring = unsafe { fp_ring_of(name("ring").as_ptr(), count as c_uint, size as c_uint) };
        Ok(Self(
            NonNull::new(ring).ok_or("DPDK has no memory for a ring")?,
        ))
    }

    pub fn as_ptr(&self) -> *mut Opaque {
        self.0.as_ptr()
    }

    /// Sends messages of 8 or 64 bytes, one by one or 32 at once.
    pub fn send(&self, messages: u64, size: usize, bulk: bool, pauses: [u32; 2]) {
        let n = if bulk { BURST } else { 1 };
        // SAFETY: the ring lives, for elements of that size, and has one producer: the bench.
        unsafe {
            fp_ring_send(
                self.0.as_ptr(),
                messages,
                size as c_uint,
                n as c_uint,
                Wait(pauses),
            )
        };
    }

    /// Receives them.
    pub fn receive(&self, messages: u64, size: usize, bulk: bool, pauses: [u32; 2]) {
        let n = if bulk { BURST } else { 1 };
        // SAFETY: the ring lives, for elements of that size, and has one consumer: the bench.
        unsafe {
            fp_ring_receive(
                self.0.as_ptr(),
                messages,
                size as c_uint,
                n as c_uint,
                Wait(pauses),
            )
        };
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: made by `new`.
        unsafe { fp_ring_free(self.0.as_ptr()) };
    }
}
