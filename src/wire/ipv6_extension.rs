//! The extension headers of IPv6 (RFC 8200, section 4), and the authentication header (RFC 4302).

use super::options::Options;
use super::view::{at_least, get8, get16, get32, part, part_mut, put, put_bits, view};
use super::{Layer, ParseError};

mod field {
    pub const NEXT_HEADER: usize = 0;
    pub const LENGTH: usize = 1;
    pub const BODY: usize = 2;
    pub const RESERVED: usize = 1;
    pub const RESERVED_WORD: usize = 2;
    pub const ROUTING_TYPE: usize = 2;
    pub const SEGMENTS_LEFT: usize = 3;
    pub const FRAGMENT: usize = 2;
    pub const FRAGMENT_ID: usize = 4;
    pub const FRAGMENT_END: usize = 8;
    pub const SPI: usize = 4;
    pub const SEQUENCE: usize = 8;
    pub const ICV: usize = 12;
}

view! {
    /// An extension header of the common form: hop-by-hop options, destination options, routing. Which of
    /// them it is only the header before it says: errors name the destination options.
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
    Ipv6Extension
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Destination, bytes, 8)?;
    at_least(Layer::Destination, bytes, extension_len(bytes))
}

/// In units of eight bytes, without the first.
pub(super) fn extension_len(bytes: &[u8]) -> usize {
    (usize::from(get8(bytes, field::LENGTH)) + 1) * 8
}

/// The kind of the jumbo payload option (RFC 2675).
const JUMBO_PAYLOAD: u8 = 0xC2;

/// The length in the jumbo payload option of a hop-by-hop header at the start of some bytes, and where it is.
/// `None` if there is no such option, the header is not there in full, or its options are damaged before it.
pub(super) fn jumbo_length(bytes: &[u8]) -> Option<(usize, u32)> {
    let header = bytes.get(..extension_len(bytes))?;
    let body = part(header, field::BODY, usize::MAX);
    let mut options = Options::new(Layer::HopByHop, body, field::BODY);
    while let Some(Ok(option)) = options.next() {
        if let (JUMBO_PAYLOAD, &[a, b, c, d]) = (option.kind, option.data) {
            return Some((options.offset() - 4, u32::from_be_bytes([a, b, c, d])));
        }
    }
    None
}

impl<T: AsRef<[u8]>> Ipv6Extension<T> {
    /// What is behind this header.
    pub fn next_header(&self) -> u8 {
        get8(self.as_bytes(), field::NEXT_HEADER)
    }

    /// Bytes of this header.
    pub fn header_len(&self) -> usize {
        extension_len(self.as_bytes())
    }

    /// The options in it, if it is a header of options; errors name the `layer` given.
    pub fn options(&self, layer: Layer) -> Options<'_> {
        let layer = match layer {
            Layer::HopByHop => layer,
            _ => Layer::Destination,
        };
        Options::new(layer, self.body(), field::BODY)
    }

    /// The type, if it is a routing header.
    pub fn routing_type(&self) -> u8 {
        get8(self.as_bytes(), field::ROUTING_TYPE)
    }

    /// How many nodes are yet to be visited, if it is a routing header.
    pub fn segments_left(&self) -> u8 {
        get8(self.as_bytes(), field::SEGMENTS_LEFT)
    }

    /// What is behind next header and length.
    pub fn body(&self) -> &[u8] {
        part(self.as_bytes(), field::BODY, self.header_len())
    }

    /// What is behind this header.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), self.header_len(), usize::MAX)
    }

    /// All fields.
    pub fn header(&self) -> Ipv6ExtensionHeader<'_> {
        extension(self.as_bytes())
    }
}

fn extension(bytes: &[u8]) -> Ipv6ExtensionHeader<'_> {
    Ipv6ExtensionHeader {
        next_header: get8(bytes, field::NEXT_HEADER),
        body: part(bytes, field::BODY, extension_len(bytes)),
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv6Extension<T> {
    /// Sets what is behind this header.
    pub fn set_next_header(&mut self, next: u8) {
        put(self.0.as_mut(), field::NEXT_HEADER, [next]);
    }

    /// Sets how many nodes are yet to be visited, of a routing header.
    pub fn set_segments_left(&mut self, left: u8) {
        put(self.0.as_mut(), field::SEGMENTS_LEFT, [left]);
    }

    /// What is behind next header and length, to write to.
    pub fn body_mut(&mut self) -> &mut [u8] {
        let end = self.header_len();
        part_mut(self.0.as_mut(), field::BODY, end)
    }
}

/// The fields of an extension header of the common form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ipv6ExtensionHeader<'a> {
    /// What is behind this header.
    pub next_header: u8,
    /// What is behind next header and length: with them a multiple of eight bytes.
    pub body: &'a [u8],
}

