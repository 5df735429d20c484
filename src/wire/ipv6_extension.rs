//! Extension headers of IPv6 with the common form (RFC 8200, section 4): options and routing.

use super::error::{Layer, ParseError};
use super::options::Options;
use super::view::{at_least, get8, header, part, part_mut, put, view};

const LAYER: Layer = Layer::Destination;
/// Bytes before the body.
const LEN: usize = 2;
const LENGTH: usize = 1;

view! {
    /// An extension header of the common form: hop-by-hop options, destination options or routing. Only the header
    /// before it says which of them it is; errors name the destination options.
    ///
    /// ```
    /// use framepool::wire::{Layer, Ipv6Extension, Ipv6ExtensionHeader};
    ///
    /// let mut bytes = [0; 8];
    /// // Router alert (RFC 2711), padded.
    /// let body = [5, 2, 0, 0, 1, 0];
    /// Ipv6ExtensionHeader { next_header: 58, body: &body }.emit(&mut bytes)?;
    /// let header = Ipv6Extension::new_checked(&bytes)?;
    /// let alert = header.options(Layer::HopByHop).next().expect("there is one")?;
    /// assert_eq!((header.next_header(), alert.kind), (58, 5));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Ipv6Extension, payload(header): header.header_len()..usize::MAX;

    /// The type, if it is a routing header.
    routing_type: u8 = 2;
    /// The number of nodes still to visit, if it is a routing header.
    segments_left, set_segments_left: u8 = 3;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, 8)?;
    at_least(LAYER, bytes, header_len(bytes))
}

/// The field counts units of eight bytes, without the first.
pub(super) fn header_len(bytes: &[u8]) -> usize {
    (usize::from(get8(bytes, LENGTH)) + 1) * 8
}

header! {
    /// The fields of an extension header of the common form.
    Ipv6ExtensionHeader<'a> of Ipv6Extension, start {
        /// The type of what follows this header.
        next_header, set_next_header: u8 = 0;
    }
    /// What follows next header and length, at most 2046 bytes: with these two a multiple of eight.
    body, body;
}

/// The kind of the jumbo payload option (RFC 2675).
const JUMBO_PAYLOAD: u8 = 0xC2;

/// The length in the jumbo payload option of a hop-by-hop header at the start of some bytes, and its offset. `None` if
/// there is no such option, the header is incomplete, or its options are damaged before it.
pub(super) fn jumbo_length(bytes: &[u8]) -> Option<(usize, u32)> {
    let header = bytes.get(..header_len(bytes))?;
    let body = part(header, LEN, usize::MAX);
    let mut options = Options::new(Layer::HopByHop, body, LEN);
    while let Some(Ok(option)) = options.next() {
        if let (JUMBO_PAYLOAD, &[a, b, c, d]) = (option.kind, option.data) {
            return Some((options.offset() - 4, u32::from_be_bytes([a, b, c, d])));
        }
    }
    None
}

impl<T: AsRef<[u8]>> Ipv6Extension<T> {
    /// The options in it, if it is a header of options. Errors name the `layer` given.
    pub fn options(&self, layer: Layer) -> Options<'_> {
        let layer = match layer {
            Layer::HopByHop => layer,
            _ => LAYER,
        };
        Options::new(layer, self.body(), LEN)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv6Extension<T> {
    /// [`body`](Self::body), to write to.
    pub fn body_mut(&mut self) -> &mut [u8] {
        let end = self.header_len();
        part_mut(self.0.as_mut(), LEN, end)
    }
}

impl Ipv6ExtensionHeader<'_> {
    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let len = self.body.len() + LEN;
        let units = (len / 8)
            .checked_sub(1)
            .and_then(|units| u8::try_from(units).ok());
        let (Some(units), 0) = (units, len % 8) else {
            let stated = self.body.len();
            return Err(ParseError::bad_length(LAYER, LENGTH, stated, 6, 2046));
        };
        at_least(LAYER, to, len)?;
        put(to, LENGTH, [units]);
        part_mut(to, LEN, len).copy_from_slice(self.body);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_eight_bytes_without_the_first() {
        let mut bytes = [0; 24];
        bytes[1] = 2;
        assert_eq!(Ipv6Extension::new_checked(&bytes).unwrap().header_len(), 24);
        bytes[1] = 3;
        let error = ParseError::truncated(Layer::Destination, 0, 32, 24);
        assert_eq!(Ipv6Extension::new_checked(&bytes).unwrap_err(), error);
    }

    #[test]
    fn bodies_of_impossible_lengths_are_not_written() {
        let mut bytes = [0xEE; 3000];
        let body = [0; 2900];
        let of = |len: usize| Ipv6ExtensionHeader {
            next_header: 0,
            body: &body[..len],
        };
        for len in [0, 5, 7, 2046 + 8] {
            assert!(of(len).emit(&mut bytes).is_err());
        }
        assert_eq!(bytes, [0xEE; 3000]);
        assert_eq!(of(2046).emit(&mut bytes), Ok(2048));
    }
}
