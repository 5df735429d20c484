//! FIX tag=value: what the writer makes is read back, and what is wrong is said.
#![cfg(feature = "feed")]
#![allow(missing_docs)]

use framepool::feed::fix::{
    DATA_FIELDS, Decimal, MAX_BODY_LENGTH, MAX_OVERHEAD, Message, Messages, Version, Writer,
};
use framepool::feed::{EmitError, StreamBuffer};
use framepool::wire::{Layer, ParseError, Reason};
use proptest::prelude::*;

const VERSIONS: [Version; 9] = [
    Version::Fix40,
    Version::Fix41,
    Version::Fix42,
    Version::Fix43,
    Version::Fix44,
    Version::Fix50,
    Version::Fix50Sp1,
    Version::Fix50Sp2,
    Version::Fixt11,
];

/// A message with `body` between MsgType and CheckSum, `|` standing for separators.
fn message(body: &str) -> Vec<u8> {
    framed(body.replace('|', "\x01").as_bytes())
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("8=FIX.4.4\x019={}\x01", body.len()).into_bytes();
    bytes.extend(body);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend(format!("10={sum:03}\x01").into_bytes());
    bytes
}

fn reason(bytes: &[u8]) -> (usize, Reason) {
    let error = Message::parse(bytes).unwrap_err();
    assert_eq!(error.layer, Layer::Fix);
    assert!(!error.to_string().is_empty());
    (error.offset as usize, error.reason)
}

/// The fields of a body, as text; errors by their offset from the body's first byte.
fn fields(body: &str) -> Vec<Result<String, usize>> {
    let bytes = message(body);
    let (message, _) = Message::parse(&bytes).unwrap();
    let start = bytes.len() - 7 - message.body_length();
    let of = |error: ParseError| error.offset as usize - start;
    message
        .fields()
        .map(|field| field.map(|f| f.to_string()).map_err(of))
        .collect()
}

fn ok(text: &str) -> Result<String, usize> {
    Ok(text.to_owned())
}

#[test]
fn every_version_begins_its_messages_with_its_name() {
    for version in VERSIONS {
        assert_eq!(Version::from_bytes(version.as_bytes()), Some(version));
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer, version, b"0").unwrap();
        writer.field(49, b"A").unwrap();
        let bytes = writer.finish().unwrap();
        assert!(bytes[2..].starts_with(version.as_bytes()));
        let (message, len) = Message::parse(bytes).unwrap();
        assert_eq!((message.version(), len), (version, bytes.len()));
        assert_eq!(message.body_length(), "35=0|49=A|".len());
        for cut in 0..bytes.len() {
            let (offset, reason) = reason(&bytes[..cut]);
            let Reason::Truncated { needed, available } = reason else {
                panic!("{cut} of {len}: {reason}");
            };
            assert_eq!((offset, available as usize), (0, cut));
            assert!(needed as usize > cut && needed as usize <= len);
        }
    }
}

#[test]
fn what_the_header_lacks_is_said() {
    let of = |bytes: &[u8]| reason(bytes);
    assert_eq!(of(b"hello"), (0, Reason::Missing { wanted: 8 }));
    let text = |text: &str| {
        let mut found = [0; 12];
        found[..text.len()].copy_from_slice(text.as_bytes());
        Reason::BadText { found }
    };
    assert_eq!(of(b"8=FIX.4.9\x019=5\x01"), (2, text("FIX.4.9")));
    assert_eq!(of(b"8=FIX.44ABCD\x01"), (2, text("FIX.44ABCD")));
    assert_eq!(of(b"8=FIX.44ABCDEFGH\x01"), (2, text("FIX.44ABCDE")));
    assert_eq!(
        text("FIX.4.9").to_string(),
        "the text \"FIX.4.9\" has no meaning"
    );
    assert_eq!(
        of(b"8=FIX.4.2\x0135=0\x01"),
        (10, Reason::Missing { wanted: 9 })
    );
    assert_eq!(
        of(b"8=FIX.4.2\x019=5x\x01"),
        (13, Reason::BadValue { found: b'x'.into() })
    );
    assert_eq!(
        of(b"8=FIX.4.2\x019=\x01"),
        (12, Reason::BadValue { found: 1 })
    );
    assert!(matches!(
        of(b"8=FIX.4.2\x019=99999999999\x01").1,
        Reason::BadLength { .. }
    ));
    assert!(matches!(
        of(b"8=FIX.4.2\x019=16777217\x01").1,
        Reason::BadLength {
            stated: 16_777_217,
            ..
        }
    ));
    assert_eq!(of(&message("49=A|")), (14, Reason::Missing { wanted: 35 }));
}

