//! talc.
#![no_std]
#![no_main]

use core::cell::Cell;

use critical_section::RestoreState;
use sizes::{LEN, Memory};
use talc::TalcLock;
use talc::lock_api::{GuardNoSend, RawMutex};
use talc::source::Manual;

static MEMORY: Memory = Memory::new();

#[global_allocator]
static HEAP: TalcLock<Masked, Manual> = TalcLock::new(Manual);

struct Masked(Cell<RestoreState>);

// SAFETY: accessed in critical sections only.
unsafe impl Sync for Masked {}

// SAFETY: a critical section, which nothing within one enters again.
unsafe impl RawMutex for Masked {
    const INIT: Self = Self(Cell::new(RestoreState::invalid()));
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        // SAFETY: `unlock` releases it.
        self.0.set(unsafe { critical_section::acquire() });
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.lock();
        true
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the lock is held, so the state is that of its acquisition.
        unsafe { critical_section::release(self.0.get()) };
    }
}

sizes::program!({
    // SAFETY: the heap has the memory to itself.
    let _ = unsafe { HEAP.lock().claim(MEMORY.start(), LEN) };
});
