//! What is wrong with some bytes, and where.

use core::fmt;

/// The header or message that a parser was in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Layer {
    /// Ethernet II, or the length form of IEEE 802.3.
    Ethernet,
    /// IEEE 802.2 logical link control.
    Llc,
    /// The subnetwork access protocol behind LLC.
    Snap,
    /// An IEEE 802.1Q or 802.1ad tag.
    Vlan,
    /// A label stack entry (RFC 3032).
    Mpls,
    /// ARP (RFC 826).
    Arp,
    /// IPv4 (RFC 791), its options included.
    Ipv4,
    /// The fixed header of IPv6 (RFC 8200).
    Ipv6,
    /// The hop-by-hop options of IPv6.
    HopByHop,
    /// A routing header of IPv6.
    Routing,
    /// The fragment header of IPv6.
    Fragment,
    /// The destination options of IPv6.
    Destination,
    /// The IP authentication header (RFC 4302).
    Authentication,
    /// ICMP (RFC 792).
    Icmpv4,
    /// ICMPv6 (RFC 4443).
    Icmpv6,
    /// UDP (RFC 768).
    Udp,
    /// TCP (RFC 9293), its options included.
    Tcp,
    /// FIX tag=value.
    Fix,
    /// MoldUDP64.
    MoldUdp64,
    /// SoupBinTCP.
    SoupBinTcp,
    /// NASDAQ TotalView-ITCH.
    Itch,
    /// Cboe PITCH.
    Pitch,
    /// NYSE XDP / Pillar.
    NyseXdp,
}

impl Layer {
    /// The name that people know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "Ethernet",
            Self::Llc => "LLC",
            Self::Snap => "SNAP",
            Self::Vlan => "VLAN",
            Self::Mpls => "MPLS",
            Self::Arp => "ARP",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::HopByHop => "IPv6 hop-by-hop options",
            Self::Routing => "IPv6 routing",
            Self::Fragment => "IPv6 fragment",
            Self::Destination => "IPv6 destination options",
            Self::Authentication => "IP authentication",
            Self::Icmpv4 => "ICMP",
            Self::Icmpv6 => "ICMPv6",
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Fix => "FIX",
            Self::MoldUdp64 => "MoldUDP64",
            Self::SoupBinTcp => "SoupBinTCP",
            Self::Itch => "ITCH",
            Self::Pitch => "PITCH",
            Self::NyseXdp => "NYSE XDP",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a header or message is refused. Lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// It ends before it is complete.
    Truncated {
        /// Bytes needed from the error's offset on.
        needed: u32,
        /// Bytes that are there.
        available: u32,
    },
    /// It states a length that cannot be.
    BadLength {
        /// The length it states. `u64::MAX` stands for that and for more.
        stated: u64,
        /// The least that it could be.
        least: u32,
        /// The most that it could be.
        most: u32,
    },
    /// Its checksum does not fit its bytes.
    BadChecksum {
        /// The checksum that it carries.
        found: u32,
        /// The one that its bytes ask for.
        computed: u32,
    },
    /// It is of a version that the parser does not know.
    BadVersion {
        /// The version it states.
        found: u32,
    },
    /// A type of header or message that the parser does not know.
    UnknownType {
        /// The type it states.
        found: u32,
    },
    /// A field holds a value that has no meaning.
    BadValue {
        /// The value.
        found: u32,
    },
    /// Characters where a name or a number is due that they are not.
    BadText {
        /// The first twelve of them; zeros after fewer.
        found: [u8; 12],
    },
    /// A decimal number that does not fit into 64 bits.
    TooLarge {
        /// Digits of the number, zeros in front of it included.
        digits: u32,
    },
    /// Bytes between messages that belong to none: time stamps in a log, say.
    Noise {
        /// Bytes from the error's offset to where the next message may begin.
        len: u64,
    },
    /// A field that must be there is not.
    Missing {
        /// The number of the field.
        wanted: u32,
    },
    /// The checksum cannot be verified: the addresses that it is made for are not known.
    Unverifiable {
        /// Why not.
        why: Unverifiable,
    },
    /// Headers follow each other for longer than the parser goes along.
    TooDeep {
        /// How many it follows.
        limit: u32,
    },
}

/// Why the addresses that a checksum is made for are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unverifiable {
    /// A routing header of this type has nodes left to visit, and the type's layout is not known.
    RoutingType {
        /// The type.
        found: u8,
    },
    /// A source route has nodes left to visit, and is damaged.
    Route,
    /// The options that may hold an address are damaged.
    Options,
}

