//! SoupBinTCP 3.00, 4.00 and 4.10: a sequenced stream over TCP, with a login.
//!
//! ```text
//!  ┌─────┬──────┬──────────────────┐   len counts the type and what follows it, in network order;
//!  │ len │ type │ len - 1 bytes    │   sequence numbers are decimal text, padded on the left
//!  └─────┴──────┴──────────────────┘
//!     2      1
//! ```
//!
//! | type | packet | sent by |
//! |---|---|---|
//! | `+` | [`Packet::Debug`] | both |
//! | `A`, `J` | [`Packet::LoginAccepted`], [`Packet::LoginRejected`] | server |
//! | `S`, `H`, `Z` | [`Packet::Sequenced`], [`Packet::ServerHeartbeat`], [`Packet::EndOfSession`] | server |
//! | `L`, `U`, `R`, `O` | [`Packet::LoginRequest`], [`Packet::Unsequenced`], [`Packet::ClientHeartbeat`], [`Packet::LogoutRequest`] | client |
//! | `U` | [`Packet::Unsequenced`] | server, from 4.00 |
//!
//! TCP knows no packets: [`Packets`] goes over what has arrived so far and says what it left over;
//! [`StreamBuffer`](super::StreamBuffer) keeps that for the next read.
//!
//! ```
//! use framepool::feed::soupbintcp::{Packet, Packets};
//!
//! let mut bytes = [0; 64];
//! let n = Packet::Sequenced(b"D...").emit(&mut bytes)?;
//! let m = Packet::ServerHeartbeat.emit(&mut bytes[n..])?;
//!
//! // One byte of the heartbeat has not arrived yet.
//! let mut packets = Packets::new(&bytes[..n + m - 1]);
//! assert_eq!(packets.next(), Some(Ok(Packet::Sequenced(b"D..."))));
//! assert_eq!(packets.next(), None);
//! assert_eq!((packets.consumed(), packets.needed()), (n, 1));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use super::bytes::at;
use super::emit::{EmitError, Writer};
use super::text::{Alpha, decimal, trim_end, trim_start};
use crate::wire::error::{Layer, ParseError, Reason};

/// Bytes before those that a length counts.
const PREFIX: usize = 2;
/// The maximum of a length field.
const MAX_LENGTH: usize = u16::MAX as usize;
/// Bytes of a login request after its type.
const LOGIN_REQUEST: usize = 46;
/// Bytes of an accepted login after its type.
const LOGIN_ACCEPTED: usize = 30;

/// A sequence number as text of 20 bytes.
type Number = [u8; 20];

/// What a client asks for when it logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Login {
    /// The user's name, padded on the right.
    pub username: Alpha<6>,
    /// The password, padded on the right.
    pub password: Alpha<10>,
    /// The session, padded on the left; blank for the current one.
    pub session: Alpha<10>,
    /// The first message that is wanted; 0 for the next one.
    pub sequence: u64,
}