#[test]
fn a_body_length_that_lies_is_found_out() {
    let right = message("35=0|49=A|");
    assert!(Message::parse(&right).is_ok());
    for lie in [b"9", b"8", b"5"] {
        let mut bytes = right.clone();
        bytes.splice(12..14, *lie);
        // The body ends elsewhere, where no checksum is.
        assert!(matches!(reason(&bytes).1, Reason::Missing { wanted: 10 }));
    }
    let mut bytes = right.clone();
    bytes[12] = b'9';
    assert!(matches!(
        reason(&bytes).1,
        Reason::Truncated { needed: 112, .. }
    ));
}

#[test]
fn a_wrong_checksum_shows_both() {
    let mut bytes = message("35=0|49=A|");
    let at = bytes.len() - 7;
    let right: u32 = std::str::from_utf8(&bytes[at + 3..at + 6])
        .unwrap()
        .parse()
        .unwrap();
    bytes[at - 2] = b'B';
    let reason_now = Reason::BadChecksum {
        found: right,
        computed: right + 1,
    };
    assert_eq!(reason(&bytes), (at, reason_now));
    for bad in [b"999", b"256", b"1x1", b"   "] {
        bytes[at + 3..at + 6].copy_from_slice(bad);
        let (offset, reason) = reason(&bytes);
        let Reason::BadText { found } = reason else {
            panic!("{reason}");
        };
        assert_eq!(
            (offset, &found[..4]),
            (at + 3, &[bad, &[0][..]].concat()[..])
        );
    }
}

#[test]
fn fields_that_make_no_sense_are_said_and_skipped() {
    let found = fields("35=D|=1|49|50=|x=1|0=1|01=2|12345678=9|1a=2|||55=MSFT|9999999=z|");
    let expect = [
        ok("35=D"),
        Err(5),
        Err(10),
        Err(14),
        Err(15),
        Err(19),
        Err(23),
        Err(28),
        Err(39 + 1),
        Err(44),
        Err(45),
        ok("55=MSFT"),
        ok("9999999=z"),
    ];
    assert_eq!(found, expect);
}

#[test]
fn short_messages_have_all_their_fields() {
    assert_eq!(fields("35=0|"), [ok("35=0")]);
    assert_eq!(fields("35=0|1=2|"), [ok("35=0"), ok("1=2")]);
    let long = format!("35=0|58={}|1=2|", "y".repeat(500));
    assert_eq!(fields(&long).len(), 3);
}

#[test]
fn data_may_have_separators_in_it() {
    for (length, data) in DATA_FIELDS {
        let body = format!("35=B|{length}=7|{data}=a|10=0||55=X|");
        let value = format!("{data}=a\\x0110=0\\x01");
        let of_length = format!("{length}=7");
        let expect = [ok("35=B"), ok(&of_length), ok(&value), ok("55=X")];
        assert_eq!(fields(&body), expect, "{body}");
    }
    // None at all, and the last of the message.
    assert_eq!(
        fields("35=B|95=0|96=|1=2|"),
        [ok("35=B"), ok("95=0"), ok("96="), ok("1=2")]
    );
    assert_eq!(
        fields("35=B|95=3|96=a|b|"),
        [ok("35=B"), ok("95=3"), ok("96=a\\x01b")]
    );
}

#[test]
fn data_whose_length_lies_ends_at_the_next_separator() {
    for lie in [
        "2",
        "4",
        "99",
        "4294967295",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        let body = format!("35=B|95={lie}|96=abc|1=2|");
        let found = fields(&body);
        assert_eq!(found.len(), 4, "{lie}");
        assert!(found[2].is_err(), "{lie}");
        assert_eq!(found[3], ok("1=2"));
    }
}

