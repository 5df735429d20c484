//! How a contender on two cores waits for the other end.
//!
//! The time between two looks matters as much as the design of the ring, because each look takes a cache line
//! away from the other end. So every contender is measured with several waits:
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
    /// Pauses before the second look, and the maximum between two looks.
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

/// A value on its own cache lines. If two ends shared a line, that would dominate the measurement.
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
