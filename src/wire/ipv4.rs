//! IPv4 (RFC 791), options and fragments included.

use core::net::Ipv4Addr;

use super::checksum::{Sum, update};
use super::options::Options;
use super::view::{at_least, get, get8, get16, part, part_mut, put, put_bits, view};
use super::{Layer, ParseError, Reason};

mod field {
    pub const VERSION_LEN: usize = 0;
    pub const TRAFFIC: usize = 1;
    pub const TOTAL_LEN: usize = 2;
    pub const ID: usize = 4;
    pub const FRAGMENT: usize = 6;
    pub const TTL: usize = 8;
    pub const PROTOCOL: usize = 9;
    pub const CHECKSUM: usize = 10;
    pub const SRC: usize = 12;
    pub const DST: usize = 16;
    pub const OPTIONS: usize = 20;
}

const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
/// The most bytes of options.
const MOST_OPTIONS: usize = 40;

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
    /// // A router's work: the checksum is brought up to date, not made again.
    /// ip.decrement_ttl();
    /// assert_eq!(ip.ttl(), 15);
    /// assert!(ip.verify().is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Ipv4
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    let layer = Layer::Ipv4;
    at_least(layer, bytes, field::OPTIONS)?;
    let version = get8(bytes, field::VERSION_LEN) >> 4;
    if version != 4 {
        let found = version.into();
        return Err(ParseError::new(layer, Reason::BadVersion { found }, 0));
    }
    let header_len = header_len(bytes);
    if header_len < field::OPTIONS {
        return Err(ParseError::bad_length(layer, 0, header_len, 20, 60));
    }
    let total_len = usize::from(get16(bytes, field::TOTAL_LEN));
    if total_len < header_len {
        let (at, most) = (field::TOTAL_LEN, usize::from(u16::MAX));
        return Err(ParseError::bad_length(
            layer, at, total_len, header_len, most,
        ));
    }
    at_least(layer, bytes, total_len)
}

fn header_len(bytes: &[u8]) -> usize {
    usize::from(get8(bytes, field::VERSION_LEN) & 0xF) * 4
}

impl<T: AsRef<[u8]>> Ipv4<T> {
    /// The version, 4 in a checked view.
    pub fn version(&self) -> u8 {
        get8(self.as_bytes(), field::VERSION_LEN) >> 4
    }

    /// Bytes of the header, options included.
    pub fn header_len(&self) -> usize {
        header_len(self.as_bytes())
    }

    /// The differentiated services code point (RFC 2474).
    pub fn dscp(&self) -> u8 {
        get8(self.as_bytes(), field::TRAFFIC) >> 2
    }

    /// Explicit congestion notification (RFC 3168).
    pub fn ecn(&self) -> u8 {
        get8(self.as_bytes(), field::TRAFFIC) & 3
    }

    /// The length of header and payload, in bytes.
    pub fn total_len(&self) -> u16 {
        get16(self.as_bytes(), field::TOTAL_LEN)
    }

    /// What all fragments of a datagram share.
    pub fn id(&self) -> u16 {
        get16(self.as_bytes(), field::ID)
    }

    fn fragment(&self) -> u16 {
        get16(self.as_bytes(), field::FRAGMENT)
    }

    /// The flag that has no meaning, zero where nobody gave it one (RFC 791).
    pub fn reserved_flag(&self) -> bool {
        self.fragment() & RESERVED != 0
    }

    /// Whether it must not be fragmented.
    pub fn dont_fragment(&self) -> bool {
        self.fragment() & DONT_FRAGMENT != 0
    }

    /// Whether more fragments follow.
    pub fn more_fragments(&self) -> bool {
        self.fragment() & MORE_FRAGMENTS != 0
    }

    /// Bytes of the datagram's payload before this fragment's.
    pub fn fragment_offset(&self) -> u16 {
        self.fragment() << 3
    }

    /// Whether it is a part of a datagram only.
    pub fn is_fragment(&self) -> bool {
        self.fragment() & !(DONT_FRAGMENT | RESERVED) != 0
    }

    /// The time to live.
    pub fn ttl(&self) -> u8 {
        get8(self.as_bytes(), field::TTL)
    }

