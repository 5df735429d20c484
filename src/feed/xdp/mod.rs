//! NYSE XDP and Pillar: the packet header, the control messages, and the integrated feed, versions 2.1g to
//! 2.5g; of the BBO feed the quote, versions 2.3a to 2.5d.
//!
//! ```text
//!  ┌──────┬──────┬───────┬──────────┬─────────┬─────────────┬──────┬──────┬──────────┬──
//!  │ size │ flag │ count │ sequence │ seconds │ nanoseconds │ size │ type │ fields   │ …
//!  └──────┴──────┴───────┴──────────┴─────────┴─────────────┴──────┴──────┴──────────┴──
//!     2      1       1        4          4           4          2      2    size - 4
//! ```
//!
//! Integers come least byte first; sizes count themselves. Prices are integers in the scale of their
//! symbol, which [`SymbolIndexMapping`] gives. Messages may grow at their end: what a version adds is in
//! [`tail`](AddOrder::tail), and no error.
//!
//! ```
//! use framepool::feed::xdp::{self, Builder, Delivery, Message, Packet};
//!
//! let delete = xdp::fields::DeleteOrder { symbol_index: 7, order_id: 42, ..Default::default() };
//! let mut buffer = [0; 128];
//! let mut packet = Builder::new(&mut buffer, Delivery::Original, 9, (1_500_000_000, 5))?;
//! packet.push(|out| delete.emit(out))?;
//!
//! let packet = Packet::parse(packet.finish())?;
//! assert_eq!((packet.sequence(), packet.count()), (9, 1));
//! let message = packet.messages().next().unwrap()?;
//! assert!(matches!(message, Message::DeleteOrder(delete) if delete.order_id() == 42));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod messages;
mod raw;

pub use messages::*;
pub use raw::{Raw, Values};

use super::emit::EmitError;
use super::pitch_xdp::{self, Unit, Walk};
use super::table::{Le, at, put};
use crate::wire::error::{Layer, ParseError};
use messages::kind_of;

/// Bytes of the packet header.
pub const HEADER: usize = 16;
/// Bytes of a message's size, and of its type.
const WIDTH: usize = 2;
/// Where the count of messages is.
const COUNT: usize = 3;

/// Why a packet was sent: the delivery flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Delivery {
    /// Only to say that the line is up, and which sequence number comes next.
    Heartbeat,
    /// The publisher failed over.
    Failover,
    /// For the first time.
    Original,
    /// Sequence numbers restart.
    SequenceReset,
    /// The only packet of a retransmission.
    Retransmission,
    /// A part of a retransmission.
    RetransmissionPart,
    /// The only packet of a refresh.
    Refresh,
    /// The first of a refresh.
    RefreshStart,
    /// A part of a refresh.
    RefreshPart,
    /// The last of a refresh.
    RefreshEnd,
    /// Messages are not available.
    Unavailable,
    /// A flag that the specification does not have.
    Other(u8),
}

impl Delivery {
    /// By the flag in the header.
    pub const fn from_flag(flag: u8) -> Self {
        match flag {
            1 => Self::Heartbeat,
            10 => Self::Failover,
            11 => Self::Original,
            12 => Self::SequenceReset,
            13 => Self::Retransmission,
            15 => Self::RetransmissionPart,
            17 => Self::Refresh,
            18 => Self::RefreshStart,
            19 => Self::RefreshPart,
            20 => Self::RefreshEnd,
            21 => Self::Unavailable,
            other => Self::Other(other),
        }
    }

    /// The flag in the header.
    pub const fn flag(self) -> u8 {
        match self {
            Self::Heartbeat => 1,
            Self::Failover => 10,
            Self::Original => 11,
            Self::SequenceReset => 12,
            Self::Retransmission => 13,
            Self::RetransmissionPart => 15,
            Self::Refresh => 17,
            Self::RefreshStart => 18,
            Self::RefreshPart => 19,
            Self::RefreshEnd => 20,
            Self::Unavailable => 21,
            Self::Other(flag) => flag,
        }
    }
}

/// A packet: its header checked, its messages not yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packet<'a>(Unit<'a, HEADER>);

