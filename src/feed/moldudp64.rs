//! MoldUDP64 1.00: sequenced messages over UDP multicast.
//!
//! ```text
//!  downstream packet                                   request packet
//!  ┌─────────┬──────────┬───────┬─────┬─────────┬──    ┌─────────┬──────────┬───────┐
//!  │ session │ sequence │ count │ len │ message │ …    │ session │ sequence │ count │
//!  └─────────┴──────────┴───────┴─────┴─────────┴──    └─────────┴──────────┴───────┘
//!      10         8         2      2      len              10         8         2
//! ```
//!
//! A count of 0 is a heartbeat; a count of 0xFFFF is the end of the session. Both carry the sequence number of
//! the next message. All integers are in network order.
//!
//! ```
//! use framepool::feed::moldudp64::{Builder, Kind, Packet, Request};
//!
//! let mut buffer = [0; 64];
//! let mut packet = Builder::new(&mut buffer, *b"000010059B", 100)?;
//! packet.push(b"hello")?;
//! packet.push(b"")?;
//! let bytes = packet.finish();
//!
//! let packet = Packet::parse(bytes)?;
//! assert_eq!((packet.sequence(), packet.kind()), (100, Kind::Messages(2)));
//! let messages: Result<Vec<_>, _> = packet.messages().collect();
//! assert_eq!(messages?, [&b"hello"[..], b""]);
//!
//! // Missed messages are requested again.
//! let request = Request { session: *b"000010059B", sequence: 98, count: 2 };
//! assert_eq!(Request::parse(&request.to_bytes())?, request);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use super::bytes::{Be, at, put};
use super::emit::{EmitError, Writer};
use super::length_prefixed::Blocks;
use crate::wire::error::{Layer, ParseError};

/// The length in bytes of the header of a packet, and of a request.
pub const HEADER: usize = 20;
/// The offset of the count.
const COUNT: usize = 18;
/// The count that ends a session.
pub const END_OF_SESSION: u16 = 0xFFFF;

/// The kinds of downstream packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// It shows that the line is up, and which sequence number is next.
    Heartbeat,
    /// It has this number of messages.
    Messages(u16),
    /// The session has ended: only further packets of this kind follow.
    EndOfSession,
}

/// A downstream packet. Its header is checked; its messages are not checked yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    header: &'a [u8; HEADER],
    blocks: &'a [u8],
}

describe!(Packet<'_> as Packet { session, sequence, count });

impl<'a> Packet<'a> {
    /// Reads a packet: the payload of a UDP datagram.
    ///
    /// # Errors
    /// There are fewer bytes than a header has.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        match bytes.split_first_chunk() {
            Some((header, blocks)) => Ok(Self { header, blocks }),
            None => Err(ParseError::truncated(
                Layer::MoldUdp64,
                0,
                HEADER,
                bytes.len(),
            )),
        }
    }

    /// The session. Each session has its own sequence numbers.
    pub fn session(&self) -> [u8; 10] {
        self.fields().session
    }

    /// The sequence number of the first message; if the packet has none, of the next message to come.
    pub fn sequence(&self) -> u64 {
        self.fields().sequence
    }

    /// The count in the header.
    pub fn count(&self) -> u16 {
        self.fields().count
    }

    /// The kind of the packet.
    pub fn kind(&self) -> Kind {
        match self.count() {
            0 => Kind::Heartbeat,
            END_OF_SESSION => Kind::EndOfSession,
            count => Kind::Messages(count),
        }
    }

    /// The number of messages that the header states: none in a heartbeat or at the end of the session.
    pub fn message_count(&self) -> u16 {
        match self.count() {
            END_OF_SESSION => 0,
            count => count,
        }
    }

    /// Iterates over the messages.
    pub fn messages(&self) -> Messages<'a> {
        Messages(self.blocks())
    }

    /// The header has the same fields as a request.
    #[inline(always)]
    fn fields(&self) -> Request {
        Request::of(self.header)
    }

    pub(super) fn blocks(&self) -> Blocks<'a> {
        let count = self.message_count().into();
        Blocks::new(Layer::MoldUdp64, self.blocks, HEADER, count)
    }
}

/// Iterates over the messages of a packet. Offsets in errors count from the packet's first byte.
///
/// A message that is longer than the remaining bytes is an error that ends the iteration: the start of the next
/// message is unknown.
#[derive(Clone)]
pub struct Messages<'a>(Blocks<'a>);

