//! TCP (RFC 9293).

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::{Sum, verify};
use super::error::{Layer, ParseError};
use super::options::{self, Options};
use super::tcp_options::TcpOptions;
use super::view::{Bits, at_least, get8, header, put, view};

const LAYER: Layer = Layer::Tcp;
/// Bytes without options.
const LEN: usize = 20;
/// Data offset, reserved bits and flags: four, three and nine bits.
const DATA_OFFSET: usize = 12;
const CHECKSUM: usize = 16;
/// The number of the protocol in IP.
const PROTOCOL: u8 = 6;

view! {
    /// A TCP header and its segment. The bytes given must be the whole segment, because TCP states no length.
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
    Tcp, payload(tcp): tcp.header_len()..usize::MAX;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let len = header_len(bytes);
    if len < LEN {
        return Err(ParseError::bad_length(LAYER, DATA_OFFSET, len, LEN, 60));
    }
    at_least(LAYER, bytes, len)
}

fn header_len(bytes: &[u8]) -> usize {
    usize::from(get8(bytes, DATA_OFFSET) >> 4) * 4
}

header! {
    /// The fields of a TCP header.
    #[derive(Default)]
    TcpHeader<'a> of Tcp, start {
        /// The sender's port.
        src_port, set_src_port: u16 = 0;
        /// The receiver's port.
        dst_port, set_dst_port: u16 = 2;
        /// The sequence number of the first byte.
        sequence, set_sequence: u32 = 4;
        /// The sequence number of the next byte that is expected.
        acknowledgement, set_acknowledgement: u32 = 8;
        /// The flags, nine bits: [`FIN`](TcpHeader::FIN) and the others.
        flags, set_flags: u16 = Bits(DATA_OFFSET, 0x1FF_u16);
        /// The three reserved bits between data offset and flags.
        reserved, set_reserved: u8 = Bits(DATA_OFFSET, 0xE_u8);
        /// The window, before it is scaled.
        window, set_window: u16 = 14;
        /// The checksum.
        checksum, set_checksum: u16 = CHECKSUM;
        /// The urgent pointer.
        urgent, set_urgent: u16 = 18;
    }
    /// The options, at most 40 bytes, padded to a multiple of four.
    options, option_bytes;
}

impl<T: AsRef<[u8]>> Tcp<T> {
    /// The options, one after the other.
    pub fn options(&self) -> TcpOptions<'_> {
        TcpOptions::new(Options::new(LAYER, self.option_bytes(), LEN))
    }

    fn pseudo_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Sum {
        // An IPv4 datagram is never too long for this.
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
        verify(LAYER, self.pseudo_v4(src, dst), self.as_bytes(), CHECKSUM)
    }

    /// Verifies the checksum over IPv6. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        verify(LAYER, self.pseudo_v6(src, dst), self.as_bytes(), CHECKSUM)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Tcp<T> {
    /// Computes the checksum over IPv4 and writes it. O(length).
    pub fn fill_checksum_v4(&mut self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.fill_checksum(self.pseudo_v4(src, dst));
    }

    /// Computes the checksum over IPv6 and writes it. O(length).
    pub fn fill_checksum_v6(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        self.fill_checksum(self.pseudo_v6(src, dst));
    }

    fn fill_checksum(&mut self, pseudo: Sum) {
        self.set_checksum(0);
        self.set_checksum(pseudo.bytes(self.as_bytes()).checksum());
    }
}

impl TcpHeader<'_> {
    /// The sender has no more data.
    pub const FIN: u16 = 1;
    /// Sequence numbers are synchronised: the first segment of a connection.
    pub const SYN: u16 = 1 << 1;
    /// The connection is reset.
    pub const RST: u16 = 1 << 2;
    /// The receiver should pass the data on at once.
    pub const PSH: u16 = 1 << 3;
    /// The acknowledgement number is valid.
    pub const ACK: u16 = 1 << 4;
    /// The urgent pointer is valid.
    pub const URG: u16 = 1 << 5;
    /// Echo of a congestion mark (RFC 3168).
    pub const ECE: u16 = 1 << 6;
    /// The window was reduced because of congestion (RFC 3168).
    pub const CWR: u16 = 1 << 7;
    /// Accurate congestion echo (RFC 9768), formerly the nonce sum (RFC 3540).
    pub const AE: u16 = 1 << 8;

    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let len = options::emit_all(LAYER, self.options, to)?;
        put(to, DATA_OFFSET, [(len / 4) as u8 * 16, 0]);
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

    /// `51 02` is a SYN with AE. The reserved bits are kept too.
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
