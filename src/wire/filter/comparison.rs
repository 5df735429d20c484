//! Comparisons of a summary's words, alone and in rows.

use super::term::{Side, Term};
use crate::wire::summary::{Network, Transport, WORDS};

/// Compares a word of a summary: `(word & mask) - low <= span`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) word: u8,
    pub(super) mask: u32,
    pub(super) low: u32,
    pub(super) span: u32,
}

/// A comparison for each word of a group, and the clauses that it settles if it holds: `(word & mask) - low <= span`.
/// Both sides have 2^31 added, so that they compare like signed numbers, which vectors can do on every target.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Row {
    pub(super) masks: [u32; LANES],
    pub(super) lows: [u32; LANES],
    pub(super) spans: [i32; LANES],
    pub(super) clauses: [u32; LANES],
}

/// Words of a group: the number that a vector of the target has.
pub(super) const LANES: usize = if cfg!(target_feature = "avx512f") {
    16
} else if cfg!(target_feature = "avx2") {
    8
} else {
    4
};
/// Groups of a summary.
pub(super) const GROUPS: usize = WORDS / LANES;

/// The words of a summary: see `Summary::words`.
pub(super) mod word {
    /// The sender in network order, four words.
    pub const SRC: u8 = 0;
    /// The receiver in network order, four words.
    pub const DST: u8 = 4;
    /// The sender's port in the upper half, the receiver's in the lower.
    pub const PORTS: u8 = 8;
    /// Protocol, flags, transport.
    pub const TYPES: u8 = 10;
    /// The frame's type in the upper half. Filters ignore the lower half.
    pub const ETHER_TYPE: u8 = 11;
    /// Tags.
    pub const TAGS: u8 = 12;
    /// The fragment as in IPv4.
    pub const FRAGMENT: u8 = 13;
    /// Number of tags, network.
    pub const NETWORK: u8 = 15;
}

/// The bit that both versions of IP have in [`Network`], and nothing else.
pub(super) const IS_IP: u32 = 2;
// UDP and TCP are neighbours, so one range covers both.
const _: () = {
    assert!(Network::Ipv4 as u32 & IS_IP != 0 && Network::Ipv6 as u32 & IS_IP != 0);
    assert!(Network::Unknown as u32 & IS_IP == 0 && Network::Arp as u32 & IS_IP == 0);
    assert!(Transport::Udp as u32 + 1 == Transport::Tcp as u32);
};
/// Flags of a summary, in the word of types.
const LINK_GROUP: u32 = 1 << 16;
const ARP_V4: u32 = 1 << 17;
/// The shift of the transport in the word of types.
pub(super) const TRANSPORT: u32 = 24;
/// The shift of the frame's type in its word.
const ETHER_TYPE: u32 = 16;
/// The shift of the network in its word.
const NETWORK: u32 = 16;

/// The shift of the second tag in the word of tags.
const INNER: u32 = 16;

/// Not 0 in a fragment, and 0 in a whole datagram.
const PART: u32 = 0x3FFF;

pub(super) const fn address_word(side: Side) -> u8 {
    match side {
        Side::Src => word::SRC,
        _ => word::DST,
    }
}

impl Row {
    pub(super) const NONE: Self = Self {
        masks: [0; LANES],
        lows: [0; LANES],
        spans: [0; LANES],
        clauses: [0; LANES],
    };

    /// Puts a comparison into its lane. Returns whether the lane was free.
    pub(super) fn put(&mut self, comparison: &Comparison, settles: u32) -> bool {
        const HALF: u32 = 1 << 31;
        let lane = usize::from(comparison.word) % LANES;
        if self.clauses[lane] != 0 {
            return false;
        }
        self.masks[lane] = comparison.mask;
        self.lows[lane] = comparison.low.wrapping_add(HALF);
        self.spans[lane] = (comparison.span ^ HALF) as i32;
        self.clauses[lane] = settles;
        true
    }

