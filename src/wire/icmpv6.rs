//! ICMPv6 (RFC 4443).

use core::net::Ipv6Addr;

use super::checksum::{Sum, verify};
use super::error::{Layer, ParseError};
use super::icmp::{CHECKSUM, LEN, REST, TYPE, icmp};
use super::view::at_least;

const LAYER: Layer = Layer::Icmpv6;
/// The number of the protocol in IPv6.
const PROTOCOL: u8 = 58;

icmp! {
    /// An ICMPv6 message. The bytes given must be the whole message, because the checksum covers all of it. The
    /// payload of an error message is the packet that caused it.
    ///
    /// ```
    /// use framepool::wire::{Icmpv6, Icmpv6Header};
    ///
    /// let mut bytes = *b"........ping";
    /// Icmpv6Header { kind: 128, code: 0, checksum: 0, rest: [0, 1, 0, 7] }.emit(&mut bytes)?;
    /// let mut echo = Icmpv6::new_checked(&mut bytes)?;
    /// let (src, dst) = (core::net::Ipv6Addr::LOCALHOST, core::net::Ipv6Addr::LOCALHOST);
    /// echo.fill_checksum(src, dst);
    ///
    /// // The reply differs in one byte; the checksum is updated.
    /// echo.change_kind(129);
    /// assert!(echo.verify(src, dst).is_ok());
    /// assert_eq!((echo.identifier(), echo.sequence(), echo.payload()), (1, 7, &b"ping"[..]));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Icmpv6;

    /// The fields of an ICMPv6 header.
    Icmpv6Header;
}

impl<T: AsRef<[u8]>> Icmpv6<T> {
    /// Verifies the checksum, which covers the addresses too. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        verify(LAYER, self.pseudo(src, dst), self.as_bytes(), CHECKSUM)
    }

    fn pseudo(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Sum {
        let len = u32::try_from(self.as_bytes().len()).unwrap_or(u32::MAX);
        Sum::new().pseudo_v6(src, dst, PROTOCOL, len)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Icmpv6<T> {
    /// Computes the checksum and writes it. O(length).
    pub fn fill_checksum(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        self.set_checksum(0);
        let sum = self.pseudo(src, dst).bytes(self.as_bytes());
        self.set_checksum(sum.checksum());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_under_the_checksum() {
        let (a, b) = (Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED);
        let mut bytes = [135, 0, 0, 0, 0, 0, 0, 0];
        let mut message = Icmpv6::new_checked(&mut bytes).unwrap();
        message.fill_checksum(a, a);
        assert!(message.verify(a, a).is_ok());
        let error = message.verify(a, b).unwrap_err();
        assert_eq!((error.layer, error.offset), (Layer::Icmpv6, 2));
    }
}
