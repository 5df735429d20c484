//! Messages, counted by venue and type; and what was wrong with the others.

use std::fmt;

use framepool::feed::{fix, itch, moldudp64, pitch, soupbintcp, xdp};
use framepool::wire::{ParseError, Reason};

use crate::rules::Protocol;
use crate::venues::{NAMES, Stream, VENUES};

/// What one venue sent.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    pub messages: u64,
    /// Messages by type; types beyond the last are with the last.
    kinds: [u64; 256],
    protocol: Option<Protocol>,
}

/// What all venues sent.
#[derive(Debug)]
pub struct Decoded {
    venues: [Messages; VENUES],
    pub messages: u64,
    pub errors: Errors,
    /// A sum over fields of the messages, so that they are read.
    pub shares: u64,
}

impl Default for Decoded {
    fn default() -> Self {
        let none = Messages {
            messages: 0,
            kinds: [0; 256],
            protocol: None,
        };
        Self {
            venues: [none; VENUES],
            messages: 0,
            errors: Errors::default(),
            shares: 0,
        }
    }
}

impl Decoded {
    /// Walks the messages of a packet.
    pub fn take(&mut self, stream: Stream, packet: &[u8]) {
        if let Some(venue) = self.venues.get_mut(stream.venue) {
            venue.protocol = Some(stream.protocol);
        }
        let walked = match stream.protocol {
            Protocol::ItchMoldUdp64 => self.itch(stream.venue, packet),
            Protocol::Pitch => self.pitch(stream.venue, packet),
            Protocol::Xdp => self.xdp(stream.venue, packet),
            Protocol::SoupBinTcp => {
                self.soup(stream.venue, packet);
                Ok(())
            }
            Protocol::Fix => {
                self.fix(stream.venue, packet);
                Ok(())
            }
        };
        if let Err(error) = walked {
            self.errors.count(error);
        }
    }

    fn itch(&mut self, venue: usize, packet: &[u8]) -> Result<(), ParseError> {
        let packet = moldudp64::Packet::parse(packet)?;
        for message in itch::Messages::of_packet(&packet).raw() {
            self.itch_message(venue, message);
        }
        Ok(())
    }

    fn itch_message(&mut self, venue: usize, message: Result<itch::Raw<'_>, ParseError>) {
        self.shares += match message {
            Ok(message) => message.shares().unwrap_or_default().into(),
            Err(_) => 0,
        };
        self.count(venue, message.map(|message| message.kind().into()));
    }

    fn soup(&mut self, venue: usize, segment: &[u8]) {
        // A capture's segments may begin or end inside a packet: what is not whole is passed over.
        for packet in soupbintcp::Packets::new(segment) {
            match packet {
                Ok(soupbintcp::Packet::Sequenced(message)) => {
                    self.itch_message(venue, itch::Raw::parse(message));
                }
                Ok(_) => {}
                Err(error) => self.errors.count(error),
            }
        }
    }

    fn fix(&mut self, venue: usize, segment: &[u8]) {
        for message in fix::Messages::new(segment) {
            let kind = message.map(|m| m.msg_type().first().copied().unwrap_or_default());
            self.count(venue, kind.map(u16::from));
        }
    }

    fn pitch(&mut self, venue: usize, packet: &[u8]) -> Result<(), ParseError> {
        let mut messages = pitch::Packet::parse(packet)?.messages();
        while let Some(message) = messages.next_raw() {
            let known = message.and_then(|(kind, bytes)| {
                let message = pitch::Message::parse(bytes)?;
                self.shares += match message {
                    pitch::Message::AddOrderLong(add) => u64::from(add.quantity()),
                    pitch::Message::AddOrderShort(add) => u64::from(add.quantity()),
                    _ => 0,
                };
                Ok(kind.into())
            });
            self.count(venue, known);
        }
        Ok(())
    }

