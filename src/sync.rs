//! The only module with atomics: those of `core` on targets with compare-and-swap (CAS), critical sections
//! on targets without, and those of [loom](https://docs.rs/loom) in its models.
//!
//! All shared memory of a pool's algorithms is an [`AtomicU32`], an [`AtomicWord`] or a [`Counter`] of this
//! module, or [`Exclusive`] to one thread at a time. Every step that reads, decides and writes takes a
//! [`Section`]. With this token one algorithm serves three environments:
//!
//! | target | a [`Section`] is | `compare_exchange` is |
//! |---|---|---|
//! | with CAS | empty, without cost | the instruction |
//! | without CAS (`thumbv6m`, `riscv32imc`) | a [`critical_section`] entered once per *operation* | load, compare, store |
//! | `--cfg loom` | empty | loom's, so that every interleaving is explored |
//!
//! `cfg(target_has_atomic)` selects the row, never a feature: a feature that another dependency enables
//! must not change what an interrupt handler may do.

#[cfg(not(any(target_pointer_width = "32", target_pointer_width = "64")))]
compile_error!("framepool needs a target with 32- or 64-bit pointers");

#[cfg(not(any(loom, target_has_atomic = "32", feature = "critical-section")))]
compile_error!(
    "this target has no compare-and-swap: enable framepool's feature `critical-section` and provide \
     an implementation of that crate (most chip support crates have one)"
);

pub(crate) use core::sync::atomic::Ordering;

/// Declares a function that is `const`, except under loom, which makes its atomics at run time:
///
/// ```text
/// loom_const! {
///     /// An empty cell.
///     pub(super) fn new() -> Self { … }
/// }
/// ```
macro_rules! loom_const {
    ($(#[$meta:meta])* $vis:vis $(const)? fn $name:ident($($args:tt)*) -> $ret:ty $body:block) => {
        $(#[$meta])*
        #[cfg(not(loom))]
        $vis const fn $name($($args)*) -> $ret $body

        $(#[$meta])*
        #[cfg(loom)]
        $vis fn $name($($args)*) -> $ret $body
    };
}
pub(crate) use loom_const;

/// The word that one compare-and-swap covers: as wide as a pointer.
#[cfg(target_pointer_width = "64")]
pub(crate) type Word = u64;
/// The word that one compare-and-swap covers: as wide as a pointer.
#[cfg(target_pointer_width = "32")]
pub(crate) type Word = u32;

/// A word as `u64`, for statistics.
#[allow(
    clippy::unnecessary_cast,
    reason = "a word is a u64 on some targets only"
)]
pub(crate) const fn wide(word: Word) -> u64 {
    word as u64
}

#[cfg(all(not(loom), target_pointer_width = "64"))]
type RawWord = core::sync::atomic::AtomicU64;
#[cfg(all(not(loom), target_pointer_width = "32"))]
type RawWord = core::sync::atomic::AtomicU32;
#[cfg(not(loom))]
type RawU32 = core::sync::atomic::AtomicU32;

#[cfg(all(loom, target_pointer_width = "64"))]
type RawWord = loom::sync::atomic::AtomicU64;
#[cfg(all(loom, target_pointer_width = "32"))]
type RawWord = loom::sync::atomic::AtomicU32;
#[cfg(loom)]
type RawU32 = loom::sync::atomic::AtomicU32;

#[cfg(all(not(loom), target_pointer_width = "64"))]
type RawCounter = core::sync::atomic::AtomicU64;
#[cfg(all(not(loom), target_pointer_width = "32"))]
type RawCounter = core::sync::atomic::AtomicU32;
#[cfg(loom)]
use counters::RawCounter;

/// Proof that the caller is inside an operation that may read, decide and write.
#[cfg(any(loom, target_has_atomic = "32"))]
#[derive(Clone, Copy)]
pub(crate) struct Section<'cs>(core::marker::PhantomData<&'cs ()>);

/// Proof that the caller is inside an operation that may read, decide and write: interrupts are off.
#[cfg(not(any(loom, target_has_atomic = "32")))]
#[derive(Clone, Copy)]
pub(crate) struct Section<'cs>(#[allow(dead_code)] critical_section::CriticalSection<'cs>);