describe!(Messages<'_> as Messages { offset, rest });

impl<'a> Messages<'a> {
    /// The offset of the next message's length in the packet.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// The bytes that were not read yet. There are none after the last message of a correct packet.
    pub const fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<&'a [u8], ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.0.left()).ok();
        (usize::from(left != Some(0)), left)
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

/// A request for missed messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Request {
    /// The session.
    pub session: [u8; 10],
    /// The sequence number of the first message.
    pub sequence: u64,
    /// The number of messages. A server sends at most one packet.
    pub count: u16,
}

impl Request {
    /// Reads a request: the payload of a UDP datagram.
    ///
    /// # Errors
    /// The number of bytes is not that of a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let len = bytes.len();
        match <&[u8; HEADER]>::try_from(bytes) {
            Ok(bytes) => Ok(Self::of(bytes)),
            Err(_) if len < HEADER => Err(ParseError::truncated(Layer::MoldUdp64, 0, HEADER, len)),
            Err(_) => Err(ParseError::bad_length(
                Layer::MoldUdp64,
                0,
                len,
                HEADER,
                HEADER,
            )),
        }
    }

    #[inline(always)]
    fn of(bytes: &[u8; HEADER]) -> Self {
        Self {
            session: at::<0, 10, HEADER>(bytes),
            sequence: Be::get(at::<10, 8, HEADER>(bytes)),
            count: Be::get(at::<COUNT, 2, HEADER>(bytes)),
        }
    }

    /// The bytes of the request.
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        put::<0, 10, HEADER>(&mut bytes, self.session);
        put::<10, 8, HEADER>(&mut bytes, self.sequence.put());
        put::<COUNT, 2, HEADER>(&mut bytes, self.count.put());
        bytes
    }
}

fn header(session: [u8; 10], sequence: u64, count: u16) -> [u8; HEADER] {
    Request {
        session,
        sequence,
        count,
    }
    .to_bytes()
}

/// Returns the bytes of a heartbeat. `sequence` is that of the next message.
pub fn heartbeat(session: [u8; 10], sequence: u64) -> [u8; HEADER] {
    header(session, sequence, 0)
}

/// Returns the bytes of the packet that ends a session. `sequence` is one more than that of the last message.
pub fn end_of_session(session: [u8; 10], sequence: u64) -> [u8; HEADER] {
    header(session, sequence, END_OF_SESSION)
}

/// Writes a downstream packet into a buffer of the caller. A packet without messages is a heartbeat.
pub struct Builder<'b> {
    writer: Writer<'b>,
    count: u16,
}

describe!(Builder<'_> as Builder { count });

impl<'b> Builder<'b> {
    /// Starts a packet whose first message has this sequence number.
    ///
    /// # Errors
    /// `buffer` is shorter than the header.
    pub fn new(buffer: &'b mut [u8], session: [u8; 10], sequence: u64) -> Result<Self, EmitError> {
        let mut writer = Writer::new(Layer::MoldUdp64, buffer);
        writer.put(&header(session, sequence, 0))?;
        Ok(Self { writer, count: 0 })
    }

    /// Appends a message.
    ///
    /// # Errors
    /// The buffer is too short, the message is longer than 65,535 bytes, or the packet already has 65,534
    /// messages. The packet is then unchanged.
    pub fn push(&mut self, message: &[u8]) -> Result<(), EmitError> {
        let too_long = |len, most| EmitError::TooLong {
            layer: Layer::MoldUdp64,
            len,
            most,
        };
        let most = usize::from(END_OF_SESSION) - 1;
        if usize::from(self.count) == most {
            return Err(too_long(most + 1, most));
        }
        let Ok(len) = u16::try_from(message.len()) else {
            return Err(too_long(message.len(), u16::MAX.into()));
        };
        let before = self.writer.len();
        self.writer.put(&len.to_be_bytes())?;
        if let Err(error) = self.writer.put(message) {
            self.writer.truncate(before);
            return Err(error);
        }
        self.count += 1;
        Ok(())
    }

    /// The number of messages so far.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Finishes the packet and returns its bytes.
    pub fn finish(mut self) -> &'b [u8] {
        self.writer.patch(COUNT, &self.count.to_be_bytes());
        self.writer.finish()
    }
}
