//! The IP authentication header (RFC 4302).

use super::error::{Layer, ParseError};
use super::view::{at_least, get8, header, part_mut, put, view};

const LAYER: Layer = Layer::Authentication;
/// Bytes before the integrity check value.
const LEN: usize = 12;
const LENGTH: usize = 1;

view! {
    /// An authentication header, of either IP, and what follows it.
    ///
    /// ```
    /// use framepool::wire::{Authentication, AuthenticationHeader};
    ///
    /// let mut bytes = [0; 24];
    /// let header = AuthenticationHeader { next_header: 6, reserved: 0, spi: 1, sequence: 2, icv: &[7; 12] };
    /// assert_eq!(header.emit(&mut bytes)?, 24);
    /// assert_eq!(Authentication::new_checked(&bytes)?.icv(), [7; 12]);
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Authentication, payload(header): header.header_len()..usize::MAX;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let len = header_len(bytes);
    if len < LEN {
        return Err(ParseError::bad_length(LAYER, LENGTH, len, LEN, 1028));
    }
    at_least(LAYER, bytes, len)
}

/// The field counts units of four bytes, without the first two.
fn header_len(bytes: &[u8]) -> usize {
    (usize::from(get8(bytes, LENGTH)) + 2) * 4
}

header! {
    /// The fields of an authentication header.
    AuthenticationHeader<'a> of Authentication, start {
        /// The type of what follows this header.
        next_header, set_next_header: u8 = 0;
        /// The two reserved bytes after the length.
        reserved, set_reserved: u16 = 2;
        /// The security parameters index.
        spi, set_spi: u32 = 4;
        /// The sequence number.
        sequence, set_sequence: u32 = 8;
    }
    /// The integrity check value, at most 1016 bytes, a multiple of four.
    icv, icv;
}

impl AuthenticationHeader<'_> {
    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let len = LEN + self.icv.len();
        let (Ok(units), 0) = (u8::try_from(len / 4 - 2), len % 4) else {
            return Err(ParseError::bad_length(LAYER, LEN, self.icv.len(), 0, 1016));
        };
        at_least(LAYER, to, len)?;
        put(to, LENGTH, [units]);
        part_mut(to, LEN, len).copy_from_slice(self.icv);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_four_bytes_without_the_first_two() {
        let mut bytes = [0; 24];
        bytes[1] = 2;
        let view = Authentication::new_checked(&bytes).unwrap();
        assert_eq!(view.header_len(), 16);
        bytes[1] = 0;
        let error = ParseError::bad_length(Layer::Authentication, 1, 8, 12, 1028);
        assert_eq!(Authentication::new_checked(&bytes).unwrap_err(), error);
    }

    #[test]
    fn values_of_impossible_lengths_are_not_written() {
        let mut bytes = [0xEE; 3000];
        for len in [3, 1020] {
            let header = AuthenticationHeader {
                next_header: 0,
                reserved: 0,
                spi: 0,
                sequence: 0,
                icv: &[0; 2900][..len],
            };
            assert!(header.emit(&mut bytes).is_err());
        }
        assert_eq!(bytes, [0xEE; 3000]);
    }
}
