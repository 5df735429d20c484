//! IPv4 (RFC 791), options and fragments included.

use core::net::Ipv4Addr;

use super::checksum::{self, Sum, update};
use super::error::{Layer, ParseError, Reason};
use super::options::{self, Options};
use super::view::{Bits, Location, at_least, get8, get16, header, part, put, view};

const LAYER: Layer = Layer::Ipv4;
/// Bytes without options.
const LEN: usize = 20;
const VERSION_LEN: usize = 0;
const TOTAL_LEN: usize = 2;
const FRAGMENT: usize = 6;
const TTL: usize = 8;
const CHECKSUM: usize = 10;

const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;

view! {
    /// An IPv4 header and its datagram.
    ///
    /// ```
    /// use framepool::wire::{Ipv4, Ipv4Header};
    ///
    /// let mut bytes = [0; 24];
    /// let header = Ipv4Header {
    ///     total_len: 24,
    ///     ttl: 16,
    ///     protocol: 17,
    ///     src: [192, 0, 2, 1].into(),
    ///     dst: [233, 252, 0, 1].into(),
    ///     ..Ipv4Header::default()
    /// };
    /// header.emit(&mut bytes)?;
    ///
    /// let mut ip = Ipv4::new_checked(&mut bytes)?;
    /// ip.fill_checksum();
    /// // A router updates the checksum instead of computing it again.
    /// ip.decrement_ttl();
    /// assert_eq!(ip.ttl(), 15);
    /// assert!(ip.verify().is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Ipv4, payload(ip): ip.header_len()..ip.total_len().into();

    /// The version, 4 in a checked view.
    version: u8 = Bits(VERSION_LEN, 0xF0_u8);
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let version = get8(bytes, VERSION_LEN) >> 4;
    if version != 4 {
        let found = version.into();
        return Err(ParseError::new(LAYER, Reason::BadVersion { found }, 0));
    }
    let header_len = header_len(bytes);
    if header_len < LEN {
        return Err(ParseError::bad_length(LAYER, 0, header_len, LEN, 60));
    }
    let total_len = usize::from(get16(bytes, TOTAL_LEN));
    if total_len < header_len {
        let (at, most) = (TOTAL_LEN, usize::from(u16::MAX));
        return Err(ParseError::bad_length(
            LAYER, at, total_len, header_len, most,
        ));
    }
    at_least(LAYER, bytes, total_len)
}

fn header_len(bytes: &[u8]) -> usize {
    usize::from(get8(bytes, VERSION_LEN) & 0xF) * 4
}

header! {
    /// The fields of an IPv4 header.
    Ipv4Header<'a> of Ipv4, start {
        /// The differentiated services code point, six bits (RFC 2474).
        dscp, set_dscp: u8 = Bits(1, 0xFC_u8);
        /// Explicit congestion notification, two bits (RFC 3168).
        ecn, set_ecn: u8 = Bits(1, 3_u8);
        /// The length of header and payload, in bytes.
        total_len, set_total_len: u16 = TOTAL_LEN;
        /// The identification, which all fragments of a datagram share.
        id, set_id: u16 = 4;
        /// The reserved flag (RFC 791).
        reserved_flag, set_reserved_flag: bool = Bits(FRAGMENT, RESERVED);
        /// Whether it must not be fragmented.
        dont_fragment, set_dont_fragment: bool = Bits(FRAGMENT, DONT_FRAGMENT);
        /// Whether more fragments follow.
        more_fragments: bool = Bits(FRAGMENT, MORE_FRAGMENTS);
        /// Bytes of the datagram's payload before this fragment's, a multiple of eight.
        fragment_offset: u16;
        /// The time to live.
        ttl, set_ttl: u8 = TTL;
        /// The protocol of the payload.
        protocol, set_protocol: u8 = 9;
        /// The header's checksum.
        checksum, set_checksum: u16 = CHECKSUM;
        /// The sender.
        src, set_src: Ipv4Addr = 12;
        /// The receiver.
        dst, set_dst: Ipv4Addr = 16;
    }
    /// The options, at most 40 bytes, padded to a multiple of four.
    options, option_bytes;
}

impl<T: AsRef<[u8]>> Ipv4<T> {
    fn fragment(&self) -> u16 {
        get16(self.as_bytes(), FRAGMENT)
    }

    /// Bytes of the datagram's payload before this fragment's.
    pub fn fragment_offset(&self) -> u16 {
        self.fragment() << 3
    }

    /// Whether it is only a part of a datagram.
    pub fn is_fragment(&self) -> bool {
        self.fragment() & !(DONT_FRAGMENT | RESERVED) != 0
    }

