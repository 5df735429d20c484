//! Errors that the checks must find, to show that they work.

use core::sync::atomic::{AtomicU32, Ordering};

/// Lies in `.data`, because it starts at 1.
static INITIALISED: AtomicU32 = AtomicU32::new(1);

crate::probes! {
    /// Panics if `at` is out of bounds.
    fn control_panics(bytes: &&[u8], at: usize) -> u8 {
        bytes[at]
    }

    /// Uses the static.
    fn control_data() -> u32 {
        let seen = INITIALISED.load(Ordering::Relaxed);
        INITIALISED.store(seen + 1, Ordering::Relaxed);
        seen
    }
}
