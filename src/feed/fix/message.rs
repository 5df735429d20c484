//! One message: its ends, its checksum.

use super::fields::{Field, Fields, bad_length, missing};
use super::scan::{SOH, can_end_fields, sum};
use super::section::{Group, Section};
use super::version::Version;
use crate::wire::error::{Layer, ParseError, Reason};

/// The bytes that every message begins with.
pub(super) const BEGIN: &[u8; 5] = b"8=FIX";
/// The tag of BeginString.
pub(super) const BEGIN_STRING: u32 = 8;
/// The tag of MsgType.
const MSG_TYPE: u32 = 35;
/// Bytes of the checksum field, including its separator.
const TRAILER: usize = 7;
/// The maximum length of a body in bytes: longer bodies are rejected.
pub const MAX_BODY_LENGTH: usize = 1 << 24;
/// The maximum number of digits of BodyLength, including leading zeros: a reader does not wait for endless zeros.
const MAX_DIGITS: usize = 20;
/// The maximum number of bytes of a message outside its body: BeginString, BodyLength and CheckSum.
pub const MAX_OVERHEAD: usize = "8=FIX.5.0SP2|9=|".len() + MAX_DIGITS + TRAILER;

/// A whole message. Its length and checksum are verified; its fields are not checked yet.
///
/// ```
/// use framepool::feed::fix::Message;
/// use framepool::wire::{Layer, Reason};
///
/// let bytes = b"8=FIX.4.2\x019=5\x0135=0\x0110=161\x01";
/// let (heartbeat, _) = Message::parse(bytes)?;
/// assert_eq!(heartbeat.msg_type(), b"0");
///
/// // An incomplete message is not a permanent error.
/// let error = Message::parse(&bytes[..20]).unwrap_err();
/// assert_eq!(error.layer, Layer::Fix);
/// assert_eq!(error.reason, Reason::Truncated { needed: 26, available: 20 });
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Message<'a, const SEPARATOR: u8 = SOH> {
    body: Section<'a, SEPARATOR>,
    version: Version,
    checksum: u8,
}

impl<'a> Message<'a> {
    /// Reads the message at the start of `bytes`. Returns the message and its length in bytes. A body has at most
    /// [`MAX_BODY_LENGTH`] bytes.
    ///
    /// # Errors
    /// - [`Reason::Truncated`]: the message is not complete. The error has the number of bytes that it needs in
    ///   total, as far as known. All other errors are permanent.
    /// - [`Reason::BadText`]: BeginString or CheckSum is invalid.
    /// - [`Reason::BadValue`]: BodyLength is invalid, or MsgType is empty.
    /// - [`Reason::Missing`]: BeginString, BodyLength, MsgType or CheckSum is missing. CheckSum must follow directly
    ///   after the bytes that BodyLength counts.
    /// - [`Reason::BadLength`]: BodyLength exceeds the maximum.
    /// - [`Reason::BadChecksum`].
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        Self::of(bytes)
    }
}

impl<'a, const SEPARATOR: u8> Message<'a, SEPARATOR> {
    /// Like [`parse`](Message::parse), for text in which another byte replaces SOH, in most logs `|`. BodyLength
    /// and CheckSum are those of the message as it was sent, with SOH.
    ///
    /// # Errors
    /// See [`parse`](Message::parse).
    ///
    /// ```
    /// use framepool::feed::fix::Message;
    ///
    /// let line = b"8=FIX.4.2|9=10|35=0|49=A|10=185|";
    /// let (heartbeat, len) = Message::<b'|'>::parse_separated(line)?;
    /// assert_eq!((heartbeat.msg_type(), len), (&b"0"[..], line.len()));
    /// assert_eq!(heartbeat.get(49).unwrap().value, b"A");
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    ///
    /// Letters, digits, the byte 0, `=`, `.` and `-` are not allowed and do not compile:
    /// ```compile_fail,E0080
    /// let _ = framepool::feed::fix::Message::<b'='>::parse_separated(b"");
    /// ```
    pub fn parse_separated(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        const { assert!(can_end_fields(SEPARATOR), "a byte that may end a field") };
        Self::of(bytes)
    }

    #[inline(always)]
    fn of(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        let frame = Frame::find(bytes, MAX_BODY_LENGTH)?;
        Ok((frame.verify()?, frame.bytes.len()))
    }

    /// The version in BeginString.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The value of BodyLength.
    pub const fn body_length(&self) -> usize {
        self.body.len()
    }

    /// The value of CheckSum, which was verified.
    pub const fn checksum(&self) -> u8 {
        self.checksum
    }

