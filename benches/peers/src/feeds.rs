//! Benches of exchange feeds: `wire/fix/…` and `wire/itch/…`.
//!
//! | bench | work for each message |
//! |---|---|
//! | `wire/fix/full` | verify length and checksum; find every field, sum the tags, touch the values |
//! | `wire/fix/frame` | length and checksum verified, no field read |
//! | `wire/itch/full` | found by its length prefix, type and length checked, every field of its type read: by framepool through tables, by `framepool-typed` and the others after a jump by type |
//! | `wire/itch/visit` | found, type and length checked, and borrowed as its type; the fields of all types and the order's number are read |
//!
//! One operation is one message. FIX messages are execution reports of 331 bytes. ITCH messages are those of an
//! order book, each after its length, 32 bytes on average. Both are generated here and are the same in every run.
//! There are too many ITCH messages for a branch predictor to learn their order.

use std::hint::black_box;
use std::ops::ControlFlow;

#[cfg(feature = "fefix")]
use fefix::tagvalue::{Config, Decoder as FefixDecoder, RawDecoder};
use framepool::feed::{Alpha, Price4, fix, itch};
use itch5::messages::{BuySellIndicator, Printable};
use itch5::{MessageHandler, Parser};

use crate::harness::{Bench, Group, Row, run_each};
use crate::options::Options;

/// The number of FIX messages; all of them differ.
const REPORTS: usize = 1000;
/// The size of one in bytes.
const REPORT: usize = 331;
/// The number of ITCH messages; their order has no pattern.
const ORDERS: usize = 1 << 17;

/// The messages that all contenders read.
pub struct Fixtures {
    reports: Vec<u8>,
    orders: Vec<u8>,
}

impl Fixtures {
    pub fn new() -> Self {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        let mut reports = Vec::new();
        for i in 0..REPORTS {
            reports.extend(report(&mut dice, i as u64));
        }
        let mut orders = Vec::new();
        for _ in 0..ORDERS {
            let message = order(&mut dice);
            orders.extend((message.len() as u16).to_be_bytes());
            orders.extend(message);
        }
        Self { reports, orders }
    }

    fn reports(&self) -> impl Iterator<Item = &[u8]> {
        self.reports.chunks_exact(REPORT)
    }
}

/// The benches, in the order in which they run.
pub const BENCHES: &[Bench<Fixtures>] = &[
    ("wire/fix/full", fix_full),
    ("wire/fix/frame", fix_frame),
    ("wire/itch/full", itch_full),
    ("wire/itch/visit", itch_visit),
];

/// One run of the benches that the options select.
pub fn run(fixtures: &Fixtures, options: &Options) -> Vec<Row> {
    run_each(BENCHES, fixtures, options)
}

/// Random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// An execution report. Its text fills it up to the size.
fn report(dice: &mut Dice, i: u64) -> Vec<u8> {
    let symbols = ["IBM", "MSFT", "AAPL", "BRK.B", "F", "GOOGL"];
    let clock = dice.roll(86_400_000);
    let (hour, minute) = (clock / 3_600_000, clock / 60_000 % 60);
    let (second, milli) = (clock / 1000 % 60, clock % 1000);
    let time = format!("20260105-{hour:02}:{minute:02}:{second:02}.{milli:03}");
    let quantity = 100 * (1 + dice.roll(50));
    let done = 100 * dice.roll(quantity / 100 + 1);
    let price = 10_000 + dice.roll(900_000);
    let price = format!("{}.{:02}", price / 100, price % 100);
    let fields: Vec<(u32, String)> = vec![
        (49, "EXCHANGE".into()),
        (56, "CLIENT01".into()),
        (34, (1 + i * 7).to_string()),
        (52, time.clone()),
        (37, dice.roll(1 << 40).to_string()),
        (11, format!("CL{:08}", dice.roll(100_000_000))),
        (17, dice.roll(1 << 36).to_string()),
        (150, ["0", "1", "2", "F"][dice.roll(4) as usize].into()),
        (39, ["0", "1", "2"][dice.roll(3) as usize].into()),
        (55, symbols[dice.roll(6) as usize].into()),
        (48, format!("{:012}", dice.roll(1_000_000_000_000))),
        (22, "4".into()),
        (54, ["1", "2"][dice.roll(2) as usize].into()),
        (38, quantity.to_string()),
        (40, "2".into()),
        (44, price.clone()),
        (59, "0".into()),
        (32, done.to_string()),
        (31, price.clone()),
        (151, (quantity - done).to_string()),
        (14, done.to_string()),
        (6, price),
        (60, time),
        (15, "USD".into()),
        (453, "1".into()),
        (448, "TRADER9".into()),
        (447, "D".into()),
        (452, "12".into()),
    ];
    let write = |text: &str| {
        let mut buffer = [0; 512];
        let mut writer = fix::Writer::new(&mut buffer, fix::Version::Fix44, b"8").ok()?;
        for (tag, value) in &fields {
            writer.field(*tag, value.as_bytes()).ok()?;
        }
        writer.field(58, text.as_bytes()).ok()?;
        writer.finish().ok().map(<[u8]>::to_vec)
    };
    let len = write("x").expect("it fits").len();
    let text = "partly filled on the displayed book, more to come, as ever".repeat(2);
    let message = write(&text[..1 + REPORT - len]).expect("it fits");
    assert_eq!(message.len(), REPORT);
    message
}

