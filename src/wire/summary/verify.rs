//! Verifies the checksums of a frame that was summarized.

use super::{Extensions, Network, Summary, Transport};
use crate::wire::checksum::{self, Sum};
use crate::wire::error::{Layer, ParseError, Reason, Unverifiable};
use crate::wire::ipv6_extension::{header_len, jumbo_length};
use crate::wire::options::Options;
use crate::wire::view::{get8, get16, part, put};

impl Summary {
    /// Verifies the checksums of the summarized frame: that of the IPv4 header, and that of TCP, UDP or ICMP.
    ///
    /// The transport's checksum is skipped in fragments, in partial summaries, and if UDP over IPv4 has none.
    ///
    /// It covers the addresses of both ends, which are not always those of the IP header. A source route with nodes
    /// left to visit ends at the receiver: options 131 and 137 of IPv4 (RFC 791), routing headers of types 0, 2 and 4
    /// (RFC 2460, RFC 6275, RFC 8754). A home address option (RFC 6275) holds the sender.
    ///
    /// # Errors
    /// - [`Reason::BadChecksum`] with the layer whose checksum is wrong.
    /// - [`Reason::Unverifiable`] if the address of one end is unknown: the type of the route is unknown, or the route
    ///   or the options are damaged. The offset is that of the header or option.
    /// - [`Reason::Truncated`] if `frame` is shorter than the summarized frame.
    ///
    /// # Cost
    /// O(length of the frame).
    ///
    /// ```
    /// use framepool::wire::{Layer, summarize};
    ///
    /// # let mut frame = framepool::wire::EXAMPLE_FRAME.to_vec();
    /// let summary = summarize(&frame)?;
    /// assert!(summary.verify(&frame).is_ok());
    /// frame[26] = 10;
    /// assert_eq!(summary.verify(&frame).unwrap_err().layer, Layer::Ipv4);
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn verify(&self, frame: &[u8]) -> Result<(), ParseError> {
        if self.network == Network::Ipv4 {
            self.verify_ipv4(frame)?;
        }
        if self.fragment().is_none() && !self.is_partial() {
            self.verify_transport(frame)?;
        }
        Ok(())
    }

    fn verify_ipv4(&self, frame: &[u8]) -> Result<(), ParseError> {
        let start = self.network_offset();
        let len = usize::from(get8(frame, start) & 0xF) * 4;
        let header = within(Layer::Ipv4, frame, start, start + len)?;
        checksum::verify(Layer::Ipv4, Sum::new(), header, 10).map_err(|e| e.shifted(start))
    }

    fn verify_transport(&self, frame: &[u8]) -> Result<(), ParseError> {
        let (layer, field) = match self.transport {
            Transport::Udp => (Layer::Udp, 6),
            Transport::Tcp => (Layer::Tcp, 16),
            Transport::Icmpv4 => (Layer::Icmpv4, 2),
            Transport::Icmpv6 => (Layer::Icmpv6, 2),
            Transport::Unknown | Transport::Fragment => return Ok(()),
        };
        let start = self.transport_offset();
        let is_v4 = self.network == Network::Ipv4;
        let bytes = within(layer, frame, start, self.message_end(frame))?;
        // In IPv6 every datagram needs a checksum.
        if is_v4 && layer == Layer::Udp && get16(bytes, field) == 0 {
            return Ok(());
        }
        let sum = match layer {
            Layer::Icmpv4 => Sum::new(),
            _ => self.pseudo(self.ends(frame)?, bytes.len()),
        };
        checksum::verify(layer, sum, bytes, field).map_err(|e| e.shifted(start))
    }

    fn pseudo(&self, ends: Ends, len: usize) -> Sum {
        // Zeros follow the bytes of IPv4. They add nothing.
        let addresses = Sum::new().bytes(&ends.src).bytes(&ends.dst);
        let sum = addresses.word(self.protocol.into()).word(len as u16);
        // Not zero in a jumbogram (RFC 2675).
        sum.word((len >> 16) as u16)
    }

    /// The end of the message. The payload length of a jumbogram is saturated, so its option has the end.
    fn message_end(&self, frame: &[u8]) -> usize {
        let end = self.payload().end;
        if self.payload_len != u16::MAX || !self.extensions.contains(Extensions::HOP_BY_HOP) {
            return end;
        }
        let start = self.network_offset() + 40;
        let has_length = get16(frame, self.network_offset() + 4) != 0;
        match jumbo_length(part(frame, start, usize::MAX)) {
            Some((_, stated)) if !has_length => start.saturating_add(stated as usize),
            _ => end,
        }
    }

    /// Whether no other header has an address of the ends: not even the same one, which a swap would make another.
    pub(super) fn has_own_ends(&self, frame: &[u8]) -> Result<bool, ParseError> {
        if !self.may_have_other_ends(frame) {
            return Ok(true);
        }
        Ok(!self.ends(frame)?.are_replaced)
    }

    /// The addresses that the message's checksum covers.
    fn ends(&self, frame: &[u8]) -> Result<Ends, ParseError> {
        let ends = Ends {
            src: self.src,
            dst: self.dst,
            are_replaced: false,
        };
        let start = self.network_offset();
        match self.network {
            _ if !self.may_have_other_ends(frame) => Ok(ends),
            Network::Ipv4 => ends.of_ipv4(frame, start),
            _ => ends.of_ipv6(frame, start, self.transport_offset()),
        }
    }

