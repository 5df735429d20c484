//! The general path: one layer after the other, with every check in its place. It reads the frames that
//! [`quick`](super::quick) does not read, and finds every error.

use super::{
    Extensions, Link, MAX_EXTENSIONS, MAX_LABELS, MAX_TAGS, Network, Summary, Transport, flag,
    fragment,
};
use crate::wire::error::{Layer, ParseError, Reason};
use crate::wire::ipv6_extension::{header_len, jumbo_length};

mod number {
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMPV4: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ROUTING: u8 = 43;
    pub const FRAGMENT: u8 = 44;
    pub const ESP: u8 = 50;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const DESTINATION: u8 = 60;
}

/// The first layer of a walk.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Ethernet,
    Ip,
}

/// The layer that a type or protocol announces.
enum Next {
    Ipv4,
    Ipv6,
    Transport(u8),
    Nothing,
}

/// Writes the result to its place: a summary is too large to be moved needlessly.
#[inline(never)]
pub(super) fn strict_to(frame: &[u8], result: &mut Result<Summary, ParseError>) {
    *result = Ok(Summary::default());
    let error = match result {
        Ok(found) => Walk::new(frame, found).go(First::Ethernet),
        Err(_) => None,
    };
    if let Some(error) = error {
        *result = Err(error);
    }
}

pub(super) fn strict(frame: &[u8]) -> Result<Summary, ParseError> {
    let mut result = Ok(Summary::default());
    strict_to(frame, &mut result);
    result
}

pub(super) fn lax(frame: &[u8]) -> (Summary, Option<ParseError>) {
    let mut found = Summary::default();
    let error = Walk::new(frame, &mut found).go(First::Ethernet);
    (found, error)
}

pub(super) fn lax_ip(datagram: &[u8]) -> (Summary, Option<ParseError>) {
    let mut found = Summary::default();
    let error = Walk::new(datagram, &mut found).go(First::Ip);
    (found, error)
}

/// A walk from header to header. `at` is the offset of the next header, `end` the end that the headers so far state:
/// `at <= end <= frame.len()`.
struct Walk<'a> {
    frame: &'a [u8],
    at: usize,
    end: usize,
    found: &'a mut Summary,
    /// The error of the first length that exceeds the frame or is impossible. The lax forms continue after it.
    cut: Option<ParseError>,
    /// Whether the length is in the hop-by-hop options (RFC 2675).
    is_jumbo: bool,
}

type Step = Result<(), ParseError>;

impl<'a> Walk<'a> {
    fn new(frame: &'a [u8], found: &'a mut Summary) -> Self {
        Self {
            frame,
            at: 0,
            end: frame.len(),
            found,
            cut: None,
            is_jumbo: false,
        }
    }

    #[inline(always)]
    fn go(mut self, first: First) -> Option<ParseError> {
        let stopped = self.steps(first).err();
        let error = self.cut.or(stopped);
        if error.is_some() {
            self.found.flags |= flag::PARTIAL;
        }
        if self.end < self.frame.len() {
            self.found.flags |= flag::PADDED;
        }
        self.payload();
        error
    }

    /// Calls each step once, so that all become one function with its state in registers.
    #[inline(always)]
    fn steps(&mut self, first: First) -> Step {
        let network = match first {
            First::Ethernet => self.ethernet()?,
            First::Ip => self.any_ip(Layer::Ipv4),
        };
        let next = match network {
            Next::Ipv4 => self.ipv4()?,
            Next::Ipv6 => self.ipv6()?,
            other => other,
        };
        match next {
            Next::Transport(protocol) => self.transport(protocol),
            _ => Ok(()),
        }
    }

    /// The rest, up to `end`, is payload.
    #[inline(always)]
    fn payload(&mut self) {
        let left = self.end.saturating_sub(self.at);
        self.found.payload_offset = narrow(self.at);
        self.found.payload_len = narrow(left);
        if self.found.transport == Transport::Unknown {
            self.found.transport_offset = narrow(self.at);
        }
    }

