//! TCP (RFC 9293).

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::options::Options;
use super::tcp_options::TcpOptions;
use super::view::{at_least, get8, get16, get32, part, part_mut, put, put_bits, view};
use super::{Layer, ParseError};

mod field {
    pub const SRC_PORT: usize = 0;
    pub const DST_PORT: usize = 2;
    pub const SEQUENCE: usize = 4;
    pub const ACKNOWLEDGEMENT: usize = 8;
    /// Data offset, reserved bits and flags: four, three and nine bits.
    pub const DATA_OFFSET: usize = 12;
    pub const WINDOW: usize = 14;
    pub const CHECKSUM: usize = 16;
    pub const URGENT: usize = 18;
    pub const OPTIONS: usize = 20;
}

/// The number of the protocol in IP.
const PROTOCOL: u8 = 6;
/// The bits of the flags, in the two bytes that begin with the data offset.
const FLAGS: u16 = 0x1FF;
/// The most bytes of options.
const MOST_OPTIONS: usize = 40;

view! {
    /// A TCP header and its segment: the bytes given are all of it, since TCP states no length.
    ///
    /// ```
    /// use framepool::wire::{Tcp, TcpHeader, TcpOption};
    ///
    /// let mut options = [1; 4];
    /// TcpOption::Mss(1460).emit(&mut options)?;
    /// let header = TcpHeader {
    ///     src_port: 49152,
    ///     dst_port: 179,
    ///     flags: TcpHeader::SYN,
    ///     options: &options,
    ///     ..TcpHeader::default()
    /// };
    /// let mut bytes = [0; 24];
    /// header.emit(&mut bytes)?;
    ///
    /// let mut tcp = Tcp::new_checked(&mut bytes)?;
    /// tcp.fill_checksum_v4([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    /// assert_eq!(tcp.options().next(), Some(Ok(TcpOption::Mss(1460))));
    /// assert!(tcp.payload().is_empty());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Tcp
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Tcp, bytes, field::OPTIONS)?;
    let len = header_len(bytes);
    if len < field::OPTIONS {
        let (layer, at) = (Layer::Tcp, field::DATA_OFFSET);
        return Err(ParseError::bad_length(layer, at, len, field::OPTIONS, 60));
    }
    at_least(Layer::Tcp, bytes, len)
}

fn header_len(bytes: &[u8]) -> usize {
    usize::from(get8(bytes, field::DATA_OFFSET) >> 4) * 4
}

impl<T: AsRef<[u8]>> Tcp<T> {
    /// The sender's port.
    pub fn src_port(&self) -> u16 {
        get16(self.as_bytes(), field::SRC_PORT)
    }

    /// The receiver's port.
    pub fn dst_port(&self) -> u16 {
        get16(self.as_bytes(), field::DST_PORT)
    }

    /// The number of the first byte.
    pub fn sequence(&self) -> u32 {
        get32(self.as_bytes(), field::SEQUENCE)
    }

    /// The number of the next byte that is expected.
    pub fn acknowledgement(&self) -> u32 {
        get32(self.as_bytes(), field::ACKNOWLEDGEMENT)
    }

    /// Bytes of the header, options included.
    pub fn header_len(&self) -> usize {
        header_len(self.as_bytes())
    }

    /// The flags, as of [`TcpHeader::FIN`] and the others: nine bits.
    pub fn flags(&self) -> u16 {
        get16(self.as_bytes(), field::DATA_OFFSET) & FLAGS
    }

    /// The three bits between data offset and flags, which are zero as long as they have no meaning (RFC 9293).
    pub fn reserved(&self) -> u8 {
        (get8(self.as_bytes(), field::DATA_OFFSET) >> 1) & 7
    }

    /// The window, before it is scaled.
    pub fn window(&self) -> u16 {
        get16(self.as_bytes(), field::WINDOW)
    }

    /// The checksum.
    pub fn checksum(&self) -> u16 {
        get16(self.as_bytes(), field::CHECKSUM)
    }

    /// The urgent pointer.
    pub fn urgent(&self) -> u16 {
        get16(self.as_bytes(), field::URGENT)
    }

