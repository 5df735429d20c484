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
//! A count of 0 is a heartbeat, of 0xFFFF the end of the session; the sequence number of both is the
//! next message's. All integers are in network order.
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
//! // What was missed is asked for again.
//! let request = Request { session: *b"000010059B", sequence: 98, count: 2 };
//! assert_eq!(Request::parse(&request.to_bytes())?, request);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use super::bytes::{Be, at, put};
use super::emit::{EmitError, Writer};
use super::length_prefixed::Blocks;
use crate::wire::error::{Layer, ParseError};

/// Bytes of the header of both packets.
pub const HEADER: usize = 20;
/// The count that ends a session.
pub const END_OF_SESSION: u16 = 0xFFFF;

/// What a downstream packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Kind {
    /// It says which sequence number comes next, and that the line is up.
    Heartbeat,
    /// It carries this number of messages.
    Messages(u16),
    /// The session is over: nothing follows but more of these.
    EndOfSession,
}

/// A downstream packet: its header checked, its messages not yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    header: &'a [u8; HEADER],
    blocks: &'a [u8],
}

describe!(Packet<'_> as Packet { session, sequence, count });

impl<'a> Packet<'a> {
    /// The packet that the payload of a UDP datagram is.
    ///
    /// # Errors
    /// Fewer bytes than a header has.
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

    /// The session, for which sequence numbers count.
    pub fn session(&self) -> [u8; 10] {
        at::<0, 10, HEADER>(self.header)
    }

    /// The sequence number of the first message, or of the next one if there is none here.
    pub fn sequence(&self) -> u64 {
        Be::get(at::<10, 8, HEADER>(self.header))
    }

    /// The count as it stands in the header.
    pub fn count(&self) -> u16 {
        Be::get(at::<18, 2, HEADER>(self.header))
    }

    /// What the packet is for.
    pub fn kind(&self) -> Kind {
        match self.count() {
            0 => Kind::Heartbeat,
            END_OF_SESSION => Kind::EndOfSession,
            count => Kind::Messages(count),
        }
    }

    /// Messages that the header promises: none in a heartbeat or at the end of the session.
    pub fn message_count(&self) -> u16 {
        match self.count() {
            END_OF_SESSION => 0,
            count => count,
        }
    }

    /// The messages, one by one.
    pub fn messages(&self) -> Messages<'a> {
        Messages(self.blocks())
    }

    pub(super) fn blocks(&self) -> Blocks<'a> {
        let count = self.message_count().into();
        Blocks::new(Layer::MoldUdp64, self.blocks, HEADER, count)
    }
}

/// The messages of a packet. Offsets in errors count from the packet's first byte.
///
/// A block that is longer than the remaining bytes is an error, and the last item: the start of the
/// next one is unknown.
#[derive(Clone)]
pub struct Messages<'a>(Blocks<'a>);

describe!(Messages<'_> as Messages { offset, rest });

impl<'a> Messages<'a> {
    /// Where in the packet the next message's length is.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// The bytes that were not read yet. Empty after the last message of a correct packet.
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

/// A request for messages that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Request {
    /// The session.
    pub session: [u8; 10],
    /// The first message.
    pub sequence: u64,
    /// The number of messages. A server sends at most one packet.
    pub count: u16,
}

impl Request {
    /// The request that the payload of a UDP datagram is.
    ///
    /// # Errors
    /// Fewer bytes than a request has, or more.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let len = bytes.len();
        match <&[u8; HEADER]>::try_from(bytes) {
            Ok(bytes) => Ok(Self {
                session: at::<0, 10, HEADER>(bytes),
                sequence: Be::get(at::<10, 8, HEADER>(bytes)),
                count: Be::get(at::<18, 2, HEADER>(bytes)),
            }),
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

    /// The request's bytes.
    pub fn to_bytes(&self) -> [u8; HEADER] {
        header(self.session, self.sequence, self.count)
    }
}

fn header(session: [u8; 10], sequence: u64, count: u16) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    put::<0, 10, HEADER>(&mut bytes, session);
    put::<10, 8, HEADER>(&mut bytes, sequence.put());
    put::<18, 2, HEADER>(&mut bytes, count.put());
    bytes
}

/// The bytes of a heartbeat: `sequence` is the next message's.
pub fn heartbeat(session: [u8; 10], sequence: u64) -> [u8; HEADER] {
    header(session, sequence, 0)
}

/// The bytes of the packet that ends a session: `sequence` is one more than the last message's.
pub fn end_of_session(session: [u8; 10], sequence: u64) -> [u8; HEADER] {
    header(session, sequence, END_OF_SESSION)
}

/// Makes a downstream packet in a buffer of the caller. Without a message it is a heartbeat.
pub struct Builder<'b> {
    writer: Writer<'b>,
    count: u16,
}

describe!(Builder<'_> as Builder { count });

impl<'b> Builder<'b> {
    /// Begins a packet whose first message has this sequence number.
    ///
    /// # Errors
    /// `buffer` is shorter than a header.
    pub fn new(buffer: &'b mut [u8], session: [u8; 10], sequence: u64) -> Result<Self, EmitError> {
        let mut writer = Writer::new(Layer::MoldUdp64, buffer);
        writer.put(&header(session, sequence, 0))?;
        Ok(Self { writer, count: 0 })
    }

    /// Appends a message.
    ///
    /// # Errors
    /// The buffer is too short, the message longer than 65,535 bytes, or there are 65,534 messages
    /// already. The packet is then as it was.
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

    /// Messages so far.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// The packet's bytes.
    pub fn finish(mut self) -> &'b [u8] {
        self.writer.patch(18, &self.count.to_be_bytes());
        self.writer.finish()
    }
}
