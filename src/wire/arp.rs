//! ARP (RFC 826).

use core::net::Ipv4Addr;

use super::error::{Layer, ParseError, Reason};
use super::view::{at_least, get, get16, part, part_mut, put, view};

const HARDWARE: usize = 0;
const PROTOCOL: usize = 2;
/// Two lengths: the hardware's, then the protocol's.
const HARDWARE_LEN: usize = 4;
const OPERATION: usize = 6;
const ADDRESSES: usize = 8;

/// Ethernet and IPv4 in the first six bytes.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

view! {
    /// An ARP packet, with addresses of any kind.
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
    Arp;

    /// The kind of hardware address, 1 for Ethernet.
    hardware: u16 = HARDWARE;
    /// The kind of protocol address, 0x800 for IPv4.
    protocol: u16 = PROTOCOL;
    /// The operation: [`ArpHeader::REQUEST`], [`ArpHeader::REPLY`] or another.
    operation, set_operation: u16 = OPERATION;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Arp, bytes, ADDRESSES)?;
    let [hardware, protocol] = get(bytes, HARDWARE_LEN);
    let len = 2 * (usize::from(hardware) + usize::from(protocol));
    at_least(Layer::Arp, bytes, ADDRESSES + len)
}

/// Where the address lies that follows `hardware` hardware addresses and `protocol` protocol addresses. The kinds
/// alternate, so it is a protocol address if more hardware addresses come before it.
fn address_range(bytes: &[u8], hardware: usize, protocol: usize) -> (usize, usize) {
    let lens: [u8; 2] = get(bytes, HARDWARE_LEN);
    let [hardware_len, protocol_len] = lens.map(usize::from);
    let from = ADDRESSES + hardware * hardware_len + protocol * protocol_len;
    match hardware > protocol {
        true => (from, from + protocol_len),
        false => (from, from + hardware_len),
    }
}

/// Methods for the four addresses, by the number of addresses before them.
macro_rules! addresses {
    ($($(#[$doc:meta])* $get:ident, $get_mut:ident = $hardware:literal, $protocol:literal;)*) => {
        impl<T: AsRef<[u8]>> Arp<T> {
            $(
                $(#[$doc])*
                pub fn $get(&self) -> &[u8] {
                    let (from, to) = address_range(self.as_bytes(), $hardware, $protocol);
                    part(self.as_bytes(), from, to)
                }
            )*
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> Arp<T> {
            $(
                #[doc = concat!("[`", stringify!($get), "`](Self::", stringify!($get), "), to write to.")]
                pub fn $get_mut(&mut self) -> &mut [u8] {
                    let (from, to) = address_range(self.as_bytes(), $hardware, $protocol);
                    part_mut(self.0.as_mut(), from, to)
                }
            )*
        }
    };
}

addresses! {
    /// The sender's hardware address.
    sender_hardware, sender_hardware_mut = 0, 0;
    /// The sender's protocol address.
    sender_protocol, sender_protocol_mut = 1, 0;
    /// The target's hardware address, which has no meaning in a request.
    target_hardware, target_hardware_mut = 1, 1;
    /// The target's protocol address.
    target_protocol, target_protocol_mut = 2, 1;
}

impl<T: AsRef<[u8]>> Arp<T> {
    /// All fields, if it is IPv4 over Ethernet.
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

/// An error at the first field that is not that of IPv4 over Ethernet.
#[cold]
fn not_ethernet_ipv4(bytes: &[u8]) -> ParseError {
    let unknown = |at| {
        let found = get16(bytes, at).into();
        ParseError::new(Layer::Arp, Reason::UnknownType { found }, at)
    };
    let [a, b, c, d, hardware_len, protocol_len] = get(bytes, 0);
    let length =
        |at, stated: u8, due| ParseError::bad_length(Layer::Arp, at, stated.into(), due, due);
    match ([a, b], [c, d], hardware_len) {
        ([0, 1], [8, 0], 6) => length(HARDWARE_LEN + 1, protocol_len, 4),
        ([0, 1], [8, 0], _) => length(HARDWARE_LEN, hardware_len, 6),
        ([0, 1], ..) => unknown(PROTOCOL),
        _ => unknown(HARDWARE),
    }
}

/// The fields of an ARP packet for IPv4 over Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ArpHeader {
    /// The operation: [`REQUEST`](Self::REQUEST), [`REPLY`](Self::REPLY) or another.
    pub operation: u16,
    /// The sender's Ethernet address.
    pub sender_hardware: [u8; 6],
    /// The sender's IPv4 address.
    pub sender: Ipv4Addr,
    /// The target's Ethernet address, which has no meaning in a request.
    pub target_hardware: [u8; 6],
    /// The target's IPv4 address.
    pub target: Ipv4Addr,
}

impl ArpHeader {
    /// Bytes of the packet.
    pub const LEN: usize = 28;
    /// The sender asks for the hardware address of the target.
    pub const REQUEST: u16 = 1;
    /// The sender answers with its hardware address.
    pub const REPLY: u16 = 2;

    /// The reply to this request from the host with the requested address: `own` is its Ethernet address (RFC 826).
    ///
    /// The caller decides whether it is a request, and for an address of its own.
    ///
    /// ```
    /// use framepool::wire::ArpHeader;
    ///
    /// let request = ArpHeader {
    ///     operation: ArpHeader::REQUEST,
    ///     sender_hardware: [2, 0, 0, 0, 0, 1],
    ///     sender: [192, 0, 2, 1].into(),
    ///     target_hardware: [0; 6],
    ///     target: [192, 0, 2, 2].into(),
    /// };
    /// let reply = request.reply([2, 0, 0, 0, 0, 2]);
    /// assert_eq!((reply.operation, reply.sender), (ArpHeader::REPLY, request.target));
    /// assert_eq!((reply.target_hardware, reply.target), (request.sender_hardware, request.sender));
    /// ```
    #[must_use]
    pub const fn reply(&self, own: [u8; 6]) -> Self {
        Self {
            operation: Self::REPLY,
            sender_hardware: own,
            sender: self.target,
            target_hardware: self.sender_hardware,
            target: self.sender,
        }
    }

    /// Reads a packet for IPv4 over Ethernet.
    ///
    /// # Errors
    /// The same as [`Arp::new_checked`], and an error at the first field that is not that of IPv4 over Ethernet:
    /// [`Reason::UnknownType`] with the kind of hardware or protocol, [`Reason::BadLength`] of their addresses.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let view = Arp::new_checked(bytes)?;
        view.header()
            .ok_or_else(|| not_ethernet_ipv4(view.as_bytes()))
    }

    /// Writes the packet to the start of `to` and returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] if `to` is shorter. Nothing was written then.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Arp, to, Self::LEN)?;
        put(to, 0, ETHERNET_IPV4);
        put(to, OPERATION, self.operation.to_be_bytes());
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
