//! Rings of one producer and one consumer.
#![allow(missing_docs)]

#[cfg(feature = "std")]
mod asynchronous;
#[cfg(feature = "std")]
mod bytes;
#[path = "../support/counted.rs"]
mod counted;
#[cfg(feature = "std")]
mod flagged;
mod homes;
#[cfg(feature = "std")]
mod model;
#[path = "../support/process.rs"]
mod process;
#[cfg(feature = "std")]
mod promises;
#[cfg(all(
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(miri)
))]
mod shared;
#[cfg(feature = "std")]
mod taken;
#[cfg(feature = "std")]
mod threads;
