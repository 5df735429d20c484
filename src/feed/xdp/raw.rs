//! XDP messages whose fields are read without a branch on the type.

use crate::feed::raw::{Fixed, raw};

raw! {
    layer: NyseXdp;
    order: Le;
    kind: u16;
    header: 4 {}

    /// A message whose type and length are checked, from
    /// [`Messages::next_checked`](super::Messages::next_checked).
    ///
    /// Its fields are those that messages about orders and trades share. They are read through a table, without a
    /// branch on the type: branch predictors cannot foresee the type, and a missed branch costs more than reading
    /// all fields with [`values`](Self::values). For all other fields, [`typed`](Self::typed) branches on the type.
    ///
    /// ```
    /// use framepool::feed::xdp::{Raw, fields};
    ///
    /// let add = fields::AddOrder { symbol_index: 7, order_id: 42, price: 1050, ..Default::default() };
    /// let bytes = add.to_bytes();
    /// let raw = Raw::parse(&bytes)?;
    /// let values = raw.values();
    /// assert_eq!((values.symbol_index, values.order_id, values.price), (7, 42, 1050));
    /// assert_eq!((values.trade_id, raw.trade_id()), (0, None));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Raw;

    /// Nanoseconds of the time of the event.
    source_time_ns: u32, Fixed<4>;
    /// The symbol's number.
    symbol_index: u32, Fixed<4>;
    /// The message's sequence number within its symbol.
    symbol_seq_num: u32, Fixed<4>;
    /// The order. In a replacement, the order that is replaced.
    order_id: u64, Fixed<8>;
    /// The order that replaces another.
    new_order_id: u64, Fixed<8>;
    /// The trade.
    trade_id: u32, Fixed<4>;
    /// The price of an order or trade, in the scale of its symbol.
    price: u32, Fixed<4>;
    /// Shares of the order, or executed shares.
    volume: u32, Fixed<4>;
    /// The side of an order: `B` or `S`.
    side: u8, Fixed<1>;
    /// Whether a trade is printed on the consolidated tape, 0 or 1.
    printable: u8, Fixed<1>;
}
