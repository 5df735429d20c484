//! MoldUDP64, SoupBinTCP, the headers of PITCH and XDP, and streams: what is sent arrives, whatever is cut
//! off or lies is said.
#![cfg(feature = "feed")]
#![allow(missing_docs)]

use framepool::feed::soupbintcp::{Login, Packet as Soup, Packets};
use framepool::feed::{Alpha, EmitError, StreamBuffer, itch, moldudp64, pitch, xdp};
use framepool::wire::{Layer, ParseError, Reason};
use proptest::prelude::*;

const SESSION: [u8; 10] = *b"000010059B";

fn mold(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 17];
    let mut packet = moldudp64::Builder::new(&mut buffer, SESSION, 77).unwrap();
    for message in messages {
        packet.push(message).unwrap();
    }
    assert_eq!(usize::from(packet.count()), messages.len());
    packet.finish().to_vec()
}

fn truncated(error: ParseError, layer: Layer) -> (usize, usize, usize) {
    assert_eq!(error.layer, layer, "{error}");
    match error.reason {
        Reason::Truncated { needed, available } => {
            (error.offset as usize, needed as usize, available as usize)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_cut_moldudp64_packet_says_where_it_ends() {
    let whole = mold(&[b"abc".to_vec(), Vec::new(), vec![7; 30]]);
    for cut in 0..whole.len() {
        let bytes = &whole[..cut];
        let Ok(packet) = moldudp64::Packet::parse(bytes) else {
            let error = moldudp64::Packet::parse(bytes).unwrap_err();
            assert_eq!(truncated(error, Layer::MoldUdp64), (0, 20, cut));
            continue;
        };
        let mut messages = packet.messages();
        let last = messages.by_ref().last().unwrap();
        let (offset, needed, available) = truncated(last.unwrap_err(), Layer::MoldUdp64);
        assert_eq!(offset + available, cut);
        assert!(needed > available);
        assert_eq!(messages.next(), None);
    }
}

#[test]
fn heartbeats_and_ends_of_moldudp64_carry_no_messages() {
    use moldudp64::{Kind, Packet};
    for (mut bytes, kind) in [
        (moldudp64::heartbeat(SESSION, 5).to_vec(), Kind::Heartbeat),
        (
            moldudp64::end_of_session(SESSION, 5).to_vec(),
            Kind::EndOfSession,
        ),
        (mold(&[]), Kind::Heartbeat),
    ] {
        bytes.extend(*b"\x00\x01X");
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.kind(), packet.session()), (kind, SESSION));
        assert_eq!(packet.messages().next(), None);
        assert_eq!(packet.messages().rest(), b"\x00\x01X");
    }
}

#[test]
fn requests_are_twenty_bytes() {
    let request = moldudp64::Request {
        session: SESSION,
        sequence: u64::MAX,
        count: 3,
    };
    let bytes = request.to_bytes();
    assert_eq!(moldudp64::Request::parse(&bytes), Ok(request));
    for cut in 0..20 {
        let error = moldudp64::Request::parse(&bytes[..cut]).unwrap_err();
        assert_eq!(truncated(error, Layer::MoldUdp64), (0, 20, cut));
    }
    let error = moldudp64::Request::parse(&[0; 21]).unwrap_err();
    let reason = Reason::BadLength {
        stated: 21,
        least: 20,
        most: 20,
    };
    assert_eq!(error.reason, reason);
}

#[test]
fn a_message_that_does_not_fit_leaves_the_packet_as_it_was() {
    let mut buffer = [0; 30];
    let mut packet = moldudp64::Builder::new(&mut buffer, SESSION, 1).unwrap();
    packet.push(b"12345").unwrap();
    let error = packet.push(b"12").unwrap_err();
    let layer = Layer::MoldUdp64;
    assert_eq!(
        error,
        EmitError::NoRoom {
            layer,
            needed: 31,
            available: 30
        }
    );
    let error = packet.push(&[0; 1 << 16]).unwrap_err();
    assert_eq!(
        error,
        EmitError::TooLong {
            layer,
            len: 1 << 16,
            most: 65_535
        }
    );
    assert!(!error.to_string().is_empty());
    let bytes = packet.finish();
    let packet = moldudp64::Packet::parse(bytes).unwrap();
    assert_eq!(packet.messages().collect::<Vec<_>>(), [Ok(&b"12345"[..])]);
}

#[test]
fn a_wrong_itch_message_is_said_and_the_next_one_follows() {
    let delete = itch::fields::OrderDelete {
        order_reference: 42,
        ..Default::default()
    };
    let delete = delete.to_bytes().to_vec();
    let bytes = mold(&[
        b"?abc".to_vec(),
        delete.clone(),
        b"D".to_vec(),
        Vec::new(),
        delete,
    ]);
    let packet = moldudp64::Packet::parse(&bytes).unwrap();
    let of = |result: Option<Result<itch::Message<'_>, ParseError>>| {
        result
            .unwrap()
            .map(|message| message.kind())
            .map_err(|error| (error.offset, error.reason))
    };
    let mut messages = itch::Messages::of_packet(&packet);
    assert_eq!(
        of(messages.next()),
        Err((22, Reason::UnknownType { found: b'?'.into() }))
    );
    assert_eq!(of(messages.next()), Ok(b'D'));
    let short = |needed, available| Reason::Truncated { needed, available };
    assert_eq!(of(messages.next()), Err((49, short(19, 1))));
    assert_eq!(of(messages.next()), Err((52, short(1, 0))));
    assert_eq!(of(messages.next()), Ok(b'D'));
    assert!(messages.next().is_none());
    assert!(messages.rest().is_empty());
    let kinds = itch::Messages::of_packet(&packet).raw();
    let kinds: Vec<_> = kinds
        .map(|m| m.map(|m| m.kind()).map_err(|e| e.offset))
        .collect();
    assert_eq!(kinds, [Err(22), Ok(b'D'), Err(49), Err(52), Ok(b'D')]);
}

