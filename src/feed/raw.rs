//! `raw!`: a message's fields, read without a branch on its type.
//!
//! Branch predictors cannot foresee the type of the next message, and a missed branch costs more than reading
//! every field. So a table has, for each type, the offset of each field, and a factor or mask that makes the
//! field zero if the type lacks it: the same instructions read all types.
//!
//! ```text
//!   type ─► TypeFields { len, order_id: (offset, mask), price: (offset, mask), … }
//!
//!   field = bytes[offset .. offset + N] & mask      offset = 0 and mask = 0: the type lacks the field
//! ```
//!
//! If at least [`WINDOW`] bytes follow from the message's first byte on, fields are read without a bounds
//! check.
//!
//! The macro makes a feed's `Raw` and `Values` from a list of such fields. The offsets come from the table of
//! `messages!`: they are looked up by name when the crate is compiled.

use super::table::Field;

/// The first field with one of these names.
const fn find(fields: &[Field], names: &[&str]) -> Option<Field> {
    let mut i = 0;
    while i < fields.len() * names.len() {
        let field = fields[i / names.len()];
        if is_same(field.name, names[i % names.len()]) {
            return Some(field);
        }
        i += 1;
    }
    None
}

const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// The field of this name, which every type has at the same offset.
pub(super) const fn common(types: &[&[Field]], name: &str) -> Field {
    let mut common = find(types[0], &[name]);
    let mut i = 1;
    while i < types.len() {
        common = match (common, find(types[i], &[name])) {
            (Some(a), Some(b)) if a.start == b.start && a.end == b.end => common,
            _ => None,
        };
        i += 1;
    }
    common.expect("every type has the field at the same offset")
}

/// Bytes from a message's first one on that contain every field of a table, and eight bytes from any offset of
/// one on.
pub(super) const WINDOW: usize = 72;

/// Declares [`Offset`] and all of its values.
macro_rules! offsets {
    ($($offset:ident)*) => {
        /// The offset of a field: one of 64. From this type the compiler knows that eight bytes from the offset
        /// on lie within a window, and checks nothing. A mask would be an instruction for each field.
        #[derive(Clone, Copy)]
        #[repr(u8)]
        pub(super) enum Offset { $($offset),* }

        impl Offset {
            const ALL: [Self; WINDOW - 8] = [$(Self::$offset),*];
        }
    };
}

#[rustfmt::skip]
offsets! {
    O0 O1 O2 O3 O4 O5 O6 O7 O8 O9 O10 O11 O12 O13 O14 O15
    O16 O17 O18 O19 O20 O21 O22 O23 O24 O25 O26 O27 O28 O29 O30 O31
    O32 O33 O34 O35 O36 O37 O38 O39 O40 O41 O42 O43 O44 O45 O46 O47
    O48 O49 O50 O51 O52 O53 O54 O55 O56 O57 O58 O59 O60 O61 O62 O63
}

impl Offset {
    const fn new(at: usize) -> Self {
        assert!(at < Self::ALL.len(), "the field lies within the window");
        Self::ALL[at]
    }
}

/// Where fields are read from.
pub(super) trait Source {
    /// The `N` bytes at an offset, at most eight.
    fn at<const N: usize>(&self, offset: Offset) -> [u8; N];
}

/// The message itself. Offsets are checked.
impl Source for [u8] {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: Offset) -> [u8; N] {
        let at = offset as usize;
        let bytes = self.get(at..at + N).and_then(|bytes| bytes.first_chunk());
        bytes.copied().unwrap_or([0; N])
    }
}

/// The message and what follows it in the buffer: so long that no offset needs a check.
impl Source for [u8; WINDOW] {
    #[inline(always)]
    fn at<const N: usize>(&self, offset: Offset) -> [u8; N] {
        self[..].at(offset)
    }
}

/// A field of `N` bytes in every type that has it.
#[derive(Clone, Copy)]
pub(super) struct Fixed<const N: usize> {
    at: Offset,
    /// All ones where there is the field, else all zeros.
    mask: i8,
}

impl<const N: usize> Fixed<N> {
    pub(super) const NONE: Self = Self {
        at: Offset::O0,
        mask: 0,
    };

    /// The field of one of these names, if it has `N` bytes.
    pub(super) const fn find(fields: &[Field], names: &[&str]) -> Self {
        match find(fields, names) {
            Some(Field { start, end, .. }) if end - start == N => Self {
                at: Offset::new(start),
                mask: -1,
            },
            _ => Self::NONE,
        }
    }

    #[inline(always)]
    pub(super) const fn is_there(self) -> bool {
        self.mask != 0
    }

    #[inline(always)]
    pub(super) fn read(self, message: &(impl Source + ?Sized)) -> [u8; N]
    where
        [u8; N]: Masked,
    {
        message.at::<N>(self.at).masked(self.mask)
    }
}

/// Bytes that a mask keeps or clears as one word.
pub(super) trait Masked {
    fn masked(self, mask: i8) -> Self;
}

