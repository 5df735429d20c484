//! The waits of a contender on two cores for the other end.
//!
//! The time between two looks matters as much as the ring: each look takes a cache line from the other end. So
//! each contender is measured with several waits:
//!
//! | wait | between looks |
//! |---|---|
//! | `never` | nothing (in `ring/pingpong` only) |
//! | `once` | one pause |
//! | `double` | 8 pauses, 16, 32, 64, 64 …: framepool's `Spin` |
//! | `long` | 64 pauses: framepool's `Patient` |

use std::hint::spin_loop;

use framepool::ring::{Patient, Spin, Wait};

/// A wait with a name.
pub trait Named: Wait + 'static {
    const NAME: &'static str;
    /// The pauses before the second look, and their maximum between two looks.
    #[cfg(feature = "dpdk")]
    const PAUSES: [u32; 2];
}

/// No pause.
#[derive(Default)]
pub struct Never;

impl Wait for Never {
    #[inline]
    fn wait(&mut self) {}
}

impl Named for Never {
    const NAME: &'static str = "never";
    #[cfg(feature = "dpdk")]
    const PAUSES: [u32; 2] = [0, 0];
}

/// One pause.
#[derive(Default)]
pub struct Once;

impl Wait for Once {
    #[inline]
    fn wait(&mut self) {
        spin_loop();
    }
}

impl Named for Once {
    const NAME: &'static str = "once";
    #[cfg(feature = "dpdk")]
    const PAUSES: [u32; 2] = [1, 1];
}

impl Named for Spin {
    const NAME: &'static str = "double";
    #[cfg(feature = "dpdk")]
    const PAUSES: [u32; 2] = [8, 64];
}

impl Named for Patient {
    const NAME: &'static str = "long";
    #[cfg(feature = "dpdk")]
    const PAUSES: [u32; 2] = [64, 64];
}

/// On its own cache lines: otherwise the measurement would be of a line that two ends share.
#[repr(align(128))]
pub struct Apart<T>(pub T);

#[inline(always)]
pub fn insist<W: Wait, T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut wait = W::default();
    loop {
        match attempt() {
            Some(value) => return value,
            None => wait.wait(),
        }
    }
}