    /// The options, one after the other.
    pub fn options(&self) -> TcpOptions<'_> {
        let options = Options::new(Layer::Tcp, self.option_bytes(), field::OPTIONS);
        TcpOptions::new(options)
    }

    /// The options as they are.
    pub fn option_bytes(&self) -> &[u8] {
        part(self.as_bytes(), field::OPTIONS, self.header_len())
    }

    /// What is behind the header.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), self.header_len(), usize::MAX)
    }

    fn pseudo_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Sum {
        // An IPv4 datagram is never as long as this takes.
        let len = self.as_bytes().len() as u16;
        Sum::new().pseudo_v4(src, dst, PROTOCOL, len)
    }

    fn pseudo_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Sum {
        let len = self.as_bytes().len() as u32;
        Sum::new().pseudo_v6(src, dst, PROTOCOL, len)
    }

    /// Verifies the checksum over IPv4. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Result<(), ParseError> {
        self.verify(self.pseudo_v4(src, dst))
    }

    /// Verifies the checksum over IPv6. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        self.verify(self.pseudo_v6(src, dst))
    }

    fn verify(&self, pseudo: Sum) -> Result<(), ParseError> {
        if pseudo.bytes(self.as_bytes()).checksum() == 0 {
            return Ok(());
        }
        let (found, computed) = (self.checksum().into(), self.computed(pseudo).into());
        Err(ParseError::bad_checksum(
            Layer::Tcp,
            field::CHECKSUM,
            found,
            computed,
        ))
    }

    fn computed(&self, pseudo: Sum) -> u16 {
        let sum = pseudo.bytes(self.as_bytes());
        sum.word(!self.checksum()).checksum()
    }

    /// All fields.
    pub fn header(&self) -> TcpHeader<'_> {
        header(self.as_bytes())
    }
}

fn header(bytes: &[u8]) -> TcpHeader<'_> {
    let view = Tcp(bytes);
    TcpHeader {
        src_port: view.src_port(),
        dst_port: view.dst_port(),
        sequence: view.sequence(),
        acknowledgement: view.acknowledgement(),
        flags: view.flags(),
        reserved: view.reserved(),
        window: view.window(),
        checksum: view.checksum(),
        urgent: view.urgent(),
        options: part(bytes, field::OPTIONS, header_len(bytes)),
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Tcp<T> {
    /// Sets the sender's port.
    pub fn set_src_port(&mut self, port: u16) {
        put(self.0.as_mut(), field::SRC_PORT, port.to_be_bytes());
    }

    /// Sets the receiver's port.
    pub fn set_dst_port(&mut self, port: u16) {
        put(self.0.as_mut(), field::DST_PORT, port.to_be_bytes());
    }

    /// Sets the number of the first byte.
    pub fn set_sequence(&mut self, sequence: u32) {
        put(self.0.as_mut(), field::SEQUENCE, sequence.to_be_bytes());
    }

    /// Sets the number of the next byte that is expected.
    pub fn set_acknowledgement(&mut self, acknowledgement: u32) {
        let at = field::ACKNOWLEDGEMENT;
        put(self.0.as_mut(), at, acknowledgement.to_be_bytes());
    }

    /// Sets the flags; their lowest nine bits.
    pub fn set_flags(&mut self, flags: u16) {
        let before = get16(self.as_bytes(), field::DATA_OFFSET);
        let after = (before & !FLAGS) | (flags & FLAGS);
        put(self.0.as_mut(), field::DATA_OFFSET, after.to_be_bytes());
    }

    /// Sets the bits between data offset and flags; the lowest three.
    pub fn set_reserved(&mut self, reserved: u8) {
        put_bits(self.0.as_mut(), field::DATA_OFFSET, 0x0E, reserved << 1);
    }

    /// Sets the window, before it is scaled.
    pub fn set_window(&mut self, window: u16) {
        put(self.0.as_mut(), field::WINDOW, window.to_be_bytes());
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        put(self.0.as_mut(), field::CHECKSUM, checksum.to_be_bytes());
    }

    /// Sets the urgent pointer.
    pub fn set_urgent(&mut self, urgent: u16) {
        put(self.0.as_mut(), field::URGENT, urgent.to_be_bytes());
    }

    /// Makes the checksum over IPv4. O(length).
    pub fn fill_checksum_v4(&mut self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.set_checksum(self.computed(self.pseudo_v4(src, dst)));
    }

    /// Makes the checksum over IPv6. O(length).
    pub fn fill_checksum_v6(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        self.set_checksum(self.computed(self.pseudo_v6(src, dst)));
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let start = self.header_len();
        part_mut(self.0.as_mut(), start, usize::MAX)
    }
}

/// The fields of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TcpHeader<'a> {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The number of the first byte.
    pub sequence: u32,
    /// The number of the next byte that is expected.
    pub acknowledgement: u32,
    /// The flags, nine bits.
    pub flags: u16,
    /// The bits between data offset and flags, three of them: zero as long as they have no meaning.
    pub reserved: u8,
    /// The window, before it is scaled.
    pub window: u16,
    /// The checksum.
    pub checksum: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options, padded to a multiple of four bytes.
    pub options: &'a [u8],
}

