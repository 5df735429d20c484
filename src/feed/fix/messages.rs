//! The messages of a stream.

use super::message::{BEGIN, BEGIN_STRING, Frame, MAX_BODY_LENGTH, Message};
use super::scan::{SOH, can_end_fields};
use crate::wire::error::{Layer, ParseError, Reason};

/// Iterates over the messages of a stream, as far as it has arrived.
///
/// The iteration ends before a message that is not complete. After a wrong checksum or a missing MsgType, the next
/// message follows directly. After any other error, the next message starts at the next `8=FIX`. No byte is added
/// to a checksum twice, so the cost is O(bytes) for any input.
///
/// Bytes between messages, such as time stamps and line ends in a log, are one error [`Reason::Noise`] with their
/// number, and the next message follows. [`separated`](Self::separated) reads logs in which another byte replaces
/// SOH.
///
/// # A wrong BodyLength
/// A BodyLength that is too small, or too great while enough bytes have arrived, is an error: no checksum field is
/// after the body. A BodyLength that is greater than the bytes that have arrived looks like a message that is not
/// complete: the iterator waits for the bytes, and so holds back all messages after it.
///
/// [`new`](Self::new) waits for up to [`MAX_BODY_LENGTH`] bytes, so that it refuses no valid message. A caller that
/// reads a stream should set a lower limit with [`with_max_body_length`](Self::with_max_body_length): the one that
/// the parties agreed on (MaxMessageSize), or the capacity of its [`StreamBuffer`](crate::feed::StreamBuffer) minus
/// [`MAX_OVERHEAD`](super::MAX_OVERHEAD), as a message with a longer body never fits. The same bytes may be read
/// again with another limit.
///
/// ```
/// use framepool::feed::fix::Messages;
///
/// let bytes = b"8=FIX.4.2\x019=5\x0135=0\x0110=162\x018=FIX.4.2\x019=5\x0135=0\x0110=161\x018=FI";
/// let mut messages = Messages::new(bytes);
/// assert!(messages.next().unwrap().is_err());
/// assert_eq!(messages.next().unwrap()?.msg_type(), b"0");
/// assert!(messages.next().is_none());
/// assert_eq!(messages.rest(), b"8=FI");
///
/// let lying = b"8=FIX.4.2\x019=9000\x0135=0\x0110=161\x018=FIX.4.2\x019=5\x0135=0\x0110=161\x01";
/// assert!(Messages::new(lying).next().is_none());
/// let mut messages = Messages::with_max_body_length(lying, 4096);
/// assert!(messages.next().unwrap().is_err());
/// assert_eq!(messages.next().unwrap()?.msg_type(), b"0");
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Messages<'a, const SEPARATOR: u8 = SOH> {
    bytes: &'a [u8],
    consumed: usize,
    max_body_length: usize,
}

impl<'a> Messages<'a> {
    /// Iterates over the messages of `bytes`. A body has at most [`MAX_BODY_LENGTH`] bytes: see
    /// [above](Self#a-wrong-bodylength) for what that means for a stream.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::of(bytes, MAX_BODY_LENGTH)
    }

    /// Iterates over the messages of `bytes`. A body of more than `max` bytes, or of more than
    /// [`MAX_BODY_LENGTH`], is an error; the iterator does not wait for it.
    pub const fn with_max_body_length(bytes: &'a [u8], max: usize) -> Self {
        Self::of(bytes, max)
    }
}

impl<'a, const SEPARATOR: u8> Messages<'a, SEPARATOR> {
    const fn of(bytes: &'a [u8], max: usize) -> Self {
        let max_body_length = if max < MAX_BODY_LENGTH {
            max
        } else {
            MAX_BODY_LENGTH
        };
        Self {
            bytes,
            consumed: 0,
            max_body_length,
        }
    }

    /// Like [`with_max_body_length`](Messages::with_max_body_length), for text in which another byte replaces SOH: see
    /// [`Message::parse_separated`].
    ///
    /// ```
    /// use framepool::wire::Reason;
    /// use framepool::feed::fix::{MAX_BODY_LENGTH, Messages};
    ///
    /// let log = b"09:30:00.000 8=FIX.4.2|9=10|35=0|49=A|10=185|\n\
    ///             09:30:30.000 8=FIX.4.2|9=10|35=0|49=B|10=186|\n";
    /// let (mut types, mut noise) = (0, 0);
    /// for message in Messages::<b'|'>::separated(log, MAX_BODY_LENGTH) {
    ///     match message {
    ///         Ok(message) => types += usize::from(message.msg_type() == b"0"),
    ///         Err(error) => match error.reason {
    ///             Reason::Noise { len } => noise += len,
    ///             _ => return Err(error),
    ///         },
    ///     }
    /// }
    /// assert_eq!((types, noise), (2, 13 + 14 + 1));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub const fn separated(bytes: &'a [u8], max: usize) -> Self {
        const { assert!(can_end_fields(SEPARATOR), "a byte that may end a field") };
        Self::of(bytes, max)
    }

    /// Returns the number of bytes consumed.
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// The bytes that were not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.consumed..).unwrap_or_default()
    }

    /// Returns the number of bytes that the next message still needs, as far as known. 0: it is complete.
    pub fn needed(&self) -> usize {
        let frame = Frame::<SEPARATOR>::find(self.rest(), self.max_body_length);
        match frame.err().map(|e| e.reason) {
            Some(Reason::Truncated { needed, available }) => {
                needed.saturating_sub(available) as usize
            }
            _ => 0,
        }
    }

    /// Skips the bytes that the error is about, and adds their offset to it.
    #[cold]
    fn skip(&mut self, error: ParseError) -> ParseError {
        let at = self.consumed;
        match Frame::<SEPARATOR>::find(self.rest(), self.max_body_length) {
            // The checksum field is where BodyLength says, so the end is known. Looking for messages within these
            // bytes would add bytes to checksums again and again.
            Ok(frame) if frame.trailer().is_ok() => self.consumed += frame.bytes.len(),
            _ => self.resync(),
        }
        if matches!(
            error.reason,
            Reason::Missing {
                wanted: BEGIN_STRING
            }
        ) {
            let len = (self.consumed - at) as u64;
            return ParseError::new(Layer::Fix, Reason::Noise { len }, at);
        }
        error.shifted(at)
    }

    /// Skips at least one byte, to the next place where a message may begin.
    fn resync(&mut self) {
        let rest = self.rest();
        let may_begin = |at: &usize| {
            let from = rest.get(*at..).unwrap_or_default();
            let len = from.len().min(BEGIN.len());
            from.get(..len) == BEGIN.get(..len)
        };
        self.consumed += (1..rest.len()).find(may_begin).unwrap_or(rest.len());
    }
}

impl<'a, const SEPARATOR: u8> Iterator for Messages<'a, SEPARATOR> {
    type Item = Result<Message<'a, SEPARATOR>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let found = Frame::<SEPARATOR>::find(rest, self.max_body_length);
        let message = found.and_then(|frame| Ok((frame.verify()?, frame.bytes.len())));
        match message {
            Ok((message, len)) => {
                self.consumed += len;
                Some(Ok(message))
            }
            Err(error) => match error.reason {
                Reason::Truncated { .. } => None,
                _ => Some(Err(self.skip(error))),
            },
        }
    }
}

impl<const SEPARATOR: u8> core::iter::FusedIterator for Messages<'_, SEPARATOR> {}