macro_rules! masked {
    ($($n:literal: $int:ident, $signed:ident);* $(;)?) => { $(
        impl Masked for [u8; $n] {
            #[inline(always)]
            fn masked(self, mask: i8) -> Self {
                ($int::from_ne_bytes(self) & $signed::from(mask) as $int).to_ne_bytes()
            }
        }
    )* };
}

masked! { 1: u8, i8; 2: u16, i16; 4: u32, i32; 8: u64, i64 }

/// An integer, its least byte first, of two bytes in some types and of `N` in others. A value of two bytes is
/// multiplied by `TIMES`.
#[derive(Clone, Copy)]
pub(super) struct ShortOrLong<const N: usize, const TIMES: u8> {
    /// The start of the eight bytes that end with the field.
    at: Offset,
    shift: u8,
    /// 0 if the type lacks the field.
    times: u8,
}

impl<const N: usize, const TIMES: u8> ShortOrLong<N, TIMES> {
    pub(super) const NONE: Self = Self {
        at: Offset::O0,
        shift: 0,
        times: 0,
    };

    pub(super) const fn find(fields: &[Field], names: &[&str]) -> Self {
        let Some(Field { start, end, .. }) = find(fields, names) else {
            return Self::NONE;
        };
        let width = end - start;
        assert!(
            width == 2 || width == N,
            "the field has two bytes or `N` of them"
        );
        assert!(end >= 8, "eight bytes end with the field");
        Self {
            at: Offset::new(end - 8),
            shift: 64 - 8 * width as u8,
            times: if width == 2 { TIMES } else { 1 },
        }
    }

    #[inline(always)]
    pub(super) const fn is_there(self) -> bool {
        self.times != 0
    }

    #[inline(always)]
    pub(super) fn read(self, message: &(impl Source + ?Sized)) -> [u8; N] {
        let word = u64::from_le_bytes(message.at(self.at)) >> (self.shift & 63);
        let word = word.wrapping_mul(self.times.into()).to_le_bytes();
        word.first_chunk().copied().unwrap_or([0; N])
    }
}

/// Text of six or eight bytes as eight: two spaces are appended to the shorter one.
#[derive(Clone, Copy)]
pub(super) struct Text {
    keep: u64,
    fill: u64,
    at: Offset,
}

impl Text {
    pub(super) const NONE: Self = Self {
        keep: 0,
        fill: 0,
        at: Offset::O0,
    };

    pub(super) const fn find(fields: &[Field], names: &[&str]) -> Self {
        let Some(Field { start, end, .. }) = find(fields, names) else {
            return Self::NONE;
        };
        assert!(end - start == 6 || end - start == 8, "text of 6 or 8 bytes");
        let (keep, fill) = match end - start {
            6 => (
                [!0, !0, !0, !0, !0, !0, 0, 0],
                [0, 0, 0, 0, 0, 0, b' ', b' '],
            ),
            _ => ([!0; 8], [0; 8]),
        };
        Self {
            keep: u64::from_ne_bytes(keep),
            fill: u64::from_ne_bytes(fill),
            at: Offset::new(start),
        }
    }

    #[inline(always)]
    pub(super) const fn is_there(self) -> bool {
        self.keep != 0
    }

    #[inline(always)]
    pub(super) fn read(self, message: &(impl Source + ?Sized)) -> [u8; 8] {
        let text = u64::from_ne_bytes(message.at(self.at));
        (text & self.keep | self.fill).to_ne_bytes()
    }
}

