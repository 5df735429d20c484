//! ITCH messages whose fields are read without a branch on the type.

use crate::feed::length_prefixed::Blocks;
use crate::feed::price::Price4;
use crate::feed::raw::{Fixed, raw};
use crate::feed::text::Alpha;

raw! {
    layer: Itch;
    order: Be;
    kind: u8;
    header: 11 {
        /// The security's number for the day. 0: the message is not about a security.
        stock_locate: u16;
        /// Nasdaq's internal tracking number.
        tracking_number: u16;
        /// Nanoseconds since midnight.
        timestamp: u64;
    }

    /// A message whose type and length are checked.
    ///
    /// Its fields are those of the messages about orders and trades (A, F, E, C, X, D, U, P, B), and those that
    /// all messages have. They are read through a table, without a branch on the type: branch predictors cannot
    /// foresee the type, and a missed branch costs more than reading all fields with [`values`](Self::values).
    /// For all other fields, [`typed`](Self::typed) branches on the type.
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

    /// The order. In a replacement, the order that is replaced.
    order_reference: u64, Fixed<8>;
    /// The order that replaces another.
    new_reference: u64, Fixed<8>;
    /// The side of an order or trade: `B` or `S`.
    side: u8, Fixed<1>;
    /// Shares of the order, or executed or cancelled shares, if the field has 32 bits.
    shares: u32, Fixed<4>;
    /// The security's symbol.
    stock: Alpha<8>, Fixed<8>;
    /// The price of an order or execution.
    price: Price4, Fixed<4>;
    /// The number of a trade.
    match_number: u64, Fixed<8>;
    /// Whether an execution counts in volumes, `Y` or `N`.
    printable: u8, Fixed<1>;
    /// The participant that owns the order.
    attribution: Alpha<4>, Fixed<4>;
}

/// Iterates over the messages of [`Messages`](super::Messages), each as a [`Raw`].
#[derive(Clone)]
pub struct RawMessages<'a>(Blocks<'a>);

describe!(RawMessages<'_> as RawMessages { offset, rest });

impl<'a> RawMessages<'a> {
    pub(super) const fn new(blocks: Blocks<'a>) -> Self {
        Self(blocks)
    }

    /// The offset of the next message's length, from the start of the packet or file.
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
