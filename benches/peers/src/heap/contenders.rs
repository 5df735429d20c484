//! The allocators of any size, behind one trait.
//!
//! Those that can serve memory they are given get a mapping of [`REGION`] each, of the same kind. The names of the
//! others end in `(own mapping)`.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use dlmalloc::Dlmalloc;
use framepool::heap::{HeapLock, Spin, ThreadHeap, Unlocked};
use framepool::{MappedRegion, PageSize};
use libmimalloc_sys as mi;
use rlsf::Tlsf;
use talc::TalcCell;
use talc::source::Manual;

use crate::contenders::Global;
use crate::harness::{FRAMEPOOL, THREAD_HEAP};

/// The size of each region in bytes.
pub const REGION: usize = 64 << 20;
/// The alignment of every object.
const ALIGN: usize = 8;

/// The layout of an object of `size` bytes.
#[inline(always)]
pub fn layout(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and no bench asks for more than a region has.
    unsafe { Layout::from_size_align_unchecked(size, ALIGN) }
}

/// Allocates objects of any size.
///
/// # Safety
/// An object is valid until it is freed, and no two of them overlap.
pub unsafe trait Heap {
    /// Returns null if there is no memory. The size is not zero.
    fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// # Safety
    /// The object is from this heap, with this layout, and was not freed.
    unsafe fn free(&mut self, object: *mut u8, layout: Layout);

    /// Returns null, and leaves the object as it was, if there is no memory.
    ///
    /// # Safety
    /// As for `free`. The object moves: only the result is valid.
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the alignment is the object's, and benches pass no size near the limit.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let to = self.alloc(new);
        if !to.is_null() {
            // SAFETY: two objects do not overlap; by the contract the old one is freed once.
            unsafe {
                ptr::copy_nonoverlapping(object, to, size.min(layout.size()));
                self.free(object, layout);
            }
        }
        to
    }

    /// The bytes of tables that are not in its region.
    fn outside(&self) -> usize {
        0
    }
}

// SAFETY: that is what `GlobalAlloc` promises.
unsafe impl<A: GlobalAlloc> Heap for Global<A> {
    fn outside(&self) -> usize {
        size_of::<A>()
    }

    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.dealloc(object, layout) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.realloc(object, layout, size) }
    }
}

/// A global allocator that is a static.
pub struct Own<A: 'static>(pub &'static A);

impl<A> Clone for Own<A> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

// SAFETY: that is what `GlobalAlloc` promises.
unsafe impl<A: GlobalAlloc> Heap for Own<A> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.dealloc(object, layout) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.realloc(object, layout, size) }
    }
}

static SEFER: sefer_alloc::SeferAlloc = sefer_alloc::SeferAlloc::new();

/// Memory for one contender: resident base pages, aligned to its size. It is unmapped on drop.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
    _mapping: MappedRegion,
}

impl Region {
    /// Maps `len` bytes, a power of two.
    pub fn new(len: usize) -> Result<Self, String> {
        // Twice the length has an aligned half in it. The rest is never touched.
        let mapping = MappedRegion::builder(2 * len).page(PageSize::Base);
        let mapping = mapping.force().prefault(false).map();
        let mapping = mapping.map_err(|error| error.to_string())?;
        let lead = mapping.as_ptr().as_ptr().align_offset(len);
        // SAFETY: the aligned half is in the mapping.
        let start = unsafe { mapping.as_ptr().add(lead) };
        // SAFETY: nothing else uses the mapping.
        unsafe { start.as_ptr().write_bytes(0, len) };
        Ok(Self {
            start,
            len,
            _mapping: mapping,
        })
    }

    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub fn len(&self) -> usize {
        self.len
    }
}

// SAFETY: it owns its mapping.
unsafe impl Send for Region {}
// SAFETY: it has no state to change.
unsafe impl Sync for Region {}

