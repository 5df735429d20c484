//! The single-producer, single-consumer ring.
mod asynchronous;
mod consumer;
mod control;
mod ends;
mod error;
mod homes;
mod peeked;
mod producer;
mod reserved;
#[cfg(all(
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(loom)
))]
mod shared;
mod stats;
mod wait;
mod waker;

pub use asynchronous::{AsyncConsumer, AsyncProducer, asynchronous};
pub use consumer::{Consumer, Drain};
pub use error::{Abandoned, Full, NoRoom, RingError};
#[cfg(not(loom))]
pub use homes::Ring;
#[cfg(any(feature = "std", loom))]
pub use homes::allocate;
pub use homes::{Ends, in_memory, in_raw_memory, region_align, region_size};
pub use peeked::Peeked;
pub use producer::Producer;
pub use reserved::Reserved;
#[cfg(all(
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(loom)
))]
pub use shared::{
    Plain, SharedConsumer, SharedProducer, SharedPushError, SharedRing, SharedRingError,
};
pub use stats::{ConsumerStats, ProducerStats};
#[cfg(feature = "std")]
pub use wait::Yield;
pub use wait::{Spin, Wait};
