//! What all views share: how fields are read and written, and the macros that declare a view and its header.
//!
//! A view checks its bytes in `new_checked`, but a caller that can write to the bytes can change a length later. So
//! nothing here trusts a length: a field that is out of reach reads as zero and is not written, and slices end where
//! the bytes end.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::error::{Layer, ParseError};

/// `N` bytes from `at` on; zeros if they are out of reach.
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

/// Writes `N` bytes from `at` on, unless they are out of reach.
#[inline(always)]
pub(super) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(to) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut()) {
        *to = value;
    }
}

/// The bytes `from..to`, or as many of them as exist.
#[inline(always)]
pub(super) fn part(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    let to = to.min(bytes.len());
    bytes.get(from..to).unwrap_or_default()
}

/// The bytes `from..to`, or as many of them as exist.
#[inline(always)]
pub(super) fn part_mut(bytes: &mut [u8], from: usize, to: usize) -> &mut [u8] {
    let to = to.min(bytes.len());
    bytes.get_mut(from..to).unwrap_or_default()
}

/// `Ok` if there are at least `needed` bytes.
#[inline(always)]
pub(super) fn at_least(layer: Layer, bytes: &[u8], needed: usize) -> Result<(), ParseError> {
    if bytes.len() >= needed {
        return Ok(());
    }
    Err(ParseError::truncated(layer, 0, needed, bytes.len()))
}

/// Where a header has a field whose values have the type `V`: a `usize` is the offset of whole bytes, in network
/// order; [`Bits`] are a part of them.
pub(super) trait Location<V> {
    fn read(self, bytes: &[u8]) -> V;
    fn write(self, bytes: &mut [u8], value: V);
}

/// The bits of a mask in the number at an offset. The mask's type is that of the number.
#[derive(Clone, Copy)]
pub(super) struct Bits<M>(pub(super) usize, pub(super) M);

/// What [`Bits`] can hold.
pub(super) trait Value {
    fn from_bits(bits: u32) -> Self;
    fn to_bits(self) -> u32;
}

impl Value for bool {
    #[inline(always)]
    fn from_bits(bits: u32) -> Self {
        bits != 0
    }

    #[inline(always)]
    fn to_bits(self) -> u32 {
        self.into()
    }
}

macro_rules! integers {
    ($($ty:ident)*) => {$(
        impl Location<$ty> for usize {
            #[inline(always)]
            fn read(self, bytes: &[u8]) -> $ty {
                $ty::from_be_bytes(get(bytes, self))
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8], value: $ty) {
                put(bytes, self, value.to_be_bytes());
            }
        }

        impl<V: Value> Location<V> for Bits<$ty> {
            #[inline(always)]
            fn read(self, bytes: &[u8]) -> V {
                let number: $ty = self.0.read(bytes);
                V::from_bits(((number & self.1) >> self.1.trailing_zeros()).into())
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8], value: V) {
                let bits = (value.to_bits() << self.1.trailing_zeros()) as $ty;
                let others: $ty = self.0.read(bytes);
                self.0.write(bytes, (others & !self.1) | (bits & self.1));
            }
        }

        impl Value for $ty {
            #[inline(always)]
            fn from_bits(bits: u32) -> Self {
                bits as $ty
            }

            #[inline(always)]
            fn to_bits(self) -> u32 {
                self.into()
            }
        }
    )*};
}
integers!(u8 u16 u32);

impl<const N: usize> Location<[u8; N]> for usize {
    #[inline(always)]
    fn read(self, bytes: &[u8]) -> [u8; N] {
        get(bytes, self)
    }

    #[inline(always)]
    fn write(self, bytes: &mut [u8], value: [u8; N]) {
        put(bytes, self, value);
    }
}

macro_rules! addresses {
    ($($ty:ident)*) => {$(
        impl Location<$ty> for usize {
            #[inline(always)]
            fn read(self, bytes: &[u8]) -> $ty {
                get(bytes, self).into()
            }

            #[inline(always)]
            fn write(self, bytes: &mut [u8], value: $ty) {
                put(bytes, self, value.octets());
            }
        }
    )*};
}
addresses!(Ipv4Addr Ipv6Addr);

