//! A value that is installed once, while other threads already look for it.

use core::fmt;
use core::mem::MaybeUninit;

use crate::sync::{self, AtomicU32, Exclusive, Ordering::*, loom_const};

/// A value, or a place for one.
///
/// Invariant: `state` goes from [`EMPTY`] through [`WRITING`] to [`READY`]. The thread that made it [`WRITING`] is
/// alone with `value` until it makes it [`READY`]; from then on `value` is initialised and never changes.
pub(crate) struct Installed<T> {
    state: AtomicU32,
    value: Exclusive<MaybeUninit<T>>,
}

const EMPTY: u32 = 0;
const WRITING: u32 = 1;
const READY: u32 = 2;

// SAFETY: by the invariant, one thread writes the value, and others read it afterwards only.
unsafe impl<T: Send + Sync> Sync for Installed<T> {}

impl<T: Copy> Installed<T> {
    loom_const! {
        /// An empty place.
        pub(crate) fn empty() -> Self {
            Self {
                state: AtomicU32::new(EMPTY),
                value: Exclusive::new(MaybeUninit::uninit()),
            }
        }
    }

    loom_const! {
        /// A place that has its value from the start.
        pub(crate) fn with(value: T) -> Self {
            Self {
                state: AtomicU32::new(READY),
                value: Exclusive::new(MaybeUninit::new(value)),
            }
        }
    }

    /// The value, once it is installed. One load.
    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire: pairs with the release in `install`, so that the value, and what its maker wrote before, is seen.
        if self.state.load(Acquire) != READY {
            return None;
        }
        // SAFETY: by the invariant, initialised and never written again.
        Some(unsafe { self.value.with_shared(|value| &*value.cast::<T>()) })
    }

    /// Installs what `make` makes of a value, or returns the value. Of several callers, one succeeds.
    pub(crate) fn install<V>(&self, value: V, make: impl FnOnce(V) -> T) -> Result<&T, V> {
        // Relaxed: nothing was written yet. It only decides which thread writes.
        let claimed =
            sync::section(|s| (self.state).compare_exchange(s, EMPTY, WRITING, Relaxed, Relaxed));
        if claimed.is_err() {
            return Err(value);
        }
        // It may unwind: then the place stays empty for ever.
        let value = make(value);
        // SAFETY: by the invariant, this thread is alone with the value.
        unsafe {
            self.value
                .with(|place| place.write(MaybeUninit::new(value)))
        };
        // Release: pairs with the acquire in `get`.
        self.state.store(READY, Release);
        // SAFETY: just written, and by the invariant never written again.
        Ok(unsafe { self.value.with_shared(|value| &*value.cast::<T>()) })
    }
}

/// Pools were not installed in an allocator. Returns them.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum InstallError<T> {
    /// The allocator has its pools already, or another thread is installing some at this moment.
    AlreadyInstalled(T),
    /// Blocks of a pool are raw, or were withdrawn for a reservation that was forgotten: the fallback may have memory in
    /// them.
    RawBlocks(T),
}

impl<T> InstallError<T> {
    /// Returns the pool, or the pools, that were not installed.
    pub fn into_inner(self) -> T {
        match self {
            Self::AlreadyInstalled(pools) | Self::RawBlocks(pools) => pools,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyInstalled(_) => "the allocator has its pools already",
            Self::RawBlocks(_) => "blocks of a pool are raw",
        }
    }
}

describe!(impl[T] InstallError<T> as InstallError { reason = |it| it.reason() });

impl<T> fmt::Display for InstallError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl<T> core::error::Error for InstallError<T> {}
