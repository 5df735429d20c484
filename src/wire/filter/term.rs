//! Terms: what a filter can ask about a frame.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

use crate::wire::summary::{Network, Transport};

/// The end of a packet that a term is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Side {
    /// The sender.
    Src,
    /// The receiver.
    Dst,
    /// Either.
    Either,
}

/// One condition on a frame.
///
/// ```
/// use framepool::wire::{Side, Term};
///
/// let feed = Term::net_v4(Side::Dst, [233, 54, 12, 0].into(), 24);
/// let port = Term::Port(Side::Dst, 26400, 26415);
/// assert_ne!(feed, port);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Term {
    /// A network layer.
    Network(Network),
    /// A transport layer. A later fragment has none.
    Transport(Transport),
    /// An IP protocol, after all extension headers.
    Protocol(u8),
    /// A type of frame, after all tags.
    EtherType(u16),
    /// An IPv4 address: a value and a mask.
    V4(Side, u32, u32),
    /// An IPv6 address: a value and a mask.
    V6(Side, u128, u128),
    /// A port of UDP or TCP, from the first number to the second, both included.
    Port(Side, u16, u16),
    /// At least one VLAN tag.
    Tagged,
    /// The identifier of the outermost VLAN tag.
    Vlan(u16),
    /// At least two VLAN tags.
    InnerTagged,
    /// The identifier of the second outermost VLAN tag.
    InnerVlan(u16),
    /// The receiver is a group: of IP, or of the link layer if there is no IP. The word `multicast` in an expression
    /// is [`LinkGroup`](Self::LinkGroup).
    Multicast,
    /// The receiver's link address is a group address; broadcast is one.
    LinkGroup,
    /// A fragment of a datagram.
    Fragment,
}

impl Term {
    /// An IPv4 address.
    pub const fn host_v4(side: Side, address: Ipv4Addr) -> Self {
        Self::net_v4(side, address, 32)
    }

    /// An IPv6 address.
    pub const fn host_v6(side: Side, address: Ipv6Addr) -> Self {
        Self::net_v6(side, address, 128)
    }

    /// An IPv4 prefix. More than 32 bits count as 32.
    pub const fn net_v4(side: Side, address: Ipv4Addr, bits: u8) -> Self {
        let mask = match bits {
            0 => 0,
            1..=31 => !0 << (32 - bits),
            _ => !0,
        };
        Self::V4(side, address.to_bits() & mask, mask)
    }

    /// An IPv6 prefix. More than 128 bits count as 128.
    pub const fn net_v6(side: Side, address: Ipv6Addr, bits: u8) -> Self {
        let mask = match bits {
            0 => 0,
            1..=127 => !0 << (128 - bits),
            _ => !0,
        };
        Self::V6(side, address.to_bits() & mask, mask)
    }

    /// A range of ports.
    pub const fn ports(side: Side, range: RangeInclusive<u16>) -> Self {
        Self::Port(side, *range.start(), *range.end())
    }

    /// A multicast group of IPv4.
    pub const fn group_v4(group: Ipv4Addr) -> Self {
        Self::host_v4(Side::Dst, group)
    }

    /// A multicast group of IPv6.
    pub const fn group_v6(group: Ipv6Addr) -> Self {
        Self::host_v6(Side::Dst, group)
    }

    /// The same term for one side, if this one is for either.
    pub(super) const fn at(self, side: Side) -> Option<Self> {
        match self {
            Self::V4(Side::Either, value, mask) => Some(Self::V4(side, value, mask)),
            Self::V6(Side::Either, value, mask) => Some(Self::V6(side, value, mask)),
            Self::Port(Side::Either, first, last) => Some(Self::Port(side, first, last)),
            _ => None,
        }
    }
}
