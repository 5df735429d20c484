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
pub use stats::{ConsumerStats, ProducerStats};
#[cfg(feature = "std")]
pub use wait::Yield;
pub use wait::{Spin, Wait};
