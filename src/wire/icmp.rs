//! What ICMP and ICMPv6 have alike, which is all but what is under the checksum.

pub(super) mod field {
    pub const TYPE: usize = 0;
    pub const CODE: usize = 1;
    pub const CHECKSUM: usize = 2;
    pub const REST: usize = 4;
    pub const END: usize = 8;
}

/// Declares a view and its header, by their names and the layer's. The file supplies what makes and verifies
/// the checksum.
macro_rules! icmp {
    ($(#[$doc:meta])* $view:ident; $(#[$header_doc:meta])* $header:ident; $layer:expr) => {
        $crate::wire::view::view! { $(#[$doc])* $view }

        #[inline]
        fn check(bytes: &[u8]) -> Result<(), ParseError> {
            at_least($layer, bytes, field::END)
        }

        impl<T: AsRef<[u8]>> $view<T> {
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

            /// What the checksum must be, under which is also what `pseudo` sums up.
            fn computed(&self, pseudo: Sum) -> u16 {
                let bytes = self.as_bytes();
                let before = part(bytes, 0, field::CHECKSUM);
                let behind = part(bytes, field::REST, usize::MAX);
                pseudo.bytes(before).bytes(behind).checksum()
            }

            fn verified(&self, pseudo: Sum) -> Result<(), ParseError> {
                if pseudo.bytes(self.as_bytes()).checksum() == 0 {
                    return Ok(());
                }
                let (found, computed) = (self.checksum().into(), self.computed(pseudo).into());
                Err(ParseError::bad_checksum($layer, field::CHECKSUM, found, computed))
            }

            /// All fields.
            pub fn header(&self) -> $header {
                $header {
                    kind: self.kind(),
                    code: self.code(),
                    checksum: self.checksum(),
                    rest: self.rest(),
                }
            }
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> $view<T> {
            /// Sets the type.
            pub fn set_kind(&mut self, kind: u8) {
                put(self.0.as_mut(), field::TYPE, [kind]);
            }

            /// Sets the type and brings the checksum up to date (RFC 1624). O(1).
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

            /// What is behind the header, to write to.
            pub fn payload_mut(&mut self) -> &mut [u8] {
                part_mut(self.0.as_mut(), field::END, usize::MAX)
            }
        }

        $(#[$header_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $header {
            /// The type.
            pub kind: u8,
            /// The code within the type.
            pub code: u8,
            /// The checksum.
            pub checksum: u16,
            /// The second half of the header, whose meaning depends on the type.
            pub rest: [u8; 4],
        }

        impl $header {
            /// Bytes of the header.
            pub const LEN: usize = field::END;

            /// Reads the header at the start of some bytes.
            ///
            /// # Errors
            /// As `new_checked` of the view.
            pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
                $view::new_checked(bytes).map(|view| view.header())
            }

            /// Writes the header to the start of `to`, as it is; returns its length.
            ///
            /// # Errors
            /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
            pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
                at_least($layer, to, field::END)?;
                put(to, field::TYPE, [self.kind, self.code]);
                put(to, field::CHECKSUM, self.checksum.to_be_bytes());
                put(to, field::REST, self.rest);
                Ok(field::END)
            }
        }
    };
}
pub(super) use icmp;
