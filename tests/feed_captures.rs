//! Captures of real exchanges, where they are: every message of every one is in the tables, and other
//! exchanges' packets are not taken for any.
//!
//! The captures are in the directory `exchange` of what `FRAMEPOOL_DATA` names, or of `../shared/data`.
#![cfg(all(feature = "feed", not(miri)))]
#![allow(missing_docs)]

#[path = "support/itch_beside.rs"]
mod itch_beside;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use framepool::feed::{SequenceTracker, Width, fix, itch, moldudp64, pitch, soupbintcp, xdp};
use framepool::wire::{ParseError, Reason};

/// A payload of UDP or TCP.
struct Datagram {
    is_tcp: bool,
    payload: Vec<u8>,
}

/// The directory of captures, or says which test goes without.
fn data(test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FRAMEPOOL_DATA").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.unwrap_or_else(|| here.join("../shared/data"));
    let data = root.join("exchange");
    if data.is_dir() {
        return Some(data);
    }
    println!("skipped: {test} needs captures in {}", data.display());
    None
}

/// The capture files under a directory, in order.
fn captures(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![under.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => left.push(path),
                Some(end) if end == "pcap" => found.push(path),
                _ => {}
            }
        }
    }
    assert!(!found.is_empty(), "no captures under {}", under.display());
    found.sort();
    found
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// The payloads of a classic capture of Ethernet, IPv4, UDP and TCP.
fn datagrams(file: &Path) -> Vec<Datagram> {
    let bytes = fs::read(file).unwrap();
    assert!(matches!(
        bytes[..4],
        [0xD4, 0xC3, 0xB2, 0xA1] | [0x4D, 0x3C, 0xB2, 0xA1]
    ));
    let mut found = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &bytes[at + 16..at + 16 + len];
        at += 16 + len;
        let mut ip = 14;
        while word(frame, ip - 2) == 0x8100 {
            ip += 4;
        }
        if word(frame, ip - 2) == 0x0800 {
            found.extend(datagram(&frame[ip..ip + word(frame, ip + 2)]));
        }
    }
    found
}

fn datagram(ip: &[u8]) -> Option<Datagram> {
    let (is_tcp, head) = match ip[9] {
        17 => (false, 8),
        6 => (
            true,
            usize::from(ip[usize::from(ip[0] & 15) * 4 + 12] >> 4) * 4,
        ),
        _ => return None,
    };
    let transport = &ip[usize::from(ip[0] & 15) * 4..];
    let end = if is_tcp {
        transport.len()
    } else {
        word(transport, 4)
    };
    let payload = transport[head..end].to_vec();
    Some(Datagram { is_tcp, payload })
}

/// Every message of a payload, by its name; or what is wrong.
type Names = Result<Vec<String>, ParseError>;

fn name(debug: impl std::fmt::Debug) -> String {
    let text = format!("{debug:?}");
    text.split(['(', ' ']).next().unwrap().to_owned()
}

fn of_itch(payload: &[u8]) -> Names {
    let packet = moldudp64::Packet::parse(payload)?;
    let mut names = Vec::new();
    for block in packet.messages() {
        let block = block?;
        let message = itch::Message::parse(block)?;
        let mut out = [0; 64];
        let len = message.emit(&mut out).unwrap();
        assert_eq!(&out[..len], block, "{message:?}");
        assert_eq!(itch::Raw::parse(block)?.typed(), Some(message));
        itch_beside::beside(block);
        names.push(name(message));
    }
    let mut walk = packet.messages();
    walk.by_ref().for_each(drop);
    nothing_left(walk.rest(), names)
}

fn of_pitch(payload: &[u8]) -> Names {
    let packet = pitch::Packet::parse(payload)?;
    let (mut names, mut messages) = (Vec::new(), packet.messages());
    while let Some(raw) = messages.next_raw() {
        let (_, bytes) = raw?;
        let message = pitch::Message::parse(bytes)?;
        let mut out = [0; 256];
        let len = message.emit(&mut out).unwrap();
        assert_eq!(&out[..len], bytes, "{message:?}");
        names.push(name(message));
    }
    nothing_left(messages.rest(), names)
}

