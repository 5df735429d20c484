//! A ring in memory that two processes share, neither of which trusts the other.
//!
//! ```text
//!  word  0        1      2      3     4         16        17     32     48          64
//!        magic    bytes  align  type  capacity  producer  consumer tail  head       slots …
//!        version  of a value          in slots  who holds each end (lines of their own)
//!        written last
//!
//!  SharedProducer { tail, head last seen }        SharedConsumer { head, tail last seen }
//!      what each relies on is here, where the peer cannot write
//! ```
//!
//! All of it is 64-bit words in the machine's byte order, and all access is by such words. An end trusts
//! nothing that the peer can write: what the header says is copied out once and checked; its own position
//! an end keeps to itself; the peer's position is checked each time that it is read. A slot's index is the
//! lower bits of a position between those two, so whatever the peer writes, no access is outside of the
//! slots.
//!
//! | the peer | and this end |
//! |---|---|
//! | writes a position that cannot be | says [`SharedRingError::Corrupt`], until it is right |
//! | writes one that can be | takes values that were never pushed, or overwrites some that were not taken: values all the same ([`Plain`]) |
//! | writes to a slot that is not its own | may see half of a value, or another one at the next look |
//! | writes to the word that says who has an end | says [`SharedRingError::BadHolder`] when it needs to know |
//! | goes | is told ([`SharedProducer::is_abandoned`]) |
//! | dies | is told when it waits, with the first time-out at the latest ([`SharedWaitError::Died`]), and may replace it ([`SharedRing::producer_after`]) |
//! | lives and does nothing | waits, for as long as it was told to |
//!
//! # Which process has an end
//! The owner words (`producer`, `consumer`) hold the process's number in the lower half and the inode of the
//! number's namespace (pid_namespaces(7)) in the upper half, 0 where the process sees no /proc. The first process
//! of every container is number 1, so a number alone names no process: an end is let go, and its process is
//! looked for, by both. A copy of an end that fork(2) makes, in the same namespace or a new one, lets nothing
//! go. Where one side's namespace is not known, the numbers alone decide whether a process lets its own end go,
//! and no process is reported dead.
//!
//! # In place
//! There is no `&[T]` into a shared ring: a reference promises that what it refers to does not change,
//! and the peer may change it at any moment. [`SharedProducer::reserve`] and [`SharedConsumer::peek`] hand out
//! places by number instead. A place is written and read by value, or some bytes of it from and to a slice
//! of one's own, which is what saves work where values are large: a packet is copied once, from where it was
//! received to where it will lie, and who wants its header reads that alone. No place is ever without a
//! value, since any bytes are one; so committing a place that was not written is safe, and shows what lay
//! there.
//!
//! **Copy out once, then decide on the copy.** The same place read twice may give two values.
//!
//! # What is in which file
//!
//! | file | what is in it |
//! |---|---|
//! | `plain.rs` | which values may be in such a ring |
//! | `words.rs` | the layout: the one way to the bytes |
//! | `ring.rs` | making a ring, finding it, taking its ends |
//! | `owner.rs`  | who has an end, and whether that process lives |
//! | `producer.rs`, `consumer.rs` | the ends |
//! | `reserved.rs`, `peeked.rs` | values where they lie |
//! | `wait.rs` | waiting for a peer that may never come back |
//! | `error.rs` | what can go wrong |

mod consumer;
mod error;
mod owner;
mod peeked;
mod plain;
mod producer;
mod reserved;
mod ring;
mod wait;
mod words;

pub use consumer::{SharedConsumer, SharedDrain};
pub use error::{NoPlace, SharedPushError, SharedRingError, SharedWaitError};
pub use peeked::SharedPeeked;
pub use plain::{Plain, type_tag};
pub use producer::SharedProducer;
pub use reserved::SharedReserved;
pub use ring::SharedRing;

#[cfg(test)]
mod tests;
