//! Heaps with fronts for threads, in statics.

use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering::*};

use super::fork::Watched;
#[cfg(all(feature = "mmap", target_os = "linux"))]
use super::mapped::ThreadHeapMapping;
use super::shared::Shared;
use super::stats::ThreadHeapStats;
use crate::heap::regions::NewRegion;
use crate::heap::{Heap, HeapCensus, HeapCheckError, HeapMemory, Spin, StaticHeap};
use crate::sync::Word;
#[cfg(all(feature = "mmap", target_os = "linux"))]
use crate::{MapError, RegionReport};

/// The memory of a [`ThreadHeap`] in a static, and its state. All zeros, and so in `.bss`.
/// [`thread_heap!`](crate::thread_heap!) declares it for you.
#[repr(C)]
pub struct ThreadHeapMemory<const N: usize> {
    state: State,
    memory: HeapMemory<N, Spin>,
}

/// All zeros before the first use.
pub(super) struct State {
    /// Null before the set-up, which changes it once, under the lock: to [`PLAIN`], or to what lives for ever.
    shared: AtomicPtr<Shared>,
    watched: Watched,
}

impl State {
    pub(super) const fn new() -> Self {
        Self {
            shared: AtomicPtr::new(ptr::null_mut()),
            watched: Watched::new(),
        }
    }
}

/// Where a heap's memory comes from at its set-up.
pub(super) enum Memory {
    Static(StaticHeap<Spin>),
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    Mapped(&'static ThreadHeapMapping),
}

impl Memory {
    /// The memory, which is the heap's own for ever, and all zeros. Called once, under the heap's lock.
    fn bring(&self) -> Option<NewRegion> {
        match self {
            Self::Static(heap) => heap.seed(),
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            Self::Mapped(mapping) => mapping.map(),
        }
    }
}

/// The heap has no classes.
const PLAIN: *mut Shared = ptr::without_provenance_mut(1);

/// Bytes of the smallest heap with classes: in a smaller one, a span for each class would take too much.
const LEAST: usize = 4 * 1024 * 1024 - 4096;

impl<const N: usize> ThreadHeapMemory<N> {
    // So that an object has a name of 32 bits.
    const SMALL_ENOUGH: () = assert!(N as u64 <= 64 << 30, "a heap has at most 64 GiB");

    /// All zeros: a heap whose memory is all free.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let () = Self::SMALL_ENOUGH;
        Self {
            state: State::new(),
            memory: HeapMemory::new(),
        }
    }
}

impl<const N: usize> fmt::Debug for ThreadHeapMemory<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHeapMemory").finish_non_exhaustive()
    }
}

/// A heap in a static for programs with threads: each thread has a front of free objects, and most operations are a
/// few instructions without an atomic one.
///
/// Made by [`thread_heap!`](crate::thread_heap!), also as the global allocator. All memory is that of the static, or one
/// mapping that is made at the first use: nothing is mapped after that, and a request that finds no room returns null.
///
/// **Small and medium objects** (up to 32 KiB, and up to 4 KiB with an alignment of 32 to 4096) have 88 size classes, and
/// no headers up to 4 KiB. Rounding a size up to a class wastes an eighth at most, or 15 bytes; before that a size is
/// rounded up to an alignment above 16. **All others** come from the core, a [`Heap`].
///
/// **Cost.** O(1) each. A request that the thread's front serves takes no lock. The others take a batch of at most 32
/// objects: from a magazine that another thread left, with two compare-and-swaps, or under the lock. When memory runs
/// out, a request first takes back what lies in the magazines (at most 704 batches), what its own thread holds, and
/// last what other threads hold: O(threads), and a system call.
///
/// **How much threads hold.** A front takes 22 KiB of the heap. It holds at most 1/512 of the heap's bytes of each
/// class (4 KiB to 256 KiB, and 2 objects at least), so in all at most an eighth of a heap of 64 MiB, and two fifths of
/// the smallest one. It takes few objects before a thread has asked for many. When a thread ends, all it holds goes back;
/// [`flush`](Self::flush) gives it back before.
/// On Linux, what idle threads hold is taken back when memory runs out. A thread that is inside of the heap at that
/// moment keeps its own. This needs membarrier(2) (Linux 4.14, on x86, Arm and RISC-V); elsewhere a thread keeps what it
/// holds.
///
/// **Thread exit.** Destructors of other thread-locals may allocate and free after the front was given back; they use
/// the centre. This needs the guarantees that std gives for thread-locals in a global allocator since Rust 1.93.
///
/// **Fork.** The child of a fork may allocate and free, also when another thread was inside the heap, unless the fork
/// comes during the heap's first operation. What the other threads' fronts held comes back as above, but for that of a
/// thread that was inside; [`ThreadHeapStats::fronts`] counts them. Not for signal handlers.
///
/// In a heap of less than 4 MiB, all requests go to the core, under the lock: a span for each class would take too much
/// of it.
///
/// ```
/// framepool::thread_heap!(#[global_allocator] static HEAP: 16 << 20);
///
/// let workers = [1, 2].map(|n| std::thread::spawn(move || vec![n; 1000].len()));
/// assert_eq!(workers.map(|w| w.join().unwrap()), [1000, 1000]);
/// assert!(HEAP.stats().used > 0);
/// ```
pub struct ThreadHeap {
    core: &'static Heap<Spin>,
    memory: Memory,
    state: &'static State,
}

