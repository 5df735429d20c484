//! Captures of real packets, if available: in the folder that `FRAMEPOOL_DATA` names, or in
//! `../shared/data` next to the repository.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// Link types (from pcap's registry).
pub const ETHERNET: u32 = 1;
pub const RAW: u32 = 101;
pub const IPV4: u32 = 228;
pub const IPV6: u32 = 229;

/// A packet of a capture.
#[derive(Debug)]
pub struct Packet {
    pub link_type: u32,
    pub bytes: Vec<u8>,
}

/// Returns the folder. If there is none, prints that `test` was skipped and returns `None`.
pub fn folder(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("FRAMEPOOL_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("SKIPPED {test}: no captures in {}", folder.display());
    None
}

/// All captures below a folder, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path));
        } else if path
            .extension()
            .is_some_and(|e| e == "pcap" || e == "pcapng")
        {
            found.push(path);
        }
    }
    found
}

/// The packets of a capture in either format, up to the first damage.
pub fn packets(file: &Path) -> Vec<Packet> {
    let bytes = std::fs::read(file).unwrap();
    match bytes.get(..4) {
        Some([0x0A, 0x0D, 0x0D, 0x0A]) => pcapng(&bytes),
        _ => pcap(&bytes).unwrap_or_default(),
    }
}

/// Writes frames into a classic Ethernet capture, one per microsecond.
pub fn write(file: &Path, frames: &[Vec<u8>]) {
    let mut words = vec![0xA1B2_C3D4, 0x0004_0002, 0, 0, 0x0004_0000, ETHERNET];
    let mut bytes = Vec::new();
    for (at, frame) in (0..).zip(frames) {
        let len = frame.len() as u32;
        words.extend([0, at, len, len]);
        bytes.extend(words.drain(..).flat_map(u32::to_le_bytes));
        bytes.extend(frame);
    }
    std::fs::write(file, bytes).unwrap();
}

fn number(bytes: &[u8], at: usize, is_big: bool) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(if is_big {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    })
}

fn pcap(bytes: &[u8]) -> Option<Vec<Packet>> {
    let is_big = match bytes.get(..4)? {
        [0xA1, 0xB2, 0xC3, 0xD4] | [0xA1, 0xB2, 0x3C, 0x4D] => true,
        [0xD4, 0xC3, 0xB2, 0xA1] | [0x4D, 0x3C, 0xB2, 0xA1] => false,
        _ => return None,
    };
    let link_type = number(bytes, 20, is_big)? & 0xFFFF;
    let mut packets = Vec::new();
    let mut at = 24;
    while let Some(len) = number(bytes, at + 8, is_big) {
        let Some(packet) = bytes.get(at + 16..at + 16 + len as usize) else {
            break;
        };
        packets.push(Packet {
            link_type,
            bytes: packet.to_vec(),
        });
        at += 16 + len as usize;
    }
    Some(packets)
}

fn pcapng(bytes: &[u8]) -> Vec<Packet> {
    let (mut packets, mut link_types, mut is_big, mut at) = (Vec::new(), Vec::new(), false, 0);
    while let Some(magic) = bytes.get(at + 8..at + 12) {
        let is_section = bytes[at..at + 4] == [0x0A, 0x0D, 0x0D, 0x0A];
        if is_section {
            is_big = magic == [0x1A, 0x2B, 0x3C, 0x4D];
            link_types.clear();
        }
        let Some(len) = number(bytes, at + 4, is_big).filter(|&len| len >= 12) else {
            break;
        };
        let Some(block) = bytes.get(at..at + len as usize) else {
            break;
        };
        match number(block, 0, is_big) {
            Some(1) => link_types.extend(
                number(block, 8, is_big).map(|n| if is_big { n >> 16 } else { n & 0xFFFF }),
            ),
            Some(6) => packets.extend(enhanced(block, &link_types, is_big)),
            _ => {}
        }
        at += len as usize;
    }
    packets
}

fn enhanced(block: &[u8], link_types: &[u32], is_big: bool) -> Option<Packet> {
    let link_type = *link_types.get(number(block, 8, is_big)? as usize)?;
    let len = number(block, 20, is_big)? as usize;
    let bytes = block.get(28..28 + len)?.to_vec();
    Some(Packet { link_type, bytes })
}