#[test]
fn a_length_field_that_is_no_number_is_said() {
    for (bad, at) in [("x", 0), ("3x", 1), ("-1", 0), ("1.5", 1), (" 3", 0)] {
        let body = format!("35=B|95={bad}|96=abc|1=2|");
        let expect = [ok("35=B"), Err(8 + at), ok("96=abc"), ok("1=2")];
        assert_eq!(fields(&body), expect, "{bad}");
    }
    let bytes = message("35=B|95=3x|96=abc|");
    let (message, _) = Message::parse(&bytes).unwrap();
    let error = message.fields().find_map(Result::err).unwrap();
    assert_eq!(error.reason, Reason::BadValue { found: b'x'.into() });
}

#[test]
fn a_length_field_without_its_data_is_said() {
    for (body, expect) in [
        (
            "35=B|95=2|1=2|96=abc|",
            vec![ok("35=B"), ok("95=2"), Err(10), ok("1=2"), ok("96=abc")],
        ),
        ("35=B|95=2|", vec![ok("35=B"), ok("95=2"), Err(10)]),
        (
            // Two in a row, the second one with its data.
            "35=B|95=2|354=1|355=||",
            vec![
                ok("35=B"),
                ok("95=2"),
                Err(10),
                ok("354=1"),
                ok("355=\\x01"),
            ],
        ),
        (
            "35=B|354=1|96=a|",
            vec![ok("35=B"), ok("354=1"), Err(11), ok("96=a")],
        ),
        // What stands there makes no sense itself, which is said.
        (
            "35=B|95=2|x=1|1=2|",
            vec![ok("35=B"), ok("95=2"), Err(10), ok("1=2")],
        ),
    ] {
        assert_eq!(fields(body), expect, "{body}");
    }
    let bytes = message("35=B|95=2|1=2|");
    let (message, _) = Message::parse(&bytes).unwrap();
    let error = message.fields().find_map(Result::err).unwrap();
    assert_eq!(error.reason, Reason::Missing { wanted: 96 });
    assert_eq!(message.get(1).unwrap().value, b"2");
}

#[test]
fn values_are_numbers_where_they_are() {
    let bytes = message(
        "35=D|44=187.325|38=100|6=-0.05|54=1|43=Y|97=N|7=-12|5=.5|3=5.|4=-|2=1.2.3|1=99999999999999999999|",
    );
    let (message, _) = Message::parse(&bytes).unwrap();
    let field = |tag| message.get(tag).unwrap();
    let decimal = |tag| field(tag).as_decimal().map(|d| (d.mantissa, d.places));
    assert_eq!(decimal(44), Some((187_325, 3)));
    assert_eq!(field(44).as_decimal().unwrap().to_string(), "187.325");
    assert_eq!(field(44).as_decimal().unwrap().rescaled(4), Some(1_873_250));
    assert_eq!(field(44).as_decimal().unwrap().rescaled(2), None);
    assert_eq!((decimal(38), decimal(6)), (Some((100, 0)), Some((-5, 2))));
    assert_eq!(field(6).as_decimal().unwrap().to_string(), "-0.05");
    assert_eq!((decimal(5), decimal(3)), (Some((5, 1)), Some((5, 0))));
    assert_eq!((decimal(4), decimal(2), decimal(1)), (None, None, None));
    assert_eq!(
        (field(38).as_u64(), field(7).as_i64(), field(1).as_u64()),
        (Some(100), Some(-12), None)
    );
    assert_eq!(
        (field(7).as_u64(), field(54).as_char(), field(38).as_char()),
        (None, Some(b'1'), None)
    );
    assert_eq!(
        (
            field(43).as_bool(),
            field(97).as_bool(),
            field(54).as_bool()
        ),
        (Some(true), Some(false), None)
    );
    assert_eq!(field(44).as_str(), Some("187.325"));
    assert_eq!(message.get(999), None);
}

