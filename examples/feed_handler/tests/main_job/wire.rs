//! Captures built by hand: ITCH 5.0 in MoldUDP64 in UDP in IPv4 in Ethernet, in pcap or pcapng.

use std::fs;
use std::path::{Path, PathBuf};

pub const SESSION: &[u8; 10] = b"TESTFEED01";

/// An ITCH 5.0 message of the right length: a system event, an added order or a deleted one.
pub fn message(kind: u8) -> Vec<u8> {
    let len = match kind {
        b'S' => 12,
        b'A' => 36,
        b'D' => 19,
        _ => panic!("the length of {kind} is unknown"),
    };
    let mut message = vec![0; len];
    message[0] = kind;
    message
}

/// A MoldUDP64 packet of `count` messages, the first numbered `sequence`.
pub fn mold(session: &[u8; 10], sequence: u64, count: u16) -> Vec<u8> {
    let kinds = [b'A', b'D', b'S'].into_iter().cycle();
    let mut packet = mold_header(session, sequence, count);
    for kind in kinds.take(count.into()) {
        let message = message(kind);
        packet.extend((message.len() as u16).to_be_bytes());
        packet.extend(message);
    }
    packet
}

/// A header alone: a heartbeat (count 0) or the end of the session (count 0xFFFF).
pub fn mold_header(session: &[u8; 10], sequence: u64, count: u16) -> Vec<u8> {
    let mut packet = session.to_vec();
    packet.extend(sequence.to_be_bytes());
    packet.extend(count.to_be_bytes());
    packet
}

/// An Ethernet frame around a UDP datagram.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    addressed(payload, [239, 1, 2, 3], 26_400)
}

/// The same to some group and port.
pub fn addressed(payload: &[u8], group: [u8; 4], port: u16) -> Vec<u8> {
    let mut udp = Vec::new();
    for field in [26_400, port, 8 + payload.len() as u16, 0] {
        udp.extend(field.to_be_bytes());
    }
    udp.extend(payload);
    ethernet(0x0800, &ipv4_to(group, 17, &udp))
}

pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x01, 0, 0x5E, 1, 2, 3, 2, 0, 0, 0, 0, 1];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frame with a VLAN tag before its type.
pub fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    let (addresses, rest) = frame.split_at(12);
    [addresses, &tag.to_be_bytes(), &[0, 7], rest].concat()
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_to([239, 1, 2, 3], protocol, payload)
}

fn ipv4_to(to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, len[0], len[1], 0, 1, 0, 0, 16, protocol, 0, 0];
    packet.extend([10, 0, 0, 1]);
    packet.extend(to);
    let sum: u32 = packet
        .chunks(2)
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    let checksum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// The byte order of a capture's own fields.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    fn u32(self, n: u32) -> [u8; 4] {
        match self {
            Self::Little => n.to_le_bytes(),
            Self::Big => n.to_be_bytes(),
        }
    }

    fn words<const N: usize>(self, words: [u32; N]) -> Vec<u8> {
        words.iter().flat_map(|word| self.u32(*word)).collect()
    }
}

pub const ETHERNET: u16 = 1;
pub const MICROSECONDS: u32 = 0xA1B2_C3D4;
pub const NANOSECONDS: u32 = 0xA1B2_3C4D;

/// A classic pcap file of Ethernet frames.
pub fn pcap(order: Order, magic: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    linked(order, magic, ETHERNET.into(), frames)
}

/// A pcap file of the most common kind with frames of some link type.
pub fn pcap_of(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    linked(Order::Little, MICROSECONDS, link, frames)
}

fn linked(order: Order, magic: u32, link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend([order.u16(2), order.u16(4)].concat());
    file.extend(order.words([0, 0, 65_535, link]));
    for frame in frames {
        let len = frame.len() as u32;
        file.extend(order.words([1_700_000_000, 1, len, len]));
        file.extend(frame);
    }
    file
}

/// A pcap file of the most common kind.
pub fn usual_pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    pcap(Order::Little, MICROSECONDS, frames)
}

/// A section of a pcapng file, written block by block.
pub struct Section {
    order: Order,
    pub file: Vec<u8>,
}

impl Section {
    pub fn new(order: Order) -> Self {
        let mut section = Self {
            order,
            file: Vec::new(),
        };
        let mut body = order.u32(0x1A2B_3C4D).to_vec();
        body.extend([order.u16(1), order.u16(0)].concat());
        // The length of the section is not known.
        body.extend([0xFF; 8]);
        section.block(0x0A0D_0D0A, &body);
        section
    }

    /// A block of any type.
    pub fn block(&mut self, kind: u32, body: &[u8]) {
        let padding = body.len().wrapping_neg() % 4;
        let len = (12 + body.len() + padding) as u32;
        self.file.extend(self.order.words([kind, len]));
        self.file.extend(body);
        self.file.resize(self.file.len() + padding, 0);
        self.file.extend(self.order.u32(len));
    }

    pub fn interface(&mut self, link: u16) {
        let mut body = self.order.u16(link).to_vec();
        body.extend([0, 0]);
        body.extend(self.order.u32(65_535));
        self.block(1, &body);
    }

    /// An enhanced packet block.
    pub fn enhanced(&mut self, interface: u32, frame: &[u8]) {
        let len = frame.len() as u32;
        let mut body = self.order.words([interface, 0, 1, len, len]);
        body.extend(frame);
        self.block(6, &body);
    }

    /// A simple packet block, of the first interface.
    pub fn simple(&mut self, frame: &[u8]) {
        let mut body = self.order.u32(frame.len() as u32).to_vec();
        body.extend(frame);
        self.block(3, &body);
    }
}

/// A pcapng file of the most common kind.
pub fn usual_pcapng(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut section = Section::new(Order::Little);
    section.interface(ETHERNET);
    for frame in frames {
        section.enhanced(0, frame);
    }
    section.file
}

/// A directory for the captures of one test, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(test: &str) -> Self {
        let name = format!("feed_handler-{}-{test}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).expect("a directory for captures");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a capture can be written");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