impl<'a> Ipv6ExtensionHeader<'a> {
    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Ipv6Extension::new_checked`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        check(bytes)?;
        Ok(extension(bytes))
    }

    /// Writes the header to the start of `to`; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter,
    /// [`Reason::BadLength`](super::Reason::BadLength) where the body is longer than 2046 bytes or not two
    /// short of a multiple of eight. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let len = self.body.len() + field::BODY;
        let units = (len / 8)
            .checked_sub(1)
            .and_then(|units| u8::try_from(units).ok());
        let (Some(units), 0) = (units, len % 8) else {
            let (layer, stated) = (Layer::Destination, self.body.len());
            return Err(ParseError::bad_length(
                layer,
                field::LENGTH,
                stated,
                6,
                2046,
            ));
        };
        at_least(Layer::Destination, to, len)?;
        put(to, field::NEXT_HEADER, [self.next_header, units]);
        part_mut(to, field::BODY, len).copy_from_slice(self.body);
        Ok(len)
    }
}

pub use fragment::{Ipv6Fragment, Ipv6FragmentHeader};

mod fragment {
    use super::*;

    view! {
        /// A fragment header and the part of a packet behind it.
        ///
        /// ```
        /// use framepool::wire::{Ipv6Fragment, Ipv6FragmentHeader};
        ///
        /// let mut bytes = [0; 16];
        /// let header = Ipv6FragmentHeader { next_header: 17, offset: 1480, more: true, reserved: (0, 0), id: 9 };
        /// header.emit(&mut bytes)?;
        /// let fragment = Ipv6Fragment::new_checked(&bytes)?;
        /// assert_eq!((fragment.offset(), fragment.more(), fragment.payload().len()), (1480, true, 8));
        /// # Ok::<(), framepool::wire::ParseError>(())
        /// ```
        Ipv6Fragment
    }

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), ParseError> {
        at_least(Layer::Fragment, bytes, field::FRAGMENT_END)
    }

    impl<T: AsRef<[u8]>> Ipv6Fragment<T> {
        /// What is behind this header.
        pub fn next_header(&self) -> u8 {
            get8(self.as_bytes(), field::NEXT_HEADER)
        }

        /// Bytes of the packet's fragmentable part before this one.
        pub fn offset(&self) -> u16 {
            get16(self.as_bytes(), field::FRAGMENT) & !7
        }

        /// Whether more follow.
        pub fn more(&self) -> bool {
            get16(self.as_bytes(), field::FRAGMENT) & 1 != 0
        }

        /// What all fragments of a packet share.
        pub fn id(&self) -> u32 {
            get32(self.as_bytes(), field::FRAGMENT_ID)
        }

        /// What is behind this header.
        pub fn payload(&self) -> &[u8] {
            part(self.as_bytes(), field::FRAGMENT_END, usize::MAX)
        }

        /// The byte after the next header, and the two bits before the last one of the offset's field: zero as
        /// long as they have no meaning.
        pub fn reserved(&self) -> (u8, u8) {
            let bits = get8(self.as_bytes(), field::FRAGMENT + 1) >> 1;
            (get8(self.as_bytes(), field::RESERVED), bits & 3)
        }

        /// All fields.
        pub fn header(&self) -> Ipv6FragmentHeader {
            Ipv6FragmentHeader {
                next_header: self.next_header(),
                offset: self.offset(),
                more: self.more(),
                reserved: self.reserved(),
                id: self.id(),
            }
        }
    }

    impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv6Fragment<T> {
        /// Sets what is behind this header.
        pub fn set_next_header(&mut self, next: u8) {
            put(self.0.as_mut(), field::NEXT_HEADER, [next]);
        }

        /// Sets the place in the packet: bytes before this part, a multiple of eight, and whether more follow.
        pub fn set_fragment(&mut self, offset: u16, more: bool) {
            let kept = get16(self.as_bytes(), field::FRAGMENT) & 0b110;
            let value = (offset & !7) | kept | u16::from(more);
            put(self.0.as_mut(), field::FRAGMENT, value.to_be_bytes());
        }

        /// Sets what has no meaning: a byte, and the lowest two bits of another.
        pub fn set_reserved(&mut self, (byte, bits): (u8, u8)) {
            put(self.0.as_mut(), field::RESERVED, [byte]);
            put_bits(self.0.as_mut(), field::FRAGMENT + 1, 0b110, bits << 1);
        }

        /// Sets what all fragments of a packet share.
        pub fn set_id(&mut self, id: u32) {
            put(self.0.as_mut(), field::FRAGMENT_ID, id.to_be_bytes());
        }
    }

    /// The fields of a fragment header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct Ipv6FragmentHeader {
        /// What is behind this header.
        pub next_header: u8,
        /// Bytes of the packet's fragmentable part before this one, a multiple of eight.
        pub offset: u16,
        /// Whether more follow.
        pub more: bool,
        /// The byte after the next header, and the two bits between offset and `more`: zero as long as they have
        /// no meaning.
        pub reserved: (u8, u8),
        /// What all fragments of a packet share.
        pub id: u32,
    }

    impl Ipv6FragmentHeader {
        /// Bytes of the header.
        pub const LEN: usize = field::FRAGMENT_END;

        /// Reads the header at the start of some bytes.
        ///
        /// # Errors
        /// As [`Ipv6Fragment::new_checked`].
        pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
            Ipv6Fragment::new_checked(bytes).map(|view| view.header())
        }

        /// Writes the header to the start of `to`; returns its length.
        ///
        /// # Errors
        /// [`Reason::Truncated`](crate::wire::Reason::Truncated) where `to` is shorter. Nothing was written.
        pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
            at_least(Layer::Fragment, to, field::FRAGMENT_END)?;
            put(to, field::NEXT_HEADER, [self.next_header, 0, 0, 0]);
            let mut view = Ipv6Fragment(to);
            view.set_reserved(self.reserved);
            view.set_fragment(self.offset, self.more);
            view.set_id(self.id);
            Ok(field::FRAGMENT_END)
        }
    }
}

