//! Exchange feeds: messages in the payloads of datagrams and in the bytes of streams.
//!
//! | I want | take |
//! |---|---|
//! | Nasdaq TotalView-ITCH 5.0 | [`itch`], over UDP with [`moldudp64`], over TCP with [`soupbintcp`], or from a file |
//! | Cboe Multicast PITCH | [`pitch`] |
//! | NYSE XDP and Pillar | [`xdp`] |
//! | FIX tag=value | [`fix`] |
//! | to find gaps, duplicates and late messages | [`SequenceTracker`] |
//! | the first copy of each message from redundant lines | [`Arbiter`] |
//! | to keep the bytes of a stream until whole messages have arrived | [`StreamBuffer`] |
//!
//! Nothing here allocates, and no input makes anything panic. Messages are views of the caller's bytes; only
//! [`StreamBuffer`] copies bytes. Iterators yield messages or a [`ParseError`](crate::wire::ParseError) with
//! layer, offset and reason. After an error they continue with the next message if its start is known.
//!
//! ```text
//!   datagram ─┬─► moldudp64::Packet ─► SequenceTracker ─► itch::Messages ─► AddOrder<'_>, …
//!             ├─► pitch::Packet ────►  or Arbiter       ─► pitch::Messages
//!             └─► xdp::Packet ──────►  for lines A, B   ─► xdp::Messages
//!
//!   stream ─► StreamBuffer ─┬─► soupbintcp::Packets ─► itch::Message
//!                           └─► fix::Messages ─► fix::Fields
//! ```
//!
//! ```
//! use framepool::feed::{SequenceTracker, Width, itch, moldudp64};
//!
//! # let mut buffer = [0; 64];
//! # let mut packet = moldudp64::Builder::new(&mut buffer, *b"000010059B", 1)?;
//! # packet.push(&itch::fields::OrderDelete::default().to_bytes())?;
//! # let datagram = packet.finish();
//! let mut tracker = SequenceTracker::<8>::new(Width::Bits64);
//! let packet = moldudp64::Packet::parse(datagram)?;
//! // A packet that another line has delivered before has no new messages.
//! if tracker.observe(packet.sequence(), packet.message_count().into()) > 0 {
//!     for message in itch::Messages::of_packet(&packet) {
//!         println!("{:?}", message?);
//!     }
//! }
//! for gap in tracker.gaps() {
//!     println!("{} messages are missing from {} on", gap.count, gap.first);
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Versions
//! Feeds follow the specifications of the exchanges; each feed's page names the versions. As exchanges publish
//! new versions, minor releases of this crate add message types, optional fields and enum variants. The enums
//! that grow are non-exhaustive, but structs in `fields` are not: fill them in with `..Default::default()`.

// | file | what |
// |---|---|
// | `moldudp64`, `soupbintcp` | Nasdaq's framing over UDP and over TCP |
// | `itch`, `pitch`, `xdp`, `fix` | the messages of a feed |
// | `length_prefixed` | messages with a length before each: MoldUDP64, ITCH |
// | `pitch_xdp` | the framing that PITCH and XDP share |
// | `table` | `messages!`: from a table of messages to types |
// | `raw` | `raw!`: a message's fields, read without a branch on its type |
// | `bytes`, `price`, `text` | fields: integers, prices, text |
// | `emit` | writing messages |
// | `sequence`, `arbiter` | gaps, duplicates, reordering; redundant lines |
// | `stream_buffer` | bytes of a stream that were not used yet |
#![forbid(unsafe_code)]

mod arbiter;
mod bytes;
mod emit;
pub mod fix;
pub mod itch;
mod length_prefixed;
pub mod moldudp64;
pub mod pitch;
mod pitch_xdp;
mod price;
mod raw;
mod sequence;
pub mod soupbintcp;
mod stream_buffer;
mod table;
mod text;
pub mod xdp;

pub use arbiter::{Arbiter, LineStats};
pub use emit::EmitError;
pub use price::{LongPrice, Price, Price4, Price8, ShortPrice};
pub use sequence::{Gap, Run, Runs, SequenceStats, SequenceTracker, Verdict, Width};
pub use stream_buffer::StreamBuffer;
pub use text::Alpha;