/// A heap and its memory. The heap is dropped first.
pub struct Over<H>(pub H, #[expect(dead_code)] Region);

impl<H> Over<H> {
    /// Makes a heap over a new region of `len` bytes.
    pub fn new(len: usize, make: impl FnOnce(&Region) -> H) -> Result<Self, String> {
        let region = Region::new(len)?;
        Ok(Self(make(&region), region))
    }
}

// SAFETY: as the heap.
unsafe impl<H: Heap> Heap for Over<H> {
    fn outside(&self) -> usize {
        self.0.outside()
    }

    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.alloc(layout)
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.free(object, layout) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.realloc(object, layout, size) }
    }
}

/// A heap that several threads use, one at a time: it is in a spin lock.
pub struct Locked<H>(Arc<spin::Mutex<H>>);

impl<H> Locked<H> {
    pub fn new(heap: H) -> Self {
        Self(Arc::new(spin::Mutex::new(heap)))
    }
}

impl<H> Clone for Locked<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// SAFETY: as the heap.
unsafe impl<H: Heap> Heap for Locked<H> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.lock().alloc(layout)
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.lock().free(object, layout) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.lock().realloc(object, layout, size) }
    }
}

/// framepool's heap.
pub type Ours<L> = Global<framepool::heap::Heap<L>>;

pub fn ours<L: HeapLock>(region: &Region) -> Ours<L> {
    let heap = framepool::heap::Heap::new();
    // SAFETY: the heap has the region to itself, and is dropped first. A new region is all zeros.
    let added = unsafe { heap.add_zeroed_region(region.start, region.len) };
    assert!(added.is_ok(), "framepool refuses the region: {added:?}");
    Global(heap)
}

// As the other regions: base pages, all of them resident.
framepool::thread_heap!(static THREADS: mapped MappedRegion::builder(REGION).page(PageSize::Base));

/// framepool's heap with a front for each thread. There is one for the process; what its thread holds is given back first.
pub fn thread_heap() -> Result<Own<ThreadHeap>, String> {
    let mapping = THREADS.mapping().expect("a mapping");
    mapping.map_err(|error| error.to_string())?;
    THREADS.flush();
    Ok(Own(&THREADS))
}

/// The hardened heaps.
#[cfg(feature = "hardened")]
mod hardened {
    use framepool::heap::Hardened;

    use super::*;

    pub fn heap(region: &Region) -> Global<Hardened<framepool::heap::Heap<Unlocked>>> {
        Global(Hardened::new(ours(region).0))
    }

    framepool::thread_heap!(
        static THREADS: mapped MappedRegion::builder(REGION).page(PageSize::Base), hardened
    );

    pub fn threads() -> Result<Own<Hardened<ThreadHeap>>, String> {
        let mapping = THREADS.heap().mapping().expect("a mapping");
        mapping.map_err(|error| error.to_string())?;
        THREADS.empty_quarantine();
        THREADS.heap().flush();
        Ok(Own(&THREADS))
    }
}

/// A heap with a lock of its own.
pub struct Shared<A>(Arc<Over<Global<A>>>);

impl<A> Clone for Shared<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

// SAFETY: as the heap.
unsafe impl<A: GlobalAlloc> Heap for Shared<A> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the size is not zero.
        unsafe { self.0.0.0.alloc(layout) }
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.0.0.dealloc(object, layout) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { self.0.0.0.realloc(object, layout, size) }
    }
}

/// talc without a lock.
pub type Talc = Global<TalcCell<Manual>>;

pub fn talc(region: &Region) -> Talc {
    let heap = TalcCell::new(Manual);
    // SAFETY: the heap has the region to itself, and is dropped first.
    let claimed = unsafe { heap.claim(region.start(), region.len()) };
    assert!(claimed.is_some(), "talc refuses the region");
    Global(heap)
}

/// rlsf for regions of up to 128 MiB: lists for 22 powers of two, 32 in each.
pub type Rlsf = Tlsf<'static, u32, u32, 22, 32>;
/// rlsf for regions of up to 128 KiB, as its documentation sets it up: 12 powers of two, 16 lists in each.
pub type SmallRlsf = Tlsf<'static, u16, u16, 12, 16>;

