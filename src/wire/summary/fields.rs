//! The small types in a summary.

/// What the frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Link {
    /// With an IP header: there is no link layer.
    #[default]
    Raw,
    /// Ethernet II: a type behind the addresses.
    Ethernet,
    /// IEEE 802.3: a length behind the addresses, then LLC.
    Llc,
    /// IEEE 802.3 with LLC and SNAP.
    Snap,
}

/// The network layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Network {
    /// None, or one that is not parsed: see [`Summary::ether_type`](super::Summary::ether_type).
    #[default]
    Unknown,
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The transport layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Transport {
    /// None, or one that is not parsed: see [`Summary::protocol`](super::Summary::protocol).
    #[default]
    Unknown,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// ICMP for IPv4.
    Icmpv4,
    /// ICMPv6.
    Icmpv6,
    /// A later fragment of a datagram, whose transport header is in the first one.
    Fragment,
}

/// Which extension headers there were: of IPv6, or the authentication header of either IP.
///
/// ```
/// use framepool::wire::Extensions;
///
/// let both = Extensions::HOP_BY_HOP.union(Extensions::FRAGMENT);
/// assert!(both.contains(Extensions::FRAGMENT));
/// assert!(!both.contains(Extensions::ROUTING));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(transparent)]
pub struct Extensions(pub(super) u8);

impl Extensions {
    /// None.
    pub const NONE: Self = Self(0);
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: Self = Self(1);
    /// Routing header.
    pub const ROUTING: Self = Self(1 << 1);
    /// Fragment header.
    pub const FRAGMENT: Self = Self(1 << 2);
    /// Destination options.
    pub const DESTINATION: Self = Self(1 << 3);
    /// Authentication header.
    pub const AUTHENTICATION: Self = Self(1 << 4);
    /// What follows is encrypted (ESP, RFC 4303).
    pub const ENCRYPTED: Self = Self(1 << 5);

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` are in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are in either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// One bit each, in the order of the constants.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// The place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FragmentInfo {
    /// What all fragments of a datagram share: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Bytes of the datagram's payload before this one.
    pub offset: u16,
    /// Whether more come after it.
    pub more: bool,
}

/// Yes or no, eight times. What a summary says of the frame that the other fields do not.
pub(super) mod flag {
    /// The link address of the receiver is a group's, the broadcast address included.
    pub const LINK_GROUP: u8 = 1;
    /// It is ARP, and for IPv4 over Ethernet: it has addresses.
    pub const ARP_V4: u8 = 1 << 1;
    /// There are bytes behind what the headers account for.
    pub const PADDED: u8 = 1 << 2;
    /// There was an error: what is here is what was good before it.
    pub const PARTIAL: u8 = 1 << 3;
    /// The ninth flag of TCP. Uppermost, so that it is one place away from where TCP has it.
    pub const TCP_AE: u8 = 1 << 7;
}

/// What IPv4 says of fragments, in 16 bits; of those of IPv6 it is made.
pub(super) mod fragment {
    /// More come after it.
    pub const MORE: u32 = 1 << 13;
    /// It is not to be made into fragments.
    pub const DONT: u32 = 1 << 14;
    /// Its place in the datagram, in units of eight bytes.
    pub const OFFSET: u32 = (1 << 13) - 1;
    /// What is not 0 in a part of a datagram.
    pub const PART: u32 = MORE | OFFSET;
}
