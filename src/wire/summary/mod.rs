//! What a network card would say of a frame, in one cache line.
//!
//! ```text
//!  frame   | Ethernet | tags | IP, extensions | UDP, TCP, ICMP | payload      | padding |
//!          0          ^      ^                ^                ^              ^         frame.len()
//!          |          14     network_offset   transport_offset payload_offset + payload_len
//!
//!  Summary | src 16 | dst 16 | ports, offsets, tags, types, flags 32 |   64 bytes, Copy
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `fields.rs` | the small types of the fields |
//! | `quick.rs` | what nearly all frames are, in one straight line |
//! | `walk.rs` | everything else, and every error |
//! | `burst.rs` | many frames at once |
//! | `verify.rs` | the checksums of a frame that was summarised |
//!
//! All of it is bounded: at most [`MAX_TAGS`] VLAN tags, [`MAX_LABELS`] MPLS labels and [`MAX_EXTENSIONS`]
//! extension headers are followed, whatever a frame says.

mod burst;
mod fields;
mod quick;
mod show;
mod verify;
mod walk;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;

pub use burst::summarize_burst;
pub use fields::{Extensions, FragmentInfo, Link, Network, Transport};
use fields::{flag, fragment};

use super::ParseError;

/// Words of a summary.
pub(super) const WORDS: usize = size_of::<Summary>() / size_of::<u32>();
/// VLAN tags that are followed; two of them are kept.
pub const MAX_TAGS: usize = 8;
/// MPLS labels that are followed.
pub const MAX_LABELS: usize = 8;
/// Extension headers that are followed.
pub const MAX_EXTENSIONS: usize = 8;

/// Layers, offsets, lengths, addresses and ports of one frame.
///
/// Made by [`summarize`] and its kin. Everything in it comes from headers that were there in full and whose
/// lengths agree; offsets count from the frame's first byte. Checksums are not looked at: that is
/// [`verify`](Self::verify).
///
/// ```
/// use framepool::wire::{Transport, summarize};
///
/// # let frame = framepool::wire::samples::UDP;
/// let summary = summarize(frame)?;
/// assert_eq!(summary.transport(), Transport::Udp);
/// assert_eq!(summary.ports(), Some((4660, 26400)));
/// assert_eq!(&frame[summary.payload()], b"tick");
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Summary {
    /// As on the wire; IPv4 in the first four bytes, the others zero.
    src: [u8; 16],
    dst: [u8; 16],
    /// As on the wire, as one number: the sender's above the receiver's. ICMP: type and code, and zeros.
    ports: u32,
    payload_offset: u16,
    payload_len: u16,
    protocol: u8,
    /// The lower eight; the ninth is in `flags`.
    tcp_flags: u8,
    flags: u8,
    transport: Transport,
    // From here on what is the same in nearly all frames: constants that are stored at once.
    transport_offset: u16,
    ether_type: u16,
    /// TCI of the two outermost tags.
    tags: [u16; 2],
    /// As IPv4 has it: the lower 16 bits of the identification above flags and offset.
    fragment: u32,
    /// The upper 16 bits of the identification, of IPv6.
    fragment_id_high: u16,
    network_offset: u8,
    extensions: Extensions,
    tag_count: u8,
    label_count: u8,
    network: Network,
    // Last, so that an error fits beside its unused values: `Result<Summary, ParseError>` is no larger.
    link: Link,
}

const _: () = assert!(size_of::<Summary>() == 64 && size_of::<Result<Summary, ParseError>>() == 64);

/// Sums up an Ethernet frame, without its frame check sequence.
///
/// A type or protocol that is not known is no error: what is behind it is payload.
///
/// # Errors
/// What is wrong with the first header that is: [`Layer`](super::Layer), offset, and what was needed and what
/// there. A datagram longer than the frame is one; a frame longer than its datagram is padded. The length of an
/// IPv6 jumbogram is in its jumbo payload option (RFC 2675): a wrong value there is an error at the option.
///
/// # Cost
/// O(1): one pass over the headers, a few ns for TCP, UDP and ICMP over either IP with up to two tags.
#[inline]
pub fn summarize(frame: &[u8]) -> Result<Summary, ParseError> {
    quick::summarize(frame)
}

