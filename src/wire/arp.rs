//! ARP (RFC 826).

use core::net::Ipv4Addr;

use super::view::{at_least, get, get16, part, part_mut, put, view};
use super::{Layer, ParseError, Reason};

mod field {
    pub const HARDWARE: usize = 0;
    pub const PROTOCOL: usize = 2;
    /// Two lengths, the protocol's behind the hardware's.
    pub const HARDWARE_LEN: usize = 4;
    pub const OPERATION: usize = 6;
    pub const ADDRESSES: usize = 8;
}

/// Ethernet and IPv4 in the first six bytes.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

view! {
    /// An ARP packet, for whatever kinds of addresses.
    ///
    /// ```
    /// use framepool::wire::{Arp, ArpHeader};
    ///
    /// let mut bytes = [0; 28];
    /// let request = ArpHeader {
    ///     operation: ArpHeader::REQUEST,
    ///     sender_hardware: [2, 0, 0, 0, 0, 1],
    ///     sender: [192, 0, 2, 1].into(),
    ///     target_hardware: [0; 6],
    ///     target: [192, 0, 2, 2].into(),
    /// };
    /// request.emit(&mut bytes)?;
    /// assert_eq!(Arp::new_checked(&bytes)?.target_protocol(), [192, 0, 2, 2]);
    /// assert_eq!(ArpHeader::parse(&bytes)?, request);
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Arp
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Arp, bytes, field::ADDRESSES)?;
    at_least(Layer::Arp, bytes, end(bytes))
}

/// Where the addresses end.
fn end(bytes: &[u8]) -> usize {
    let [hardware, protocol] = get(bytes, field::HARDWARE_LEN);
    field::ADDRESSES + 2 * (usize::from(hardware) + usize::from(protocol))
}

/// Where the address is that is behind so many of each kind. It is a protocol address if there are more of the
/// others.
fn place(bytes: &[u8], hardware: usize, protocol: usize) -> (usize, usize) {
    let lens: [u8; 2] = get(bytes, field::HARDWARE_LEN);
    let [hardware_len, protocol_len] = lens.map(usize::from);
    let from = field::ADDRESSES + hardware * hardware_len + protocol * protocol_len;
    match hardware > protocol {
        true => (from, from + protocol_len),
        false => (from, from + hardware_len),
    }
}

impl<T: AsRef<[u8]>> Arp<T> {
    /// The kind of hardware address, 1 for Ethernet.
    pub fn hardware(&self) -> u16 {
        get16(self.as_bytes(), field::HARDWARE)
    }

    /// The kind of protocol address, 0x800 for IPv4.
    pub fn protocol(&self) -> u16 {
        get16(self.as_bytes(), field::PROTOCOL)
    }

    /// What is asked or answered.
    pub fn operation(&self) -> u16 {
        get16(self.as_bytes(), field::OPERATION)
    }

    /// The sender's hardware address.
    pub fn sender_hardware(&self) -> &[u8] {
        self.address(0, 0)
    }

    /// The sender's protocol address.
    pub fn sender_protocol(&self) -> &[u8] {
        self.address(1, 0)
    }

    /// The target's hardware address, of no meaning in a request.
    pub fn target_hardware(&self) -> &[u8] {
        self.address(1, 1)
    }

    /// The target's protocol address.
    pub fn target_protocol(&self) -> &[u8] {
        self.address(2, 1)
    }

    fn address(&self, hardware: usize, protocol: usize) -> &[u8] {
        let (from, to) = place(self.as_bytes(), hardware, protocol);
        part(self.as_bytes(), from, to)
    }