    /// Whether there are headers that may have other addresses than the IP header.
    fn may_have_other_ends(&self, frame: &[u8]) -> bool {
        let moves = Extensions::ROUTING.0 | Extensions::DESTINATION.0;
        match self.network {
            Network::Ipv4 => get8(frame, self.network_offset()) & 0xF > 5,
            Network::Ipv6 => self.extensions.0 & moves != 0,
            _ => false,
        }
    }
}

/// The addresses of sender and receiver, as in a summary.
struct Ends {
    src: [u8; 16],
    dst: [u8; 16],
    /// Whether one of them is not from the IP header.
    are_replaced: bool,
}

impl Ends {
    /// Replaces the receiver by the end of a source route with nodes left to visit.
    #[cold]
    fn of_ipv4(mut self, frame: &[u8], start: usize) -> Result<Self, ParseError> {
        let len = usize::from(get8(frame, start) & 0xF) * 4;
        let bytes = part(frame, start + 20, start + len);
        let mut options = Options::new(Layer::Ipv4, bytes, start + 20);
        loop {
            let at = options.offset();
            let unknown = |why| unverifiable(Layer::Ipv4, why, at);
            let option = match options.next() {
                None => return Ok(self),
                Some(option) => option.map_err(|_| unknown(Unverifiable::Options))?,
            };
            // Loose and strict source route.
            if !matches!(option.kind, 131 | 137) {
                continue;
            }
            let at = options.offset() - option.data.len() - 2;
            let damaged = unverifiable(Layer::Ipv4, Unverifiable::Route, at);
            let (&pointer, route) = option.data.split_first().ok_or(damaged)?;
            // The pointer is 1 for the option's first byte.
            if usize::from(pointer) > option.data.len() + 2 {
                continue;
            }
            let last: &[u8; 4] = route.last_chunk().ok_or(damaged)?;
            if pointer < 4 || pointer % 4 != 0 || route.len() % 4 != 0 {
                return Err(damaged);
            }
            self.dst = [0; 16];
            put(&mut self.dst, 0, *last);
            self.are_replaced = true;
        }
    }

    /// Replaces the receiver by the end of a route with nodes left to visit, and the sender by the home address.
    #[cold]
    fn of_ipv6(mut self, frame: &[u8], start: usize, end: usize) -> Result<Self, ParseError> {
        let (mut next, mut at) = (get8(frame, start + 6), start + 40);
        while at < end {
            let header = part(frame, at, end);
            let len = match next {
                44 => 8,
                51 => (usize::from(get8(header, 1)) + 2) * 4,
                _ => header_len(header),
            };
            let header = part(header, 0, len);
            match next {
                43 => self.end_route(header, at)?,
                60 => self.find_home(header, at)?,
                _ => {}
            }
            next = get8(header, 0);
            at += len;
        }
        Ok(self)
    }

    fn end_route(&mut self, header: &[u8], at: usize) -> Result<(), ParseError> {
        let (kind, left) = (get8(header, 2), usize::from(get8(header, 3)));
        if left == 0 {
            return Ok(());
        }
        let addresses = part(header, 8, usize::MAX);
        let count = addresses.len() / 16;
        let (is_whole, last) = match kind {
            0 => (
                addresses.len() % 16 == 0 && left <= count,
                addresses.last_chunk(),
            ),
            2 => (addresses.len() == 16 && left == 1, addresses.first_chunk()),
            // The addresses are in reverse order, and other data follows. The fifth byte is the index of the last one.
            4 => {
                let last = usize::from(get8(header, 4));
                (last < count && left <= last, addresses.first_chunk())
            }
            _ => {
                let why = Unverifiable::RoutingType { found: kind };
                return Err(unverifiable(Layer::Routing, why, at));
            }
        };
        let damaged = unverifiable(Layer::Routing, Unverifiable::Route, at);
        self.dst = *last.filter(|_| is_whole).ok_or(damaged)?;
        self.are_replaced = true;
        Ok(())
    }

    fn find_home(&mut self, header: &[u8], at: usize) -> Result<(), ParseError> {
        let body = part(header, 2, usize::MAX);
        for option in Options::new(Layer::Destination, body, at + 2) {
            let damaged = unverifiable(Layer::Destination, Unverifiable::Options, at);
            let option = option.map_err(|_| damaged)?;
            if option.kind == HOME_ADDRESS {
                self.src = option.data.try_into().map_err(|_| damaged)?;
                self.are_replaced = true;
            }
        }
        Ok(())
    }
}

/// The kind of the home address option (RFC 6275, 6.3).
const HOME_ADDRESS: u8 = 0xC9;

#[cold]
fn unverifiable(layer: Layer, why: Unverifiable, at: usize) -> ParseError {
    ParseError::new(layer, Reason::Unverifiable { why }, at)
}

fn within(layer: Layer, frame: &[u8], start: usize, end: usize) -> Result<&[u8], ParseError> {
    let there = frame.len().saturating_sub(start);
    let error = ParseError::truncated(layer, start, end.saturating_sub(start), there);
    frame.get(start..end).ok_or(error)
}