/// What is told of a number is the number, or there is none.
#[test]
fn decimals_with_more_places_than_fit_are_none() {
    let zeros = "0".repeat(300);
    let bytes = message(&format!(
        "35=D|1=0.{zeros}1|2=-.{zeros}5|3=0.{zeros}|4=0.{}1|",
        &zeros[..254]
    ));
    let (message, _) = Message::parse(&bytes).unwrap();
    let decimal = |tag| message.get(tag).unwrap().as_decimal();
    assert_eq!((decimal(1), decimal(2)), (None, None));
    let (mantissa, places) = (0, 255);
    assert_eq!(decimal(3), Some(Decimal { mantissa, places }));
    let (mantissa, places) = (1, 255);
    assert_eq!(decimal(4), Some(Decimal { mantissa, places }));
}

#[test]
fn zero_has_any_number_of_places() {
    for places in [0, 3, 19, 200, 255] {
        let zero = Decimal {
            mantissa: 0,
            places,
        };
        for to in [0, 1, 18, 19, 20, 255] {
            assert_eq!(zero.rescaled(to), Some(0), "{places} to {to}");
        }
    }
    let one = Decimal {
        mantissa: 1,
        places: 0,
    };
    assert_eq!(
        (one.rescaled(18), one.rescaled(19)),
        (Some(10_i64.pow(18)), None)
    );
}

#[test]
fn a_count_that_is_no_number_is_told_by_what_is_wrong_with_it() {
    for (count, reason, at) in [
        ("1x", Reason::BadValue { found: b'x'.into() }, 1),
        ("-1", Reason::BadValue { found: b'-'.into() }, 0),
        ("99999999999999999999", Reason::TooLarge { digits: 20 }, 0),
    ] {
        let bytes = message(&format!("35=W|268={count}|269=0|"));
        let (message, _) = Message::parse(&bytes).unwrap();
        let error = message.group(268, &[269]).unwrap_err();
        let start = bytes.windows(4).position(|w| w == b"268=").unwrap() as u64 + 4;
        assert_eq!(
            (error.reason, error.offset),
            (reason, start + at),
            "{count}"
        );
    }
}

/// Lengths beyond 32 bits are told as they are, and those beyond 64 as that or more.
#[test]
fn lengths_are_told_as_they_are_stated() {
    let stated = |bytes: &[u8]| match reason(bytes).1 {
        Reason::BadLength { stated, .. } => stated,
        other => panic!("{other}"),
    };
    assert_eq!(stated(b"8=FIX.4.2\x019=99999999999\x01"), 99_999_999_999);
    let most = b"8=FIX.4.2\x019=99999999999999999999\x01";
    assert_eq!(stated(most), u64::MAX);
    assert!(
        Message::parse(most)
            .unwrap_err()
            .to_string()
            .contains("or more")
    );
    for (text, expect) in [
        ("5000000000", 5_000_000_000),
        ("99999999999999999999", u64::MAX),
    ] {
        let bytes = message(&format!("35=B|95={text}|96=abc|"));
        let (message, _) = Message::parse(&bytes).unwrap();
        let error = message.fields().find_map(Result::err).unwrap();
        assert!(
            matches!(error.reason, Reason::BadLength { stated, .. } if stated == expect),
            "{error}"
        );
    }
}

#[test]
fn a_message_type_is_not_empty() {
    let good = message("35=0|49=A|");
    let empty = message("35=|49=A|");
    assert_eq!(reason(&empty), (17, Reason::BadValue { found: 1 }));
    // Nothing but that.
    assert_eq!(reason(&message("35=|")).1, Reason::BadValue { found: 1 });
    // Its end is known: what is in it is no message of its own.
    let around = framed(&[b"35=\x0196=".as_slice(), &good, b"\x01"].concat());
    let stream = [&around[..], &good].concat();
    let mut messages = Messages::new(&stream);
    assert!(messages.next().unwrap().is_err());
    assert_eq!(messages.consumed(), around.len());
    assert_eq!(messages.next().unwrap().unwrap().as_bytes(), good);
    assert!(messages.next().is_none());
}

