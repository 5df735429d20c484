//! UDP (RFC 768).

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::{self, Sum};
use super::error::{Layer, ParseError};
use super::view::{at_least, get16, header, part, view};

const LAYER: Layer = Layer::Udp;
const LEN: usize = 8;
const LENGTH: usize = 4;
const CHECKSUM: usize = 6;
/// The number of the protocol in IP.
const PROTOCOL: u8 = 17;

view! {
    /// A UDP header and its datagram.
    ///
    /// ```
    /// use framepool::wire::{Udp, UdpHeader};
    ///
    /// let mut bytes = *b"........tick";
    /// UdpHeader { src_port: 4660, dst_port: 26400, len: 12, checksum: 0 }.emit(&mut bytes)?;
    ///
    /// let mut udp = Udp::new_checked(&mut bytes)?;
    /// assert_eq!((udp.dst_port(), udp.payload()), (26400, &b"tick"[..]));
    /// let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    /// udp.fill_checksum_v4(src, dst);
    /// assert!(udp.verify_v4(src, dst).is_ok());
    /// udp.payload_mut()[0] = b'T';
    /// assert!(udp.verify_v4(src, dst).is_err());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Udp, payload(udp): LEN..udp.len_field().into();

    /// The length of header and payload, in bytes.
    len_field, set_len: u16 = LENGTH;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let len = usize::from(get16(bytes, LENGTH));
    if len < LEN {
        let most = bytes.len();
        return Err(ParseError::bad_length(LAYER, LENGTH, len, LEN, most));
    }
    at_least(LAYER, bytes, len)
}

header! {
    /// The fields of a UDP header.
    #[derive(Default)]
    UdpHeader of Udp {
        /// The sender's port.
        src_port, set_src_port: u16 = 0;
        /// The receiver's port.
        dst_port, set_dst_port: u16 = 2;
        /// The length of header and payload, in bytes.
        len, set_len: u16;
        /// The checksum; zero if the datagram has none.
        checksum, set_checksum: u16 = CHECKSUM;
    }
}

impl<T: AsRef<[u8]>> Udp<T> {
    /// The header's name for the field. As a public method it would need an `is_empty`.
    fn len(&self) -> u16 {
        self.len_field()
    }

    /// Verifies the checksum for IPv4, in which zero means that there is none. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Result<(), ParseError> {
        if self.checksum() == 0 {
            return Ok(());
        }
        let pseudo = Sum::new().pseudo_v4(src, dst, PROTOCOL, self.len());
        checksum::verify(LAYER, pseudo, self.datagram(), CHECKSUM)
    }

    /// Verifies the checksum for IPv6, in which every datagram needs one. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        let pseudo = Sum::new().pseudo_v6(src, dst, PROTOCOL, self.len().into());
        checksum::verify(LAYER, pseudo, self.datagram(), CHECKSUM)
    }

    fn datagram(&self) -> &[u8] {
        part(self.as_bytes(), 0, self.len().into())
    }
}

