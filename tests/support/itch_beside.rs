//! ITCH messages beside another reader of the same specification, the crate itch5: field for field, but for
//! codes of one byte, which that one gives as enumerations. (tshark's dissector is of ITCH 2.00 and 3.00.)

use std::ops::ControlFlow;

use framepool::feed::{Alpha, Price4, Price8, itch};
use itch5::messages::{self as theirs, Symbol};
use itch5::{MessageHandler, Parser};

/// A field's value, whatever its type is.
pub trait Value {
    fn value(self) -> u64;
}

macro_rules! values {
    ($($type:ty: $value:ident => $as:expr;)*) => {
        $( impl Value for $type {
            fn value(self) -> u64 {
                let $value = self;
                $as
            }
        } )*
    };
}

values! {
    u8: n => n.into();
    u16: n => n.into();
    u32: n => n.into();
    u64: n => n;
    Price4: price => price.raw.into();
    Price8: price => price.raw;
    Alpha<8>: text => u64::from_be_bytes(text.0);
    Alpha<4>: text => u32::from_be_bytes(text.0).into();
    &theirs::Price4: price => price.into_u32().into();
    &theirs::Price8: price => price.into_u64();
    &Symbol: symbol => symbol.to_u64();
    &[u8]: text => text.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
}

struct Beside<'a> {
    ours: itch::Message<'a>,
    is_compared: bool,
}

macro_rules! beside {
    ($($on:ident, $message:ident, $locate:ident = $ours:ident: $($field:ident = $our_field:ident),*;)*) => {
        impl MessageHandler for Beside<'_> {
            $(
                fn $on(&mut self, m: &theirs::$message) -> ControlFlow<()> {
                    let itch::Message::$ours(ours) = self.ours else {
                        panic!("{:?} is a {}", self.ours, stringify!($message));
                    };
                    assert_eq!(ours.stock_locate(), m.$locate());
                    assert_eq!(ours.tracking_number(), m.tracking_number());
                    assert_eq!(ours.timestamp(), m.timestamp().to_u64());
                    $( assert_eq!(ours.$our_field().value(), m.$field().value(), stringify!($field)); )*
                    self.is_compared = true;
                    ControlFlow::Continue(())
                }
            )*
        }
    };
}

#[rustfmt::skip]
beside! {
    on_system_event, SystemEvent, stock_locate = SystemEvent: ;
    on_stock_directory, StockDirectory, stock_locate = StockDirectory:
        stock = stock, round_lot_size = round_lot_size, etp_leverage_factor = etp_leverage_factor;
    on_stock_trading_action, StockTradingAction, stock_locate = StockTradingAction:
        stock = stock, reserved = reserved;
    on_reg_sho_restriction, RegSHORestriction, locate_code = RegShoRestriction: stock = stock;
    on_market_participant_position, MarketParticipantPosition, stock_locate = MarketParticipantPosition:
        mpid = participant, stock = stock;
    on_mwcb_decline_level, MWCBDeclineLevel, stock_locate = MwcbDeclineLevel:
        level_1 = level_1, level_2 = level_2, level_3 = level_3;
    on_mwcb_status, MWCBStatus, stock_locate = MwcbStatus: ;
    on_quoting_period_update, QuotingPeriodUpdate, stock_locate = IpoQuotingPeriod:
        stock = stock, ipo_quotation_release_time = release_time, ipo_price = ipo_price;
    on_luld_auction_collar, LULDAuctionCollar, stock_locate = LuldAuctionCollar:
        stock = stock, auction_collar_reference_price = reference_price,
        upper_auction_collar_price = upper_price, lower_auction_collar_price = lower_price,
        auction_collar_extension = extension;
    on_operational_halt, OperationalHalt, stock_locate = OperationalHalt: stock = stock;
    on_add_order_no_mpid_attribution, AddOrderNoMPIDAttribution, stock_locate = AddOrder:
        order_reference_number = order_reference, shares = shares, stock = stock, price = price;
    on_add_order_with_mpid_attribution, AddOrderWithMPIDAttribution, stock_locate = AddOrderAttributed:
        order_reference_number = order_reference, shares = shares, stock = stock, price = price,
        attribution = attribution;
    on_order_executed, OrderExecuted, stock_locate = OrderExecuted:
        order_reference_number = order_reference, executed_shares = shares, match_number = match_number;
    on_order_executed_with_price, OrderExecutedWithPrice, stock_locate = OrderExecutedWithPrice:
        order_reference_number = order_reference, executed_shares = shares, match_number = match_number,
        execution_price = price;
    on_order_cancel, OrderCancel, stock_locate = OrderCancel:
        order_reference_number = order_reference, cancelled_shares = shares;
    on_order_delete, OrderDelete, stock_locate = OrderDelete: order_reference_number = order_reference;
    on_order_replace, OrderReplace, stock_locate = OrderReplace:
        original_order_reference_number = order_reference, new_order_reference_number = new_reference,
        shares = shares, price = price;
    on_trade, Trade, stock_locate = Trade:
        order_reference_number = order_reference, shares = shares, stock = stock, price = price,
        match_number = match_number;
    on_cross_trade, CrossTrade, stock_locate = CrossTrade:
        shares = shares, stock = stock, cross_price = price, match_number = match_number;
    on_broken_trade, BrokenTrade, stock_locate = BrokenTrade: match_number = match_number;
    on_net_order_imbalance_indicator, NetOrderImbalanceIndicator, stock_locate = NetOrderImbalance:
        paired_shares = paired_shares, imbalance_shares = imbalance_shares, stock = stock,
        far_price = far_price, near_price = near_price, current_reference_price = reference_price;
    on_retail_price_improvement_indicator, RetailPriceImprovementIndicator, stock_locate = RetailInterest:
        stock = stock;
    on_direct_listing_with_capital_raise_price_discovery, DirectListingwithCapitalRaisePriceDiscovery,
        stock_locate = DirectListing:
        stock = stock, minimum_allowable_price = minimum_price, maximum_allowable_price = maximum_price,
        near_execution_price = near_execution_price, near_execution_time = near_execution_time,
        lower_price_range_collar = lower_collar, upper_price_range_collar = upper_collar;
}

/// Both read these bytes, or refuse them.
pub fn beside(bytes: &[u8]) {
    let framed = [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let mut parser = Parser::new(&framed);
    match itch::Message::parse(bytes) {
        Ok(ours) => {
            let mut beside = Beside {
                ours,
                is_compared: false,
            };
            parser.parse_stream(&mut beside).unwrap();
            assert!(beside.is_compared);
        }
        Err(_) => {
            struct Nothing;
            impl MessageHandler for Nothing {}
            assert!(parser.parse_stream(&mut Nothing).is_err(), "{bytes:?}");
        }
    }
}
