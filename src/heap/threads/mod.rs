//! A heap with a front of free objects for each thread: for hosted programs that allocate from many threads.

// | file | what |
// |---|---|
// | this one | requests: the paths of a thread that has a front, and of one that has none |
// | `shared` | what all threads share; a thread's own part |
// | `statics`, `mapped` | the heap; its memory in a static, or as a mapping |
// | `fork`, `stats` | forks; statistics |
//
// A thread finds its front by `crate::thread_slot`, as `CachedAllocs` does.

mod fork;
#[cfg(all(feature = "mmap", target_os = "linux"))]
mod mapped;
mod shared;
mod statics;
mod stats;

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use crate::heap::classes::Class;
use crate::heap::zero;
use crate::thread_slot::{self, Loan};
#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use mapped::ThreadHeapMapping;
use shared::{Inside, Local};
pub use statics::{ThreadHeap, ThreadHeapMemory, static_thread_heap_bytes};
pub use stats::ThreadHeapStats;

fn class_of(layout: Layout) -> Option<Class> {
    Class::of(layout.size(), layout.align())
}

/// A front, out of its thread's slot until this is dropped, with its thread inside. Meanwhile the thread's requests use the
/// centre.
struct Lent {
    // Left before the front goes back to the slot.
    inside: Inside<'static>,
    _loan: Loan,
}

