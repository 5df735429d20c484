//! The seed corpus of the fuzz targets of feeds: one file a case, in the folder that `FRAMEPOOL_SEEDS`
//! names, which is `tests/fuzz/corpus` for a run of fuzzing.
#![cfg(all(feature = "feed", not(miri)))]
#![allow(missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use framepool::feed::soupbintcp::{Login, Packet as Soup};
use framepool::feed::{EmitError, fix, itch, moldudp64, pitch, xdp};

type Seeds = Vec<Vec<u8>>;

/// One message of every type, all bytes of it the same.
fn itch_messages() -> Seeds {
    let of = |(kind, len, _): &(u8, usize, &str)| {
        let mut bytes = vec![b'1'; *len];
        bytes[0] = *kind;
        bytes
    };
    itch::TYPES.iter().map(of).collect()
}

fn prefixed(messages: &[Vec<u8>]) -> Vec<u8> {
    let prefix = |message: &Vec<u8>| [&(message.len() as u16).to_be_bytes(), &message[..]].concat();
    messages.iter().flat_map(prefix).collect()
}

fn moldudp64() -> Seeds {
    let mut buffer = vec![0; 2048];
    let mut packet = moldudp64::Builder::new(&mut buffer, *b"SESSION001", 7).unwrap();
    for message in itch_messages() {
        packet.push(&message).unwrap();
    }
    let whole = packet.finish().to_vec();
    let request = moldudp64::Request {
        session: *b"SESSION001",
        sequence: 7,
        count: 3,
    };
    vec![
        whole[..100].to_vec(),
        whole,
        moldudp64::heartbeat(*b"SESSION001", 9).to_vec(),
        moldudp64::end_of_session(*b"SESSION001", 9).to_vec(),
        request.to_bytes().to_vec(),
    ]
}

fn soupbintcp() -> Seeds {
    let packets = [
        Soup::Debug(b"debug"),
        Soup::LoginAccepted {
            session: Default::default(),
            sequence: 1,
        },
        Soup::LoginRejected { reason: b'A' },
        Soup::Sequenced(b"S..."),
        Soup::Unsequenced(b"U..."),
        Soup::ServerHeartbeat,
        Soup::EndOfSession,
        Soup::LoginRequest(Login::default()),
        Soup::ClientHeartbeat,
        Soup::LogoutRequest,
    ];
    let emit = |packet: &Soup<'_>| {
        let mut bytes = vec![0; 64];
        let len = packet.emit(&mut bytes).unwrap();
        bytes.truncate(len);
        bytes
    };
    let mut seeds: Seeds = packets.iter().map(emit).collect();
    seeds.push(seeds.concat());
    seeds
}

/// Copies a message out, as builders want it.
fn copy(message: &[u8]) -> impl FnOnce(&mut [u8]) -> Result<usize, EmitError> {
    move |out| {
        out[..message.len()].copy_from_slice(message);
        Ok(message.len())
    }
}

fn pitch() -> Seeds {
    let of = |(kind, len, _): &(u8, usize, &str)| {
        let mut bytes = vec![b'1'; *len];
        (bytes[0], bytes[1]) = (*len as u8, *kind);
        let mut buffer = [0; 256];
        let mut unit = pitch::Builder::new(&mut buffer, 1, 1).unwrap();
        unit.push(copy(&bytes)).unwrap();
        unit.finish().to_vec()
    };
    let mut seeds: Seeds = pitch::TYPES.iter().map(of).collect();
    seeds.push(seeds.concat());
    seeds
}

fn xdp() -> Seeds {
    let of = |(kind, len, _): &(u16, usize, &str)| {
        let mut bytes = vec![b'1'; *len];
        bytes[..2].copy_from_slice(&(*len as u16).to_le_bytes());
        bytes[2..4].copy_from_slice(&kind.to_le_bytes());
        let mut buffer = [0; 256];
        let flag = xdp::Delivery::Original;
        let mut packet = xdp::Builder::new(&mut buffer, flag, 1, (1, 2)).unwrap();
        packet.push(copy(&bytes)).unwrap();
        packet.finish().to_vec()
    };
    let mut seeds: Seeds = xdp::TYPES.iter().map(of).collect();
    seeds.push(seeds.concat());
    seeds
}

fn fix() -> Seeds {
    let mut buffer = [0; 512];
    let mut writer = fix::Writer::new(&mut buffer, fix::Version::Fix44, b"8").unwrap();
    for (tag, value) in [(453, "1"), (448, "A"), (452, "1"), (44, "1.25"), (38, "-7")] {
        writer.field(tag, value.as_bytes()).unwrap();
    }
    writer.data(95, b"a\x01b").unwrap();
    let message = writer.finish().unwrap().to_vec();
    let body = b"453=1\x01448=A\x01452=1\x0195=3\x0196=a\x01b\x0193=2\x0189=x\x01\x011=".to_vec();
    vec![[&message[..], b"noise", &message].concat(), message, body]
}

fn sequence() -> Seeds {
    const END: u8 = 0;
    const RESET: u8 = 1;
    const PACKET: u8 = 2;
    let step = |(first, count, what): &(u64, u16, u8)| {
        [&first.to_le_bytes()[..], &count.to_le_bytes(), &[*what]].concat()
    };
    let walks: [&[(u64, u16, u8)]; 3] = [
        &[
            (200, 1, PACKET),
            (201, 5, PACKET),
            (210, 2, PACKET),
            (206, 4, PACKET),
            (200, 20, PACKET),
            (220, 0, END),
            (220, 3, PACKET),
        ],
        &[
            (u32::MAX as u64 - 1, 4, PACKET),
            (1, 1, PACKET),
            (5, 1, PACKET),
            (1, 0, RESET),
            (3, 9, PACKET),
        ],
        &[
            (u64::MAX, 2, PACKET),
            (0, 0, PACKET),
            (9, 0, PACKET),
            (3, 3, PACKET),
            (30, 0, END),
            (7, 0, RESET),
            (7, 2, PACKET),
        ],
    ];
    walks
        .iter()
        .map(|walk| walk.iter().flat_map(step).collect())
        .collect()
}

#[test]
fn seeds_are_written_for_every_target() {
    let mut itch = itch_messages();
    itch.push(prefixed(&itch));
    let targets = [
        ("feed_moldudp64", moldudp64()),
        ("feed_soupbintcp", soupbintcp()),
        ("feed_itch", itch),
        ("feed_pitch", pitch()),
        ("feed_xdp", xdp()),
        ("feed_fix", fix()),
        ("feed_sequence", sequence()),
    ];
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let folder = std::env::var_os("FRAMEPOOL_SEEDS").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: seeds_are_written_for_every_target writes where FRAMEPOOL_SEEDS says");
    }
    for (target, seeds) in targets {
        let source = sources.join(target).with_extension("rs");
        assert!(!sources.is_dir() || source.is_file(), "{target}");
        assert!(!seeds.is_empty());
        let Some(corpus) = folder.as_ref().map(|folder| folder.join(target)) else {
            continue;
        };
        fs::create_dir_all(&corpus).unwrap();
        for (i, seed) in seeds.iter().enumerate() {
            fs::write(corpus.join(format!("seed-{i:02}")), seed).unwrap();
        }
    }
}