impl<'a> Packet<'a> {
    /// The packet that `bytes` begin with: the payload of a UDP datagram, or what has arrived of a
    /// stream.
    ///
    /// # Errors
    /// Fewer bytes than the header has or states, or a size that leaves no room for the header.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        Unit::parse(Layer::NyseXdp, bytes).map(Self)
    }

    /// Bytes of the packet, its header included.
    pub fn size(&self) -> u16 {
        Le::get(at::<0, 2, HEADER>(self.0.header))
    }

    /// Why it was sent.
    pub fn delivery(&self) -> Delivery {
        Delivery::from_flag(Le::get(at::<2, 1, HEADER>(self.0.header)))
    }

    /// Messages that the header promises.
    pub fn count(&self) -> u8 {
        Le::get(at::<COUNT, 1, HEADER>(self.0.header))
    }

    /// The sequence number of the first message, or of the next one in a heartbeat.
    pub fn sequence(&self) -> u32 {
        Le::get(at::<4, 4, HEADER>(self.0.header))
    }

    /// When it was sent: seconds since 1970, and nanoseconds.
    pub fn send_time(&self) -> (u32, u32) {
        let seconds = Le::get(at::<8, 4, HEADER>(self.0.header));
        (seconds, Le::get(at::<12, 4, HEADER>(self.0.header)))
    }

    /// What follows the packet in the bytes given: nothing, in multicast.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest
    }

    /// The messages, one by one.
    pub fn messages(&self) -> Messages<'a> {
        Messages(self.0.walk(self.count()))
    }
}

/// The messages of a packet. Offsets in errors count from the packet's first byte.
///
/// A type that is not in the tables, or a message too short for its type, is an error, and the next
/// message follows; an impossible size ends the iteration.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Messages<'a>(Walk<'a, WIDTH>);

impl<'a> Messages<'a> {
    /// The next message as it is: its type and all of its bytes.
    pub fn next_raw(&mut self) -> Option<Result<(u16, &'a [u8]), ParseError>> {
        let message = self.0.next(Layer::NyseXdp)?;
        Some(message.and_then(|message| Ok((kind_of(message)?, message))))
    }

    /// The next message with its type and length checked, without a jump on its type: the fast way, with
    /// [`Raw::values`].
    ///
    /// # Errors
    /// As for [`Message::parse`], and where the packet ends before the message does.
    #[inline]
    pub fn next_checked(&mut self) -> Option<Result<Raw<'a>, ParseError>> {
        let (at, window) = (self.offset(), self.0.rest());
        Some(match self.0.next(Layer::NyseXdp)? {
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

    /// The bytes that were not read yet. Empty after the last message of a correct packet.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.offset();
        let message = self.0.next(Layer::NyseXdp)?;
        Some(message.and_then(|bytes| Message::parse(bytes).map_err(|error| error.shifted(at))))
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

/// Makes a packet in a buffer of the caller.
#[derive(Debug)]
pub struct Builder<'b>(pitch_xdp::Builder<'b>);

#[cfg(feature = "defmt")]
impl defmt::Format for Builder<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Builder {{ count: {=u8} }}", self.count());
    }
}

impl<'b> Builder<'b> {
    /// Begins a packet whose first message has this sequence number. The time is in seconds since
    /// 1970 and nanoseconds.
    ///
    /// # Errors
    /// `buffer` is shorter than a header.
    pub fn new(
        buffer: &'b mut [u8],
        delivery: Delivery,
        sequence: u32,
        time: (u32, u32),
    ) -> Result<Self, EmitError> {
        let mut header = [0; HEADER];
        put::<2, 1, HEADER>(&mut header, [delivery.flag()]);
        put::<4, 4, HEADER>(&mut header, Le::put(sequence));
        put::<8, 4, HEADER>(&mut header, Le::put(time.0));
        put::<12, 4, HEADER>(&mut header, Le::put(time.1));
        pitch_xdp::Builder::new(Layer::NyseXdp, buffer, &header).map(Self)
    }

    /// Appends what `emit` writes and says to have written.
    ///
    /// # Errors
    /// What `emit` says, a lack of room counted from the packet's start; [`EmitError::TooLong`] if there are 255
    /// messages already, or more than 65,535 bytes with this one. The packet is then as it was.
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

    /// The packet's bytes.
    pub fn finish(self) -> &'b [u8] {
        self.0.finish(COUNT)
    }
}