/// Gives an empty rlsf the region.
macro_rules! rlsf {
    ($name:ident, $type:ty) => {
        pub fn $name(region: &Region) -> $type {
            let mut heap = <$type>::new();
            let bytes = ptr::slice_from_raw_parts_mut(region.start(), region.len());
            // SAFETY: the heap has the region to itself, and is dropped first.
            let given = NonNull::new(bytes).and_then(|b| unsafe { heap.insert_free_block_ptr(b) });
            assert!(given.is_some(), "rlsf refuses the region");
            heap
        }

        // SAFETY: that is what its documentation promises.
        unsafe impl Heap for $type {
            fn outside(&self) -> usize {
                size_of::<Self>()
            }

            #[inline]
            fn alloc(&mut self, layout: Layout) -> *mut u8 {
                self.allocate(layout)
                    .map_or(ptr::null_mut(), NonNull::as_ptr)
            }

            #[inline]
            unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
                // SAFETY: by the contract.
                unsafe { self.deallocate(NonNull::new_unchecked(object), layout.align()) };
            }

            #[inline]
            unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
                // SAFETY: by the contract.
                unsafe {
                    let new = Layout::from_size_align_unchecked(size, layout.align());
                    self.reallocate(NonNull::new_unchecked(object), new)
                        .map_or(ptr::null_mut(), NonNull::as_ptr)
                }
            }
        }
    };
}
rlsf!(rlsf, Rlsf);
rlsf!(small_rlsf, SmallRlsf);

/// embedded-alloc's TLSF: rlsf in a critical section.
pub fn embedded(region: &Region) -> Global<embedded_alloc::TlsfHeap> {
    let heap = embedded_alloc::TlsfHeap::empty();
    // SAFETY: the heap has the region to itself, and is dropped first.
    unsafe { heap.init(region.start() as usize, region.len()) };
    Global(heap)
}

/// embedded-alloc's first fit, whose calls take time in proportion to the number of free blocks.
pub fn first_fit(region: &Region) -> Global<embedded_alloc::LlffHeap> {
    let heap = embedded_alloc::LlffHeap::empty();
    // SAFETY: the heap has the region to itself, and is dropped first.
    unsafe { heap.init(region.start() as usize, region.len()) };
    Global(heap)
}

/// buddy_system_allocator for blocks of up to 2 GiB.
pub struct Buddy(buddy_system_allocator::Heap<32>);

pub fn buddy(region: &Region) -> Buddy {
    let mut heap = buddy_system_allocator::Heap::new();
    // SAFETY: the heap has the region to itself, and is dropped first.
    unsafe { heap.init(region.start() as usize, region.len()) };
    Buddy(heap)
}

// SAFETY: that is what its documentation promises.
unsafe impl Heap for Buddy {
    fn outside(&self) -> usize {
        size_of::<Self>()
    }

    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0
            .alloc(layout)
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { self.0.dealloc(NonNull::new_unchecked(object), layout) };
    }
}

/// Memory that is given once.
pub struct GivenOnce {
    start: AtomicPtr<u8>,
    len: usize,
}

