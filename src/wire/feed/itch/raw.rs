//! Messages whose type and length are checked, and no more.

use super::super::blocks::Blocks;
use super::super::number::{Alpha, Price4};
use super::super::table::{Be, at};
use super::messages::{Message, TYPES};
use crate::wire::{Layer, ParseError, Reason};

/// Bytes that every message begins with: type, locate, tracking number, timestamp.
const HEADER: usize = 11;

/// How long a message is, and where in it the fields are that several types have. 0 stands for none.
#[derive(Clone, Copy)]
struct Layout {
    len: u8,
    order: u8,
    new_order: u8,
    side: u8,
    shares: u8,
    stock: u8,
    price: u8,
    match_number: u8,
    printable: u8,
    attribution: u8,
}

/// Layouts by type; without a length for types that ITCH 5.0 does not have.
static LAYOUTS: [Layout; 256] = {
    let mut layouts = [Layout::NONE; 256];
    let mut i = 0;
    while i < TYPES.len() {
        let (kind, len, _) = TYPES[i];
        layouts[kind as usize] = Layout {
            len: len as u8,
            ..Layout::of(kind)
        };
        i += 1;
    }
    layouts
};

impl Layout {
    const NONE: Self = Self {
        len: 0,
        order: 0,
        new_order: 0,
        side: 0,
        shares: 0,
        stock: 0,
        price: 0,
        match_number: 0,
        printable: 0,
        attribution: 0,
    };

    /// An order as it enters the book.
    const ADDED: Self = Self {
        order: 11,
        side: 19,
        shares: 20,
        stock: 24,
        price: 32,
        ..Self::NONE
    };

    /// An order of which some is executed.
    const EXECUTED: Self = Self {
        order: 11,
        shares: 19,
        match_number: 23,
        ..Self::NONE
    };

    const fn of(kind: u8) -> Self {
        match kind {
            b'A' => Self::ADDED,
            b'F' => Self {
                attribution: 36,
                ..Self::ADDED
            },
            b'P' => Self {
                match_number: 36,
                ..Self::ADDED
            },
            b'E' => Self::EXECUTED,
            b'C' => Self {
                printable: 31,
                price: 32,
                ..Self::EXECUTED
            },
            b'X' => Self {
                order: 11,
                shares: 19,
                ..Self::NONE
            },
            b'D' => Self {
                order: 11,
                ..Self::NONE
            },
            b'U' => Self {
                order: 11,
                new_order: 19,
                shares: 27,
                price: 31,
                ..Self::NONE
            },
            b'B' => Self {
                match_number: 11,
                ..Self::NONE
            },
            b'Q' => Self {
                stock: 19,
                match_number: 31,
                ..Self::NONE
            },
            b'R' | b'H' | b'Y' | b'K' | b'J' | b'h' | b'N' | b'O' => Self {
                stock: 11,
                ..Self::NONE
            },
            b'L' => Self {
                stock: 15,
                ..Self::NONE
            },
            b'I' => Self {
                stock: 28,
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }
}

/// A message of ITCH 5.0 by its bytes, its type and length checked.
///
/// Every field of the messages about orders and trades (A, F, E, C, X, D, U, P, B), and what all have, is
/// read through tables, without a jump by type: no branch predictor can foresee that, and it costs more
/// than all the reading. [`typed`](Self::typed) makes the jump, for the fields of the other types.
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
        let due = usize::from(LAYOUTS[usize::from(header[0])].len);
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

    #[inline(always)]
    fn layout(&self) -> &'static Layout {
        &LAYOUTS[usize::from(self.kind())]
    }

    /// The field at `place`. Read in any case, then kept or not: there is no branch to mispredict.
    #[inline(always)]
    fn field<const N: usize>(&self, place: u8) -> Option<[u8; N]> {
        let place = usize::from(place);
        // One comparison: that the field begins before it ends is known.
        let field = self.bytes.get(place..place + N)?.first_chunk()?;
        (place != 0).then_some(*field)
    }

    /// The order that the message is about; of a replacement the one that goes.
    #[inline(always)]
    pub fn order_reference(&self) -> Option<u64> {
        self.field::<8>(self.layout().order).map(Be::get)
    }

    /// The order that takes the place of another.
    #[inline(always)]
    pub fn new_reference(&self) -> Option<u64> {
        self.field::<8>(self.layout().new_order).map(Be::get)
    }

    /// The side of an order or trade: `B` or `S`.
    #[inline(always)]
    pub fn side(&self) -> Option<u8> {
        self.field::<1>(self.layout().side).map(Be::get)
    }

    /// Shares of the order, executed, or cancelled, where they are 32 bits.
    #[inline(always)]
    pub fn shares(&self) -> Option<u32> {
        self.field::<4>(self.layout().shares).map(Be::get)
    }

    /// The security's symbol.
    #[inline(always)]
    pub fn stock(&self) -> Option<Alpha<8>> {
        self.field::<8>(self.layout().stock).map(Alpha)
    }

    /// The price of an order or execution.
    #[inline(always)]
    pub fn price(&self) -> Option<Price4> {
        self.field::<4>(self.layout().price).map(Be::get)
    }

    /// The number of a trade.
    #[inline(always)]
    pub fn match_number(&self) -> Option<u64> {
        self.field::<8>(self.layout().match_number).map(Be::get)
    }

    /// Whether an execution counts in volumes: `Y` or `N`.
    #[inline(always)]
    pub fn printable(&self) -> Option<u8> {
        self.field::<1>(self.layout().printable).map(Be::get)
    }

    /// The participant whose order it is.
    #[inline(always)]
    pub fn attribution(&self) -> Option<Alpha<4>> {
        self.field::<4>(self.layout().attribution).map(Alpha)
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
    match usize::from(LAYOUTS[usize::from(kind)].len) {
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
