//! The messages of TotalView-ITCH 5.0 (revisions of 2020 and later), as the specification lists them.

use crate::feed::price::{Price4, Price8};
use crate::feed::table::messages;
use crate::feed::text::Alpha;

messages! {
    layer: Itch;
    order: Be;
    kind: u8 => 0..1;
    length: 0;
    tail: ();

    all have {
        /// The security's number for the day.
        stock_locate: u16 => 1..3;
        /// Nasdaq's internal tracking number.
        tracking_number: u16 => 3..5;
        /// Nanoseconds since midnight.
        timestamp: u64 => 5..11;
    }

    /// An event of the whole market. Nasdaq TotalView-ITCH 5.0: System Event.
    b'S' SystemEvent[12] {
        /// `O` start of messages, `S` start of system hours, `Q` start of market hours, `M` end of market
        /// hours, `E` end of system hours, `C` end of messages.
        event_code: u8 => 11..12;
    }

    /// A security that trades today. Nasdaq TotalView-ITCH 5.0: Stock Directory.
    b'R' StockDirectory[39] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// The listing market or tier: `Q`, `G`, `S` Nasdaq, `N` NYSE, `A` NYSE American, `P` NYSE
        /// Arca, `Z` BATS, `V` IEX.
        market_category: u8 => 19..20;
        /// Whether the issuer is late, deficient or bankrupt. `N` normal.
        financial_status: u8 => 20..21;
        /// Shares of a round lot.
        round_lot_size: u32 => 21..25;
        /// `Y` if only round lots are accepted.
        round_lots_only: u8 => 25..26;
        /// The class of security.
        issue_classification: u8 => 26..27;
        /// The sub-type within the class.
        issue_sub_type: Alpha<2> => 27..29;
        /// `P` live security, `T` test security.
        authenticity: u8 => 29..30;
        /// `Y` restricted under SEC rule 203(b)(3), `N` not restricted, space unknown.
        short_sale_threshold: u8 => 30..31;
        /// `Y` for a new issue.
        ipo_flag: u8 => 31..32;
        /// The tier of limit-up-limit-down, `1` or `2`.
        luld_tier: u8 => 32..33;
        /// `Y` for an exchange-traded product.
        etp_flag: u8 => 33..34;
        /// The product's leverage, rounded to an integer.
        etp_leverage_factor: u32 => 34..38;
        /// `Y` for an inverse product.
        inverse_indicator: u8 => 38..39;
    }

    /// Trading in a security halts, pauses or resumes. Nasdaq TotalView-ITCH 5.0: Stock Trading Action.
    b'H' StockTradingAction[25] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// `H` halted, `P` paused, `Q` quotation only, `T` trading.
        trading_state: u8 => 19..20;
        /// Reserved.
        reserved: u8 => 20..21;
        /// The code of the reason.
        reason_code: Alpha<4> => 21..25;
    }

    /// Whether a short sale price test restricts a security (Reg SHO). Nasdaq TotalView-ITCH 5.0:
    /// Reg SHO Short Sale Price Test Restricted Indicator.
    b'Y' RegShoRestriction[20] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// `0` no test, `1` in effect because of an intraday fall, `2` still in effect.
        action: u8 => 19..20;
    }

    /// The status of a participant in a security. Nasdaq TotalView-ITCH 5.0: Market Participant Position.
    b'L' MarketParticipantPosition[26] {
        /// The participant's identifier.
        participant: Alpha<4> => 11..15;
        /// The security's symbol.
        stock: Alpha<8> => 15..23;
        /// `Y` for the primary market maker.
        primary_market_maker: u8 => 23..24;
        /// `N` normal, `P` passive, `S` syndicate, `R` pre-syndicate, `L` penalty.
        market_maker_mode: u8 => 24..25;
        /// `A` active, `E` excused, `W` withdrawn, `S` suspended, `D` deleted.
        market_participant_state: u8 => 25..26;
    }

    /// The levels of the market-wide circuit breaker for the day. Nasdaq TotalView-ITCH 5.0: MWCB
    /// Decline Level.
    b'V' MwcbDeclineLevel[35] {
        /// The first level.
        level_1: Price8 => 11..19;
        /// The second level.
        level_2: Price8 => 19..27;
        /// The third level.
        level_3: Price8 => 27..35;
    }

    /// A level of the market-wide circuit breaker was breached. Nasdaq TotalView-ITCH 5.0: MWCB
    /// Status.
    b'W' MwcbStatus[12] {
        /// `1`, `2` or `3`.
        breached_level: u8 => 11..12;
    }

    /// The time when quoting of a new issue begins. Nasdaq TotalView-ITCH 5.0: Quoting Period Update.
    b'K' IpoQuotingPeriod[28] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// The time when quoting begins, in seconds since midnight.
        release_time: u32 => 19..23;
        /// `A` anticipated, `C` cancelled or postponed.
        release_qualifier: u8 => 23..24;
        /// The price of the issue.
        ipo_price: Price4 => 24..28;
    }

    /// The collars of an auction after a limit-up-limit-down pause. Nasdaq TotalView-ITCH 5.0:
    /// Limit Up - Limit Down (LULD) Auction Collar.
    b'J' LuldAuctionCollar[35] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// The reference price.
        reference_price: Price4 => 19..23;
        /// The upper collar.
        upper_price: Price4 => 23..27;
        /// The lower collar.
        lower_price: Price4 => 27..31;
        /// The number of extensions of the collars.
        extension: u32 => 31..35;
    }

    /// One market halts or resumes trading in a security. Nasdaq TotalView-ITCH 5.0: Operational
    /// Halt.
    b'h' OperationalHalt[21] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// `Q` Nasdaq, `B` BX, `X` PSX.
        market_code: u8 => 19..20;
        /// `H` halted, `T` resumed.
        action: u8 => 20..21;
    }

    /// A new order in the book, without its owner. Nasdaq TotalView-ITCH 5.0: Add Order - No MPID
    /// Attribution.
    b'A' AddOrder[36] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// `B` buys, `S` sells.
        side: u8 => 19..20;
        /// Shares.
        shares: u32 => 20..24;
        /// The security's symbol.
        stock: Alpha<8> => 24..32;
        /// The price of one share.
        price: Price4 => 32..36;
    }

    /// A new order in the book, with its owner. Nasdaq TotalView-ITCH 5.0: Add Order with MPID
    /// Attribution.
    b'F' AddOrderAttributed[40] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// `B` buys, `S` sells.
        side: u8 => 19..20;
        /// Shares.
        shares: u32 => 20..24;
        /// The security's symbol.
        stock: Alpha<8> => 24..32;
        /// The price of one share.
        price: Price4 => 32..36;
        /// The participant's identifier.
        attribution: Alpha<4> => 36..40;
    }

    /// An order was executed, wholly or in part, at its displayed price. Nasdaq TotalView-ITCH 5.0: Order
    /// Executed.
    b'E' OrderExecuted[31] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// Shares executed.
        shares: u32 => 19..23;
        /// The trade's number, unique for the day.
        match_number: u64 => 23..31;
    }

    /// An order was executed, wholly or in part, at a price other than its displayed one. Nasdaq TotalView-ITCH
    /// 5.0: Order Executed with Price.
    b'C' OrderExecutedWithPrice[36] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// Shares executed.
        shares: u32 => 19..23;
        /// The trade's number, unique for the day.
        match_number: u64 => 23..31;
        /// Whether the execution counts in volumes, `Y` or `N`.
        printable: u8 => 31..32;
        /// The price of the execution.
        price: Price4 => 32..36;
    }

    /// An order was cancelled in part. Nasdaq TotalView-ITCH 5.0: Order Cancel.
    b'X' OrderCancel[23] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// Shares cancelled.
        shares: u32 => 19..23;
    }

    /// An order was removed from the book. Nasdaq TotalView-ITCH 5.0: Order Delete.
    b'D' OrderDelete[19] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
    }

    /// An order was replaced by another with the same side and symbol. Nasdaq TotalView-ITCH 5.0: Order Replace.
    b'U' OrderReplace[35] {
        /// The order that is replaced.
        order_reference: u64 => 11..19;
        /// The new order.
        new_reference: u64 => 19..27;
        /// Shares.
        shares: u32 => 27..31;
        /// The price of one share.
        price: Price4 => 31..35;
    }

    /// An execution of an order that was not displayed. Nasdaq TotalView-ITCH 5.0: Trade (non-cross).
    b'P' Trade[44] {
        /// The order's number, unique for the day.
        order_reference: u64 => 11..19;
        /// `B` buys, `S` sells.
        side: u8 => 19..20;
        /// Shares.
        shares: u32 => 20..24;
        /// The security's symbol.
        stock: Alpha<8> => 24..32;
        /// The price of one share.
        price: Price4 => 32..36;
        /// The trade's number, unique for the day.
        match_number: u64 => 36..44;
    }

    /// The trade of a cross. Nasdaq TotalView-ITCH 5.0: Cross Trade.
    b'Q' CrossTrade[40] {
        /// Shares.
        shares: u64 => 11..19;
        /// The security's symbol.
        stock: Alpha<8> => 19..27;
        /// The price of one share.
        price: Price4 => 27..31;
        /// The trade's number, unique for the day.
        match_number: u64 => 31..39;
        /// `O` opening, `C` closing, `H` halt or new issue, `A` extended trading close.
        cross_type: u8 => 39..40;
    }

    /// An execution is void. Nasdaq TotalView-ITCH 5.0: Broken Trade / Order Execution.
    b'B' BrokenTrade[19] {
        /// The trade's number, unique for the day.
        match_number: u64 => 11..19;
    }

    /// The result that a cross would have now. Nasdaq TotalView-ITCH 5.0: Net Order Imbalance Indicator.
    b'I' NetOrderImbalance[50] {
        /// Shares that match at the reference price.
        paired_shares: u64 => 11..19;
        /// Shares that do not match at the reference price.
        imbalance_shares: u64 => 19..27;
        /// The side of the imbalance: `B` buy, `S` sell, `N` none, `O` too few orders, `P` paused.
        imbalance_direction: u8 => 27..28;
        /// The security's symbol.
        stock: Alpha<8> => 28..36;
        /// The price at which auction orders alone would cross.
        far_price: Price4 => 36..40;
        /// The price at which auction and book would cross.
        near_price: Price4 => 40..44;
        /// The reference price.
        reference_price: Price4 => 44..48;
        /// `O` opening, `C` closing, `H` halt or new issue, `A` extended trading close.
        cross_type: u8 => 48..49;
        /// The class of the distance between near price and reference price.
        price_variation_indicator: u8 => 49..50;
    }

    /// Retail interest in a security (RPII). Nasdaq TotalView-ITCH 5.0: Retail Price Improvement
    /// Indicator.
    b'N' RetailInterest[20] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// `B` buy, `S` sell, `A` both, `N` none.
        interest_flag: u8 => 19..20;
    }

    /// Price discovery in a direct listing with capital raise. Nasdaq TotalView-ITCH 5.0: Direct
    /// Listing with Capital Raise Price Discovery.
    b'O' DirectListing[48] {
        /// The security's symbol.
        stock: Alpha<8> => 11..19;
        /// `Y` if the security may be released for trading, `N` if not.
        open_eligibility_status: u8 => 19..20;
        /// The lowest price of the registered range.
        minimum_price: Price4 => 20..24;
        /// The highest price of the registered range.
        maximum_price: Price4 => 24..28;
        /// The current reference price within the collars.
        near_execution_price: Price4 => 28..32;
        /// The time of the reference price, in nanoseconds since midnight.
        near_execution_time: u64 => 32..40;
        /// The lower collar of the price range.
        lower_collar: Price4 => 40..44;
        /// The upper collar of the price range.
        upper_collar: Price4 => 44..48;
    }
}
