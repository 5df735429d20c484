//! Large values on the heap that never lie on the stack.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::boxed::Box;
use std::ptr::NonNull;

#[cfg(not(loom))]
use super::AtomicHistogram;
use super::{Channel, Count, Histogram, Tracker};

/// A box of zeros. New pages of the system are zeros already, so a large box costs little until it is written to.
///
/// # Safety
/// All zeros must be a valid value of `T`.
unsafe fn zeroed<T>() -> Box<T> {
    let layout = Layout::new::<T>();
    let new = match layout.size() {
        0 => NonNull::dangling().as_ptr(),
        // SAFETY: the size is not 0.
        _ => unsafe { alloc_zeroed(layout) }.cast::<T>(),
    };
    if new.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: the memory is from the global allocator with the layout that `Box` frees it with (or of size 0, and
    // aligned). Nothing else refers to it. By the contract zeros are a valid value.
    unsafe { Box::from_raw(new) }
}

macro_rules! boxed {
    ($(#[$example:meta])* impl[$($generics:tt)*] $ty:ty) => {
        impl<$($generics)*> $ty {
            /// As [`new`](Self::new), on the heap: the value never lies on the stack.
            ///
            /// The system may supply its pages at their first access, with a page fault for each. A `reset` right
            /// after `boxed` does not touch them: an optimizer drops writes of zeros to new memory. To touch them,
            /// pass the box through [`black_box`](core::hint::black_box) and then call `reset`.
            $(#[$example])*
            #[must_use]
            pub fn boxed() -> Box<Self> {
                const { assert!(Histogram::<P, N>::MAX > 0) };
                // SAFETY: its fields are integers (`Count` is sealed), atomic integers, and targets, for which zeros
                // are `None`. So zeros are a valid value: that of `new`.
                unsafe { zeroed() }
            }
        }
    };
}

boxed!(impl[const P: u32, const N: usize, C: Count] Histogram<P, N, C>);
// Loom's atomics are more than zeros.
#[cfg(not(loom))]
boxed!(
    ///
    /// ```
    /// use framepool::time::{AtomicHistogram, buckets};
    ///
    /// // Three digits, every u64: 440 KiB.
    /// let shared = AtomicHistogram::<10, { buckets(10, 64) }>::boxed();
    /// shared.recorder().unwrap().record(7);
    /// ```
    impl[const P: u32, const N: usize] AtomicHistogram<P, N>
);
boxed!(impl[const RECENT: usize, const P: u32, const N: usize, C: Count] Channel<RECENT, P, N, C>);
boxed!(
    ///
    /// ```
    /// use framepool::time::{Tracker, buckets};
    ///
    /// // Three digits for each of 64 queues: 16 MiB.
    /// let mut queues = Tracker::<64, 32, 10, { buckets(10, 40) }>::boxed();
    /// let _ = queues.record(63, 250)?;
    /// assert_eq!(queues.channel(63)?.stats().max, 250);
    /// # Ok::<(), framepool::time::NoChannel>(())
    /// ```
    impl[const CHANNELS: usize, const RECENT: usize, const P: u32, const N: usize, C: Count]
    Tracker<CHANNELS, RECENT, P, N, C>
);