pub use authentication::{Authentication, AuthenticationHeader};

mod authentication {
    use super::*;

    view! {
        /// An authentication header, of either IP, and what is behind it.
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
        Authentication
    }

    #[inline]
    fn check(bytes: &[u8]) -> Result<(), ParseError> {
        let layer = Layer::Authentication;
        at_least(layer, bytes, field::ICV)?;
        let len = header_len(bytes);
        if len < field::ICV {
            let (at, most) = (field::LENGTH, 1028);
            return Err(ParseError::bad_length(layer, at, len, field::ICV, most));
        }
        at_least(layer, bytes, len)
    }

    /// In units of four bytes, without the first two.
    fn header_len(bytes: &[u8]) -> usize {
        (usize::from(get8(bytes, field::LENGTH)) + 2) * 4
    }

    impl<T: AsRef<[u8]>> Authentication<T> {
        /// What is behind this header.
        pub fn next_header(&self) -> u8 {
            get8(self.as_bytes(), field::NEXT_HEADER)
        }

        /// Bytes of this header.
        pub fn header_len(&self) -> usize {
            header_len(self.as_bytes())
        }

        /// The two bytes after the length, which are zero as long as they have no meaning.
        pub fn reserved(&self) -> u16 {
            get16(self.as_bytes(), field::RESERVED_WORD)
        }

        /// The security parameters index.
        pub fn spi(&self) -> u32 {
            get32(self.as_bytes(), field::SPI)
        }

        /// The sequence number.
        pub fn sequence(&self) -> u32 {
            get32(self.as_bytes(), field::SEQUENCE)
        }

        /// The integrity check value.
        pub fn icv(&self) -> &[u8] {
            part(self.as_bytes(), field::ICV, self.header_len())
        }

        /// What is behind this header.
        pub fn payload(&self) -> &[u8] {
            part(self.as_bytes(), self.header_len(), usize::MAX)
        }

