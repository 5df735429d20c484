//! A ring in memory that two processes share. Neither of them trusts the other.
//!
//! ```text
//!  word  0        1      2      3     4         16        17     32     48          64
//!        magic    bytes  align  type  capacity  producer  consumer tail  head       slots …
//!        version  of a value          in slots  owner words        (lines of their own)
//!        written last
//!
//!  SharedProducer { tail, head last seen }        SharedConsumer { head, tail last seen }
//!      private copies, which the peer cannot write
//! ```
//!
//! All of it is 64-bit words in the machine's byte order, and every access is to such a word. An end trusts
//! nothing that the peer can write: it copies the header once and checks it; it keeps its own position to itself; it
//! checks the peer's position at each read. The index of a slot is the lower bits of a position between those
//! two, so whatever the peer writes, no access is outside of the slots.
//!
//! | the peer | this end |
//! |---|---|
//! | writes an impossible position | returns [`SharedRingError::Corrupt`], until the position is possible |
//! | writes a possible position | takes values that were never pushed, or overwrites values that were not taken: all of them are values ([`Plain`]) |
//! | writes to a slot that is not its own | may see half of a value, or another value at the next look |
//! | writes to an owner word | returns [`SharedRingError::BadOwner`] when it needs the word |
//! | releases its end | sees it ([`SharedProducer::is_abandoned`]) |
//! | dies | notices it while it waits, at the latest before the first time-out ([`SharedWaitError::Died`]), and may replace it ([`SharedRing::producer_after`]) |
//! | lives and does nothing | waits until the time-out |
//!
//! # Owner words
//! The owner words (`producer`, `consumer`) hold the process's number in the lower half and the inode of the number's
//! namespace (pid_namespaces(7)) in the upper half, 0 if the process sees no /proc. The first process of every
//! container is number 1, so a number alone identifies no process. Releasing an end and looking for its process use
//! both halves. A copy of an end that fork(2) makes, in the same namespace or a new one, releases nothing. If the
//! namespace of one side is not known, the numbers alone decide whether a process releases its own end, and no
//! process is reported dead.
//!
//! # In place
//! There is no `&[T]` into a shared ring, because a reference promises that its target does not change, and the peer
//! may change it at any moment. Instead, [`SharedProducer::reserve`] and [`SharedConsumer::peek`] hand out places by
//! number. A place is written and read by value, or some of its bytes are copied from and to a slice. That saves work
//! if values are large: a packet is copied once, from where it was received into the ring, and a reader of its header
//! copies only that. A place always holds a value, since any bytes are one; so committing a place that was not
//! written is safe, and publishes its old bytes.
//!
//! **Copy out once, then decide on the copy.** Reading the same place twice may give two values.

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