    #[inline(always)]
    fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// The first `N` bytes of a header, without moving on.
    #[inline(always)]
    fn peek<const N: usize>(&self, layer: Layer) -> Result<&'a [u8; N], ParseError> {
        let bytes = self.frame.get(self.at..self.end);
        match bytes.and_then(|bytes| bytes.first_chunk()) {
            Some(head) => Ok(head),
            None => Err(self.truncated(layer, N)),
        }
    }

    #[cold]
    fn truncated(&self, layer: Layer, needed: usize) -> ParseError {
        ParseError::truncated(layer, self.at, needed, self.left())
    }

    /// An error of the length at byte `field` of a header.
    // A call would need the walk's state in memory.
    #[inline(always)]
    fn bad_length(
        &self,
        layer: Layer,
        field: usize,
        stated: usize,
        least: usize,
        most: usize,
    ) -> ParseError {
        ParseError::bad_length(layer, self.at + field, stated, least, most)
    }

    #[inline(always)]
    fn too_deep(&self, layer: Layer, limit: usize) -> ParseError {
        let limit = limit as u32;
        ParseError::new(layer, Reason::TooDeep { limit }, self.at)
    }

    /// Moves past a header of that many bytes.
    #[inline(always)]
    fn pass(&mut self, layer: Layer, bytes: usize) -> Step {
        if bytes > self.left() {
            return Err(self.truncated(layer, bytes));
        }
        self.at += bytes;
        Ok(())
    }

    /// Sets the end to `stated` bytes from here. If there are fewer, notes the error, and the lax forms use those.
    #[inline(always)]
    fn bound(&mut self, layer: Layer, stated: usize) {
        let left = self.left();
        if stated <= left {
            self.end = self.at + stated;
        } else if self.cut.is_none() {
            self.cut = Some(self.truncated(layer, stated));
        }
    }

    #[inline(always)]
    fn ethernet(&mut self) -> Result<Next, ParseError> {
        let head: &[u8; 14] = self.peek(Layer::Ethernet)?;
        self.found.link = Link::Ethernet;
        self.found.flags = head[0] & flag::LINK_GROUP;
        self.at += 14;
        self.by_type(u16::from_be_bytes([head[12], head[13]]), Layer::Ethernet)
    }

    /// Continues at the layer that a type or length announces.
    #[inline(always)]
    fn by_type(&mut self, mut ether_type: u16, mut layer: Layer) -> Result<Next, ParseError> {
        loop {
            self.found.ether_type = ether_type;
            self.found.network_offset = self.at as u8;
            match ether_type {
                0x0800 => return Ok(Next::Ipv4),
                0x86DD => return Ok(Next::Ipv6),
                0x0806 => return self.arp().map(|()| Next::Nothing),
                0x8100 | 0x88A8 | 0x9100 => {
                    ether_type = self.tag()?;
                    layer = Layer::Vlan;
                }
                0x8847 | 0x8848 => return self.labels(),
                0..=0x5FF if self.found.link == Link::Ethernet => {
                    match self.llc(ether_type, layer)? {
                        Some(next) => {
                            ether_type = next;
                            layer = Layer::Snap;
                        }
                        None => return Ok(Next::Nothing),
                    }
                }
                _ => return Ok(Next::Nothing),
            }
        }
    }

    /// Reads a VLAN tag and returns the type after it.
    #[inline(always)]
    fn tag(&mut self) -> Result<u16, ParseError> {
        let count = usize::from(self.found.tag_count);
        if count >= MAX_TAGS {
            return Err(self.too_deep(Layer::Vlan, MAX_TAGS));
        }
        let &[a, b, c, d] = self.peek(Layer::Vlan)?;
        if let Some(tag) = self.found.tags.get_mut(count) {
            *tag = u16::from_be_bytes([a, b]);
        }
        self.found.tag_count += 1;
        self.at += 4;
        Ok(u16::from_be_bytes([c, d]))
    }

    /// Reads LLC after a length and returns the type after SNAP, if it is a type of Ethernet.
    #[inline(always)]
    fn llc(&mut self, len: u16, layer: Layer) -> Result<Option<u16>, ParseError> {
        if len > 1500 {
            let field = self.at - 2;
            return Err(ParseError::bad_length(layer, field, len.into(), 3, 1500));
        }
        self.found.link = Link::Llc;
        self.bound(layer, len.into());
        let &[dsap, ssap, control] = self.peek(Layer::Llc)?;
        if [dsap, ssap, control] != [0xAA, 0xAA, 3] {
            // The control field of a numbered frame has two bytes.
            return self
                .pass(Layer::Llc, if control & 3 == 3 { 3 } else { 4 })
                .map(|()| None);
        }
        self.at += 3;
        let &[a, b, c, d, e] = self.peek(Layer::Snap)?;
        self.found.link = Link::Snap;
        self.at += 5;
        let next = u16::from_be_bytes([d, e]);
        Ok(([a, b, c] == [0; 3] && next >= 0x600).then_some(next))
    }

    /// Reads MPLS labels up to the bottom of the stack. No field names what follows; its first bits tell IP versions.
    #[inline(always)]
    fn labels(&mut self) -> Result<Next, ParseError> {
        loop {
            if usize::from(self.found.label_count) >= MAX_LABELS {
                return Err(self.too_deep(Layer::Mpls, MAX_LABELS));
            }
            let entry: &[u8; 4] = self.peek(Layer::Mpls)?;
            self.found.label_count += 1;
            self.at += 4;
            self.found.network_offset = self.at as u8;
            if entry[2] & 1 != 0 {
                break;
            }
        }
        Ok(self.any_ip(Layer::Mpls))
    }

    #[inline(always)]
    fn arp(&mut self) -> Step {
        let head: &[u8; 8] = self.peek(Layer::Arp)?;
        let len = 8 + 2 * (usize::from(head[4]) + usize::from(head[5]));
        if len > self.left() {
            return Err(self.truncated(Layer::Arp, len));
        }
        self.found.network = Network::Arp;
        if head[..6] == [0, 1, 8, 0, 6, 4] {
            let whole: &[u8; 28] = self.peek(Layer::Arp)?;
            self.found.flags |= flag::ARP_V4;
            self.found.src = widen([whole[14], whole[15], whole[16], whole[17]]);
            self.found.dst = widen([whole[24], whole[25], whole[26], whole[27]]);
        }
        self.at += len;
        self.end = self.at;
        Ok(())
    }

    /// The IP version by its first bits. A frame without a link layer must be IP: IPv4 then reports the error.
    #[inline(always)]
    fn any_ip(&mut self, layer: Layer) -> Next {
        match self.peek::<1>(layer) {
            Ok(&[first]) if first >> 4 == 6 => Next::Ipv6,
            Ok(&[first]) if first >> 4 == 4 => Next::Ipv4,
            _ if layer == Layer::Ipv4 => Next::Ipv4,
            _ => Next::Nothing,
        }
    }

    #[inline(always)]
    fn ipv4(&mut self) -> Result<Next, ParseError> {
        let &[first] = self.peek(Layer::Ipv4)?;
        let start = self.at;
        if first >> 4 != 4 {
            return Err(bad_version(Layer::Ipv4, start, first));
        }
        let header_len = usize::from(first & 0xF) * 4;
        let head: &[u8; 20] = self.peek(Layer::Ipv4)?;
        if header_len < 20 {
            return Err(self.bad_length(Layer::Ipv4, 0, header_len, 20, 60));
        }
        let total_len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if total_len == 0 {
            // The network card cuts segments of its own host (TSO) and fills in the lengths.
            let error = without_length(Layer::Ipv4, start + 2, header_len, u16::MAX.into());
            self.cut = self.cut.or(Some(error));
        } else if total_len < header_len {
            let most = usize::from(u16::MAX);
            return Err(self.bad_length(Layer::Ipv4, 2, total_len, header_len, most));
        }
        if header_len > self.left() {
            return Err(self.truncated(Layer::Ipv4, header_len));
        }
        self.found.network = Network::Ipv4;
        self.found.src = widen([head[12], head[13], head[14], head[15]]);
        self.found.dst = widen([head[16], head[17], head[18], head[19]]);
        self.found.protocol = head[9];
        if total_len != 0 {
            self.bound(Layer::Ipv4, total_len);
        }
        self.at += header_len;
        self.ipv4_fragment(head);
        self.after_ipv4(head[9])
    }

    #[inline(always)]
    fn ipv4_fragment(&mut self, head: &[u8; 20]) {
        self.found.fragment = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    }

    /// The authentication header is the only extension header of IPv4.
    #[inline(always)]
    fn after_ipv4(&mut self, mut protocol: u8) -> Result<Next, ParseError> {
        if self.is_later_fragment() {
            return Ok(Next::Nothing);
        }
        for index in 0..=MAX_EXTENSIONS {
            if protocol != number::AUTHENTICATION {
                return Ok(Next::Transport(protocol));
            }
            if index == MAX_EXTENSIONS {
                break;
            }
            protocol = self.authentication()?;
            self.found.protocol = protocol;
        }
        Err(self.too_deep(Layer::Authentication, MAX_EXTENSIONS))
    }

    #[inline(always)]
    fn ipv6(&mut self) -> Result<Next, ParseError> {
        let &[first] = self.peek(Layer::Ipv6)?;
        if first >> 4 != 6 {
            return Err(bad_version(Layer::Ipv6, self.at, first));
        }
        let head: &[u8; 40] = self.peek(Layer::Ipv6)?;
        let total_len = 40 + usize::from(u16::from_be_bytes([head[4], head[5]]));
        let (src, dst) = (head[8..].first_chunk(), head[24..].first_chunk());
        self.found.network = Network::Ipv6;
        self.found.src = src.copied().unwrap_or_default();
        self.found.dst = dst.copied().unwrap_or_default();
        self.found.protocol = head[6];
        if head[6] == number::HOP_BY_HOP {
            let bound = Bound::by_options(self.frame, self.at, self.end, total_len);
            self.end = bound.end;
            self.cut = self.cut.or(bound.error);
            self.is_jumbo = bound.is_jumbo;
        } else {
            self.bound(Layer::Ipv6, total_len);
        }
        self.at += 40;
        self.after_ipv6(head[6])
    }

    #[inline(always)]
    fn after_ipv6(&mut self, mut protocol: u8) -> Result<Next, ParseError> {
        let mut layer = Layer::Ipv6;
        for index in 0..=MAX_EXTENSIONS {
            self.found.protocol = protocol;
            layer = match protocol {
                number::HOP_BY_HOP => Layer::HopByHop,
                number::ROUTING => Layer::Routing,
                number::FRAGMENT => Layer::Fragment,
                number::AUTHENTICATION => Layer::Authentication,
                number::DESTINATION => Layer::Destination,
                _ => return Ok(Next::Transport(protocol)),
            };
            if index == MAX_EXTENSIONS {
                break;
            }
            protocol = match layer {
                Layer::HopByHop if index > 0 => return Err(self.misplaced(0)),
                // A jumbogram is never a fragment (RFC 2675, 3).
                Layer::Fragment if self.is_jumbo => {
                    return Err(self.misplaced(number::FRAGMENT));
                }
                Layer::Fragment => self.ipv6_fragment()?,
                Layer::Authentication => self.authentication()?,
                _ => self.options(layer)?,
            };
            if self.is_later_fragment() {
                self.found.protocol = protocol;
                return Ok(Next::Nothing);
            }
        }
        Err(self.too_deep(layer, MAX_EXTENSIONS))
    }

    /// Hop-by-hop options may only be the first extension header (RFC 8200, 4.1).
    #[cold]
    fn misplaced(&self, found: u8) -> ParseError {
        let layer = match found {
            number::FRAGMENT => Layer::Fragment,
            _ => Layer::HopByHop,
        };
        let found = found.into();
        ParseError::new(layer, Reason::BadValue { found }, self.at)
    }

    /// Reads a header of the common form: next header, then the length in units of eight bytes without the first.
    #[inline(always)]
    fn options(&mut self, layer: Layer) -> Result<u8, ParseError> {
        let &[next, units] = self.peek(layer)?;
        self.pass(layer, (usize::from(units) + 1) * 8)?;
        self.found.extensions = self.found.extensions.union(match layer {
            Layer::HopByHop => Extensions::HOP_BY_HOP,
            Layer::Routing => Extensions::ROUTING,
            _ => Extensions::DESTINATION,
        });
        Ok(next)
    }

    #[inline(always)]
    fn authentication(&mut self) -> Result<u8, ParseError> {
        let layer = Layer::Authentication;
        let &[next, units] = self.peek(layer)?;
        let len = (usize::from(units) + 2) * 4;
        if len < 12 {
            return Err(self.bad_length(layer, 1, len, 12, 1028));
        }
        self.pass(layer, len)?;
        self.found.extensions = self.found.extensions.union(Extensions::AUTHENTICATION);
        Ok(next)
    }

    #[inline(always)]
    fn ipv6_fragment(&mut self) -> Result<u8, ParseError> {
        let head: &[u8; 8] = self.peek(Layer::Fragment)?;
        let field = u16::from_be_bytes([head[2], head[3]]);
        let more = u32::from(field & 1) * fragment::MORE;
        let id = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let place = more | u32::from(field >> 3);
        // A whole datagram may be inside a fragment of another; it then counts as a fragment.
        if place != 0 || !self.found.is_fragment() {
            self.found.fragment = (id << 16) | place;
            self.found.fragment_id_high = (id >> 16) as u16;
        }
        self.found.extensions = self.found.extensions.union(Extensions::FRAGMENT);
        self.at += 8;
        Ok(head[0])
    }

    /// Whether it is a fragment other than the first. If so, notes it as the transport.
    #[inline(always)]
    fn is_later_fragment(&mut self) -> bool {
        let later = self.found.fragment & fragment::OFFSET != 0;
        if later {
            self.found.transport = Transport::Fragment;
            self.found.transport_offset = narrow(self.at);
        }
        later
    }

    #[inline(always)]
    fn transport(&mut self, protocol: u8) -> Step {
        let start = narrow(self.at);
        let step = match (protocol, self.found.network) {
            (number::UDP, _) => self.udp(),
            (number::TCP, _) => self.tcp(),
            (number::ICMPV4, Network::Ipv4) => self.icmp(Layer::Icmpv4, Transport::Icmpv4),
            (number::ICMPV6, Network::Ipv6) => self.icmp(Layer::Icmpv6, Transport::Icmpv6),
            (number::ESP, _) => {
                self.found.extensions = self.found.extensions.union(Extensions::ENCRYPTED);
                Ok(())
            }
            _ => Ok(()),
        };
        self.found.transport_offset = start;
        step
    }

    #[inline(always)]
    fn udp(&mut self) -> Step {
        let &[a, b, c, d, e, f, _, _] = self.peek(Layer::Udp)?;
        let len = usize::from(u16::from_be_bytes([e, f]));
        if len == 0 {
            // Valid in a jumbogram, where UDP ends with the packet (RFC 2675, 4).
            if !self.is_jumbo {
                let error = without_length(Layer::Udp, self.at + 4, 8, self.left());
                self.cut = self.cut.or(Some(error));
            }
        } else if len < 8 {
            let most = self.left();
            return Err(self.bad_length(Layer::Udp, 4, len, 8, most));
        }
        // The length of a first fragment is that of the whole datagram.
        if !self.found.is_fragment() && len != 0 {
            self.bound(Layer::Udp, len);
        }
        self.found.transport = Transport::Udp;
        self.found.ports = u32::from_be_bytes([a, b, c, d]);
        self.at += 8;
        Ok(())
    }

    #[inline(always)]
    fn tcp(&mut self) -> Step {
        let head: &[u8; 20] = self.peek(Layer::Tcp)?;
        let len = usize::from(head[12] >> 4) * 4;
        if len < 20 {
            return Err(self.bad_length(Layer::Tcp, 12, len, 20, 60));
        }
        self.pass(Layer::Tcp, len)?;
        self.found.transport = Transport::Tcp;
        self.found.ports = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        self.found.tcp_flags = head[13];
        self.found.flags |= (head[12] & 1) * flag::TCP_AE;
        Ok(())
    }

    #[inline(always)]
    fn icmp(&mut self, layer: Layer, transport: Transport) -> Step {
        let &[kind, code, ..] = self.peek::<8>(layer)?;
        self.found.transport = transport;
        self.found.ports = u32::from_be_bytes([kind, code, 0, 0]);
        self.at += 8;
        Ok(())
    }
}