/// As in a log with time stamps: each is told once, with its length, and nothing is taken for a field.
#[test]
fn noise_between_messages_is_told_with_its_length() {
    let good = message("35=0|49=A|");
    let mut stream = b"09:30:00.001 IN ".to_vec();
    stream.extend(&good);
    stream.extend(b"\n09:30:00.002 8=NO ");
    stream.extend(&good);
    stream.extend(&good);
    stream.push(b'\n');
    let expect = [
        (0, 16),
        (16 + good.len() as u64, 19),
        (35 + 3 * good.len() as u64, 1),
    ];
    let mut messages = Messages::new(&stream);
    let noise: Vec<(u64, u64)> = messages
        .by_ref()
        .filter_map(Result::err)
        .map(|error| match error.reason {
            Reason::Noise { len } => (error.offset, len),
            _ => panic!("{error}"),
        })
        .collect();
    assert_eq!(noise, expect);
    assert_eq!(Messages::new(&stream).filter(Result::is_ok).count(), 3);
    let error = Messages::new(&stream).next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "FIX at byte 0: 16 bytes that are no part of a message"
    );
    // What could be the start of a message is waited for, and no noise.
    let mut messages = Messages::new(b"xyz8=F");
    let error = messages.next().unwrap().unwrap_err();
    assert_eq!(error.reason, Reason::Noise { len: 3 });
    assert_eq!((messages.next(), messages.rest()), (None, &b"8=F"[..]));
}

/// The same bytes with another separator are another separator's errors.
#[test]
fn a_log_is_read_by_its_own_separator_only() {
    let bytes = message("35=W|268=2|269=0|270=1|269=1|270=2|95=3|96=a|b|58=x|");
    let log: Vec<u8> = bytes
        .iter()
        .map(|&b| if b == 1 { b'|' } else { b })
        .collect();
    assert!(Message::parse(&log).is_err());
    assert!(Message::<b'|'>::parse_separated(&bytes).is_err());
    let (message, len) = Message::<b'|'>::parse_separated(&log).unwrap();
    assert_eq!((message.msg_type(), len), (&b"W"[..], log.len()));
    assert_eq!(message.get(96).unwrap().value, b"a|b");
    let entries = message.group(268, &[269, 270]).unwrap().unwrap();
    assert_eq!(entries.filter(Result::is_ok).count(), 2);
    let at = log.iter().rposition(|&b| b == b'x').unwrap();
    let mut broken = log;
    broken[at] = b'y';
    let error = Message::<b'|'>::parse_separated(&broken).unwrap_err();
    assert!(
        matches!(error.reason, Reason::BadChecksum { .. }),
        "{error}"
    );
    // A lying length is found out by the limit, as with SOH.
    let lying = b"8=FIX.4.2|9=9000|35=0|10=161|8=FIX.4.2|9=5|35=0|10=161|";
    assert!(
        Messages::<b'|'>::separated(lying, MAX_BODY_LENGTH)
            .next()
            .is_none()
    );
    let found: Vec<bool> = Messages::<b'|'>::separated(lying, 4096)
        .map(|m| m.is_ok())
        .collect();
    assert_eq!(found, [false, true]);
}

#[test]
fn groups_in_groups() {
    let bytes = message(
        "35=W|55=A|268=2|269=0|270=1|453=2|448=X|452=1|448=Y|452=2|271=9|269=1|270=2|58=end|",
    );
    let (message, _) = Message::parse(&bytes).unwrap();
    let members = [269, 270, 271, 453, 448, 452];
    let mut entries = message.group(268, &members).unwrap().unwrap();
    assert_eq!(entries.left(), 2);
    let first = entries.next().unwrap().unwrap();
    assert_eq!(first.get(271).unwrap().value, b"9");
    let parties = first.group(453, &[448, 452]).unwrap().unwrap();
    let parties: Vec<_> = parties
        .map(|p| p.unwrap().get(452).unwrap().as_u64())
        .collect();
    assert_eq!(parties, [Some(1), Some(2)]);
    let second = entries.next().unwrap().unwrap();
    assert_eq!(second.fields().count(), 2);
    assert!(second.group(453, &[448]).unwrap().is_none());
    assert!(entries.next().is_none());
    assert!(!second.is_empty());
}