#[test]
fn a_file_of_itch_ends_where_its_bytes_do() {
    let mut file = Vec::new();
    for order_reference in 0..100 {
        let delete = itch::fields::OrderDelete {
            order_reference,
            ..Default::default()
        };
        file.extend([0, 19]);
        file.extend(delete.to_bytes());
    }
    assert_eq!(
        itch::Messages::new(&file).filter(|m| m.is_ok()).count(),
        100
    );
    assert_eq!(itch::Messages::new(&[]).count(), 0);
    let mut cut = itch::Messages::new(&file[..50]);
    assert!(cut.next().unwrap().is_ok() && cut.next().unwrap().is_ok());
    let error = cut.next().unwrap().unwrap_err();
    assert_eq!(truncated(error, Layer::Itch), (42, 21, 8));
    assert_eq!((cut.offset(), cut.rest().len()), (42, 8));
    assert!(cut.next().is_none());
}

fn soups<'a>() -> Vec<Soup<'a>> {
    vec![
        Soup::Debug(b"hello"),
        Soup::LoginAccepted {
            session: Alpha(*b"    SESS01"),
            sequence: 1,
        },
        Soup::LoginRejected { reason: b'A' },
        Soup::Sequenced(b"S..."),
        Soup::Sequenced(b""),
        Soup::Unsequenced(b"U..."),
        Soup::ServerHeartbeat,
        Soup::EndOfSession,
        Soup::LoginRequest(Login {
            username: Alpha(*b"user  "),
            password: Alpha(*b"secret    "),
            session: Alpha(*b"          "),
            sequence: u64::MAX,
        }),
        Soup::ClientHeartbeat,
        Soup::LogoutRequest,
    ]
}