// SAFETY: it gives the region, which the heap has to itself, and nothing after that.
unsafe impl dlmalloc::Allocator for GivenOnce {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match self.len < size {
            true => (ptr::null_mut(), 0, 0),
            false => (self.start.swap(ptr::null_mut(), Relaxed), self.len, 1),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

/// dlmalloc in Rust, over a region.
pub type Doug = Dlmalloc<GivenOnce>;

pub fn dlmalloc(region: &Region) -> Doug {
    Dlmalloc::new_with_allocator(GivenOnce {
        start: AtomicPtr::new(region.start()),
        len: region.len(),
    })
}

// SAFETY: that is what its documentation promises.
unsafe impl Heap for Doug {
    fn outside(&self) -> usize {
        size_of::<Self>()
    }

    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: no precondition is left.
        unsafe { self.malloc(layout.size(), layout.align()) }
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { Dlmalloc::free(self, object, layout.size(), layout.align()) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { Dlmalloc::realloc(self, object, layout.size(), layout.align(), size) }
    }
}

/// A heap of mimalloc that is confined to an arena, which is a region.
#[derive(Clone)]
pub struct MiArena {
    heap: *mut mi::mi_heap_t,
    /// Destroys the heap when the last clone is gone.
    _owner: Arc<OwnedHeap>,
}

// SAFETY: every thread may use a heap of mimalloc 3.
unsafe impl Send for MiArena {}

struct OwnedHeap(*mut mi::mi_heap_t);

// SAFETY: as for `MiArena`.
unsafe impl Send for OwnedHeap {}
// SAFETY: it is only dropped.
unsafe impl Sync for OwnedHeap {}

impl Drop for OwnedHeap {
    fn drop(&mut self) {
        // SAFETY: it was made by `mi_heap_new_in_arena`, and nothing uses its objects any more.
        unsafe { mi::mi_heap_destroy(self.0) };
    }
}

/// One arena for the process: mimalloc has no call that gives an arena back.
fn arena() -> Result<mi::mi_arena_id_t, String> {
    static ARENA: OnceLock<Result<usize, String>> = OnceLock::new();
    let made = ARENA.get_or_init(|| {
        let region = Region::new(REGION)?;
        let mut arena: mi::mi_arena_id_t = ptr::null_mut();
        let start = region.start().cast_const().cast();
        // SAFETY: the memory is resident and zero, and stays mapped.
        let managed = unsafe {
            mi::mi_manage_os_memory_ex(start, REGION, true, true, true, -1, true, &mut arena)
        };
        std::mem::forget(region);
        match managed {
            true => Ok(arena as usize),
            false => Err("mimalloc refuses the region".to_owned()),
        }
    });
    made.clone().map(|arena| arena as mi::mi_arena_id_t)
}

pub fn mi_arena() -> Result<MiArena, String> {
    // SAFETY: the arena exists.
    let heap = unsafe { mi::mi_heap_new_in_arena(arena()?) };
    match heap.is_null() {
        true => Err("mimalloc makes no heap in its arena".to_owned()),
        false => Ok(MiArena {
            heap,
            _owner: Arc::new(OwnedHeap(heap)),
        }),
    }
}

// SAFETY: that is what its documentation promises.
unsafe impl Heap for MiArena {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the heap is valid.
        unsafe { mi::mi_heap_malloc_aligned(self.heap, layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, _: Layout) {
        // SAFETY: by the contract.
        unsafe { mi::mi_free(object.cast()) };
    }

    #[inline]
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by the contract.
        unsafe { mi::mi_heap_realloc_aligned(self.heap, object.cast(), size, layout.align()) }
            .cast()
    }
}

/// The version of mimalloc that is linked.
pub fn mimalloc_version() -> String {
    // SAFETY: no precondition.
    let version = unsafe { mi::mi_version() };
    format!(
        "{}.{}.{}",
        version / 10000,
        version / 100 % 100,
        version % 100
    )
}

/// Uses each contender in turn.
pub trait Visit {
    /// `make` makes an empty heap.
    ///
    /// # Errors
    /// The memory cannot be mapped.
    fn visit<H: Heap + 'static>(
        &mut self,
        name: &'static str,
        make: &dyn Fn() -> Result<H, String>,
    ) -> Result<(), String>;
}

/// The contenders over a region of `len` bytes, for one thread.
pub fn fixed(len: usize, to: &mut impl Visit) -> Result<(), String> {
    to.visit(FRAMEPOOL, &|| Over::new(len, ours::<Unlocked>))?;
    #[cfg(feature = "hardened")]
    to.visit("framepool-hardened", &|| Over::new(len, hardened::heap))?;
    to.visit("talc", &|| Over::new(len, talc))?;
    match len <= 128 << 10 {
        true => to.visit("rlsf", &|| Over::new(len, small_rlsf))?,
        false => to.visit("rlsf", &|| Over::new(len, rlsf))?,
    }
    to.visit("embedded-alloc", &|| Over::new(len, embedded))?;
    to.visit("buddy_system_allocator", &|| Over::new(len, buddy))?;
    to.visit("dlmalloc", &|| Over::new(len, dlmalloc))?;
    if len == REGION {
        to.visit(THREAD_HEAP, &thread_heap)?;
        #[cfg(feature = "hardened")]
        to.visit("framepool-threads-hardened", &hardened::threads)?;
        to.visit("mimalloc-arena", &mi_arena)?;
        #[cfg(feature = "snmalloc-fixed")]
        to.visit("snmalloc-fixed", &crate::heap::snmalloc_fixed::SnFixed::new)?;
        #[cfg(feature = "ferroc")]
        to.visit("ferroc", &crate::heap::ferroc::Ferroc::new)?;
    }
    Ok(())
}

/// The contenders whose instructions are counted.
pub fn traced(len: usize, to: &mut impl Visit) -> Result<(), String> {
    to.visit(FRAMEPOOL, &|| Over::new(len, ours::<Unlocked>))?;
    to.visit("framepool-spin", &|| Over::new(len, ours::<Spin>))?;
    to.visit("talc", &|| Over::new(len, talc))?;
    to.visit("rlsf", &|| Over::new(len, rlsf))?;
    to.visit("dlmalloc", &|| Over::new(len, dlmalloc))
}

/// All contenders, for one thread.
pub fn all(to: &mut impl Visit) -> Result<(), String> {
    fixed(REGION, to)?;
    to.visit("framepool-spin", &|| Over::new(REGION, ours::<Spin>))?;
    to.visit("mimalloc (own mapping)", &|| Ok(Global(mimalloc::MiMalloc)))?;
    to.visit("snmalloc (own mapping)", &|| {
        Ok(Global(snmalloc_rs::SnMalloc))
    })?;
    to.visit("jemalloc (own mapping)", &|| {
        Ok(Global(tikv_jemallocator::Jemalloc))
    })?;
    to.visit("rpmalloc (own mapping)", &|| Ok(Global(rpmalloc::RpMalloc)))?;
    to.visit("sefer-alloc (own mapping)", &|| Ok(Own(&SEFER)))?;
    to.visit("rusty_alloc (own mapping)", &|| {
        Ok(Global(rusty_alloc_api::RustyAlloc))
    })?;
    to.visit("malloc (own mapping)", &|| Ok(Global(std::alloc::System)))
}

/// Uses each contender that two threads share in turn.
pub trait VisitShared {
    fn visit<H: Heap + Clone + Send + 'static>(&mut self, name: &'static str, heap: H);
}