impl ThreadHeap {
    /// The thread's front, entered, if it is the one that the thread used last.
    #[inline(always)]
    fn inside(&self) -> Option<Inside<'static>> {
        let local: NonNull<Local> = thread_slot::front(self.stamp())?.cast();
        // SAFETY: the slot has fronts of this thread only, which are alive and which no slow path uses; the result is
        // dropped before anything else can run on this thread.
        unsafe { local.as_ref().enter() }
    }

    /// The thread's front, out of its slot; `make` one if it has none. `None` inside of a slow path, at the end of the
    /// thread, and without memory for a new one.
    fn lend(&self, make: impl FnOnce() -> Option<NonNull<Local>>) -> Option<Lent> {
        let mut loan = thread_slot::lend()?;
        let local = match loan.find(self.stamp()) {
            Some(head) => head.cast(),
            None => {
                let local: NonNull<Local> = make()?;
                // SAFETY: a new front, which starts with its head, and is alive until it is retired.
                if !unsafe { loan.add(local.cast()) } {
                    // SAFETY: just made, and used by nothing else.
                    unsafe { Local::retire(local.cast()) };
                    return None;
                }
                local
            }
        };
        // SAFETY: the loan has the thread's fronts, of which this is one; nothing else of this thread uses it. It is alive
        // longer than the loan.
        let inside = unsafe { local.as_ref().wait_and_enter() };
        Some(Lent {
            inside,
            _loan: loan,
        })
    }

    /// Gives back what the calling thread holds.
    fn flush_own(&self) {
        if let Some(mut lent) = self.lend(|| None) {
            lent.inside.flush();
        }
    }

    /// Memory for a layout, or `None`. O(1): usually a few instructions without an atomic one.
    // All that is not usual is called last, so that nothing is saved before.
    #[inline]
    pub(super) fn take(&self, layout: Layout) -> Option<NonNull<u8>> {
        let Some(class) = Class::of_most(layout.size(), layout.align()) else {
            return self.take_other(layout);
        };
        match self.pop(class) {
            Some(at) => Some(at),
            None => self.take_slowly(class, layout),
        }
    }

    /// An object of the thread's front.
    #[inline(always)]
    fn pop(&self, class: Class) -> Option<NonNull<u8>> {
        self.inside()?.pop(class)
    }

    #[inline(never)]
    fn take_other(&self, layout: Layout) -> Option<NonNull<u8>> {
        match class_of(layout) {
            Some(class) => self.pop(class).or_else(|| self.take_slowly(class, layout)),
            None => self.take_large(layout),
        }
    }

    /// Frees the memory at an address.
    ///
    /// # Safety
    /// It was allocated here, for this layout, and is not used any more.
    #[inline]
    pub(super) unsafe fn give(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe {
            match Class::of_most(layout.size(), layout.align()) {
                Some(class) => self.give_object(at, class, layout),
                None => self.give_other(at, layout),
            }
        }
    }

    /// # Safety
    /// As for [`give`](Self::give); the class is the layout's.
    #[inline(always)]
    unsafe fn give_object(&self, at: NonNull<u8>, class: Class, layout: Layout) {
        if let Some(mut inside) = self.inside() {
            // SAFETY: the caller gives the object up; it was allocated for a layout of this class.
            if unsafe { inside.push(class, at) } {
                return;
            }
        }
        // SAFETY: as above.
        unsafe { self.give_slowly(at, class, layout) }
    }

    /// # Safety
    /// As for [`give`](Self::give).
    #[inline(never)]
    unsafe fn give_other(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe {
            match class_of(layout) {
                Some(class) => self.give_object(at, class, layout),
                None => self.give_large(at, layout),
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self, class: Class, layout: Layout) -> Option<NonNull<u8>> {
        let Some(shared) = self.shared() else {
            return self.core().serve(layout);
        };
        if let Some(mut lent) = self.lend(|| shared.new_local(self.stamp())) {
            if let Some(at) = lent.inside.take(class) {
                return Some(at);
            }
            // What this thread has of other classes may be enough.
            lent.inside.flush();
        }
        let one = shared.take_one(class).or_else(|| {
            // What other threads have may be enough.
            shared.take_back();
            shared.take_one(class)
        });
        one.map(|id| shared.at(id)).or_else(|| self.refuse(layout))
    }

    /// # Safety
    /// As for [`give`](Self::give).
    #[cold]
    #[inline(never)]
    unsafe fn give_slowly(&self, at: NonNull<u8>, class: Class, layout: Layout) {
        let Some(shared) = self.shared() else {
            // SAFETY: the caller's promise. Without classes everything is the core's.
            return unsafe { self.core().dealloc(at, layout) };
        };
        let lent = self.lend(|| shared.new_local(self.stamp()));
        // SAFETY: the caller gives the object up; it was allocated for a layout of this class.
        unsafe {
            match lent {
                Some(mut lent) => lent.inside.give(class, at),
                None => shared.give(&[shared.id(at)]),
            }
        }
    }

    #[cold]
    fn take_large(&self, layout: Layout) -> Option<NonNull<u8>> {
        let Some(shared) = self.shared() else {
            return self.core().serve(layout);
        };
        self.take_from_core(layout)
            .or_else(|| {
                // What this thread has, and what lies in magazines, may be enough.
                self.flush_own();
                shared.reclaim();
                self.take_from_core(layout)
            })
            .or_else(|| {
                // What other threads have may be, too.
                shared.take_back();
                self.take_from_core(layout)
            })
            .or_else(|| self.refuse(layout))
    }

    /// Memory of the core, which does not count a refusal.
    fn take_from_core(&self, layout: Layout) -> Option<NonNull<u8>> {
        let block = self.core().with(|tlsf| tlsf.alloc(layout))?;
        Some(block.as_ptr())
    }

    /// # Safety
    /// As for [`give`](Self::give), for memory of the core.
    unsafe fn give_large(&self, at: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.core().dealloc(at, layout) };
    }

    /// Whether memory of a layout is an object of a span.
    #[cfg(feature = "hardened")]
    pub(super) fn is_object(&self, layout: Layout) -> bool {
        class_of(layout).is_some() && self.shared().is_some()
    }

    /// Counts a refusal.
    fn refuse(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.core().with(|tlsf| tlsf.counters.refused(layout));
        None
    }

    /// As [`take`](Self::take), zeroed. Memory of the core that was never handed out is not zeroed again.
    pub(super) fn take_zeroed(&self, layout: Layout) -> Option<NonNull<u8>> {
        let is_large = class_of(layout).is_none() && self.shared().is_some();
        let fresh = if is_large {
            self.core().with(|tlsf| {
                let fresh = tlsf.fresh.range();
                Some((tlsf.alloc(layout)?.as_ptr(), fresh))
            })
        } else {
            None
        };
        let (at, fresh) = match fresh {
            Some(fresh) => fresh,
            None => (self.take(layout)?, 0..0),
        };
        // SAFETY: the memory has that size, and is the caller's from here on.
        unsafe { zero(at, layout.size(), fresh) };
        Some(at)
    }

    /// Memory of a new layout with the content of the old: in place or moved. `None` changes nothing.
    ///
    /// # Safety
    /// As for [`give`](Self::give); `new` is not 0 bytes.
    pub(super) unsafe fn resize(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        new: Layout,
    ) -> Option<NonNull<u8>> {
        if self.shared().is_none() {
            // SAFETY: the caller's promise. Without classes everything is the core's.
            return unsafe { self.core().resize(at, layout, new) };
        }
        let classes = (class_of(layout), class_of(new));
        match classes {
            (Some(old), Some(new)) if old == new => return Some(at),
            (None, None) => {
                // SAFETY: the caller's promise; both are the core's.
                let near = unsafe { self.core().resize_or(at, layout, new, |_| None) };
                if near.is_some() {
                    return near;
                }
            }
            _ => {}
        }
        let Some(moved) = self.take(new) else {
            // SAFETY: the caller's promise.
            return unsafe { self.shrunk(at, layout, classes) };
        };
        // SAFETY: both are the caller's, are different, and hold the smaller of both sizes.
        unsafe {
            ptr::copy_nonoverlapping(at.as_ptr(), moved.as_ptr(), layout.size().min(new.size()));
            self.give(at, layout);
        }
        Some(moved)
    }

    /// The memory itself, if it may serve as an object of a smaller class. It goes back to where it came from.
    ///
    /// # Safety
    /// As for [`give`](Self::give); the first class is that of the layout.
    #[cold]
    unsafe fn shrunk(
        &self,
        at: NonNull<u8>,
        layout: Layout,
        (old, new): (Option<Class>, Option<Class>),
    ) -> Option<NonNull<u8>> {
        let (new, addr) = (new?, at.addr().get());
        let held = old.map_or(layout.size(), Class::bytes);
        if held < new.bytes() || addr % new.align() != 0 {
            return None;
        }
        if old.is_none() {
            self.core().with(|tlsf| {
                // SAFETY: the caller's promise: a block of the core, which can become smaller.
                unsafe { tlsf.resize(addr, layout.size(), new.bytes()) };
                // The core counts no objects as requested.
                tlsf.counters.resized(new.bytes(), 0);
            });
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    crate::thread_heap!(static HEAP: 4 << 20);

    #[test]
    fn the_core_counts_no_objects_as_requested() {
        crate::thread_heap!(static HEAP: 4 << 20);
        let layout = |size| Layout::from_size_align(size, 4096).unwrap();
        let requested = || HEAP.core().stats().requested;
        let large = HEAP.take(layout(100_000)).unwrap();
        let before = requested() - 100_000;
        let mut small = Vec::new();
        while let Some(at) = HEAP.take(layout(1000)) {
            small.push(at);
        }
        // SAFETY: allocated above; the sizes follow.
        unsafe {
            assert_eq!(
                HEAP.resize(large, layout(100_000), layout(1000)),
                Some(large)
            );
            small.push(large);
            small.into_iter().for_each(|at| HEAP.give(at, layout(1000)));
        }
        HEAP.flush();
        assert_eq!(requested(), before);
    }

    #[test]
    fn requests_from_inside_of_a_slow_path_use_the_centre_and_lose_nothing() {
        let used = HEAP.stats().used;
        std::thread::spawn(|| {
            let layout = Layout::new::<[u64; 8]>();
            // As a registration of the thread's destructor may do, before it has a front and after it.
            for fronts in [0, 1] {
                let loan = thread_slot::lend().unwrap();
                let both = [(); 2].map(|()| HEAP.take(layout).unwrap());
                assert_ne!(both[0], both[1]);
                for at in both {
                    // SAFETY: allocated above.
                    unsafe { HEAP.give(at, layout) };
                }
                assert_eq!(HEAP.stats().fronts, fronts);
                drop(loan);
                let at = HEAP.take(layout).unwrap();
                // SAFETY: as above.
                unsafe { HEAP.give(at, layout) };
            }
        })
        .join()
        .unwrap();
        HEAP.flush();
        let stats = HEAP.stats();
        assert_eq!(
            (stats.fronts, stats.used, stats.invalid_frees),
            (0, used, 0)
        );
        HEAP.check().unwrap();
    }
}