fn soup_bytes(packets: &[Soup<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 1 << 16];
    let mut len = 0;
    for packet in packets {
        len += packet.emit(&mut bytes[len..]).unwrap();
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn every_soupbintcp_packet_comes_back_and_cut_ones_are_waited_for() {
    for packet in soups() {
        let bytes = soup_bytes(&[packet]);
        assert_eq!(Soup::parse(&bytes), Ok((packet, bytes.len())));
        assert_eq!(bytes[2], packet.kind());
        for cut in 0..bytes.len() {
            let error = Soup::parse(&bytes[..cut]).unwrap_err();
            let (offset, needed, available) = truncated(error, Layer::SoupBinTcp);
            assert_eq!((offset, available), (0, cut));
            assert!(needed > cut && needed <= bytes.len());
            let mut packets = Packets::new(&bytes[..cut]);
            assert_eq!((packets.next(), packets.consumed()), (None, 0));
            assert_eq!(packets.needed(), needed - cut);
            assert!(packet.emit(&mut vec![0; cut]).is_err());
        }
    }
}

#[test]
fn a_whole_soupbintcp_packet_of_a_wrong_length_is_not_waited_for() {
    let error = Soup::parse(b"\0\x03A12").unwrap_err();
    assert!(matches!(
        error.reason,
        Reason::BadLength {
            stated: 3,
            least: 31,
            most: 31
        }
    ));
    assert_eq!(error.offset, 0);
}

/// By the iterator as by [`Soup::parse`]: the length is wrong, and the next packet follows.
#[test]
fn soupbintcp_packets_of_every_wrong_length_are_skipped() {
    for packet in soups() {
        let right = soup_bytes(&[packet]);
        let kind = packet.kind();
        let is_free = matches!(kind, b'+' | b'S' | b'U');
        for len in (1..60).filter(|&len| !is_free && len != right.len() - 2) {
            let mut bytes = vec![b'1'; 2 + len];
            bytes[..3].copy_from_slice(&[0, len as u8, kind]);
            bytes.extend(soup_bytes(&[Soup::EndOfSession]));
            let error = Soup::parse(&bytes).unwrap_err();
            let due = right.len() as u32 - 2;
            let reason = Reason::BadLength {
                stated: len as u64,
                least: due,
                most: due,
            };
            assert_eq!((error.offset, error.reason), (0, reason), "{kind}");
            let packets: Vec<_> = Packets::new(&bytes).collect();
            assert_eq!(packets, [Err(error), Ok(Soup::EndOfSession)]);
        }
    }
}

#[test]
fn soupbintcp_packets_that_make_no_sense_are_said_and_skipped() {
    let bytes = b"\x00\x01H\x00\x02HX\x00\x01?\x00\x01J\x00\x01Z\x00\x00after";
    let mut packets = Packets::new(bytes);
    assert_eq!(packets.next(), Some(Ok(Soup::ServerHeartbeat)));
    let mut error = || packets.next().unwrap().unwrap_err();
    let e = error();
    assert_eq!(
        (e.offset, e.reason),
        (
            3,
            Reason::BadLength {
                stated: 2,
                least: 1,
                most: 1
            }
        )
    );
    let e = error();
    assert_eq!(
        (e.offset, e.reason),
        (9, Reason::UnknownType { found: b'?'.into() })
    );
    let e = error();
    assert_eq!(
        (e.offset, e.reason),
        (
            10,
            Reason::BadLength {
                stated: 1,
                least: 2,
                most: 2
            }
        )
    );
    assert_eq!(packets.next(), Some(Ok(Soup::EndOfSession)));
    let e = packets.next().unwrap().unwrap_err();
    assert_eq!(
        (e.offset, e.reason),
        (
            16,
            Reason::BadLength {
                stated: 0,
                least: 1,
                most: 65_535
            }
        )
    );
    assert_eq!((packets.next(), packets.needed()), (None, 0));
}

#[test]
fn sequence_numbers_are_text_with_blanks_around_it() {
    let login = soup_bytes(&[Soup::LoginAccepted {
        session: Alpha([b' '; 10]),
        sequence: 12,
    }]);
    let with = |text: &[u8; 20]| {
        let mut bytes = login.clone();
        bytes[13..].copy_from_slice(text);
        Soup::parse(&bytes).map(|(packet, _)| match packet {
            Soup::LoginAccepted { sequence, .. } => sequence,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(with(b"                  12"), Ok(12));
    assert_eq!(with(b"12                  "), Ok(12));
    assert_eq!(with(b"00000000000000000012"), Ok(12));
    let byte = |byte: u8| Reason::BadValue { found: byte.into() };
    for (bad, reason) in [
        (b"                    ", byte(b' ')),
        (&[0; 20], byte(0)),
        (b"                 1 2", byte(b' ')),
        (b"99999999999999999999", Reason::TooLarge { digits: 20 }),
        (b"                  -1", byte(b'-')),
    ] {
        let error = with(bad).unwrap_err();
        assert_eq!(error.reason, reason, "{}", bad.escape_ascii());
        assert_eq!((error.layer, error.offset), (Layer::SoupBinTcp, 13));
    }
    let text = with(b"99999999999999999999").unwrap_err().to_string();
    assert!(
        text.ends_with("a number of 20 digits does not fit into 64 bits"),
        "{text}"
    );
}

#[test]
fn pitch_units_and_xdp_packets_say_what_is_cut_off() {
    let delete = pitch::fields::DeleteOrder {
        order_id: 3,
        ..Default::default()
    };
    let mut buffer = [0; 256];
    let mut unit = pitch::Builder::new(&mut buffer, 4, 9).unwrap();
    unit.push(|out| delete.emit(out)).unwrap();
    unit.push(|out| delete.emit(out)).unwrap();
    let unit = unit.finish();
    assert_eq!(unit.len(), 8 + 14 + 14);
    for cut in 0..unit.len() {
        let error = pitch::Packet::parse(&unit[..cut]).unwrap_err();
        let needed = if cut < 8 { 8 } else { unit.len() };
        assert_eq!(truncated(error, Layer::Pitch), (0, needed, cut));
    }
    let delete = xdp::fields::DeleteOrder {
        order_id: 3,
        ..Default::default()
    };
    let mut buffer = [0; 256];
    let mut packet = xdp::Builder::new(&mut buffer, xdp::Delivery::Original, 9, (1, 2)).unwrap();
    packet.push(|out| delete.emit(out)).unwrap();
    let bytes = packet.finish();
    for cut in 0..bytes.len() {
        let error = xdp::Packet::parse(&bytes[..cut]).unwrap_err();
        let needed = if cut < 16 { 16 } else { bytes.len() };
        assert_eq!(truncated(error, Layer::NyseXdp), (0, needed, cut));
    }
    let packet = xdp::Packet::parse(bytes).unwrap();
    assert_eq!(
        (packet.delivery(), packet.send_time()),
        (xdp::Delivery::Original, (1, 2))
    );
}

#[test]
fn lengths_that_cannot_be_end_a_unit() {
    // Two messages promised: the first states one byte, or more than there are.
    for (first, reason) in [
        (
            1,
            Reason::BadLength {
                stated: 1,
                least: 2,
                most: 255,
            },
        ),
        (
            9,
            Reason::Truncated {
                needed: 9,
                available: 4,
            },
        ),
    ] {
        let bytes = [12, 0, 2, 1, 1, 0, 0, 0, first, 0x2D, 0, 0];
        let mut messages = pitch::Packet::parse(&bytes).unwrap().messages();
        let error = messages.next().unwrap().unwrap_err();
        assert_eq!((error.offset, error.reason), (8, reason));
        assert!(messages.next().is_none());
    }
    let mut bytes = [0; 24];
    (bytes[0], bytes[3]) = (24, 2);
    bytes[16] = 3;
    let mut messages = xdp::Packet::parse(&bytes).unwrap().messages();
    let error = messages.next().unwrap().unwrap_err();
    let reason = Reason::BadLength {
        stated: 3,
        least: 4,
        most: 65_535,
    };
    assert_eq!((error.offset, error.reason), (16, reason));
    assert!(messages.next().is_none());
    // Headers that state less than themselves.
    let error = pitch::Packet::parse(&[7, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(
        error.reason,
        Reason::BadLength {
            stated: 7,
            least: 8,
            most: 65_535
        }
    );
    bytes[0] = 15;
    let error = xdp::Packet::parse(&bytes).unwrap_err();
    assert_eq!(
        error.reason,
        Reason::BadLength {
            stated: 15,
            least: 16,
            most: 65_535
        }
    );
}

#[test]
fn unknown_messages_of_pitch_and_xdp_are_said_and_skipped() {
    let mut unit = vec![0, 0, 3, 1, 1, 0, 0, 0];
    unit.extend([4, 0xFE, 9, 9]);
    unit.extend([3, 0x2D, 0]);
    unit.extend([6, 0x2D, 0, 0, 0, 0]);
    unit[0] = unit.len() as u8;
    let results: Vec<_> = pitch::Packet::parse(&unit).unwrap().messages().collect();
    let reason = |i: usize| results[i].unwrap_err().reason;
    assert_eq!(reason(0), Reason::UnknownType { found: 0xFE });
    assert_eq!(
        reason(1),
        Reason::Truncated {
            needed: 6,
            available: 3
        }
    );
    assert_eq!(results[1].unwrap_err().offset, 12);
    let mut raw = pitch::Packet::parse(&unit).unwrap().messages();
    let mut next = || raw.next_raw().unwrap().unwrap();
    assert_eq!(
        (next(), next()),
        ((0xFE, &unit[8..12]), (0x2D, &unit[12..15]))
    );
    assert!(matches!(results[2], Ok(pitch::Message::EndOfSession(_))));
    assert_eq!(results.len(), 3);
}

#[test]
fn builders_refuse_what_they_cannot_count() {
    let mut buffer = vec![0; 1 << 17];
    let mut unit = pitch::Builder::new(&mut buffer, 1, 1).unwrap();
    for count in 0..255 {
        assert_eq!(unit.count(), count);
        unit.push(|_| Ok(2)).unwrap();
    }
    let full = EmitError::TooLong {
        layer: Layer::Pitch,
        len: 256,
        most: 255,
    };
    assert_eq!(unit.push(|_| Ok(2)), Err(full));
    let mut unit = pitch::Builder::new(&mut buffer, 1, 1).unwrap();
    unit.push(|out| Ok(out.len())).unwrap();
    let full = |layer, len| EmitError::TooLong {
        layer,
        len,
        most: 65_535,
    };
    assert_eq!(unit.push(|_| Ok(2)), Err(full(Layer::Pitch, 65_537)));
    assert_eq!(unit.finish().len(), 65_535);
    let mut packet = xdp::Builder::new(&mut buffer, xdp::Delivery::Other(99), 1, (0, 0)).unwrap();
    assert_eq!(
        packet.push(|_| Ok(usize::MAX)),
        Err(full(Layer::NyseXdp, usize::MAX))
    );
    assert_eq!(packet.count(), 0);
    let packet = xdp::Packet::parse(packet.finish()).unwrap();
    assert_eq!(
        (packet.count(), packet.delivery()),
        (0, xdp::Delivery::Other(99))
    );
}

/// From the start of the unit, not from where the message would be.
#[test]
fn a_lack_of_room_is_told_of_the_whole_unit() {
    let mut buffer = [0; 40];
    let delete = pitch::fields::DeleteOrder::default();
    let mut unit = pitch::Builder::new(&mut buffer, 4, 9).unwrap();
    unit.push(|out| delete.emit(out)).unwrap();
    unit.push(|out| delete.emit(out)).unwrap();
    let no_room = |layer, needed| EmitError::NoRoom {
        layer,
        needed,
        available: 40,
    };
    let due = Err(no_room(Layer::Pitch, 8 + 3 * 14));
    assert_eq!(unit.push(|out| delete.emit(out)), due);
    assert_eq!(unit.push(|_| Ok(14)), due);
    assert_eq!((unit.count(), unit.finish().len()), (2, 8 + 2 * 14));

    let delete = xdp::fields::DeleteOrder::default();
    let len = delete.to_bytes().len();
    let mut packet = xdp::Builder::new(&mut buffer, xdp::Delivery::Original, 9, (1, 2)).unwrap();
    while packet.push(|out| delete.emit(out)).is_ok() {}
    let needed = 16 + (usize::from(packet.count()) + 1) * len;
    let due = Err(no_room(Layer::NyseXdp, needed));
    assert_eq!(packet.push(|out| delete.emit(out)), due);

    // Where the length field is the limit, more room would not help.
    let mut buffer = vec![0; 1 << 17];
    let mut unit = pitch::Builder::new(&mut buffer, 4, 9).unwrap();
    unit.push(|_| Ok(65_535 - 8 - 3)).unwrap();
    let delete = pitch::fields::DeleteOrder::default();
    let (layer, len, most) = (Layer::Pitch, 65_535 - 3 + 14, 65_535);
    let due = Err(EmitError::TooLong { layer, len, most });
    assert_eq!(unit.push(|out| delete.emit(out)), due);
}

/// A count of 65,535 ends the session: a packet carries one message less.
#[test]
fn a_moldudp64_packet_carries_65534_messages_and_no_more() {
    let mut buffer = vec![0; 20 + 2 * 65_535];
    let mut packet = moldudp64::Builder::new(&mut buffer, SESSION, 1).unwrap();
    for _ in 0..65_534 {
        packet.push(b"").unwrap();
    }
    let (layer, len, most) = (Layer::MoldUdp64, 65_535, 65_534);
    assert_eq!(
        packet.push(b""),
        Err(EmitError::TooLong { layer, len, most })
    );
    let packet = moldudp64::Packet::parse(packet.finish()).unwrap();
    assert_eq!(packet.kind(), moldudp64::Kind::Messages(65_534));
    assert_eq!(packet.messages().filter(|m| m.is_ok()).count(), 65_534);
}

/// An ITCH file of a day has more bytes than 32 bits count.
#[test]
#[cfg(target_pointer_width = "64")]
fn an_offset_in_a_large_file_is_told_as_it_is() {
    let error = ParseError::truncated(Layer::Itch, 8_500_000_000, 21, 8);
    assert_eq!(error.offset, 8_500_000_000);
    assert_eq!(error.shifted(5_000_000_000).offset, 13_500_000_000);
    assert_eq!(
        error.to_string(),
        "ITCH at byte 8500000000: 21 bytes needed, 8 there"
    );
    let long = ParseError::bad_length(Layer::MoldUdp64, 0, 5_000_000_000, 20, 20);
    let (stated, least, most) = (5_000_000_000, 20, 20);
    assert_eq!(
        long.reason,
        Reason::BadLength {
            stated,
            least,
            most
        }
    );
}

/// As short and as long as each framing can say.
#[test]
fn empty_and_maximal_messages_arrive() {
    let longest = vec![0x5A; 65_535];
    let messages = mold(&[Vec::new(), longest.clone(), Vec::new()]);
    let packet = moldudp64::Packet::parse(&messages).unwrap();
    let found: Result<Vec<&[u8]>, _> = packet.messages().collect();
    assert_eq!(found.unwrap(), [&[][..], &longest, &[]]);

    let packets = [Soup::Sequenced(b""), Soup::Debug(&longest[..65_534])];
    let mut bytes = vec![0; 1 << 17];
    let mut len = 0;
    for packet in packets {
        len += packet.emit(&mut bytes[len..]).unwrap();
    }
    assert!(Packets::new(&bytes[..len]).eq(packets.map(Ok)));
    let too_long = Soup::Debug(&longest).emit(&mut bytes).unwrap_err();
    assert!(matches!(
        too_long,
        EmitError::TooLong {
            len: 65_536,
            most: 65_535,
            ..
        }
    ));

    // A unit of nothing, and one full of the longest message there is room for.
    let copy = |message: Vec<u8>| {
        move |out: &mut [u8]| {
            out[..message.len()].copy_from_slice(&message);
            Ok(message.len())
        }
    };
    let mut buffer = vec![0; 1 << 17];
    let unit = pitch::Builder::new(&mut buffer, 1, 1).unwrap().finish();
    let unit = pitch::Packet::parse(unit).unwrap();
    assert!(unit.is_heartbeat() && unit.messages().next().is_none());
    let mut message = vec![0; 255];
    (message[0], message[1]) = (255, 0x2D);
    let mut unit = pitch::Builder::new(&mut buffer, 1, 1).unwrap();
    (0..255).for_each(|_| unit.push(copy(message.clone())).unwrap());
    let unit = pitch::Packet::parse(unit.finish()).unwrap();
    assert_eq!(unit.messages().filter(|m| m.is_ok()).count(), 255);

    let mut message = vec![0; 65_535 - 16];
    message[..4].copy_from_slice(&[0xEF, 0xFF, 102, 0]);
    let mut packet = xdp::Builder::new(&mut buffer, xdp::Delivery::Original, 1, (1, 2)).unwrap();
    packet.push(copy(message.clone())).unwrap();
    let bytes = packet.finish();
    assert_eq!(bytes.len(), 65_535);
    let mut messages = xdp::Packet::parse(bytes).unwrap().messages();
    assert_eq!(messages.next_raw(), Some(Ok((102, &message[..]))));
    assert!(messages.next_raw().is_none() && messages.rest().is_empty());
}

#[test]
fn delivery_flags_come_back() {
    for flag in 0..=255 {
        assert_eq!(xdp::Delivery::from_flag(flag).flag(), flag);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }) })]

    #[test]
    fn moldudp64_packets_come_back(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40),
    ) {
        let bytes = mold(&messages);
        let packet = moldudp64::Packet::parse(&bytes).unwrap();
        prop_assert_eq!(usize::from(packet.message_count()), messages.len());
        let found: Result<Vec<&[u8]>, _> = packet.messages().collect();
        prop_assert_eq!(found.unwrap(), messages);
        let mut walk = packet.messages();
        walk.by_ref().for_each(drop);
        prop_assert!(walk.rest().is_empty());
    }

    #[test]
    fn soupbintcp_arrives_whatever_the_reads_are(
        picks in prop::collection::vec(0usize..11, 0..30),
        reads in prop::collection::vec(1usize..40, 1..60),
    ) {
        let sent: Vec<Soup<'_>> = picks.iter().map(|&i| soups()[i]).collect();
        let bytes = soup_bytes(&sent);
        let mut memory = [0; 64];
        let mut stream = StreamBuffer::new(&mut memory);
        let (mut at, mut came, mut reads) = (0, 0, reads.iter().cycle());
        while at < bytes.len() {
            let space = stream.space();
            let n = space.len().min(*reads.next().unwrap()).min(bytes.len() - at);
            prop_assert!(n > 0, "a buffer of 64 bytes holds every one of these packets");
            space[..n].copy_from_slice(&bytes[at..at + n]);
            stream.commit(n);
            at += n;
            let mut packets = Packets::new(stream.filled());
            for packet in packets.by_ref() {
                prop_assert_eq!(packet.unwrap(), sent[came]);
                came += 1;
            }
            let consumed = packets.consumed();
            stream.consume(consumed);
        }
        prop_assert_eq!(came, sent.len());
        prop_assert!(stream.filled().is_empty());
    }

    /// A packet that is read is made again of its messages.
    #[test]
    fn packets_of_feeds_are_made_again_as_they_were(head in any::<[u8; 20]>(), body in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut memory = [0; 64];
        let len = body.len() as u8;
        let copy = |message: &[u8], out: &mut [u8]| {
            out[..message.len()].copy_from_slice(message);
            Ok(message.len())
        };

        let mut bytes = [&head[..], &[0, len], &body].concat();
        bytes[18..20].copy_from_slice(&[0, 1]);
        let packet = moldudp64::Packet::parse(&bytes).unwrap();
        let mut again = moldudp64::Builder::new(&mut memory, packet.session(), packet.sequence()).unwrap();
        packet.messages().for_each(|message| again.push(message.unwrap()).unwrap());
        prop_assert_eq!(again.finish(), &bytes[..]);
        prop_assert_eq!(moldudp64::Request::parse(&head).unwrap().to_bytes(), head);

        let mut bytes = [&head[..8], &[len + 2, head[8]], &body].concat();
        (bytes[0], bytes[1], bytes[2]) = (10 + len, 0, 1);
        let packet = pitch::Packet::parse(&bytes).unwrap();
        let mut again = pitch::Builder::new(&mut memory, packet.unit(), packet.sequence()).unwrap();
        let (_, message) = packet.messages().next_raw().unwrap().unwrap();
        again.push(|out| copy(message, out)).unwrap();
        prop_assert_eq!(again.finish(), &bytes[..]);

        let mut bytes = [&head[..16], &[len + 4, 0, head[16], head[17]], &body].concat();
        (bytes[0], bytes[1], bytes[3]) = (20 + len, 0, 1);
        let packet = xdp::Packet::parse(&bytes).unwrap();
        let mut again =
            xdp::Builder::new(&mut memory, packet.delivery(), packet.sequence(), packet.send_time()).unwrap();
        let (_, message) = packet.messages().next_raw().unwrap().unwrap();
        again.push(|out| copy(message, out)).unwrap();
        prop_assert_eq!(again.finish(), &bytes[..]);
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        // What is consumed and what is left make up all there was.
        let mut packets = Packets::new(&bytes);
        packets.by_ref().for_each(drop);
        prop_assert_eq!(packets.consumed() + packets.rest().len(), bytes.len());
        let mut messages = itch::Messages::new(&bytes);
        messages.by_ref().for_each(drop);
        prop_assert_eq!(messages.offset() + messages.rest().len(), bytes.len());
        if let Ok(packet) = moldudp64::Packet::parse(&bytes) {
            let mut messages = packet.messages();
            let count = messages.by_ref().count();
            prop_assert!(count <= usize::from(packet.message_count()));
            prop_assert_eq!(messages.offset() + messages.rest().len(), bytes.len());
        }
        if let Ok(packet) = pitch::Packet::parse(&bytes) {
            prop_assert!(packet.messages().count() <= usize::from(packet.count()));
            prop_assert_eq!(usize::from(packet.length()) + packet.rest().len(), bytes.len());
        }
        if let Ok(packet) = xdp::Packet::parse(&bytes) {
            prop_assert!(packet.messages().count() <= usize::from(packet.count()));
            prop_assert_eq!(usize::from(packet.size()) + packet.rest().len(), bytes.len());
        }
    }
}
