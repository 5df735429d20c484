//! The types of a summary's fields.

/// The link layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
#[non_exhaustive]
pub enum Link {
    /// None: the frame begins with an IP header.
    #[default]
    Raw,
    /// Ethernet II: a type follows the addresses.
    Ethernet,
    /// IEEE 802.3: a length follows the addresses, then LLC.
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
    /// ICMP over IPv4.
    Icmpv4,
    /// ICMPv6, over IPv6.
    Icmpv6,
    /// A later fragment of a datagram. The transport header is in the first fragment.
    Fragment,
}

/// A set of extension headers: those of IPv6, and the authentication header of either IP.
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
    /// No extension header.
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

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set contains all headers of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The headers of both sets.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The set as bits, one for each header, in the order of the constants.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// The place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FragmentInfo {
    /// The identification, which all fragments of a datagram share: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Bytes of the datagram's payload before this fragment.
    pub offset: u16,
    /// Whether more fragments follow.
    pub more: bool,
}

/// The bits of a summary's `flags`.
pub(super) mod flag {
    /// The receiver's link address is a group address; broadcast is one.
    pub const LINK_GROUP: u8 = 1;
    /// It is ARP for IPv4 over Ethernet, which has addresses.
    pub const ARP_V4: u8 = 1 << 1;
    /// Bytes follow the end that the headers state.
    pub const PADDED: u8 = 1 << 2;
    /// There was an error. The summary holds what came before it.
    pub const PARTIAL: u8 = 1 << 3;
    /// The ninth flag of TCP. The highest bit, so that one shift moves it to its place in TCP.
    pub const TCP_AE: u8 = 1 << 7;
}

/// The bits of a summary's `fragment`: the 16 bits of IPv4. Those of IPv6 are converted to them.
pub(super) mod fragment {
    /// More fragments follow.
    pub const MORE: u32 = 1 << 13;
    /// Routers must not fragment it.
    pub const DONT: u32 = 1 << 14;
    /// Its offset in the datagram, in units of eight bytes.
    pub const OFFSET: u32 = (1 << 13) - 1;
    /// Not 0 in a fragment.
    pub const PART: u32 = MORE | OFFSET;
}