/// Runs one operation. With compare-and-swap this is a plain call. Without it, interrupts are off until
/// `f` returns, so `f` must be short and must not call the user's code.
#[cfg(any(loom, target_has_atomic = "32"))]
#[inline(always)]
pub(crate) fn section<R>(f: impl FnOnce(Section<'_>) -> R) -> R {
    f(Section(core::marker::PhantomData))
}

/// Runs one operation. With compare-and-swap this is a plain call. Without it, interrupts are off until
/// `f` returns, so `f` must be short and must not call the user's code.
#[cfg(not(any(loom, target_has_atomic = "32")))]
#[inline]
pub(crate) fn section<R>(f: impl FnOnce(Section<'_>) -> R) -> R {
    critical_section::with(|cs| f(Section(cs)))
}

/// Prefetches the cache line at `at`, if the target has an instruction for that.
#[cfg(any(not(loom), feature = "wire"))]
#[inline(always)]
pub(crate) fn prefetch(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint that is valid for every address, and every x86_64 has the instruction.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}

/// Prefetches the cache line at `at` for a write, if the target has an instruction for that.
#[cfg(any(
    feature = "ring",
    all(feature = "heap", feature = "std", feature = "spin", not(loom))
))]
#[inline(always)]
pub(crate) fn prefetch_write(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom))))]
    // SAFETY: a hint that is valid for every address. Processors without PREFETCHW ignore its encoding, 0F
    // 0D of 3DNow!. Only Intel's first 64-bit processors, before 2006, may raise an exception.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, loom)))))]
    let _ = at;
}