    /// The options, one after the other.
    pub fn options(&self) -> Options<'_> {
        Options::new(LAYER, self.option_bytes(), LEN)
    }

    /// Verifies the header's checksum.
    ///
    /// # Errors
    /// [`Reason::BadChecksum`].
    pub fn verify(&self) -> Result<(), ParseError> {
        checksum::verify(LAYER, Sum::new(), self.header_bytes(), CHECKSUM)
    }

    fn header_bytes(&self) -> &[u8] {
        part(self.as_bytes(), 0, self.header_len())
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv4<T> {
    /// Sets the place in a datagram: bytes before this part, a multiple of eight, and whether more follow.
    pub fn set_fragment(&mut self, offset: u16, more: bool) {
        let more = if more { MORE_FRAGMENTS } else { 0 };
        let field = (self.fragment() & (DONT_FRAGMENT | RESERVED)) | more | (offset >> 3);
        FRAGMENT.write(self.0.as_mut(), field);
    }

    /// Decrements the time to live, unless it is zero, and updates the checksum. O(1).
    pub fn decrement_ttl(&mut self) {
        self.change_ttl(self.ttl().saturating_sub(1));
    }

    /// Sets the time to live and updates the checksum (RFC 1624). O(1).
    ///
    /// ```
    /// use framepool::wire::{Ipv4, summarize};
    ///
    /// # let mut frame = framepool::wire::EXAMPLE_FRAME.to_vec();
    /// let start = summarize(&frame)?.network_offset();
    /// let mut ip = Ipv4::new_checked(&mut frame[start..])?;
    /// ip.change_ttl(64);
    /// assert!(ip.verify().is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn change_ttl(&mut self, ttl: u8) {
        change_ttl(self.0.as_mut(), ttl);
    }

    /// Computes the checksum and writes it.
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        self.set_checksum(Sum::new().bytes(self.header_bytes()).checksum());
    }
}

/// Sets the time to live in a header and updates its checksum.
pub(super) fn change_ttl(header: &mut [u8], ttl: u8) {
    let before = get16(header, TTL);
    put(header, TTL, [ttl]);
    let checksum = update(get16(header, CHECKSUM), before, get16(header, TTL));
    put(header, CHECKSUM, checksum.to_be_bytes());
}

impl Default for Ipv4Header<'_> {
    fn default() -> Self {
        Self {
            dscp: 0,
            ecn: 0,
            total_len: LEN as u16,
            id: 0,
            reserved_flag: false,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: 0,
            checksum: 0,
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
            options: &[],
        }
    }
}

impl Ipv4Header<'_> {
    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let len = options::emit_all(LAYER, self.options, to)?;
        put(to, VERSION_LEN, [0x40 | (len / 4) as u8]);
        put(to, FRAGMENT, [0; 2]);
        Ipv4(to).set_fragment(self.fragment_offset, self.more_fragments);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> [u8; 28] {
        let mut bytes = [0; 28];
        let options = [148, 4, 0, 0];
        let header = Ipv4Header {
            total_len: 26,
            options: &options,
            ..Ipv4Header::default()
        };
        assert_eq!(header.emit(&mut bytes), Ok(24));
        bytes
    }

    #[test]
    fn what_follows_the_stated_length_is_padding() {
        let bytes = bytes();
        let ip = Ipv4::new_checked(&bytes).unwrap();
        assert_eq!((ip.header_len(), ip.payload().len()), (24, 2));
    }

    #[test]
    fn setters_leave_their_neighbours_alone() {
        let mut bytes = bytes();
        let mut ip = Ipv4::new_checked(&mut bytes).unwrap();
        ip.set_dont_fragment(true);
        ip.set_fragment(0xFFF8, true);
        ip.set_dscp(0xFF);
        assert_eq!((ip.fragment_offset(), ip.more_fragments()), (0xFFF8, true));
        assert_eq!((ip.dscp(), ip.ecn(), ip.dont_fragment()), (0x3F, 0, true));
        ip.set_dont_fragment(false);
        assert_eq!(ip.fragment_offset(), 0xFFF8);
    }

    #[test]
    fn the_time_to_live_stops_at_zero() {
        let mut bytes = bytes();
        let mut ip = Ipv4::new_checked(&mut bytes).unwrap();
        ip.set_ttl(1);
        ip.fill_checksum();
        for _ in 0..3 {
            ip.decrement_ttl();
            assert_eq!((ip.ttl(), ip.verify()), (0, Ok(())));
        }
    }

    #[test]
    fn lying_lengths_are_refused() {
        for (at, value, offset) in [(0, 0x44, 0), (3, 23, 2)] {
            let mut bytes = bytes();
            bytes[at] = value;
            let error = Ipv4::new_checked(&bytes).unwrap_err();
            assert!(matches!(error.reason, Reason::BadLength { .. }));
            assert_eq!(error.offset, offset);
        }
        let error = Ipv4::new_checked(&bytes()[..25]).unwrap_err();
        assert_eq!(error, ParseError::truncated(Layer::Ipv4, 0, 26, 25));
    }
}
