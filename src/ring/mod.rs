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
//!   │ tail     │  │ head     │  │ ends     │              shared words, each on lines of its own
//!   └──────────┘  └──────────┘  └──────────┘
//!   Producer { tail, limit = head last seen + slots }     Consumer { head, tail last seen }
//! ```
//!
//! A position is the number of values that went through before it, in a word that wraps; the lower bits of a position
//! are the index of its slot. The number of slots is a power of two of at most half of what the word counts. So
//! `tail - head`, modulo the word, is the number of values, from none to all slots, also after the word wraps: a full
//! ring differs from an empty one, and no slot has to stay free.
//!
//! Each end keeps its own position and the last one that it saw of the other end. A push looks at the head only
//! if the last one seen leaves no room, and a pop looks at the tail only if all values that it knows of have been
//! taken. So if values come in bursts, the lines of `tail` and `head` cross between the cores once per
//! burst. **Nothing is published late**: the consumer can see a value, and the producer a free slot, as soon as the
//! operation returns.
//!
//! # Why it is right
//!
//! | producer | consumer | what holds |
//! |---|---|---|
//! | writes slot `t` | | `t` is not in `head..tail`: no thread reads it |
//! | stores `tail = t + 1`, **release** | | |
//! | | loads `tail`, **acquire** | sees `t + 1`: then slot `t` was written before. Sees `t`: finds nothing, looks again later |
//! | | reads slot `t` | `t` is in `head..tail`: no thread writes it |
//! | | stores `head = t + 1`, **release** | |
//! | loads `head`, **acquire** | | sees `t + 1`: then slot `t` was read before. Sees `t`: finds less room than there is |
//! | writes slot `t + slots`, the same one | | |
//!
//! An end may be put back and taken again by another thread or interrupt ([`Ring::producer`]). Putting it back is a
//! **release** of the word that taking it **acquires**: so the next producer sees the slots as the last one left them, and
//! the consumer, which acquires `tail`, sees the values of all of them.
//!
//! An end that sees an old position finds fewer values, or less room, than there is, and never more. All of
//! this is modelled in `tests/loom/ring.rs`, with slots as cells that loom checks.
//!
//! # Which one do I want
//!
//! Between threads there are two designs, and neither is always the best. [`Ring`] and `allocate` publish positions.
//! Take these if values come in bursts, or if you have not measured: they also have access in place and ends that
//! sleep. The rings of [`flags`] publish in the slot. Measured (`benches/peers/RESULTS.md` has all figures):
//!
//! | values | AMD Zen 4, Zen 5 | Intel Sapphire Rapids |
//! |---|---|---|
//! | up to 16 bytes, one by one | `flags::Ring` with [`Patient`] sustains 1.3 to 2 times `Ring`'s rate | `Ring` with [`Patient`] sustains twice `flags::Ring`'s rate |
//! | 64 bytes, one by one | `flags::Ring` with [`Patient`] | `flags::Ring` |
//! | bursts | `Ring` | `Ring` |
//! | a request and its answer | `flags::Ring` with one pause on Zen 4: 13 % less time than `Ring` | `flags::Ring`: 30 % less time than `Ring` |
//!
//! The way an end waits matters as much: each look at an empty ring takes a cache line away from the other end. [`Spin`]
//! looks soon, and then less and less often. [`Patient`] waits long before each look, so that several values are there
//! when it looks: the highest throughput, but each value may be one wait older.
//!
//! | I have, or want | take |
//! |---|---|
//! | a ring in a `static`, on bare metal or hosted; on the stack; in a struct | [`Ring`] |
//! | memory of my own | [`in_memory`], [`in_raw_memory`] |
//! | a ring between two threads | `allocate` (`std`) |
//! | a ring between two processes (Linux, `mmap`) | `SharedRing`, for values that are `Plain` |
//! | `Plain` for a type that `bytemuck` or `zerocopy` vouches for | `plain!` |
//! | the highest rate of single values | [`flags::Ring`], `flags::allocate`, [`flags::in_memory`] |
//! | values one by one | [`Producer::push`], [`Consumer::pop`] |
//! | many at once | [`Producer::push_slice`], [`Producer::push_array`], [`Consumer::pop_slice`], [`Consumer::pop_array`] |
//! | many at once, all or none | [`Producer::push_slice_exact`], [`Consumer::pop_slice_exact`] |
//! | values that are not `Copy`, into an array of my own | [`Consumer::pop_slice_uninit`] |
//! | to write or read in place | [`Producer::reserve`], [`Consumer::peek`]; [`Consumer::front`] for one look |
//! | to take all values that wait, and give their slots back at once | a `for` loop over [`Peeked`] |
//! | an interrupt that takes its own end | [`Ring::producer`], [`Ring::consumer`] |
//! | to read how full a ring is, from elsewhere | [`Observer`] |
//! | text or a stream of bytes | `fmt::Write`, `io::Write`, `io::Read` of a ring of `u8` |
//! | to wait | [`Producer::push_wait`], [`Consumer::pop_wait`] with a [`Wait`]; [`asynchronous`] |
//! | to know that the other end is gone | [`Producer::is_abandoned`], [`Consumer::is_abandoned`]; of ends taken one by one, [`Ring::is_producer_taken`] |
//!
//! # Bytes
//! A ring of `u8` is a stream: text with [`core::fmt::Write`], and with `std` also `io::Write` and `io::Read`, which never
//! block. Both traits `Write` have a `write_fmt`, so import the one that you use.
//!
//! ```
//! use core::fmt::Write as _;
//! use std::io::{ErrorKind, Read as _};
//!
//! let (mut tx, mut rx) = framepool::ring::allocate::<u8>(16)?;
//! write!(tx, "{} mV", 3300)?;
//! assert!(tx.write_str("more than fits").is_err()); // and none of it is in the ring
//! let mut out = [0; 64];
//! let n = rx.read(&mut out)?;
//! assert_eq!(&out[..n], b"3300 mV");
//! assert_eq!(rx.read(&mut out).unwrap_err().kind(), ErrorKind::WouldBlock);
//! drop(tx);
//! assert_eq!(rx.read(&mut out)?, 0); // the end of the stream
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # What it does not do
//! A ring does not have several producers or consumers, does not grow, and does not reorder values.

