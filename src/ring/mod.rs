//! The single-producer, single-consumer ring: values go from one thread, core, interrupt or process to one other,
//! in order, by loads and stores alone.
//!
//! ```text
//!                 head                 tail
//!                  │ the consumer's     │ the producer's
//!                  ▼                    ▼
//!   ┌────┬────┬────┬────┬────┬────┬────┬────┬────┬────┐
//!   │    │    │    │ v  │ v  │ v  │ v  │    │    │    │   slots, a power of two, all usable
//!   └────┴────┴────┴────┴────┴────┴────┴────┴────┴────┘
//!   ┌──────────┐  ┌──────────┐  ┌──────────┐
//!   │ tail     │  │ head     │  │ ends     │              Control: each word on lines of its own
//!   └──────────┘  └──────────┘  └──────────┘
//!   Producer { tail, limit = head last seen + slots }     Consumer { head, tail last seen }
//! ```
//!
//! Positions count all values that ever went through, in a word that wraps; a position's slot is its
//! lower bits. The number of slots is a power of two of at most half of what the word counts, so
//! `tail - head`, modulo the word, is the number of values, from none to all slots, before and after the
//! word wraps: a full ring differs from an empty one and no slot is given up for it.
//!
//! Each end keeps its own position and the last one that it saw of the other. A push looks at the head only
//! when the one last seen leaves no room, a pop at the tail only when all that was known to be there has
//! been taken; so with traffic in bursts, the lines of `tail` and `head` cross between the cores once a
//! burst. **Nothing is published late**: a value can be seen by the consumer, and a place by
//! the producer, as soon as the operation that made it so is over.
//!
//! # Why it is right
//!
//! | producer | consumer | what holds |
//! |---|---|---|
//! | writes slot `t` | | `t` is not in `head..tail`: nobody reads it |
//! | stores `tail = t + 1`, **release** | | |
//! | | loads `tail`, **acquire** | sees `t + 1`: then the write of slot `t` came before. Sees `t`: finds nothing, looks again later |
//! | | reads slot `t` | `t` is in `head..tail`: nobody writes it |
//! | | stores `head = t + 1`, **release** | |
//! | loads `head`, **acquire** | | sees `t + 1`: then the read of slot `t` came before. Sees `t`: finds less room than there is |
//! | writes slot `t + slots`, the same one | | |
//!
//! Whatever is seen late only makes an end believe that there is less for it than there is. All of
//! it is modelled in `tests/loom/ring.rs`, with slots as cells that loom watches.
//!
//! # Which one do I want
//!
//! Between threads there are two designs, and neither is the best at everything. [`Ring`] and `allocate` publish
//! positions. Take these where values come in bursts, and unless you have measured: they also have access in place
//! and ends that sleep. [`FlagRing`] publishes in the slot. Measured (`benches/peers/RESULTS.md` has all figures):
//!
//! | values | AMD Zen 4, Zen 5 | Intel Sapphire Rapids |
//! |---|---|---|
//! | up to 16 bytes, one by one | `FlagRing` with [`Patient`]: 1.3 to 2 times `Ring`'s rate | `Ring` with [`Patient`]: twice `FlagRing`'s rate |
//! | 64 bytes, one by one | `FlagRing` with [`Patient`] | `FlagRing` |
//! | bursts | `Ring` | `Ring` |
//! | a request and its answer | `FlagRing` with one pause on Zen 4: 13 % less than `Ring` | `FlagRing`: 30 % less than `Ring` |
//!
//! How an end waits matters as much: each look at an empty ring takes a line away from the other end. [`Spin`] looks
//! soon, and then less and less often. [`Patient`] waits long before each look, so that a burst is there when it
//! looks: the most values per second, each up to one wait older.
//!
//! | I have, or want | take |
//! |---|---|
//! | a ring in a `static`, on bare metal or hosted; on the stack; in a struct | [`Ring`] |
//! | memory of my own | [`in_memory`], [`in_raw_memory`] |
//! | a ring between two threads | `allocate` (`std`) |
//! | a ring between two processes (Linux, `mmap`) | `SharedRing` |
//! | values one by one, as fast as can be | [`FlagRing`], `allocate_flagged`, [`flagged_in_memory`] |
//! | values one by one | [`Producer::push`], [`Consumer::pop`] |
//! | many at once | [`Producer::push_slice`], [`Producer::push_array`], [`Consumer::pop_slice`], [`Consumer::pop_array`] |
//! | to write or read where they lie | [`Producer::reserve`], [`Consumer::peek`] |
//! | to wait | [`Producer::push_wait`], [`Consumer::pop_wait`] with a [`Wait`]; [`asynchronous`] |
//! | to know that the other end is gone | [`Producer::is_abandoned`], [`Consumer::is_abandoned`] |
//!
//! # What is in which file
//!
//! | file | what is in it |
//! |---|---|
//! | `control.rs` | the words that both ends share |
//! | `ends.rs` | where the slots are, and who drops what is left |
//! | `producer.rs`, `consumer.rs` | the ends |
//! | `reserved.rs`, `peeked.rs` | values where they lie |
//! | `flagged/` | the ring whose slots carry flags, all of it |
//! | `homes.rs` | where the memory comes from |
//! | `memory.rs` | how it is laid out, for either design |
//! | `wait.rs`, `asynchronous.rs`, `waker.rs` | waiting |
//! | `shared/` | between processes |
//! | `stats.rs`, `error.rs` | figures, errors |
//!
//! # Not
//! More than one producer or consumer; a queue that grows; values that overtake each other.

mod asynchronous;
mod consumer;
mod control;
mod ends;
mod error;
mod flagged;
mod homes;
#[cfg(feature = "defmt")]
mod log;
mod memory;
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
#[cfg(any(feature = "std", loom))]
pub use flagged::allocate_flagged;
pub use flagged::{FlagConsumer, FlagDrain, FlagEnds, FlagProducer};
#[cfg(not(loom))]
pub use flagged::{
    FlagRing, flagged_in_memory, flagged_in_raw_memory, flagged_region_align, flagged_region_size,
};
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
    NoPlace, Plain, SharedConsumer, SharedDrain, SharedPeeked, SharedProducer, SharedPushError,
    SharedReserved, SharedRing, SharedRingError, SharedWaitError, type_tag,
};
pub use stats::{ConsumerStats, ProducerStats};
#[cfg(feature = "std")]
pub use wait::Yield;
pub use wait::{Patient, Spin, Wait};

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
