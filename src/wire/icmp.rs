//! What ICMP and ICMPv6 share: everything but the addresses that the checksum covers.

use super::checksum::update;
use super::view::{get16, put};

pub(super) const LEN: usize = 8;
pub(super) const TYPE: usize = 0;
pub(super) const CHECKSUM: usize = 2;
pub(super) const REST: usize = 4;

/// Sets the type of a message and updates its checksum (RFC 1624).
///
/// Zero is written as minus zero, 0xFFFF. Both are right for a message whose other bytes sum up to minus zero, but only
/// minus zero is for a message of zeros: the reply to an echo without identifier, sequence number and data.
pub(super) fn change_kind(message: &mut [u8], kind: u8) {
    let before = get16(message, TYPE);
    put(message, TYPE, [kind]);
    let after = get16(message, TYPE);
    let checksum = match update(get16(message, CHECKSUM), before, after) {
        0 => 0xFFFF,
        checksum => checksum,
    };
    put(message, CHECKSUM, checksum.to_be_bytes());
}

/// Declares a view and its header, by their names. The file supplies `LAYER` and the methods that fill and verify the
/// checksum.
macro_rules! icmp {
    ($(#[$doc:meta])* $view:ident; $(#[$header_doc:meta])* $header:ident;) => {
        $crate::wire::view::view! {
            $(#[$doc])*
            $view, payload(_): LEN..usize::MAX;

            /// The identifier of an echo.
            identifier: u16 = REST;
            /// The sequence number of an echo.
            sequence: u16 = REST + 2;
        }

        #[inline]
        fn check(bytes: &[u8]) -> Result<(), ParseError> {
            at_least(LAYER, bytes, LEN)
        }

        $crate::wire::view::header! {
            $(#[$header_doc])*
            #[derive(Default)]
            $header of $view {
                /// The type.
                kind, set_kind: u8 = TYPE;
                /// The code within the type.
                code, set_code: u8 = 1;
                /// The checksum.
                checksum, set_checksum: u16 = CHECKSUM;
                /// The second half of the header, whose meaning depends on the type.
                rest, set_rest: [u8; 4] = REST;
            }
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> $view<T> {
            /// Sets the type and updates the checksum (RFC 1624). O(1).
            pub fn change_kind(&mut self, kind: u8) {
                $crate::wire::icmp::change_kind(self.0.as_mut(), kind);
            }
        }
    };
}
pub(super) use icmp;
