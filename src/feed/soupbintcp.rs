//! SoupBinTCP 3.00, 4.00 and 4.10: a sequenced stream over TCP, with a login.
//!
//! ```text
//!  ┌─────┬──────┬──────────────────┐   len, in network order, counts the bytes after it, type included;
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
//! TCP is a stream, so a read may end within a packet. [`Packets`] reads the whole packets that have arrived and
//! returns the number of bytes it used; [`StreamBuffer`](super::StreamBuffer) keeps the others for the next read.
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
use super::text::{Alpha, decimal, digits, trim_end, trim_start};
use crate::wire::error::{Layer, ParseError, Reason};

/// Bytes of a packet's length field.
const PREFIX: usize = 2;
/// The maximum of a length field.
const MAX_LENGTH: usize = u16::MAX as usize;
/// Bytes of a login request after the type.
const LOGIN_REQUEST: usize = 46;
/// Bytes of an accepted login after the type.
const LOGIN_ACCEPTED: usize = 30;

/// A sequence number as text.
type Number = [u8; 20];

/// The fields of a login request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Login {
    /// The user's name, padded on the right.
    pub username: Alpha<6>,
    /// The password, padded on the right.
    pub password: Alpha<10>,
    /// The session, padded on the left. Blank: the current session.
    pub session: Alpha<10>,
    /// The sequence number of the first wanted message. 0: the next message.
    pub sequence: u64,
}

/// A packet of any type, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Packet<'a> {
    /// Text for humans.
    Debug(&'a [u8]),
    /// The login is accepted.
    LoginAccepted {
        /// The session, padded on the left.
        session: Alpha<10>,
        /// The sequence number of the next sequenced message.
        sequence: u64,
    },
    /// The login is rejected. The server closes the connection.
    LoginRejected {
        /// `A`: not authorized, `S`: the session is not available.
        reason: u8,
    },
    /// The next message of the session. The receiver counts the sequence numbers; they are not sent.
    Sequenced(&'a [u8]),
    /// A message without a sequence number. It may be lost.
    Unsequenced(&'a [u8]),
    /// Shows that the server is up.
    ServerHeartbeat,
    /// The session has ended.
    EndOfSession,
    /// The client logs in.
    LoginRequest(Login),
    /// Shows that the client is up.
    ClientHeartbeat,
    /// The client asks the server to close the connection.
    LogoutRequest,
}

impl<'a> Packet<'a> {
    /// Reads the packet at the start of `bytes`. Returns the packet and its length in bytes.
    ///
    /// # Errors
    /// - [`Reason::Truncated`]: the packet is not complete. The error has the number of bytes that it needs in
    ///   total. All other errors are permanent.
    /// - [`Reason::BadLength`]: the length is 0, or wrong for the type. After a length of 0 the start of the next
    ///   packet is unknown.
    /// - [`Reason::UnknownType`].
    /// - [`Reason::BadValue`]: a sequence number is blank, or has a byte that is not a digit. The error has the
    ///   first such byte.
    /// - [`Reason::TooLarge`]: a sequence number has more than 64 bits.
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        let body = body(bytes)?;
        Ok((Self::of(body)?, PREFIX + body.len()))
    }

    /// Reads the bytes after the length. Offsets in errors count from the packet's first byte.
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

    /// The packet's type on the wire.
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

    /// Writes the packet to the start of `out` and returns its length.
    ///
    /// # Errors
    /// `out` is too short, or the data is longer than 65,534 bytes. The contents of `out` are then unspecified.
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

/// The error for a length that is 0 or wrong for the type.
fn bad_length(stated: usize, least: usize, most: usize) -> ParseError {
    ParseError::bad_length(Layer::SoupBinTcp, 0, stated, least, most)
}

/// The bytes that the length at the start of `bytes` counts.
fn body(bytes: &[u8]) -> Result<&[u8], ParseError> {
    let short = |needed| ParseError::truncated(Layer::SoupBinTcp, 0, needed, bytes.len());
    let (len, rest) = bytes.split_first_chunk::<2>().ok_or(short(PREFIX + 1))?;
    let len = usize::from(u16::from_be_bytes(*len));
    if len == 0 {
        return Err(bad_length(0, 1, MAX_LENGTH));
    }
    rest.get(..len).ok_or(short(PREFIX + len))
}

/// The data of a packet of fixed length.
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
            // Only padding.
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

/// A sequence number as text, padded on the left.
fn number(n: u64) -> Number {
    let mut text = [b' '; 20];
    digits(&mut text, n);
    text
}

/// Iterates over the packets of a stream, in either direction, as far as it has arrived.
///
/// The iteration ends before a packet that is not complete. An invalid packet is an error, and the next packet
/// follows. A length of 0 is an error that ends the iteration.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Packets<'a> {
    bytes: &'a [u8],
    consumed: usize,
    lost: bool,
}

impl<'a> Packets<'a> {
    /// Iterates over the packets of `bytes`, which start with a packet.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            consumed: 0,
            lost: false,
        }
    }

    /// Returns the number of bytes of the packets so far: the offset of the next packet.
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// Returns the number of bytes that the next packet still needs, as far as known. 0: it is complete, or a
    /// length of 0 has ended the iteration.
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
