//! From a table of fields to types: what every binary feed here is made of.
//!
//! A feed's specification is a list of messages, each with a type and fields at fixed offsets. The
//! macro `messages!` takes that list as it stands in the specification, with the offsets counted from
//! the message's first byte and their ends excluded:
//!
//! ```text
//!  b'D' OrderDelete[19] {            D is the type, 19 the bytes of the message
//!      timestamp: u64 @ 5..11;       48 bits of big-endian integer, shown as u64
//!      order_reference: u64 @ 11..19;
//!  }
//!
//!   0 1   3   5           11              19
//!  ┌─┬───┬───┬───────────┬───────────────┐
//!  │D│loc│trk│ timestamp │   reference   │      OrderDelete<'a> { bytes: &'a [u8; 19] }
//!  └─┴───┴───┴───────────┴───────────────┘
//! ```
//!
//! Of each message it makes a view whose getters cannot fail (the length is in its type, and offsets
//! outside of it do not compile), a struct of the same name in `fields` that is emitted, a variant of
//! `Message`, and a line of the table of lengths.

/// The `N` bytes at `AT`. Offsets outside of the message do not compile.
#[inline(always)]
pub(super) const fn at<const AT: usize, const N: usize, const LEN: usize>(
    bytes: &[u8; LEN],
) -> [u8; N] {
    const {
        assert!(
            AT <= LEN && N <= LEN - AT,
            "a field lies within its message"
        )
    };
    let (_, from) = bytes.split_at(AT);
    match from.first_chunk::<N>() {
        Some(field) => *field,
        None => [0; N],
    }
}

/// Puts a field where [`at`] reads it.
#[inline(always)]
pub(super) fn put<const AT: usize, const N: usize, const LEN: usize>(
    bytes: &mut [u8; LEN],
    field: [u8; N],
) {
    const {
        assert!(
            AT <= LEN && N <= LEN - AT,
            "a field lies within its message"
        )
    };
    if let Some(place) = bytes.split_at_mut(AT).1.first_chunk_mut::<N>() {
        *place = field;
    }
}

/// A field of `N` bytes in network order.
pub(super) trait Be<const N: usize>: Copy {
    fn get(bytes: [u8; N]) -> Self;
    fn put(self) -> [u8; N];
}

/// A field of `N` bytes, the least significant first.
pub(super) trait Le<const N: usize>: Copy {
    fn get(bytes: [u8; N]) -> Self;
    fn put(self) -> [u8; N];
}

macro_rules! integers {
    ($($int:ty, $n:literal);* $(;)?) => { $(
        impl Be<$n> for $int {
            #[inline(always)]
            fn get(bytes: [u8; $n]) -> Self {
                Self::from_be_bytes(bytes)
            }
            #[inline(always)]
            fn put(self) -> [u8; $n] {
                self.to_be_bytes()
            }
        }
        impl Le<$n> for $int {
            #[inline(always)]
            fn get(bytes: [u8; $n]) -> Self {
                Self::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn put(self) -> [u8; $n] {
                self.to_le_bytes()
            }
        }
    )* };
}

integers! { u8, 1; u16, 2; u32, 4; u64, 8; i32, 4; i64, 8 }

/// 48 bits: nanoseconds since midnight. What does not fit is cut off.
impl Be<6> for u64 {
    #[inline(always)]
    fn get(bytes: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = bytes;
        Self::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
    #[inline(always)]
    fn put(self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f] = self.to_be_bytes();
        [a, b, c, d, e, f]
    }
}

macro_rules! wrapped {
    ($order:ident) => {
        impl<const N: usize> $order<N> for Alpha<N> {
            #[inline(always)]
            fn get(bytes: [u8; N]) -> Self {
                Self(bytes)
            }
            #[inline(always)]
            fn put(self) -> [u8; N] {
                self.0
            }
        }

        impl<T: $order<N>, const N: usize, const DECIMALS: u32> $order<N> for Price<T, DECIMALS> {
            #[inline(always)]
            fn get(bytes: [u8; N]) -> Self {
                Self::new(T::get(bytes))
            }
            #[inline(always)]
            fn put(self) -> [u8; N] {
                self.raw.put()
            }
        }
    };
}

use super::price::{Alpha, Price};

wrapped!(Be);
wrapped!(Le);

/// What may follow the fields of a message's table: nothing, or what a later version adds.
pub(super) trait Tail<'a>: Copy {
    /// The maximum number of bytes after the fields.
    const MOST: usize;
    fn of(rest: &'a [u8]) -> Option<Self>;
    fn bytes(self) -> &'a [u8];
}

impl<'a> Tail<'a> for () {
    const MOST: usize = 0;
    #[inline(always)]
    fn of(rest: &'a [u8]) -> Option<Self> {
        rest.is_empty().then_some(())
    }
    fn bytes(self) -> &'a [u8] {
        &[]
    }
}

