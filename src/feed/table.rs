//! `messages!`: from a table of messages to types. Every binary feed here is made of it.
//!
//! A feed's specification is a list of messages, each with a type and with fields at fixed offsets. The
//! macro takes that list as it stands in the specification. Offsets count from the message's first byte;
//! their ends are excluded:
//!
//! ```text
//!  all have {                            the messages that follow, up to the next `all have`
//!      stock_locate: u16 => 1..3;
//!      tracking_number: u16 => 3..5;
//!      timestamp: u64 => 5..11;          48 bits of big-endian integer, shown as u64
//!  }
//!  b'D' OrderDelete[19] {                D is the type, 19 the length of the message in bytes
//!      order_reference: u64 => 11..19;
//!  }                                     `may have { ... }` lists fields that only some versions have
//!
//!   0 1   3   5           11              19
//!  ┌─┬───┬───┬───────────┬───────────────┐
//!  │D│loc│trk│ timestamp │   reference   │      OrderDelete<'a> { bytes: &'a [u8; 19] }
//!  └─┴───┴───┴───────────┴───────────────┘
//! ```
//!
//! In front of the messages are `kind` with the offset of the type, `length` with the number of bytes, at the start
//! of a message, that state its length, and `tail` with the type of the bytes after the fields: `()` if there are
//! none.
//!
//! For each message the macro makes:
//! - a view. Its getters cannot fail: the length is in its type, and offsets outside of it do not compile.
//! - a struct of the same name in `fields`, to be filled in and emitted.
//! - a variant of `Message`, and a line of `TYPES` and `FIELDS`.

/// The bytes of a message after the fields of its table: none, or what a later version adds.
pub(super) trait Tail<'a>: Copy {
    fn of(rest: &'a [u8]) -> Option<Self>;
    fn bytes(self) -> &'a [u8];
}

impl<'a> Tail<'a> for () {
    #[inline(always)]
    fn of(rest: &'a [u8]) -> Option<Self> {
        rest.is_empty().then_some(())
    }
    fn bytes(self) -> &'a [u8] {
        &[]
    }
}

impl<'a> Tail<'a> for &'a [u8] {
    #[inline(always)]
    fn of(rest: &'a [u8]) -> Option<Self> {
        Some(rest)
    }
    fn bytes(self) -> &'a [u8] {
        self
    }
}

