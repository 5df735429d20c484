//! Exchange feeds: from the payload of a datagram, or the bytes of a stream, to messages.
//!
//! No code here allocates, copies needlessly, or panics, for any input. Iterators yield a message or a
//! [`ParseError`](crate::wire::ParseError) with layer, offset and reason. After an error they continue with the
//! next message if the framing says where it begins.
//!
//! ```text
//!   datagram ─┬─► moldudp64::Packet ─► SequenceTracker ─► itch::Messages ─► AddOrder<'_>, …
//!             ├─► pitch::Packet ────►  or Arbiter       ─► pitch::Messages
//!             └─► xdp::Packet ──────►  for lines A, B   ─► xdp::Messages
//!
//!   stream ─► StreamBuffer ─┬─► soupbintcp::Packets ─► itch::Message
//!                           └─► fix::Messages ─► fix::Fields
//! ```

// | file | what |
// |---|---|
// | `moldudp64`, `soupbintcp` | Nasdaq's framing over UDP and over TCP |
// | `itch` | Nasdaq TotalView-ITCH 5.0 |
// | `pitch` | Cboe Multicast PITCH |
// | `xdp` | NYSE XDP and Pillar |
// | `fix` | FIX tag=value |
// | `sequence`, `arbiter` | gaps, duplicates, reordering; two lines that carry the same |
// | `stream_buffer` | what has arrived of a stream |
// | `table` | `messages!`: from a table of fields to types |
// | `raw` | `raw!`: fields read without a jump on the message's type |
// | `length_prefixed` | messages after their lengths: MoldUDP64, ITCH |
// | `pitch_xdp` | the framing that PITCH and XDP share |
// | `price` | fixed-point prices, padded text |
// | `emit` | writing, and why it may fail |
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