/// A packet of any type, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Packet<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// The login is accepted.
    LoginAccepted {
        /// The session, padded on the left.
        session: Alpha<10>,
        /// The sequence number of the next sequenced message.
        sequence: u64,
    },
    /// The login is refused, and the connection closed.
    LoginRejected {
        /// `A` for not authorized, `S` for a session that is not available.
        reason: u8,
    },
    /// The next message of the session. Its number is counted, not sent.
    Sequenced(&'a [u8]),
    /// A message outside of the sequence, which may be lost.
    Unsequenced(&'a [u8]),
    /// The server is up.
    ServerHeartbeat,
    /// The session is over.
    EndOfSession,
    /// A client logs in.
    LoginRequest(Login),
    /// The client is up.
    ClientHeartbeat,
    /// The client wants the connection closed.
    LogoutRequest,
}

impl<'a> Packet<'a> {
    /// The packet that `bytes` begin with, and how many of them it is.
    ///
    /// # Errors
    /// [`Reason::Truncated`] says that more bytes are needed for a whole packet, and how many in all.
    /// Everything else is wrong for good: [`Reason::BadLength`] where the length is not that of the type,
    /// [`Reason::UnknownType`], [`Reason::BadValue`] with the first byte of a sequence number that should not
    /// be there, a blank where it is nothing else, [`Reason::TooLarge`] where it does not fit into 64 bits. The
    /// packet's bytes can be skipped unless its length is 0.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        let body = body(bytes)?;
        Ok((Self::of(body)?, PREFIX + body.len()))
    }

    /// The packet by what its length counts: its type and the rest. Errors count from the packet's start.
    fn of(body: &'a [u8]) -> Result<Self, ParseError> {
        let Some((&kind, data)) = body.split_first() else {
            return Err(bad_length(0, 1, MAX_LENGTH));
        };
        match kind {
            b'+' => Ok(Self::Debug(data)),
            b'A' => login_accepted(data),
            b'J' => sized::<1>(data).map(|&[reason]| Self::LoginRejected { reason }),
            b'S' => Ok(Self::Sequenced(data)),
            b'U' => Ok(Self::Unsequenced(data)),
            b'L' => login_request(data).map(Self::LoginRequest),
            b'H' => sized::<0>(data).map(|_| Self::ServerHeartbeat),
            b'Z' => sized::<0>(data).map(|_| Self::EndOfSession),
            b'R' => sized::<0>(data).map(|_| Self::ClientHeartbeat),
            b'O' => sized::<0>(data).map(|_| Self::LogoutRequest),
            kind => {
                let found = u32::from(kind);
                let reason = Reason::UnknownType { found };
                Err(ParseError::new(Layer::SoupBinTcp, reason, PREFIX))
            }
        }
    }

    /// The type.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Debug(_) => b'+',
            Self::LoginAccepted { .. } => b'A',
            Self::LoginRejected { .. } => b'J',
            Self::Sequenced(_) => b'S',
            Self::Unsequenced(_) => b'U',
            Self::ServerHeartbeat => b'H',
            Self::EndOfSession => b'Z',
            Self::LoginRequest(_) => b'L',
            Self::ClientHeartbeat => b'R',
            Self::LogoutRequest => b'O',
        }
    }

    /// Writes the packet to the start of `out` and says how long it is.
    ///
    /// # Errors
    /// `out` is too short (its contents are then unspecified), or the data is longer than 65,534
    /// bytes.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let mut writer = Writer::new(Layer::SoupBinTcp, out);
        writer.put(&[0, 0, self.kind()])?;
        match self {
            Self::Debug(data) | Self::Sequenced(data) | Self::Unsequenced(data) => {
                writer.put(data)?;
            }
            Self::LoginAccepted { session, sequence } => {
                writer.put(&session.0)?;
                writer.put(&number(*sequence))?;
            }
            Self::LoginRejected { reason } => writer.put(&[*reason])?,
            Self::LoginRequest(login) => {
                writer.put(&login.username.0)?;
                writer.put(&login.password.0)?;
                writer.put(&login.session.0)?;
                writer.put(&number(login.sequence))?;
            }
            _ => {}
        }
        let len = writer.len() - PREFIX;
        let Ok(stated) = u16::try_from(len) else {
            return Err(EmitError::TooLong {
                layer: Layer::SoupBinTcp,
                len,
                most: MAX_LENGTH,
            });
        };
        writer.patch(0, &stated.to_be_bytes());
        Ok(writer.len())
    }
}

/// An impossible length: zero, or not the length of the type after it. All bytes have arrived.
fn bad_length(stated: usize, least: usize, most: usize) -> ParseError {
    ParseError::bad_length(Layer::SoupBinTcp, 0, stated, least, most)
}

