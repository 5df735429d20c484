//! Heaps in statics: they lie in `.bss` and need no set-up call.

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::heap::Heap;
use crate::heap::error::NoRoom;
use crate::heap::lock::HeapLock;
use crate::heap::regions::{LEAST_FIRST, NewRegion};

/// The memory of a heap in a static, and its state. All zeros, and so in `.bss`.
///
/// [`heap!`](crate::heap!) declares it for you. It is public for programs that place it themselves.
///
/// ```
/// use framepool::heap::{HeapMemory, Spin, StaticHeap};
///
/// #[unsafe(link_section = ".bss.external_ram")]
/// static MEMORY: HeapMemory<{ 32 * 1024 }, Spin> = HeapMemory::new();
/// static HEAP: StaticHeap<Spin> = StaticHeap::new(&MEMORY);
///
/// assert!(HEAP.stats().largest > 31_000);
/// ```
#[repr(C)]
pub struct HeapMemory<const N: usize, L: HeapLock> {
    heap: Heap<L>,
    bytes: UnsafeCell<Bytes<N>>,
}

#[repr(C, align(16))]
struct Bytes<const N: usize>([MaybeUninit<u8>; N]);

// SAFETY: the bytes belong to the heap, which is `Sync`.
unsafe impl<const N: usize, L: HeapLock + Sync> Sync for HeapMemory<N, L> {}

impl<const N: usize, L: HeapLock> HeapMemory<N, L> {
    const LARGE_ENOUGH: () = assert!(
        N >= LEAST_FIRST,
        "the memory of a heap is too small for its metadata"
    );

    /// All zeros: a heap whose memory is all free.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let () = Self::LARGE_ENOUGH;
        Self {
            heap: Heap::new(),
            bytes: UnsafeCell::new(Bytes([MaybeUninit::zeroed(); N])),
        }
    }
}

impl<const N: usize, L: HeapLock> fmt::Debug for HeapMemory<N, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapMemory")
            .field("heap", &self.heap)
            .finish_non_exhaustive()
    }
}

/// A heap in a static: a [`Heap`], and the memory that is added to it before its first use.
///
/// Made by [`heap!`](crate::heap!). Dereferences to the [`Heap`], so that its methods can be called.
pub struct StaticHeap<L: HeapLock + 'static> {
    pub(super) heap: &'static Heap<L>,
    bytes: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes belong to the heap, which is `Sync`.
unsafe impl<L: HeapLock + Sync> Sync for StaticHeap<L> {}
// SAFETY: as above.
unsafe impl<L: HeapLock + Sync> Send for StaticHeap<L> {}

impl<L: HeapLock> StaticHeap<L> {
    /// The heap of this memory.
    pub const fn new<const N: usize>(memory: &'static HeapMemory<N, L>) -> Self {
        Self {
            heap: &memory.heap,
            // SAFETY: a reference is not null, and the cell allows writes.
            bytes: unsafe { NonNull::new_unchecked(memory.bytes.get().cast()) },
            len: N,
        }
    }

    /// The memory to add to a heap that was never used.
    #[inline(always)]
    pub(super) fn seed(&self) -> Option<NewRegion> {
        Some(NewRegion {
            start: self.bytes,
            len: self.len,
            zeroed: true,
            merge: false,
        })
    }

    /// As [`Heap::alloc`], in which the first call sets the heap up.
    ///
    /// # Errors
    /// As for [`Heap::alloc`].
    #[inline]
    pub fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve(layout).ok_or_else(|| self.heap.no_room(layout))
    }

    /// As [`Heap::alloc_zeroed`], in which the first call sets the heap up.
    ///
    /// # Errors
    /// As for [`Heap::alloc_zeroed`].
    pub fn alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, NoRoom> {
        self.serve_zeroed(layout)
            .ok_or_else(|| self.heap.no_room(layout))
    }

    #[inline]
    pub(super) fn serve(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.serve_seeded(layout, || self.seed())
    }

    #[inline]
    pub(super) fn serve_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.heap.serve_zeroed_seeded(layout, || self.seed())
    }

    /// As [`Heap::dealloc`], without a look whether the heap is set up.
    ///
    /// # Safety
    /// As for [`Heap::dealloc`].
    #[inline]
    pub unsafe fn dealloc(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.heap.dealloc(at, layout) }
    }
}

