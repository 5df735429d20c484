//! What is asked of the words of a summary.

pub(super) use super::super::summary::WORDS;
use super::super::{Network, Transport};
use super::term::{Side, Term};

/// Where in the words of a summary to look, and for what: `(word & mask) - low <= span`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) word: u8,
    pub(super) mask: u32,
    pub(super) low: u32,
    pub(super) span: u32,
}

/// A test for each word of a group, and the clauses that it settles if it holds: `(word & mask) - low <= span`
/// where both sides have 2^31 added, so that they compare as signed numbers do, which vectors can everywhere.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Row {
    pub(super) masks: [u32; LANES],
    pub(super) lows: [u32; LANES],
    pub(super) spans: [i32; LANES],
    pub(super) clauses: [u32; LANES],
}

/// Words in a group, as many as a vector of the target has.
pub(super) const LANES: usize = if cfg!(target_feature = "avx512f") {
    16
} else if cfg!(target_feature = "avx2") {
    8
} else {
    4
};
/// Groups in a summary.
pub(super) const GROUPS: usize = WORDS / LANES;

/// What is in which word of a summary: see [`Summary::words`].
pub(super) mod word {
    /// Sender in the order of the wire, four words.
    pub const SRC: u8 = 0;
    /// Receiver in the order of the wire, four words.
    pub const DST: u8 = 4;
    /// Sender's port above the receiver's.
    pub const PORTS: u8 = 8;
    /// Protocol, flags, transport.
    pub const TYPES: u8 = 10;
    /// Type of the frame, above what filters do not look at.
    pub const ETHER_TYPE: u8 = 11;
    /// Tags.
    pub const TAGS: u8 = 12;
    /// The fragment as IPv4 has it.
    pub const FRAGMENT: u8 = 13;
    /// Number of tags, network.
    pub const NETWORK: u8 = 15;
}

/// The bit of [`Network`] that both versions of IP have, and no other.
pub(super) const IS_IP: u32 = 2;
/// UDP and TCP are neighbours: a range.
const _: () = {
    assert!(Network::Ipv4 as u32 & IS_IP != 0 && Network::Ipv6 as u32 & IS_IP != 0);
    assert!(Network::Unknown as u32 & IS_IP == 0 && Network::Arp as u32 & IS_IP == 0);
    assert!(Transport::Udp as u32 + 1 == Transport::Tcp as u32);
};
/// The flags of a summary, among the types.
const LINK_GROUP: u32 = 1 << 16;
const ARP_V4: u32 = 1 << 17;
/// Where the transport is among the types.
pub(super) const TRANSPORT: u32 = 24;
/// Where the frame's type is in its word.
const ETHER_TYPE: u32 = 16;
/// Where the network is in its word.
const NETWORK: u32 = 16;

/// Where the second tag is in the word of tags.
const INNER: u32 = 16;

/// What is not 0 in a part of a datagram, and in no whole one.
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

    /// Puts a test into its lane, unless there is one.
    pub(super) fn put(&mut self, test: &Test, settles: u32) -> bool {
        const HALF: u32 = 1 << 31;
        let lane = usize::from(test.word) % LANES;
        if self.clauses[lane] != 0 {
            return false;
        }
        self.masks[lane] = test.mask;
        self.lows[lane] = test.low.wrapping_add(HALF);
        self.spans[lane] = (test.span ^ HALF) as i32;
        self.clauses[lane] = settles;
        true
    }

    /// The clauses that it settles for the words of its group.
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

impl Test {
    /// No masked word is as large.
    pub(super) const NEVER: Self = Self {
        word: 0,
        mask: 0,
        low: 1,
        span: 0,
    };

    pub(super) const IS_IP: Self = Self::at(word::NETWORK, IS_IP << NETWORK, IS_IP << NETWORK);
    pub(super) const IS_ARP_V4: Self = Self::at(word::TYPES, ARP_V4, ARP_V4);
    pub(super) const HAS_PORTS: Self = Self {
        word: word::TYPES,
        mask: 0xFF << TRANSPORT,
        low: (Transport::Udp as u32) << TRANSPORT,
        span: 1 << TRANSPORT,
    };

    pub(super) const fn at(word: u8, mask: u32, low: u32) -> Self {
        Self {
            word,
            mask,
            low,
            span: 0,
        }
    }

    #[inline(always)]
    pub(super) fn holds(&self, words: &[u32; WORDS]) -> bool {
        let word = words[usize::from(self.word) % WORDS];
        (word & self.mask).wrapping_sub(self.low) <= self.span
    }

    /// All that is not within the range is the range behind it, all the way round.
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
                Self {
                    word: word::PORTS,
                    mask: 0xFFFF << shift,
                    low: u32::from(first) << shift,
                    span: u32::from(last - first) << shift,
                }
            }
            Term::Tagged => Self {
                word: word::NETWORK,
                mask: 0xFF,
                low: 1,
                span: 0xFE,
            },
            Term::Vlan(id) if id < 4096 => at(word::TAGS, 0xFFF, id.into()),
            Term::InnerTagged => Self {
                word: word::NETWORK,
                mask: 0xFF,
                low: 2,
                span: 0xFD,
            },
            Term::InnerVlan(id) if id < 4096 => {
                at(word::TAGS, 0xFFF << INNER, u32::from(id) << INNER)
            }
            Term::LinkGroup => at(word::TYPES, LINK_GROUP, LINK_GROUP),
            Term::Fragment => Self {
                word: word::FRAGMENT,
                mask: PART,
                low: 1,
                span: PART - 1,
            },
            // A range or identifier that nothing is in; the others are lowered before.
            Term::Port(..)
            | Term::Vlan(_)
            | Term::InnerVlan(_)
            | Term::V6(..)
            | Term::Multicast => Self::NEVER,
        }
    }
}