/// A checksum as UDP writes it: zero would mean that there is none.
const fn written(checksum: u16) -> u16 {
    match checksum {
        0 => 0xFFFF,
        checksum => checksum,
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Udp<T> {
    /// Computes the checksum for IPv4 and writes it. O(length).
    pub fn fill_checksum_v4(&mut self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.fill_checksum(Sum::new().pseudo_v4(src, dst, PROTOCOL, self.len()));
    }

    /// Computes the checksum for IPv6 and writes it. O(length).
    pub fn fill_checksum_v6(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        self.fill_checksum(Sum::new().pseudo_v6(src, dst, PROTOCOL, self.len().into()));
    }

    fn fill_checksum(&mut self, pseudo: Sum) {
        self.set_checksum(0);
        self.set_checksum(written(pseudo.bytes(self.datagram()).checksum()));
    }

    /// Updates the checksum after 16 bits that it covers changed from `old` to `new`. They may be of the datagram or
    /// of the pseudo header, at an even offset. O(1).
    ///
    /// Keeps the rules of RFC 768: a datagram without a checksum (0) still has none, and a checksum that would be 0 is
    /// written as 0xFFFF.
    ///
    /// ```
    /// use framepool::wire::Udp;
    ///
    /// let (src, dst) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    /// let mut udp = Udp::new_checked(*b"\x12\x34\x67\x20\x00\x0C\x00\x00tick")?;
    /// udp.fill_checksum_v4(src, dst);
    ///
    /// // Another port, as an address translator writes it.
    /// let (old, new) = (udp.dst_port(), 9000);
    /// udp.set_dst_port(new);
    /// udp.update_checksum(old, new);
    /// assert!(udp.verify_v4(src, dst).is_ok());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    pub fn update_checksum(&mut self, old: u16, new: u16) {
        self.update_with(|before| checksum::update(before, old, new));
    }

    /// [`update_checksum`](Self::update_checksum) for 32 bits, such as an IPv4 address.
    pub fn update_checksum32(&mut self, old: u32, new: u32) {
        self.update_with(|before| checksum::update32(before, old, new));
    }

    /// Sets the sender's port and updates the checksum: see [`update_checksum`](Self::update_checksum). O(1).
    pub fn change_src_port(&mut self, port: u16) {
        let before = self.src_port();
        self.set_src_port(port);
        self.update_checksum(before, self.src_port());
    }

    /// Sets the receiver's port and updates the checksum: see [`update_checksum`](Self::update_checksum). O(1).
    pub fn change_dst_port(&mut self, port: u16) {
        let before = self.dst_port();
        self.set_dst_port(port);
        self.update_checksum(before, self.dst_port());
    }

    fn update_with(&mut self, update: impl FnOnce(u16) -> u16) {
        let before = self.checksum();
        if before != 0 {
            self.set_checksum(written(update(before)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_of_zero_is_written_as_ones() {
        // Ports that make the sum come out as ones.
        let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let mut bytes = [0; 8];
        let header = UdpHeader {
            src_port: !(17 + 8 + 8),
            len: 8,
            ..UdpHeader::default()
        };
        header.emit(&mut bytes).unwrap();
        let mut udp = Udp::new_checked(&mut bytes).unwrap();
        udp.fill_checksum_v4(src, dst);
        assert_eq!(udp.checksum(), 0xFFFF);
        assert!(udp.verify_v4(src, dst).is_ok());
    }

    /// The update gives zero, which is written as ones.
    #[test]
    fn an_updated_checksum_of_zero_is_written_as_ones() {
        let bytes = [0, 1, 0, 2, 0, 8, 0, 0];
        let mut udp = Udp::new_checked(bytes).unwrap();
        udp.set_checksum(0xDD2F);
        assert_eq!(checksum::update(0xDD2F, 0x5555, 0x3285), 0);
        udp.update_checksum(0x5555, 0x3285);
        assert_eq!(udp.checksum(), 0xFFFF);
        udp.set_checksum(0xDD2F);
        udp.update_checksum32(0x1234_5555, 0x1234_3285);
        assert_eq!(udp.checksum(), 0xFFFF);
        // Nothing changed.
        udp.update_checksum(7, 7);
        assert_eq!(udp.checksum(), 0xFFFF);
    }

    #[test]
    fn an_update_gives_no_checksum_to_a_datagram_that_has_none() {
        let bytes = [0, 1, 0, 2, 0, 8, 0, 0];
        let mut udp = Udp::new_checked(bytes).unwrap();
        udp.update_checksum(1, 2);
        udp.update_checksum32(1, 0x0002_0000);
        udp.change_src_port(3);
        udp.change_dst_port(4);
        assert_eq!((udp.src_port(), udp.dst_port(), udp.checksum()), (3, 4, 0));
    }

    #[test]
    fn zero_is_no_checksum_in_ipv6() {
        let bytes = [0, 1, 0, 2, 0, 8, 0, 0];
        let udp = Udp::new_checked(&bytes).unwrap();
        assert!(
            udp.verify_v4(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
                .is_ok()
        );
        assert!(
            udp.verify_v6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST)
                .is_err()
        );
    }

    #[test]
    fn what_a_setter_broke_is_read_without_harm() {
        let mut bytes = [0, 1, 0, 2, 0, 8, 0, 0];
        let mut udp = Udp::new_checked(&mut bytes).unwrap();
        udp.set_len(0xFFFF);
        assert_eq!(udp.payload(), b"");
        udp.set_len(3);
        assert_eq!(udp.payload_mut(), b"");
    }
}