    /// The protocol of the payload.
    pub fn protocol(&self) -> u8 {
        get8(self.as_bytes(), field::PROTOCOL)
    }

    /// The header's checksum.
    pub fn checksum(&self) -> u16 {
        get16(self.as_bytes(), field::CHECKSUM)
    }

    /// The sender.
    pub fn src(&self) -> Ipv4Addr {
        get(self.as_bytes(), field::SRC).into()
    }

    /// The receiver.
    pub fn dst(&self) -> Ipv4Addr {
        get(self.as_bytes(), field::DST).into()
    }

    /// The options, one after the other.
    pub fn options(&self) -> Options<'_> {
        Options::new(Layer::Ipv4, self.option_bytes(), field::OPTIONS)
    }

    /// The options as they are.
    pub fn option_bytes(&self) -> &[u8] {
        part(self.as_bytes(), field::OPTIONS, self.header_len())
    }

    /// What is behind the header, up to the stated length.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), self.header_len(), self.total_len().into())
    }

    /// Verifies the header's checksum.
    ///
    /// # Errors
    /// [`Reason::BadChecksum`].
    pub fn verify(&self) -> Result<(), ParseError> {
        if self.sum().checksum() == 0 {
            return Ok(());
        }
        let (found, computed) = (self.checksum().into(), self.computed().into());
        Err(ParseError::bad_checksum(
            Layer::Ipv4,
            field::CHECKSUM,
            found,
            computed,
        ))
    }

    fn sum(&self) -> Sum {
        Sum::new().bytes(part(self.as_bytes(), 0, self.header_len()))
    }

    fn computed(&self) -> u16 {
        self.sum().word(!self.checksum()).checksum()
    }

    /// All fields.
    pub fn header(&self) -> Ipv4Header<'_> {
        header(self.as_bytes())
    }
}

fn header(bytes: &[u8]) -> Ipv4Header<'_> {
    let view = Ipv4(bytes);
    Ipv4Header {
        dscp: view.dscp(),
        ecn: view.ecn(),
        total_len: view.total_len(),
        id: view.id(),
        reserved_flag: view.reserved_flag(),
        dont_fragment: view.dont_fragment(),
        more_fragments: view.more_fragments(),
        fragment_offset: view.fragment_offset(),
        ttl: view.ttl(),
        protocol: view.protocol(),
        checksum: view.checksum(),
        src: view.src(),
        dst: view.dst(),
        options: part(bytes, field::OPTIONS, header_len(bytes)),
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv4<T> {
    /// Sets the differentiated services code point; its lowest six bits.
    pub fn set_dscp(&mut self, dscp: u8) {
        put_bits(self.0.as_mut(), field::TRAFFIC, 0xFC, dscp << 2);
    }

    /// Sets explicit congestion notification; its lowest two bits.
    pub fn set_ecn(&mut self, ecn: u8) {
        put_bits(self.0.as_mut(), field::TRAFFIC, 3, ecn);
    }

    /// Sets the length of header and payload, in bytes.
    pub fn set_total_len(&mut self, len: u16) {
        put(self.0.as_mut(), field::TOTAL_LEN, len.to_be_bytes());
    }

    /// Sets what all fragments of a datagram share.
    pub fn set_id(&mut self, id: u16) {
        put(self.0.as_mut(), field::ID, id.to_be_bytes());
    }

    /// Sets the place in a datagram: bytes before this part, a multiple of eight, and whether more follow.
    pub fn set_fragment(&mut self, offset: u16, more: bool) {
        let more = if more { MORE_FRAGMENTS } else { 0 };
        let field = (self.fragment() & (DONT_FRAGMENT | RESERVED)) | more | (offset >> 3);
        put(self.0.as_mut(), field::FRAGMENT, field.to_be_bytes());
    }

    /// Sets the flag that has no meaning.
    pub fn set_reserved_flag(&mut self, flag: bool) {
        put_bits(self.0.as_mut(), field::FRAGMENT, 0x80, u8::from(flag) << 7);
    }

    /// Sets whether it must not be fragmented.
    pub fn set_dont_fragment(&mut self, dont: bool) {
        put_bits(self.0.as_mut(), field::FRAGMENT, 0x40, u8::from(dont) << 6);
    }

    /// Sets the time to live.
    pub fn set_ttl(&mut self, ttl: u8) {
        put(self.0.as_mut(), field::TTL, [ttl]);
    }

    /// One off the time to live, zero at the least, and the checksum brought up to date. O(1).
    pub fn decrement_ttl(&mut self) {
        let before = get16(self.as_bytes(), field::TTL);
        self.set_ttl(self.ttl().saturating_sub(1));
        let after = get16(self.as_bytes(), field::TTL);
        self.set_checksum(update(self.checksum(), before, after));
    }

    /// Sets the protocol of the payload.
    pub fn set_protocol(&mut self, protocol: u8) {
        put(self.0.as_mut(), field::PROTOCOL, [protocol]);
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        put(self.0.as_mut(), field::CHECKSUM, checksum.to_be_bytes());
    }

    /// Makes the checksum.
    pub fn fill_checksum(&mut self) {
        self.set_checksum(self.computed());
    }

    /// Sets the sender.
    pub fn set_src(&mut self, address: Ipv4Addr) {
        put(self.0.as_mut(), field::SRC, address.octets());
    }

    /// Sets the receiver.
    pub fn set_dst(&mut self, address: Ipv4Addr) {
        put(self.0.as_mut(), field::DST, address.octets());
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let (start, end) = (self.header_len(), self.total_len().into());
        part_mut(self.0.as_mut(), start, end)
    }
}

/// The fields of an IPv4 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ipv4Header<'a> {
    /// The differentiated services code point, six bits.
    pub dscp: u8,
    /// Explicit congestion notification, two bits.
    pub ecn: u8,
    /// The length of header and payload, in bytes.
    pub total_len: u16,
    /// What all fragments of a datagram share.
    pub id: u16,
    /// The flag that has no meaning, false where nobody gave it one.
    pub reserved_flag: bool,
    /// Whether it must not be fragmented.
    pub dont_fragment: bool,
    /// Whether more fragments follow.
    pub more_fragments: bool,
    /// Bytes of the datagram's payload before this fragment's, a multiple of eight.
    pub fragment_offset: u16,
    /// The time to live.
    pub ttl: u8,
    /// The protocol of the payload.
    pub protocol: u8,
    /// The header's checksum.
    pub checksum: u16,
    /// The sender.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub src: Ipv4Addr,
    /// The receiver.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub dst: Ipv4Addr,
    /// The options, padded to a multiple of four bytes.
    pub options: &'a [u8],
}