        /// All fields.
        pub fn header(&self) -> AuthenticationHeader<'_> {
            header(self.as_bytes())
        }
    }

    fn header(bytes: &[u8]) -> AuthenticationHeader<'_> {
        let view = Authentication(bytes);
        AuthenticationHeader {
            next_header: view.next_header(),
            reserved: view.reserved(),
            spi: view.spi(),
            sequence: view.sequence(),
            icv: part(bytes, field::ICV, header_len(bytes)),
        }
    }

    impl<T: AsRef<[u8]> + AsMut<[u8]>> Authentication<T> {
        /// Sets what is behind this header.
        pub fn set_next_header(&mut self, next: u8) {
            put(self.0.as_mut(), field::NEXT_HEADER, [next]);
        }

        /// Sets the two bytes after the length.
        pub fn set_reserved(&mut self, reserved: u16) {
            put(
                self.0.as_mut(),
                field::RESERVED_WORD,
                reserved.to_be_bytes(),
            );
        }

        /// Sets the security parameters index.
        pub fn set_spi(&mut self, spi: u32) {
            put(self.0.as_mut(), field::SPI, spi.to_be_bytes());
        }

        /// Sets the sequence number.
        pub fn set_sequence(&mut self, sequence: u32) {
            put(self.0.as_mut(), field::SEQUENCE, sequence.to_be_bytes());
        }
    }

    /// The fields of an authentication header.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "defmt", derive(defmt::Format))]
    pub struct AuthenticationHeader<'a> {
        /// What is behind this header.
        pub next_header: u8,
        /// The two bytes after the length, zero as long as they have no meaning.
        pub reserved: u16,
        /// The security parameters index.
        pub spi: u32,
        /// The sequence number.
        pub sequence: u32,
        /// The integrity check value, a multiple of four bytes.
        pub icv: &'a [u8],
    }

    impl<'a> AuthenticationHeader<'a> {
        /// Reads the header at the start of some bytes.
        ///
        /// # Errors
        /// As [`Authentication::new_checked`].
        pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
            check(bytes)?;
            Ok(header(bytes))
        }

        /// Writes the header to the start of `to`; returns its length.
        ///
        /// # Errors
        /// [`Reason::Truncated`](crate::wire::Reason::Truncated) where `to` is shorter,
        /// [`Reason::BadLength`](crate::wire::Reason::BadLength) where the value is longer than 1016 bytes or no
        /// multiple of four. Nothing was written.
        pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
            let layer = Layer::Authentication;
            let len = field::ICV + self.icv.len();
            let (Ok(units), 0) = (u8::try_from(len / 4 - 2), len % 4) else {
                let (at, stated) = (field::ICV, self.icv.len());
                return Err(ParseError::bad_length(layer, at, stated, 0, 1016));
            };
            at_least(layer, to, len)?;
            put(to, field::NEXT_HEADER, [self.next_header, units]);
            put(to, field::RESERVED_WORD, self.reserved.to_be_bytes());
            put(to, field::SPI, self.spi.to_be_bytes());
            put(to, field::SEQUENCE, self.sequence.to_be_bytes());
            part_mut(to, field::ICV, len).copy_from_slice(self.icv);
            Ok(len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_in_units_of_their_own() {
        let mut bytes = [0; 24];
        bytes[1] = 2;
        assert_eq!(Ipv6Extension::new_checked(&bytes).unwrap().header_len(), 24);
        assert_eq!(
            Authentication::new_checked(&bytes).unwrap().header_len(),
            16
        );
        bytes[1] = 3;
        let error = ParseError::truncated(Layer::Destination, 0, 32, 24);
        assert_eq!(Ipv6Extension::new_checked(&bytes).unwrap_err(), error);
        bytes[1] = 0;
        let error = ParseError::bad_length(Layer::Authentication, 1, 8, 12, 1028);
        assert_eq!(Authentication::new_checked(&bytes).unwrap_err(), error);
    }

    #[test]
    fn bodies_that_cannot_be_are_not_written() {
        let mut bytes = [0xEE; 3000];
        let body = [0; 2900];
        for len in [0, 5, 7, 2046 + 8] {
            let header = Ipv6ExtensionHeader {
                next_header: 0,
                body: &body[..len],
            };
            assert!(header.emit(&mut bytes).is_err());
        }
        for len in [3, 1020] {
            let icv = &body[..len];
            let header = AuthenticationHeader {
                next_header: 0,
                reserved: 0,
                spi: 0,
                sequence: 0,
                icv,
            };
            assert!(header.emit(&mut bytes).is_err());
        }
        assert_eq!(bytes, [0xEE; 3000]);
        let header = Ipv6ExtensionHeader {
            next_header: 0,
            body: &body[..2046],
        };
        assert_eq!(header.emit(&mut bytes), Ok(2048));
    }
}
