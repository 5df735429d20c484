//! Frames turned around in place: both ends swapped, an echo request made its reply.

use core::net::IpAddr;

use super::{Link, Network, Summary, Transport, flag, summarize, summarize_ip};
use crate::wire::error::{Layer, ParseError, Reason};
use crate::wire::view::{get, get8, part_mut, put};
use crate::wire::{icmp, ipv4};

/// The hop limit of a reply: the default that RFC 1700 sets for IP.
const HOPS: u8 = 64;

impl Summary {
    /// Swaps source and destination of the summarized frame: the addresses of Ethernet, the addresses of IP, and the
    /// ports of UDP and TCP. The summary is then that of the changed frame.
    ///
    /// Every checksum stays as right as it was. It is a sum over both addresses and both ports, and the order does not
    /// matter (RFC 1071). So no checksum is read or written, a fragment is swapped like the whole datagram, and a
    /// second call restores the frame. In a frame without IP, such as ARP, only the Ethernet addresses are
    /// swapped.
    ///
    /// Hop limit and payload do not change. The integrity value of an authentication header (RFC 4302) becomes wrong:
    /// it is not a sum, and covers the addresses. If the frame was sent to a group, its source is now a group, which
    /// no station may use: see [`is_multicast`](Self::is_multicast) and [`is_link_group`](Self::is_link_group).
    ///
    /// # Errors
    /// The frame and the summary are then unchanged.
    /// - [`Reason::Truncated`] if `frame` ends before the payload.
    /// - [`Reason::Rerouted`] if a source route or a home address replaces an address of the header, be it
    ///   the same one: see [`verify`](Self::verify). Such a frame has to take its route back.
    /// - [`Reason::Unverifiable`] if such a route is damaged or unknown.
    /// - The error of [`summarize`] if the summary is partial and has no transport layer.
    ///
    /// # Cost
    /// O(1): two loads and two stores for each layer.
    ///
    /// ```
    /// use framepool::wire::summarize;
    ///
    /// # let mut frame = framepool::wire::EXAMPLE_FRAME.to_vec();
    /// let mut summary = summarize(&frame)?;
    /// assert_eq!(summary.ports(), Some((4660, 26400)));
    /// summary.swap_ends(&mut frame)?;
    /// assert_eq!(summary.ports(), Some((26400, 4660)));
    /// assert_eq!(summary, summarize(&frame)?);
    /// assert!(summary.verify(&frame).is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn swap_ends(&mut self, frame: &mut [u8]) -> Result<(), ParseError> {
        self.complete(frame)?;
        let headers = self.headers_mut(frame)?;
        self.refuse_other_ends(headers)?;
        self.swap(headers);
        Ok(())
    }

    /// Turns an echo request of ICMP or ICMPv6 into its reply: [swaps the ends](Self::swap_ends), changes the type and
    /// updates the checksum. The hop limit becomes 64, since that of the request may be used up. The summary is then
    /// that of the reply.
    ///
    /// The caller decides whether the request is for it (by [`dst`](Self::dst)), and whether its checksum is right
    /// (by [`verify`](Self::verify)): a wrong one stays wrong.
    ///
    /// # Errors
    /// Those of [`swap_ends`](Self::swap_ends), and the following. The frame and the summary are then unchanged.
    /// - [`Reason::UnknownType`] if it is not an echo request, which a later fragment is not.
    /// - [`Reason::BadValue`] at the header of IP if it is the first fragment of one.
    /// - [`Reason::NotUnicast`] if either end is not one host: a group, a broadcast or the unspecified address.
    ///
    /// # Cost
    /// O(1).
    ///
    /// ```
    /// use framepool::wire::{Icmpv4, Icmpv4Header, Ipv4, Ipv4Header, summarize_ip};
    ///
    /// let mut ping = [0; 32];
    /// let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    /// Ipv4Header { total_len: 32, protocol: 1, src, dst, ..Ipv4Header::default() }.emit(&mut ping)?;
    /// Ipv4::new_checked(&mut ping)?.fill_checksum();
    /// Icmpv4Header { kind: 8, code: 0, checksum: 0, rest: [0, 1, 0, 7] }.emit(&mut ping[20..])?;
    /// Icmpv4::new_checked(&mut ping[20..])?.fill_checksum();
    ///
    /// let mut summary = summarize_ip(&ping)?;
    /// summary.echo_reply(&mut ping)?;
    /// assert_eq!((summary.icmp(), summary.src()), (Some((0, 0)), Some(dst.into())));
    /// assert!(summary.verify(&ping).is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn echo_reply(&mut self, frame: &mut [u8]) -> Result<(), ParseError> {
        self.complete(frame)?;
        let kind = self.reply_kind()?;
        let headers = self.headers_mut(frame)?;
        self.refuse_other_ends(headers)?;
        self.swap(headers);
        let message = part_mut(headers, self.transport_offset(), usize::MAX);
        icmp::change_kind(message, kind);
        let ip = part_mut(headers, self.network_offset(), usize::MAX);
        match self.network {
            Network::Ipv4 => ipv4::change_ttl(ip, HOPS),
            _ => put(ip, 7, [HOPS]),
        }
        self.ports = u32::from(kind) << 24 | self.ports & 0xFF_FFFF;
        Ok(())
    }

    /// An error if headers are missing in the summary.
    fn complete(&self, frame: &[u8]) -> Result<(), ParseError> {
        if self.is_partial() && self.transport == Transport::Unknown {
            return Err(self.what_is_missing(frame));
        }
        Ok(())
    }

    #[cold]
    fn what_is_missing(&self, frame: &[u8]) -> ParseError {
        let again = match self.link {
            Link::Raw => summarize_ip(frame),
            _ => summarize(frame),
        };
        let end = self.payload_offset();
        let missing = ParseError::truncated(self.layer(), end, 1, 0);
        again.err().unwrap_or(missing)
    }

    /// The type of the reply, if it is an echo request from one host to one host.
    fn reply_kind(&self) -> Result<u8, ParseError> {
        let (kind, [src, dst]) = match (self.transport, self.icmp()) {
            (Transport::Icmpv4, Some((8, _))) => (0, [12, 16]),
            (Transport::Icmpv6, Some((128, _))) => (129, [8, 24]),
            _ => return Err(self.not_an_echo()),
        };
        let error = |reason, field| {
            let at = self.network_offset() + field;
            ParseError::new(self.network_layer(), reason, at)
        };
        if self.is_fragment() {
            let found = self.fragment & 0xFFFF;
            Err(error(Reason::BadValue { found }, 0))
        } else if !is_one_host(self.src()) {
            Err(error(Reason::NotUnicast, src))
        } else if !is_one_host(self.dst()) {
            Err(error(Reason::NotUnicast, dst))
        } else if self.is_link_group() {
            Err(ParseError::new(Layer::Ethernet, Reason::NotUnicast, 0))
        } else {
            Ok(kind)
        }
    }

    #[cold]
    fn not_an_echo(&self) -> ParseError {
        let (layer, found, at) = match self.icmp() {
            Some((kind, _)) => (self.layer(), kind.into(), self.transport_offset()),
            None if self.is_ip() => {
                let found = self.protocol.into();
                (self.network_layer(), found, self.network_offset())
            }
            None => (
                self.network_layer(),
                self.ether_type.into(),
                self.network_offset(),
            ),
        };
        ParseError::new(layer, Reason::UnknownType { found }, at)
    }

    /// An error if the packet's ends are not the addresses of its header, or are not known.
    fn refuse_other_ends(&self, headers: &[u8]) -> Result<(), ParseError> {
        if self.has_own_ends(headers)? {
            return Ok(());
        }
        let at = self.network_offset();
        Err(ParseError::new(self.network_layer(), Reason::Rerouted, at))
    }

    /// The last layer that the summary knows.
    const fn layer(&self) -> Layer {
        match self.transport {
            Transport::Udp => Layer::Udp,
            Transport::Tcp => Layer::Tcp,
            Transport::Icmpv4 => Layer::Icmpv4,
            Transport::Icmpv6 => Layer::Icmpv6,
            Transport::Fragment | Transport::Unknown => self.network_layer(),
        }
    }

    const fn network_layer(&self) -> Layer {
        match self.network {
            Network::Ipv4 => Layer::Ipv4,
            Network::Ipv6 => Layer::Ipv6,
            Network::Arp => Layer::Arp,
            Network::Unknown => Layer::Ethernet,
        }
    }

    /// All headers, up to the payload.
    fn headers_mut<'f>(&self, frame: &'f mut [u8]) -> Result<&'f mut [u8], ParseError> {
        let (end, len) = (self.payload_offset(), frame.len());
        let headers = frame.get_mut(..end);
        headers.ok_or_else(|| ParseError::truncated(self.layer(), 0, end, len))
    }

    /// Swaps the ends in the headers and in the summary of them.
    fn swap(&mut self, headers: &mut [u8]) {
        if self.link != Link::Raw {
            swap_pair::<6>(headers, 0);
            self.flags = self.flags & !flag::LINK_GROUP | get8(headers, 0) & flag::LINK_GROUP;
        }
        let ip = self.network_offset();
        match self.network {
            Network::Ipv4 => swap_pair::<4>(headers, ip + 12),
            Network::Ipv6 => swap_pair::<16>(headers, ip + 8),
            Network::Arp | Network::Unknown => return,
        }
        core::mem::swap(&mut self.src, &mut self.dst);
        if let Transport::Udp | Transport::Tcp = self.transport {
            swap_pair::<2>(headers, self.transport_offset());
            self.ports = self.ports.rotate_left(16);
        }
    }
}

/// Swaps `N` bytes at `at` and the `N` bytes after them.
#[inline(always)]
fn swap_pair<const N: usize>(bytes: &mut [u8], at: usize) {
    let (first, second): ([u8; N], [u8; N]) = (get(bytes, at), get(bytes, at + N));
    put(bytes, at, second);
    put(bytes, at + N, first);
}

fn is_one_host(address: Option<IpAddr>) -> bool {
    match address {
        Some(IpAddr::V4(v4)) => !(v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified()),
        Some(IpAddr::V6(v6)) => !(v6.is_multicast() || v6.is_unspecified()),
        None => false,
    }
}