#[test]
fn a_group_with_fewer_entries_than_it_says_is_an_error() {
    for (body, wanted) in [
        ("35=W|268=3|269=0|270=1|269=1|58=x|", 269),
        ("35=W|268=1|58=x|", 269),
        ("35=W|268=1|", 269),
    ] {
        let bytes = message(body);
        let (message, _) = Message::parse(&bytes).unwrap();
        let mut group = message.group(268, &[269, 270]).unwrap().unwrap();
        let error = group.find_map(Result::err).unwrap();
        assert_eq!(error.reason, Reason::Missing { wanted }, "{body}");
        assert!(group.next().is_none());
    }
    let bytes = message("35=W|268=0|58=x|");
    let (none, _) = Message::parse(&bytes).unwrap();
    assert_eq!(none.group(268, &[269]).unwrap().unwrap().count(), 0);
    let bytes = message("35=W|268=two|");
    let (bad, _) = Message::parse(&bytes).unwrap();
    let error = bad.group(268, &[269]).unwrap_err();
    assert_eq!(error.reason, Reason::BadValue { found: b't'.into() });
}

#[test]
fn a_stream_goes_on_behind_what_is_no_message() {
    let good = message("35=0|49=A|");
    let mut bad_sum = good.clone();
    let at = bad_sum.len() - 9;
    bad_sum[at] = b'Z';
    let mut stream = b"garbage8=FIX.9.9\x01".to_vec();
    stream.extend(&bad_sum);
    stream.extend(&good);
    stream.extend(b"noise");
    stream.extend(&good);
    stream.extend(b"8=F");
    let mut messages = Messages::new(&stream);
    let results: Vec<bool> = messages.by_ref().map(|m| m.is_ok()).collect();
    assert_eq!(results, [false, false, false, true, false, true]);
    assert_eq!(messages.rest(), b"8=F");
    assert!(messages.needed() > 0);
    let mut limited = Messages::with_max_body_length(&good, 9);
    assert!(matches!(
        limited.next().unwrap().unwrap_err().reason,
        Reason::BadLength {
            stated: 10,
            most: 9,
            ..
        }
    ));
}

/// A length that could be true holds back what is behind it, until it is more than there is room for.
#[test]
fn a_lying_body_length_holds_back_no_more_than_the_limit() {
    let good = message("35=0|49=A|");
    let mut stream = b"8=FIX.4.4\x019=5000\x0135=0\x01".to_vec();
    stream.extend(&good);
    let mut memory = [0; 256];
    let mut buffer = StreamBuffer::new(&mut memory);
    buffer.space()[..stream.len()].copy_from_slice(&stream);
    buffer.commit(stream.len());

    let mut waiting = Messages::new(buffer.filled());
    assert!(waiting.next().is_none());
    assert_eq!(
        (waiting.consumed(), waiting.needed()),
        (0, 5000 + 17 + 7 - stream.len())
    );
    let mut limited =
        Messages::with_max_body_length(buffer.filled(), buffer.capacity() - MAX_OVERHEAD);
    let error = limited.next().unwrap().unwrap_err();
    let (stated, least, most) = (5000, 1, 256 - MAX_OVERHEAD as u32);
    let reason = Reason::BadLength {
        stated,
        least,
        most,
    };
    assert_eq!((error.offset, error.reason), (12, reason));
    assert_eq!(limited.next().unwrap().unwrap().as_bytes(), good);
    assert!(limited.next().is_none() && limited.rest().is_empty());
}

/// A buffer holds every message whose body is within the limit that goes with it.
#[test]
fn a_message_at_the_limit_fits_into_its_buffer() {
    for (begin, digits) in [("FIX.4.0", "200"), ("FIX.5.0SP2", "00000000000000000200")] {
        let head = format!("8={begin}\x019={digits}\x01");
        assert!(head.len() + "10=000|".len() <= MAX_OVERHEAD);
        let mut messages = Messages::with_max_body_length(head.as_bytes(), 200);
        assert!(messages.next().is_none());
        assert_eq!(messages.needed(), 200 + 7);
        assert!(
            Messages::with_max_body_length(head.as_bytes(), 199)
                .next()
                .is_some()
        );
    }
    let longest = "8=FIX.5.0SP2|9=00000000000000000200|10=000|";
    assert_eq!(longest.len(), MAX_OVERHEAD);
}