/// Declares a view: the type, what all views have, and methods for fields.
///
/// ```text
/// view! {
///     /// Its documentation.
///     Udp, payload(udp): LEN..udp.len_field().into();
///     /// Documentation of a field that is not in the header type.
///     len_field, set_len: u16 = 4;
/// }
/// ```
///
/// The payload is optional. A field has a name, which is that of its getter, an optional setter, a type and a
/// [`Location`].
/// The file supplies `fn check(&[u8]) -> Result<(), ParseError>` and a method `header`, which [`header!`] makes.
macro_rules! view {
    (
        $(#[$doc:meta])* $view:ident $(, payload($it:tt): $payload:expr)?;
        $($(#[$field_doc:meta])* $field:ident $(, $set:ident)?: $ty:ty = $location:expr;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $view<T>(T);

        impl<T: AsRef<[u8]>> $view<T> {
            /// A view of bytes that begin with this header.
            ///
            /// # Errors
            /// The header is incomplete, or its lengths contradict each other or the bytes. Offsets count
            /// from the header's start.
            #[inline]
            pub fn new_checked(bytes: T) -> Result<Self, $crate::wire::error::ParseError> {
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

            $(
                /// The bytes after the header, up to the end that the header states, if it states one.
                pub fn payload(&self) -> &[u8] {
                    let $it = self;
                    let core::ops::Range { start, end } = $payload;
                    $crate::wire::view::part(self.as_bytes(), start, end)
                }
            )?
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> $view<T> {
            $(
                /// [`payload`](Self::payload), to write to.
                pub fn payload_mut(&mut self) -> &mut [u8] {
                    let $it = &*self;
                    let core::ops::Range { start, end } = $payload;
                    $crate::wire::view::part_mut(self.0.as_mut(), start, end)
                }
            )?
        }

        $crate::wire::view::fields! {
            $view { $($(#[$field_doc])* $field $(, $set)?: $ty = $location;)* }
        }

        impl<T: AsRef<[u8]>> core::fmt::Debug for $view<T> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.header().fmt(f)
            }
        }

        #[cfg(feature = "defmt")]
        impl<T: AsRef<[u8]>> defmt::Format for $view<T> {
            fn format(&self, f: defmt::Formatter<'_>) {
                self.header().format(f);
            }
        }
    };
}
pub(super) use view;

/// Declares the header type of a view: its fields, and the view's methods for each of them.
///
/// ```text
/// header! {
///     /// Its documentation.
///     TcpHeader<'a> of Tcp, start {
///         /// Documentation of a field, of its getter too.
///         src_port, set_src_port: u16 = 0;
///     }
///     /// Documentation of the bytes from `LEN` to the header's end.
///     options, option_bytes;
/// }
/// ```
///
/// Fields are as in [`view!`]. One without a location has a getter that the file supplies, one without a setter is
/// not written by `emit`. The last part is for headers whose length varies. The file supplies `LAYER`, `LEN` (bytes
/// of the fixed part), `fn header_len(&[u8]) -> usize` for the last part, and a method that `emit` calls first, here
/// `start`: it checks the room, writes what no setter does, and returns the header's length. Without one there is
/// nothing more to write.
macro_rules! header {
    (
        $(#[$doc:meta])* $header:ident $(<$lt:lifetime>)? of $view:ident $(, $start:ident)? {
            $($(#[$field_doc:meta])* $field:ident $(, $set:ident)?: $ty:ty $(= $location:expr)?;)*
        }
        $($(#[$rest_doc:meta])* $rest:ident, $rest_getter:ident;)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $header $(<$lt>)? {
            $($(#[$field_doc])* pub $field: $ty,)*
            $($(#[$rest_doc])* pub $rest: &$lt [u8],)?
        }

        $crate::wire::view::fields! {
            $view { $($(#[$field_doc])* $field $(, $set)?: $ty $(= $location)?;)* }
        }

        impl<T: AsRef<[u8]>> $view<T> {
            $(
                /// Bytes of the header.
                pub fn header_len(&self) -> usize {
                    header_len(self.as_bytes())
                }

                $(#[$rest_doc])*
                pub fn $rest_getter(&self) -> &[u8] {
                    $crate::wire::view::part(self.as_bytes(), LEN, self.header_len())
                }
            )?

            /// All fields of the header.
            pub fn header $(<$lt>)? (& $($lt)? self) -> $header $(<$lt>)? {
                $header::read(self.as_bytes())
            }
        }

        impl $(<$lt>)? $header $(<$lt>)? {
            /// Bytes of the header; of its fixed part, if its length varies.
            pub const LEN: usize = LEN;

            fn read(bytes: & $($lt)? [u8]) -> Self {
                let view = $view(bytes);
                Self {
                    $($field: view.$field(),)*
                    $($rest: $crate::wire::view::part(bytes, LEN, header_len(bytes)),)?
                }
            }

            /// Reads the header at the start of some bytes.
            ///
            /// # Errors
            #[doc = concat!("The same as [`", stringify!($view), "::new_checked`].")]
            pub fn parse(bytes: & $($lt)? [u8]) -> Result<Self, $crate::wire::error::ParseError> {
                check(bytes)?;
                Ok(Self::read(bytes))
            }

            /// Writes the header to the start of `to` and returns its length. The fields are written as they are: no
            /// length or checksum is computed. Of a value that is too large for its field, the lowest bits are
            /// written.
            ///
            /// # Errors
            /// [`Reason::Truncated`](crate::wire::Reason::Truncated) if `to` is shorter than the header.
            $(
                #[doc = concat!(
                    "[`Reason::BadLength`](crate::wire::Reason::BadLength) if the header cannot state the length of `",
                    stringify!($rest), "`.",
                )]
            )?
            /// Nothing was written then.
            pub fn emit(&self, to: &mut [u8]) -> Result<usize, $crate::wire::error::ParseError> {
                let len = $crate::wire::view::header!(@start self to $($start)?);
                let mut view = $view(to);
                $($(view.$set(self.$field);)?)*
                Ok(len)
            }
        }
    };
    (@start $self:ident $to:ident) => {{
        $crate::wire::view::at_least(LAYER, $to, LEN)?;
        LEN
    }};
    (@start $self:ident $to:ident $start:ident) => { $self.$start($to)? };
}
pub(super) use header;

/// Methods of a view for fields, as [`view!`] and [`header!`] describe them.
macro_rules! fields {
    ($view:ident { $(
        $(#[$doc:meta])* $field:ident $(, $set:ident)?: $ty:ty $(= $location:expr)?;
    )* }) => {
        impl<T: AsRef<[u8]>> $view<T> {
            $($crate::wire::view::getter! { $(#[$doc])* $field: $ty $(= $location)? })*
        }

        impl<T: AsRef<[u8]> + AsMut<[u8]>> $view<T> {
            $($crate::wire::view::setter! { $field $(, $set)?: $ty $(= $location)? })*
        }
    };
}
pub(super) use fields;

macro_rules! getter {
    ($(#[$doc:meta])* $field:ident: $ty:ty = $location:expr) => {
        $(#[$doc])*
        pub fn $field(&self) -> $ty {
            $crate::wire::view::Location::<$ty>::read($location, self.as_bytes())
        }
    };
    ($(#[$doc:meta])* $field:ident: $ty:ty) => {};
}
pub(super) use getter;

macro_rules! setter {
    ($field:ident, $set:ident: $ty:ty = $location:expr) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        pub fn $set(&mut self, value: $ty) {
            $crate::wire::view::Location::<$ty>::write($location, self.0.as_mut(), value);
        }
    };
    ($($by_hand_or_none:tt)*) => {};
}
pub(super) use setter;
