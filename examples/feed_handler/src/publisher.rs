//! The other end of the wire: sends ITCH 5.0 messages in MoldUDP64 packets.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use framepool::feed::itch::fields;
use framepool::feed::moldudp64::{self, Builder};
use framepool::feed::{Alpha, Price4};

use crate::sys;

const SESSION: [u8; 10] = *b"FRAMEPOOL1";
/// Packets per system call.
const BURST: usize = 16;
/// A packet is filled up to this: an Ethernet frame less its headers.
pub const FULL: usize = 1472;

/// What was sent.
#[derive(Debug, Default)]
pub struct Published {
    /// Packets of messages, and heartbeats.
    pub packets: u64,
    pub messages: u64,
    /// Packets that end the session.
    pub end_packets: u64,
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
        published.end_packets += 1;
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
        let room = 200 + (self.next() % (FULL as u64 - 200)) as usize;
        packet.resize(room, 0);
        // There is room for the header.
        let Ok(mut builder) = Builder::new(packet, SESSION, self.sequence) else {
            return 0;
        };
        while !heartbeat && self.message(&mut builder) {}
        let count = u64::from(builder.count());
        let len = builder.finish().len();
        packet.truncate(len);
        self.sequence += count;
        count
    }

    fn end(&self, packet: &mut Vec<u8>) {
        packet.clear();
        packet.extend(moldudp64::end_of_session(SESSION, self.sequence));
    }

    /// Appends a message. Whether there was room for it.
    fn message(&mut self, packet: &mut Builder<'_>) -> bool {
        let kind = self.next() % 100;
        self.reference += 1;
        let stock_locate = (self.reference % 8000) as u16;
        let order_reference = self.reference;
        let (stock, price) = (Alpha(*b"FRMP    "), Price4::new(1_234_500));
        let shares = 100;
        // Roughly the mix of a trading day: mostly adds, deletes and executions.
        let pushed = match kind {
            0..45 => packet.push(
                &fields::AddOrder {
                    stock_locate,
                    order_reference,
                    side: b'B',
                    shares,
                    stock,
                    price,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            45..80 => packet.push(
                &fields::OrderDelete {
                    stock_locate,
                    order_reference,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            80..88 => packet.push(
                &fields::OrderReplace {
                    stock_locate,
                    shares,
                    price,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            88..94 => packet.push(
                &fields::OrderExecuted {
                    stock_locate,
                    order_reference,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            94..97 => packet.push(
                &fields::OrderCancel {
                    stock_locate,
                    order_reference,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            97..99 => packet.push(
                &fields::Trade {
                    stock_locate,
                    shares,
                    stock,
                    price,
                    ..Default::default()
                }
                .to_bytes(),
            ),
            _ => packet.push(
                &fields::NetOrderImbalance {
                    stock_locate,
                    stock,
                    ..Default::default()
                }
                .to_bytes(),
            ),
        };
        pushed.is_ok()
    }

    /// Xorshift: plenty for a demonstration.
    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