/// A message about an order. The types are about as frequent as on a trading day.
fn order(dice: &mut Dice) -> Vec<u8> {
    let (stock_locate, tracking_number) = (dice.roll(8000) as u16, 0);
    let timestamp = 34_200_000_000_000 + dice.roll(23_400_000_000_000);
    let (order_reference, match_number) = (dice.roll(1 << 32), dice.roll(1 << 30));
    let (shares, price) = (
        dice.roll(10_000) as u32,
        Price4::new(dice.roll(10_000_000) as u32),
    );
    let stock = Alpha(*b"AAPL    ");
    let side = [b'B', b'S'][dice.roll(2) as usize];
    use itch::fields::*;
    #[rustfmt::skip]
    let message = match dice.roll(100) {
        0..=38 => AddOrder { stock_locate, tracking_number, timestamp, order_reference, side, shares, stock, price }
            .to_bytes().to_vec(),
        39..=40 => AddOrderAttributed {
            stock_locate, tracking_number, timestamp, order_reference, side, shares, stock, price,
            attribution: Alpha(*b"VIRT"),
        }.to_bytes().to_vec(),
        41..=46 => OrderExecuted { stock_locate, tracking_number, timestamp, order_reference, shares, match_number }
            .to_bytes().to_vec(),
        47 => OrderExecutedWithPrice {
            stock_locate, tracking_number, timestamp, order_reference, shares, match_number, printable: b'Y', price,
        }.to_bytes().to_vec(),
        48..=51 => OrderCancel { stock_locate, tracking_number, timestamp, order_reference, shares }
            .to_bytes().to_vec(),
        52..=78 => OrderDelete { stock_locate, tracking_number, timestamp, order_reference }.to_bytes().to_vec(),
        79..=95 => OrderReplace {
            stock_locate, tracking_number, timestamp, order_reference, new_reference: order_reference + 9, shares, price,
        }.to_bytes().to_vec(),
        _ => Trade { stock_locate, tracking_number, timestamp, order_reference, side, shares, stock, price, match_number }
            .to_bytes().to_vec(),
    };
    message
}

fn fix_full<'a>(fixtures: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("wire/fix/full", REPORTS as u64);
    group.add(bench, "framepool", ops, |n| {
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let (message, _) = fix::Message::parse(black_box(bytes)).expect("a message");
                let mut sum = u64::from(message.checksum());
                for field in message.fields() {
                    let field = field.expect("a field");
                    sum += touch(field.tag, field.value);
                }
                black_box(sum);
            }
        }
    });
    group.add(bench, "fix-codec-rs", ops, |n| {
        let mut decoder = fix_codec_rs::decoder::Decoder::new();
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let message = decoder.decode(black_box(bytes)).expect("a message");
                message.validate_body_length().expect("the length is right");
                message.validate_checksum().expect("the checksum is right");
                let fields = message.fields();
                black_box(fields.map(|f| touch(f.tag, f.value)).sum::<u64>());
            }
        }
    });
    group.add(bench, "ironfix", ops, |n| {
        let mut index = ironfix_tagvalue::FieldIndex::with_capacity(64);
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let mut decoder = ironfix_tagvalue::Decoder::new(black_box(bytes));
                let message = decoder.decode_into(&mut index).expect("a message");
                let fields = message.fields();
                black_box(fields.map(|f| touch(f.tag, f.value)).sum::<u64>());
            }
        }
    });
    #[cfg(feature = "fefix")]
    group.add(bench, "fefix", ops, |n| {
        let mut decoder = FefixDecoder::<Config>::new(fefix::Dictionary::fix44());
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let message = decoder.decode(black_box(bytes)).expect("a message");
                let fields = message.fields();
                black_box(
                    fields
                        .map(|(tag, value)| touch(tag.get().into(), value))
                        .sum::<u64>(),
                );
            }
        }
    });
}

/// The work for each field: tag, length, first byte.
#[inline(always)]
fn touch(tag: u32, value: &[u8]) -> u64 {
    u64::from(tag) + value.len() as u64 + value.first().map_or(0, |&byte| byte.into())
}