    /// All bytes of the message.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.body.message()
    }

    /// The value of MsgType: one character for most types.
    pub fn msg_type(&self) -> &'a [u8] {
        let body = self.body.as_bytes();
        let end = body.iter().position(|&byte| byte == SEPARATOR);
        body.get(3..end.unwrap_or(3)).unwrap_or_default()
    }

    /// Iterates over the fields of the body: all but BeginString, BodyLength and CheckSum. MsgType is the first.
    #[inline]
    pub fn fields(&self) -> Fields<'a, SEPARATOR> {
        self.body.fields()
    }

    /// The first field of the body with this tag. O(fields).
    pub fn get(&self, tag: u32) -> Option<Field<'a>> {
        self.body.get(tag)
    }

    /// A repeating group of the body: see [`Section::group`].
    ///
    /// # Errors
    /// See [`Section::group`].
    pub fn group<'m>(
        &self,
        count: u32,
        members: &'m [u32],
    ) -> Result<Option<Group<'a, 'm, SEPARATOR>>, ParseError> {
        self.body.group(count, members)
    }

    /// The whole body as a section.
    pub const fn body(&self) -> Section<'a, SEPARATOR> {
        self.body
    }
}

/// The bytes of a message, and the ends of its body.
pub(super) struct Frame<'a, const SEPARATOR: u8> {
    pub(super) bytes: &'a [u8],
    version: Version,
    start: usize,
    trailer: usize,
}

impl<'a, const SEPARATOR: u8> Frame<'a, SEPARATOR> {
    /// Finds the frame at the start of `bytes`.
    #[inline(always)]
    pub(super) fn find(bytes: &'a [u8], most: usize) -> Result<Self, ParseError> {
        let (version, at) = begin::<SEPARATOR>(bytes)?;
        let (length, start) = body_length::<SEPARATOR>(bytes, at, most)?;
        let trailer = start + length;
        let end = trailer + TRAILER;
        let Some(bytes) = bytes.get(..end) else {
            return Err(ParseError::truncated(Layer::Fix, 0, end, bytes.len()));
        };
        Ok(Self {
            bytes,
            version,
            start,
            trailer,
        })
    }

    /// The message, if its checksum and type are right.
    #[inline(always)]
    pub(super) fn verify(&self) -> Result<Message<'a, SEPARATOR>, ParseError> {
        let found = self.trailer()?;
        let computed = sum::<SEPARATOR>(self.bytes.get(..self.trailer).unwrap_or_default());
        if found != computed {
            let (found, computed) = (found.into(), computed.into());
            return Err(ParseError::bad_checksum(
                Layer::Fix,
                self.trailer,
                found,
                computed,
            ));
        }
        if !self.has_type() {
            return Err(self.without_type());
        }
        Ok(Message {
            body: Section::new(self.bytes, self.start, self.trailer),
            version: self.version,
            checksum: found,
        })
    }

    /// Whether the body begins with a MsgType that is not empty.
    #[inline(always)]
    fn has_type(&self) -> bool {
        let body = self.bytes.get(self.start..);
        let head = body.and_then(<[u8]>::first_chunk::<4>);
        head.is_some_and(|head| {
            // One comparison: compared with an empty MsgType, the first three bytes are equal and the fourth, which
            // the rotation makes the lowest, is not.
            let empty = u32::from_le_bytes([b'3', b'5', b'=', SEPARATOR]);
            let other = (u32::from_le_bytes(*head) ^ empty).rotate_left(8);
            (1..=0xFF).contains(&other)
        })
    }

    #[cold]
    fn without_type(&self) -> ParseError {
        let body = self.bytes.get(self.start..).unwrap_or_default();
        match body.strip_prefix(b"35=") {
            Some(_) => bad(SEPARATOR.into(), self.start + 3),
            None => missing(MSG_TYPE, self.start),
        }
    }

    /// The value of the checksum field. If no separator is before the field, BodyLength is wrong.
    #[inline(always)]
    pub(super) fn trailer(&self) -> Result<u8, ParseError> {
        let before = self.trailer - 1;
        let trailer = self.bytes.get(before..).and_then(<[u8]>::first_chunk);
        // One comparison of eight bytes, without the three digits.
        let around = u64::from_le_bytes(*b"\xFF\xFF\xFF\xFF\0\0\0\xFF");
        let expected = u64::from_le_bytes([SEPARATOR, b'1', b'0', b'=', 0, 0, 0, SEPARATOR]);
        let is_trailer = |&eight: &&[u8; 8]| u64::from_le_bytes(*eight) & around == expected;
        let Some(&[_, _, _, _, a, b, c, _]) = trailer.filter(is_trailer) else {
            return Err(missing(10, self.trailer));
        };
        match (
            a.wrapping_sub(b'0'),
            b.wrapping_sub(b'0'),
            c.wrapping_sub(b'0'),
        ) {
            (a @ 0..=2, b @ 0..=9, c @ 0..=9) => {
                let sum = u16::from(a) * 100 + u16::from(b) * 10 + u16::from(c);
                sum.try_into()
                    .map_err(|_| bad_text(&[a + b'0', b + b'0', c + b'0'], self.trailer + 3))
            }
            _ => Err(bad_text(&[a, b, c], self.trailer + 3)),
        }
    }
}