impl ThreadHeap {
    /// The heap of this memory.
    pub const fn new<const N: usize>(memory: &'static ThreadHeapMemory<N>) -> Self {
        let heap = StaticHeap::new(&memory.memory);
        Self {
            core: heap.heap,
            memory: Memory::Static(heap),
            state: &memory.state,
        }
    }

    /// The heap of memory that is mapped at its first use.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub const fn mapped(mapping: &'static ThreadHeapMapping) -> Self {
        Self {
            core: &mapping.heap,
            memory: Memory::Mapped(mapping),
            state: &mapping.state,
        }
    }

    /// What the kernel granted, or why it refused: then the heap has no memory. `None`: the memory is a static's. Maps, if
    /// nothing was allocated yet.
    #[cfg(all(feature = "mmap", target_os = "linux"))]
    pub fn mapping(&self) -> Option<Result<&'static RegionReport, &'static MapError>> {
        self.shared();
        match self.memory {
            Memory::Static(_) => None,
            // SAFETY: the line above has set the heap up.
            Memory::Mapped(mapping) => unsafe { mapping.granted() },
        }
    }

    /// The statistics. O(1), under the lock.
    pub fn stats(&self) -> ThreadHeapStats {
        match self.shared() {
            Some(shared) => shared.stats(),
            None => ThreadHeapStats::of(self.core().stats(), 0),
        }
    }

    /// Checks all spans, blocks and lists. O(objects), under the lock. It finds overwritten metadata; of objects that
    /// threads hold it knows only that they are not free.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<HeapCensus, HeapCheckError> {
        match self.shared() {
            Some(shared) => shared.check(),
            None => self.core().check(),
        }
    }

    /// Gives back what the calling thread holds, what lies in magazines, and the spans without an object in use.
    /// O(objects held). For a thread that will not allocate for a long time.
    pub fn flush(&self) {
        if let Some(shared) = self.shared() {
            self.flush_own();
            shared.reclaim();
        }
    }

    /// The first word of this heap's fronts: its address, which is even, as no other stamp is.
    #[inline(always)]
    pub(super) fn stamp(&self) -> Word {
        ptr::from_ref(self.state).addr() as Word
    }

    pub(in crate::heap) fn core(&self) -> &'static Heap<Spin> {
        self.core
    }

    /// What the threads share, set up by the first call, before any memory is handed out. `None` if the heap has no
    /// classes.
    pub(super) fn shared(&self) -> Option<&'static Shared> {
        // Acquire: pairs with the release below.
        match self.state.shared.load(Acquire) {
            PLAIN => None,
            null if null.is_null() => self.first_use(),
            // SAFETY: once set, it lives for ever.
            shared => unsafe { shared.as_ref() },
        }
    }

    #[cold]
    fn first_use(&self) -> Option<&'static Shared> {
        let (core, place) = (self.core(), &self.state.shared);
        self.state.watched.watch(core);
        core.with(|tlsf| {
            if place.load(Relaxed).is_null() {
                let region = self.memory.bring();
                if let Some(region) = region {
                    tlsf.seed(region);
                }
                let shared = match region {
                    Some(NewRegion { start, len, .. }) if len >= LEAST => {
                        // SAFETY: under the lock; the memory is the only region.
                        unsafe { Shared::set_up(core, tlsf, (start, len)) }
                    }
                    _ => None,
                };
                let shared = shared.map_or(PLAIN, |new| ptr::from_ref(new).cast_mut());
                // Release: the shared state was written before.
                place.store(shared, Release);
            }
        });
        self.shared()
    }
}

impl fmt::Debug for ThreadHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHeap")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The pointer, or null.
#[inline(always)]
fn or_null(at: Option<NonNull<u8>>) -> *mut u8 {
    at.map_or(ptr::null_mut(), NonNull::as_ptr)
}

