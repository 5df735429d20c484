//! Capture files instead of sockets: classic pcap and pcapng.

use std::fs::File;
use std::path::Path;

use framepool::Pool;
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block as PcapBlock, Linktype, PcapBlockOwned, PcapError};

use crate::feed::{Header, Sequences, is_itch};
use crate::front::Front;
use crate::receiver::Producer;
use crate::sys;
use crate::worker::Frame;

/// Bytes that a reader holds at once: more than any block of a sane capture.
const BUFFER: usize = 1 << 20;

/// A capture that begins like one.
pub struct Capture {
    name: String,
    reader: Box<dyn PcapReaderIterator + Send>,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Replayed {
    pub frames: u64,
    /// Frames longer than a block.
    pub truncated: u64,
    /// Frames whose link type is not Ethernet.
    pub unsupported: u64,
    pub sequences: Sequences,
}

/// Frames that carry no ITCH, by what they carry.
#[derive(Debug, Default)]
pub struct Others {
    pub udp: u64,
    pub tcp: u64,
    pub ip: u64,
    pub not_ip: u64,
    /// Frames cut off inside a header.
    pub cut: u64,
}

/// Opens a capture and reads its first bytes.
pub fn open(path: &Path) -> Result<Capture, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(format!("{name}: a directory"));
    }
    match pcap_parser::create_reader(BUFFER, file) {
        Ok(reader) => Ok(Capture { name, reader }),
        Err(PcapError::Eof) => Err(format!("{name}: the file is empty")),
        Err(PcapError::ReadError) => Err(format!("{name}: cannot be read")),
        Err(_) => Err(format!("{name}: neither a pcap nor a pcapng file")),
    }
}

impl Capture {
    /// Copies every Ethernet frame into a block and hands it on. Waits where the pool is exhausted:
    /// a file does not run away.
    pub fn replay<'p>(
        mut self,
        pool: &'p Pool<'_>,
        mut frames: Producer<'p>,
    ) -> Result<Replayed, String> {
        sys::pin(sys::RECEIVER_CORE);
        let mut front = Front::new(pool);
        let mut replayed = Replayed::default();
        let mut links = Links::default();
        loop {
            match self.reader.next() {
                Ok((size, block)) => {
                    if let Some((link, data)) = links.frame(&block) {
                        replayed.take(link, data, &mut front, &mut frames);
                    }
                    self.reader.consume(size);
                }
                Err(PcapError::Eof) => return Ok(replayed),
                Err(PcapError::Incomplete(_)) => {
                    if self.reader.refill().is_err() {
                        return Err(self.corrupt(&replayed, "it cannot be read further"));
                    }
                }
                Err(e) => {
                    let why = reason(&e);
                    return Err(self.corrupt(&replayed, why));
                }
            }
        }
    }

    fn corrupt(&self, replayed: &Replayed, why: &str) -> String {
        let after = replayed.frames;
        format!("{}: corrupt after {after} frames: {why}", self.name)
    }
}

fn reason(e: &PcapError<&[u8]>) -> &'static str {
    match e {
        PcapError::UnexpectedEof => "it ends inside a record",
        PcapError::BufferTooSmall => "a record is larger than any can be",
        _ => "a record is malformed",
    }
}

impl Replayed {
    fn take<'p>(
        &mut self,
        link: Linktype,
        data: &[u8],
        front: &mut Front<'p>,
        frames: &mut Producer<'p>,
    ) {
        self.frames += 1;
        if link != Linktype::ETHERNET {
            self.unsupported += 1;
            return;
        }
        if let Some(payload) = payload(data, &mut Others::default()).filter(|p| is_itch(p)) {
            if let Some(header) = Header::parse(payload) {
                self.sequences.follow(&header);
            }
        }
        let mut idle = 0;
        let mut block = loop {
            match front.alloc() {
                Ok(block) => break block,
                Err(_) => {
                    idle += 1;
                    sys::back_off(idle);
                }
            }
        };
        let Ok(written) = block.write(data) else {
            self.truncated += 1;
            return;
        };
        let len = written.len();
        let ethernet = true;
        // The ring has a place for every block of the pool.
        drop(frames.push(Some(Frame {
            block,
            len,
            ethernet,
        })));
    }
}

