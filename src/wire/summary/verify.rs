//! The checksums of a frame that was summarised.

use super::super::checksum::Sum;
use super::super::view::{get8, get16, part};
use super::super::{Layer, ParseError};
use super::{Extensions, Network, Summary, Transport};

impl Summary {
    /// Verifies the checksums of the frame that this is the summary of: of the IPv4 header, and of TCP, UDP or
    /// ICMP where all of it is there.
    ///
    /// The transport's is left out where it cannot be told: in fragments, behind a routing header, in partial
    /// summaries, and where UDP over IPv4 carries none. Under a source route of IPv4 (RFC 791) that is not yet at its
    /// end it is made for another receiver than the header's, and comes out wrong.
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::super::Reason::BadChecksum) with the layer whose checksum is wrong; [`Reason::Truncated`](super::super::Reason::Truncated) where `frame` is
    /// shorter than the one that was summarised.
    ///
    /// # Cost
    /// O(length of the frame).
    ///
    /// ```
    /// use framepool::wire::{Layer, summarize};
    ///
    /// # let mut frame = framepool::wire::samples::UDP.to_vec();
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
        let is_whole = self.fragment().is_none() && !self.is_partial();
        if is_whole && !self.extensions.contains(Extensions::ROUTING) {
            self.verify_transport(frame)?;
        }
        Ok(())
    }

    fn verify_ipv4(&self, frame: &[u8]) -> Result<(), ParseError> {
        let start = self.network_offset();
        let len = usize::from(get8(frame, start) & 0xF) * 4;
        let header = within(Layer::Ipv4, frame, start, start + len)?;
        settled(Layer::Ipv4, Sum::new(), header, 10, start)
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
        let bytes = within(layer, frame, start, self.payload().end)?;
        let is_v4 = self.network == Network::Ipv4;
        let sum = match layer {
            Layer::Icmpv4 => Sum::new(),
            _ => self.pseudo(bytes.len()),
        };
        match layer == Layer::Udp && get16(bytes, field) == 0 {
            true if is_v4 => Ok(()),
            // None was made; in IPv6 there has to be one.
            true => Err(wrong(layer, sum, bytes, field, start)),
            false => settled(layer, sum, bytes, field, start),
        }
    }

    fn pseudo(&self, len: usize) -> Sum {
        // The bytes of IPv4 are followed by zeros, which add nothing.
        let addresses = Sum::new().bytes(&self.src).bytes(&self.dst);
        addresses.word(self.protocol.into()).word(len as u16)
    }
}

fn within(layer: Layer, frame: &[u8], start: usize, end: usize) -> Result<&[u8], ParseError> {
    let there = frame.len().saturating_sub(start);
    let error = ParseError::truncated(layer, start, end.saturating_sub(start), there);
    frame.get(start..end).ok_or(error)
}

/// `Ok` if the sum over bytes and their checksum, and over what was summed before, comes out right.
fn settled(
    layer: Layer,
    before: Sum,
    bytes: &[u8],
    field: usize,
    start: usize,
) -> Result<(), ParseError> {
    if before.bytes(bytes).checksum() == 0 {
        return Ok(());
    }
    Err(wrong(layer, before, bytes, field, start))
}

#[cold]
fn wrong(layer: Layer, before: Sum, bytes: &[u8], field: usize, start: usize) -> ParseError {
    let found = get16(bytes, field);
    // Over all but the field: taken off again it would leave minus zero of a message of zeros.
    let (head, behind) = (part(bytes, 0, field), part(bytes, field + 2, usize::MAX));
    let computed = match before.bytes(head).bytes(behind).checksum() {
        // Zero would say that there is none.
        0 if layer == Layer::Udp => 0xFFFF,
        computed => computed,
    };
    ParseError::bad_checksum(layer, start + field, found.into(), computed.into())
}
