//! What ICMP and ICMPv6 share: everything but the addresses that the checksum covers.

pub(super) const LEN: usize = 8;
pub(super) const TYPE: usize = 0;
pub(super) const CHECKSUM: usize = 2;
pub(super) const REST: usize = 4;

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
                let before = get16(self.as_bytes(), TYPE);
                self.set_kind(kind);
                let after = get16(self.as_bytes(), TYPE);
                self.set_checksum(update(self.checksum(), before, after));
            }
        }
    };
}
pub(super) use icmp;