impl<'a> TcpHeader<'a> {
    /// Bytes of the header without options.
    pub const LEN: usize = field::OPTIONS;
    /// The sender is done.
    pub const FIN: u16 = 1;
    /// Numbers begin here.
    pub const SYN: u16 = 1 << 1;
    /// The connection is broken off.
    pub const RST: u16 = 1 << 2;
    /// To be handed on at once.
    pub const PSH: u16 = 1 << 3;
    /// The acknowledgement counts.
    pub const ACK: u16 = 1 << 4;
    /// The urgent pointer counts.
    pub const URG: u16 = 1 << 5;
    /// Echo of a congestion mark (RFC 3168).
    pub const ECE: u16 = 1 << 6;
    /// The window was reduced for congestion (RFC 3168).
    pub const CWR: u16 = 1 << 7;
    /// Accurate congestion echo (RFC 9768), which was the nonce sum (RFC 3540).
    pub const AE: u16 = 1 << 8;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Tcp::new_checked`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        check(bytes)?;
        Ok(header(bytes))
    }

    /// Writes the header to the start of `to`, as it is; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter,
    /// [`Reason::BadLength`](super::Reason::BadLength) where the options are longer than 40 bytes or no
    /// multiple of four. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let options = self.options.len();
        if options > MOST_OPTIONS || options % 4 != 0 {
            let (layer, at) = (Layer::Tcp, field::OPTIONS);
            return Err(ParseError::bad_length(layer, at, options, 0, MOST_OPTIONS));
        }
        let len = field::OPTIONS + options;
        at_least(Layer::Tcp, to, len)?;
        put(to, field::DATA_OFFSET, [(len / 4) as u8 * 16]);
        part_mut(to, field::OPTIONS, len).copy_from_slice(self.options);
        let mut view = Tcp(to);
        view.set_src_port(self.src_port);
        view.set_dst_port(self.dst_port);
        view.set_sequence(self.sequence);
        view.set_acknowledgement(self.acknowledgement);
        view.set_reserved(self.reserved);
        view.set_flags(self.flags);
        view.set_window(self.window);
        view.set_checksum(self.checksum);
        view.set_urgent(self.urgent);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lying_lengths_are_refused() {
        let mut bytes = [0; 24];
        bytes[12] = 0x40;
        let error = ParseError::bad_length(Layer::Tcp, 12, 16, 20, 60);
        assert_eq!(Tcp::new_checked(&bytes).unwrap_err(), error);
        bytes[12] = 0x70;
        let error = ParseError::truncated(Layer::Tcp, 0, 28, 24);
        assert_eq!(Tcp::new_checked(&bytes).unwrap_err(), error);
    }

    /// `51 02`: a SYN with AE. And what is reserved, whatever it will mean.
    #[test]
    fn every_bit_beside_the_data_offset_is_kept() {
        let mut bytes = [0; 20];
        for low in 0..=0xFFF_u16 {
            bytes[12..14].copy_from_slice(&(0x5000 | low).to_be_bytes());
            let header = TcpHeader::parse(&bytes).unwrap();
            assert_eq!(
                (header.flags, u16::from(header.reserved)),
                (low & 0x1FF, low >> 9)
            );
            let mut again = [0xFF; 20];
            assert_eq!((header.emit(&mut again), again), (Ok(20), bytes));
        }
        bytes[12..14].copy_from_slice(&[0x51, 0x02]);
        let mut tcp = Tcp::new_checked(bytes).unwrap();
        assert_eq!(tcp.flags(), TcpHeader::AE | TcpHeader::SYN);
        tcp.set_reserved(0xFF);
        assert_eq!(
            (tcp.flags(), tcp.reserved(), tcp.header_len()),
            (0x102, 7, 20)
        );
        tcp.set_flags(TcpHeader::ACK);
        assert_eq!(
            (tcp.flags(), tcp.reserved(), tcp.header_len()),
            (0x10, 7, 20)
        );
    }

    #[test]
    fn options_that_cannot_be_are_not_written() {
        let mut bytes = [0xEE; 100];
        for len in [1, 2, 43, 44] {
            let header = TcpHeader {
                options: &[1; 44][..len],
                ..TcpHeader::default()
            };
            assert!(matches!(header.emit(&mut bytes), Err(e) if e.layer == Layer::Tcp));
        }
        assert_eq!(bytes, [0xEE; 100]);
    }
}
