//! Packet summaries: what a network card would report about a frame, in one cache line.
//!
//! ```text
//!  frame   | Ethernet | tags | IP, extensions | UDP, TCP, ICMP | payload      | padding |
//!          0          ^      ^                ^                ^              ^         frame.len()
//!          |          14     network_offset   transport_offset payload_offset + payload_len
//!
//!                 | network_header | transport_header | payload |
//!                                  |<---- message ----->|
//!
//!  Summary | src 16 | dst 16 | ports, offsets, tags, types, flags 32 |   64 bytes, Copy
//! ```
//!
//! The work is bounded: a parser follows at most [`MAX_TAGS`] VLAN tags, [`MAX_LABELS`] MPLS labels and
//! [`MAX_EXTENSIONS`] extension headers.

// `quick.rs` reads the usual frames without branches, `walk.rs` all others and every error.

mod burst;
mod fields;
mod quick;
mod swap;
mod verify;
mod walk;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;

pub use burst::summarize_burst;
pub use fields::{Extensions, FragmentInfo, Link, Network, Transport};
use fields::{flag, fragment};

use crate::wire::error::ParseError;

/// The size of a summary in words of 32 bits.
pub(super) const WORDS: usize = size_of::<Summary>() / size_of::<u32>();
/// The maximum number of VLAN tags that are followed. Two of them are kept.
pub const MAX_TAGS: usize = 8;
/// The maximum number of MPLS labels that are followed.
pub const MAX_LABELS: usize = 8;
/// The maximum number of extension headers that are followed.
pub const MAX_EXTENSIONS: usize = 8;

/// Layers, offsets, lengths, addresses and ports of one frame.
///
/// Made by [`summarize`] and the functions like it. Everything in it comes from complete headers with consistent
/// lengths. Offsets count from the frame's first byte. [`verify`](Self::verify) verifies the checksums.
///
/// ```
/// use framepool::wire::{Transport, summarize};
///
/// # let frame = framepool::wire::EXAMPLE_FRAME;
/// let summary = summarize(frame)?;
/// assert_eq!(summary.transport(), Transport::Udp);
/// assert_eq!(summary.ports(), Some((4660, 26400)));
/// assert_eq!(&frame[summary.payload()], b"tick");
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct Summary {
    /// In network order. An IPv4 address is in the first four bytes; the others are zero.
    src: [u8; 16],
    dst: [u8; 16],
    /// One number: the sender's in the upper half, the receiver's in the lower. ICMP: type, code, zeros.
    ports: u32,
    payload_offset: u16,
    payload_len: u16,
    protocol: u8,
    /// The lower eight flags; the ninth is in `flags`.
    tcp_flags: u8,
    flags: u8,
    transport: Transport,
    // The fields from here on are the same in nearly all frames, so constants are stored at once.
    transport_offset: u16,
    ether_type: u16,
    /// Control information (TCI) of the two outermost tags.
    tags: [u16; 2],
    /// As in IPv4: the lower 16 bits of the identification, then flags and offset.
    fragment: u32,
    /// The upper 16 bits of the identification in IPv6.
    fragment_id_high: u16,
    network_offset: u8,
    extensions: Extensions,
    tag_count: u8,
    label_count: u8,
    network: Network,
    // Last, so that its unused values can mark an error: `Result<Summary, ParseError>` is not larger than a summary.
    link: Link,
}

describe!(Summary as Summary {
    link, network, transport, ether_type, protocol, src, dst, ports, icmp, outer_tag, extensions, fragment,
    network_offset, transport_offset, payload,
});

const _: () = assert!(size_of::<Summary>() == 64 && size_of::<Result<Summary, ParseError>>() == 64);

/// Summarizes an Ethernet frame without its frame check sequence.
///
/// An unknown type or protocol is not an error: what follows it is payload.
///
/// # Errors
/// The first wrong header: its [`Layer`](super::Layer), the offset, and how many bytes were needed and available. A
/// datagram longer than the frame is an error; a frame longer than its datagram is padded. The length of an IPv6
/// jumbogram is in its jumbo payload option (RFC 2675): a wrong value there is an error at the option.
///
/// # Cost
/// O(1): one pass over the headers. A few ns for TCP, UDP and ICMP over either IP with up to two tags.
#[inline]
pub fn summarize(frame: &[u8]) -> Result<Summary, ParseError> {
    quick::summarize(frame)
}

/// Summarizes an Ethernet frame up to its first error, and returns that error too.
///
/// Up to the error the result is the same as that of [`summarize`]. If the end of the frame cuts off a datagram, as
/// in captures, its transport header is still read if it is complete, and the payload ends with the frame. The same
/// is true if an IPv4 or UDP length is 0: a sender's own capture shows segments before the network card cuts them and
/// fills in the lengths (TSO).
///
/// ```
/// use framepool::wire::{Layer, Network, summarize_lax};
///
/// # let frame = framepool::wire::EXAMPLE_FRAME;
/// let (summary, error) = summarize_lax(&frame[..36]);
/// assert_eq!(summary.network(), Network::Ipv4);
/// assert_eq!(error.map(|e| e.layer), Some(Layer::Ipv4));
/// ```
pub fn summarize_lax(frame: &[u8]) -> (Summary, Option<ParseError>) {
    walk::lax(frame)
}

