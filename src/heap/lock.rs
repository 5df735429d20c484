//! The lock of a heap, chosen by type.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

/// What keeps two calls of a [`Heap`](super::Heap) apart.
///
/// | lock | contexts that may share the heap | while it is held |
/// |---|---|---|
/// | [`Unlocked`] | one thread: such a heap is not `Sync`, so it cannot be a static | |
/// | [`CriticalSection`] (feature `critical-section`) | all of the chip, interrupt handlers included | interrupts are off |
/// | [`Spin`] (feature `spin`) | threads and cores; not interrupt handlers | others spin |
///
/// A heap holds its lock for the bounded time of one operation. While it does, it calls no code of the user, and it
/// neither copies nor zeroes the caller's bytes.
///
/// Code that has another lock, such as the mutex of an operating system, can implement the trait for it:
///
/// ```
/// use framepool::heap::{Heap, HeapLock};
///
/// struct Parking(std::sync::Mutex<()>);
///
/// // SAFETY: a mutex.
/// unsafe impl HeapLock for Parking {
///     const UNLOCKED: Self = Self(std::sync::Mutex::new(()));
///
///     fn with<R>(&self, f: impl FnOnce() -> R) -> R {
///         let _held = self.0.lock();
///         f()
///     }
/// }
///
/// static HEAP: Heap<Parking> = Heap::new();
/// # let _ = &HEAP;
/// ```
///
/// # Safety
/// `with` calls its argument once and returns its result. Calls of one lock never overlap: not from several
/// threads, not from an interrupt or signal handler, and not within each other. What one call wrote, the next
/// reads. This must hold for all contexts that the type can be shared with: a lock that is `Sync` can be used
/// from every thread.
pub unsafe trait HeapLock {
    /// A lock that nobody holds.
    #[allow(clippy::declare_interior_mutable_const)]
    const UNLOCKED: Self;

    /// Runs `f` while the lock is held.
    fn with<R>(&self, f: impl FnOnce() -> R) -> R;
}

/// No lock: for a heap that one thread uses.
///
/// ```
/// use core::alloc::Layout;
/// use core::mem::MaybeUninit;
/// use framepool::heap::{Heap, Unlocked};
///
/// let heap = Heap::<Unlocked>::new();
/// let memory = Box::leak(Box::new([MaybeUninit::uninit(); 8192]));
/// heap.add_memory(memory)?;
/// let at = heap.alloc(Layout::new::<u64>())?;
/// // SAFETY: allocated above, with this layout.
/// unsafe { heap.dealloc(at, Layout::new::<u64>()) };
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// Such a heap cannot be a static:
/// ```compile_fail,E0277
/// static HEAP: framepool::heap::Heap<framepool::heap::Unlocked> = framepool::heap::Heap::new();
/// ```
#[derive(Clone, Copy)]
pub struct Unlocked(PhantomData<Cell<()>>);

// SAFETY: the type is not `Sync`, so one thread at a time has references to it. A heap calls nothing that
// could call the heap again.
unsafe impl HeapLock for Unlocked {
    const UNLOCKED: Self = Self(PhantomData);

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

impl fmt::Debug for Unlocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlocked")
    }
}

/// The crate [`critical-section`](https://docs.rs/critical-section): on most chips, interrupts are off while an
/// operation of the heap runs, for the time of at most a few hundred instructions.
///
/// ```
/// # struct Host;
/// # critical_section::set_impl!(Host);
/// # // SAFETY: this program has one thread.
/// # unsafe impl critical_section::Impl for Host {
/// #     unsafe fn acquire() -> critical_section::RawRestoreState {}
/// #     unsafe fn release(_: critical_section::RawRestoreState) {}
/// # }
/// // The support crate of the chip implements `critical-section`.
/// framepool::heap!(static HEAP: 8 * 1024, lock = framepool::heap::CriticalSection);
///
/// let layout = core::alloc::Layout::new::<[u32; 16]>();
/// let at = HEAP.alloc(layout)?;
/// // SAFETY: allocated above, with this layout.
/// unsafe { HEAP.dealloc(at, layout) };
/// # Ok::<(), framepool::heap::NoRoom>(())
/// ```
#[cfg(feature = "critical-section")]
#[derive(Debug, Clone, Copy)]
pub struct CriticalSection(());

#[cfg(feature = "critical-section")]
// SAFETY: the promise of an implementation of `critical_section` is that of this trait, but for calls within
// each other; a heap calls nothing that could call the heap again.
unsafe impl HeapLock for CriticalSection {
    const UNLOCKED: Self = Self(());

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        critical_section::with(|_| f())
    }
}

/// A spin lock, from the crate [`spin`](https://docs.rs/spin).
///
/// For threads and cores that must not sleep in an allocation. An interrupt or signal handler that allocates while
/// the code that it interrupted holds the lock spins for ever: such a program needs [`CriticalSection`], or a heap
/// of the handler's own.
///
/// ```
/// use core::alloc::Layout;
/// use framepool::heap::Spin;
///
/// framepool::heap!(static HEAP: 64 * 1024, lock = Spin);
///
/// let layout = Layout::new::<[u8; 100]>();
/// let at = HEAP.alloc(layout)?;
/// // SAFETY: allocated above, with this layout. Any thread may free it.
/// unsafe { HEAP.dealloc(at, layout) };
/// # Ok::<(), framepool::heap::NoRoom>(())
/// ```
#[cfg(feature = "spin")]
pub struct Spin(spin::mutex::SpinMutex<()>);

#[cfg(feature = "spin")]
// SAFETY: a spin lock. A heap calls nothing that could call the heap again.
unsafe impl HeapLock for Spin {
    const UNLOCKED: Self = Self(spin::mutex::SpinMutex::new(()));

    #[inline]
    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let _held = self.0.lock();
        f()
    }
}

#[cfg(all(feature = "spin", feature = "std", unix))]
impl Spin {
    /// Takes the lock, without an end.
    pub(super) fn hold(&self) {
        core::mem::forget(self.0.lock());
    }

    /// # Safety
    /// [`hold`](Self::hold) took the lock, in this process or in the one that it was forked from.
    pub(super) unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.force_unlock() }
    }
}

#[cfg(feature = "spin")]
impl fmt::Debug for Spin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spin")
    }
}