    fn xdp(&mut self, venue: usize, packet: &[u8]) -> Result<(), ParseError> {
        let mut messages = xdp::Packet::parse(packet)?.messages();
        while let Some(message) = messages.next_raw() {
            let known = message.and_then(|(kind, bytes)| {
                let message = xdp::Message::parse(bytes)?;
                if let xdp::Message::AddOrder(add) = message {
                    self.shares += u64::from(add.volume());
                }
                Ok(kind)
            });
            self.count(venue, known);
        }
        Ok(())
    }

    fn count(&mut self, venue: usize, kind: Result<u16, ParseError>) {
        match (kind, self.venues.get_mut(venue)) {
            (Ok(kind), Some(venue)) => {
                venue.messages += 1;
                venue.kinds[usize::from(kind).min(255)] += 1;
                self.messages += 1;
            }
            (Err(error), _) => self.errors.count(error),
            _ => {}
        }
    }

    /// Venues that sent something, with their names.
    pub fn venues(&self) -> impl Iterator<Item = (&'static str, &Messages)> {
        let named = NAMES.into_iter().zip(&self.venues);
        named.filter(|(_, venue)| venue.messages > 0)
    }
}

impl Messages {
    /// Types as their specifications write them, each with its number of messages.
    pub fn kinds(&self) -> impl Iterator<Item = (String, u64)> {
        let sent = (0..=u8::MAX).zip(self.kinds).filter(|(_, n)| *n > 0);
        sent.map(|(kind, n)| {
            let kind = match self.protocol {
                Some(Protocol::Pitch) => format!("{kind:#04X}"),
                Some(Protocol::Xdp) => format!("{kind}"),
                _ => char::from(kind).escape_default().to_string(),
            };
            (kind, n)
        })
    }
}

impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for (kind, n) in self.kinds() {
            write!(f, "{space}{kind}:{n}")?;
            space = " ";
        }
        Ok(())
    }
}

/// Kinds of errors that are told apart: all there are, nearly.
const KINDS: usize = 64;

/// Errors by layer and reason. Counting allocates nothing.
#[derive(Debug)]
pub struct Errors {
    kinds: Vec<(&'static str, &'static str, u64)>,
    pub total: u64,
}

impl Default for Errors {
    fn default() -> Self {
        Self {
            kinds: Vec::with_capacity(KINDS),
            total: 0,
        }
    }
}

impl Errors {
    pub fn count(&mut self, error: ParseError) {
        self.add(error.layer.name(), name(error.reason), 1);
    }

    /// Counts a frame that ends inside a header that is none of the library's.
    pub fn count_cut(&mut self, header: &'static str) {
        self.add(header, "truncated", 1);
    }

    /// Layer, reason and number of each kind.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.kinds.iter().copied()
    }

    fn add(&mut self, layer: &'static str, reason: &'static str, n: u64) {
        self.total += n;
        let of_it = |kind: &&mut (&str, &str, u64)| (kind.0, kind.1) == (layer, reason);
        let known = self.kinds.iter_mut().find(of_it);
        if let Some(kind) = known {
            kind.2 += n;
        } else if self.kinds.len() < KINDS {
            self.kinds.push((layer, reason, n));
        }
    }

    /// These and those of another.
    pub fn and(mut self, other: &Self) -> Self {
        for &(layer, reason, n) in &other.kinds {
            self.add(layer, reason, n);
        }
        self
    }
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated { .. } => "truncated",
        Reason::BadLength { .. } => "bad length",
        Reason::BadChecksum { .. } => "bad checksum",
        Reason::BadVersion { .. } => "bad version",
        Reason::UnknownType { .. } => "unknown type",
        Reason::BadValue { .. } => "bad value",
        Reason::Missing { .. } => "missing field",
        Reason::TooDeep { .. } => "too deep",
        Reason::BadText { .. } => "bad text",
        Reason::TooLarge { .. } => "number too large",
        Reason::Noise { .. } => "noise",
        _ => "other",
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total)?;
        let mut before = ": ";
        for (layer, reason, n) in &self.kinds {
            write!(f, "{before}{n} {layer} {reason}")?;
            before = ", ";
        }
        Ok(())
    }
}