// | file | contents |
// |---|---|
// | `value.rs`, `construct.rs` | the ways to make a ring |
// | `producer.rs`, `consumer.rs`, `drain.rs` | the ends |
// | `reserved.rs`, `peeked.rs` | access in place |
// | `bytes.rs` | rings of bytes as streams |
// | `observer.rs` | the length of a ring, for others |
// | `slot.rs` | the slots of the ring with positions |
// | `flags/` | the ring whose slots carry flags |
// | `memory.rs`, `control.rs` | slots and words of either design: layout, allocation, and the end that frees them |
// | `wait.rs`, `asynchronous.rs`, `waker.rs` | waiting |
// | `shared/` | the ring between processes |
// | `stats.rs`, `error.rs` | counters, errors |

mod asynchronous;
mod bytes;
mod construct;
mod consumer;
mod control;
mod drain;
mod error;
pub mod flags;
mod memory;
mod observer;
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
mod slot;
mod stats;
mod value;
mod wait;
mod waker;

pub use asynchronous::{AsyncConsumer, AsyncProducer, asynchronous};
pub use construct::*;
pub use consumer::Consumer;
pub use drain::Drain;
pub use error::{Abandoned, Full, NoRoom, PopWaitError, PushWaitError, RingError, TooFew};
pub use observer::Observer;
pub use peeked::{Peeked, PeekedIntoIter};
pub use producer::Producer;
pub use reserved::Reserved;
#[cfg(all(
    any(feature = "bytemuck", feature = "zerocopy"),
    target_os = "linux",
    target_has_atomic = "64",
    not(loom)
))]
#[doc(hidden)]
pub use shared::vouch;
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
pub use value::Ring;
#[cfg(feature = "std")]
pub use wait::Yield;
pub use wait::{Patient, Spin, Wait};

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
