//! Messages whose type and length are checked, and whose fields are read through a table.

use crate::feed::length_prefixed::Blocks;
use crate::feed::price::Price4;
use crate::feed::raw::{Fixed, raw};
use crate::feed::text::Alpha;

raw! {
    layer: Itch;
    order: Be;
    kind: u8;
    header: 11 {
        /// The security, by its number of today; 0 where the message is about none.
        stock_locate: u16;
        /// Nasdaq's own tracking number.
        tracking_number: u16;
        /// Nanoseconds since midnight.
        timestamp: u64;
    }

    /// A message of ITCH 5.0 by its bytes, its type and length checked.
    ///
    /// Every field of the messages about orders and trades (A, F, E, C, X, D, U, P, B), and what all have, is
    /// read through a table. [`values`](Self::values) reads them without any jump on the type: no branch
    /// predictor foresees the type, and a missed branch costs more than reading all fields. The accessors of
    /// single fields say `None` where the type lacks the field. [`typed`](Self::typed) jumps, for the fields
    /// of the other types.
    ///
    /// ```
    /// use framepool::feed::itch::{Raw, fields};
    ///
    /// let delete = fields::OrderDelete { timestamp: 7, order_reference: 42, ..Default::default() };
    /// let bytes = delete.to_bytes();
    /// let raw = Raw::parse(&bytes)?;
    /// assert_eq!((raw.kind(), raw.timestamp()), (b'D', 7));
    /// assert_eq!(raw.order_reference(), Some(42));
    /// assert_eq!(raw.price(), None);
    /// let values = raw.values();
    /// assert_eq!((values.order_reference, values.price.raw), (42, 0));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Raw;

    /// The order that the message is about; of a replacement the one that goes.
    order_reference: u64, Fixed<8>;
    /// The order that takes the place of another.
    new_reference: u64, Fixed<8>;
    /// The side of an order or trade: `B` or `S`.
    side: u8, Fixed<1>;
    /// Shares of the order, executed, or cancelled, where the field has 32 bits.
    shares: u32, Fixed<4>;
    /// The security's symbol.
    stock: Alpha<8>, Fixed<8>;
    /// The price of an order or execution.
    price: Price4, Fixed<4>;
    /// The number of a trade.
    match_number: u64, Fixed<8>;
    /// Whether an execution counts in volumes: `Y` or `N`.
    printable: u8, Fixed<1>;
    /// The participant whose order it is.
    attribution: Alpha<4>, Fixed<4>;
}

/// The messages that [`Messages`](super::Messages) has, each as a [`Raw`].
#[derive(Clone)]
pub struct RawMessages<'a>(Blocks<'a>);

describe!(RawMessages<'_> as RawMessages { offset, rest });

impl<'a> RawMessages<'a> {
    pub(super) const fn new(blocks: Blocks<'a>) -> Self {
        Self(blocks)
    }

    /// Where the next message's length is, from the start of what was given.
    pub const fn offset(&self) -> usize {
        self.0.offset()
    }

    /// The bytes that were not read yet.
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