#[cold]
fn bad(found: u32, at: usize) -> ParseError {
    ParseError::new(Layer::Fix, Reason::BadValue { found }, at)
}

/// The error for invalid characters at `at`.
#[cold]
fn bad_text(text: &[u8], at: usize) -> ParseError {
    let mut found = [0; 12];
    for (place, byte) in found.iter_mut().zip(text) {
        *place = *byte;
    }
    ParseError::new(Layer::Fix, Reason::BadText { found }, at)
}

/// The version, and the offset of the field after it.
#[inline(always)]
fn begin<const SEPARATOR: u8>(bytes: &[u8]) -> Result<(Version, usize), ParseError> {
    if let Some((head, &[minor @ b'0'..=b'4', end, ..])) = bytes.split_first_chunk::<8>() {
        // One comparison of eight bytes.
        if end == SEPARATOR && u64::from_le_bytes(*head) == u64::from_le_bytes(*b"8=FIX.4.") {
            let version = match minor {
                b'0' => Version::Fix40,
                b'1' => Version::Fix41,
                b'2' => Version::Fix42,
                b'3' => Version::Fix43,
                _ => Version::Fix44,
            };
            return Ok((version, 10));
        }
    }
    begin_of_any::<SEPARATOR>(bytes)
}

#[cold]
fn begin_of_any<const SEPARATOR: u8>(bytes: &[u8]) -> Result<(Version, usize), ParseError> {
    let common = bytes.iter().zip(BEGIN).take_while(|(a, b)| a == b).count();
    if common < BEGIN.len().min(bytes.len()) {
        return Err(missing(BEGIN_STRING, 0));
    }
    // The longest version is FIX.5.0SP2.
    let head = bytes.get(..13).unwrap_or(bytes);
    match head.iter().position(|&byte| byte == SEPARATOR) {
        None if bytes.len() < 13 => Err(ParseError::truncated(
            Layer::Fix,
            0,
            bytes.len() + 1 + TRAILER,
            bytes.len(),
        )),
        None => Err(bad_text(head.get(2..).unwrap_or_default(), 2)),
        Some(end) => {
            let value = head.get(2..end).unwrap_or_default();
            let version = Version::from_bytes(value).ok_or_else(|| bad_text(value, 2))?;
            Ok((version, end + 1))
        }
    }
}

/// The value of BodyLength, whose field starts at `at`, and the offset of the body.
#[inline(always)]
fn body_length<const SEPARATOR: u8>(
    bytes: &[u8],
    at: usize,
    most: usize,
) -> Result<(usize, usize), ParseError> {
    let short = || ParseError::truncated(Layer::Fix, 0, bytes.len() + 1 + TRAILER, bytes.len());
    let field = bytes.get(at..).unwrap_or_default();
    let digits = match field {
        [b'9', b'=', digits @ ..] => digits,
        [] | [b'9'] => return Err(short()),
        _ => return Err(missing(9, at)),
    };
    let mut length = 0;
    for (i, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && i < MAX_DIGITS && length <= most {
            length = length * 10 + usize::from(digit);
        } else if byte == SEPARATOR && length > 0 && length <= most {
            return Ok((length, at + 3 + i));
        } else if length > most && (digit <= 9 || byte == SEPARATOR) {
            break;
        } else {
            return Err(bad(byte.into(), at + 2 + i));
        }
    }
    if length > most {
        return Err(too_long(digits, at + 2, most));
    }
    Err(short())
}

/// The error for a BodyLength that exceeds the limit, with all digits that have arrived.
#[cold]
fn too_long(digits: &[u8], at: usize, most: usize) -> ParseError {
    let digits = digits.iter().take(MAX_DIGITS);
    let stated = digits
        .take_while(|digit| digit.is_ascii_digit())
        .fold(0_u64, |n, digit| {
            n.saturating_mul(10).saturating_add((digit - b'0').into())
        });
    bad_length(at, stated, 1, most)
}
