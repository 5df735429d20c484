//! The facts of a packet that its user may change.

use bitflags::bitflags;

use crate::wire::{Link, Network, Summary, Transport};

bitflags! {
    /// What is known of a received packet, and what the card is asked to do with a sent one.
    ///
    /// The state of a checksum takes two bits: use [`PacketMeta::ip_checksum`] and [`PacketMeta::transport_checksum`].
    ///
    /// ```
    /// use framepool::packet::PacketFlags;
    ///
    /// let flags = PacketFlags::HASH | PacketFlags::VLAN;
    /// assert!(flags.contains(PacketFlags::HASH));
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct PacketFlags: u32 {
        /// Received: [`vlan`](PacketMeta::vlan) has the tag that the card took out of the frame.
        const VLAN = 1;
        /// Received: [`outer_vlan`](PacketMeta::outer_vlan) has the outer one of two tags that the card took out.
        const OUTER_VLAN = 1 << 1;
        /// Received: [`hash`](PacketMeta::hash) is valid.
        const HASH = 1 << 2;
        /// Received or sent: [`timestamp`](PacketMeta::timestamp) is valid.
        const TIMESTAMP = 1 << 3;
        /// Received: the card merged several segments into this packet (LRO).
        const MERGED = 1 << 4;
        /// Received: the card cut the packet, or an error was reported with it.
        const DAMAGED = 1 << 5;
        /// Received: the checksum of the IPv4 header is right.
        const IP_CHECKSUM_GOOD = 1 << 8;
        /// Received: the checksum of the IPv4 header is wrong.
        const IP_CHECKSUM_BAD = 1 << 9;
        /// Received: the checksum of TCP, UDP or ICMP is right.
        const TRANSPORT_CHECKSUM_GOOD = 1 << 10;
        /// Received: the checksum of TCP, UDP or ICMP is wrong.
        const TRANSPORT_CHECKSUM_BAD = 1 << 11;
        /// To send: insert [`vlan`](PacketMeta::vlan) as a tag.
        const SEND_VLAN = 1 << 16;
        /// To send: insert [`outer_vlan`](PacketMeta::outer_vlan) as the outer tag.
        const SEND_OUTER_VLAN = 1 << 17;
        /// To send: compute the checksum of the IPv4 header.
        const SEND_IP_CHECKSUM = 1 << 18;
        /// To send: compute the checksum of TCP or UDP.
        const SEND_TRANSPORT_CHECKSUM = 1 << 19;
        /// To send: cut the packet into segments of [`segment_size`](PacketMeta::segment_size) bytes (TSO).
        const SEND_SEGMENTED = 1 << 20;
        /// To send: return the time of sending in [`timestamp`](PacketMeta::timestamp), with
        /// [`TIMESTAMP`](Self::TIMESTAMP) set.
        const SEND_TIMESTAMP = 1 << 21;
        /// To send: the network header is that of a packet in a tunnel. [`outer`](PacketMeta::outer) has the headers before
        /// it, and [`hash`](PacketMeta::hash) is not valid. Set by [`set_outer`](PacketMeta::set_outer).
        const SEND_TUNNEL = 1 << 22;
        /// To send: compute the checksum of the outer IPv4 header.
        const SEND_OUTER_IP_CHECKSUM = 1 << 23;
        /// To send: compute the checksum of the outer UDP header.
        const SEND_OUTER_TRANSPORT_CHECKSUM = 1 << 24;
    }
}

impl PacketFlags {
    const IP_CHECKSUM: Self = Self::IP_CHECKSUM_GOOD.union(Self::IP_CHECKSUM_BAD);
    const TRANSPORT_CHECKSUM: Self =
        Self::TRANSPORT_CHECKSUM_GOOD.union(Self::TRANSPORT_CHECKSUM_BAD);
}

#[cfg(feature = "defmt")]
impl defmt::Format for PacketFlags {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "PacketFlags({=u32:#x})", self.bits());
    }
}

/// What is known of a received checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ChecksumState {
    /// Nobody verified it.
    #[default]
    Unknown,
    /// It is right.
    Good,
    /// It is wrong.
    Bad,
    /// There is none, but the data is intact: a packet of a virtual card whose sender left it out.
    None,
}