    /// Adds the clauses that it settles for the words of its group.
    #[inline(always)]
    pub(super) fn settled(&self, words: &[u32], settled: &mut [u32; LANES]) {
        let Some(words) = words.first_chunk::<LANES>() else {
            return;
        };
        for lane in 0..LANES {
            let word = (words[lane] & self.masks[lane]).wrapping_sub(self.lows[lane]) as i32;
            let holds = u32::from(word <= self.spans[lane]).wrapping_neg();
            settled[lane] |= self.clauses[lane] & holds;
        }
    }
}

impl Comparison {
    /// Never holds: under an empty mask no word is 1.
    pub(super) const NEVER: Self = Self::at(0, 0, 1);

    pub(super) const IS_IP: Self = Self::at(word::NETWORK, IS_IP << NETWORK, IS_IP << NETWORK);
    pub(super) const IS_ARP_V4: Self = Self::at(word::TYPES, ARP_V4, ARP_V4);
    pub(super) const HAS_PORTS: Self = Self::within(
        word::TYPES,
        0xFF << TRANSPORT,
        (Transport::Udp as u32) << TRANSPORT,
        1 << TRANSPORT,
    );

    /// The masked word is `value`.
    pub(super) const fn at(word: u8, mask: u32, value: u32) -> Self {
        Self::within(word, mask, value, 0)
    }

    /// The masked word is in `low..=low + span`.
    const fn within(word: u8, mask: u32, low: u32, span: u32) -> Self {
        Self {
            word,
            mask,
            low,
            span,
        }
    }

    #[inline(always)]
    pub(super) fn holds(&self, words: &[u32; WORDS]) -> bool {
        let word = words[usize::from(self.word) % WORDS];
        (word & self.mask).wrapping_sub(self.low) <= self.span
    }

    /// Everything outside a range is the range that begins after it and wraps around.
    pub(super) const fn contrary(self) -> Self {
        Self {
            low: self.low.wrapping_add(self.span).wrapping_add(1),
            span: (u32::MAX - self.span).wrapping_sub(1),
            ..self
        }
    }

    pub(super) fn of(term: Term) -> Self {
        let at = Self::at;
        match term {
            Term::Network(network) => {
                at(word::NETWORK, 0xFF << NETWORK, (network as u32) << NETWORK)
            }
            Term::Transport(transport) => {
                let value = (transport as u32) << TRANSPORT;
                at(word::TYPES, 0xFF << TRANSPORT, value)
            }
            Term::Protocol(protocol) => at(word::TYPES, 0xFF, protocol.into()),
            Term::EtherType(ether_type) => {
                let value = u32::from(ether_type) << ETHER_TYPE;
                at(word::ETHER_TYPE, 0xFFFF << ETHER_TYPE, value)
            }
            Term::V4(side, value, mask) => {
                let (value, mask) = ((value & mask).swap_bytes(), mask.swap_bytes());
                at(address_word(side), mask, value)
            }
            Term::Port(side, first, last) if first <= last => {
                let shift = if side == Side::Src { 16 } else { 0 };
                let low = u32::from(first) << shift;
                let span = u32::from(last - first) << shift;
                Self::within(word::PORTS, 0xFFFF << shift, low, span)
            }
            Term::Tagged => Self::within(word::NETWORK, 0xFF, 1, 0xFE),
            Term::Vlan(id) if id < 4096 => at(word::TAGS, 0xFFF, id.into()),
            Term::InnerTagged => Self::within(word::NETWORK, 0xFF, 2, 0xFD),
            Term::InnerVlan(id) if id < 4096 => {
                at(word::TAGS, 0xFFF << INNER, u32::from(id) << INNER)
            }
            Term::LinkGroup => at(word::TYPES, LINK_GROUP, LINK_GROUP),
            Term::Fragment => Self::within(word::FRAGMENT, PART, 1, PART - 1),
            // An empty range or an impossible identifier. `lower` takes the others apart before.
            Term::Port(..)
            | Term::Vlan(_)
            | Term::InnerVlan(_)
            | Term::V6(..)
            | Term::Multicast => Self::NEVER,
        }
    }
}