/// Sets the heap up, if it was not used yet. Takes the lock for that.
impl<L: HeapLock> Deref for StaticHeap<L> {
    type Target = Heap<L>;

    fn deref(&self) -> &Heap<L> {
        self.heap.with(|tlsf| {
            if let Some(seed) = self.seed() {
                tlsf.seed(seed);
            }
        });
        self.heap
    }
}

describe!(impl[L: HeapLock] StaticHeap<L> as StaticHeap { stats });

/// Bytes of the memory of a heap that takes `size` bytes with its state, for [`heap!`](crate::heap!).
#[doc(hidden)]
pub const fn static_heap_bytes<L: HeapLock>(size: usize) -> usize {
    // `HeapMemory::new` refuses 0, and says why.
    size.saturating_sub(size_of::<HeapMemory<0, L>>())
}

/// Declares a heap in a static: its size in bytes, metadata included, and its [lock](crate::heap::HeapLock).
/// All of it is zeros in `.bss`, but for a read-only descriptor of three words. No set-up call is needed: the first
/// operation sets the heap up, under its lock.
///
/// ```
/// use framepool::heap::Spin;
///
/// framepool::heap!(pub static HEAP: 64 * 1024, lock = Spin);
///
/// assert_eq!(HEAP.stats().in_use(), 0);
/// assert!(HEAP.stats().largest > 64_000);
/// ```
///
/// With `#[global_allocator]` it is the global allocator:
///
/// ```
/// framepool::heap!(#[global_allocator] static HEAP: 1024 * 1024, lock = framepool::heap::Spin);
///
/// let text = String::from("in the heap");
/// assert!(HEAP.contains(text.as_ptr()));
/// ```
///
/// Documentation, `cfg`, `allow` and `global_allocator` apply to the heap. Other attributes apply to the memory, so
/// `link_section` names its section. That section must be zeroed before the heap is first used, as start-up code zeroes
/// `.bss`.
///
/// ```
/// framepool::heap! {
///     /// The frames of the display.
///     #[unsafe(link_section = ".bss.external_ram")]
///     pub static FRAMES: 64 * 1024, lock = framepool::heap::Spin
/// }
/// assert!(FRAMES.stats().largest > 64_000);
/// ```
///
/// With `hardened` at the end (feature `hardened`) it is a [`Hardened`](crate::heap::Hardened) heap. Its state, 1.7 KiB or
/// half of that on 32-bit targets, is extra, in `.data`.
///
/// A size that has no room for the metadata is a compile error:
/// ```compile_fail,E0080
/// framepool::heap!(static SMALL: 100, lock = framepool::heap::Spin);
/// SMALL.stats();
/// ```
#[macro_export]
macro_rules! heap {
    (# $($rest:tt)*) => {
        $crate::static_attributes!(heap [] [] # $($rest)*);
    };
    ($vis:vis static $($rest:tt)*) => {
        $crate::heap!(@static [] [] $vis static $($rest)*);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: $size:expr, lock = $lock:ty $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::StaticHeap<$lock> =
            $crate::heap!(@memory [$($memory)*] $size, $lock);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: $size:expr, lock = $lock:ty, hardened $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::heap::Hardened<$crate::heap::StaticHeap<$lock>> =
            $crate::heap::Hardened::new($crate::heap!(@memory [$($memory)*] $size, $lock));
    };
    (@memory [$($memory:tt)*] $size:expr, $lock:ty) => {{
        $($memory)*
        static __FRAMEPOOL_MEMORY: $crate::heap::HeapMemory<
            { $crate::heap::static_heap_bytes::<$lock>($size) }, $lock,
        > = $crate::heap::HeapMemory::new();
        $crate::heap::StaticHeap::new(&__FRAMEPOOL_MEMORY)
    }};
}