impl<'a> Tail<'a> for &'a [u8] {
    const MOST: usize = u16::MAX as usize;
    #[inline(always)]
    fn of(rest: &'a [u8]) -> Option<Self> {
        Some(rest)
    }
    fn bytes(self) -> &'a [u8] {
        self
    }
}

/// A field of `N` bytes at `AT`, if the message goes that far.
#[inline(always)]
pub(super) fn optional<const AT: usize, const N: usize>(rest: &[u8]) -> Option<[u8; N]> {
    rest.get(AT..)?.first_chunk::<N>().copied()
}

/// Makes the types of a feed's messages. See the module.
macro_rules! messages {
    (
        layer: $layer:ident;
        order: $order:ident;
        kind: $kind:ty, $ks:literal..$ke:literal;
        stamp: $stamp:ident;
        tail: $tail:ty;
        $(
            $(#[$doc:meta])*
            $code:literal $name:ident [$len:literal] {
                $( $(#[$fdoc:meta])* $field:ident : $ty:ty => $s:literal..$e:literal; )*
            }
            $( may have { $( $(#[$odoc:meta])* $ofield:ident : $oty:ty => $os:literal..$oe:literal; )* } )?
        )*
    ) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq)]
            #[cfg_attr(feature = "defmt", derive(defmt::Format))]
            pub struct $name<'a> {
                bytes: &'a [u8; $len],
                tail: $tail,
            }

            impl<'a> $name<'a> {
                /// The type that the message carries.
                pub const KIND: $kind = $code;
                /// Bytes of the message, those of fields that it may have or not left out.
                pub const LEN: usize = $len;

                /// A message of this type and of the right length.
                ///
                /// # Errors
                /// Bytes of another type, or too few or too many of them.
                pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                    let kind = kind_of(bytes)?;
                    if kind != Self::KIND {
                        let reason = Reason::UnknownType { found: u32::from(kind) };
                        return Err(ParseError::new(Layer::$layer, reason, $ks));
                    }
                    Self::of(bytes).ok_or_else(|| misfit(bytes.len(), $len))
                }

                #[inline(always)]
                fn of(bytes: &'a [u8]) -> Option<Self> {
                    let (bytes, rest) = bytes.split_first_chunk::<$len>()?;
                    Some(Self { bytes, tail: <$tail as Tail<'a>>::of(rest)? })
                }

                /// The message's bytes, as far as the table of its fields goes.
                pub const fn as_bytes(&self) -> &'a [u8; $len] {
                    self.bytes
                }

                /// The message's bytes after those fields.
                pub fn tail(&self) -> &'a [u8] {
                    Tail::bytes(self.tail)
                }

                $(
                    $(#[$fdoc])*
                    #[inline(always)]
                    pub fn $field(&self) -> $ty {
                        <$ty as $order<{ $e - $s }>>::get(at::<$s, { $e - $s }, $len>(self.bytes))
                    }
                )*

                $( $(
                    $(#[$odoc])*
                    #[inline(always)]
                    pub fn $ofield(&self) -> Option<$oty> {
                        optional::<{ $os - $len }, { $oe - $os }>(self.tail)
                            .map(<$oty as $order<{ $oe - $os }>>::get)
                    }
                )* )?

                /// All fields at once, by value.
                #[inline]
                pub fn fields(&self) -> fields::$name {
                    fields::$name {
                        $( $field: self.$field(), )*
                        $( $( $ofield: self.$ofield(), )* )?
                    }
                }
            }

            impl core::fmt::Debug for $name<'_> {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    self.fields().fmt(f)
                }
            }
        )*

        /// The messages by value, to be made and emitted: each has the fields of the view of its name.
        pub mod fields {
            #[allow(unused_imports)]
            use super::*;

            $(
                #[doc = concat!("The fields of [`", stringify!($name), "`](super::", stringify!($name), ").")]
                #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
                #[cfg_attr(feature = "defmt", derive(defmt::Format))]
                pub struct $name {
                    $( $(#[$fdoc])* pub $field: $ty, )*
                    $( $( $(#[$odoc])* pub $ofield: Option<$oty>, )* )?
                }

                impl $name {
                    /// The message without the fields that it may have or not. Bytes that the
                    /// specification reserves are zero.
                    pub fn to_bytes(&self) -> [u8; $len] {
                        let mut bytes = [0; $len];
                        put::<$ks, { $ke - $ks }, $len>(
                            &mut bytes,
                            <$kind as $order<{ $ke - $ks }>>::put($code),
                        );
                        $(
                            put::<$s, { $e - $s }, $len>(
                                &mut bytes,
                                <$ty as $order<{ $e - $s }>>::put(self.$field),
                            );
                        )*
                        $stamp(&mut bytes);
                        bytes
                    }

                    /// Writes the message to the start of `out` and says how long it is. Of the
                    /// fields that it may have or not, those before the first `None` are written.
                    ///
                    /// # Errors
                    /// `out` is too short. Its contents are then unspecified.
                    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                        let mut writer = Writer::new(Layer::$layer, out);
                        writer.put(&self.to_bytes())?;
                        #[allow(unused_labels)]
                        'some: {
                            $( $(
                                let Some(value) = self.$ofield else { break 'some };
                                writer.put(&<$oty as $order<{ $oe - $os }>>::put(value))?;
                            )* )?
                        }
                        let bytes = writer.finish();
                        $stamp(bytes);
                        Ok(bytes.len())
                    }
                }
            )*
        }

        /// A message of any type, borrowed.
        ///
        /// Making one costs a jump by type, which no branch predictor can foresee.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Message<'a> {
            $( #[doc = concat!("See [`", stringify!($name), "`].")] $name($name<'a>), )*
        }

        impl<'a> Message<'a> {
            /// The message that these bytes are, all of them.
            ///
            /// # Errors
            /// A type that the specification does not have, or a length that is not this type's.
            #[inline(always)]
            pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                let kind = kind_of(bytes)?;
                match kind {
                    $(
                        $code => match $name::of(bytes) {
                            Some(message) => Ok(Self::$name(message)),
                            None => Err(misfit(bytes.len(), $len)),
                        },
                    )*
                    _ => Err(unknown(kind)),
                }
            }

            /// The message, if its type and length go together.
            #[inline(always)]
            #[allow(dead_code)]
            pub(super) fn fitting(bytes: &'a [u8]) -> Option<Self> {
                match kind_of(bytes).ok()? {
                    $( $code => $name::of(bytes).map(Self::$name), )*
                    _ => None,
                }
            }

            /// The type that it carries.
            pub const fn kind(&self) -> $kind {
                match self {
                    $( Self::$name(_) => $code, )*
                }
            }

            /// Writes the message to the start of `out`, field by field, and says how long it is.
            ///
            /// # Errors
            /// `out` is too short. Its contents are then unspecified.
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                match self {
                    $( Self::$name(message) => message.fields().emit(out), )*
                }
            }

            /// Its bytes, as far as the table of its fields goes.
            pub const fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $( Self::$name(message) => message.bytes, )*
                }
            }
        }

        /// Every type of the specification, with the bytes of its message (those of fields that a
        /// message may have or not left out) and its name here.
        pub const TYPES: &[($kind, usize, &str)] = &[ $( ($code, $len, stringify!($name)), )* ];

        /// The fields that every message of a type has, in the order of [`TYPES`].
        pub(super) const FIELDS: &[&[Field]] = &[ $( &[ $(
            Field { name: stringify!($field), start: $s, end: $e },
        )* ], )* ];

        #[inline(always)]
        pub(super) fn kind_of(bytes: &[u8]) -> Result<$kind, ParseError> {
            match bytes.first_chunk::<$ke>() {
                Some(bytes) => {
                    Ok(<$kind as $order<{ $ke - $ks }>>::get(at::<$ks, { $ke - $ks }, $ke>(bytes)))
                }
                None => Err(ParseError::truncated(Layer::$layer, 0, $ke, bytes.len())),
            }
        }

        #[cold]
        fn unknown(kind: $kind) -> ParseError {
            let reason = Reason::UnknownType { found: u32::from(kind) };
            ParseError::new(Layer::$layer, reason, $ks)
        }

        /// A message of `len` bytes that should have `least` bytes, or at least that number.
        #[cold]
        #[allow(clippy::extra_unused_lifetimes)]
        fn misfit<'a>(len: usize, least: usize) -> ParseError {
            if len < least {
                ParseError::truncated(Layer::$layer, 0, least, len)
            } else {
                let most = least + <$tail as Tail<'a>>::MOST;
                ParseError::bad_length(Layer::$layer, 0, len, least, most)
            }
        }
    };
}

pub(super) use messages;
