//! UDP (RFC 768).

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::{self, Sum};
use super::view::{at_least, get16, part, part_mut, put, view};
use super::{Layer, ParseError};

mod field {
    pub const SRC_PORT: usize = 0;
    pub const DST_PORT: usize = 2;
    pub const LENGTH: usize = 4;
    pub const CHECKSUM: usize = 6;
    pub const END: usize = 8;
}

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
    Udp
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Udp, bytes, field::END)?;
    let len = usize::from(get16(bytes, field::LENGTH));
    if len < field::END {
        let most = bytes.len();
        return Err(ParseError::bad_length(
            Layer::Udp,
            field::LENGTH,
            len,
            field::END,
            most,
        ));
    }
    at_least(Layer::Udp, bytes, len)
}

impl<T: AsRef<[u8]>> Udp<T> {
    /// The sender's port.
    pub fn src_port(&self) -> u16 {
        get16(self.as_bytes(), field::SRC_PORT)
    }

    /// The receiver's port.
    pub fn dst_port(&self) -> u16 {
        get16(self.as_bytes(), field::DST_PORT)
    }

    /// The length of header and payload, in bytes.
    pub fn len_field(&self) -> u16 {
        get16(self.as_bytes(), field::LENGTH)
    }

    /// The checksum; zero where none was made.
    pub fn checksum(&self) -> u16 {
        get16(self.as_bytes(), field::CHECKSUM)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, self.len_field().into())
    }

    /// Verifies the checksum for IPv4, where zero says that there is none. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v4(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Result<(), ParseError> {
        if self.checksum() == 0 {
            return Ok(());
        }
        self.verify(Sum::new().pseudo_v4(src, dst, PROTOCOL, self.len_field()))
    }

    /// Verifies the checksum for IPv6, where there has to be one. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify_v6(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        self.verify(Sum::new().pseudo_v6(src, dst, PROTOCOL, self.len_field().into()))
    }

    fn verify(&self, pseudo: Sum) -> Result<(), ParseError> {
        let found = self.checksum();
        // Over the field as well: what is right gives zero, and what the field should hold is off by it.
        if pseudo.bytes(self.datagram()).checksum() == 0 && found != 0 {
            return Ok(());
        }
        let (found, computed) = (found.into(), self.computed(pseudo).into());
        Err(ParseError::bad_checksum(
            Layer::Udp,
            field::CHECKSUM,
            found,
            computed,
        ))
    }

    fn datagram(&self) -> &[u8] {
        part(self.as_bytes(), 0, self.len_field().into())
    }

    fn computed(&self, pseudo: Sum) -> u16 {
        let sum = pseudo.bytes(self.datagram()).word(!self.checksum());
        written(sum.checksum())
    }

    /// All fields.
    pub fn header(&self) -> UdpHeader {
        UdpHeader {
            src_port: self.src_port(),
            dst_port: self.dst_port(),
            len: self.len_field(),
            checksum: self.checksum(),
        }
    }
}

/// A checksum as UDP writes it: zero would say that there is none.
const fn written(checksum: u16) -> u16 {
    match checksum {
        0 => 0xFFFF,
        checksum => checksum,
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Udp<T> {
    /// Sets the sender's port.
    pub fn set_src_port(&mut self, port: u16) {
        put(self.0.as_mut(), field::SRC_PORT, port.to_be_bytes());
    }

    /// Sets the receiver's port.
    pub fn set_dst_port(&mut self, port: u16) {
        put(self.0.as_mut(), field::DST_PORT, port.to_be_bytes());
    }

    /// Sets the length of header and payload, in bytes.
    pub fn set_len(&mut self, len: u16) {
        put(self.0.as_mut(), field::LENGTH, len.to_be_bytes());
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        put(self.0.as_mut(), field::CHECKSUM, checksum.to_be_bytes());
    }

    /// Makes the checksum for IPv4. O(length).
    pub fn fill_checksum_v4(&mut self, src: Ipv4Addr, dst: Ipv4Addr) {
        let pseudo = Sum::new().pseudo_v4(src, dst, PROTOCOL, self.len_field());
        self.set_checksum(self.computed(pseudo));
    }

    /// Makes the checksum for IPv6. O(length).
    pub fn fill_checksum_v6(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        let pseudo = Sum::new().pseudo_v6(src, dst, PROTOCOL, self.len_field().into());
        self.set_checksum(self.computed(pseudo));
    }

    /// Brings the checksum up to date after a word of 16 bits under it changed from `old` to `new`: of the
    /// datagram or of the pseudo header, at an even offset. O(1).
    ///
    /// Keeps the rules of RFC 768: a datagram without a checksum (0) has none afterwards, and a checksum that
    /// would be 0 is written as 0xFFFF.
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
        self.changed_by(|before| checksum::update(before, old, new));
    }

    /// [`update_checksum`](Self::update_checksum) for 32 bits, such as an IPv4 address.
    pub fn update_checksum32(&mut self, old: u32, new: u32) {
        self.changed_by(|before| checksum::update32(before, old, new));
    }

    /// Sets the sender's port and brings the checksum up to date: see
    /// [`update_checksum`](Self::update_checksum). O(1).
    pub fn change_src_port(&mut self, port: u16) {
        let before = self.src_port();
        self.set_src_port(port);
        self.update_checksum(before, self.src_port());
    }

    /// Sets the receiver's port and brings the checksum up to date: see
    /// [`update_checksum`](Self::update_checksum). O(1).
    pub fn change_dst_port(&mut self, port: u16) {
        let before = self.dst_port();
        self.set_dst_port(port);
        self.update_checksum(before, self.dst_port());
    }

    fn changed_by(&mut self, update: impl FnOnce(u16) -> u16) {
        let before = self.checksum();
        if before != 0 {
            self.set_checksum(written(update(before)));
        }
    }

    /// The payload, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let end = self.len_field().into();
        part_mut(self.0.as_mut(), field::END, end)
    }
}

/// The fields of a UDP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UdpHeader {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The length of header and payload, in bytes.
    pub len: u16,
    /// The checksum; zero where none was made.
    pub checksum: u16,
}

impl UdpHeader {
    /// Bytes of the header.
    pub const LEN: usize = field::END;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Udp::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Udp::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to`, as it is; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Udp, to, field::END)?;
        put(to, field::SRC_PORT, self.src_port.to_be_bytes());
        put(to, field::DST_PORT, self.dst_port.to_be_bytes());
        put(to, field::LENGTH, self.len.to_be_bytes());
        put(to, field::CHECKSUM, self.checksum.to_be_bytes());
        Ok(field::END)
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

    /// The update comes to zero, which is the other form of what is written.
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
