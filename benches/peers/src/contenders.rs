//! The contenders that allocate one block at a time, behind one trait.
//!
//! Every loop is generic over [`Single`], so each contender gets a copy of it with its own calls inlined, if
//! the contender allows that.

use std::alloc::{GlobalAlloc, Layout};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crossbeam_queue::ArrayQueue;
use framepool::{Block, Cache, Pool, PoolConfig};
use heapless::pool::boxed::{Box as PoolBox, BoxBlock};
use opool::{LocalPool, PoolAllocator, RefLocalGuard};
use slab::Slab;

/// The size of a block in bytes, for every contender.
pub const BLOCK: usize = 2048;
/// The number of blocks in each fixed pool on one core.
pub const BLOCKS: usize = 2048;

/// The layout of a request to mimalloc, snmalloc and jemalloc.
pub const LAYOUT: Layout = match Layout::from_size_align(BLOCK, 64) {
    Ok(layout) => layout,
    Err(_) => panic!("not a layout"),
};

/// The bytes of a block, uninitialised.
pub type Bytes = MaybeUninit<[u8; BLOCK]>;

/// Allocates and frees one block at a time.
pub trait Single {
    /// A handle or a key of a block.
    type Handle;

    /// Allocates a block. Benches never allocate more blocks than there are.
    fn take(&mut self) -> Self::Handle;
    /// Frees it.
    fn give(&mut self, handle: Self::Handle);
    /// A block's first byte, valid for [`BLOCK`] bytes unless the pool was made with smaller blocks.
    fn start(&mut self, handle: &mut Self::Handle) -> *mut u8;
}

/// framepool through a worker's cache: `Cache::alloc` and `Cache::free` of an owning `Block`.
pub struct Cached<'p>(pub Cache<'p>);

impl<'p> Single for Cached<'p> {
    type Handle = Block<'p>;

    #[inline]
    fn take(&mut self) -> Block<'p> {
        self.0.alloc().expect("a free block")
    }

    #[inline]
    fn give(&mut self, handle: Block<'p>) {
        assert!(self.0.free(handle).is_ok());
    }

    #[inline]
    fn start(&mut self, handle: &mut Block<'p>) -> *mut u8 {
        handle.as_mut_ptr()
    }
}

/// framepool without a cache: `Pool::alloc`, then drop.
pub struct Shared<'p>(pub &'p Pool<'p>);

impl<'p> Single for Shared<'p> {
    type Handle = Block<'p>;

    #[inline]
    fn take(&mut self) -> Block<'p> {
        self.0.alloc().expect("a free block")
    }

    #[inline]
    fn give(&mut self, handle: Block<'p>) {
        drop(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut Block<'p>) -> *mut u8 {
        handle.as_mut_ptr()
    }
}

/// Makes opool's objects. They are boxes, so that a guard moves a pointer and not 2 KiB.
pub struct Boxes;

impl PoolAllocator<Box<Bytes>> for Boxes {
    fn allocate(&self) -> Box<Bytes> {
        Box::<[u8; BLOCK]>::new_uninit()
    }
}

/// opool's pool for one thread, prefilled: `LocalPool::get`, then the guard is dropped. First in,
/// first out.
pub struct Opool<'p>(pub &'p LocalPool<Boxes, Box<Bytes>>);

impl<'p> Single for Opool<'p> {
    type Handle = RefLocalGuard<'p, Boxes, Box<Bytes>>;

    #[inline]
    fn take(&mut self) -> Self::Handle {
        self.0.get()
    }

    #[inline]
    fn give(&mut self, handle: Self::Handle) {
        drop(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut Self::Handle) -> *mut u8 {
        handle.as_mut_ptr().cast()
    }
}

/// A `Slab` of uninitialised blocks: `insert` and `remove` by key. It moves no bytes of a block, but stores its
/// links in free blocks, and a key does not own its block.
pub struct Slabs(Slab<Bytes>);

impl Slabs {
    pub fn new() -> Self {
        let mut slab = Slab::with_capacity(BLOCKS);
        let keys: Vec<usize> = (0..BLOCKS).map(|_| slab.insert(Bytes::uninit())).collect();
        for key in keys {
            slab.remove(key);
        }
        Self(slab)
    }
}

impl Single for Slabs {
    type Handle = usize;

    #[inline]
    fn take(&mut self) -> usize {
        self.0.insert(Bytes::uninit())
    }