macro_rules! atomic {
    ($(#[$doc:meta])* $name:ident, $raw:ident, $value:ty) => {
        $(#[$doc])*
        #[repr(transparent)]
        pub(crate) struct $name($raw);

        // Not every type uses every method.
        #[allow(dead_code)]
        impl $name {
            loom_const! {
                pub(crate) fn new(value: $value) -> Self {
                    Self($raw::new(value))
                }
            }

            #[inline(always)]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            #[inline(always)]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order)
            }

            /// Replaces `current` by `new`, or returns the actual value. May fail spuriously on targets
            /// with compare-and-swap, so callers loop.
            #[cfg(any(loom, target_has_atomic = "32"))]
            #[inline(always)]
            pub(crate) fn compare_exchange_weak(
                &self,
                _: Section<'_>,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange_weak(current, new, success, failure)
            }

            #[cfg(any(loom, target_has_atomic = "32"))]
            #[inline(always)]
            pub(crate) fn compare_exchange(
                &self,
                _: Section<'_>,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, success, failure)
            }

            #[cfg(any(loom, target_has_atomic = "32"))]
            #[inline(always)]
            pub(crate) fn fetch_add(&self, _: Section<'_>, by: $value, order: Ordering) -> $value {
                self.0.fetch_add(by, order)
            }

            #[cfg(any(loom, target_has_atomic = "32"))]
            #[inline(always)]
            pub(crate) fn swap(&self, _: Section<'_>, new: $value, order: Ordering) -> $value {
                self.0.swap(new, order)
            }

            #[cfg(any(loom, target_has_atomic = "32"))]
            #[inline(always)]
            pub(crate) fn fetch_max(&self, _: Section<'_>, to: $value, order: Ordering) -> $value {
                self.0.fetch_max(to, order)
            }
        }

        // Interrupts are off while a `Section` lives, and a target without compare-and-swap has one core.
        // So nothing happens between the load and the store.
        #[cfg(not(any(loom, target_has_atomic = "32")))]
        #[allow(dead_code)]
        impl $name {
            #[inline(always)]
            pub(crate) fn compare_exchange(
                &self,
                _: Section<'_>,
                current: $value,
                new: $value,
                _: Ordering,
                _: Ordering,
            ) -> Result<$value, $value> {
                let seen = self.0.load(Ordering::Relaxed);
                if seen != current {
                    return Err(seen);
                }
                self.0.store(new, Ordering::Relaxed);
                Ok(seen)
            }

            #[inline(always)]
            pub(crate) fn compare_exchange_weak(
                &self,
                section: Section<'_>,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(section, current, new, success, failure)
            }

            #[inline(always)]
            pub(crate) fn fetch_add(&self, _: Section<'_>, by: $value, _: Ordering) -> $value {
                let seen = self.0.load(Ordering::Relaxed);
                self.0.store(seen.wrapping_add(by), Ordering::Relaxed);
                seen
            }

            #[inline(always)]
            pub(crate) fn swap(&self, _: Section<'_>, new: $value, _: Ordering) -> $value {
                let seen = self.0.load(Ordering::Relaxed);
                self.0.store(new, Ordering::Relaxed);
                seen
            }

            #[inline(always)]
            pub(crate) fn fetch_max(&self, _: Section<'_>, to: $value, _: Ordering) -> $value {
                let seen = self.0.load(Ordering::Relaxed);
                self.0.store(seen.max(to), Ordering::Relaxed);
                seen
            }
        }
    };
}

atomic!(
    /// A shared `u32`: a link of the free stack, the header of a magazine.
    AtomicU32,
    RawU32,
    u32
);
atomic!(
    /// A shared [`Word`]: the heads of the depot's stacks, and its counters.
    AtomicWord,
    RawWord,
    Word
);
atomic!(
    /// A shared [`Word`] for statistics or hints. Whatever its value, no block is lost or handed out twice,
    /// and no task sleeps for ever. Loom explores the order of accesses to such words only if a model
    /// requests it (`explore_counters`), so that the other models stay small.
    Counter,
    RawCounter,
    Word
);

impl AtomicWord {
    /// Puts the caller into the order of the word's changes, without a change: its earlier writes come before
    /// all later changes, and what it reads afterwards is no older than the word.
    pub(crate) fn swap_for_the_same(&self) {
        section(|s| {
            let mut seen = self.load(Ordering::Relaxed);
            // Release: pairs with an acquire fence after a later change.
            while let Err(now) =
                self.compare_exchange_weak(s, seen, seen, Ordering::Release, Ordering::Relaxed)
            {
                seen = now;
            }
        });
    }
}

#[cfg(feature = "ring")]
impl AtomicU32 {
    /// The value, when no other thread has access. Loom checks that every access happens before this one.
    pub(crate) fn exclusive(&mut self) -> u32 {
        #[cfg(loom)]
        return self.0.with_mut(|value| *value);
        #[cfg(not(loom))]
        return *self.0.get_mut();
    }
}

/// An acquire fence for the value that an earlier swap read.
#[inline(always)]
pub(crate) fn acquire_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::Acquire);
    #[cfg(not(loom))]
    core::sync::atomic::fence(Ordering::Acquire);
}

/// A release fence for a later store, to a device's memory for instance.
#[cfg(feature = "packet")]
#[inline(always)]
pub(crate) fn release_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::Release);
    #[cfg(not(loom))]
    core::sync::atomic::fence(Ordering::Release);
}

/// Loom treats SeqCst accesses as AcqRel. Between two such accesses of a thread, this fence gives loom the
/// SeqCst order. Without loom it does nothing.
#[inline(always)]
pub(crate) fn seq_cst_under_loom() {
    #[cfg(loom)]
    if counters::EXPLORED.get() {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// If two threads each store a value, call this, and load the other's value, at least one of them sees the
/// other's store.
#[cfg(any(
    feature = "ring",
    loom,
    all(miri, feature = "std", feature = "heap", feature = "spin")
))]
#[inline(always)]
pub(crate) fn full_fence() {
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(not(loom))]
    core::sync::atomic::fence(Ordering::SeqCst);
}

/// Tells the processor that this loop waits, and loom that another thread must run.
#[cfg(feature = "ring")]
#[inline(always)]
pub(crate) fn spin_loop() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    core::hint::spin_loop();
}

/// A shared pointer, where the standard library is: such targets have compare-and-swap.
#[cfg(feature = "std")]
pub(crate) struct AtomicPtr<T>(RawPtr<T>);

#[cfg(all(feature = "std", not(loom)))]
type RawPtr<T> = core::sync::atomic::AtomicPtr<T>;
#[cfg(all(feature = "std", loom))]
type RawPtr<T> = loom::sync::atomic::AtomicPtr<T>;

