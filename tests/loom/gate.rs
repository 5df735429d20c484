//! The gate of a thread's front: its thread, and another one that takes the objects back.

use framepool::{Gate, heavy_fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use crate::model;

struct Front {
    gate: Gate,
    /// What the two of them must not use at once, and must see in one order: loom checks it.
    objects: UnsafeCell<usize>,
}

// SAFETY: loom checks the accesses.
unsafe impl Sync for Front {}
// SAFETY: a number.
unsafe impl Send for Front {}

impl Front {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Gate::new(),
            objects: UnsafeCell::new(0),
        })
    }

    fn change(&self) {
        // SAFETY: loom checks that nothing else accesses it.
        self.objects.with_mut(|objects| unsafe { *objects += 1 });
    }

    /// As the front's thread. Returns whether it was let in.
    fn use_it(&self) -> bool {
        let entered = self.gate.enter();
        if entered {
            self.change();
            self.gate.leave();
        }
        entered
    }

    /// As another thread. Returns whether it was let in.
    fn take_back(&self) -> bool {
        self.gate.close();
        let is_empty = heavy_fence() && self.gate.is_empty();
        if is_empty {
            self.change();
        }
        self.gate.open();
        is_empty
    }
}

#[test]
fn a_front_is_used_by_its_thread_or_by_another_never_by_both() {
    model(3, || {
        let front = Front::new();
        let other = front.clone();
        let taker = thread::spawn(move || other.take_back() as usize);
        let used = front.use_it() as usize + front.use_it() as usize;
        let taken = taker.join().unwrap();
        // SAFETY: the threads have ended.
        let changes = front.objects.with(|objects| unsafe { *objects });
        assert_eq!(changes, used + taken);
    });
}

#[test]
fn the_gate_is_open_again_afterwards_in_both_directions() {
    model(3, || {
        let front = Front::new();
        let other = front.clone();
        let taker = thread::spawn(move || {
            other.take_back();
            other.take_back();
        });
        front.use_it();
        taker.join().unwrap();
        assert!(front.take_back() && front.use_it() && front.take_back() && front.use_it());
    });
}
