//! What all views share: bytes at fixed places, and the frame of the types.
//!
//! A view was checked when it was made, but whoever can write to it can change its lengths. So nothing here
//! trusts a length: what is out of reach reads as zero, is not written, and slices end with the bytes.

/// `N` bytes from `at` on; zero where there are none.
#[inline(always)]
pub(super) fn get<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let from = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    from.copied().unwrap_or([0; N])
}

#[inline(always)]
pub(super) fn get8(bytes: &[u8], at: usize) -> u8 {
    let [byte] = get(bytes, at);
    byte
}

#[inline(always)]
pub(super) fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(get(bytes, at))
}

#[inline(always)]
pub(super) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(get(bytes, at))
}

/// Writes `N` bytes from `at` on, if they have room.
#[inline(always)]
pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(to) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
        *to = value;
    }
}

/// Writes `value` where `mask` has ones.
#[inline(always)]
pub(super) fn put_bits(bytes: &mut [u8], at: usize, mask: u8, value: u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = (*byte & !mask) | (value & mask);
    }
}

/// `from..to`, as much of it as there is.
#[inline(always)]
pub(super) fn part(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    let to = to.min(bytes.len());
    bytes.get(from..to).unwrap_or_default()
}

/// `from..to`, as much of it as there is.
#[inline(always)]
pub(super) fn part_mut(bytes: &mut [u8], from: usize, to: usize) -> &mut [u8] {
    let to = to.min(bytes.len());
    bytes.get_mut(from..to).unwrap_or_default()
}

/// Declares a view: the type, and what is alike in all of them. The file supplies
/// `fn check(&[u8]) -> Result<(), ParseError>`, the fields, and `header`, which gathers them.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name<T>(T);

        impl<T: AsRef<[u8]>> $name<T> {
            /// A view of bytes that begin with this header, which must be there in full, and whose lengths
            /// must agree with each other and with the bytes.
            ///
            /// # Errors
            /// What disagrees, with offsets from the header's start.
            #[inline]
            pub fn new_checked(bytes: T) -> Result<Self, $crate::wire::ParseError> {
                check(bytes.as_ref())?;
                Ok(Self(bytes))
            }

            /// The bytes, as they were given.
            pub fn into_inner(self) -> T {
                self.0
            }

            /// The header and all that follows it.
            #[inline(always)]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_ref()
            }
        }

        impl<T: AsRef<[u8]>> core::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.header().fmt(f)
            }
        }

        #[cfg(feature = "defmt")]
        impl<T: AsRef<[u8]>> defmt::Format for $name<T> {
            fn format(&self, f: defmt::Formatter<'_>) {
                self.header().format(f);
            }
        }
    };
}
pub(super) use view;

/// `Ok` if there are `needed` bytes.
#[inline(always)]
pub(super) fn at_least(
    layer: super::Layer,
    bytes: &[u8],
    needed: usize,
) -> Result<(), super::ParseError> {
    if bytes.len() >= needed {
        return Ok(());
    }
    Err(super::ParseError::truncated(layer, 0, needed, bytes.len()))
}
