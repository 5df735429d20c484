//! Parse errors: what is wrong with some bytes, and where.

use core::fmt;

/// Declares [`Layer`] and the names of its variants.
macro_rules! layers {
    ($($(#[$doc:meta])* $layer:ident = $name:literal;)*) => {
        /// The header or message that a parser was in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub enum Layer {
            $($(#[$doc])* $layer,)*
        }

        impl Layer {
            /// The usual name of the protocol.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$layer => $name,)*
                }
            }
        }
    };
}

layers! {
    /// Ethernet II, or the length form of IEEE 802.3.
    Ethernet = "Ethernet";
    /// IEEE 802.2 logical link control.
    Llc = "LLC";
    /// The subnetwork access protocol that may follow LLC.
    Snap = "SNAP";
    /// An IEEE 802.1Q or 802.1ad tag.
    Vlan = "VLAN";
    /// A label stack entry (RFC 3032).
    Mpls = "MPLS";
    /// ARP (RFC 826).
    Arp = "ARP";
    /// IPv4 (RFC 791), options included.
    Ipv4 = "IPv4";
    /// The fixed header of IPv6 (RFC 8200).
    Ipv6 = "IPv6";
    /// The hop-by-hop options of IPv6.
    HopByHop = "IPv6 hop-by-hop options";
    /// A routing header of IPv6.
    Routing = "IPv6 routing";
    /// The fragment header of IPv6.
    Fragment = "IPv6 fragment";
    /// The destination options of IPv6.
    Destination = "IPv6 destination options";
    /// The IP authentication header (RFC 4302).
    Authentication = "IP authentication";
    /// ICMP (RFC 792).
    Icmpv4 = "ICMP";
    /// ICMPv6 (RFC 4443).
    Icmpv6 = "ICMPv6";
    /// UDP (RFC 768).
    Udp = "UDP";
    /// TCP (RFC 9293), options included.
    Tcp = "TCP";
    /// FIX tag=value.
    Fix = "FIX";
    /// MoldUDP64.
    MoldUdp64 = "MoldUDP64";
    /// SoupBinTCP.
    SoupBinTcp = "SoupBinTCP";
    /// NASDAQ TotalView-ITCH.
    Itch = "ITCH";
    /// Cboe PITCH.
    Pitch = "PITCH";
    /// NYSE XDP / Pillar.
    NyseXdp = "NYSE XDP";
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a header or message was refused. Lengths are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Reason {
    /// It ends before it is complete.
    Truncated {
        /// Bytes needed from the error's offset on.
        needed: u32,
        /// Bytes that are available.
        available: u32,
    },
    /// It states an impossible length.
    BadLength {
        /// The length it states. `u64::MAX` also stands for larger lengths.
        stated: u64,
        /// The smallest possible length.
        least: u32,
        /// The largest possible length.
        most: u32,
    },
    /// Its checksum is wrong.
    BadChecksum {
        /// The checksum in its field.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// The parser does not know its version.
    BadVersion {
        /// The version it states.
        found: u32,
    },
    /// The parser does not know this type of header or message.
    UnknownType {
        /// The type it states.
        found: u32,
    },
    /// A field has an invalid value.
    BadValue {
        /// The value.
        found: u32,
    },
    /// The characters of a field are not the name or number that the field needs.
    BadText {
        /// The first twelve characters, filled up with zeros.
        found: [u8; 12],
    },
    /// A decimal number that does not fit into 64 bits.
    TooLarge {
        /// Digits of the number, leading zeros included.
        digits: u32,
    },
    /// Bytes that belong to no message, such as time stamps in a log.
    Noise {
        /// Bytes from the error's offset to the first byte that may begin a message.
        len: u64,
    },
    /// A required field is missing.
    Missing {
        /// The number of the field.
        wanted: u32,
    },
    /// The checksum cannot be verified, because the addresses that it covers are unknown.
    Unverifiable {
        /// Why the addresses are unknown.
        why: Unverifiable,
    },
    /// A source route or a home address replaces an address of the header, so the two addresses are not the packet's
    /// ends.
    Rerouted,
    /// An address that must be that of one host is a group, a broadcast or the unspecified address.
    NotUnicast,
    /// More headers follow each other than the parser follows.
    TooDeep {
        /// The number of headers that it follows.
        limit: u32,
    },
}

/// Why the addresses that a checksum covers are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Unverifiable {
    /// A routing header has nodes left to visit, and the parser does not know its type.
    RoutingType {
        /// The type.
        found: u8,
    },
    /// A source route has nodes left to visit and is damaged.
    Route,
    /// The options that may hold an address are damaged.
    Options,
}

impl fmt::Display for Unverifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoutingType { found } => write!(f, "unknown routing type {found}"),
            Self::Route => f.write_str("the source route is damaged"),
            Self::Options => f.write_str("the options are damaged"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { needed, available } => {
                write!(f, "{needed} bytes needed, {available} available")
            }
            Self::BadLength {
                stated,
                least,
                most,
            } => {
                let or_more = if stated == u64::MAX { " or more" } else { "" };
                write!(f, "length {stated}{or_more} is not in {least}..={most}")
            }
            Self::BadChecksum { found, computed } => {
                write!(f, "checksum is {found:#06x}, expected {computed:#06x}")
            }
            Self::BadVersion { found } => write!(f, "unknown version {found}"),
            Self::UnknownType { found } => write!(f, "unknown type {found:#x}"),
            Self::BadValue { found } => write!(f, "invalid value {found:#x}"),
            Self::BadText { found } => {
                let len = found.iter().rposition(|&byte| byte != 0);
                let text = found.get(..=len.unwrap_or(0)).unwrap_or_default();
                write!(f, "invalid text \"{}\"", text.escape_ascii())
            }
            Self::TooLarge { digits } => {
                write!(f, "a number of {digits} digits does not fit into 64 bits")
            }
            Self::Noise { len } => write!(f, "{len} bytes belong to no message"),
            Self::Missing { wanted } => write!(f, "field {wanted} is missing"),
            Self::Unverifiable { why } => write!(f, "the checksum cannot be verified: {why}"),
            Self::Rerouted => f.write_str("a source route or a home address replaces an address"),
            Self::NotUnicast => f.write_str("the address is not that of one host"),
            Self::TooDeep { limit } => write!(f, "more than {limit} consecutive headers"),
        }
    }
}