#[cfg(feature = "std")]
impl<T> AtomicPtr<T> {
    loom_const! {
        pub(crate) fn new(value: *mut T) -> Self {
            Self(RawPtr::new(value))
        }
    }

    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.0.load(order)
    }

    /// Replaces `current` by `new`, or returns the actual value. May fail spuriously.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        self.0.compare_exchange_weak(current, new, success, failure)
    }
}

#[cfg(not(loom))]
use core::cell::UnsafeCell;
#[cfg(loom)]
use loom::cell::UnsafeCell;

/// Memory that the surrounding protocol gives to one thread at a time. Loom checks the protocol.
#[repr(transparent)]
pub(crate) struct Exclusive<T>(UnsafeCell<T>);

impl<T> Exclusive<T> {
    loom_const! {
        pub(crate) fn new(value: T) -> Self {
            Self(UnsafeCell::new(value))
        }
    }

    /// # Safety
    /// The caller has exclusive access while `f` runs.
    pub(crate) unsafe fn with<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(loom)]
        return self.0.with_mut(f);
        #[cfg(not(loom))]
        return f(self.0.get());
    }

    /// # Safety
    /// No thread has exclusive access while `f` runs.
    pub(crate) unsafe fn with_shared<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        #[cfg(loom)]
        return self.0.with(f);
        #[cfg(not(loom))]
        return f(self.0.get());
    }
}

/// Memory that the surrounding protocol gives to one writer or to several readers at a time. Loom checks the protocol
/// when a pointer is made.
#[cfg(feature = "packet")]
#[repr(transparent)]
pub(crate) struct Guarded<T>(UnsafeCell<T>);

#[cfg(feature = "packet")]
impl<T> Guarded<T> {
    loom_const! {
        pub(crate) fn new(value: T) -> Self {
            Self(UnsafeCell::new(value))
        }
    }

    /// A pointer for a reader.
    #[inline(always)]
    pub(crate) fn to_read(&self) -> *const T {
        #[cfg(loom)]
        return self.0.with(|value| value);
        #[cfg(not(loom))]
        return self.0.get();
    }

    /// A pointer for the only one with access.
    #[inline(always)]
    pub(crate) fn to_write(&self) -> *mut T {
        #[cfg(loom)]
        return self.0.with_mut(|value| value);
        #[cfg(not(loom))]
        return self.0.get();
    }
}

/// Counters under loom: plain words, or words that loom explores in models about counters.
#[cfg(loom)]
pub mod counters {
    use core::sync::atomic::Ordering;
    use std::cell::Cell;

    use super::{RawWord, Word};

    std::thread_local! {
        pub(super) static EXPLORED: Cell<bool> = const { Cell::new(false) };
    }

    /// Sets whether loom explores the counters of pools that this thread and its model create from now on.
    pub fn explore_counters(explored: bool) {
        EXPLORED.set(explored);
    }

    pub(super) enum RawCounter {
        #[cfg(target_pointer_width = "64")]
        Plain(core::sync::atomic::AtomicU64),
        #[cfg(target_pointer_width = "32")]
        Plain(core::sync::atomic::AtomicU32),
        Explored(RawWord),
    }

    macro_rules! both {
        ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
            pub(super) fn $name(&self, $($arg: $type),*) -> $result {
                match self {
                    Self::Plain(word) => word.$name($($arg),*),
                    Self::Explored(word) => word.$name($($arg),*),
                }
            }
        )*};
    }

    impl RawCounter {
        pub(super) fn new(value: Word) -> Self {
            if EXPLORED.get() {
                Self::Explored(RawWord::new(value))
            } else {
                Self::Plain(value.into())
            }
        }

        both! {
            load(order: Ordering) -> Word;
            store(value: Word, order: Ordering) -> ();
            fetch_add(by: Word, order: Ordering) -> Word;
            fetch_max(to: Word, order: Ordering) -> Word;
            swap(new: Word, order: Ordering) -> Word;
            compare_exchange(a: Word, b: Word, c: Ordering, d: Ordering) -> Result<Word, Word>;
            compare_exchange_weak(a: Word, b: Word, c: Ordering, d: Ordering) -> Result<Word, Word>;
        }
    }
}
