//! The fragment header of IPv6 (RFC 8200, section 4.5).

use super::error::{Layer, ParseError};
use super::view::{Bits, Location, at_least, get16, header, put, view};

const LAYER: Layer = Layer::Fragment;
const LEN: usize = 8;
/// The offset, two reserved bits, and whether more follow.
const FRAGMENT: usize = 2;
const RESERVED_BITS: Bits<u8> = Bits(3, 0b110);

view! {
    /// A fragment header and the part of a packet that follows it.
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
    Ipv6Fragment, payload(_): LEN..usize::MAX;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)
}

header! {
    /// The fields of a fragment header.
    #[derive(Default)]
    Ipv6FragmentHeader of Ipv6Fragment, start {
        /// The type of what follows this header.
        next_header, set_next_header: u8 = 0;
        /// Bytes of the packet's fragmentable part before this one, a multiple of eight.
        offset: u16;
        /// Whether more follow.
        more: bool = Bits(FRAGMENT, 1_u16);
        /// The reserved byte after the next header, and the two reserved bits between offset and `more`.
        reserved, set_reserved: (u8, u8);
        /// The identification, which all fragments of a packet share.
        id, set_id: u32 = 4;
    }
}

impl<T: AsRef<[u8]>> Ipv6Fragment<T> {
    /// Bytes of the packet's fragmentable part before this one.
    pub fn offset(&self) -> u16 {
        get16(self.as_bytes(), FRAGMENT) & !7
    }

    /// The reserved byte after the next header, and the two reserved bits between offset and [`more`](Self::more).
    pub fn reserved(&self) -> (u8, u8) {
        (1.read(self.as_bytes()), RESERVED_BITS.read(self.as_bytes()))
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv6Fragment<T> {
    /// Sets the place in the packet: bytes before this part, a multiple of eight, and whether more follow.
    pub fn set_fragment(&mut self, offset: u16, more: bool) {
        let reserved = get16(self.as_bytes(), FRAGMENT) & 0b110;
        let value = (offset & !7) | reserved | u16::from(more);
        put(self.0.as_mut(), FRAGMENT, value.to_be_bytes());
    }

    /// Sets [`reserved`](Self::reserved).
    pub fn set_reserved(&mut self, (byte, bits): (u8, u8)) {
        1.write(self.0.as_mut(), byte);
        RESERVED_BITS.write(self.0.as_mut(), bits);
    }
}

impl Ipv6FragmentHeader {
    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(LAYER, to, LEN)?;
        put(to, 0, [0; 4]);
        Ipv6Fragment(to).set_fragment(self.offset, self.more);
        Ok(LEN)
    }
}
