//! PITCH messages whose fields are read without a branch on the type.

use crate::feed::price::LongPrice;
use crate::feed::raw::{Fixed, ShortOrLong, Text, raw};
use crate::feed::text::Alpha;

raw! {
    layer: Pitch;
    order: Le;
    kind: u8;
    header: 2 {}

    /// A message whose type and length are checked, from
    /// [`Messages::next_checked`](super::Messages::next_checked).
    ///
    /// Its fields are those that messages about orders and trades share, in short and long forms. They are read
    /// through a table, without a branch on the type: branch predictors cannot foresee the type, and a missed
    /// branch costs more than reading all fields with [`values`](Self::values). For all other fields,
    /// [`typed`](Self::typed) branches on the type.
    ///
    /// ```
    /// use framepool::feed::ShortPrice;
    /// use framepool::feed::pitch::{Raw, fields};
    ///
    /// let add = fields::AddOrderShort {
    ///     order_id: 42,
    ///     quantity: 300,
    ///     price: ShortPrice::new(1050),
    ///     ..Default::default()
    /// };
    /// let mut buffer = [0; 64];
    /// let len = add.emit(&mut buffer)?;
    /// let raw = Raw::parse(&buffer[..len])?;
    /// let values = raw.values();
    /// assert_eq!((values.order_id, values.quantity), (42, 300));
    /// assert_eq!(values.price.to_string(), "10.5000");
    /// assert_eq!((values.execution_id, raw.execution_id()), (0, None));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    Raw;

    /// Nanoseconds since the last [`Time`](super::Time) message.
    time_offset: u32, Fixed<4>;
    /// The order.
    order_id: u64, Fixed<8>;
    /// The execution or trade.
    execution_id: u64, Fixed<8>;
    /// The side of an order or trade: `B` or `S`.
    side: u8, Fixed<1>;
    /// Shares or contracts of the order, or executed or cancelled ones.
    quantity: u32, ShortOrLong<4, 1>, ["quantity", "executed", "cancelled"];
    /// The price of an order or trade. A price with two decimals is converted to four.
    price: LongPrice, ShortOrLong<8, 100>;
    /// The security's symbol. A symbol of six bytes is padded with two spaces.
    symbol: Alpha<8>, Text;
}