/// The link type of a frame whose interface the capture has not declared: counted as unsupported.
const UNDECLARED: Linktype = Linktype(-1);

/// The link types that a capture has declared so far.
#[derive(Default)]
struct Links {
    legacy: Option<Linktype>,
    interfaces: Vec<Linktype>,
}

impl Links {
    /// The frame in a block of the file, if it is one.
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'a>) -> Option<(Linktype, &'a [u8])> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                self.legacy = Some(header.network);
                None
            }
            PcapBlockOwned::Legacy(frame) => Some((self.legacy?, frame.data)),
            PcapBlockOwned::NG(PcapBlock::SectionHeader(_)) => {
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(PcapBlock::InterfaceDescription(interface)) => {
                self.interfaces.push(interface.linktype);
                None
            }
            PcapBlockOwned::NG(PcapBlock::EnhancedPacket(frame)) => {
                let link = self.interfaces.get(frame.if_id as usize);
                Some((link.copied().unwrap_or(UNDECLARED), frame.packet_data()))
            }
            PcapBlockOwned::NG(PcapBlock::SimplePacket(frame)) => {
                let link = self.interfaces.first();
                Some((link.copied().unwrap_or(UNDECLARED), frame.packet_data()))
            }
            PcapBlockOwned::NG(_) => None,
        }
    }
}

/// The UDP payload of an Ethernet frame, VLAN tags passed over; or what else the frame is, counted.
pub fn payload<'a>(frame: &'a [u8], others: &mut Others) -> Option<&'a [u8]> {
    let (mut ethertype, mut rest) = split(frame, 14, 12, others)?;
    // Two tags at the most: QinQ.
    for _ in 0..2 {
        if matches!(ethertype, 0x8100 | 0x88A8) {
            (ethertype, rest) = split(rest, 4, 2, others)?;
        }
    }
    if ethertype != 0x0800 {
        others.not_ip += 1;
        return None;
    }
    match ipv4(rest) {
        Some((17, datagram)) => {
            let payload = udp(datagram);
            others.cut += u64::from(payload.is_none());
            payload
        }
        Some((6, _)) => {
            others.tcp += 1;
            None
        }
        Some(_) => {
            others.ip += 1;
            None
        }
        None => {
            others.cut += 1;
            None
        }
    }
}

/// A header of `len` bytes with a big-endian `u16` at `at`: that, and what follows.
fn split<'a>(
    bytes: &'a [u8],
    len: usize,
    at: usize,
    others: &mut Others,
) -> Option<(u16, &'a [u8])> {
    let Some((header, rest)) = bytes.split_at_checked(len) else {
        others.cut += 1;
        return None;
    };
    let field = header.get(at..)?.first_chunk::<2>()?;
    Some((u16::from_be_bytes(*field), rest))
}

/// Protocol and payload of an IPv4 packet (RFC 791). A later fragment has no transport header.
fn ipv4(packet: &[u8]) -> Option<(u8, &[u8])> {
    let header = packet.first_chunk::<20>()?;
    let header_len = usize::from(header[0] & 0xF) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[0] >> 4 != 4 || header_len < 20 {
        return None;
    }
    let later = u16::from_be_bytes([header[6], header[7]]) & 0x1FFF != 0;
    let protocol = if later { 255 } else { header[9] };
    Some((protocol, packet.get(header_len..total_len)?))
}

/// Payload of a UDP datagram (RFC 768).
fn udp(datagram: &[u8]) -> Option<&[u8]> {
    let header = datagram.first_chunk::<8>()?;
    datagram.get(8..usize::from(u16::from_be_bytes([header[4], header[5]])))
}
