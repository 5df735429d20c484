//! The other end of the wire: sends ITCH 5.0 messages in MoldUDP64 packets.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::feed::{END_OF_SESSION, HEADER, Header, itch_len};
use crate::sys;

const SESSION: [u8; 10] = *b"FRAMEPOOL1";
/// Packets per system call.
const BURST: usize = 16;
/// What a message costs at most, with its length.
const LONGEST: usize = 52;
/// A packet is filled up to this: an Ethernet frame less its headers.
pub const FULL: usize = 1472;

/// What was sent.
#[derive(Debug, Default)]
pub struct Published {
    pub packets: u64,
    pub messages: u64,
}

/// Sends at `rate` packets per second (0: as fast as the socket takes them) for `duration`, then the
/// end of the session a few times.
pub fn publish(socket: &UdpSocket, rate: u64, duration: Duration) -> Result<Published, String> {
    let mut feed = Feed::new();
    let mut packets: Vec<Vec<u8>> = (0..BURST).map(|_| Vec::with_capacity(FULL)).collect();
    let mut published = Published::default();
    let start = Instant::now();
    while start.elapsed() < duration {
        let n = if rate == 0 {
            BURST
        } else {
            due(start, published.packets, rate)
        };
        let Some(burst) = packets.get_mut(..n).filter(|burst| !burst.is_empty()) else {
            continue;
        };
        for packet in &mut *burst {
            published.messages += feed.fill(packet);
        }
        sys::send(socket, burst).map_err(|e| format!("send: {e}"))?;
        published.packets += burst.len() as u64;
    }
    // Its end may be lost like any other packet; the receiver has a deadline besides.
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(10));
        feed.end(&mut packets[0]);
        sys::send(socket, &packets[..1]).map_err(|e| format!("send: {e}"))?;
    }
    Ok(published)
}

/// Packets that are due, at most a burst; sleeps a little where none is.
fn due(start: Instant, sent: u64, rate: u64) -> usize {
    let owed = start.elapsed().as_secs_f64() * rate as f64 - sent as f64;
    if owed >= 1.0 {
        return (owed as usize).min(BURST);
    }
    // The publisher shares a core with the hot threads: it sleeps rather than spins, and where packets
    // come fast, for a burst.
    let next = Duration::from_secs_f64(1.0 / rate as f64);
    let pause = Duration::from_millis(20).min(next * BURST as u32);
    std::thread::sleep(pause.min(next.max(Duration::from_micros(100))));
    0
}

/// An endless, plausible day of one exchange.
struct Feed {
    sequence: u64,
    reference: u64,
    random: u64,
}

impl Feed {
    fn new() -> Self {
        Self {
            sequence: 1,
            reference: 1,
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Fills a packet with messages and says how many. Now and then it is a heartbeat.
    fn fill(&mut self, packet: &mut Vec<u8>) -> u64 {
        let heartbeat = self.next() % 512 == 0;
        let room = 200 + (self.next() % (FULL as u64 - 200 - LONGEST as u64)) as usize;
        packet.clear();
        packet.resize(HEADER, 0);
        let mut count = 0u16;
        while !heartbeat && packet.len() < room {
            self.message(packet);
            count += 1;
        }
        self.head(packet, count);
        self.sequence += u64::from(count);
        u64::from(count)
    }

    fn end(&mut self, packet: &mut Vec<u8>) {
        packet.clear();
        packet.resize(HEADER, 0);
        self.head(packet, END_OF_SESSION);
    }

    fn head(&self, packet: &mut [u8], count: u16) {
        let mut header = Vec::with_capacity(HEADER);
        Header {
            session: SESSION,
            sequence: self.sequence,
            count,
        }
        .emit(&mut header);
        packet[..HEADER].copy_from_slice(&header);
    }

    fn message(&mut self, packet: &mut Vec<u8>) {
        // Roughly the mix of a trading day: mostly adds, deletes and executions.
        let kind = match self.next() % 100 {
            0..45 => b'A',
            45..80 => b'D',
            80..88 => b'U',
            88..94 => b'E',
            94..97 => b'X',
            97..99 => b'P',
            _ => b'I',
        };
        let len = itch_len(kind).unwrap_or_default();
        packet.extend_from_slice(&(len as u16).to_be_bytes());
        let at = packet.len();
        packet.resize(at + len, 0);
        let message = &mut packet[at..];
        message[0] = kind;
        message[1..3].copy_from_slice(&((self.reference % 8000) as u16).to_be_bytes());
        self.reference += 1;
        message[11..19].copy_from_slice(&self.reference.to_be_bytes());
        if matches!(kind, b'A' | b'F') {
            message[19] = b'B';
            message[20..24].copy_from_slice(&100u32.to_be_bytes());
            message[24..32].copy_from_slice(b"FRMP    ");
            message[32..36].copy_from_slice(&1_234_500u32.to_be_bytes());
        }
    }

    /// Xorshift: plenty for a demonstration.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