/// What is summed up is left behind: a message in it is a part of it, and is not summed up again.
#[test]
fn a_message_in_a_message_without_a_type_is_none() {
    let good = message("35=0|49=A|");
    let around = framed(&[b"96=".as_slice(), &good, b"\x01"].concat());
    let stream = [&around[..], &good].concat();
    let mut messages = Messages::new(&stream);
    let error = messages.next().unwrap().unwrap_err();
    assert_eq!(error.reason, Reason::Missing { wanted: 35 });
    assert_eq!(messages.consumed(), around.len());
    assert_eq!(messages.next().unwrap().unwrap().as_bytes(), good);
    assert!(messages.next().is_none());
}

#[test]
fn the_writer_refuses_what_would_not_be_read_back() {
    let mut buffer = [0; 64];
    let layer = Layer::Fix;
    let mut writer = Writer::new(&mut buffer, Version::Fix42, b"D").unwrap();
    for field in [0, 8, 9, 10, 35, 95, 96, 89, 93, 10_000_000] {
        assert_eq!(
            writer.field(field, b"x"),
            Err(EmitError::Reserved { layer, field })
        );
    }
    assert_eq!(
        writer.data(58, b"x"),
        Err(EmitError::Reserved { layer, field: 58 })
    );
    let separator = EmitError::Separator {
        layer,
        field: 58,
        offset: 1,
    };
    assert_eq!(writer.field(58, b"a\x01b"), Err(separator));
    assert!(writer.field(58, b"").is_err());
    assert!(matches!(
        writer.field(58, &[b'x'; 60]),
        Err(EmitError::NoRoom { .. })
    ));
    assert!(matches!(
        writer.data(95, &[1; 40]),
        Err(EmitError::NoRoom { .. })
    ));
    writer.int(34, i64::MIN).unwrap();
    let (message, _) = Message::parse(writer.finish().unwrap()).unwrap();
    assert_eq!(message.fields().count(), 2);
    assert_eq!(message.get(34).unwrap().as_i64(), Some(i64::MIN));
    assert!(Writer::new(&mut [0; 10], Version::Fix42, b"D").is_err());
    assert!(Writer::new(&mut [0; 64], Version::Fix42, b"").is_err());
}

