//! Captures made of chance that is the same in every run.
#![allow(dead_code)]

use std::path::PathBuf;

use framepool::wire::{Tcp, TcpHeader};

use crate::{captures, frames};

/// The port that everything comes from or goes to, as `frames::udp` has it.
pub const PORT: u16 = 26400;

/// Numbers that look like chance, the same ones in every run (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    /// Numbers of every length.
    pub fn number(&mut self) -> u64 {
        self.roll() >> self.below(64)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll() as u8).collect()
    }

    /// Letters and digits.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| self.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
            .collect()
    }

    #[cfg(feature = "feed")]
    pub fn alpha<const N: usize>(&mut self) -> framepool::feed::Alpha<N> {
        let len = 1 + self.below(N);
        framepool::feed::Alpha::padded(&self.text(len)).unwrap()
    }
}

/// A capture that is gone when the test is.
pub struct Made(pub PathBuf);

impl Made {
    pub fn new(name: &str, frames: &[Vec<u8>]) -> Self {
        let name = format!("framepool-{name}-{}.pcap", std::process::id());
        let file = std::env::temp_dir().join(name);
        captures::write(&file, frames);
        Self(file)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Cuts a stream into segments of TCP: anywhere, and behind each of these pieces.
pub fn segments(pieces: &[Vec<u8>], dice: &mut Dice) -> Vec<Vec<u8>> {
    let (mut frames, mut sequence) = (Vec::new(), 1000);
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let (payload, after) = rest.split_at(rest.len().min(1 + dice.below(400)));
            frames.push(segment(sequence, payload));
            sequence += payload.len() as u32;
            rest = after;
        }
    }
    frames
}

pub fn segment(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let header = TcpHeader {
        src_port: PORT,
        dst_port: 49152,
        sequence,
        acknowledgement: 1,
        flags: TcpHeader::PSH | TcpHeader::ACK,
        window: 65535,
        ..TcpHeader::default()
    };
    let mut bytes = frames::join(&[&frames::emitted(|to| header.emit(to))], payload);
    let mut tcp = Tcp::new_checked(&mut bytes[..]).unwrap();
    tcp.fill_checksum_v4(frames::SRC4.into(), frames::DST4.into());
    frames::ethernet(0x0800, &frames::ipv4(6, &bytes))
}
