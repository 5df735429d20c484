//! MoldUDP64 1.00 framing and Nasdaq TotalView-ITCH 5.0 message lengths: what this example needs of
//! them, and no more.

use std::collections::BTreeMap;

/// Bytes of the MoldUDP64 downstream packet header: session, sequence number, message count.
pub const HEADER: usize = 20;
/// The message count that ends a session.
pub const END_OF_SESSION: u16 = 0xFFFF;

/// The header of a MoldUDP64 downstream packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub session: [u8; 10],
    /// Sequence number of the first message, or of the next one in a heartbeat.
    pub sequence: u64,
    pub count: u16,
}

impl Header {
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let (session, rest) = packet.split_first_chunk::<10>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (count, _) = rest.split_first_chunk::<2>()?;
        Some(Self {
            session: *session,
            sequence: u64::from_be_bytes(*sequence),
            count: u16::from_be_bytes(*count),
        })
    }

    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
    }
}

/// Bytes of an ITCH 5.0 message by its type, or `None` for a type that is not in the specification.
pub fn itch_len(kind: u8) -> Option<usize> {
    Some(match kind {
        b'S' => 12,
        b'R' => 39,
        b'H' => 25,
        b'Y' => 20,
        b'L' => 26,
        b'V' => 35,
        b'W' => 12,
        b'K' => 28,
        b'J' => 35,
        b'h' => 21,
        b'A' => 36,
        b'F' => 40,
        b'E' => 31,
        b'C' => 36,
        b'X' => 23,
        b'D' => 19,
        b'U' => 35,
        b'P' => 44,
        b'Q' => 40,
        b'B' => 19,
        b'I' => 50,
        b'N' => 20,
        b'O' => 48,
        _ => return None,
    })
}

/// Whether a packet is MoldUDP64 with nothing but ITCH 5.0 in it, framed without a byte left over.
pub fn is_itch(packet: &[u8]) -> bool {
    let Some(header) = Header::parse(packet) else {
        return false;
    };
    let mut messages = Messages::of(packet);
    let framed = messages.by_ref().all(|message| message.is_ok_and(known));
    match header.count {
        0 | END_OF_SESSION => packet.len() == HEADER,
        count => framed && messages.seen == u64::from(count) && messages.rest.is_empty(),
    }
}

fn known(message: &[u8]) -> bool {
    message
        .first()
        .is_some_and(|kind| itch_len(*kind) == Some(message.len()))
}

/// The message blocks of a MoldUDP64 packet, or where their framing ends.
#[derive(Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    left: u16,
    seen: u64,
}

impl<'a> Messages<'a> {
    pub fn of(packet: &'a [u8]) -> Self {
        let count = Header::parse(packet).map_or(0, |header| header.count);
        Self {
            rest: packet.get(HEADER..).unwrap_or_default(),
            left: if count == END_OF_SESSION { 0 } else { count },
            seen: 0,
        }
    }
}

/// A message block is longer than what is left of its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unframed;

impl<'a> Iterator for Messages<'a> {
    type Item = Result<&'a [u8], Unframed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let framed = self
            .rest
            .split_first_chunk::<2>()
            .and_then(|(len, rest)| rest.split_at_checked(u16::from_be_bytes(*len).into()));
        let Some((message, rest)) = framed else {
            self.left = 0;
            return Some(Err(Unframed));
        };
        self.rest = rest;
        self.seen += 1;
        Some(Ok(message))
    }
}

/// Follows the sequence numbers of each session.
#[derive(Debug, Default)]
pub struct Sequences {
    next: BTreeMap<[u8; 10], u64>,
    /// Messages that never came.
    pub gaps: u64,
    /// Messages that came again, or late.
    pub duplicates: u64,
    pub heartbeats: u64,
    pub ended: bool,
}

impl Sequences {
    pub fn follow(&mut self, header: &Header) {
        match header.count {
            0 => self.heartbeats += 1,
            END_OF_SESSION => self.ended = true,
            _ => {}
        }
        let count = match header.count {
            END_OF_SESSION => 0,
            count => u64::from(count),
        };
        let expected = self.next.entry(header.session).or_insert(header.sequence);
        let missing = header.sequence.saturating_sub(*expected);
        self.gaps = self.gaps.saturating_add(missing);
        self.duplicates += expected.saturating_sub(header.sequence).min(count);
        *expected = (*expected).max(header.sequence.saturating_add(count));
    }
}
