//! Messages of ITCH, PITCH and XDP: every type, every length, every byte.
#![cfg(feature = "feed")]
#![allow(missing_docs)]

#[path = "support/itch_beside.rs"]
mod itch_beside;

use framepool::feed::{itch, pitch, xdp};
use framepool::wire::{Layer, ParseError, Reason};
use proptest::prelude::*;

/// A feed's messages, as this test needs them.
trait Feed {
    const LAYER: Layer;
    fn types() -> Vec<(u32, usize)>;
    /// Makes `bytes` a message of this type.
    fn stamp(kind: u32, bytes: &mut [u8]);
    /// Parses, emits, and gives back what was emitted.
    fn round(bytes: &[u8]) -> Result<Vec<u8>, ParseError>;
}

macro_rules! feed {
    ($feed:ident, $module:ident, $layer:ident, $stamp:expr) => {
        struct $feed;
        impl Feed for $feed {
            const LAYER: Layer = Layer::$layer;
            fn types() -> Vec<(u32, usize)> {
                let types = $module::TYPES.iter();
                types
                    .map(|(kind, len, _)| (u32::from(*kind), *len))
                    .collect()
            }
            fn stamp(kind: u32, bytes: &mut [u8]) {
                let stamp: fn(u32, &mut [u8]) = $stamp;
                stamp(kind, bytes);
            }
            fn round(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
                let message = $module::Message::parse(bytes)?;
                assert!(bytes.starts_with(message.as_bytes()));
                let mut out = [0; 512];
                let len = message.emit(&mut out).unwrap();
                for short in 0..len {
                    assert!(message.emit(&mut out[..short]).is_err());
                }
                assert_eq!(message.emit(&mut out), Ok(len));
                Ok(out[..len].to_vec())
            }
        }
    };
}

feed!(Itch, itch, Itch, |kind, bytes| bytes[0] = kind as u8);
feed!(Pitch, pitch, Pitch, |kind, bytes| {
    bytes[0] = bytes.len() as u8;
    bytes[1] = kind as u8;
});
feed!(Xdp, xdp, NyseXdp, |kind, bytes| {
    let len = bytes.len() as u16;
    bytes[..2].copy_from_slice(&len.to_le_bytes());
    bytes[2..4].copy_from_slice(&(kind as u16).to_le_bytes());
});

/// Every byte of a message is in a field: what is emitted is what was parsed.
fn every_byte_survives<F: Feed>(noise: &[u8]) {
    for (kind, len) in F::types() {
        let mut bytes = noise[..len].to_vec();
        F::stamp(kind, &mut bytes);
        assert_eq!(F::round(&bytes).as_ref(), Ok(&bytes), "type {kind:#x}");
    }
}

fn every_truncation_says_what_is_missing<F: Feed>() {
    for (kind, len) in F::types() {
        let mut bytes = vec![0; len];
        F::stamp(kind, &mut bytes);
        for cut in 0..len {
            let error = F::round(&bytes[..cut]).unwrap_err();
            assert_eq!((error.layer, error.offset), (F::LAYER, 0), "{cut} of {len}");
            let Reason::Truncated { needed, available } = error.reason else {
                panic!("{error}");
            };
            assert!(needed as usize <= len && needed > available);
            assert_eq!(available as usize, cut);
            // Once the type is known, so is the length.
            assert!(cut < 4 || needed as usize == len, "{error}");
        }
    }
}

fn types_outside_of_the_table_are_unknown<F: Feed>(all: u32) {
    let types = F::types();
    for kind in 0..all {
        let mut bytes = vec![0; 200];
        F::stamp(kind, &mut bytes);
        let is_listed = types.iter().any(|(listed, _)| *listed == kind);
        let reason = F::round(&bytes).err().map(|error| error.reason);
        let is_unknown = reason == Some(Reason::UnknownType { found: kind });
        assert_eq!(is_unknown, !is_listed, "type {kind:#x}");
    }
}

#[test]
fn truncated_messages_say_what_is_missing() {
    every_truncation_says_what_is_missing::<Itch>();
    every_truncation_says_what_is_missing::<Pitch>();
    every_truncation_says_what_is_missing::<Xdp>();
}

#[test]
fn unknown_types_are_named() {
    types_outside_of_the_table_are_unknown::<Itch>(256);
    types_outside_of_the_table_are_unknown::<Pitch>(256);
    types_outside_of_the_table_are_unknown::<Xdp>(1000);
}

