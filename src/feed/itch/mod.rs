//! Nasdaq TotalView-ITCH 5.0, every message type.
//!
//! The same messages come over MoldUDP64, over SoupBinTCP, and in files; BX and PSX send them too.
//! Integers are in network order, prices fixed-point, timestamps nanoseconds since midnight in 48 bits.
//!
//! | I want | take |
//! |---|---|
//! | every message of a packet by its type | [`Messages::of_packet`], [`Message`] |
//! | those of a file, or of anything length-prefixed | [`Messages::new`] |
//! | the least work, or only some fields | [`Messages::raw`], [`Raw`] |
//! | one message, for example from SoupBinTCP | [`Message::parse`], [`AddOrder::parse`], … |
//! | to send some | [`fields`] |
//!
//! ```
//! use framepool::feed::itch::{self, Message, Messages};
//! use framepool::feed::{Alpha, Price4, moldudp64};
//!
//! let add = itch::fields::AddOrder {
//!     timestamp: 34_200_000_000_001,
//!     order_reference: 42,
//!     side: b'B',
//!     shares: 100,
//!     stock: Alpha(*b"AAPL    "),
//!     price: Price4::new(1_873_250),
//!     ..Default::default()
//! };
//! let mut buffer = [0; 128];
//! let mut packet = moldudp64::Builder::new(&mut buffer, *b"000010059B", 1)?;
//! packet.push(&add.to_bytes())?;
//! let packet = moldudp64::Packet::parse(packet.finish())?;
//!
//! for message in Messages::of_packet(&packet) {
//!     match message? {
//!         Message::AddOrder(add) => assert_eq!(add.price().to_string(), "187.3250"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

// | file | what |
// |---|---|
// | `messages` | the table of messages |
// | `raw` | messages whose type and length are checked, and no more |

mod messages;
mod raw;

pub use messages::*;
pub use raw::{Raw, RawMessages, Values};

use super::length_prefixed::Blocks;
use super::moldudp64::Packet;
use crate::wire::error::{Layer, ParseError};

/// Messages, each after a two-byte length, as in a MoldUDP64 packet or a file.
///
/// A type that ITCH 5.0 does not have, or a length that is not its type's, is an error; the next
/// message still follows. A length greater than the remaining bytes ends the iteration.
#[derive(Clone)]
pub struct Messages<'a>(Blocks<'a>);

describe!(Messages<'_> as Messages { offset, rest });

impl<'a> Messages<'a> {
    /// The messages that `bytes` are full of: some of a file, cut anywhere.
    pub const fn new(bytes: &'a [u8]) -> Self {
        let none_due = bytes.is_empty();
        Self(Blocks::new(
            Layer::Itch,
            bytes,
            0,
            if none_due { 0 } else { u64::MAX },
        ))
    }

    /// The messages of a packet, in the number that it states.
    pub fn of_packet(packet: &Packet<'a>) -> Self {
        Self(packet.blocks())
    }

    /// The same messages, without telling them apart.
    pub fn raw(self) -> RawMessages<'a> {
        RawMessages::new(self.0)
    }

    /// Where the next message's length is, from the start of what was given.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        next(
            &mut self.0,
            |bytes, _| Message::parse(bytes).ok(),
            Message::parse,
        )
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

/// The next message: a straight line where it is as it should be, which returns no error by way of
/// memory. `fits` gets the message's bytes, and those with all that follows.
#[inline(always)]
fn next<'a, T>(
    blocks: &mut Blocks<'a>,
    fits: impl FnOnce(&'a [u8], &'a [u8]) -> Option<T>,
    parse: fn(&'a [u8]) -> Result<T, ParseError>,
) -> Option<Result<T, ParseError>> {
    if let Some((block, rest, window)) = blocks.peek() {
        if let Some(message) = fits(block, window) {
            blocks.skip_to(rest);
            return Some(Ok(message));
        }
    }
    refused(blocks, parse).map(Err)
}

/// Why there is no next message; `None` if nothing is due. Files have no count: there, nothing is due
/// where nothing is left.
#[cold]
#[inline(never)]
fn refused<'a, T>(
    blocks: &mut Blocks<'a>,
    parse: fn(&'a [u8]) -> Result<T, ParseError>,
) -> Option<ParseError> {
    if blocks.rest().is_empty() && blocks.left() > u64::from(u16::MAX) {
        return None;
    }
    match blocks.next()? {
        Ok(block) => {
            let at = blocks.offset() - block.len();
            parse(block).err().map(|error| error.shifted(at))
        }
        Err(error) => Some(error),
    }
}