/// Sums up what is good in an Ethernet frame, and says what is not.
///
/// Up to the error everything is as [`summarize`] would have it. Where a datagram is cut off by the end of
/// the frame, as in captures, its transport header is still read if it is there, and the payload is as much
/// as there is. The same holds where an IPv4 or UDP length is 0: a sender's own capture shows segments before
/// the network card cuts them and fills in the lengths (TSO).
///
/// ```
/// use framepool::wire::{Layer, Network, summarize_lax};
///
/// # let frame = framepool::wire::samples::UDP;
/// let (summary, error) = summarize_lax(&frame[..36]);
/// assert_eq!(summary.network(), Network::Ipv4);
/// assert_eq!(error.map(|e| e.layer), Some(Layer::Ipv4));
/// ```
pub fn summarize_lax(frame: &[u8]) -> (Summary, Option<ParseError>) {
    walk::lax(frame)
}

/// [`summarize`] for a datagram without a link layer, as from a tunnel: its first four bits say which IP.
///
/// # Errors
/// As [`summarize`].
pub fn summarize_ip(datagram: &[u8]) -> Result<Summary, ParseError> {
    match walk::lax_ip(datagram) {
        (summary, None) => Ok(summary),
        (_, Some(error)) => Err(error),
    }
}

/// [`summarize_lax`] for a datagram without a link layer.
pub fn summarize_ip_lax(datagram: &[u8]) -> (Summary, Option<ParseError>) {
    walk::lax_ip(datagram)
}

impl Summary {
    /// What the frame begins with.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The network layer.
    pub const fn network(&self) -> Network {
        self.network
    }

    /// The transport layer.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The type behind all tags; what is below 0x600 is a length. 0 where there is no link layer.
    pub const fn ether_type(&self) -> u16 {
        self.ether_type
    }

    /// The IP protocol behind all extension headers; 0 where there is no IP.
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Where the network layer begins: the length of the link layer, tags and labels included.
    pub const fn network_offset(&self) -> usize {
        self.network_offset as usize
    }

    /// Where the transport layer begins, or what is behind the network layer's headers.
    pub const fn transport_offset(&self) -> usize {
        self.transport_offset as usize
    }

    /// Where the payload begins: behind the last header that was parsed.
    pub const fn payload_offset(&self) -> usize {
        self.payload_offset as usize
    }

    /// Bytes of payload, by the headers' lengths: padding is not among them. At most 65,535: a larger payload, of an
    /// IPv6 jumbogram (RFC 2675) or of a frame without IP, shows as that.
    pub const fn payload_len(&self) -> usize {
        self.payload_len as usize
    }

    /// The payload's place in the frame.
    pub const fn payload(&self) -> Range<usize> {
        let start = self.payload_offset as usize;
        start..start + self.payload_len as usize
    }

    /// Bytes of the IP header, options and extension headers included.
    pub const fn network_header_len(&self) -> usize {
        (self.transport_offset as usize).saturating_sub(self.network_offset as usize)
    }

    /// Bytes of the transport header, options included.
    pub const fn transport_header_len(&self) -> usize {
        (self.payload_offset as usize).saturating_sub(self.transport_offset as usize)
    }

    /// Whether it is IPv4 or IPv6.
    pub const fn is_ip(&self) -> bool {
        matches!(self.network, Network::Ipv4 | Network::Ipv6)
    }

    /// Sender: of IP, or of ARP for IPv4 over Ethernet.
    pub const fn src(&self) -> Option<IpAddr> {
        self.address(&self.src)
    }

    /// Receiver: of IP, or of ARP for IPv4 over Ethernet.
    pub const fn dst(&self) -> Option<IpAddr> {
        self.address(&self.dst)
    }

    const fn address(&self, bytes: &[u8; 16]) -> Option<IpAddr> {
        match self.network {
            Network::Ipv6 => Some(IpAddr::V6(Ipv6Addr::from_bits(u128::from_be_bytes(*bytes)))),
            Network::Arp if self.flags & flag::ARP_V4 == 0 => None,
            Network::Ipv4 | Network::Arp => {
                let [a, b, c, d, ..] = *bytes;
                Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
            }
            Network::Unknown => None,
        }
    }

