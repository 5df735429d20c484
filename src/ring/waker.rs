//! A cell for one waker, which one end registers and the other end calls.

use core::mem::MaybeUninit;
use core::task::Waker;

use crate::sync::{AtomicU32, Exclusive, Ordering, full_fence, loom_const, section};

/// There is no waker in the cell, and no thread uses the cell. All zeros.
const EMPTY: u32 = 0;
/// There is a waker in the cell, and no thread uses the cell.
const READY: u32 = 1;
/// The thread that stored this has the cell.
const BUSY: u32 = 2;

/// Room for one waker.
///
/// ```text
///            register                      take (the other end)
///   EMPTY ───────────────► BUSY            READY ─────► BUSY ─────► EMPTY, then calls the waker
///   READY ───────────────► BUSY            EMPTY, BUSY: nothing to do
///   BUSY ──► READY, fence, look again
/// ```
///
/// # Invariant
/// The waker is initialised exactly when the state is `READY`. While the state is `BUSY`, only the thread that
/// stored `BUSY` reads or writes the waker.
pub(super) struct WakeCell {
    state: AtomicU32,
    waker: Exclusive<MaybeUninit<Waker>>,
}

impl WakeCell {
    loom_const! {
        pub(super) fn new() -> Self {
            Self {
                state: AtomicU32::new(EMPTY),
                waker: Exclusive::new(MaybeUninit::uninit()),
            }
        }
    }

    fn seize(&self, from: u32) -> bool {
        // Acquire: pairs with the release of the thread that had the cell, so that its accesses come before ours.
        section(|cs| {
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            self.state
                .compare_exchange(cs, from, BUSY, success, failure)
        })
        .is_ok()
    }

    /// Stores a waker, in place of an earlier one. The caller (there is one) must then look once more at what it
    /// waits for. Returns `false` if the other end was emptying the cell: then there is something to see, and the
    /// caller should call its own waker.
    pub(super) fn register(&self, waker: &Waker) -> bool {
        let new = waker.clone();
        let old = if self.seize(READY) {
            // SAFETY: the state was READY, so there is a waker, and the cell is ours.
            Some(unsafe { self.waker.with(|cell| (*cell).assume_init_read()) })
        } else if self.seize(EMPTY) {
            None
        } else {
            return false;
        };
        // SAFETY: the cell is ours and holds no waker.
        unsafe { self.waker.with(|cell| (*cell).write(new)) };
        // Release: pairs with the acquire of `seize`.
        self.state.store(READY, Ordering::Release);
        // Pairs with the fence in `Control::sleeper`.
        full_fence();
        drop(old);
        true
    }

    /// Takes the waker out.
    pub(super) fn take(&self) -> Option<Waker> {
        // Relaxed: if this does not see READY, the second look after `register` sees what was stored before.
        if self.state.load(Ordering::Relaxed) != READY || !self.seize(READY) {
            return None;
        }
        // SAFETY: the state was READY, so there is a waker, and the cell is ours.
        let waker = unsafe { self.waker.with(|cell| (*cell).assume_init_read()) };
        // Release: pairs with the acquire of `seize`.
        self.state.store(EMPTY, Ordering::Release);
        Some(waker)
    }
}

impl Drop for WakeCell {
    fn drop(&mut self) {
        // The ends' accesses come before: `Control::depart` orders them, and loom checks that here.
        if self.state.exclusive() == READY {
            // SAFETY: the state is READY, so there is a waker, and the cell is ours.
            drop(unsafe { self.waker.with(|cell| (*cell).assume_init_read()) });
        }
    }
}
