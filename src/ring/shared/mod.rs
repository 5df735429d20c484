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
//! two, so whatever the peer writes, no access is outside of the slots. `ring.rs` lists what a peer can do.
//!
//! # Owner words
//! The owner words (`producer`, `consumer`) hold the process's number in the lower half and the inode of the
//! number's namespace (pid_namespaces(7)) in the upper half, 0 if the process sees no /proc. The first process
//! of every container is number 1, so a number alone identifies no process. Letting an end go, and looking for its
//! process, use both halves. A copy of an end that fork(2) makes, in the same namespace or a new one, lets nothing
//! go. If the namespace of one side is not known, the numbers alone decide whether a process lets its own end go,
//! and no process is reported dead.

mod bytes;
mod consumer;
mod error;
mod owner;
mod peeked;
mod plain;
mod producer;
mod reserved;
mod ring;
#[cfg(any(feature = "bytemuck", feature = "zerocopy"))]
mod vouched;
mod wait;
mod words;

pub use consumer::{SharedConsumer, SharedDrain};
pub use error::{NoPlace, SharedPushError, SharedRingError, SharedWaitError};
pub use peeked::SharedPeeked;
pub use plain::{Plain, type_tag};
pub use producer::SharedProducer;
pub use reserved::SharedReserved;
pub use ring::SharedRing;
#[cfg(any(feature = "bytemuck", feature = "zerocopy"))]
#[doc(hidden)]
pub use vouched::vouch;

#[cfg(test)]
mod tests;