/// [`summarize`] for a datagram without a link layer, such as one from a tunnel. The IP version is in its first four
/// bits.
///
/// # Errors
/// The same as [`summarize`].
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
    /// The link layer.
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

    /// The type after all tags; a value below 0x600 is a length. 0 without a link layer.
    pub const fn ether_type(&self) -> u16 {
        self.ether_type
    }

    /// The IP protocol after all extension headers; 0 without IP.
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Offset of the network layer: the length of the link layer, tags and labels included.
    pub const fn network_offset(&self) -> usize {
        self.network_offset as usize
    }

    /// Offset of the transport layer, or of what follows the headers of the network layer.
    pub const fn transport_offset(&self) -> usize {
        self.transport_offset as usize
    }

    /// Offset of the payload, which follows the last parsed header.
    pub const fn payload_offset(&self) -> usize {
        self.payload_offset as usize
    }

    /// Bytes of payload according to the headers, without padding. At most 65,535, also for a larger payload: that of
    /// an IPv6 jumbogram (RFC 2675) or of a frame without IP.
    pub const fn payload_len(&self) -> usize {
        self.payload_len as usize
    }

    /// The range of the payload in the frame.
    pub const fn payload(&self) -> Range<usize> {
        let start = self.payload_offset as usize;
        start..start + self.payload_len as usize
    }

    /// The range of the headers of the network layer in the frame, options and extension headers included.
    ///
    /// What the network layer carries follows. Its end is not in the summary: bytes may follow a UDP datagram that is
    /// shorter than its IP datagram (RFC 9868). The views of IP take all bytes from the start of this range.
    ///
    /// ```
    /// use framepool::wire::{Ipv4, summarize};
    ///
    /// # let frame = framepool::wire::EXAMPLE_FRAME;
    /// let summary = summarize(frame)?;
    /// assert_eq!(summary.network_header(), 14..34);
    /// let ip = Ipv4::new_checked(&frame[summary.network_header().start..])?;
    /// assert_eq!(ip.ttl(), 16);
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub const fn network_header(&self) -> Range<usize> {
        self.network_offset as usize..self.transport_offset as usize
    }

    /// The range of the header of the transport layer in the frame, options included. Empty if there is none.
    pub const fn transport_header(&self) -> Range<usize> {
        self.transport_offset as usize..self.payload_offset as usize
    }

    /// The range of the transport layer in the frame: its header and its payload, without padding. The views of UDP,
    /// TCP and ICMP take these bytes. Like the [payload](Self::payload_len), it is too short in a jumbogram.
    ///
    /// ```
    /// use framepool::wire::{Udp, summarize};
    ///
    /// # let frame = framepool::wire::EXAMPLE_FRAME;
    /// let summary = summarize(frame)?;
    /// assert_eq!((summary.transport_header(), summary.message()), (34..42, 34..46));
    /// let udp = Udp::new_checked(&frame[summary.message()])?;
    /// assert_eq!((udp.dst_port(), udp.payload()), (26400, &b"tick"[..]));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub const fn message(&self) -> Range<usize> {
        self.transport_offset as usize..self.payload().end
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

    /// The sender's address: of IP, or of ARP for IPv4 over Ethernet.
    pub const fn src(&self) -> Option<IpAddr> {
        self.address(&self.src)
    }

    /// The receiver's address: of IP, or of ARP for IPv4 over Ethernet.
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

    /// The ports of sender and receiver in UDP or TCP.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self.transport {
            Transport::Udp | Transport::Tcp => Some(((self.ports >> 16) as u16, self.ports as u16)),
            _ => None,
        }
    }

    /// The type and code of ICMP or ICMPv6.
    pub const fn icmp(&self) -> Option<(u8, u8)> {
        match self.transport {
            Transport::Icmpv4 | Transport::Icmpv6 => {
                let [kind, code, ..] = self.ports.to_be_bytes();
                Some((kind, code))
            }
            _ => None,
        }
    }

    /// The nine flags of TCP: [`TcpHeader::FIN`](super::TcpHeader::FIN) and the others.
    pub const fn tcp_flags(&self) -> Option<u16> {
        match self.transport {
            Transport::Tcp => {
                let high = (self.flags & flag::TCP_AE) as u16;
                Some(high << 1 | self.tcp_flags as u16)
            }
            _ => None,
        }
    }

    /// The number of VLAN tags, at most [`MAX_TAGS`].
    pub const fn tag_count(&self) -> usize {
        self.tag_count as usize
    }

    /// The outermost VLAN tag: priority, drop eligibility and identifier in 16 bits.
    pub const fn outer_tag(&self) -> Option<u16> {
        if self.tag_count > 0 {
            Some(self.tags[0])
        } else {
            None
        }
    }

    /// The second outermost VLAN tag.
    pub const fn inner_tag(&self) -> Option<u16> {
        if self.tag_count > 1 {
            Some(self.tags[1])
        } else {
            None
        }
    }

    /// The number of MPLS labels, at most [`MAX_LABELS`].
    pub const fn label_count(&self) -> usize {
        self.label_count as usize
    }

    /// The extension headers.
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Whether it is a fragment of a datagram.
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

    /// Whether its IPv4 header forbids fragmentation.
    pub const fn dont_fragment(&self) -> bool {
        self.fragment & fragment::DONT != 0
    }

    /// Whether the receiver is a group: of IP, or of the link layer if there is no IP.
    pub const fn is_multicast(&self) -> bool {
        match self.network {
            Network::Ipv4 => self.dst[0] & 0xF0 == 0xE0,
            Network::Ipv6 => self.dst[0] == 0xFF,
            _ => self.flags & flag::LINK_GROUP != 0,
        }
    }

    /// Whether the receiver's link address is a group address; broadcast is one.
    pub const fn is_link_group(&self) -> bool {
        self.flags & flag::LINK_GROUP != 0
    }

    /// Whether bytes follow the end that the headers state.
    pub const fn is_padded(&self) -> bool {
        self.flags & flag::PADDED != 0
    }

    /// Whether there was an error; the summary then holds what came before it.
    pub const fn is_partial(&self) -> bool {
        self.flags & flag::PARTIAL != 0
    }

    /// The summary as words. They are in the order of a little-endian processor's memory, which copies them at once.
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