    /// Ports of sender and receiver, of UDP or TCP.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Udp | Transport::Tcp => Some(((self.ports >> 16) as u16, self.ports as u16)),
            _ => None,
        }
    }

    /// Type and code of ICMP or ICMPv6.
    pub const fn icmp(&self) -> Option<(u8, u8)> {
        match self.transport {
            Transport::Icmpv4 | Transport::Icmpv6 => {
                let [kind, code, ..] = self.ports.to_be_bytes();
                Some((kind, code))
            }
            _ => None,
        }
    }

    /// The flags of TCP, FIN lowest: nine bits, as of [`TcpHeader::FIN`](super::TcpHeader::FIN) and the others.
    pub const fn tcp_flags(&self) -> Option<u16> {
        match self.transport {
            Transport::Tcp => {
                let high = (self.flags & flag::TCP_AE) as u16;
                Some(high << 1 | self.tcp_flags as u16)
            }
            _ => None,
        }
    }

    /// How many VLAN tags there are, [`MAX_TAGS`] at most.
    pub const fn tag_count(&self) -> usize {
        self.tag_count as usize
    }

    /// The outermost VLAN tag: priority, drop eligibility and identifier, as on the wire.
    pub const fn outer_tag(&self) -> Option<u16> {
        if self.tag_count > 0 {
            Some(self.tags[0])
        } else {
            None
        }
    }

    /// The second VLAN tag from outside.
    pub const fn inner_tag(&self) -> Option<u16> {
        if self.tag_count > 1 {
            Some(self.tags[1])
        } else {
            None
        }
    }

    /// How many MPLS labels there are, [`MAX_LABELS`] at most.
    pub const fn label_count(&self) -> usize {
        self.label_count as usize
    }

    /// Which extension headers there were.
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Whether it is a part of a datagram only.
    pub const fn is_fragment(&self) -> bool {
        self.fragment & fragment::PART != 0
    }

    /// Its place in the datagram, if it is a fragment.
    pub const fn fragment(&self) -> Option<FragmentInfo> {
        if !self.is_fragment() {
            return None;
        }
        Some(FragmentInfo {
            id: (self.fragment_id_high as u32) << 16 | self.fragment >> 16,
            offset: (self.fragment << 3) as u16,
            more: self.fragment & fragment::MORE != 0,
        })
    }

    /// Whether IPv4 forbids to fragment it.
    pub const fn dont_fragment(&self) -> bool {
        self.fragment & fragment::DONT != 0
    }

    /// Whether the receiver is a group, of IP or, where there is none, of the link layer.
    pub const fn is_multicast(&self) -> bool {
        match self.network {
            Network::Ipv4 => self.dst[0] & 0xF0 == 0xE0,
            Network::Ipv6 => self.dst[0] == 0xFF,
            _ => self.flags & flag::LINK_GROUP != 0,
        }
    }

    /// Whether the link address of the receiver is a group's, the broadcast address included.
    pub const fn is_link_group(&self) -> bool {
        self.flags & flag::LINK_GROUP != 0
    }

    /// Whether there are bytes behind what the headers account for.
    pub const fn is_padded(&self) -> bool {
        self.flags & flag::PADDED != 0
    }

    /// Whether it says what was good before an error.
    pub const fn is_partial(&self) -> bool {
        self.flags & flag::PARTIAL != 0
    }

    /// All of it in words, as a little-endian processor has it in memory: there it is one load.
    #[inline(always)]
    pub(super) fn words(&self) -> [u32; WORDS] {
        let bytes = |a, b, c, d| u32::from_le_bytes([a, b, c, d]);
        let pair = |low: u16, high: u16| u32::from(low) | (u32::from(high) << 16);
        let ([a, b, c, d], [e, f, g, h]) = (quarters(&self.src), quarters(&self.dst));
        let types = bytes(
            self.protocol,
            self.tcp_flags,
            self.flags,
            self.transport as u8,
        );
        let place = u16::from_le_bytes([self.network_offset, self.extensions.0]);
        let counts = bytes(
            self.tag_count,
            self.label_count,
            self.network as u8,
            self.link as u8,
        );
        let [i, j, k, l] = [
            self.ports,
            pair(self.payload_offset, self.payload_len),
            types,
            pair(self.transport_offset, self.ether_type),
        ];
        let [m, n, o] = [
            pair(self.tags[0], self.tags[1]),
            self.fragment,
            pair(self.fragment_id_high, place),
        ];
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, counts]
    }
}

#[inline(always)]
fn quarters(bytes: &[u8; 16]) -> [u32; 4] {
    let quarter =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    [quarter(0), quarter(4), quarter(8), quarter(12)]
}
