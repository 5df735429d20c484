//! MoldUDP64, SoupBinTCP and FIX beside another parser's opinion: every field that tshark shows of frames
//! which the emitters make, and of the captures where they are, is what the parsers say of the same bytes.
#![cfg(all(feature = "feed", not(miri)))]
#![allow(missing_docs)]

#[path = "support/captures.rs"]
mod captures;
#[path = "support/frames.rs"]
mod frames;
#[path = "support/made.rs"]
mod made;
#[path = "support/tshark.rs"]
mod tshark;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use framepool::feed::{fix, moldudp64, soupbintcp};
use framepool::wire::{Reason, Transport, summarize};
use made::{Dice, Made, PORT, segment, segments};

/// What a frame says: for each field its values, in the order of the wire.
type Row = Vec<Vec<String>>;

/// What has arrived of each stream and is not used up.
#[derive(Default)]
struct Streams(HashMap<(u16, u16), Vec<u8>>);

impl Streams {
    /// Appends what a frame carries, and hands on the stream that it belongs to.
    fn arrived(&mut self, frame: &[u8]) -> &mut Vec<u8> {
        let summary = summarize(frame).unwrap();
        assert_eq!(summary.transport(), Transport::Tcp);
        let stream = self.0.entry(summary.ports().unwrap()).or_default();
        stream.extend(&frame[summary.payload()]);
        stream
    }