    #[inline]
    fn give(&mut self, handle: usize) {
        self.0.remove(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut usize) -> *mut u8 {
        self.0[*handle].as_mut_ptr().cast()
    }
}

/// crossbeam's `ArrayQueue` of pointers as a shared free list: `pop` and `push`.
pub struct Queue<'p>(pub &'p ArrayQueue<Pointer>);

/// A block of an [`ArrayQueue`], which may go to another thread.
pub struct Pointer(pub NonNull<u8>);

// SAFETY: the holder of the pointer owns the block.
unsafe impl Send for Pointer {}

/// A queue of `count` blocks, 2112 bytes apart as framepool's are. They are never freed.
pub fn queue(count: usize) -> ArrayQueue<Pointer> {
    const STRIDE: usize = BLOCK + 64;
    let queue = ArrayQueue::new(count);
    let memory = vec![0_u8; STRIDE * count + 64].leak();
    let lead = memory.as_ptr().align_offset(64);
    for block in memory[lead..].chunks_exact_mut(STRIDE).take(count) {
        assert!(queue.push(Pointer(NonNull::from(block).cast())).is_ok());
    }
    queue
}

impl Single for Queue<'_> {
    type Handle = Pointer;

    #[inline]
    fn take(&mut self) -> Pointer {
        self.0.pop().expect("a free block")
    }

    #[inline]
    fn give(&mut self, handle: Pointer) {
        assert!(self.0.push(handle).is_ok());
    }

    #[inline]
    fn start(&mut self, handle: &mut Pointer) -> *mut u8 {
        handle.0.as_ptr()
    }
}

mod boxes {
    //! The pools of heapless are statics.
    #![allow(missing_debug_implementations)]
    use super::{BLOCK, Bytes};

    heapless::box_pool!(Values: [u8; BLOCK]);
    heapless::box_pool!(Uninit: Bytes);
}
pub use boxes::{Uninit, Values};

/// Gives heapless's pools `count` blocks each. They are never freed.
pub fn fill_heapless(count: usize) {
    for _ in 0..count {
        Values.manage(Box::leak(Box::new(BoxBlock::new())));
        Uninit.manage(Box::leak(Box::new(BoxBlock::new())));
    }
}

/// heapless's `box_pool!` of `[u8; 2048]`: a zeroed value is moved in, as its interface requires.
pub struct HeaplessValues;

impl Single for HeaplessValues {
    type Handle = PoolBox<Values>;

    #[inline]
    fn take(&mut self) -> Self::Handle {
        Values
            .alloc([0; BLOCK])
            .unwrap_or_else(|_| panic!("no free block"))
    }

    #[inline]
    fn give(&mut self, handle: Self::Handle) {
        drop(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut Self::Handle) -> *mut u8 {
        handle.as_mut_ptr()
    }
}

/// heapless's `box_pool!` of `MaybeUninit<[u8; 2048]>`: no byte of a block is written.
pub struct HeaplessUninit;

impl Single for HeaplessUninit {
    type Handle = PoolBox<Uninit>;

    #[inline]
    fn take(&mut self) -> Self::Handle {
        Uninit
            .alloc(Bytes::uninit())
            .unwrap_or_else(|_| panic!("no free block"))
    }

    #[inline]
    fn give(&mut self, handle: Self::Handle) {
        drop(handle);
    }

    #[inline]
    fn start(&mut self, handle: &mut Self::Handle) -> *mut u8 {
        handle.as_mut_ptr().cast()
    }
}

/// A global allocator, called directly through `GlobalAlloc` with [`LAYOUT`]; not registered.
pub struct Global<A>(pub A);

impl<A: GlobalAlloc> Single for Global<A> {
    type Handle = Pointer;

    #[inline]
    fn take(&mut self) -> Pointer {
        // SAFETY: the layout is not empty.
        let start = unsafe { self.0.alloc(LAYOUT) };
        Pointer(NonNull::new(start).expect("memory"))
    }

    #[inline]
    fn give(&mut self, handle: Pointer) {
        // SAFETY: every handle is from `take`, with the same layout.
        unsafe { self.0.dealloc(handle.0.as_ptr(), LAYOUT) };
    }

    #[inline]
    fn start(&mut self, handle: &mut Pointer) -> *mut u8 {
        handle.0.as_ptr()
    }
}

/// The C library's `malloc(2048)` and `free`: faster than calls that align to 64.
pub struct Malloc;

impl Single for Malloc {
    type Handle = Pointer;

    #[inline]
    fn take(&mut self) -> Pointer {
        // SAFETY: malloc has no preconditions.
        let start = unsafe { libc::malloc(BLOCK) };
        Pointer(NonNull::new(start.cast()).expect("memory"))
    }

    #[inline]
    fn give(&mut self, handle: Pointer) {
        // SAFETY: every handle is from `take`.
        unsafe { libc::free(handle.0.as_ptr().cast()) };
    }

    #[inline]
    fn start(&mut self, handle: &mut Pointer) -> *mut u8 {
        handle.0.as_ptr()
    }
}

/// A framepool of `count` blocks: in hugepages if DPDK uses them too, otherwise in pages of the global allocator,
/// each touched.
pub fn framepool(size: usize, count: usize, huge: bool) -> Result<Pool<'static>, String> {
    let config = PoolConfig::new(size, count);
    if huge {
        return Pool::map(config).map_err(|e| e.to_string());
    }
    let pool = Pool::allocate(config).map_err(|e| e.to_string())?;
    pool.prefault();
    Ok(pool)
}