impl Default for Ipv4Header<'_> {
    fn default() -> Self {
        Self {
            dscp: 0,
            ecn: 0,
            total_len: field::OPTIONS as u16,
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

impl<'a> Ipv4Header<'a> {
    /// Bytes of the header without options.
    pub const LEN: usize = field::OPTIONS;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Ipv4::new_checked`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        check(bytes)?;
        Ok(header(bytes))
    }

    /// Writes the header to the start of `to`, as it is; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] where `to` is shorter, [`Reason::BadLength`] where the options are longer than
    /// 40 bytes or no multiple of four. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let options = self.options.len();
        if options > MOST_OPTIONS || options % 4 != 0 {
            let (layer, at) = (Layer::Ipv4, field::OPTIONS);
            return Err(ParseError::bad_length(layer, at, options, 0, MOST_OPTIONS));
        }
        let len = field::OPTIONS + options;
        at_least(Layer::Ipv4, to, len)?;
        put(to, field::VERSION_LEN, [0x40 | (len / 4) as u8]);
        part_mut(to, field::OPTIONS, len).copy_from_slice(self.options);
        let mut view = Ipv4(to);
        view.set_dscp(self.dscp);
        view.set_ecn(self.ecn);
        view.set_total_len(self.total_len);
        view.set_id(self.id);
        put(view.0, field::FRAGMENT, [0, 0]);
        view.set_fragment(self.fragment_offset, self.more_fragments);
        view.set_reserved_flag(self.reserved_flag);
        view.set_dont_fragment(self.dont_fragment);
        put(view.0, field::TTL, [self.ttl, self.protocol]);
        view.set_checksum(self.checksum);
        view.set_src(self.src);
        view.set_dst(self.dst);
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
    fn what_is_behind_the_stated_length_is_padding() {
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
