//! Cboe Multicast PITCH: the sequenced unit header and the depth-of-book messages of the specifications for
//! US equities (2.41.29 to 2.41.64), US options (2.39.4 to 2.41.64), the options auction feed (1.1.1 to
//! 1.1.39), and futures (1.1.6 to 1.2.19).
//!
//! ```text
//!  ┌────────┬───────┬──────┬──────────┬─────┬──────┬──────────┬──
//!  │ length │ count │ unit │ sequence │ len │ type │ fields   │ …      integers: least byte first
//!  └────────┴───────┴──────┴──────────┴─────┴──────┴──────────┴──      lengths count themselves
//!      2        1      1        4        1     1      len - 2
//! ```
//!
//! Sequence numbers count for a unit. A count of 0 is a heartbeat, whose sequence number is the next
//! message's; a sequence number of 0 marks what is not sequenced. Messages may grow at their end: what
//! a version adds is in [`tail`](AddOrderLong::tail), and no error.
//!
//! ```
//! use framepool::feed::pitch::{self, Builder, Message, Packet};
//! use framepool::feed::{Alpha, LongPrice};
//!
//! let trade = pitch::fields::TradeLong {
//!     side: b'B',
//!     quantity: 700,
//!     symbol: Alpha(*b"SPY   "),
//!     price: LongPrice::new(5_012_300),
//!     trade_condition: None,
//!     ..Default::default()
//! };
//! let mut buffer = [0; 256];
//! let mut packet = Builder::new(&mut buffer, 1, 1000)?;
//! packet.push(|out| trade.emit(out))?;
//!
//! let packet = Packet::parse(packet.finish())?;
//! assert_eq!((packet.unit(), packet.sequence(), packet.count()), (1, 1000, 1));
//! for message in packet.messages() {
//!     if let Message::TradeLong(trade) = message? {
//!         assert_eq!(trade.price().to_string(), "501.2300");
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod messages;
mod raw;

pub use messages::*;
pub use raw::{Raw, Values};

use super::emit::EmitError;
use super::pitch_xdp::{self, Unit, Walk};
use super::table::{Le, at};
use crate::wire::error::{Layer, ParseError};
use messages::kind_of;

/// Bytes of the sequenced unit header.
pub const HEADER: usize = 8;
/// Bytes of a message's length, and of its type.
const WIDTH: usize = 1;
/// Where the count of messages is.
const COUNT: usize = 2;

/// A sequenced unit: its header checked, its messages not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packet<'a>(Unit<'a, HEADER>);

impl<'a> Packet<'a> {
    /// The unit that `bytes` begin with: the payload of a UDP datagram, or what has arrived of a
    /// stream.
    ///
    /// # Errors
    /// Fewer bytes than the header has or states, or a length that leaves no room for the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Unit::parse(Layer::Pitch, bytes).map(Self)
    }

    /// Bytes of the unit, its header included.
    pub fn length(&self) -> u16 {
        Le::get(at::<0, 2, HEADER>(self.0.header))
    }

    /// Messages that the header promises.
    pub fn count(&self) -> u8 {
        Le::get(at::<COUNT, 1, HEADER>(self.0.header))
    }

    /// The unit, for which sequence numbers count; 0 for what is of none.
    pub fn unit(&self) -> u8 {
        Le::get(at::<3, 1, HEADER>(self.0.header))
    }

    /// The sequence number of the first message, or of the next one in a heartbeat; 0 if they have
    /// none.
    pub fn sequence(&self) -> u32 {
        Le::get(at::<4, 4, HEADER>(self.0.header))
    }

    /// Whether it only says that the line is up, and which sequence number comes next.
    pub fn is_heartbeat(&self) -> bool {
        self.count() == 0
    }

    /// What follows the unit in the bytes given: nothing, in multicast.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest
    }

    /// The messages, one by one.
    pub fn messages(&self) -> Messages<'a> {
        Messages(self.0.walk(self.count()))
    }
}

/// The messages of a unit. Offsets in errors count from the unit's first byte.
///
/// A type that is not in the tables, or a message too short for its type, is an error, and the next
/// message follows; an impossible length ends the iteration.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Messages<'a>(Walk<'a, WIDTH>);

impl<'a> Messages<'a> {
    /// The next message as it is: its type and all of its bytes.
    pub fn next_raw(&mut self) -> Option<Result<(u8, &'a [u8]), ParseError>> {
        let message = self.0.next(Layer::Pitch)?;
        Some(message.and_then(|message| Ok((kind_of(message)?, message))))
    }

    /// The next message with its type and length checked, without a jump on its type: the fast way, with
    /// [`Raw::values`].
    ///
    /// # Errors
    /// As for [`Message::parse`], and where the unit ends before the message does.
    #[inline]
    pub fn next_checked(&mut self) -> Option<Result<Raw<'a>, ParseError>> {
        let (at, window) = (self.offset(), self.0.rest());
        Some(match self.0.next(Layer::Pitch)? {
            Ok(bytes) => match Raw::fitting(bytes, window) {
                Some(message) => Ok(message),
                None => Raw::parse(bytes).map_err(|error| error.shifted(at)),
            },
            Err(error) => Err(error),
        })
    }

    /// Where the next message is.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// The bytes that were not read yet. Empty after the last message of a correct unit.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.offset();
        let message = self.0.next(Layer::Pitch)?;
        Some(message.and_then(|bytes| Message::parse(bytes).map_err(|error| error.shifted(at))))
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

impl FuturesInstrument<'_> {
    /// The contract's date, as the decimal number YYYYMMDD, where the version has it (since 1.1.12): in
    /// front of what the offsets point to.
    pub fn contract_date(&self) -> Option<u32> {
        let date = Self::LEN..Self::LEN + 4;
        let is_before = |offset: u8| offset == 0 || usize::from(offset) >= date.end;
        let has_room = is_before(self.leg_offset()) && is_before(self.variance_offset());
        let date = self.tail().first_chunk().filter(|_| has_room)?;
        Some(u32::from_le_bytes(*date))
    }
}

/// Makes a sequenced unit in a buffer of the caller. Without a message it is a heartbeat.
#[derive(Debug)]
pub struct Builder<'b>(pitch_xdp::Builder<'b>);

#[cfg(feature = "defmt")]
impl defmt::Format for Builder<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Builder {{ count: {=u8} }}", self.count());
    }
}

impl<'b> Builder<'b> {
    /// Begins a unit whose first message has this sequence number.
    ///
    /// # Errors
    /// `buffer` is shorter than a header.
    pub fn new(buffer: &'b mut [u8], unit: u8, sequence: u32) -> Result<Self, EmitError> {
        let [a, b, c, d] = sequence.to_le_bytes();
        let header = [0, 0, 0, unit, a, b, c, d];
        pitch_xdp::Builder::new(Layer::Pitch, buffer, &header).map(Self)
    }

    /// Appends what `emit` writes and says to have written.
    ///
    /// # Errors
    /// What `emit` says, a lack of room counted from the unit's start; [`EmitError::TooLong`] if there are 255
    /// messages already, or more than 65,535 bytes with this one. The unit is then as it was.
    pub fn push(
        &mut self,
        emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
    ) -> Result<(), EmitError> {
        self.0.push(emit)
    }

    /// Messages so far.
    pub const fn count(&self) -> u8 {
        self.0.count()
    }

    /// The unit's bytes.
    pub fn finish(self) -> &'b [u8] {
        self.0.finish(COUNT)
    }
}