/// The end of a packet, and what else its length implies.
struct Bound {
    end: usize,
    error: Option<ParseError>,
    is_jumbo: bool,
}

impl Bound {
    /// The end of an IPv6 packet at `at` with hop-by-hop options, which state its length if that has more than 16 bits
    /// (RFC 2675). The walk's values are arguments, so that the walk stays in registers.
    #[cold]
    #[inline(never)]
    fn by_options(frame: &[u8], at: usize, end: usize, total_len: usize) -> Self {
        let rest = frame.get(at + 40..end).unwrap_or_default();
        let has_length = total_len != 40;
        let invalid = |found, at| {
            let reason = Reason::BadValue { found };
            Some(ParseError::new(Layer::HopByHop, reason, at))
        };
        let mut bound = Self {
            end,
            error: None,
            is_jumbo: false,
        };
        let mut total_len = total_len;
        match jumbo_length(rest) {
            // The length would be in options that are cut off.
            None if !has_length && header_len(rest) > rest.len() => return bound,
            None => {}
            // With both lengths the option is invalid.
            Some((field, found)) if has_length => bound.error = invalid(found, at + 40 + field - 2),
            Some((field, found)) => {
                bound.is_jumbo = true;
                if found <= u16::MAX.into() {
                    bound.error = invalid(found, at + 40 + field);
                    return bound;
                }
                total_len = (found as usize).saturating_add(40);
            }
        }
        let left = end.saturating_sub(at);
        if total_len <= left {
            bound.end = at + total_len;
        } else {
            let error = ParseError::truncated(Layer::Ipv6, at, total_len, left);
            bound.error = Some(error);
        }
        bound
    }
}

/// The error of a length of zero. The lax forms use all available bytes.
#[cold]
#[inline(never)]
fn without_length(layer: Layer, field: usize, least: usize, most: usize) -> ParseError {
    ParseError::bad_length(layer, field, 0, least, most)
}

#[cold]
fn bad_version(layer: Layer, at: usize, first: u8) -> ParseError {
    let found = (first >> 4).into();
    ParseError::new(layer, Reason::BadVersion { found }, at)
}

fn widen([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Offsets always fit, because the headers are limited in number and length. Payload lengths without IP may not.
fn narrow(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