    fn are_used_up(&self) -> bool {
        self.0.values().all(Vec::is_empty)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asks tshark, and compares line by line. Of a value without bytes it shows nothing, or that it is missing.
fn compare(file: &Path, decode: &str, fields: &[&str], ours: &[Row]) {
    let lines = tshark::lines(file, &["-d", decode, "-E", "aggregator=|"], fields);
    assert_eq!(lines.len(), ours.len(), "{}", file.display());
    for (index, (line, row)) in lines.iter().zip(ours).enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!((columns.len(), row.len()), (fields.len(), fields.len()));
        for ((name, column), values) in fields.iter().zip(columns).zip(row) {
            let is_value = |v: &&str| !matches!(*v, "" | "<MISSING>");
            let theirs: Vec<&str> = column.split('|').filter(is_value).collect();
            let ours: Vec<&String> = values.iter().filter(|v| !v.is_empty()).collect();
            assert_eq!(theirs, ours, "{name} of {} #{}", file.display(), index + 1);
        }
    }
}

const MOLDUDP64: [&str; 6] = [
    "moldudp64.session",
    "moldudp64.sequence",
    "moldudp64.count",
    "moldudp64.msgseq",
    "moldudp64.msglen",
    "moldudp64.msgdata",
];

/// What a MoldUDP64 packet says.
fn moldudp64_row(frame: &[u8]) -> Row {
    let summary = summarize(frame).unwrap();
    let packet = moldudp64::Packet::parse(&frame[summary.payload()]).unwrap();
    let messages: Vec<&[u8]> = packet.messages().map(Result::unwrap).collect();
    vec![
        vec![text(&packet.session())],
        vec![packet.sequence().to_string()],
        vec![packet.count().to_string()],
        (packet.sequence()..)
            .zip(&messages)
            .map(|(n, _)| n.to_string())
            .collect(),
        messages.iter().map(|m| m.len().to_string()).collect(),
        messages.iter().map(|m| hex(m)).collect(),
    ]
}

fn moldudp64_frame(dice: &mut Dice) -> Vec<u8> {
    let session = dice.alpha::<10>().0;
    let sequence = dice.number() / 2;
    let mut buffer = [0; 1400];
    let packet = match dice.below(8) {
        0 => moldudp64::heartbeat(session, sequence).to_vec(),
        1 => moldudp64::end_of_session(session, sequence).to_vec(),
        _ => {
            let mut builder = moldudp64::Builder::new(&mut buffer, session, sequence).unwrap();
            for _ in 0..=dice.below(20) {
                let len = dice.below(60);
                builder.push(&dice.bytes(len)).unwrap();
            }
            builder.finish().to_vec()
        }
    };
    frames::ethernet(0x0800, &frames::ipv4(17, &frames::udp(&packet, false)))
}

#[test]
fn moldudp64_beside_tshark() {
    if !tshark::is_there("moldudp64_beside_tshark") {
        return;
    }
    let mut dice = Dice(64);
    let frames: Vec<_> = (0..200).map(|_| moldudp64_frame(&mut dice)).collect();
    let rows: Vec<_> = frames.iter().map(|frame| moldudp64_row(frame)).collect();
    let with = |count: &str| rows.iter().filter(|row| row[2] == [count]).count();
    assert!(with("0") >= 10 && with("65535") >= 10);
    assert!(rows.iter().map(|row| row[3].len()).sum::<usize>() >= 1000);
    let made = Made::new("moldudp64", &frames);
    let decode = format!("udp.port=={PORT},moldudp64");
    compare(&made.0, &decode, &MOLDUDP64, &rows);
}

const SOUPBINTCP: [&str; 8] = [
    "soupbintcp.packet_length",
    "soupbintcp.packet_type",
    "soupbintcp.message",
    "soupbintcp.text",
    "soupbintcp.reject_code",
    "soupbintcp.username",
    "soupbintcp.password",
    "soupbintcp.session",
];

/// What a packet says, in the order of the fields.
fn soupbintcp_values(packet: &soupbintcp::Packet<'_>, len: usize) -> [String; 8] {
    use soupbintcp::Packet as P;
    let mut values = <[String; 8]>::default();
    values[0] = (len - 2).to_string();
    values[1] = format!("'{}'", char::from(packet.kind()));
    match packet {
        P::Sequenced(data) | P::Unsequenced(data) => values[2] = hex(data),
        P::Debug(data) => values[3] = text(data),
        P::LoginRejected { reason } => values[4] = format!("'{}'", char::from(*reason)),
        P::LoginAccepted { session, .. } => values[7] = text(&session.0),
        P::LoginRequest(login) => {
            values[5] = text(&login.username.0);
            values[6] = text(&login.password.0);
            values[7] = text(&login.session.0);
        }
        _ => {}
    }
    values
}

/// What the packets say that are whole with this frame.
fn soupbintcp_row(frame: &[u8], streams: &mut Streams) -> Row {
    let stream = streams.arrived(frame);
    let mut row = vec![Vec::new(); SOUPBINTCP.len()];
    let mut packets = soupbintcp::Packets::new(stream);
    let mut at = 0;
    while let Some(packet) = packets.next() {
        let values = soupbintcp_values(&packet.unwrap(), packets.consumed() - at);
        row.iter_mut().zip(values).for_each(|(to, v)| to.push(v));
        at = packets.consumed();
    }
    stream.drain(..at);
    row
}

fn soupbintcp_packet(kind: usize, dice: &mut Dice) -> Vec<u8> {
    use soupbintcp::Packet as P;
    let len = dice.below(300);
    let (data, words) = (dice.bytes(len), dice.text(len));
    let (session, sequence) = (dice.alpha(), dice.number() >> 33);
    let packet = match kind {
        0 => P::Debug(&words),
        1 => P::LoginAccepted { session, sequence },
        2 => P::LoginRejected {
            reason: dice.pick(b"AS"),
        },
        3 => P::Sequenced(&data),
        4 => P::Unsequenced(&data),
        5 => P::ServerHeartbeat,
        6 => P::EndOfSession,
        7 => P::LoginRequest(soupbintcp::Login {
            username: dice.alpha(),
            password: dice.alpha(),
            session,
            sequence,
        }),
        8 => P::ClientHeartbeat,
        _ => P::LogoutRequest,
    };
    let mut out = [0; 400];
    let len = packet.emit(&mut out).unwrap();
    out[..len].to_vec()
}

#[test]
fn soupbintcp_beside_tshark() {
    if !tshark::is_there("soupbintcp_beside_tshark") {
        return;
    }
    let mut dice = Dice(410);
    // Each ends with an accepted login, behind which tshark begins a conversation of its own: it forgets
    // what it has of a packet that is not whole.
    let pieces: Vec<Vec<u8>> = (0..40)
        .map(|_| {
            let kinds = (2..10).chain([0, 1]);
            kinds
                .flat_map(|kind| soupbintcp_packet(kind, &mut dice))
                .collect()
        })
        .collect();
    let frames = segments(&pieces, &mut dice);
    let mut streams = Streams::default();
    let rows: Vec<_> = frames
        .iter()
        .map(|frame| soupbintcp_row(frame, &mut streams))
        .collect();
    assert!(streams.are_used_up());
    for kind in "+AJSUHZLRO".chars() {
        let kind = format!("'{kind}'");
        let seen = rows.iter().flat_map(|row| &row[1]).filter(|k| **k == kind);
        assert_eq!(seen.count(), 40, "{kind}");
    }
    let made = Made::new("soupbintcp", &frames);
    let decode = format!("tcp.port=={PORT},soupbintcp");
    compare(&made.0, &decode, &SOUPBINTCP, &rows);
    let theirs = tshark::shown(&made.0, &["-d", &decode], "soupbintcp");
    assert_eq!(soupbintcp_numbers(&frames), soupbintcp_shown(&theirs));
}

/// The sequence numbers of logins: of the wanted message, and of the next one.
fn soupbintcp_numbers(frames: &[Vec<u8>]) -> (Vec<u64>, Vec<u64>) {
    use soupbintcp::Packet as P;
    let (mut wanted, mut next) = (Vec::new(), Vec::new());
    let mut streams = Streams::default();
    for frame in frames {
        let stream = streams.arrived(frame);
        let mut packets = soupbintcp::Packets::new(stream);
        for packet in packets.by_ref() {
            match packet.unwrap() {
                P::LoginRequest(login) => wanted.push(login.sequence),
                P::LoginAccepted { sequence, .. } => next.push(sequence),
                _ => {}
            }
        }
        let consumed = packets.consumed();
        stream.drain(..consumed);
    }
    assert_eq!((wanted.len(), next.len()), (40, 40));
    (wanted, next)
}

/// The same as tshark shows them: as a field they have no value.
fn soupbintcp_shown(text: &str) -> (Vec<u64>, Vec<u64>) {
    let of = |name: &str| {
        text.lines()
            .filter_map(|line| line.trim_start().strip_prefix(name)?.parse().ok())
            .collect()
    };
    let wanted = of("Requested sequence number: ");
    (wanted, of("Next sequence number: "))
}

/// What is no field of the body.
const FIX: [&str; 4] = [
    "fix.BeginString",
    "fix.BodyLength",
    "fix.CheckSum",
    "fix.MsgType",
];

/// Fields of the body, and those of a repeating group.
const TAGS: [(&str, u32); 18] = [
    ("fix.SenderCompID", 49),
    ("fix.TargetCompID", 56),
    ("fix.MsgSeqNum", 34),
    ("fix.PossDupFlag", 43),
    ("fix.SendingTime", 52),
    ("fix.ClOrdID", 11),
    ("fix.Symbol", 55),
    ("fix.Side", 54),
    ("fix.OrderQty", 38),
    ("fix.Price", 44),
    ("fix.Text", 58),
    ("fix.TestReqID", 112),
    ("fix.NoMDEntries", 268),
    ("fix.MDEntryType", 269),
    ("fix.MDEntryPx", 270),
    ("fix.MDEntrySize", 271),
    ("fix.RawDataLength", 95),
    ("fix.RawData", 96),
];

const VERSIONS: [fix::Version; 9] = [
    fix::Version::Fix40,
    fix::Version::Fix41,
    fix::Version::Fix42,
    fix::Version::Fix43,
    fix::Version::Fix44,
    fix::Version::Fix50,
    fix::Version::Fix50Sp1,
    fix::Version::Fix50Sp2,
    fix::Version::Fixt11,
];

/// What the messages say that are whole with this frame.
fn fix_row(frame: &[u8], streams: &mut Streams) -> Row {
    let stream = streams.arrived(frame);
    let mut row = vec![Vec::new(); FIX.len() + TAGS.len()];
    let mut messages = fix::Messages::new(stream);
    for message in messages.by_ref() {
        let message = message.unwrap();
        row[0].push(text(message.version().as_bytes()));
        row[1].push(message.body_length().to_string());
        row[2].push(format!("{:03}", message.checksum()));
        row[3].push(text(message.msg_type()));
        for field in message.fields().map(Result::unwrap) {
            if let Some(at) = TAGS.iter().position(|&(_, tag)| tag == field.tag) {
                row[FIX.len() + at].push(text(field.value));
            }
        }
    }
    let consumed = messages.consumed();
    stream.drain(..consumed);
    row
}

fn fix_message(number: usize, dice: &mut Dice) -> Vec<u8> {
    let msg_type = dice.pick(&["0", "1", "8", "A", "D", "F", "W", "X", "AE"]);
    let version = VERSIONS[number % VERSIONS.len()];
    let mut buffer = [0; 2000];
    let mut writer = fix::Writer::new(&mut buffer, version, msg_type.as_bytes()).unwrap();
    writer.field(49, &dice.alpha::<12>().0).unwrap();
    writer.field(56, b"VENUE").unwrap();
    writer.int(34, number as i64).unwrap();
    for &(_, tag) in &TAGS[3..12] {
        let len = 1 + dice.below(40);
        match (dice.below(3), tag) {
            (0, _) => continue,
            (_, 44) => writer.int(tag, dice.number() as i64),
            _ => writer.field(tag, &dice.text(len)),
        }
        .unwrap();
    }
    if msg_type == "W" {
        fix_group(&mut writer, dice);
    }
    if dice.below(4) == 0 {
        let len = 1 + dice.below(50);
        writer.data(95, &dice.text(len)).unwrap();
    }
    writer.finish().unwrap().to_vec()
}

fn fix_group(writer: &mut fix::Writer<'_>, dice: &mut Dice) {
    let entries = 1 + dice.below(8);
    writer.int(268, entries as i64).unwrap();
    for _ in 0..entries {
        writer.field(269, &[dice.pick(b"012")]).unwrap();
        let price = format!("{}.{:02}", dice.number(), dice.below(100));
        writer.field(270, price.as_bytes()).unwrap();
        writer.int(271, dice.below(10_000) as i64).unwrap();
    }
}

#[test]
fn fix_beside_tshark() {
    if !tshark::is_there("fix_beside_tshark") {
        return;
    }
    let mut dice = Dice(44);
    let stream: Vec<u8> = (0..270).flat_map(|n| fix_message(n, &mut dice)).collect();
    let frames = segments(&[stream], &mut dice);
    let mut streams = Streams::default();
    let rows: Vec<_> = frames
        .iter()
        .map(|frame| fix_row(frame, &mut streams))
        .collect();
    assert!(streams.are_used_up());
    let fields: Vec<&str> = FIX.into_iter().chain(TAGS.map(|(name, _)| name)).collect();
    for (at, name) in fields.iter().enumerate() {
        let seen: usize = rows.iter().map(|row| row[at].len()).sum();
        assert!(seen >= 20 && (at > 3 || seen == 270), "{seen} of {name}");
    }
    let made = Made::new("fix", &frames);
    compare(&made.0, &format!("tcp.port=={PORT},fix"), &fields, &rows);
}

/// One message a frame, every third with a byte changed.
#[test]
fn fix_checksums_beside_tshark() {
    if !tshark::is_there("fix_checksums_beside_tshark") {
        return;
    }
    let mut dice = Dice(10);
    let (mut frames, mut ours, mut sequence) = (Vec::new(), Vec::new(), 1000);
    for number in 0..90 {
        let mut message = fix_message(number, &mut dice);
        if number % 3 == 0 {
            let at = message.windows(4).position(|w| w == b"\x0156=").unwrap() + 4;
            message[at] ^= 1 << dice.below(5);
        }
        let is_bad = match fix::Message::parse(&message) {
            Ok(_) => false,
            Err(error) => matches!(error.reason, Reason::BadChecksum { .. }),
        };
        ours.push(is_bad);
        frames.push(segment(sequence, &message));
        sequence += message.len() as u32;
    }
    assert_eq!(ours.iter().filter(|is_bad| **is_bad).count(), 30);
    let made = Made::new("fix-checksums", &frames);
    let decode = format!("tcp.port=={PORT},fix");
    let lines = tshark::lines(&made.0, &["-d", &decode], &["fix.checksum_bad"]);
    let theirs: Vec<bool> = lines
        .iter()
        .map(|l| matches!(&l[..], "1" | "True"))
        .collect();
    assert_eq!(ours, theirs);
}

/// A capture's name, the lower port of its first frame (the server's), and its frames.
type Captured = (PathBuf, u16, Vec<Vec<u8>>);

/// The captures of one of Nasdaq's feeds, if they and tshark are there.
fn captured(test: &str, feed: &str) -> Option<Vec<Captured>> {
    let folder = captures::folder(test)?.join("exchange/Nasdaq").join(feed);
    if !tshark::is_there(test) {
        return None;
    }
    let read = captures::files(&folder).into_iter().map(|file| {
        let packets = captures::packets(&file);
        assert!(packets.iter().all(|p| p.link_type == captures::ETHERNET));
        let frames: Vec<_> = packets.into_iter().map(|p| p.bytes).collect();
        let (src, dst) = summarize(&frames[0]).unwrap().ports().unwrap();
        (file, src.min(dst), frames)
    });
    Some(read.collect())
}

#[test]
fn captured_moldudp64_beside_tshark() {
    let test = "captured_moldudp64_beside_tshark";
    // BX's captures have no ports, by which tshark would know what they are.
    let Some(found) = captured(test, "Nasdaq.Equities.TotalView.Itch.v5.0") else {
        return;
    };
    let mut compared = 0;
    for (file, port, frames) in found {
        let rows: Vec<_> = frames.iter().map(|frame| moldudp64_row(frame)).collect();
        let decode = format!("udp.port=={port},moldudp64");
        compare(&file, &decode, &MOLDUDP64, &rows);
        compared += rows.len();
    }
    assert!(compared >= 8, "{compared}");
    println!("{compared} packets compared with tshark");
}

#[test]
fn captured_soupbintcp_beside_tshark() {
    let test = "captured_soupbintcp_beside_tshark";
    let Some(found) = captured(test, "Nasdaq.Nsm.Ouch.v5.0") else {
        return;
    };
    let mut compared = 0;
    for (file, port, frames) in found {
        let mut streams = Streams::default();
        let rows: Vec<_> = frames
            .iter()
            .map(|frame| soupbintcp_row(frame, &mut streams))
            .collect();
        assert!(streams.are_used_up(), "{}", file.display());
        let decode = format!("tcp.port=={port},soupbintcp");
        compare(&file, &decode, &SOUPBINTCP, &rows);
        compared += rows.iter().map(|row| row[1].len()).sum::<usize>();
    }
    assert!(compared >= 6, "{compared}");
    println!("{compared} packets compared with tshark");
}
