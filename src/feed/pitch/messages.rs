//! The messages of Multicast PITCH, equities, options and futures in one table.
//!
//! A message that has more fields in one market than in another has them at its end: they are optional.

use crate::feed::price::{LongPrice, ShortPrice};
use crate::feed::table::messages;
use crate::feed::text::Alpha;

messages! {
    layer: Pitch;
    order: Le;
    kind: u8 => 1..2;
    length: 1;
    tail: &'a [u8];

    all have {}

    /// A second begins. Time offsets count from it. Cboe PITCH 2.41: Time.
    0x20 Time[6] {
        /// Seconds since midnight: Eastern time, or in futures the exchange's local time.
        time: u32 => 2..6;
    } may have {
        /// The same time in seconds since 1970 (futures).
        epoch: u32 => 6..10;
    }

    /// The options series of a symbol in this feed. Not sequenced. Cboe PITCH 2.41: Symbol Mapping,
    /// options.
    0x2E SymbolMapping[30] {
        /// The symbol in this feed.
        feed_symbol: Alpha<6> => 2..8;
        /// The symbol of the Options Symbology Initiative.
        osi_symbol: Alpha<21> => 8..29;
        /// `N` normal, `C` closing only.
        symbol_condition: u8 => 29..30;
    } may have {
        /// The underlying's symbol (since 2.41).
        underlying: Alpha<8> => 30..38;
    }

    /// A constituent of a special opening quotation. Not sequenced. Cboe PITCH 2.41: Constituent
    /// Symbol Mapping, options.
    0x9E ConstituentSymbolMapping[58] {
        /// The symbol in this feed.
        feed_symbol: Alpha<6> => 2..8;
        /// The symbol of the Options Symbology Initiative.
        osi_symbol: Alpha<21> => 8..29;
        /// `N` normal, `C` closing only.
        symbol_condition: u8 => 29..30;
        /// The underlying's symbol.
        underlying: Alpha<8> => 30..38;
        /// The settlement's identifier.
        soq_identifier: Alpha<20> => 38..58;
    }

    /// The midnight that times count from. Cboe Futures PITCH 1.1.6: Time Reference, futures.
    0xB1 TimeReference[18] {
        /// Midnight of the trade date in seconds since 1970.
        midnight_reference: u32 => 2..6;
        /// Seconds since that midnight.
        time: u32 => 6..10;
        /// Nanoseconds since the last [`Time`].
        time_offset: u32 => 10..14;
        /// The trade date, as the decimal number YYYYMMDD.
        trade_date: u32 => 14..18;
    }

    all have {
        /// Nanoseconds since the last [`Time`].
        time_offset: u32 => 2..6;
    }

    /// All books of the unit are empty now. Cboe PITCH 2.41: Unit Clear.
    0x97 UnitClear[6] {}

    /// A new order. Cboe PITCH 2.41: Add Order (long).
    0x21 AddOrderLong[33] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u32 => 15..19;
        /// The symbol.
        symbol: Alpha<6> => 19..25;
        /// The price of one share or contract.
        price: LongPrice => 25..33;
    } may have {
        /// Bit 0: the order is displayed (equities, options).
        flags: u8 => 33..34;
    }

    /// A new order whose quantity and price fit into 16 bits. Cboe PITCH 2.41: Add Order (short).
    0x22 AddOrderShort[25] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u16 => 15..17;
        /// The symbol.
        symbol: Alpha<6> => 17..23;
        /// The price of one share or contract.
        price: ShortPrice => 23..25;
    } may have {
        /// Bit 0: the order is displayed (equities, options).
        flags: u8 => 25..26;
    }

    /// A new order with a symbol of eight bytes or with a participant. Cboe PITCH 2.41: Add Order (expanded).
    0x2F AddOrderExpanded[41] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u32 => 15..19;
        /// The symbol.
        symbol: Alpha<8> => 19..27;
        /// The price of one share or contract.
        price: LongPrice => 27..35;
        /// Bit 0: the order is displayed (equities, options).
        flags: u8 => 35..36;
        /// The participant's identifier, if the order is attributed.
        participant: Alpha<4> => 36..40;
        /// Whether the order is a customer order.
        customer: u8 => 40..41;
    } may have {
        /// The client's identifier (options).
        client_id: Alpha<4> => 41..45;
    }

    /// An order was executed, wholly or in part, at its displayed price. Cboe PITCH 2.41: Order Executed.
    0x23 OrderExecuted[26] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Executed shares or contracts.
        executed: u32 => 14..18;
        /// The execution's number, unique for the day.
        execution_id: u64 => 18..26;
    } may have {
        /// The kind of trade (options, futures).
        trade_condition: u8 => 26..27;
    }

    /// An order was executed at a price other than its displayed one, or with another remaining size. Cboe PITCH
    /// 2.41: Order Executed at Price/Size.
    0x24 OrderExecutedAtPrice[38] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Executed shares or contracts.
        executed: u32 => 14..18;
        /// Remaining shares or contracts.
        remaining: u32 => 18..22;
        /// The execution's number, unique for the day.
        execution_id: u64 => 22..30;
        /// The price of one share or contract.
        price: LongPrice => 30..38;
    } may have {
        /// The kind of trade (options, futures).
        trade_condition: u8 => 38..39;
    }

    /// An order was cancelled in part. Cboe PITCH 2.41: Reduce Size (long).
    0x25 ReduceSizeLong[18] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Cancelled shares or contracts.
        cancelled: u32 => 14..18;
    }

    /// An order was cancelled in part, by a quantity of 16 bits. Cboe PITCH 2.41: Reduce Size (short).
    0x26 ReduceSizeShort[16] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Cancelled shares or contracts.
        cancelled: u16 => 14..16;
    }

    /// The size and price of an order changed. Cboe PITCH 2.41: Modify Order (long).
    0x27 ModifyOrderLong[26] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Shares or contracts.
        quantity: u32 => 14..18;
        /// The price of one share or contract.
        price: LongPrice => 18..26;
    } may have {
        /// Bit 0: the order is displayed; bit 1: the order keeps its priority (equities, options).
        flags: u8 => 26..27;
    }

    /// The size and price of an order changed, to 16 bits each. Cboe PITCH 2.41: Modify Order (short).
    0x28 ModifyOrderShort[18] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// Shares or contracts.
        quantity: u16 => 14..16;
        /// The price of one share or contract.
        price: ShortPrice => 16..18;
    } may have {
        /// Bit 0: the order is displayed; bit 1: the order keeps its priority (equities, options).
        flags: u8 => 18..19;
    }

    /// An order was removed from the book. Cboe PITCH 2.41: Delete Order.
    0x29 DeleteOrder[14] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
    }

    /// An execution of an order that was not displayed. Cboe PITCH 2.41: Trade (long).
    0x2A TradeLong[41] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u32 => 15..19;
        /// The symbol.
        symbol: Alpha<6> => 19..25;
        /// The price of one share or contract.
        price: LongPrice => 25..33;
        /// The execution's number, unique for the day.
        execution_id: u64 => 33..41;
    } may have {
        /// The kind of trade (options, futures).
        trade_condition: u8 => 41..42;
    }

    /// An execution of an order that was not displayed, with quantity and price of 16 bits. Cboe PITCH 2.41:
    /// Trade (short).
    0x2B TradeShort[33] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u16 => 15..17;
        /// The symbol.
        symbol: Alpha<6> => 17..23;
        /// The price of one share or contract.
        price: ShortPrice => 23..25;
        /// The execution's number, unique for the day.
        execution_id: u64 => 25..33;
    } may have {
        /// The kind of trade (options, futures).
        trade_condition: u8 => 33..34;
    }

    /// An execution of an order that was not displayed, with a symbol of eight bytes. Cboe PITCH 2.41: Trade
    /// (expanded).
    0x30 TradeExpanded[43] {
        /// The order's number, unique for the day.
        order_id: u64 => 6..14;
        /// `B` buys, `S` sells.
        side: u8 => 14..15;
        /// Shares or contracts.
        quantity: u32 => 15..19;
        /// The symbol.
        symbol: Alpha<8> => 19..27;
        /// The price of one share or contract.
        price: LongPrice => 27..35;
        /// The execution's number, unique for the day.
        execution_id: u64 => 35..43;
    } may have {
        /// The kind of trade (options, futures).
        trade_condition: u8 => 43..44;
    }

    /// An execution is void. Cboe PITCH 2.41: Trade Break.
    0x2C TradeBreak[14] {
        /// The execution's number, unique for the day.
        execution_id: u64 => 6..14;
    }

    /// The unit sends no more messages. Cboe PITCH 2.41: End of Session.
    0x2D EndOfSession[6] {}

    /// The trading status of a symbol changed. Symbols of six bytes are padded. Cboe PITCH 2.41: Trading Status.
    0x31 TradingStatus[18] {
        /// The symbol.
        symbol: Alpha<8> => 6..14;
        /// The trading status, as a code: `T` trades, `H` halted, `Q` quotes.
        status: u8 => 14..15;
        /// The Reg SHO action (equities). Reserved in other markets.
        reg_sho: u8 => 15..16;
        /// Reserved; the first byte is the status in global trading hours (options).
        reserved: Alpha<2> => 16..18;
    }

    /// The result that an auction would have now. Cboe PITCH 2.41: Auction Update, equities.
    0x95 AuctionUpdate[47] {
        /// The symbol.
        symbol: Alpha<8> => 6..14;
        /// The kind of auction.
        auction_type: u8 => 14..15;
        /// The reference price.
        reference_price: LongPrice => 15..23;
        /// Shares or contracts to buy.
        buy: u32 => 23..27;
        /// Shares or contracts to sell.
        sell: u32 => 27..31;
        /// The price at which auction and book would cross.
        indicative_price: LongPrice => 31..39;
        /// The price at which auction orders alone would cross.
        auction_only_price: LongPrice => 39..47;
    }

    /// The result of an auction. Cboe PITCH 2.41: Auction Summary.
    0x96 AuctionSummary[27] {
        /// The symbol.
        symbol: Alpha<8> => 6..14;
        /// The kind of auction.
        auction_type: u8 => 14..15;
        /// The price of one share or contract.
        price: LongPrice => 15..23;
        /// Shares or contracts.
        quantity: u32 => 23..27;
    }

    /// Retail interest in a symbol. Cboe PITCH 2.41: Retail Price Improvement, equities.
    0x98 RetailPriceImprovement[15] {
        /// The symbol.
        symbol: Alpha<8> => 6..14;
        /// `B` buy, `S` sell, `A` both, `N` none.
        interest: u8 => 14..15;
    }

    /// A group of messages that belong together begins. Cboe PITCH 2.41: Transaction Begin.
    0xBC TransactionBegin[6] {}

    /// The group of messages ends. Cboe PITCH 2.41: Transaction End.
    0xBD TransactionEnd[6] {}

    /// The maximum width of quotes. Cboe PITCH 2.41: Width Update, options.
    0xD2 WidthUpdate[19] {
        /// The underlying's symbol.
        underlying: Alpha<8> => 6..14;
        /// The kind of width.
        width_type: u8 => 14..15;
        /// The multiplier, in the specification's fixed point.
        multiplier: u32 => 15..19;
    }

    /// The result that an auction of options would have now. Cboe PITCH 2.41: Options Auction Update.
    0xD1 OptionsAuctionUpdate[48] {
        /// The symbol.
        symbol: Alpha<8> => 6..14;
        /// The kind of auction.
        auction_type: u8 => 14..15;
        /// The reference price.
        reference_price: LongPrice => 15..23;
        /// Shares or contracts to buy.
        buy: u32 => 23..27;
        /// Shares or contracts to sell.
        sell: u32 => 27..31;
        /// The price at which auction and book would cross.
        indicative_price: LongPrice => 31..39;
        /// The price at which auction orders alone would cross.
        auction_only_price: LongPrice => 39..47;
        /// The code of the reason why an opening is delayed.
        opening_condition: u8 => 47..48;
    } may have {
        /// The composite market's bid.
        bid_price: LongPrice => 48..56;
        /// The composite market's offer.
        offer_price: LongPrice => 56..64;
    }

    /// An auction begins. Cboe PITCH 2.41: Auction Notification, options.
    0xAD AuctionNotification[43] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The auction's number.
        auction_id: u64 => 12..20;
        /// The kind of auction.
        auction_type: u8 => 20..21;
        /// `B` buys, `S` sells.
        side: u8 => 21..22;
        /// The price of one share or contract.
        price: LongPrice => 22..30;
        /// Shares or contracts.
        quantity: u32 => 30..34;
        /// Whether the order is a customer order.
        customer: u8 => 34..35;
        /// The participant's identifier, if the order is attributed.
        participant: Alpha<4> => 35..39;
        /// The end of the auction, in nanoseconds since the last [`Time`].
        auction_end_offset: u32 => 39..43;
    } may have {
        /// The client's identifier (since 2.41).
        client_id: Alpha<4> => 43..47;
    }

    /// An auction ended without a trade. Cboe PITCH 2.41: Auction Cancel, options.
    0xAE AuctionCancel[14] {
        /// The auction's number.
        auction_id: u64 => 6..14;
    }

    /// A trade in an auction. Cboe PITCH 2.41: Auction Trade, options.
    0xAF AuctionTrade[34] {
        /// The auction's number.
        auction_id: u64 => 6..14;
        /// The execution's number, unique for the day.
        execution_id: u64 => 14..22;
        /// The price of one share or contract.
        price: LongPrice => 22..30;
        /// Shares or contracts.
        quantity: u32 => 30..34;
    }

    /// The range of strike prices of a special opening quotation. Cboe PITCH 2.41: SOQ Strike Range Update,
    /// options.
    0x9D SoqStrikeRange[42] {
        /// The settlement's identifier.
        soq_identifier: Alpha<20> => 6..26;
        /// The lowest strike price.
        lower_strike: LongPrice => 26..34;
        /// The highest strike price.
        upper_strike: LongPrice => 34..42;
    }

    /// The instrument of a futures symbol. In the tail are the contract's date (since 1.1.12, see
    /// [`contract_date`](FuturesInstrument::contract_date)), the legs, and the variance block (until 1.1.12).
    /// Cboe Futures PITCH 1.1.6: Futures Instrument Definition.
    0xBB FuturesInstrument[41] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The timestamp of the unit, in nanoseconds since the last [`Time`].
        unit_timestamp: u32 => 12..16;
        /// The symbol in reports.
        report_symbol: Alpha<6> => 16..22;
        /// Flags of the instrument.
        flags: u8 => 22..23;
        /// The expiration date, as the decimal number YYYYMMDD.
        expiration: u32 => 23..27;
        /// The size of a contract.
        contract_size: u16 => 27..29;
        /// `A` active, `I` inactive, `T` test.
        listing_state: u8 => 29..30;
        /// The smallest step of the price.
        price_increment: LongPrice => 30..38;
        /// The number of legs of a spread.
        leg_count: u8 => 38..39;
        /// The offset of the legs in the message. 0: there are none.
        leg_offset: u8 => 39..40;
        /// The offset of the variance block in the message. 0: there is none. Reserved since 1.2.
        variance_offset: u8 => 40..41;
    }

    /// A settlement price. Cboe Futures PITCH 1.1.6: Settlement, futures.
    0xB9 Settlement[25] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The trade date, as the decimal number YYYYMMDD.
        trade_date: u32 => 12..16;
        /// The settlement price.
        settlement: LongPrice => 16..24;
        /// `S` settlement, `R` reissued.
        issue: u8 => 24..25;
    }

    /// The summary of the day. Cboe Futures PITCH 1.1.6: End of Day Summary, futures.
    0xBA EndOfDaySummary[65] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The trade date, as the decimal number YYYYMMDD.
        trade_date: u32 => 12..16;
        /// The number of open contracts.
        open_interest: u32 => 16..20;
        /// The highest price.
        high: LongPrice => 20..28;
        /// The lowest price.
        low: LongPrice => 28..36;
        /// The opening price.
        open: LongPrice => 36..44;
        /// The closing price.
        close: LongPrice => 44..52;
        /// The number of traded contracts.
        volume: u32 => 52..56;
        /// Of these contracts, those in block trades.
        block_volume: u32 => 56..60;
        /// Of these contracts, those in exchanges for related positions.
        ecrp_volume: u32 => 60..64;
        /// Flags: which prices are valid, and whether high and low are quotes.
        flags: u8 => 64..65;
    }

    /// The range of prices in which a symbol may trade. Cboe Futures PITCH 1.2.13: Price Limits, futures.
    0xBE PriceLimits[28] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The highest price.
        upper: LongPrice => 12..20;
        /// The lowest price.
        lower: LongPrice => 20..28;
    }

    /// The number of open contracts of a symbol. Cboe Futures PITCH 1.2.13: Open Interest, futures.
    0xD3 OpenInterest[20] {
        /// The symbol.
        symbol: Alpha<6> => 6..12;
        /// The trade date, as the decimal number YYYYMMDD.
        trade_date: u32 => 12..16;
        /// The number of open contracts.
        open_interest: u32 => 16..20;
    }

    /// The instrument of a symbol of variance futures. Cboe Futures PITCH 1.2.13: Futures Variance Symbol Mapping.
    0xFA VarianceSymbolMapping[40] {
        /// The timestamp of the unit, in nanoseconds since the last [`Time`].
        unit_timestamp: u32 => 6..10;
        /// The symbol in this feed.
        feed_symbol: Alpha<6> => 10..16;
        /// The symbol of the future.
        futures_symbol: Alpha<12> => 16..28;
        /// The variance that has accrued today, in the specification's fixed point.
        accrued_day_variance: i64 => 28..36;
        /// The number of returns in the whole term.
        final_returns: u16 => 36..38;
        /// The number of returns so far.
        elapsed_returns: u16 => 38..40;
    }
}