#[test]
fn itch_has_the_23_types_of_its_specification() {
    let kinds: Vec<u8> = itch::TYPES.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, b"SRHYLVWKJhAFECXDUPQBINO");
}

#[test]
fn itch_messages_have_their_length_and_no_other() {
    for (kind, len, _) in itch::TYPES {
        let mut bytes = vec![0; len + 1];
        bytes[0] = *kind;
        let error = itch::Message::parse(&bytes).unwrap_err();
        let (least, most, stated) = (*len as u32, *len as u32, *len as u64 + 1);
        let reason = Reason::BadLength {
            stated,
            least,
            most,
        };
        assert_eq!(error.reason, reason);
        assert_eq!(itch::Raw::parse(&bytes).unwrap_err(), error);
    }
}

#[test]
fn messages_that_grew_keep_what_they_had() {
    for (kind, len) in Pitch::types() {
        let mut bytes: Vec<u8> = (0..len as u8 + 16).collect();
        Pitch::stamp(kind, &mut bytes);
        let message = pitch::Message::parse(&bytes).unwrap();
        assert_eq!(message.as_bytes(), &bytes[..len]);
    }
    let add = xdp::fields::AddOrder {
        volume: 7,
        ..Default::default()
    };
    let mut bytes = add.to_bytes().to_vec();
    bytes.extend(*b"new");
    let add = xdp::AddOrder::parse(&bytes).unwrap();
    assert_eq!((add.volume(), add.tail()), (7, &b"new"[..]));
}

#[test]
fn fields_that_a_message_may_have_are_there_or_not() {
    let short = pitch::fields::ModifyOrderShort {
        quantity: 9,
        ..Default::default()
    };
    let mut bytes = [0; 64];
    let len = short.emit(&mut bytes).unwrap();
    assert_eq!((len, bytes[0]), (18, 18));
    let message = pitch::ModifyOrderShort::parse(&bytes[..len]).unwrap();
    assert_eq!((message.quantity(), message.flags()), (9, None));

    let flagged = pitch::fields::ModifyOrderShort {
        flags: Some(3),
        ..short
    };
    let len = flagged.emit(&mut bytes).unwrap();
    assert_eq!((len, bytes[0]), (19, 19));
    let message = pitch::ModifyOrderShort::parse(&bytes[..len]).unwrap();
    assert_eq!(message.fields(), flagged);
}

#[test]
fn a_view_refuses_another_type() {
    let delete = itch::fields::OrderDelete::default().to_bytes();
    let error = itch::BrokenTrade::parse(&delete).unwrap_err();
    assert_eq!(error.reason, Reason::UnknownType { found: b'D'.into() });
    assert!(itch::OrderDelete::parse(&delete).is_ok());
}

/// What is read through tables is what the typed views say.
fn by_table_as_by_type(bytes: &[u8]) {
    use itch::Message::*;
    let raw = itch::Raw::parse(bytes).unwrap();
    let typed = raw.typed().unwrap();
    assert_eq!(
        (raw.kind(), raw.as_bytes()),
        (typed.kind(), typed.as_bytes())
    );
    macro_rules! same {
        ($m:ident: $($field:ident)*; none: $($none:ident)*) => {{
            assert_eq!(raw.stock_locate(), $m.stock_locate());
            assert_eq!(raw.tracking_number(), $m.tracking_number());
            assert_eq!(raw.timestamp(), $m.timestamp());
            $( assert_eq!(raw.$field(), Some($m.$field()), stringify!($field)); )*
            $( assert_eq!(raw.$none(), None, stringify!($none)); )*
        }};
    }
    match typed {
        AddOrder(m) => same!(m: order_reference side shares stock price;
            none: new_reference match_number printable attribution),
        AddOrderAttributed(m) => same!(m: order_reference side shares stock price attribution;
            none: new_reference match_number printable),
        OrderExecuted(m) => same!(m: order_reference shares match_number;
            none: new_reference side stock price printable attribution),
        OrderExecutedWithPrice(m) => same!(m: order_reference shares match_number printable price;
            none: new_reference side stock attribution),
        OrderCancel(m) => same!(m: order_reference shares;
            none: new_reference match_number side stock price printable attribution),
        OrderDelete(m) => same!(m: order_reference;
            none: new_reference match_number side shares stock price printable attribution),
        OrderReplace(m) => same!(m: order_reference new_reference shares price;
            none: match_number side stock printable attribution),
        Trade(m) => same!(m: order_reference side shares stock price match_number;
            none: new_reference printable attribution),
        CrossTrade(m) => same!(m: stock match_number; none: order_reference new_reference side),
        BrokenTrade(m) => same!(m: match_number; none: order_reference stock price shares),
        StockDirectory(m) => same!(m: stock; none: order_reference price),
        StockTradingAction(m) => same!(m: stock; none: order_reference price),
        RegShoRestriction(m) => same!(m: stock; none: order_reference price),
        MarketParticipantPosition(m) => same!(m: stock; none: order_reference price),
        IpoQuotingPeriod(m) => same!(m: stock; none: order_reference price),
        LuldAuctionCollar(m) => same!(m: stock; none: order_reference price),
        OperationalHalt(m) => same!(m: stock; none: order_reference price),
        NetOrderImbalance(m) => same!(m: stock; none: order_reference price),
        RetailInterest(m) => same!(m: stock; none: order_reference price),
        DirectListing(m) => same!(m: stock; none: order_reference price),
        SystemEvent(m) => same!(m: ; none: order_reference stock price),
        MwcbDeclineLevel(m) => same!(m: ; none: order_reference stock price),
        MwcbStatus(m) => same!(m: ; none: order_reference stock price),
        other => panic!("{other:?} is not compared"),
    }
}

