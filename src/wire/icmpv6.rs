//! ICMPv6 (RFC 4443).

use core::net::Ipv6Addr;

use super::checksum::{Sum, update};
use super::view::{at_least, get, get8, get16, part, part_mut, put, view};
use super::{Layer, ParseError, Reason};

mod field {
    pub const TYPE: usize = 0;
    pub const CODE: usize = 1;
    pub const CHECKSUM: usize = 2;
    pub const REST: usize = 4;
    pub const END: usize = 8;
}

/// The number of the protocol in IPv6.
const PROTOCOL: u8 = 58;

view! {
    /// An ICMPv6 message: the bytes given are all of it, as the checksum covers it.
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
    /// // The reply differs in one byte; the checksum follows.
    /// echo.change_kind(129);
    /// assert!(echo.verify(src, dst).is_ok());
    /// assert_eq!((echo.identifier(), echo.sequence(), echo.payload()), (1, 7, &b"ping"[..]));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Icmpv6
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Icmpv6, bytes, field::END)
}

impl<T: AsRef<[u8]>> Icmpv6<T> {
    /// The type.
    pub fn kind(&self) -> u8 {
        get8(self.as_bytes(), field::TYPE)
    }

    /// The code within the type.
    pub fn code(&self) -> u8 {
        get8(self.as_bytes(), field::CODE)
    }

    /// The checksum.
    pub fn checksum(&self) -> u16 {
        get16(self.as_bytes(), field::CHECKSUM)
    }

    /// The second half of the header, whose meaning depends on the type.
    pub fn rest(&self) -> [u8; 4] {
        get(self.as_bytes(), field::REST)
    }

    /// The identifier of an echo.
    pub fn identifier(&self) -> u16 {
        get16(self.as_bytes(), field::REST)
    }

    /// The sequence number of an echo.
    pub fn sequence(&self) -> u16 {
        get16(self.as_bytes(), field::REST + 2)
    }

    /// What is behind the header: of an error the packet that caused it.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, usize::MAX)
    }

    /// Verifies the checksum. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`].
    pub fn verify(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), ParseError> {
        if self.sum(src, dst).checksum() == 0 {
            return Ok(());
        }
        let (found, computed) = (self.checksum().into(), self.computed(src, dst).into());
        let reason = Reason::BadChecksum { found, computed };
        Err(ParseError::new(Layer::Icmpv6, reason, field::CHECKSUM))
    }

    fn sum(&self, src: Ipv6Addr, dst: Ipv6Addr) -> Sum {
        let bytes = self.as_bytes();
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Sum::new().pseudo_v6(src, dst, PROTOCOL, len).bytes(bytes)
    }

    fn computed(&self, src: Ipv6Addr, dst: Ipv6Addr) -> u16 {
        self.sum(src, dst).word(!self.checksum()).checksum()
    }

    /// All fields.
    pub fn header(&self) -> Icmpv6Header {
        Icmpv6Header {
            kind: self.kind(),
            code: self.code(),
            checksum: self.checksum(),
            rest: self.rest(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Icmpv6<T> {
    /// Sets the type.
    pub fn set_kind(&mut self, kind: u8) {
        put(self.0.as_mut(), field::TYPE, [kind]);
    }

    /// Sets the type and brings the checksum up to date. O(1).
    pub fn change_kind(&mut self, kind: u8) {
        let before = get16(self.as_bytes(), field::TYPE);
        self.set_kind(kind);
        let after = get16(self.as_bytes(), field::TYPE);
        self.set_checksum(update(self.checksum(), before, after));
    }

    /// Sets the code.
    pub fn set_code(&mut self, code: u8) {
        put(self.0.as_mut(), field::CODE, [code]);
    }

    /// Sets the checksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        put(self.0.as_mut(), field::CHECKSUM, checksum.to_be_bytes());
    }

    /// Sets the second half of the header.
    pub fn set_rest(&mut self, rest: [u8; 4]) {
        put(self.0.as_mut(), field::REST, rest);
    }

    /// Makes the checksum. O(length).
    pub fn fill_checksum(&mut self, src: Ipv6Addr, dst: Ipv6Addr) {
        self.set_checksum(self.computed(src, dst));
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        part_mut(self.0.as_mut(), field::END, usize::MAX)
    }
}

/// The fields of an ICMPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Icmpv6Header {
    /// The type.
    pub kind: u8,
    /// The code within the type.
    pub code: u8,
    /// The checksum.
    pub checksum: u16,
    /// The second half of the header, whose meaning depends on the type.
    pub rest: [u8; 4],
}

impl Icmpv6Header {
    /// Bytes of the header.
    pub const LEN: usize = field::END;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Icmpv6::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Icmpv6::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to`, as it is; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Icmpv6, to, field::END)?;
        put(to, field::TYPE, [self.kind, self.code]);
        put(to, field::CHECKSUM, self.checksum.to_be_bytes());
        put(to, field::REST, self.rest);
        Ok(field::END)
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
