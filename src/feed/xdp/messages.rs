//! The control messages of the XDP Common Client specification, the messages of the Integrated Feed (2.1g and
//! 2.3a; 2.5a and 2.5g of Pillar), and the quote of the BBO Feed (2.3a to 2.5d).

use crate::feed::table::messages;
use crate::feed::text::Alpha;

messages! {
    layer: NyseXdp;
    order: Le;
    kind: u16 => 2..4;
    length: 2;
    tail: &'a [u8];

    all have {}

    /// Sequence numbers restart. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Sequence
    /// Number Reset.
    1 SequenceNumberReset[14] {
        /// Seconds of the time of the event, since 1970.
        source_time: u32 => 4..8;
        /// Nanoseconds of the time of the event.
        source_time_ns: u32 => 8..12;
        /// The number of the product (a feed).
        product_id: u8 => 12..13;
        /// The channel of the product.
        channel_id: u8 => 13..14;
    }

    /// The second to which the nanoseconds of the next messages belong. NYSE XDP Common Client, as in Integrated Feed 2.1 to
    /// 2.5: Source Time Reference.
    2 SourceTimeReference[16] {
        /// The symbol's or channel's number.
        id: u32 => 4..8;
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 8..12;
        /// Seconds of the time of the event, since 1970.
        source_time: u32 => 12..16;
    }

    /// The symbol and other properties of a symbol number. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5:
    /// Symbol Index Mapping.
    3 SymbolIndexMapping[44] {
        /// The symbol's number: see [`SymbolIndexMapping`].
        symbol_index: u32 => 4..8;
        /// The symbol, padded with zeros.
        symbol: Alpha<11> => 8..19;
        /// Reserved.
        reserved: u8 => 19..20;
        /// The market.
        market_id: u16 => 20..22;
        /// The system.
        system_id: u8 => 22..23;
        /// The listing exchange: `N`, `P`, `Q`, …
        exchange_code: u8 => 23..24;
        /// The number of decimals in the symbol's prices.
        price_scale: u8 => 24..25;
        /// The kind of security.
        security_type: u8 => 25..26;
        /// Shares of a round lot.
        lot_size: u16 => 26..28;
        /// The previous closing price.
        prev_close_price: u32 => 28..32;
        /// The previous day's volume.
        prev_close_volume: u32 => 32..36;
        /// The resolution of prices: 0 any, 1 penny, 5 nickel.
        price_resolution: u8 => 36..37;
        /// Whether round lots are accepted, `Y` or `N`.
        round_lot: u8 => 37..38;
        /// The minimum price variation.
        mpv: u16 => 38..40;
        /// Shares of a unit.
        unit_of_trade: u16 => 40..42;
        /// Reserved.
        reserved2: u16 => 42..44;
    }

    /// Requests messages again. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Retransmission
    /// Request.
    10 RetransmissionRequest[24] {
        /// The first sequence number.
        begin: u32 => 4..8;
        /// The last sequence number.
        end: u32 => 8..12;
        /// Source ID of the requester.
        source_id: Alpha<10> => 12..22;
        /// The number of the product (a feed).
        product_id: u8 => 22..23;
        /// The channel of the product.
        channel_id: u8 => 23..24;
    }

    /// The answer to a request. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Request Response.
    11 RequestResponse[29] {
        /// The request's sequence number.
        request_seq_num: u32 => 4..8;
        /// The first sequence number.
        begin: u32 => 8..12;
        /// The last sequence number.
        end: u32 => 12..16;
        /// Source ID of the requester.
        source_id: Alpha<10> => 16..26;
        /// The number of the product (a feed).
        product_id: u8 => 26..27;
        /// The channel of the product.
        channel_id: u8 => 27..28;
        /// `0` accepted; any other value is the reason of the rejection.
        response: u8 => 28..29;
    }

    /// The answer to a heartbeat of the request server. NYSE XDP Common Client, as in Integrated Feed 2.1 to
    /// 2.5: Heartbeat Response.
    12 HeartbeatResponse[14] {
        /// Source ID of the requester.
        source_id: Alpha<10> => 4..14;
    }

    /// Requests the mapping of symbols. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Symbol Index Mapping
    /// Request.
    13 SymbolIndexMappingRequest[21] {
        /// The symbol's number: see [`SymbolIndexMapping`].
        symbol_index: u32 => 4..8;
        /// Source ID of the requester.
        source_id: Alpha<10> => 8..18;
        /// The number of the product (a feed).
        product_id: u8 => 18..19;
        /// The channel of the product.
        channel_id: u8 => 19..20;
        /// The way of retransmission. 0: over UDP.
        retransmit_method: u8 => 20..21;
    }

    /// Requests a refresh. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Refresh Request.
    15 RefreshRequest[20] {
        /// The symbol's number: see [`SymbolIndexMapping`].
        symbol_index: u32 => 4..8;
        /// Source ID of the requester.
        source_id: Alpha<10> => 8..18;
        /// The number of the product (a feed).
        product_id: u8 => 18..19;
        /// The channel of the product.
        channel_id: u8 => 19..20;
    }

    /// Requested messages are not available. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5:
    /// Message Unavailable.
    31 MessageUnavailable[14] {
        /// The first sequence number.
        begin: u32 => 4..8;
        /// The last sequence number.
        end: u32 => 8..12;
        /// The number of the product (a feed).
        product_id: u8 => 12..13;
        /// The channel of the product.
        channel_id: u8 => 13..14;
    }

    /// The position of a packet within a refresh. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5: Refresh
    /// Header.
    35 RefreshHeader[16] {
        /// The packet's number within the refresh.
        current_packet: u16 => 4..6;
        /// The number of packets of the refresh.
        total_packets: u16 => 6..8;
        /// The last sequence number of the channel in the refresh.
        last_seq: u32 => 8..12;
        /// The last sequence number of the symbol in the refresh.
        last_symbol_seq: u32 => 12..16;
    }

    all have {
        /// Seconds of the time of the event, since 1970.
        source_time: u32 => 4..8;
        /// Nanoseconds of the time of the event.
        source_time_ns: u32 => 8..12;
        /// The symbol's number: see [`SymbolIndexMapping`].
        symbol_index: u32 => 12..16;
    }

    /// The book of a symbol is empty now. NYSE XDP Common Client, as in Integrated Feed 2.1 to 2.5:
    /// Symbol Clear.
    32 SymbolClear[20] {
        /// The next sequence number.
        next_seq: u32 => 16..20;
    }

    /// Another session begins for a symbol. NYSE XDP Common Client, as in BBO Feed 2.4: Trading Session
    /// Change.
    33 TradingSessionChange[21] {
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 16..20;
        /// 1 early, 2 core, 4 late.
        trading_session: u8 => 20..21;
    }

    /// The trading status of a symbol changed. NYSE XDP Common Client, as in Integrated Feed 2.1 to
    /// 2.5: Security Status.
    34 SecurityStatus[46] {
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 16..20;
        /// The code of the status: `4` halt, `5` resume, `A` to `Y` others.
        security_status: u8 => 20..21;
        /// The code of the reason of a halt.
        halt_condition: u8 => 21..22;
        /// Reserved.
        reserved: u32 => 22..26;
        /// A price whose meaning depends on the status.
        price_1: u32 => 26..30;
        /// A price whose meaning depends on the status.
        price_2: u32 => 30..34;
        /// The exchange at which a short sale restriction was triggered.
        ssr_exchange: u8 => 34..35;
        /// The volume that triggered the restriction.
        ssr_volume: u32 => 35..39;
        /// The time of the trigger.
        trigger_time: u32 => 39..43;
        /// `~` not restricted, `E` restricted.
        ssr_state: u8 => 43..44;
        /// The code of the market state.
        market_state: u8 => 44..45;
        /// The code of the session state.
        session_state: u8 => 45..46;
    }

    /// The result that an auction would have now. NYSE XDP Integrated Feed 2.1 to 2.5: Imbalance.
    105 Imbalance[67] {
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 16..20;
        /// The reference price.
        reference_price: u32 => 20..24;
        /// Shares that match at the reference price.
        paired_qty: u32 => 24..28;
        /// Shares that do not match at the reference price.
        imbalance_qty: u32 => 28..32;
        /// Shares of market orders that do not match.
        market_imbalance_qty: u32 => 32..36;
        /// The auction's time, as the decimal number HHMM.
        auction_time: u16 => 36..38;
        /// The kind of auction.
        auction_type: u8 => 38..39;
        /// `B` buy, `S` sell, space none.
        imbalance_side: u8 => 39..40;
        /// The price at which auction and book clear.
        book_price: u32 => 40..44;
        /// The price at which auction orders alone clear.
        closing_price: u32 => 44..48;
        /// The filing price under a short sale restriction.
        ssr_filing_price: u32 => 48..52;
        /// The indicative match price.
        match_price: u32 => 52..56;
        /// The upper collar.
        upper_collar: u32 => 56..60;
        /// The lower collar.
        lower_collar: u32 => 60..64;
        /// Whether the auction will run.
        auction_status: u8 => 64..65;
        /// Whether the imbalance is frozen.
        freeze_status: u8 => 65..66;
        /// The number of extensions of the auction.
        extensions: u8 => 66..67;
    } may have {
        /// Unpaired shares at the reference price.
        unpaired_qty: u32 => 67..71;
        /// The side of the unpaired shares.
        unpaired_side: u8 => 71..72;
    }

    /// An order that is in the book. NYSE XDP Integrated Feed 2.1 to 2.5: Add Order Refresh.
    106 AddOrderRefresh[43] {
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 16..20;
        /// The order's number.
        order_id: u64 => 20..28;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 28..32;
        /// Shares.
        volume: u32 => 32..36;
        /// `B` buys, `S` sells.
        side: u8 => 36..37;
        /// The firm, padded with zeros.
        firm_id: Alpha<5> => 37..42;
        /// Parity splits (2.1 to 2.3); reserved since.
        parity_splits: u8 => 42..43;
    }

    /// The summary of the day. NYSE XDP Integrated Feed 2.1 to 2.5: Stock Summary.
    223 StockSummary[36] {
        /// The highest price.
        high: u32 => 16..20;
        /// The lowest price.
        low: u32 => 20..24;
        /// The opening price.
        open: u32 => 24..28;
        /// The closing price.
        close: u32 => 28..32;
        /// Traded shares.
        total_volume: u32 => 32..36;
    }

    all have {
        /// Nanoseconds of the time of the event. Its seconds are in the last [`SourceTimeReference`].
        source_time_ns: u32 => 4..8;
        /// The symbol's number: see [`SymbolIndexMapping`].
        symbol_index: u32 => 8..12;
        /// The message's sequence number within its symbol.
        symbol_seq_num: u32 => 12..16;
    }

    /// A new order. NYSE XDP Integrated Feed 2.1 to 2.5: Add Order.
    100 AddOrder[39] {
        /// The order's number.
        order_id: u64 => 16..24;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 24..28;
        /// Shares.
        volume: u32 => 28..32;
        /// `B` buys, `S` sells.
        side: u8 => 32..33;
        /// The firm, padded with zeros.
        firm_id: Alpha<5> => 33..38;
        /// Parity splits (2.1 to 2.3); reserved since.
        parity_splits: u8 => 38..39;
    }

    /// The size or price of an order changed. NYSE XDP Integrated Feed 2.1 to 2.5: Modify Order.
    101 ModifyOrder[35] {
        /// The order's number.
        order_id: u64 => 16..24;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 24..28;
        /// Shares.
        volume: u32 => 28..32;
        /// 0: the order keeps its place in the queue, 1: it loses its place.
        position_change: u8 => 32..33;
        /// Parity splits at the old price (2.1 to 2.3); the side of the order since.
        prev_splits: u8 => 33..34;
        /// Parity splits at the new price (2.1 to 2.3); reserved since.
        new_splits: u8 => 34..35;
    }

    /// An order was deleted. NYSE XDP Integrated Feed 2.1 to 2.5: Delete Order.
    102 DeleteOrder[25] {
        /// The order's number.
        order_id: u64 => 16..24;
        /// Parity splits (2.1 to 2.3); reserved since.
        parity_splits: u8 => 24..25;
    }

    /// An order was executed, wholly or in part. NYSE XDP Integrated Feed 2.1 to 2.5: Order Execution.
    103 OrderExecution[42] {
        /// The order's number.
        order_id: u64 => 16..24;
        /// The trade's number.
        trade_id: u32 => 24..28;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 28..32;
        /// Shares.
        volume: u32 => 32..36;
        /// 1 if the trade is printed on the consolidated tape.
        printable: u8 => 36..37;
        /// Parity splits (2.1 to 2.3); reserved since.
        parity_splits: u8 => 37..38;
        /// The execution's number in the database (2.1 to 2.3); four trade conditions since.
        db_exec_id: u32 => 38..42;
    }

    /// An order was replaced by another. NYSE XDP Integrated Feed 2.1 to 2.5: Replace Order.
    104 ReplaceOrder[42] {
        /// The order that is replaced.
        order_id: u64 => 16..24;
        /// The new order.
        new_order_id: u64 => 24..32;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 32..36;
        /// Shares.
        volume: u32 => 36..40;
        /// Parity splits at the old price (2.1 to 2.3); the side of the order since.
        prev_splits: u8 => 40..41;
        /// Parity splits at the new price (2.1 to 2.3); reserved since.
        new_splits: u8 => 41..42;
    }

    /// An execution of an order that was not displayed. NYSE XDP Integrated Feed 2.1 to 2.5: Non-Displayed
    /// Trade.
    110 NonDisplayedTrade[33] {
        /// The trade's number.
        trade_id: u32 => 16..20;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 20..24;
        /// Shares.
        volume: u32 => 24..28;
        /// 1 if the trade is printed on the consolidated tape.
        printable: u8 => 28..29;
        /// The execution's number in the database (2.1 to 2.3); four trade conditions since.
        db_exec_id: u32 => 29..33;
    }

    /// A cross. NYSE XDP Integrated Feed 2.1 to 2.5: Cross Trade.
    111 CrossTrade[29] {
        /// The cross's number.
        cross_id: u32 => 16..20;
        /// The price in the scale of the symbol: see [`SymbolIndexMapping::price_scale`].
        price: u32 => 20..24;
        /// Shares.
        volume: u32 => 24..28;
        /// The kind of cross.
        cross_type: u8 => 28..29;
    }

    /// A trade is void. NYSE XDP Integrated Feed 2.1 to 2.5: Trade Cancel.
    112 TradeCancel[20] {
        /// The trade's number.
        trade_id: u32 => 16..20;
    }

    /// The volume of a cross is corrected. NYSE XDP Integrated Feed 2.1 to 2.5: Cross Correction.
    113 CrossCorrection[24] {
        /// The cross's number.
        cross_id: u32 => 16..20;
        /// Shares.
        volume: u32 => 20..24;
    }

    /// Retail interest in a symbol. NYSE XDP Integrated Feed 2.1 to 2.5: Retail Price Improvement.
    114 RetailPriceImprovement[17] {
        /// Retail interest: space none, `A` bid, `B` offer, `C` both.
        rpi: u8 => 16..17;
    }

    /// The best bid and offer. The tail has the fields that later versions add. NYSE XDP BBO Feed 2.3 to 2.5: Quote.
    140 Quote[34] {
        /// The price of the offer, in the scale of the symbol.
        ask_price: u32 => 16..20;
        /// Shares of the offer.
        ask_volume: u32 => 20..24;
        /// The price of the bid, in the scale of the symbol.
        bid_price: u32 => 24..28;
        /// Shares of the bid.
        bid_volume: u32 => 28..32;
        /// The code of the quote's condition.
        quote_condition: u8 => 32..33;
        /// Retail interest: space none, `A` bid, `B` offer, `C` both.
        rpi: u8 => 33..34;
    }
}