    /// All fields, where it is IPv4 over Ethernet.
    pub fn header(&self) -> Option<ArpHeader> {
        let bytes = self.as_bytes();
        (get(bytes, 0) == ETHERNET_IPV4).then(|| ArpHeader {
            operation: self.operation(),
            sender_hardware: get(bytes, 8),
            sender: get(bytes, 14).into(),
            target_hardware: get(bytes, 18),
            target: get(bytes, 24).into(),
        })
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Arp<T> {
    /// Sets what is asked or answered.
    pub fn set_operation(&mut self, operation: u16) {
        put(self.0.as_mut(), field::OPERATION, operation.to_be_bytes());
    }

    /// The sender's hardware address, to write to.
    pub fn sender_hardware_mut(&mut self) -> &mut [u8] {
        self.address_mut(0, 0)
    }

    /// The sender's protocol address, to write to.
    pub fn sender_protocol_mut(&mut self) -> &mut [u8] {
        self.address_mut(1, 0)
    }

    /// The target's hardware address, to write to.
    pub fn target_hardware_mut(&mut self) -> &mut [u8] {
        self.address_mut(1, 1)
    }

    /// The target's protocol address, to write to.
    pub fn target_protocol_mut(&mut self) -> &mut [u8] {
        self.address_mut(2, 1)
    }

    fn address_mut(&mut self, hardware: usize, protocol: usize) -> &mut [u8] {
        let (from, to) = place(self.as_bytes(), hardware, protocol);
        part_mut(self.0.as_mut(), from, to)
    }
}

/// The first field of a packet that is not for IPv4 over Ethernet.
#[cold]
fn stranger(bytes: &[u8]) -> ParseError {
    let unknown = |at| {
        let found = get16(bytes, at).into();
        ParseError::new(Layer::Arp, Reason::UnknownType { found }, at)
    };
    let [a, b, c, d, hardware_len, protocol_len] = get(bytes, 0);
    let length =
        |at, stated: u8, due| ParseError::bad_length(Layer::Arp, at, stated.into(), due, due);
    match ([a, b], [c, d], hardware_len) {
        ([0, 1], [8, 0], 6) => length(field::HARDWARE_LEN + 1, protocol_len, 4),
        ([0, 1], [8, 0], _) => length(field::HARDWARE_LEN, hardware_len, 6),
        ([0, 1], ..) => unknown(field::PROTOCOL),
        _ => unknown(field::HARDWARE),
    }
}

/// The fields of an ARP packet for IPv4 over Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ArpHeader {
    /// What is asked or answered.
    pub operation: u16,
    /// The sender's Ethernet address.
    pub sender_hardware: [u8; 6],
    /// The sender's IPv4 address.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub sender: Ipv4Addr,
    /// The target's Ethernet address, of no meaning in a request.
    pub target_hardware: [u8; 6],
    /// The target's IPv4 address.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub target: Ipv4Addr,
}

impl ArpHeader {
    /// Bytes of the packet.
    pub const LEN: usize = 28;
    /// Who has the target's address?
    pub const REQUEST: u16 = 1;
    /// The sender has.
    pub const REPLY: u16 = 2;

    /// Reads a packet for IPv4 over Ethernet.
    ///
    /// # Errors
    /// As [`Arp::new_checked`], and of the first field that is not that of IPv4 over Ethernet:
    /// [`Reason::UnknownType`] with the kind of hardware or protocol, [`Reason::BadLength`] of their addresses.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let view = Arp::new_checked(bytes)?;
        view.header().ok_or_else(|| stranger(view.as_bytes()))
    }

    /// Writes the packet to the start of `to`; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Arp, to, Self::LEN)?;
        put(to, 0, ETHERNET_IPV4);
        put(to, field::OPERATION, self.operation.to_be_bytes());
        put(to, 8, self.sender_hardware);
        put(to, 14, self.sender.octets());
        put(to, 18, self.target_hardware);
        put(to, 24, self.target.octets());
        Ok(Self::LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_other_lengths_are_found() {
        let bytes = [0, 6, 0x12, 0x34, 1, 3, 0, 9, 0xA0, 1, 2, 3, 0xB0, 4, 5, 6];
        let arp = Arp::new_checked(&bytes).unwrap();
        assert_eq!(
            (arp.sender_hardware(), arp.sender_protocol()),
            (&[0xA0][..], &[1, 2, 3][..])
        );
        assert_eq!(
            (arp.target_hardware(), arp.target_protocol()),
            (&[0xB0][..], &[4, 5, 6][..])
        );
        assert_eq!(arp.header(), None);
        assert!(ArpHeader::parse(&bytes).is_err());
    }

    #[test]
    fn the_field_that_is_not_ethernets_or_ipv4s_is_named() {
        let mut bytes = [0; 36];
        bytes[..6].copy_from_slice(&ETHERNET_IPV4);
        assert!(ArpHeader::parse(&bytes).is_ok());
        for (at, value, reason, offset) in [
            (1, 6, Reason::UnknownType { found: 6 }, 0),
            (2, 9, Reason::UnknownType { found: 0x900 }, 2),
            (4, 7, of(7, 6), 4),
            (5, 5, of(5, 4), 5),
        ] {
            let mut bytes = bytes;
            bytes[at] = value;
            let error = ParseError::new(Layer::Arp, reason, offset);
            assert_eq!(ArpHeader::parse(&bytes), Err(error));
        }
        // Ethernet and IPv6: the hardware is as it should be.
        bytes[..6].copy_from_slice(&[0, 1, 0x86, 0xDD, 6, 4]);
        let reason = Reason::UnknownType { found: 0x86DD };
        let error = ParseError::new(Layer::Arp, reason, 2);
        assert_eq!(ArpHeader::parse(&bytes), Err(error));
    }

    fn of(stated: u64, due: u32) -> Reason {
        Reason::BadLength {
            stated,
            least: due,
            most: due,
        }
    }

    #[test]
    fn an_arp_packet_has_room_for_its_addresses() {
        let bytes = [0, 6, 0x12, 0x34, 1, 3, 0, 9, 0xA0, 1, 2, 3, 0xB0, 4, 5, 6];
        let error = ParseError::truncated(Layer::Arp, 0, 16, 15);
        assert_eq!(Arp::new_checked(&bytes[..15]).unwrap_err(), error);
    }
}