/// What the length at the start of `bytes` counts.
fn body(bytes: &[u8]) -> Result<&[u8], ParseError> {
    let short = |needed| ParseError::truncated(Layer::SoupBinTcp, 0, needed, bytes.len());
    let (len, rest) = bytes.split_first_chunk::<2>().ok_or(short(PREFIX + 1))?;
    let len = usize::from(u16::from_be_bytes(*len));
    if len == 0 {
        return Err(bad_length(0, 1, MAX_LENGTH));
    }
    rest.get(..len).ok_or(short(PREFIX + len))
}

/// The data of a packet whose size is fixed.
fn sized<const N: usize>(data: &[u8]) -> Result<&[u8; N], ParseError> {
    let refuse = |_| bad_length(1 + data.len(), 1 + N, 1 + N);
    data.try_into().map_err(refuse)
}

fn login_accepted(data: &[u8]) -> Result<Packet<'_>, ParseError> {
    let data = sized::<LOGIN_ACCEPTED>(data)?;
    Ok(Packet::LoginAccepted {
        session: Alpha(at::<0, 10, LOGIN_ACCEPTED>(data)),
        sequence: sequence(&at::<10, 20, LOGIN_ACCEPTED>(data), 13)?,
    })
}

fn login_request(data: &[u8]) -> Result<Login, ParseError> {
    let data = sized::<LOGIN_REQUEST>(data)?;
    Ok(Login {
        username: Alpha(at::<0, 6, LOGIN_REQUEST>(data)),
        password: Alpha(at::<6, 10, LOGIN_REQUEST>(data)),
        session: Alpha(at::<16, 10, LOGIN_REQUEST>(data)),
        sequence: sequence(&at::<26, 20, LOGIN_REQUEST>(data), 29)?,
    })
}

/// A sequence number: digits with blanks around them.
fn sequence(text: &Number, offset: usize) -> Result<u64, ParseError> {
    let digits = trim_start(trim_end(text));
    decimal(digits).ok_or_else(|| {
        let wrong = digits.iter().find(|b| !b.is_ascii_digit());
        let reason = match (wrong, digits.len()) {
            (Some(&byte), _) => Reason::BadValue { found: byte.into() },
            // Nothing but padding.
            (None, 0) => Reason::BadValue {
                found: text[0].into(),
            },
            (None, digits) => Reason::TooLarge {
                digits: digits as u32,
            },
        };
        ParseError::new(Layer::SoupBinTcp, reason, offset)
    })
}

/// A sequence number as text, blanks on its left.
fn number(mut n: u64) -> Number {
    let mut text = [b' '; 20];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    text
}

/// The whole packets at the start of what has arrived of a stream, in either direction.
///
/// Ends before a packet that is not complete. An invalid packet is an error, and the next one follows. A
/// length of 0 makes the rest unreadable: its error is the last item.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packets<'a> {
    bytes: &'a [u8],
    consumed: usize,
    lost: bool,
}

impl<'a> Packets<'a> {
    /// Goes over the packets of `bytes`, which begin where a packet does.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            consumed: 0,
            lost: false,
        }
    }

    /// Bytes of the packets so far: where the next one begins.
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// Bytes that the next packet still needs, as far as can be known; 0 if it is there already, or
    /// if nothing helps because the stream is lost.
    pub fn needed(&self) -> usize {
        match body(self.rest()) {
            Err(ParseError {
                reason: Reason::Truncated { needed, available },
                ..
            }) => needed.saturating_sub(available) as usize,
            _ => 0,
        }
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.lost {
            return None;
        }
        let at = self.consumed;
        match body(self.rest()) {
            Ok(body) => {
                self.consumed += PREFIX + body.len();
                Some(Packet::of(body).map_err(|error| error.shifted(at)))
            }
            Err(ParseError {
                reason: Reason::Truncated { .. },
                ..
            }) => None,
            Err(error) => {
                self.lost = true;
                Some(Err(error.shifted(at)))
            }
        }
    }
}

impl core::iter::FusedIterator for Packets<'_> {}