fn fix_frame<'a>(fixtures: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("wire/fix/frame", REPORTS as u64);
    group.add(bench, "framepool", ops, |n| {
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let (message, len) = fix::Message::parse(black_box(bytes)).expect("a message");
                black_box((message.body_length(), len));
            }
        }
    });
    #[cfg(feature = "fefix")]
    group.add(bench, "fefix-raw", ops, |n| {
        let decoder = RawDecoder::<Config>::new();
        for _ in 0..n {
            for bytes in fixtures.reports() {
                let frame = decoder.decode(black_box(bytes)).expect("a message");
                black_box(frame.payload().len());
            }
        }
    });
}

fn itch_full<'a>(fixtures: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("wire/itch/full", ORDERS as u64);
    group.add(bench, "framepool", ops, |n| {
        for _ in 0..n {
            let mut sum = 0;
            for message in itch::Messages::new(black_box(&fixtures.orders)).raw() {
                sum ^= every_field_by_table(&message.expect("a message"));
            }
            black_box(sum);
        }
    });
    group.add(bench, "framepool-typed", ops, |n| {
        for _ in 0..n {
            let mut sum = 0;
            for message in itch::Messages::new(black_box(&fixtures.orders)) {
                sum ^= every_field(&message.expect("a message"));
            }
            black_box(sum);
        }
    });
    group.add(bench, "itch5", ops, |n| {
        for _ in 0..n {
            let mut sum = EveryField(0);
            let parsed = Parser::new(black_box(&fixtures.orders)).parse_stream(&mut sum);
            parsed.expect("messages");
            black_box(sum.0);
        }
    });
    group.add(bench, "itchy", ops, |n| {
        for _ in 0..n {
            for message in itchy::MessageStream::from_reader(black_box(&fixtures.orders[..])) {
                let _ = black_box(&message.expect("a message"));
            }
        }
    });
}

/// All fields of a message's type, combined.
#[inline(always)]
fn every_field_by_table(m: &itch::Raw<'_>) -> u64 {
    let values = m.values();
    u64::from(m.stock_locate())
        ^ u64::from(m.tracking_number())
        ^ m.timestamp()
        ^ values.order_reference
        ^ values.new_reference
        ^ values.match_number
        ^ u64::from_be_bytes(values.stock.0)
        ^ u64::from(values.shares)
        ^ u64::from(values.price.raw)
        ^ u64::from(u32::from_be_bytes(values.attribution.0))
        ^ u64::from(values.side)
        ^ u64::from(values.printable)
}

/// The same, by the message's type.
#[inline(always)]
fn every_field(message: &itch::Message<'_>) -> u64 {
    use itch::Message::*;
    macro_rules! mix {
        ($m:expr; $($field:ident),*; $($text:ident),*) => {
            u64::from($m.stock_locate()) ^ u64::from($m.tracking_number()) ^ $m.timestamp()
                ^ $m.order_reference() $(^ u64::from($m.$field()))* $(^ u64::from_be_bytes($m.$text().0))*
        };
    }
    match message {
        AddOrder(m) => mix!(m; side, shares; stock) ^ u64::from(m.price().raw),
        AddOrderAttributed(m) => {
            let attribution = u32::from_be_bytes(m.attribution().0);
            mix!(m; side, shares; stock) ^ u64::from(m.price().raw) ^ u64::from(attribution)
        }
        OrderExecuted(m) => mix!(m; shares, match_number;),
        OrderExecutedWithPrice(m) => {
            mix!(m; shares, match_number, printable;) ^ u64::from(m.price().raw)
        }
        OrderCancel(m) => mix!(m; shares;),
        OrderDelete(m) => mix!(m;;),
        OrderReplace(m) => mix!(m; new_reference, shares;) ^ u64::from(m.price().raw),
        Trade(m) => mix!(m; side, shares, match_number; stock) ^ u64::from(m.price().raw),
        other => other.kind().into(),
    }
}

/// The same by itch5.
struct EveryField(u64);

macro_rules! mixed {
    ($($on:ident, $message:ident: $m:ident => $more:expr;)*) => {
        impl MessageHandler for EveryField {
            $(
                #[inline(always)]
                fn $on(&mut self, $m: &itch5::messages::$message) -> ControlFlow<()> {
                    self.0 ^= u64::from($m.stock_locate()) ^ u64::from($m.tracking_number())
                        ^ $m.timestamp().to_u64() ^ $more;
                    ControlFlow::Continue(())
                }
            )*
        }
    };
}