// SAFETY: memory comes from the heap, which owns it, with the size and alignment of the layout; nothing here unwinds.
unsafe impl GlobalAlloc for ThreadHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_null(self.take(layout))
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        or_null(self.take_zeroed(layout))
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; memory of this allocator is not at null.
        unsafe { self.give(NonNull::new_unchecked(at), layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; `size`, rounded up to the alignment, does not overflow.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            or_null(self.resize(NonNull::new_unchecked(at), layout, new))
        }
    }
}

/// Bytes of the memory of a heap that takes `size` bytes with its state, for [`thread_heap!`](crate::thread_heap!).
#[doc(hidden)]
pub const fn static_thread_heap_bytes(size: usize) -> usize {
    // `HeapMemory::new` refuses 0, and says why.
    size.saturating_sub(size_of::<ThreadHeapMemory<0>>())
}

/// Declares a [`ThreadHeap`](crate::heap::ThreadHeap) in a static: its size in bytes, metadata included. All of it is
/// zeros in `.bss`. The first operation sets the heap up.
///
/// ```
/// #![forbid(unsafe_code)]
/// framepool::thread_heap!(#[global_allocator] static HEAP: 64 << 20);
///
/// let text = String::from("in the heap");
/// assert!(HEAP.stats().used >= text.len());
/// ```
///
/// With `mapped` and a [`MapBuilder`](crate::MapBuilder) (feature `mmap`, Linux) the memory is mapped at the first use, by
/// one thread while others wait: with huge pages where there are any, and prefaulted, so that no later request is a page
/// fault. [`ThreadHeap::mapping`](crate::heap::ThreadHeap::mapping) has the kernel's answer. If it refuses, the heap has no
/// memory. The memory of a static becomes resident page by page.
///
#[cfg_attr(
    all(feature = "mmap", target_os = "linux"),
    doc = "```
use framepool::MappedRegion;

framepool::thread_heap!(#[global_allocator] static HEAP: mapped MappedRegion::builder(64 << 20));

let report = HEAP.mapping().unwrap()?;
println!(\"{report}\"); // 67108864 bytes in 2 MiB pages, resident (verified)
assert!(report.mapped() >= 64 << 20);
# Ok::<(), &framepool::MapError>(())
```"
)]
///
/// Without `#[global_allocator]` it is a heap beside the program's own, by the trait `GlobalAlloc`:
///
/// ```
/// use core::alloc::{GlobalAlloc, Layout};
///
/// framepool::thread_heap!(
///     /// The orders of the day.
///     static ORDERS: 8 << 20
/// );
///
/// let layout = Layout::new::<[u64; 100]>();
/// // SAFETY: the layout is not empty; what was allocated is freed with the same layout.
/// unsafe {
///     let order = ORDERS.alloc(layout);
///     assert!(!order.is_null());
///     ORDERS.dealloc(order, layout);
/// }
/// ORDERS.flush();
/// assert!(ORDERS.check().is_ok());
/// ```
///
/// With `hardened` at the end (feature `hardened`) it is a [`Hardened`](crate::heap::Hardened) heap.
///
/// Documentation, `cfg`, `allow` and `global_allocator` apply to the heap, other attributes to its memory: `link_section`
/// names the section of that, which must be zeroed before the first use.
#[macro_export]
macro_rules! thread_heap {
    (# $($rest:tt)*) => {
        $crate::static_attributes!(thread_heap [] [] # $($rest)*);
    };
    ($vis:vis static $($rest:tt)*) => {
        $crate::thread_heap!(@static [] [] $vis static $($rest)*);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: mapped $builder:expr $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::ThreadHeap =
            $crate::thread_heap!(@mapped [$($memory)*] $builder);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: mapped $builder:expr, hardened $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::Hardened<$crate::heap::ThreadHeap> =
            $crate::heap::Hardened::new($crate::thread_heap!(@mapped [$($memory)*] $builder));
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: $size:expr $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::ThreadHeap =
            $crate::thread_heap!(@memory [$($memory)*] $size);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: $size:expr, hardened $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::Hardened<$crate::heap::ThreadHeap> =
            $crate::heap::Hardened::new($crate::thread_heap!(@memory [$($memory)*] $size));
    };
    (@mapped [$($memory:tt)*] $builder:expr) => {{
        $($memory)*
        static __FRAMEPOOL_MEMORY: $crate::heap::ThreadHeapMapping =
            $crate::heap::ThreadHeapMapping::new($builder);
        $crate::heap::ThreadHeap::mapped(&__FRAMEPOOL_MEMORY)
    }};
    (@memory [$($memory:tt)*] $size:expr) => {{
        $($memory)*
        static __FRAMEPOOL_MEMORY: $crate::heap::ThreadHeapMemory<
            { $crate::heap::static_thread_heap_bytes($size) },
        > = $crate::heap::ThreadHeapMemory::new();
        $crate::heap::ThreadHeap::new(&__FRAMEPOOL_MEMORY)
    }};
}
