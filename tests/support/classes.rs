//! What allocators over pools of several sizes promise, tested on any of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};

use framepool::{Late, Pool, PoolAlloc, PoolConfig};

use crate::process;

/// [`System`], which counts the allocations that are alive.
#[derive(Debug, Default)]
pub struct Counting {
    pub alive: AtomicUsize,
}

impl Counting {
    pub const fn new() -> Self {
        Self {
            alive: AtomicUsize::new(0),
        }
    }

    pub fn alive(&self) -> usize {
        self.alive.load(Relaxed)
    }
}

// SAFETY: all calls go to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Miri ends the program if it has no memory for a request.
        if cfg!(miri) && layout.size() > 1 << 30 {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        let at = unsafe { System.alloc(layout) };
        self.alive.fetch_add(usize::from(!at.is_null()), Relaxed);
        at
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        self.alive.fetch_sub(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Memory of an allocator, freed when dropped.
pub struct Memory<'a> {
    allocator: &'a dyn GlobalAlloc,
    pub at: *mut u8,
    layout: Layout,
}

impl<'a> Memory<'a> {
    /// `None` if there is none.
    pub fn of(allocator: &'a dyn GlobalAlloc, size: usize, align: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: no test asks for 0 bytes.
        let at = unsafe { allocator.alloc(layout) };
        Self::at(allocator, at, layout)
    }

    pub fn zeroed(allocator: &'a dyn GlobalAlloc, size: usize, align: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: no test asks for 0 bytes.
        let at = unsafe { allocator.alloc_zeroed(layout) };
        Self::at(allocator, at, layout)
    }

    fn at(allocator: &'a dyn GlobalAlloc, at: *mut u8, layout: Layout) -> Option<Self> {
        assert_eq!(at.addr() % layout.align(), 0, "{layout:?}");
        (!at.is_null()).then(|| Self {
            allocator,
            at,
            layout,
        })
    }

    /// Resizes it. False if there is no memory for that.
    pub fn resize(&mut self, size: usize) -> bool {
        // SAFETY: the memory is this one's.
        let at = unsafe { self.allocator.realloc(self.at, self.layout, size) };
        if !at.is_null() {
            self.at = at;
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        }
        !at.is_null()
    }

    pub fn size(&self) -> usize {
        self.layout.size()
    }

    pub fn fill(&mut self, byte: u8) {
        // SAFETY: as many bytes are there.
        unsafe { self.at.write_bytes(byte, self.size()) };
    }

    /// Whether the first `n` bytes, which were written, have this value.
    pub fn is_full_of(&self, byte: u8, n: usize) -> bool {
        // SAFETY: the caller wrote them.
        let bytes = unsafe { std::slice::from_raw_parts(self.at, n) };
        bytes.iter().all(|b| *b == byte)
    }

    /// Which of the pools it is in.
    pub fn place(&self, pools: &[&Pool<'static>]) -> Option<usize> {
        pools.iter().position(|pool| pool.contains(self.at))
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, or resized to it.
        unsafe { self.allocator.dealloc(self.at, self.layout) };
    }
}

/// Runs all of them on an allocator of pools of 64, 256 and 1024 bytes, with 8 blocks each that are aligned to 64, and
/// this fallback. All blocks are free, before and after.
pub fn promises(allocator: &dyn GlobalAlloc, pools: [&Pool<'static>; 3], fallback: &Counting) {
    let before = fallback.alive();
    each_size_goes_to_the_smallest_blocks(allocator, pools);
    a_full_pool_is_followed_by_the_next_and_the_fallback(allocator, pools);
    memory_grows_and_shrinks_in_its_block_and_moves_out_of_it(allocator, pools);
    zeroed_memory_is_zeros(allocator, pools);
    large_sizes_and_alignments_are_the_fallbacks(allocator, pools);
    assert_eq!(fallback.alive(), before);
}

fn each_size_goes_to_the_smallest_blocks(allocator: &dyn GlobalAlloc, pools: [&Pool<'static>; 3]) {
    // Miri is a thousand times slower.
    for size in (1..=1200).step_by(if cfg!(miri) { 63 } else { 1 }) {
        let memory = Memory::of(allocator, size, 8).unwrap();
        let expected = [64, 256, 1024].iter().position(|block| size <= *block);
        assert_eq!(memory.place(&pools), expected, "{size}");
    }
    for align in [1, 2, 64] {
        let memory = Memory::of(allocator, 1, align).unwrap();
        assert_eq!(memory.place(&pools), Some(0));
    }
}

fn a_full_pool_is_followed_by_the_next_and_the_fallback(
    allocator: &dyn GlobalAlloc,
    pools: [&Pool<'static>; 3],
) {
    // Twice, because frees may have to go to another pool than the size suggests.
    for _ in 0..2 {
        let mut all: Vec<Memory<'_>> = (0..30)
            .map(|i| {
                let mut memory = Memory::of(allocator, 40, 8).unwrap();
                memory.fill(i);
                memory
            })
            .collect();
        for (i, memory) in (0..).zip(&all) {
            let expected = (i < 24).then_some(usize::from(i) / 8);
            assert_eq!(memory.place(&pools), expected, "{i}");
            assert!(memory.is_full_of(i, 40));
        }
        // From the middle, so that no order is the same.
        for i in (0..all.len()).step_by(3).rev() {
            drop(all.swap_remove(i));
        }
        let again = Memory::of(allocator, 40, 8).unwrap();
        assert!(again.place(&pools).is_some());
    }
}

fn memory_grows_and_shrinks_in_its_block_and_moves_out_of_it(
    allocator: &dyn GlobalAlloc,
    pools: [&Pool<'static>; 3],
) {
    let mut memory = Memory::of(allocator, 10, 8).unwrap();
    memory.fill(7);
    let first = memory.at;
    for size in [64, 1, 33, 10] {
        assert!(memory.resize(size));
        assert_eq!(memory.at, first, "{size}");
    }
    for (size, place) in [
        (65, Some(1)),
        (256, Some(1)),
        (257, Some(2)),
        (1024, Some(2)),
        (3, Some(2)),
        (1025, None),
        (4000, None),
    ] {
        let kept = memory.size().min(size);
        assert!(memory.resize(size));
        assert_eq!(memory.place(&pools), place, "{size}");
        assert!(memory.is_full_of(7, kept), "{size}");
        memory.fill(7);
    }
    // What the fallback has, it may keep.
    assert!(memory.resize(20) && memory.is_full_of(7, 20));
    assert!(!memory.resize(isize::MAX as usize - 63));
    assert!(memory.is_full_of(7, 20));
    let mut block = Memory::of(allocator, 20, 8).unwrap();
    block.fill(5);
    assert!(!block.resize(isize::MAX as usize - 63));
    assert!(block.is_full_of(5, 20) && block.place(&pools) == Some(0));
}

fn zeroed_memory_is_zeros(allocator: &dyn GlobalAlloc, pools: [&Pool<'static>; 3]) {
    for size in [1, 40, 64, 200, 1024, 3000] {
        Memory::of(allocator, size, 8).unwrap().fill(0xFF);
        let zeros = Memory::zeroed(allocator, size, 8).unwrap();
        assert!(zeros.is_full_of(0, size), "{size}");
        assert_eq!(zeros.place(&pools).is_some(), size <= 1024);
    }
}

fn large_sizes_and_alignments_are_the_fallbacks(
    allocator: &dyn GlobalAlloc,
    pools: [&Pool<'static>; 3],
) {
    let largest = isize::MAX as usize;
    for (size, align) in [(largest, 1), (largest - 63, 64), (largest >> 1, 8)] {
        assert!(Memory::of(allocator, size, align).is_none());
        assert!(Memory::zeroed(allocator, size, align).is_none());
    }
    let most = if cfg!(miri) { 20 } else { 30 };
    for align in (0..=most).map(|log2| 1 << log2) {
        // As much address space may not be there.
        if let Some(mut memory) = Memory::of(allocator, 24, align) {
            memory.fill(3);
            assert_eq!(memory.place(&pools), (align <= 64).then_some(0), "{align}");
            assert!(memory.resize(60) && memory.is_full_of(3, 24));
        }
    }
}

/// A pool of 8 blocks of 16 bytes in a block of `pool`, which has 4096 bytes.
fn in_a_block_of(pool: &'static Pool<'static>) -> &'static mut Pool<'static> {
    let memory = pool.alloc_value([MaybeUninit::<u8>::uninit(); 4096]);
    let inner = Pool::new(memory.unwrap().leak(), PoolConfig::new(16, 8));
    let inner = inner.unwrap().leak();
    assert!(pool.contains(inner.blocks_ptr().as_ptr().cast()));
    inner
}

/// Runs the allocator that `make` makes of `pool`, which has two blocks of 4096 bytes, and of a pool in one of them. All
/// blocks of that one are free afterwards, and one of `pool`.
pub fn pools_within_each_other<A: GlobalAlloc + 'static>(
    pool: &'static Pool<'static>,
    make: impl FnOnce([&'static Pool<'static>; 2]) -> &'static A,
) -> (&'static A, &'static Pool<'static>) {
    let inner: &'static Pool<'static> = in_a_block_of(pool);
    let allocator = make([pool, inner]);
    for _ in 0..2 {
        let all: Vec<_> = (0..10)
            .map(|_| Memory::of(allocator, 16, 8).unwrap())
            .collect();
        let inside = |memory: &&Memory<'_>| memory.place(&[inner]).is_some();
        assert_eq!(all.iter().filter(inside).count(), 8);
        let here = |memory: &&Memory<'_>| memory.place(&[pool]).is_some();
        assert_eq!(all.iter().filter(here).count(), 9);
    }
    (allocator, inner)
}

/// A fallback whose own pool is installed later.
pub type Nested = PoolAlloc<Counting, Late>;

pub const fn nested() -> Nested {
    PoolAlloc::late(Counting::new())
}

/// Runs an allocator over `pool`, which has two blocks of 4096 bytes, when its fallback gets a pool in a block of `pool`.
pub fn refuses_a_pool_in_its_block(
    allocator: &dyn GlobalAlloc,
    pool: &'static Pool<'static>,
    fallback: &Nested,
) {
    let inner = in_a_block_of(pool);
    let inner = fallback.install(inner).unwrap();

    let other = pool.alloc().unwrap();
    assert!(Memory::of(allocator, 16, 8).is_none());
    assert!(Memory::zeroed(allocator, 16, 8).is_none());
    assert_eq!((inner.stats().allocations, inner.stats().in_use), (2, 0));
    // It has no block of the inner pool, nor a place in it.
    let mut larger = Memory::of(allocator, 17, 8).unwrap();
    assert!(larger.resize(16) && larger.place(&[pool]).is_none());
    drop(larger);
    drop(other);
    let block = Memory::of(allocator, 16, 8).unwrap();
    assert_eq!(
        (block.place(&[pool]), block.place(&[inner])),
        (Some(0), None)
    );
    assert!(
        Memory::of(allocator, 16, 8).is_none(),
        "the other block is the inner pool's"
    );
}

/// A fallback that moves memory to an address when it is resized.
pub struct Moving(AtomicPtr<u8>);

impl Moving {
    pub const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }
}

// SAFETY: the test owns the memory at the address, which is resized once; other calls go to `System`.
unsafe impl GlobalAlloc for Moving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, _: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.dealloc(at, layout) };
        self.0.load(Relaxed)
    }
}

/// Runs an allocator over `pool`, whose blocks have 64 bytes, in another process, when its fallback moves memory into a
/// block. `test` is the running test.
pub fn aborts_when_memory_moves_into_its_block(
    test: &str,
    allocator: &dyn GlobalAlloc,
    pool: &'static Pool<'static>,
    fallback: &Moving,
) {
    if process::role().is_some() {
        let block = pool.alloc_value([0_u8; 64]).unwrap().leak();
        let mut memory = Memory::of(allocator, 65, 8).unwrap();
        fallback.0.store(block.as_mut_ptr(), Relaxed);
        memory.resize(64);
        unreachable!("two owners of a block");
    }
    let output = process::another(test, "moves").output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{complaint}");
    assert!(
        complaint.contains("has memory in a pool's block"),
        "{complaint}"
    );
    assert!(!complaint.contains("two owners"), "{complaint}");
}

/// Asserts that every block of a pool is free: none is lost, and none is in a cache.
#[track_caller]
pub fn assert_all_free(pools: &[&'static Pool<'static>]) {
    for pool in pools {
        let stats = pool.stats();
        assert_eq!((stats.in_use, stats.cached), (0, 0), "{stats}");
        assert_eq!(pool.available(), pool.capacity(), "{stats}");
    }
}
