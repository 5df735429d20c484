//! Forks: the lock of each heap is held while the process is copied, so that the child finds every heap whole.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::*};

use crate::heap::{Heap, Spin};

/// A heap's place in the list of those that a fork locks. All zeros: not in it.
///
/// Invariant: once it is in the list, it stays, and does not change.
pub(super) struct Watched {
    heap: AtomicPtr<Heap<Spin>>,
    #[cfg_attr(not(unix), allow(dead_code, reason = "no forks"))]
    next: AtomicPtr<Watched>,
}

impl Watched {
    pub(super) const fn new() -> Self {
        Self {
            heap: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Has the heap locked during each later fork.
    #[inline]
    pub(super) fn watch(&'static self, heap: &'static Heap<Spin>) {
        if self.heap.load(Relaxed).is_null() {
            self.add(heap);
        }
    }

    #[cold]
    fn add(&'static self, heap: &'static Heap<Spin>) {
        let heap = ptr::from_ref(heap).cast_mut();
        let is_first = self
            .heap
            .compare_exchange(ptr::null_mut(), heap, Relaxed, Relaxed)
            .is_ok();
        #[cfg(unix)]
        if is_first {
            list::add(self);
        }
        let _ = is_first;
    }
}

#[cfg(unix)]
mod list {
    use core::ffi::c_int;

    use super::*;

    /// The heap that was added last; each names the one before it.
    static LAST: AtomicPtr<Watched> = AtomicPtr::new(ptr::null_mut());

    /// The first of the heaps whose locks a fork holds; the others follow.
    static HELD: AtomicPtr<Watched> = AtomicPtr::new(ptr::null_mut());

    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<unsafe extern "C" fn()>,
            parent: Option<unsafe extern "C" fn()>,
            child: Option<unsafe extern "C" fn()>,
        ) -> c_int;
    }

    pub(super) fn add(watched: &'static Watched) {
        let new = ptr::from_ref(watched).cast_mut();
        let mut last = LAST.load(Relaxed);
        loop {
            watched.next.store(last, Relaxed);
            // Release: pairs with the acquire in `hold_all`. What came before was released by its own addition, and
            // these changes of one word are one release sequence.
            match LAST.compare_exchange_weak(last, new, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => last = now,
            }
        }
        if last.is_null() {
            // SAFETY: the functions may run at any fork; they only take and release the locks. Without memory for the
            // registration a fork is as safe as without this.
            unsafe { pthread_atfork(Some(hold_all), Some(let_all_go), Some(let_all_go)) };
        }
    }

    /// Calls `f` with the heaps of a part of the list.
    fn each(first: *const Watched, f: impl Fn(&'static Heap<Spin>)) {
        // SAFETY: those in the list are statics; their heaps too, set before they were added.
        unsafe {
            let mut at = first.as_ref();
            while let Some(watched) = at {
                if let Some(heap) = watched.heap.load(Relaxed).as_ref() {
                    f(heap);
                }
                at = watched.next.load(Relaxed).as_ref();
            }
        }
    }

    unsafe extern "C" fn hold_all() {
        let first = LAST.load(Acquire);
        each(first, |heap| heap.lock.hold());
        // Not before: a fork at the same time waits for one of these locks, the last at the latest.
        HELD.store(first, Relaxed);
    }

    unsafe extern "C" fn let_all_go() {
        // SAFETY: `hold_all` took just these locks; heaps that were added meanwhile come before them.
        each(HELD.load(Relaxed), |heap| unsafe { heap.lock.let_go() });
    }
}
