//! The callback for a pool that has few blocks left.

use core::mem;
use core::ptr;
use core::sync::atomic::AtomicPtr;

use crate::pool::Pool;
use crate::sync::{self, AtomicWord, Ordering::*, Word, loom_const};

/// The mark and the callback of a pool.
pub(super) struct LowWater {
    /// The callback runs when the depot has fewer blocks than this; 0: never.
    below: AtomicWord,
    /// A `fn(&Pool<'_>)`, or null.
    call: AtomicPtr<()>,
}

impl LowWater {
    loom_const! {
        pub(super) fn new() -> Self {
            Self {
                below: AtomicWord::new(0),
                call: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// The mark that [`on_low_water`](Pool::on_low_water) set.
    pub(super) fn mark(&self) -> Word {
        self.below.load(Relaxed)
    }

    /// The callback; before one is set, a function that does nothing.
    fn call(&self) -> fn(&Pool<'_>) {
        let call = self.call.load(Relaxed);
        if call.is_null() {
            return |_| ();
        }
        // SAFETY: if not null, it was stored by `on_low_water`, from a function of this type.
        unsafe { mem::transmute::<*mut (), fn(&Pool<'_>)>(call) }
    }
}

impl Pool<'_> {
    /// Calls `call` once, when the next allocation leaves fewer than `below` blocks in the depot. Blocks in
    /// workers' caches do not count.
    ///
    /// The callback runs on the stack of the allocation: in an interrupt, if that allocates. Fires once; re-arm it
    /// by calling `on_low_water` again, from the callback too. `below == 0` disarms it.
    ///
    /// If `call` panics, the allocation unwinds, and its block is freed. If `call` re-arms the callback and then
    /// allocates, it may be called recursively.
    ///
    /// Intended for one caller at a time: if two set it at once, a callback may run at the mark of the other.
    /// An allocation pays nothing extra: the peak needs the same comparison.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    ///
    /// framepool::pool!(static FRAMES: [64; 8], caches = false);
    /// static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
    ///
    /// FRAMES.on_low_water(4, |pool| LEFT.store(pool.available(), Relaxed));
    /// let held: Vec<_> = (0..8).map(|_| FRAMES.alloc()).collect();
    /// assert_eq!(LEFT.load(Relaxed), 3);
    /// # drop(held);
    /// ```
    pub fn on_low_water(&self, below: usize, call: fn(&Pool<'_>)) {
        let low_water = &self.header().pressure.low_water;
        low_water.below.store(0, Relaxed);
        low_water.call.store(call as *mut (), Relaxed);
        // A pool never has more blocks than its capacity: all larger marks mean the same.
        let below = below.min(self.capacity() + 1);
        // Release: pairs with the acquire in `note_low`. `note_peak` sees it by the swap below.
        low_water.below.store(below as Word, Release);
        // Makes the next allocation look. It runs the callback; this must not, as the callback may call it.
        sync::section(|s| self.depot.note_peak(s));
    }

    /// Runs the callback if the mark is passed. Called outside of sections, because it runs the user's code.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_low(&self) {
        let low_water = &self.header().pressure.low_water;
        let below = low_water.below.load(Acquire);
        if below == 0 || self.available() as Word >= below {
            return;
        }
        let mine = sync::section(|s| {
            low_water
                .below
                .compare_exchange(s, below, 0, Acquire, Relaxed)
        });
        if mine.is_ok() {
            low_water.call()(self);
        }
    }
}