mixed! {
    on_add_order_no_mpid_attribution, AddOrderNoMPIDAttribution: m => m.order_reference_number()
        ^ u64::from(matches!(m.buy_sell_indicator(), BuySellIndicator::Buy)) ^ u64::from(m.shares()) ^ m.stock().to_u64()
        ^ u64::from(m.price().into_u32());
    on_add_order_with_mpid_attribution, AddOrderWithMPIDAttribution: m => m.order_reference_number()
        ^ u64::from(matches!(m.buy_sell_indicator(), BuySellIndicator::Buy)) ^ u64::from(m.shares()) ^ m.stock().to_u64()
        ^ u64::from(m.price().into_u32()) ^ u64::from(m.attribution()[0]);
    on_order_executed, OrderExecuted: m => m.order_reference_number()
        ^ u64::from(m.executed_shares()) ^ m.match_number();
    on_order_executed_with_price, OrderExecutedWithPrice: m => m.order_reference_number()
        ^ u64::from(m.executed_shares()) ^ m.match_number() ^ u64::from(matches!(m.printable(), Printable::Printable))
        ^ u64::from(m.execution_price().into_u32());
    on_order_cancel, OrderCancel: m => m.order_reference_number() ^ u64::from(m.cancelled_shares());
    on_order_delete, OrderDelete: m => m.order_reference_number();
    on_order_replace, OrderReplace: m => m.original_order_reference_number()
        ^ m.new_order_reference_number() ^ u64::from(m.shares()) ^ u64::from(m.price().into_u32());
    on_trade, Trade: m => m.order_reference_number() ^ u64::from(matches!(m.buy_sell_indicator(), BuySellIndicator::Buy))
        ^ u64::from(m.shares()) ^ m.stock().to_u64() ^ u64::from(m.price().into_u32())
        ^ m.match_number();
}

/// The fields of all types, by itch5.
struct Header(u64);

macro_rules! headers {
    ($($on:ident, $message:ident, $order:ident;)*) => {
        impl MessageHandler for Header {
            $(
                #[inline(always)]
                fn $on(&mut self, m: &itch5::messages::$message) -> ControlFlow<()> {
                    self.0 ^= u64::from(m.stock_locate()) ^ m.timestamp().to_u64() ^ m.$order();
                    ControlFlow::Continue(())
                }
            )*
        }
    };
}

headers! {
    on_add_order_no_mpid_attribution, AddOrderNoMPIDAttribution, order_reference_number;
    on_add_order_with_mpid_attribution, AddOrderWithMPIDAttribution, order_reference_number;
    on_order_executed, OrderExecuted, order_reference_number;
    on_order_executed_with_price, OrderExecutedWithPrice, order_reference_number;
    on_order_cancel, OrderCancel, order_reference_number;
    on_order_delete, OrderDelete, order_reference_number;
    on_order_replace, OrderReplace, original_order_reference_number;
    on_trade, Trade, order_reference_number;
}

fn itch_visit<'a>(fixtures: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("wire/itch/visit", ORDERS as u64);
    group.add(bench, "framepool", ops, |n| {
        for _ in 0..n {
            let mut sum = 0;
            for message in itch::Messages::new(black_box(&fixtures.orders)).raw() {
                let message = message.expect("a message");
                sum ^= u64::from(message.stock_locate()) ^ message.timestamp();
                sum ^= message.values().order_reference;
            }
            black_box(sum);
        }
    });
    group.add(bench, "framepool-typed", ops, |n| {
        for _ in 0..n {
            let mut sum = 0;
            for message in itch::Messages::new(black_box(&fixtures.orders)) {
                sum ^= header(&message.expect("a message"));
            }
            black_box(sum);
        }
    });
    group.add(bench, "itch5", ops, |n| {
        for _ in 0..n {
            let mut sum = Header(0);
            let parsed = Parser::new(black_box(&fixtures.orders)).parse_stream(&mut sum);
            parsed.expect("messages");
            black_box(sum.0);
        }
    });
    group.add(bench, "floor: prefixes", ops, |n| {
        for _ in 0..n {
            let mut rest = black_box(&fixtures.orders[..]);
            let mut count = 0;
            while let Some((len, from)) = rest.split_first_chunk::<2>() {
                rest = from
                    .get(u16::from_be_bytes(*len).into()..)
                    .unwrap_or_default();
                count += 1;
            }
            black_box(count);
        }
    });
}

#[inline(always)]
fn header(message: &itch::Message<'_>) -> u64 {
    use itch::Message::*;
    macro_rules! head {
        ($m:expr) => {
            u64::from($m.stock_locate()) ^ $m.timestamp() ^ $m.order_reference()
        };
    }
    match message {
        AddOrder(m) => head!(m),
        AddOrderAttributed(m) => head!(m),
        OrderExecuted(m) => head!(m),
        OrderExecutedWithPrice(m) => head!(m),
        OrderCancel(m) => head!(m),
        OrderDelete(m) => head!(m),
        OrderReplace(m) => head!(m),
        Trade(m) => head!(m),
        other => other.kind().into(),
    }
}