/// A parser refused some bytes: in which layer, where, and why.
///
/// ```
/// use framepool::wire::{Layer, ParseError, Reason};
///
/// let error = ParseError::truncated(Layer::Udp, 34, 8, 5);
/// assert_eq!((error.layer, error.offset), (Layer::Udp, 34));
/// assert_eq!(error.to_string(), "UDP at byte 34: 8 bytes needed, 5 available");
/// # assert_eq!(error.reason, Reason::Truncated { needed: 8, available: 5 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ParseError {
    /// The header or message.
    pub layer: Layer,
    /// Why it was refused.
    pub reason: Reason,
    /// The start of the header or message, or of the wrong field in it, in bytes from the start of the parser's input.
    /// 64 bits on every target: a caller that reads a stream or a large file in parts adds the parts before.
    pub offset: u64,
}

impl ParseError {
    /// An error at byte `offset`.
    pub const fn new(layer: Layer, reason: Reason, offset: usize) -> Self {
        Self {
            layer,
            reason,
            offset: offset as u64,
        }
    }

    /// `needed` bytes are needed from `offset` on, and `available` are available. Both are capped at 32 bits: no
    /// header or message here is that long.
    pub const fn truncated(layer: Layer, offset: usize, needed: usize, available: usize) -> Self {
        let reason = Reason::Truncated {
            needed: clamp(needed),
            available: clamp(available),
        };
        Self::new(layer, reason, offset)
    }

    /// A length field at `offset` is not within `least..=most`. These two are capped at 32 bits.
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

    /// The checksum at `offset` is wrong.
    pub const fn bad_checksum(layer: Layer, offset: usize, found: u32, computed: u32) -> Self {
        Self::new(layer, Reason::BadChecksum { found, computed }, offset)
    }

    /// The same error for a caller whose input starts `by` bytes earlier: the offset is larger by that number.
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
