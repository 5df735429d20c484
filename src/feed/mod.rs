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
// | `moldudp64` | Nasdaq's framing over UDP |
// | `soupbintcp` | Nasdaq's framing over TCP |
// | `itch` | Nasdaq TotalView-ITCH 5.0 |
// | `pitch` | Cboe Multicast PITCH |
// | `xdp` | NYSE XDP and Pillar |
// | `fix` | FIX tag=value |
// | `sequence`, `arbiter` | gaps, duplicates, reordering; two lines that carry the same |
// | `stream` | what has arrived of a stream |
// | `table` | how a table of fields becomes types |
// | `places` | fields read without a jump on the type |
// | `number` | fixed-point prices, padded text |
// | `emit` | writing, and why it may fail |
// | `blocks` | messages after their lengths: ITCH |
// | `units` | messages that state their lengths, after a header that does: PITCH, XDP |
#![forbid(unsafe_code)]

mod arbiter;
mod blocks;
mod emit;
pub mod fix;
pub mod itch;
pub mod moldudp64;
mod number;
pub mod pitch;
mod places;
mod sequence;
pub mod soupbintcp;
mod stream;
mod table;
mod units;
pub mod xdp;

pub use arbiter::{Arbiter, LineStats};
pub use emit::EmitError;
pub use number::{Alpha, LongPrice, Price, Price4, Price8, ShortPrice};
pub use sequence::{Gap, Run, Runs, SequenceStats, SequenceTracker, Verdict, Width};
pub use stream::StreamBuffer;