/// A field of a message as its table has it: bytes `start..end`.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Makes the types of a feed's messages. See the module.
macro_rules! messages {
    (
        layer: $layer:ident;
        order: $order:ident;
        kind: $kind:ty => $ks:literal..$ke:literal;
        length: $width:literal;
        tail: $tail:ty;
        $(
            all have $common:tt
            $( $(#[$doc:meta])* $code:literal $name:ident [$len:literal] $own:tt $(may have $more:tt)? )*
        )*
    ) => {
        messages! {
            @types $layer, $order, $kind, $ks, $ke, $width, $tail;
            $( $( $(#[$doc])* $code $name [$len] $common $own $(may have $more)? )* )*
        }
    };
    (
        @types $layer:ident, $order:ident, $kind:ty, $ks:literal, $ke:literal, $width:literal, $tail:ty;
        $(
            $(#[$doc:meta])*
            $code:literal $name:ident [$len:literal]
            $({ $( $(#[$fdoc:meta])* $field:ident : $ty:ty => $s:literal..$e:literal; )* })*
            $( may have { $( $(#[$odoc:meta])* $ofield:ident : $oty:ty => $os:literal..$oe:literal; )* } )?
        )*
    ) => {
        use $crate::feed::bytes::{$order, at, put, put_length};
        use $crate::feed::emit::{EmitError, Writer};
        use $crate::feed::table::{Field, Tail};
        use $crate::wire::error::{Layer, ParseError, Reason};

        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq)]
            #[cfg_attr(feature = "defmt", derive(defmt::Format))]
            pub struct $name<'a> {
                bytes: &'a [u8; $len],
                tail: $tail,
            }

            impl<'a> $name<'a> {
                /// The message's type on the wire.
                pub const KIND: $kind = $code;
                /// The length of the message in bytes, without optional fields.
                pub const LEN: usize = $len;

                /// Reads a message of this type.
                ///
                /// # Errors
                /// The bytes are a message of another type, or their number is wrong for this type.
                pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                    let kind = kind_of(bytes)?;
                    if kind != Self::KIND {
                        return Err(unknown(kind));
                    }
                    Self::of(bytes).ok_or_else(|| misfit(bytes.len(), $len))
                }

                #[inline(always)]
                fn of(bytes: &'a [u8]) -> Option<Self> {
                    let (bytes, rest) = bytes.split_first_chunk::<$len>()?;
                    Some(Self { bytes, tail: <$tail as Tail<'a>>::of(rest)? })
                }

                /// The first [`LEN`](Self::LEN) bytes of the message.
                pub const fn as_bytes(&self) -> &'a [u8; $len] {
                    self.bytes
                }

                /// The bytes of the message after the first [`LEN`](Self::LEN).
                pub fn tail(&self) -> &'a [u8] {
                    Tail::bytes(self.tail)
                }

                $( $(
                    $(#[$fdoc])*
                    #[inline(always)]
                    pub fn $field(&self) -> $ty {
                        <$ty as $order<{ $e - $s }>>::get(at::<$s, { $e - $s }, $len>(self.bytes))
                    }
                )* )*

                $( $(
                    $(#[$odoc])*
                    #[inline(always)]
                    pub fn $ofield(&self) -> Option<$oty> {
                        $crate::feed::bytes::optional::<{ $os - $len }, { $oe - $os }>(self.tail)
                            .map(<$oty as $order<{ $oe - $os }>>::get)
                    }
                )* )?

                /// All fields by value.
                #[inline]
                pub fn fields(&self) -> fields::$name {
                    fields::$name {
                        $( $( $field: self.$field(), )* )*
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

        /// Messages by value, to be filled in and emitted. Each struct has the fields of the view of the same
        /// name.
        pub mod fields {
            use super::*;

            $(
                #[doc = concat!("The fields of [`", stringify!($name), "`](super::", stringify!($name), ").")]
                #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
                #[cfg_attr(feature = "defmt", derive(defmt::Format))]
                pub struct $name {
                    $( $( $(#[$fdoc])* pub $field: $ty, )* )*
                    $( $( $(#[$odoc])* pub $ofield: Option<$oty>, )* )?
                }

                impl $name {
                    /// The message without optional fields. Reserved bytes are zero.
                    pub fn to_bytes(&self) -> [u8; $len] {
                        let mut bytes = [0; $len];
                        put::<$ks, { $ke - $ks }, $len>(
                            &mut bytes,
                            <$kind as $order<{ $ke - $ks }>>::put($code),
                        );
                        $( $(
                            put::<$s, { $e - $s }, $len>(
                                &mut bytes,
                                <$ty as $order<{ $e - $s }>>::put(self.$field),
                            );
                        )* )*
                        put_length::<$width>(&mut bytes);
                        bytes
                    }

                    /// Writes the message to the start of `out` and returns its length. Of the optional
                    /// fields, those before the first `None` are written.
                    ///
                    /// # Errors
                    /// `out` is too short. Its contents are then unspecified.
                    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                        let mut writer = Writer::new(Layer::$layer, out);
                        writer.put(&self.to_bytes())?;
                        #[allow(unused_labels)]
                        'optional: {
                            $( $(
                                let Some(value) = self.$ofield else { break 'optional };
                                writer.put(&<$oty as $order<{ $oe - $os }>>::put(value))?;
                            )* )?
                        }
                        let bytes = writer.finish();
                        put_length::<$width>(bytes);
                        Ok(bytes.len())
                    }
                }
            )*
        }

        /// A message of any type, borrowed.
        ///
        /// Reading one costs a branch on its type, which branch predictors cannot foresee.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum Message<'a> {
            $( #[doc = concat!("See [`", stringify!($name), "`].")] $name($name<'a>), )*
        }

        impl<'a> Message<'a> {
            /// Reads a message, which has all of these bytes.
            ///
            /// # Errors
            /// The specification has no such type, or the number of bytes is wrong for the type.
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

            /// The message's type on the wire.
            pub const fn kind(&self) -> $kind {
                match self {
                    $( Self::$name(_) => $code, )*
                }
            }

            /// Writes the message to the start of `out`, field by field, and returns its length.
            ///
            /// # Errors
            /// `out` is too short. Its contents are then unspecified.
            pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
                match self {
                    $( Self::$name(message) => message.fields().emit(out), )*
                }
            }

            /// The bytes of the message, without optional fields.
            pub const fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $( Self::$name(message) => message.bytes, )*
                }
            }
        }

        /// Every message type of the specification: the type on the wire, the length in bytes without optional
        /// fields, and the name.
        pub const TYPES: &[($kind, usize, &str)] = &[ $( ($code, $len, stringify!($name)), )* ];

        /// The fields of every type but the optional ones, in the order of [`TYPES`].
        pub(super) const FIELDS: &[&[Field]] = &[ $( &[ $( $(
            Field { name: stringify!($field), start: $s, end: $e },
        )* )* ], )* ];

        /// Whether messages have exactly the length of their type, or at least that: those that state their
        /// length may grow.
        pub(super) const IS_EXACT: bool = $width == 0;

        /// The type in the first `N` bytes of a message.
        #[inline(always)]
        pub(super) fn kind_in<const N: usize>(bytes: &[u8; N]) -> $kind {
            <$kind as $order<{ $ke - $ks }>>::get(at::<$ks, { $ke - $ks }, N>(bytes))
        }

        #[inline(always)]
        pub(super) fn kind_of(bytes: &[u8]) -> Result<$kind, ParseError> {
            match bytes.first_chunk::<$ke>() {
                Some(bytes) => Ok(kind_in(bytes)),
                None => Err(ParseError::truncated(Layer::$layer, 0, $ke, bytes.len())),
            }
        }

        #[cold]
        fn unknown(kind: $kind) -> ParseError {
            let reason = Reason::UnknownType { found: kind.into() };
            ParseError::new(Layer::$layer, reason, $ks)
        }

        /// The error for a message of `len` bytes whose type has `due`.
        #[cold]
        fn misfit(len: usize, due: usize) -> ParseError {
            if len < due {
                return ParseError::truncated(Layer::$layer, 0, due, len);
            }
            let most = if IS_EXACT { due } else { due + usize::from(u16::MAX) };
            ParseError::bad_length(Layer::$layer, 0, len, due, most)
        }
    };
}

pub(super) use messages;