fn values() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec((2u8..=255).prop_map(|byte| byte), 1..90)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }) })]

    #[test]
    fn what_is_written_is_read(
        version in 0usize..9,
        plain in prop::collection::vec((1u32..10_000_000, values()), 0..40),
        data in prop::collection::vec((0usize..DATA_FIELDS.len(), prop::collection::vec(any::<u8>(), 0..70)), 0..4),
    ) {
        let mut buffer = vec![0; 8192];
        let mut writer = Writer::new(&mut buffer, VERSIONS[version], b"XX").unwrap();
        let mut expect = vec![(35, b"XX".to_vec())];
        for (tag, value) in &plain {
            if writer.field(*tag, value).is_ok() {
                expect.push((*tag, value.clone()));
            }
        }
        for (pair, value) in &data {
            let (length, tag) = DATA_FIELDS[*pair];
            writer.data(length, value).unwrap();
            expect.push((length, value.len().to_string().into_bytes()));
            expect.push((tag, value.clone()));
        }
        let bytes = writer.finish().unwrap().to_vec();
        let (message, len) = Message::parse(&bytes).unwrap();
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(message.msg_type(), b"XX");
        prop_assert_eq!(message.as_bytes(), &bytes[..]);
        let found: Vec<_> = message.fields().map(|f| f.unwrap()).map(|f| (f.tag, f.value.to_vec())).collect();
        prop_assert_eq!(found, expect);
        // One bit of the body or checksum, and it is not the message any more.
        let at = bytes.len() - 8;
        let mut broken = bytes;
        broken[at - 1] ^= 0x40;
        prop_assert!(Message::parse(&broken).is_err());
    }

    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(prop_oneof![Just(1u8), Just(b'='), Just(b'9'), b'0'..=b'9', any::<u8>()], 0..300)) {
        let mut with_type = b"35=D\x01".to_vec();
        with_type.extend(&body);
        with_type.push(1);
        let bytes = framed(&with_type);
        let (message, len) = Message::parse(&bytes).unwrap();
        prop_assert_eq!(len, bytes.len());
        // Fields are what lies between separators: none is left out, but for those inside of data.
        let ends = with_type.iter().filter(|byte| **byte == 1).count();
        let mut fields = message.fields();
        // What stands where data should is said to, and follows.
        let is_missing = |e: &ParseError| matches!(e.reason, Reason::Missing { .. });
        let count = fields.by_ref().filter(|f| !f.as_ref().is_err_and(is_missing)).count();
        prop_assert!(count <= ends && count > 0);
        prop_assert_eq!(fields.offset(), bytes.len() - 7);
        let mut messages = Messages::new(&body);
        messages.by_ref().for_each(drop);
        prop_assert_eq!(messages.consumed() + messages.rest().len(), body.len());
    }

    #[test]
    fn fields_are_those_of_a_plain_split(body in prop::collection::vec((1u32..80, values()), 1..60)) {
        let mut text = b"35=D\x01".to_vec();
        for (tag, value) in &body {
            text.extend(format!("{tag}=").bytes());
            text.extend(value);
            text.push(1);
        }
        let bytes = framed(&text);
        let (message, _) = Message::parse(&bytes).unwrap();
        let found: Vec<Vec<u8>> = message
            .fields()
            .map(|f| f.unwrap())
            .map(|f| [f.tag.to_string().as_bytes(), b"=", f.value].concat())
            .collect();
        let plain: Vec<&[u8]> = text[..text.len() - 1].split(|byte| *byte == 1).collect();
        prop_assert_eq!(found, plain);
    }

    /// With another separator, the same fields, types and checksums.
    #[test]
    fn logs_have_the_fields_of_the_messages(bodies in prop::collection::vec(prop::collection::vec((1u32..80, values()), 0..20), 1..4)) {
        let (mut wire, mut log) = (Vec::new(), Vec::new());
        for body in &bodies {
            let mut text = b"35=D\x01".to_vec();
            for (tag, value) in body {
                text.extend(format!("{tag}=").bytes());
                text.extend(value.iter().map(|&b| if b == b';' { b'.' } else { b }));
                text.push(1);
            }
            let message = framed(&text);
            log.extend(message.iter().map(|&b| if b == 1 { b';' } else { b }));
            wire.extend(message);
        }
        let mut of_log = Messages::<b';'>::separated(&log, MAX_BODY_LENGTH);
        for message in Messages::new(&wire) {
            let (message, logged) = (message.unwrap(), of_log.next().unwrap().unwrap());
            prop_assert_eq!((message.msg_type(), message.checksum()), (logged.msg_type(), logged.checksum()));
            prop_assert!(message.fields().eq(logged.fields()));
        }
        prop_assert!(of_log.next().is_none() && of_log.rest().is_empty());
    }
}

#[test]
fn a_body_length_of_zeros_without_end_is_not_waited_for() {
    let bytes = [&b"8=FIX.4.2\x019="[..], &[b'0'; 30]].concat();
    let error = Message::parse(&bytes).unwrap_err();
    assert!(matches!(error.reason, Reason::BadValue { .. }), "{error}");
}

/// The longest body that counts for no lie.
#[test]
#[cfg_attr(miri, ignore = "megabytes")]
fn a_maximal_message_arrives() {
    let mut buffer = vec![0; MAX_BODY_LENGTH + 64];
    let mut writer = Writer::new(&mut buffer, Version::Fix44, b"B").unwrap();
    let data = vec![1; MAX_BODY_LENGTH - "35=B|95=16777194|96=|".len()];
    writer.data(95, &data).unwrap();
    let bytes = writer.finish().unwrap();
    let (message, len) = Message::parse(bytes).unwrap();
    assert_eq!((message.body_length(), len), (MAX_BODY_LENGTH, bytes.len()));
    assert_eq!(message.get(96).unwrap().value, data);
    let mut writer = Writer::new(&mut buffer, Version::Fix44, b"B").unwrap();
    writer.data(95, &[&data[..], &[1]].concat()).unwrap();
    let error = writer.finish().unwrap_err();
    assert!(matches!(
        error,
        EmitError::TooLong {
            most: MAX_BODY_LENGTH,
            ..
        }
    ));
}