impl ChecksumState {
    const fn of(good: bool, bad: bool) -> Self {
        match (good, bad) {
            (false, false) => Self::Unknown,
            (true, false) => Self::Good,
            (false, true) => Self::Bad,
            (true, true) => Self::None,
        }
    }

    const fn bits(self) -> (bool, bool) {
        match self {
            Self::Unknown => (false, false),
            Self::Good => (true, false),
            Self::Bad => (false, true),
            Self::None => (true, true),
        }
    }
}

/// What carries a packet in a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Tunnel {
    /// The outer IP header alone.
    #[default]
    Ip,
    /// UDP: VXLAN, Geneve.
    Udp,
    /// GRE, NVGRE.
    Gre,
}

/// The outer headers of a packet that is sent in a tunnel, so that a card finds the inner ones.
///
/// [`PacketMeta::link_len`] is still the offset of the inner network header, with all that precedes it. What DPDK calls
/// `l2_len` is that less both lengths here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OuterHeaders {
    /// Bytes of the outer link layer: the offset of the outer network header.
    pub link_len: u8,
    /// Bytes of the outer network header.
    pub network_len: u16,
    /// What follows the outer network header.
    pub tunnel: Tunnel,
}

/// The layers of a packet in 16 bits: what [`Summary`] says of them.
///
/// ```text
///  15    12 11  10    9         8        7          6         4 3       2 1    0
/// ┌────────┬──────┬─────────┬────────┬──────────┬───────────┬─────────┬──────┐
/// │ 0      │ tags │ partial │ padded │ fragment │ transport │ network │ link │
/// └────────┴──────┴─────────┴────────┴──────────┴───────────┴─────────┴──────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct PacketType(u16);

impl PacketType {
    /// The layers of a summary.
    pub fn of(summary: &Summary) -> Self {
        let tags = summary.tag_count().min(3) as u16;
        Self(
            summary.link() as u16
                | (summary.network() as u16) << 2
                | (summary.transport() as u16) << 4
                | u16::from(summary.is_fragment()) << 7
                | u16::from(summary.is_padded()) << 8
                | u16::from(summary.is_partial()) << 9
                | tags << 10,
        )
    }

    /// The link layer; [`Link::Raw`] if nothing is known.
    pub const fn link(self) -> Link {
        match self.0 & 3 {
            1 => Link::Ethernet,
            2 => Link::Llc,
            3 => Link::Snap,
            _ => Link::Raw,
        }
    }

    /// The network layer.
    pub const fn network(self) -> Network {
        match self.0 >> 2 & 3 {
            1 => Network::Arp,
            2 => Network::Ipv4,
            3 => Network::Ipv6,
            _ => Network::Unknown,
        }
    }

    /// The transport layer.
    pub const fn transport(self) -> Transport {
        match self.0 >> 4 & 7 {
            1 => Transport::Udp,
            2 => Transport::Tcp,
            3 => Transport::Icmpv4,
            4 => Transport::Icmpv6,
            5 => Transport::Fragment,
            _ => Transport::Unknown,
        }
    }

    /// Whether it is a fragment of a datagram.
    pub const fn is_fragment(self) -> bool {
        self.0 >> 7 & 1 != 0
    }

    /// Whether bytes follow the end that the headers state.
    pub const fn is_padded(self) -> bool {
        self.0 >> 8 & 1 != 0
    }

    /// Whether a header is wrong or cut off; what precedes it is known.
    pub const fn is_partial(self) -> bool {
        self.0 >> 9 & 1 != 0
    }

    /// The number of VLAN tags in the frame, at most 3.
    pub const fn tag_count(self) -> usize {
        (self.0 >> 10 & 3) as usize
    }
}

describe!(PacketType as PacketType { link, network, transport, is_fragment, is_padded, is_partial, tag_count });

