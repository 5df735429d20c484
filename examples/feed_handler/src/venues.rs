//! Who sent a packet, what it carries, and what was missing: by the headers of a frame, or by what a socket
//! is known to receive.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use framepool::feed::moldudp64::{self, Kind};
use framepool::feed::xdp::Delivery;
use framepool::feed::{SequenceTracker, Width, itch, pitch, xdp};
use framepool::wire::{ParseError, Summary, Transport};

use crate::rules::{self, EXAMPLE_RULES, Endpoint, PORT_RULES, Protocol, Rule};

/// What the tables call the venues: [`Venue`](rules::Venue)s in their order, and frames that no rule knows.
pub const NAMES: [&str; 7] = [
    "nasdaq",
    "cboe_byx",
    "cboe_bzx",
    "cboe_futures",
    "nyse",
    "nyse_arca",
    "unclassified",
];

/// How many there are.
pub const VENUES: usize = NAMES.len();

/// What live sockets receive.
pub const LIVE: Stream = Stream {
    venue: 0,
    protocol: Protocol::ItchMoldUdp64,
};

/// What packets of one kind are.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// By its number in [`NAMES`].
    pub venue: usize,
    pub protocol: Protocol,
}

/// Frames that carry no feed, by what they carry.
#[derive(Debug, Default)]
pub struct Others {
    pub udp: u64,
    pub tcp: u64,
    pub ip: u64,
    pub not_ip: u64,
}

impl Others {
    /// The feed that a frame carries and where in it; or it is counted.
    pub fn stream_of(&mut self, frame: &[u8], summary: &Summary) -> Option<(Stream, Range<usize>)> {
        let payload = summary.payload();
        let bytes = frame.get(payload.clone()).unwrap_or_default();
        // Of a datagram in fragments only the first has a transport header, and none is whole.
        let whole = summary.fragment().is_none();
        let found = classify(summary, &EXAMPLE_RULES).or_else(|| match summary.transport() {
            Transport::Udp => (whole && is_itch(bytes)).then_some(UNCLASSIFIED),
            Transport::Tcp => bytes.starts_with(b"8=FIX").then(|| fix_stream(summary)),
            _ => None,
        });
        if let Some(stream) = found.filter(|_| whole && !bytes.is_empty()) {
            return Some((stream, payload));
        }
        let place = match summary.transport() {
            Transport::Udp => &mut self.udp,
            Transport::Tcp => &mut self.tcp,
            _ if summary.is_ip() => &mut self.ip,
            _ => &mut self.not_ip,
        };
        *place += 1;
        None
    }
}

const UNCLASSIFIED: Stream = Stream {
    venue: VENUES - 1,
    protocol: Protocol::ItchMoldUdp64,
};

/// Whose FIX it is, by ports as far as they are known.
fn fix_stream(summary: &Summary) -> Stream {
    let protocol = Protocol::Fix;
    let venue = UNCLASSIFIED.venue;
    classify(summary, &PORT_RULES).unwrap_or(Stream { venue, protocol })
}

fn classify(summary: &Summary, rules: &[Rule]) -> Option<Stream> {
    let rule = rules::classify(rules, &endpoint(summary)?)?;
    Some(Stream {
        venue: rule.venue as usize,
        protocol: rule.protocol,
    })
}

fn endpoint(summary: &Summary) -> Option<Endpoint> {
    let (source_port, destination_port) = summary.ports()?;
    Some(Endpoint {
        source: summary.src()?,
        destination: summary.dst()?,
        source_port,
        destination_port,
    })
}

/// Whether a packet that no rule knows is MoldUDP64 with nothing but ITCH 5.0 in it, framed without a byte
/// left over.
fn is_itch(packet: &[u8]) -> bool {
    let Ok(packet) = moldudp64::Packet::parse(packet) else {
        return false;
    };
    let mut messages = itch::Messages::of_packet(&packet).raw();
    messages.by_ref().all(|message| message.is_ok()) && messages.rest().is_empty()
}

/// Whose sequence numbers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Session {
    Mold([u8; 10]),
    /// A unit of a group and port.
    Unit(IpAddr, u16, u8),
}

/// Follows the sequence numbers of every session.
#[derive(Debug, Default)]
pub struct Sequences {
    sessions: BTreeMap<Session, SequenceTracker>,
    /// Packets that end a session.
    pub ends: u64,
}

/// What became of all sessions' messages.
#[derive(Debug, Default)]
pub struct Missed {
    /// Messages that never came.
    pub gaps: u64,
    /// Messages that came again.
    pub duplicates: u64,
    pub heartbeats: u64,
}

impl Sequences {
    /// Follows a packet. `summary` says where it went to; there is none for a socket's datagrams.
    pub fn follow(
        &mut self,
        stream: Stream,
        packet: &[u8],
        summary: Option<&Summary>,
    ) -> Result<(), ParseError> {
        let unit = |unit| {
            let to = summary.and_then(endpoint);
            to.map(|to| Session::Unit(to.destination, to.destination_port, unit))
        };
        match stream.protocol {
            Protocol::ItchMoldUdp64 => self.follow_mold(&moldudp64::Packet::parse(packet)?),
            Protocol::Pitch => {
                let packet = pitch::Packet::parse(packet)?;
                // What has no number is not sequenced.
                if let Some(unit) = unit(packet.unit()).filter(|_| packet.sequence() != 0) {
                    let session = self.session(unit, Width::Bits32);
                    session.observe(packet.sequence().into(), packet.count().into());
                }
            }
            Protocol::Xdp => {
                let packet = xdp::Packet::parse(packet)?;
                if let Some(unit) = unit(0) {
                    let session = self.session(unit, Width::Bits32);
                    let first = packet.sequence().into();
                    if packet.delivery() == Delivery::SequenceReset {
                        session.reset(first);
                    }
                    let is_heartbeat = packet.delivery() == Delivery::Heartbeat;
                    let count = if is_heartbeat { 0 } else { packet.count() };
                    session.observe(first, count.into());
                }
            }
            // Streams over TCP lose nothing.
            Protocol::SoupBinTcp | Protocol::Fix => {}
        }
        Ok(())
    }

    fn follow_mold(&mut self, packet: &moldudp64::Packet<'_>) {
        let session = self.session(Session::Mold(packet.session()), Width::Bits64);
        match packet.kind() {
            Kind::EndOfSession => {
                session.end(packet.sequence());
                self.ends += 1;
            }
            _ => {
                session.observe(packet.sequence(), packet.message_count().into());
            }
        }
    }

    fn session(&mut self, session: Session, width: Width) -> &mut SequenceTracker {
        let new = || SequenceTracker::new(width);
        self.sessions.entry(session).or_insert_with(new)
    }

    pub fn missed(&self) -> Missed {
        let mut missed = Missed::default();
        for stats in self.sessions.values().map(SequenceTracker::stats) {
            missed.gaps = missed.gaps.saturating_add(stats.missing - stats.filled);
            missed.duplicates += stats.duplicates;
            missed.heartbeats += stats.heartbeats;
        }
        missed
    }
}
