//! What can be asked of a frame.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

use super::super::{Network, Transport};

/// Which end of a packet.
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

/// One thing that a frame is or is not.
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
    /// A transport layer; a later fragment has none.
    Transport(Transport),
    /// An IP protocol, behind all extension headers.
    Protocol(u8),
    /// A type of frame, behind all tags.
    EtherType(u16),
    /// An IPv4 address whose bits under the second number are those of the first.
    V4(Side, u32, u32),
    /// An IPv6 address whose bits under the second number are those of the first.
    V6(Side, u128, u128),
    /// A port of UDP or TCP, from the first number to the second.
    Port(Side, u16, u16),
    /// At least one VLAN tag.
    Tagged,
    /// The outermost VLAN tag has this identifier.
    Vlan(u16),
    /// At least two VLAN tags.
    InnerTagged,
    /// The second VLAN tag from outside has this identifier.
    InnerVlan(u16),
    /// Sent to a group of IP or, where there is no IP, of the link layer. The word `multicast` in an expression is
    /// [`LinkGroup`](Self::LinkGroup).
    Multicast,
    /// The link address of the receiver is a group's, the broadcast address included.
    LinkGroup,
    /// A part of a datagram.
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

    /// An IPv4 prefix; more than 32 bits count as 32.
    pub const fn net_v4(side: Side, address: Ipv4Addr, bits: u8) -> Self {
        let mask = match bits {
            0 => 0,
            1..=31 => !0 << (32 - bits),
            _ => !0,
        };
        Self::V4(side, address.to_bits() & mask, mask)
    }

    /// An IPv6 prefix; more than 128 bits count as 128.
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
}