/// Facts of a packet: those that a card reports, those that it is told, and a word for the user. 40 bytes; all zeros
/// mean that nothing is known.
///
/// A new packet has new facts. Nothing in this crate depends on them.
///
/// ```
/// use framepool::packet::{ChecksumState, PacketFlags, PacketMeta};
///
/// let mut meta = PacketMeta::default();
/// meta.port = 1;
/// meta.hash = 0x5EED;
/// meta.flags |= PacketFlags::HASH;
/// meta.set_ip_checksum(ChecksumState::Good);
/// assert_eq!(meta.ip_checksum(), ChecksumState::Good);
/// assert_eq!(meta.transport_checksum(), ChecksumState::Unknown);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
#[non_exhaustive]
pub struct PacketMeta {
    /// The time of reception or sending, in units of the user's clock; valid with [`PacketFlags::TIMESTAMP`].
    pub timestamp: u64,
    /// A word for the user.
    pub user: u64,
    /// Which of the other fields are valid, and what to do when sending.
    pub flags: PacketFlags,
    /// The hash by which the card chose the queue (RSS). [`set_outer`](Self::set_outer) overwrites it.
    pub hash: u32,
    /// The port: a number of the user's.
    pub port: u16,
    /// The queue of the port.
    pub queue: u16,
    /// Control information (TCI) of a VLAN tag that is not in the frame; the inner one of two.
    pub vlan: u16,
    /// Control information of the outer one of two such tags.
    pub outer_vlan: u16,
    /// The layers.
    pub packet_type: PacketType,
    /// Bytes of the network header, options and extension headers included.
    pub network_len: u16,
    /// Bytes of payload in each packet that a large one is cut into (TSO).
    pub segment_size: u16,
    /// Bytes before the network header, tags, labels and [outer headers](Self::outer) included: its offset.
    pub link_len: u8,
    /// Bytes of the transport header, options included.
    pub transport_len: u8,
}

impl PacketMeta {
    pub(crate) const NEW: Self = Self {
        timestamp: 0,
        user: 0,
        flags: PacketFlags::empty(),
        hash: 0,
        port: 0,
        queue: 0,
        vlan: 0,
        outer_vlan: 0,
        packet_type: PacketType(0),
        network_len: 0,
        segment_size: 0,
        link_len: 0,
        transport_len: 0,
    };

