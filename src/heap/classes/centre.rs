//! Under the lock: where the threads' fronts get their objects when no magazine has any, and where they go.

use core::mem::MaybeUninit;

use super::class::{CLASSES, Class, LARGEST_IN_SPANS, Origin};
use super::depots::{BATCH, Depots};
use super::spans::{Runs, Spans, to_front};
use crate::heap::error::HeapCheckError;
use crate::pool::depot::ids::assume_init;

/// Classes above its own that a request looks at when the core has no room for another span.
const WIDER: usize = 8;

/// The central heap of objects by class. Its functions need exclusive access: the heap's lock.
pub(in crate::heap) struct Centre {
    spans: Spans,
    origin: Origin,
    /// Frees that named no object in use.
    invalid: usize,
}

impl Centre {
    /// `spans` has this origin.
    pub(in crate::heap) fn new(spans: Spans, origin: Origin) -> Self {
        Self {
            spans,
            origin,
            invalid: 0,
        }
    }

    /// Takes up to `out.len()` objects that hold a class: from spans, or those of a class above [`LARGEST_IN_SPANS`] one by
    /// one from the core. If there is no room for a new span, takes one object of a larger class or of the core. Returns
    /// the number of indices written, as [`Spans::take`] does; 0 means that nothing fits. O(objects), plus O([`CLASSES`])
    /// when memory runs out.
    pub(in crate::heap) fn take(
        &mut self,
        class: Class,
        out: &mut [MaybeUninit<u32>],
        runs: &mut impl Runs,
    ) -> usize {
        if class.bytes() > LARGEST_IN_SPANS {
            return self.take_from_core(class, out, runs);
        }
        let n = self.spans.take(class, out, runs);
        if n > 0 {
            n
        } else {
            self.take_the_last(class, out, runs)
        }
    }

    #[cold]
    #[inline(never)]
    fn take_the_last(
        &mut self,
        class: Class,
        out: &mut [MaybeUninit<u32>],
        runs: &mut impl Runs,
    ) -> usize {
        if self.spans.release_empty(runs) > 0 {
            let n = self.spans.take(class, out, runs);
            if n > 0 {
                return n;
            }
        }
        let one = out.get_mut(..1).unwrap_or_default();
        for wider in class.index() + 1..=class.index() + WIDER {
            let Some(wider) = Class::from_index(wider) else {
                break;
            };
            if wider.align() >= class.align() && self.spans.take_free(wider, one) > 0 {
                return 1;
            }
        }
        self.take_from_core(class, one, runs)
    }

    fn take_from_core(
        &mut self,
        class: Class,
        out: &mut [MaybeUninit<u32>],
        runs: &mut impl Runs,
    ) -> usize {
        let mut n = 0;
        for out in out.iter_mut().rev() {
            let Some(at) = runs.take(class.bytes(), class.align()) else {
                break;
            };
            out.write(self.origin.id(at.addr().get()));
            n += 1;
        }
        to_front(out, n)
    }

    /// Frees objects. Those that name no object in use are left out, and counted. O(objects).
    ///
    /// # Safety
    /// The caller owns the objects, and gives them up.
    pub(in crate::heap) unsafe fn give(&mut self, ids: &[u32], runs: &mut impl Runs) {
        let mut left = ids;
        while let Some((&id, rest)) = left.split_first() {
            left = match self.spans.unit_of(id) {
                Some(unit) => {
                    // SAFETY: the caller's promise.
                    let given = unsafe { self.spans.give(unit, left, runs) };
                    self.invalid += given.invalid;
                    left.get(given.of..).unwrap_or_default()
                }
                None => {
                    // SAFETY: no span has it, so it came from `take_from_core`.
                    unsafe { runs.give(self.origin.at(id)) };
                    rest
                }
            };
        }
    }

    /// Bytes of the free objects of all spans.
    pub(in crate::heap) fn free_bytes(&self) -> usize {
        self.spans.free_bytes()
    }

    /// Number of frees that named no object in use: freed twice, or never allocated.
    pub(in crate::heap) fn invalid_frees(&self) -> usize {
        self.invalid
    }

    /// Checks all spans: see [`Spans::check`].
    pub(in crate::heap) fn check(&self) -> Result<usize, HeapCheckError> {
        self.spans.check()
    }

    /// Frees all objects in magazines, and the empty spans. For a request that nothing else can serve. O(all
    /// magazines).
    #[cold]
    pub(in crate::heap) fn reclaim(&mut self, depots: &Depots, runs: &mut impl Runs) {
        for class in (0..CLASSES).filter_map(Class::from_index) {
            loop {
                let mut ids = [MaybeUninit::uninit(); BATCH];
                let n = depots.take(class, &mut ids);
                if n == 0 {
                    break;
                }
                // SAFETY: `take` wrote `n` indices, whose objects it passed on.
                unsafe { self.give(assume_init(ids.get(..n).unwrap_or_default()), runs) };
            }
        }
        self.spans.release_empty(runs);
    }
}