/// What the text of a value says of one of its fields.
fn named<'a>(text: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut starts = names.iter().filter_map(|name| {
        let (_, rest) = text.split_once(&format!(" {name}: "))?;
        rest.split([',', '}']).next()
    });
    let value = starts.next()?;
    let value = value.trim().trim_start_matches("Price { raw: ");
    // The padding of text does not count.
    Some(value.trim_end_matches([' ', '"']))
}

/// What `Raw` says of each field, one by one and all together, is what the typed view has under that name.
macro_rules! raw_as_typed {
    ($module:ident, $bytes:expr, $( $field:ident [$($name:literal),*] )*) => {{
        let raw = $module::Raw::parse($bytes).unwrap();
        let typed = raw.typed().unwrap();
        assert_eq!(u32::from(raw.kind()), u32::from(typed.kind()));
        let (typed, values) = (format!("{typed:?}"), raw.values());
        $(
            let expected = named(&typed, &[$($name),*]).map(String::from);
            // A price of two decimals is given with four.
            let expected = match expected {
                Some(price) if stringify!($field) == "price" && typed.contains("Short {") => {
                    Some((price.parse::<i64>().unwrap() * 100).to_string())
                }
                expected => expected,
            };
            let one = raw.$field().map(|value| format!("{{ value: {value:?} }}"));
            let one = one.map(|text| named(&text, &["value"]).map(String::from));
            assert_eq!(one.flatten(), expected, "{} of {typed}", stringify!($field));
            let all = format!("{{ value: {:?} }}", values.$field);
            let all = named(&all, &["value"]).unwrap();
            match expected {
                Some(expected) => assert_eq!(all, expected, "{} of {typed}", stringify!($field)),
                None => assert!(["0", "\""].contains(&&*all.replace("\\x00", "").replace("\\0", "")), "{all} in {typed}"),
            }
        )*
    }};
}

fn itch_raw_as_typed(bytes: &[u8]) {
    raw_as_typed!(itch, bytes,
        order_reference["order_reference"] new_reference["new_reference"] side["side"] printable["printable"]
        attribution["attribution"] stock["stock"] price["price"] match_number["match_number"]);
}

fn pitch_raw_as_typed(bytes: &[u8]) {
    raw_as_typed!(pitch, bytes,
        time_offset["time_offset"] order_id["order_id"] execution_id["execution_id"] side["side"]
        quantity["quantity", "executed", "cancelled"] price["price"] symbol["symbol"]);
}

fn xdp_raw_as_typed(bytes: &[u8]) {
    raw_as_typed!(xdp, bytes,
        source_time_ns["source_time_ns"] symbol_index["symbol_index"] symbol_seq_num["symbol_seq_num"]
        order_id["order_id"] new_order_id["new_order_id"] trade_id["trade_id"] price["price"]
        volume["volume"] side["side"] printable["printable"]);
}

fn raw_refuses_what_message_refuses<F: Feed>(raw: fn(&[u8]) -> Option<ParseError>, noise: &[u8]) {
    for kind in 0..300 {
        for len in 0..70 {
            let mut bytes = noise[..len].to_vec();
            if len >= 4 {
                F::stamp(kind, &mut bytes);
            }
            assert_eq!(
                raw(&bytes),
                F::round(&bytes).err(),
                "{kind:#x}, {len} bytes"
            );
        }
    }
}