    /// Sets the layers and their lengths. The lengths are those of the summary, so a partial one sets lengths up to its
    /// error.
    ///
    /// ```
    /// use framepool::packet::PacketMeta;
    /// use framepool::wire::{Transport, summarize};
    ///
    /// # let frame = framepool::wire::EXAMPLE_FRAME;
    /// let mut meta = PacketMeta::default();
    /// meta.set_layers(&summarize(frame)?);
    /// assert_eq!(meta.packet_type.transport(), Transport::Udp);
    /// assert_eq!((meta.network_offset(), meta.transport_offset(), meta.payload_offset()), (14, 34, 42));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn set_layers(&mut self, summary: &Summary) {
        self.packet_type = PacketType::of(summary);
        // A summary keeps the offset in a byte.
        self.link_len = summary.network_offset() as u8;
        self.network_len = summary.network_header_len() as u16;
        self.transport_len = summary.transport_header_len().min(u8::MAX as usize) as u8;
    }

    /// The offset of the network header, in bytes from the packet's first.
    pub const fn network_offset(&self) -> usize {
        self.link_len as usize
    }

    /// The offset of the transport header.
    pub const fn transport_offset(&self) -> usize {
        self.network_offset() + self.network_len as usize
    }

    /// The offset of the payload.
    pub const fn payload_offset(&self) -> usize {
        self.transport_offset() + self.transport_len as usize
    }

    /// What is known of the checksum of the IPv4 header.
    pub const fn ip_checksum(&self) -> ChecksumState {
        ChecksumState::of(
            self.flags.contains(PacketFlags::IP_CHECKSUM_GOOD),
            self.flags.contains(PacketFlags::IP_CHECKSUM_BAD),
        )
    }

    /// Sets what is known of the checksum of the IPv4 header.
    pub fn set_ip_checksum(&mut self, state: ChecksumState) {
        let (good, bad) = state.bits();
        self.flags.remove(PacketFlags::IP_CHECKSUM);
        self.flags.set(PacketFlags::IP_CHECKSUM_GOOD, good);
        self.flags.set(PacketFlags::IP_CHECKSUM_BAD, bad);
    }

    /// What is known of the checksum of TCP, UDP or ICMP.
    pub const fn transport_checksum(&self) -> ChecksumState {
        ChecksumState::of(
            self.flags.contains(PacketFlags::TRANSPORT_CHECKSUM_GOOD),
            self.flags.contains(PacketFlags::TRANSPORT_CHECKSUM_BAD),
        )
    }

    /// Sets what is known of the checksum of TCP, UDP or ICMP.
    pub fn set_transport_checksum(&mut self, state: ChecksumState) {
        let (good, bad) = state.bits();
        self.flags.remove(PacketFlags::TRANSPORT_CHECKSUM);
        self.flags.set(PacketFlags::TRANSPORT_CHECKSUM_GOOD, good);
        self.flags.set(PacketFlags::TRANSPORT_CHECKSUM_BAD, bad);
    }

    /// The outer headers, if [`PacketFlags::SEND_TUNNEL`] is set.
    pub const fn outer(&self) -> Option<OuterHeaders> {
        if !self.flags.contains(PacketFlags::SEND_TUNNEL) {
            return None;
        }
        let [tunnel, link_len, network @ ..] = self.hash.to_le_bytes();
        Some(OuterHeaders {
            link_len,
            network_len: u16::from_le_bytes(network),
            tunnel: match tunnel {
                1 => Tunnel::Udp,
                2 => Tunnel::Gre,
                _ => Tunnel::Ip,
            },
        })
    }

    /// Sets the outer headers, and [`PacketFlags::SEND_TUNNEL`]. They take the place of [`hash`](Self::hash):
    /// [`PacketFlags::HASH`] is removed.
    ///
    /// ```
    /// use framepool::packet::{OuterHeaders, PacketFlags, PacketMeta, Tunnel};
    ///
    /// // Ethernet and IPv4 outside, then UDP, VXLAN and the inner Ethernet header.
    /// let outer = OuterHeaders { link_len: 14, network_len: 20, tunnel: Tunnel::Udp };
    /// let mut meta = PacketMeta::default();
    /// meta.set_outer(outer);
    /// meta.link_len = 14 + 20 + 8 + 8 + 14;
    /// meta.flags |= PacketFlags::SEND_IP_CHECKSUM | PacketFlags::SEND_OUTER_IP_CHECKSUM;
    /// assert_eq!((meta.outer(), meta.network_offset()), (Some(outer), 64));
    /// ```
    pub fn set_outer(&mut self, outer: OuterHeaders) {
        let [low, high] = outer.network_len.to_le_bytes();
        self.hash = u32::from_le_bytes([outer.tunnel as u8, outer.link_len, low, high]);
        self.flags.remove(PacketFlags::HASH);
        self.flags.insert(PacketFlags::SEND_TUNNEL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layer_of_a_summary_comes_back() {
        let frame = crate::wire::EXAMPLE_FRAME;
        for cut in 0..=frame.len() {
            let (summary, _) = crate::wire::summarize_lax(&frame[..cut]);
            let kind = PacketType::of(&summary);
            assert_eq!(kind.link(), summary.link());
            assert_eq!(kind.network(), summary.network());
            assert_eq!(kind.transport(), summary.transport());
            assert_eq!(kind.is_partial(), summary.is_partial());
            assert_eq!(kind.is_padded(), summary.is_padded());
            assert_eq!(kind.is_fragment(), summary.is_fragment());
        }
    }

    #[test]
    fn outer_headers_come_back_and_replace_the_hash() {
        let mut meta = PacketMeta::NEW;
        meta.hash = 0x5EED_5EED;
        meta.flags = PacketFlags::HASH | PacketFlags::VLAN;
        assert_eq!(meta.outer(), None);
        for tunnel in [Tunnel::Ip, Tunnel::Udp, Tunnel::Gre] {
            for (link_len, network_len) in [(0, 0), (14, 20), (255, 0xFFFF), (18, 0x0102)] {
                let outer = OuterHeaders {
                    link_len,
                    network_len,
                    tunnel,
                };
                meta.set_outer(outer);
                assert_eq!(meta.outer(), Some(outer));
            }
        }
        assert_eq!(meta.flags, PacketFlags::SEND_TUNNEL | PacketFlags::VLAN);
    }

    #[test]
    fn checksum_states_do_not_touch_each_other() {
        use ChecksumState::*;
        let mut meta = PacketMeta::NEW;
        for ip in [Unknown, Good, Bad, None] {
            for transport in [Unknown, Good, Bad, None] {
                meta.set_ip_checksum(ip);
                meta.set_transport_checksum(transport);
                assert_eq!(
                    (meta.ip_checksum(), meta.transport_checksum()),
                    (ip, transport)
                );
            }
        }
    }
}