/// Makes `Raw`, `Values` and the table of their fields' offsets. See the module.
///
/// `header` is the number of bytes that every message has, which are checked once, and the fields in them. Then
/// follow the fields that only some types have, each with the type that reads it. A field is looked up by its
/// name, or by several.
macro_rules! raw {
    (
        layer: $layer:ident;
        order: $order:ident;
        kind: $kind:ty;
        header: $header:literal { $( $(#[$hdoc:meta])* $hfield:ident : $hty:ty; )* }
        $(#[$doc:meta])*
        Raw;
        $( $(#[$fdoc:meta])* $field:ident : $ty:ty, $reader:ty $(, $names:expr)?; )*
    ) => {
        use $crate::feed::bytes::$order;
        use $crate::feed::raw::{Source, WINDOW};
        use $crate::wire::error::{Layer, ParseError};
        use super::messages::{FIELDS, IS_EXACT, Message, TYPES, kind_in};

        /// The length of a type's messages, and the offsets of its fields.
        #[derive(Clone, Copy)]
        struct TypeFields {
            /// 0 if the specification has no such type.
            len: u16,
            $( $field: $reader, )*
        }

        static TYPE_FIELDS: [TypeFields; 256] = {
            let mut all = [TypeFields {
                len: 0,
                $( $field: <$reader>::NONE, )*
            }; 256];
            let mut i = 0;
            while i < TYPES.len() {
                let (kind, len, _) = TYPES[i];
                assert!(len >= $header, "every type has the header");
                all[kind as usize] = TypeFields {
                    len: len as u16,
                    $( $field: <$reader>::find(FIELDS[i], raw!(@names $field $(, $names)?)), )*
                };
                i += 1;
            }
            all
        };

        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct Raw<'a> {
            header: &'a [u8; $header],
            bytes: &'a [u8],
            /// The message and the bytes after it, if they are enough.
            window: Option<&'a [u8; WINDOW]>,
        }

        /// Two are equal if their bytes are.
        impl PartialEq for Raw<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.bytes == other.bytes
            }
        }

        impl Eq for Raw<'_> {}

        describe!(Raw<'_> as Raw { bytes = |raw| raw.bytes });

        /// The fields of [`Raw`] by value. A field that the type lacks is zero.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct Values {
            $( $(#[$fdoc])* pub $field: $ty, )*
        }

        impl<'a> Raw<'a> {
            /// Reads a message, which has all of these bytes.
            ///
            /// # Errors
            /// The specification has no such type, or the number of bytes is wrong for the type.
            #[inline]
            pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                match Self::fitting(bytes, &[]) {
                    Some(message) => Ok(message),
                    None => Err(refusal(bytes)),
                }
            }

            /// The message, if its length is right for its type. `window` begins with it, or is empty.
            #[inline(always)]
            pub(super) fn fitting(bytes: &'a [u8], window: &'a [u8]) -> Option<Self> {
                let window = window.first_chunk::<WINDOW>();
                // The header of a window needs no check: no type is shorter than the header, so the length check
                // below refuses a shorter message, whatever was read as its header.
                let header = match window {
                    Some(window) => window.first_chunk::<$header>()?,
                    None => bytes.first_chunk::<$header>()?,
                };
                let message = Self { header, bytes, window };
                let due = usize::from(message.type_fields()?.len);
                let fits = if IS_EXACT {
                    bytes.len() == due && due != 0
                } else {
                    due.wrapping_sub(1) < bytes.len()
                };
                fits.then_some(message)
            }

            /// The message's type on the wire.
            #[inline(always)]
            pub fn kind(&self) -> $kind {
                kind_in(self.header)
            }

            /// All bytes of the message.
            #[inline(always)]
            pub const fn as_bytes(&self) -> &'a [u8] {
                self.bytes
            }

            /// `None` never occurs after parsing.
            #[inline(always)]
            fn type_fields(&self) -> Option<&'static TypeFields> {
                TYPE_FIELDS.get(usize::from(self.kind()))
            }

            /// The fields below by value. A field that the type lacks is zero, and reading it takes the same
            /// instructions: this is the fastest way to read messages as they arrive. Unused fields cost
            /// nothing.
            #[inline(always)]
            pub fn values(&self) -> Values {
                match (self.type_fields(), self.window) {
                    (Some(fields), Some(window)) => Values::read(fields, window),
                    (Some(fields), None) => Values::read_checked(fields, self.bytes),
                    (None, _) => Values::default(),
                }
            }

            $(
                $(#[$hdoc])*
                #[inline(always)]
                pub fn $hfield(&self) -> $hty {
                    use $crate::feed::{bytes::at, raw::common, table::Field};
                    const FIELD: Field = common(FIELDS, stringify!($hfield));
                    const LEN: usize = FIELD.end - FIELD.start;
                    <$hty as $order<LEN>>::get(at::<{ FIELD.start }, LEN, $header>(self.header))
                }
            )*

            $(
                $(#[$fdoc])*
                ///
                /// `None` if the type lacks the field.
                #[inline]
                pub fn $field(&self) -> Option<$ty> {
                    let reader = self.type_fields()?.$field;
                    reader.is_there().then(|| $order::get(reader.read(self.bytes)))
                }
            )*

            /// The message with all fields of its type. `None` never occurs after parsing.
            #[inline(always)]
            pub fn typed(&self) -> Option<Message<'a>> {
                Message::parse(self.bytes).ok()
            }
        }

        impl Values {
            #[inline(always)]
            fn read(fields: &TypeFields, from: &(impl Source + ?Sized)) -> Self {
                Self {
                    $( $field: $order::get(fields.$field.read(from)), )*
                }
            }

            /// For the last message of a buffer, and for one that was parsed alone.
            #[inline(never)]
            fn read_checked(fields: &TypeFields, from: &[u8]) -> Self {
                Self::read(fields, from)
            }
        }

        /// The reason why these bytes are not a message.
        #[cold]
        fn refusal(bytes: &[u8]) -> ParseError {
            let short = || ParseError::truncated(Layer::$layer, 0, $header, bytes.len());
            Message::parse(bytes).err().unwrap_or_else(short)
        }
    };
    (@names $field:ident) => { &[stringify!($field)] };
    (@names $field:ident, $names:expr) => { &$names };
}

pub(super) use raw;
