//! Messages whose type and length are checked, and no more.

use super::super::blocks::Blocks;
use super::super::number::{Alpha, Price4};
use super::super::table::{Be, at};
use super::messages::{Message, TYPES};
use crate::wire::{Layer, ParseError, Reason};

/// Bytes that every message begins with: type, locate, tracking number, timestamp.
const HEADER: usize = 11;

/// Bytes of a message by its type, 0 for a type that ITCH 5.0 does not have.
const LENGTHS: [u8; 256] = {
    let mut lengths = [0; 256];
    let mut i = 0;
    while i < TYPES.len() {
        lengths[TYPES[i].0 as usize] = TYPES[i].1 as u8;
        i += 1;
    }
    lengths
};

/// Where a field is, by the message's type; 0 where it has no such field.
struct Places([u8; 256]);

impl Places {
    const fn new(places: &[(&[u8], u8)]) -> Self {
        let mut at = [0; 256];
        let mut i = 0;
        while i < places.len() {
            let (kinds, place) = places[i];
            let mut k = 0;
            while k < kinds.len() {
                at[kinds[k] as usize] = place;
                k += 1;
            }
            i += 1;
        }
        Self(at)
    }

    #[inline(always)]
    fn of<const N: usize>(&self, message: &Raw<'_>) -> Option<[u8; N]> {
        let place = usize::from(self.0[usize::from(message.kind())]);
        if place == 0 {
            return None;
        }
        message.bytes.get(place..)?.first_chunk::<N>().copied()
    }
}

static ORDERS: Places = Places::new(&[(b"AFECXDUP", 11)]);
static STOCKS: Places = Places::new(&[
    (b"RHYKJhNO", 11),
    (b"L", 15),
    (b"AFP", 24),
    (b"Q", 19),
    (b"I", 28),
]);
static SHARES: Places = Places::new(&[(b"AFP", 20), (b"ECX", 19), (b"U", 27)]);
static PRICES: Places = Places::new(&[(b"AFCP", 32), (b"U", 31)]);

/// A message of ITCH 5.0 by its bytes, its type and length checked.
///
/// What messages of several types have is read through tables, without a jump by type: that is what a
/// jump costs that no branch predictor can foresee. [`typed`](Self::typed) makes the jump.
///
/// ```
/// use framepool::wire::feed::itch::{Raw, fields};
///
/// let delete = fields::OrderDelete { timestamp: 7, order_reference: 42, ..Default::default() };
/// let bytes = delete.to_bytes();
/// let raw = Raw::parse(&bytes)?;
/// assert_eq!((raw.kind(), raw.timestamp()), (b'D', 7));
/// assert_eq!(raw.order_reference(), Some(42));
/// assert_eq!(raw.price(), None);
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Raw<'a> {
    header: &'a [u8; HEADER],
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The message that these bytes are, all of them.
    ///
    /// # Errors
    /// A type that the specification does not have, or a length that is not this type's.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        match Self::fitting(bytes) {
            Some(message) => Ok(message),
            None => Err(refusal(bytes)),
        }
    }

    /// The message, if its type and length go together.
    #[inline(always)]
    pub(super) fn fitting(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let due = usize::from(LENGTHS[usize::from(header[0])]);
        (due == bytes.len()).then_some(Self { header, bytes })
    }

    /// The type.
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        self.header[0]
    }

    /// All of its bytes.
    #[inline(always)]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The security, by its number of today; 0 where the message is of none.
    #[inline(always)]
    pub fn stock_locate(&self) -> u16 {
        Be::get(at::<1, 2, HEADER>(self.header))
    }

    /// Nasdaq's own tracking number.
    #[inline(always)]
    pub fn tracking_number(&self) -> u16 {
        Be::get(at::<3, 2, HEADER>(self.header))
    }

    /// Nanoseconds since midnight.
    #[inline(always)]
    pub fn timestamp(&self) -> u64 {
        Be::<6>::get(at::<5, 6, HEADER>(self.header))
    }

    /// The order that the message is about; of a replacement the one that goes.
    #[inline(always)]
    pub fn order_reference(&self) -> Option<u64> {
        ORDERS.of::<8>(self).map(Be::get)
    }

    /// The security's symbol.
    #[inline(always)]
    pub fn stock(&self) -> Option<Alpha<8>> {
        STOCKS.of::<8>(self).map(Alpha)
    }

    /// Shares of the order, executed, or cancelled, where they are 32 bits.
    #[inline(always)]
    pub fn shares(&self) -> Option<u32> {
        SHARES.of::<4>(self).map(Be::get)
    }

    /// The price of an order or execution.
    #[inline(always)]
    pub fn price(&self) -> Option<Price4> {
        PRICES.of::<4>(self).map(Be::get)
    }

    /// The message by its type; `None` never.
    #[inline(always)]
    pub fn typed(&self) -> Option<Message<'a>> {
        Message::parse(self.bytes).ok()
    }
}

/// Why these bytes are no message.
#[cold]
fn refusal(bytes: &[u8]) -> ParseError {
    let Some(&kind) = bytes.first() else {
        return ParseError::truncated(Layer::Itch, 0, 1, 0);
    };
    let len = bytes.len();
    match usize::from(LENGTHS[usize::from(kind)]) {
        0 => {
            let found = u32::from(kind);
            ParseError::new(Layer::Itch, Reason::UnknownType { found }, 0)
        }
        due if len < due => ParseError::truncated(Layer::Itch, 0, due, len),
        due => ParseError::bad_length(Layer::Itch, 0, len, due, due),
    }
}

/// The messages that [`Messages`](super::Messages) has, each as a [`Raw`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RawMessages<'a>(Blocks<'a>);

impl<'a> RawMessages<'a> {
    pub(super) const fn new(blocks: Blocks<'a>) -> Self {
        Self(blocks)
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

impl<'a> Iterator for RawMessages<'a> {
    type Item = Result<Raw<'a>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        super::next(&mut self.0, Raw::fitting, Raw::parse)
    }
}

impl core::iter::FusedIterator for RawMessages<'_> {}
