//! What is asked of the words of a summary.

use super::super::{Network, Transport};
use super::term::{Side, Term};

/// Where in the words of a summary to look, and for what: `(word & mask) - low <= span`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) word: u8,
    pub(super) mask: u64,
    pub(super) low: u64,
    pub(super) span: u64,
}

/// A test for each word, and the clauses that it settles if it holds.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Row {
    pub(super) masks: [u64; WORDS],
    pub(super) lows: [u64; WORDS],
    pub(super) spans: [u64; WORDS],
    pub(super) clauses: [u64; WORDS],
}

/// How many words a summary has.
pub(super) const WORDS: usize = 8;

/// What is in which word of a summary: see [`Summary::words`].
pub(super) mod word {
    /// Sender in the order of the wire, two words.
    pub const SRC: u8 = 0;
    /// Receiver in the order of the wire, two words.
    pub const DST: u8 = 2;
    /// Sender's port above the receiver's, and what filters do not look at.
    pub const PORTS: u8 = 4;
    /// Protocol, flags, transport, type of the frame.
    pub const TYPES: u8 = 5;
    /// Tags, and the fragment as IPv4 has it.
    pub const TAGS: u8 = 6;
    /// Number of tags, network.
    pub const NETWORK: u8 = 7;
}

/// The bit of [`Network`] that both versions of IP have, and no other.
pub(super) const IS_IP: u64 = 2;
/// ARP and IPv4 are neighbours, and so are UDP and TCP: a range each.
const _: () = {
    assert!(Network::Ipv4 as u64 & IS_IP != 0 && Network::Ipv6 as u64 & IS_IP != 0);
    assert!(Network::Unknown as u64 & IS_IP == 0 && Network::Arp as u64 & IS_IP == 0);
    assert!(Network::Arp as u64 + 1 == Network::Ipv4 as u64);
    assert!(Transport::Udp as u64 + 1 == Transport::Tcp as u64);
};
/// The flag of a summary, among the types.
pub(super) const LINK_GROUP: u64 = 1 << 16;
/// Where the transport is among the types.
pub(super) const TRANSPORT: u32 = 24;
/// Where the frame's type is among the types.
pub(super) const ETHER_TYPE: u32 = 48;
/// Where the number of tags is in its word.
pub(super) const TAG_COUNT: u32 = 32;
/// Where the network is in its word.
pub(super) const NETWORK: u32 = 48;

/// Where the fragment's place and flag are in the word of the tags.
const FRAGMENT: u32 = 32;
/// What is not 0 in a part of a datagram, and in no whole one.
const PART: u64 = 0x3FFF;

pub(super) const fn address_word(side: Side) -> u8 {
    match side {
        Side::Src => word::SRC,
        _ => word::DST,
    }
}

impl Row {
    pub(super) const NONE: Self = Self {
        masks: [0; WORDS],
        lows: [0; WORDS],
        spans: [0; WORDS],
        clauses: [0; WORDS],
    };
}

impl Test {
    /// No masked word is as large.
    pub(super) const NEVER: Self = Self {
        word: 0,
        mask: 0,
        low: 1,
        span: 0,
    };

    pub(super) const IS_IP: Self = Self::at(word::NETWORK, IS_IP << NETWORK, IS_IP << NETWORK);
    pub(super) const HAS_V4: Self = Self {
        word: word::NETWORK,
        mask: 0xFF << NETWORK,
        low: (Network::Arp as u64) << NETWORK,
        span: 1 << NETWORK,
    };
    pub(super) const HAS_PORTS: Self = Self {
        word: word::TYPES,
        mask: 0xFF << TRANSPORT,
        low: (Transport::Udp as u64) << TRANSPORT,
        span: 1 << TRANSPORT,
    };

    pub(super) const fn at(word: u8, mask: u64, low: u64) -> Self {
        Self {
            word,
            mask,
            low,
            span: 0,
        }
    }

    #[inline(always)]
    pub(super) fn holds(&self, words: &[u64; WORDS]) -> bool {
        let word = words[usize::from(self.word) % WORDS];
        (word & self.mask).wrapping_sub(self.low) <= self.span
    }

    /// All that is not within the range is the range behind it, all the way round.
    pub(super) const fn contrary(self) -> Self {
        Self {
            low: self.low.wrapping_add(self.span).wrapping_add(1),
            span: (u64::MAX - self.span).wrapping_sub(1),
            ..self
        }
    }

    pub(super) fn of(term: Term) -> Self {
        let at = Self::at;
        match term {
            Term::Network(network) => {
                at(word::NETWORK, 0xFF << NETWORK, (network as u64) << NETWORK)
            }
            Term::Transport(transport) => {
                let value = (transport as u64) << TRANSPORT;
                at(word::TYPES, 0xFF << TRANSPORT, value)
            }
            Term::Protocol(protocol) => at(word::TYPES, 0xFF, protocol.into()),
            Term::EtherType(ether_type) => {
                let value = u64::from(ether_type) << ETHER_TYPE;
                at(word::TYPES, 0xFFFF << ETHER_TYPE, value)
            }
            Term::V4(side, value, mask) => {
                let (value, mask) = ((value & mask).swap_bytes(), mask.swap_bytes());
                at(address_word(side), mask.into(), value.into())
            }
            Term::Port(side, first, last) if first <= last => {
                let shift = if side == Side::Src { 16 } else { 0 };
                Self {
                    word: word::PORTS,
                    mask: 0xFFFF << shift,
                    low: u64::from(first) << shift,
                    span: u64::from(last - first) << shift,
                }
            }
            Term::Tagged => {
                let (mask, low) = (0xFF << TAG_COUNT, 1 << TAG_COUNT);
                Self {
                    word: word::NETWORK,
                    mask,
                    low,
                    span: mask - low,
                }
            }
            Term::Vlan(id) if id < 4096 => at(word::TAGS, 0xFFF, id.into()),
            Term::Fragment => Self {
                word: word::TAGS,
                mask: PART << FRAGMENT,
                low: 1 << FRAGMENT,
                span: (PART - 1) << FRAGMENT,
            },
            // A range or identifier that nothing is in; the others are lowered before.
            Term::Port(..) | Term::Vlan(_) | Term::V6(..) | Term::Multicast => Self::NEVER,
        }
    }
}