#[test]
fn a_message_without_a_byte_is_refused_whatever_follows_it() {
    for follows in 0..=255 {
        let mut bytes = vec![follows; 200];
        bytes[..2].copy_from_slice(&0_u16.to_be_bytes());
        let raw = itch::Messages::new(&bytes).raw().next().unwrap();
        let typed = itch::Messages::new(&bytes).next().unwrap();
        assert_eq!(raw.map(|_| ()), typed.map(|_| ()), "{follows:#x}");
    }
}

#[test]
fn raw_messages_and_typed_ones_are_refused_for_the_same_reason() {
    let noise = [0; 128];
    raw_refuses_what_message_refuses::<Pitch>(|bytes| pitch::Raw::parse(bytes).err(), &noise);
    raw_refuses_what_message_refuses::<Xdp>(|bytes| xdp::Raw::parse(bytes).err(), &noise);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }) })]

    #[test]
    fn what_is_emitted_is_what_was_parsed(noise in prop::collection::vec(any::<u8>(), 128)) {
        every_byte_survives::<Itch>(&noise);
        every_byte_survives::<Pitch>(&noise);
        every_byte_survives::<Xdp>(&noise);
    }

    #[test]
    fn tables_and_views_agree(noise in prop::collection::vec(any::<u8>(), 128)) {
        for (kind, len, _) in itch::TYPES {
            let mut bytes = noise[..*len].to_vec();
            bytes[0] = *kind;
            by_table_as_by_type(&bytes);
        }
    }

    #[test]
    fn shared_fields_are_those_of_the_type(noise in prop::collection::vec(b'A'..=b'Z', 128)) {
        for (types, stamp, check) in [
            (Itch::types(), Itch::stamp as fn(u32, &mut [u8]), itch_raw_as_typed as fn(&[u8])),
            (Pitch::types(), Pitch::stamp, pitch_raw_as_typed),
            (Xdp::types(), Xdp::stamp, xdp_raw_as_typed),
        ] {
            for (kind, len) in types {
                let mut bytes = noise[..len].to_vec();
                stamp(kind, &mut bytes);
                check(&bytes);
            }
        }
    }

    #[test]
    fn itch5_reads_the_same(noise in prop::collection::vec(any::<u8>(), 128)) {
        for (kind, len, _) in itch::TYPES {
            let mut bytes = noise[..*len].to_vec();
            bytes[0] = *kind;
            itch_beside::beside(&bytes);
            itch_beside::beside(&bytes[..len - 1]);
            bytes.push(0);
            itch_beside::beside(&bytes);
        }
        itch_beside::beside(&noise[..1 + usize::from(noise[0]) % 50]);
    }

    #[test]
    fn timestamps_have_48_bits(timestamp: u64, shares: u32) {
        let cancel = itch::fields::OrderCancel { timestamp, shares, ..Default::default() };
        let bytes = cancel.to_bytes();
        let cancel = itch::OrderCancel::parse(&bytes).unwrap();
        prop_assert_eq!(cancel.timestamp(), timestamp & 0xFFFF_FFFF_FFFF);
        prop_assert_eq!(cancel.shares(), shares);
    }
}

#[test]
fn a_contract_date_is_in_front_of_what_offsets_point_to() {
    let of = |leg_offset, variance_offset, tail: &[u8]| {
        let instrument = pitch::fields::FuturesInstrument {
            leg_offset,
            variance_offset,
            ..Default::default()
        };
        let mut bytes = instrument.to_bytes().to_vec();
        bytes.extend(tail);
        bytes[0] = bytes.len() as u8;
        let instrument = pitch::FuturesInstrument::parse(&bytes).unwrap();
        instrument.contract_date()
    };
    let date = 20_260_105_u32.to_le_bytes();
    assert_eq!(of(0, 0, &date), Some(20_260_105));
    assert_eq!(of(45, 0, &date), Some(20_260_105));
    assert_eq!(of(0, 255, &date), Some(20_260_105));
    // Versions without it have legs, the variance block, or nothing there.
    assert_eq!(of(41, 0, &date), None);
    assert_eq!(of(44, 0, &date), None);
    assert_eq!(of(0, 41, &date), None);
    assert_eq!(of(0, 0, &date[..3]), None);
}
