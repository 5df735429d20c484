//! Nasdaq TotalView-ITCH 5.0, every message type.
//!
//! Nasdaq sends these messages over MoldUDP64 and SoupBinTCP, and offers them in files. Nasdaq BX and PSX use the
//! same messages. Integers are in network order. Timestamps are in nanoseconds since midnight.
//!
//! | I want | take |
//! |---|---|
//! | the messages of a MoldUDP64 packet | [`Messages::of_packet`], [`Message`] |
//! | the messages of a file | [`Messages::new`] |
//! | the fields of order and trade messages, as fast as possible | [`Messages::raw`], [`Raw`] |
//! | one message, for example from SoupBinTCP | [`Message::parse`], [`AddOrder::parse`], … |
//! | to write messages | [`fields`] |
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
// | `raw` | messages without a branch on their type |

mod messages;
mod raw;

pub use messages::*;
pub use raw::{Raw, RawMessages, Values};

use super::length_prefixed::Blocks;
use super::moldudp64::Packet;
use crate::wire::error::{Layer, ParseError};

/// Iterates over the messages of a MoldUDP64 packet or a file, where a length of two bytes is before each.
///
/// An unknown type, or a length that is wrong for the type, is an error, and the next message follows. A message
/// that is longer than the remaining bytes is an error that ends the iteration.
#[derive(Clone)]
pub struct Messages<'a>(Blocks<'a>);

describe!(Messages<'_> as Messages { offset, rest });

impl<'a> Messages<'a> {
    /// Iterates over the messages of a file, or of a part of it that starts with a message.
    pub const fn new(bytes: &'a [u8]) -> Self {
        let none_due = bytes.is_empty();
        Self(Blocks::new(
            Layer::Itch,
            bytes,
            0,
            if none_due { 0 } else { u64::MAX },
        ))
    }

    /// Iterates over the messages of a packet.
    pub fn of_packet(packet: &Packet<'a>) -> Self {
        Self(packet.blocks())
    }

    /// Iterates over the same messages without a branch on their type.
    pub fn raw(self) -> RawMessages<'a> {
        RawMessages::new(self.0)
    }

    /// The offset of the next message's length, from the start of the packet or file.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// The bytes that were not read yet.
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

/// The next message. The path for valid messages does not build an error in memory. `fits` gets the bytes of the
/// message, and the same bytes with all that follow.
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

/// The error why there is no next message; `None` at the end. A file has no count of messages: it ends with its
/// last byte.
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