/// All contenders, for two threads.
pub fn shared(to: &mut impl VisitShared) -> Result<(), String> {
    to.visit(THREAD_HEAP, thread_heap()?);
    #[cfg(feature = "hardened")]
    to.visit("framepool-threads-hardened", hardened::threads()?);
    to.visit(
        "framepool-spin",
        Shared(Arc::new(Over::new(REGION, ours::<Spin>)?)),
    );
    to.visit("talc", Locked::new(Over::new(REGION, talc)?));
    to.visit("rlsf", Locked::new(Over::new(REGION, rlsf)?));
    to.visit(
        "embedded-alloc",
        Shared(Arc::new(Over::new(REGION, embedded)?)),
    );
    to.visit(
        "buddy_system_allocator",
        Locked::new(Over::new(REGION, buddy)?),
    );
    to.visit("dlmalloc", Locked::new(Over::new(REGION, dlmalloc)?));
    to.visit("mimalloc-arena", mi_arena()?);
    #[cfg(feature = "snmalloc-fixed")]
    to.visit(
        "snmalloc-fixed",
        crate::heap::snmalloc_fixed::SnFixed::new()?,
    );
    #[cfg(feature = "ferroc")]
    to.visit("ferroc", crate::heap::ferroc::Ferroc::new()?);
    to.visit("mimalloc (own mapping)", Own(&mimalloc::MiMalloc));
    to.visit("snmalloc (own mapping)", Own(&snmalloc_rs::SnMalloc));
    to.visit("jemalloc (own mapping)", Own(&tikv_jemallocator::Jemalloc));
    to.visit("rpmalloc (own mapping)", Own(&rpmalloc::RpMalloc));
    to.visit("sefer-alloc (own mapping)", Own(&SEFER));
    to.visit(
        "rusty_alloc (own mapping)",
        Own(&rusty_alloc_api::RustyAlloc),
    );
    to.visit("malloc (own mapping)", Own(&std::alloc::System));
    Ok(())
}