fn of_xdp(payload: &[u8]) -> Names {
    let packet = xdp::Packet::parse(payload)?;
    let (mut names, mut messages) = (Vec::new(), packet.messages());
    while let Some(raw) = messages.next_raw() {
        let (_, bytes) = raw?;
        let message = xdp::Message::parse(bytes)?;
        let mut out = [0; 256];
        let len = message.emit(&mut out).unwrap();
        // What a version adds is in the tail, which is not written.
        assert_eq!(&out[2..len], &bytes[2..len], "{message:?}");
        assert!(len == bytes.len() || matches!(message, xdp::Message::Quote(_)));
        names.push(name(message));
    }
    nothing_left(messages.rest(), names)
}

/// A payload whose framing leaves bytes over is not this feed's.
fn nothing_left(rest: &[u8], names: Vec<String>) -> Names {
    match rest.len() {
        0 => Ok(names),
        len => Err(ParseError::bad_length(
            framepool::wire::Layer::Udp,
            0,
            len,
            0,
            0,
        )),
    }
}

/// Reads all captures of a feed, and counts its messages by name.
fn count(captures: &[PathBuf], of: fn(&[u8]) -> Names) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in captures {
        let datagrams = datagrams(file);
        assert!(!datagrams.is_empty(), "{}", file.display());
        for datagram in datagrams {
            let names = of(&datagram.payload);
            let names = names.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for name in names {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    println!("{counts:?}");
    counts
}

fn all_of(counts: &BTreeMap<String, usize>, names: &[&str]) {
    for name in names {
        assert!(counts.contains_key(*name), "no {name} in {counts:?}");
    }
}

#[test]
fn nasdaq() {
    let Some(data) = data("nasdaq") else { return };
    let mut files = captures(&data.join("Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0"));
    files.extend(captures(
        &data.join("Nasdaq/Bx.Equities.TotalView.Itch.v5.0.20230822"),
    ));
    let counts = count(&files, of_itch);
    #[rustfmt::skip]
    all_of(&counts, &[
        "AddOrder", "AddOrderAttributed", "MarketParticipantPosition", "NetOrderImbalance", "OrderDelete",
        "OrderExecuted", "OrderExecutedWithPrice", "OrderCancel", "OrderReplace", "Trade",
        "StockTradingAction", "RegShoRestriction", "RetailInterest", "SystemEvent",
    ]);
}

#[test]
fn fields_of_a_known_add_order() {
    let Some(data) = data("fields_of_a_known_add_order") else {
        return;
    };
    let file = "Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0/AddOrderNoMpidAttributionMessage.pcap";
    let datagrams = datagrams(&data.join(file));
    let packet = moldudp64::Packet::parse(&datagrams[0].payload).unwrap();
    assert_eq!(
        (&packet.session(), packet.sequence()),
        (b"000010059B", 0xE1_2F59)
    );
    let message = itch::Messages::of_packet(&packet).next().unwrap().unwrap();
    let itch::Message::AddOrder(add) = message else {
        panic!("{message:?}");
    };
    assert_eq!(add.stock().to_string(), "IVOO");
    assert_eq!(add.price().to_string(), "87.3900");
    assert_eq!((add.side(), add.shares()), (b'B', 1600));
}

#[test]
fn sequences_of_nasdaq() {
    let Some(data) = data("sequences_of_nasdaq") else {
        return;
    };
    let file = "Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0/Multiple.Packets.pcap";
    let mut tracker = SequenceTracker::<8>::new(Width::Bits64);
    let mut messages = 0;
    for datagram in datagrams(&data.join(file)) {
        let packet = moldudp64::Packet::parse(&datagram.payload).unwrap();
        let count = u64::from(packet.message_count());
        assert_eq!(tracker.observe(packet.sequence(), count), count);
        messages += count;
    }
    assert_eq!(tracker.stats().new, messages);
    assert_eq!(tracker.stats().missing, tracker.outstanding());
    assert!(messages > 1);
}

#[test]
fn soupbintcp_of_nasdaq() {
    let Some(data) = data("soupbintcp_of_nasdaq") else {
        return;
    };
    let mut kinds = Vec::new();
    for file in captures(&data.join("Nasdaq/Nasdaq.Nsm.Ouch.v5.0")) {
        for datagram in datagrams(&file)
            .iter()
            .filter(|d| d.is_tcp && !d.payload.is_empty())
        {
            let mut packets = soupbintcp::Packets::new(&datagram.payload);
            for packet in packets.by_ref() {
                kinds.push(packet.unwrap().kind());
            }
            assert_eq!(
                packets.consumed(),
                datagram.payload.len(),
                "{}",
                file.display()
            );
        }
    }
    for kind in *b"USHR" {
        assert!(kinds.contains(&kind), "{}", kind.escape_ascii());
    }
}

#[test]
fn cboe() {
    let Some(data) = data("cboe") else { return };
    let counts = count(&captures(&data.join("Cboe")), of_pitch);
    #[rustfmt::skip]
    all_of(&counts, &[
        "AddOrderShort", "ModifyOrderShort", "DeleteOrder", "FuturesInstrument", "Time", "TradingStatus",
    ]);
}

#[test]
fn nyse() {
    let Some(data) = data("nyse") else { return };
    let mut files = captures(&data.join("Nyse/IntegratedFeed.Xdp.v2.1"));
    files.extend(captures(&data.join("Nyse/Bbo.Xdp.v2.3a")));
    let counts = count(&files, of_xdp);
    #[rustfmt::skip]
    all_of(&counts, &[
        "AddOrder", "Imbalance", "OrderExecution", "ReplaceOrder", "SecurityStatus", "SequenceNumberReset",
        "SourceTimeReference", "SymbolIndexMapping", "Quote",
    ]);
}

#[test]
fn options_of_nyse_share_the_header_and_the_control_messages() {
    let Some(data) = data("options_of_nyse_share_the_header") else {
        return;
    };
    let (mut known, mut unknown) = (0, 0);
    for file in captures(&data.join("Nyse/Arca.Options.TopFeed.Pillar.1.2.c")) {
        for datagram in datagrams(&file) {
            let packet = xdp::Packet::parse(&datagram.payload).unwrap();
            let mut messages = packet.messages();
            for message in messages.by_ref() {
                match message.map_err(|error| error.reason) {
                    Ok(_) => known += 1,
                    // The quote of the options feed.
                    Err(Reason::UnknownType { found: 340 }) => unknown += 1,
                    Err(other) => panic!("{}: {other}", file.display()),
                }
            }
            assert!(messages.rest().is_empty());
        }
    }
    assert!(known > 0 && unknown > 0);
}

#[test]
fn other_exchanges_are_taken_for_none_of_these() {
    let Some(data) = data("other_exchanges_are_taken_for_none_of_these") else {
        return;
    };
    let mut read = 0;
    for exchange in ["Cme", "Iex", "Siac"] {
        for file in captures(&data.join(exchange)) {
            for datagram in datagrams(&file).iter().filter(|d| !d.payload.is_empty()) {
                let (file, payload) = (file.display(), &datagram.payload);
                for (feed, of) in [
                    ("ITCH", of_itch as fn(&[u8]) -> Names),
                    ("PITCH", of_pitch),
                    ("XDP", of_xdp),
                ] {
                    let has_messages = of(payload).is_ok_and(|names| !names.is_empty());
                    assert!(!has_messages, "{file} is no {feed}");
                }
                assert!(fix::Message::parse(payload).is_err(), "{file} is no FIX");
                read += 1;
            }
        }
    }
    assert!(read > 0);
}