impl fmt::Display for Unverifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoutingType { found } => write!(f, "routing type {found} is unknown"),
            Self::Route => f.write_str("the source route is damaged"),
            Self::Options => f.write_str("the options are damaged"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, available } => {
                write!(f, "{needed} bytes needed, {available} there")
            }
            Self::BadLength {
                stated,
                least,
                most,
            } => {
                let or_more = if stated == u64::MAX { " or more" } else { "" };
                write!(
                    f,
                    "a length of {stated} bytes{or_more} is not in {least}..={most}"
                )
            }
            Self::BadChecksum { found, computed } => {
                write!(
                    f,
                    "checksum {found:#06x}, its bytes ask for {computed:#06x}"
                )
            }
            Self::BadVersion { found } => write!(f, "version {found} is unknown"),
            Self::UnknownType { found } => write!(f, "type {found:#x} is unknown"),
            Self::BadValue { found } => write!(f, "the value {found:#x} has no meaning"),
            Self::BadText { found } => {
                let len = found.iter().rposition(|&byte| byte != 0);
                let text = found.get(..=len.unwrap_or(0)).unwrap_or_default();
                write!(f, "the text \"{}\" has no meaning", text.escape_ascii())
            }
            Self::TooLarge { digits } => {
                write!(f, "a number of {digits} digits does not fit into 64 bits")
            }
            Self::Noise { len } => write!(f, "{len} bytes that are no part of a message"),
            Self::Missing { wanted } => write!(f, "field {wanted} is missing"),
            Self::Unverifiable { why } => write!(f, "the checksum cannot be verified: {why}"),
            Self::TooDeep { limit } => write!(f, "more than {limit} headers in a row"),
        }
    }
}

/// Some bytes are not what they should be: in which layer, where, and why.
///
/// ```
/// use framepool::wire::{Layer, ParseError, Reason};
///
/// let error = ParseError::truncated(Layer::Udp, 34, 8, 5);
/// assert_eq!((error.layer, error.offset), (Layer::Udp, 34));
/// assert_eq!(error.to_string(), "UDP at byte 34: 8 bytes needed, 5 there");
/// # assert_eq!(error.reason, Reason::Truncated { needed: 8, available: 5 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ParseError {
    /// The header or message.
    pub layer: Layer,
    /// What is wrong with it.
    pub reason: Reason,
    /// Where, in bytes from the start of what was given to the parser: the start of the header or
    /// message, or of the field in it that is wrong. 64 bits on every target: a caller that reads a stream
    /// or a large file in parts adds what came before.
    pub offset: u64,
}

impl ParseError {
    /// An error at some byte.
    pub const fn new(layer: Layer, reason: Reason, offset: usize) -> Self {
        Self {
            layer,
            reason,
            offset: offset as u64,
        }
    }

    /// `needed` bytes from `offset` on, and only `available` are there. What exceeds 32 bits is shown as the
    /// most that they hold: no header or message here is that long.
    pub const fn truncated(layer: Layer, offset: usize, needed: usize, available: usize) -> Self {
        let reason = Reason::Truncated {
            needed: clamp(needed),
            available: clamp(available),
        };
        Self::new(layer, reason, offset)
    }

    /// A length field at `offset` that is not within `least..=most`. Of these two, what exceeds 32 bits is
    /// shown as the most that they hold.
    pub const fn bad_length(
        layer: Layer,
        offset: usize,
        stated: usize,
        least: usize,
        most: usize,
    ) -> Self {
        let reason = Reason::BadLength {
            stated: stated as u64,
            least: clamp(least),
            most: clamp(most),
        };
        Self::new(layer, reason, offset)
    }

    /// A checksum at `offset` that is not the one that its bytes ask for.
    pub const fn bad_checksum(layer: Layer, offset: usize, found: u32, computed: u32) -> Self {
        Self::new(layer, Reason::BadChecksum { found, computed }, offset)
    }

    /// The same error, seen by one whose bytes begin `by` earlier.
    pub const fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.saturating_add(by as u64);
        self
    }
}

const fn clamp(n: usize) -> u32 {
    if n > u32::MAX as usize {
        u32::MAX
    } else {
        n as u32
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: {}", self.layer, self.offset, self.reason)
    }
}

impl core::error::Error for ParseError {}
