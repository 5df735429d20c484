//! ICMP (RFC 792).

use super::checksum::{Sum, verify};
use super::error::{Layer, ParseError};
use super::icmp::{CHECKSUM, LEN, REST, TYPE, icmp};
use super::view::at_least;

const LAYER: Layer = Layer::Icmpv4;

icmp! {
    /// An ICMP message. The bytes given must be the whole message, because the checksum covers all of it. The payload
    /// of an error message is the packet that caused it.
    ///
    /// ```
    /// use framepool::wire::{Icmpv4, Icmpv4Header};
    ///
    /// let mut bytes = *b"........ping";
    /// Icmpv4Header { kind: 8, code: 0, checksum: 0, rest: [0, 1, 0, 7] }.emit(&mut bytes)?;
    /// let mut echo = Icmpv4::new_checked(&mut bytes)?;
    /// echo.fill_checksum();
    ///
    /// // The reply differs in one byte; the checksum is updated.
    /// echo.change_kind(0);
    /// assert!(echo.verify().is_ok());
    /// assert_eq!((echo.identifier(), echo.sequence(), echo.payload()), (1, 7, &b"ping"[..]));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Icmpv4;

    /// The fields of an ICMP header.
    Icmpv4Header;
}

impl<T: AsRef<[u8]>> Icmpv4<T> {
    /// Verifies the checksum. O(length).
    ///
    /// # Errors
    /// [`Reason::BadChecksum`](super::Reason::BadChecksum).
    pub fn verify(&self) -> Result<(), ParseError> {
        verify(LAYER, Sum::new(), self.as_bytes(), CHECKSUM)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Icmpv4<T> {
    /// Computes the checksum and writes it. O(length).
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        self.set_checksum(Sum::new().bytes(self.as_bytes()).checksum());
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::Reason;
    use super::*;

    #[test]
    fn a_wrong_checksum_is_told_with_the_right_one() {
        let bytes = [8, 0, 0, 1, 0, 0, 0, 0];
        let error = Icmpv4::new_checked(&bytes).unwrap().verify().unwrap_err();
        let reason = Reason::BadChecksum {
            found: 1,
            computed: 0xF7FF,
        };
        assert_eq!(error, ParseError::new(Layer::Icmpv4, reason, 2));
    }

    /// Nothing but zeros is zero; all else that sums up to zero is minus zero.
    #[test]
    fn the_checksum_of_zeros_is_minus_zero() {
        let mut bytes = [0, 0, 0x4D, 0, 0, 0, 0, 0];
        let mut message = Icmpv4::new_checked(&mut bytes).unwrap();
        assert!(message.verify().is_err());
        message.fill_checksum();
        assert_eq!((message.checksum(), message.verify()), (0xFFFF, Ok(())));
        // The same for the reply to an echo of zeros.
        message.set_kind(8);
        message.fill_checksum();
        message.change_kind(0);
        assert_eq!((message.checksum(), message.verify()), (0xFFFF, Ok(())));
    }
}
