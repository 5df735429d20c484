//! Fields that many types of a feed share, read without a jump on the type.
//!
//! No branch predictor foresees the type of the next message, and a missed branch costs more than reading
//! every field. So a table has a place of each field for each type, and a factor or mask that makes the field
//! zero where the type lacks it: the same instructions read all types.
//!
//! ```text
//!   type ─► Layout { len, order: (at, mask), price: (at, mask), … }
//!
//!   field = bytes[at .. at + N] & mask          at = 0 and mask = 0: the type lacks the field
//! ```
//!
//! Where at least [`WINDOW`] bytes follow from the message's first one on, they are read without a check of
//! each place.
//!
//! The macro `raw!` makes a feed's `Raw` and `Values` from a list of such fields. The places come from the
//! table that `messages!` takes: they are looked up by name when the crate is compiled.

/// A field of a message as its table has it: bytes `start..end`.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) start: usize,
    pub(super) end: usize,
}

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

/// Bytes from a message's first one on in which every place of a table is, with eight bytes to read there.
pub(super) const WINDOW: usize = 72;

/// Declares [`Place`] and all of its values.
macro_rules! places {
    ($($place:ident)*) => {
        /// Where a field begins: one of 64 places. The compiler so knows that eight bytes from there on lie
        /// within a window, and checks nothing; a mask in the code would be an instruction for each field.
        #[derive(Clone, Copy)]
        #[repr(u8)]
        pub(super) enum Place { $($place),* }

        impl Place {
            const ALL: [Self; WINDOW - 8] = [$(Self::$place),*];
        }
    };
}

#[rustfmt::skip]
places! {
    P0 P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14 P15
    P16 P17 P18 P19 P20 P21 P22 P23 P24 P25 P26 P27 P28 P29 P30 P31
    P32 P33 P34 P35 P36 P37 P38 P39 P40 P41 P42 P43 P44 P45 P46 P47
    P48 P49 P50 P51 P52 P53 P54 P55 P56 P57 P58 P59 P60 P61 P62 P63
}

impl Place {
    const fn new(at: usize) -> Self {
        assert!(at < Self::ALL.len(), "the field lies within the window");
        Self::ALL[at]
    }
}

/// Where fields are read from.
pub(super) trait Source {
    /// The `N` bytes at a place, at most eight.
    fn at<const N: usize>(&self, place: Place) -> [u8; N];
}

/// The message itself. Places lie within it, and are checked all the same.
impl Source for [u8] {
    #[inline(always)]
    fn at<const N: usize>(&self, place: Place) -> [u8; N] {
        let at = place as usize;
        let bytes = self.get(at..at + N).and_then(|bytes| bytes.first_chunk());
        bytes.copied().unwrap_or([0; N])
    }
}

/// The message and what follows it in the buffer: long enough that no place needs a check.
impl Source for [u8; WINDOW] {
    #[inline(always)]
    fn at<const N: usize>(&self, place: Place) -> [u8; N] {
        self[..].at(place)
    }
}

/// A field of `N` bytes in every type that has it.
#[derive(Clone, Copy)]
pub(super) struct Fixed<const N: usize> {
    at: Place,
    /// All ones where there is the field, else all zeros.
    mask: i8,
}

impl<const N: usize> Fixed<N> {
    pub(super) const NONE: Self = Self {
        at: Place::P0,
        mask: 0,
    };

    /// The field of one of these names, if it has `N` bytes.
    pub(super) const fn find(fields: &[Field], names: &[&str]) -> Self {
        match find(fields, names) {
            Some(Field { start, end, .. }) if end - start == N => Self {
                at: Place::new(start),
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

/// An integer, its least byte first, that some types have in two bytes and others in `N`: two bytes count
/// `TIMES` as much.
#[derive(Clone, Copy)]
pub(super) struct ShortOrLong<const N: usize, const TIMES: u8> {
    /// Where the eight bytes begin that end with the field.
    at: Place,
    shift: u8,
    /// 0 if the type lacks the field.
    times: u8,
}

impl<const N: usize, const TIMES: u8> ShortOrLong<N, TIMES> {
    pub(super) const NONE: Self = Self {
        at: Place::P0,
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
            at: Place::new(end - 8),
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

/// Text of six or eight bytes as eight: two spaces follow the shorter one.
#[derive(Clone, Copy)]
pub(super) struct Text {
    keep: u64,
    fill: u64,
    at: Place,
}

impl Text {
    pub(super) const NONE: Self = Self {
        keep: 0,
        fill: 0,
        at: Place::P0,
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
            at: Place::new(start),
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

/// Makes `Raw`, `Values` and the table of their places. See the module.
///
/// `header` bytes, which every message has, are checked once; `kind` reads the type of them. A message fits
/// its type by `fits`, of its length and that of the table.
macro_rules! raw {
    (
        layer: $layer:ident;
        order: $order:ident;
        header: $header:literal;
        kind: $kind:ty, $ks:literal..$ke:literal;
        fits: $fits:expr;
        $(#[$doc:meta])*
        Raw;
        $( $(#[$fdoc:meta])* $field:ident : $ty:ty, $spot:ty, $names:expr; )*
    ) => {
        /// How long a message is, and where in it the fields are that several types have.
        #[derive(Clone, Copy)]
        struct Layout {
            /// 0 where the specification has no such type.
            len: u16,
            $( $field: $spot, )*
        }

        static LAYOUTS: [Layout; 256] = {
            let mut layouts = [Layout {
                len: 0,
                $( $field: <$spot>::NONE, )*
            }; 256];
            let mut i = 0;
            while i < TYPES.len() {
                let (kind, len, _) = TYPES[i];
                assert!(len >= $header, "every type has the header");
                layouts[kind as usize] = Layout {
                    len: len as u16,
                    $( $field: <$spot>::find(FIELDS[i], &$names), )*
                };
                i += 1;
            }
            layouts
        };

        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct Raw<'a> {
            header: &'a [u8; $header],
            bytes: &'a [u8],
            /// The message and what follows it, if that is long enough.
            window: Option<&'a [u8; WINDOW]>,
        }

        /// Two are equal if their bytes are.
        impl PartialEq for Raw<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.bytes == other.bytes
            }
        }

        impl Eq for Raw<'_> {}

        impl core::fmt::Debug for Raw<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct("Raw").field("bytes", &self.bytes).finish_non_exhaustive()
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for Raw<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                defmt::write!(f, "Raw {{ bytes: {=[u8]}, .. }}", self.bytes);
            }
        }

        /// The fields of [`Raw`] by value. A field that the type lacks is zero.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        pub struct Values {
            $( $(#[$fdoc])* pub $field: $ty, )*
        }

        impl<'a> Raw<'a> {
            /// The message that these bytes are, all of them.
            ///
            /// # Errors
            /// A type that the specification does not have, or a length that does not fit the type.
            #[inline]
            pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                match Self::fitting(bytes, &[]) {
                    Some(message) => Ok(message),
                    None => Err(refusal(bytes)),
                }
            }

            /// The message, if its type and length go together. `window` begins with it, or is empty.
            #[inline(always)]
            pub(super) fn fitting(bytes: &'a [u8], window: &'a [u8]) -> Option<Self> {
                let window = window.first_chunk::<WINDOW>();
                // Of a window without a check. No type is shorter than the header, and none that is unknown
                // fits: so a message that is shorter is refused, whatever was read as its header.
                let header = match window {
                    Some(window) => window.first_chunk::<$header>()?,
                    None => bytes.first_chunk::<$header>()?,
                };
                let message = Self { header, bytes, window };
                let due = usize::from(message.layout()?.len);
                let fits: fn(usize, usize) -> bool = $fits;
                fits(bytes.len(), due).then_some(message)
            }

            /// The type.
            #[inline(always)]
            pub fn kind(&self) -> $kind {
                $order::get(at::<$ks, { $ke - $ks }, $header>(self.header))
            }

            /// All bytes of the message.
            #[inline(always)]
            pub const fn as_bytes(&self) -> &'a [u8] {
                self.bytes
            }

            /// `None` for no message that was parsed.
            #[inline(always)]
            fn layout(&self) -> Option<&'static Layout> {
                LAYOUTS.get(usize::from(self.kind()))
            }

            /// All fields below by value. A field that the type lacks is zero, and reading it takes the same
            /// instructions: this is the fast way to read messages in the order in which they come. Fields
            /// that are not used cost nothing.
            #[inline(always)]
            pub fn values(&self) -> Values {
                match (self.layout(), self.window) {
                    (Some(layout), Some(window)) => Values::read(layout, window),
                    (Some(layout), None) => Values::read_checked(layout, self.bytes),
                    (None, _) => Values::default(),
                }
            }

            $(
                $(#[$fdoc])*
                ///
                /// `None` if the type lacks the field.
                #[inline]
                pub fn $field(&self) -> Option<$ty> {
                    let place = self.layout()?.$field;
                    place.is_there().then(|| $order::get(place.read(self.bytes)))
                }
            )*

            /// The message by its type, with all fields of the type; `None` for no message that was parsed.
            #[inline(always)]
            pub fn typed(&self) -> Option<Message<'a>> {
                Message::parse(self.bytes).ok()
            }
        }

        impl Values {
            #[inline(always)]
            fn read(layout: &Layout, from: &(impl Source + ?Sized)) -> Self {
                Self {
                    $( $field: $order::get(layout.$field.read(from)), )*
                }
            }

            /// The last message of a buffer, and one that was parsed alone.
            #[inline(never)]
            fn read_checked(layout: &Layout, from: &[u8]) -> Self {
                Self::read(layout, from)
            }
        }

        /// Why these bytes are not a message.
        #[cold]
        fn refusal(bytes: &[u8]) -> ParseError {
            let short = || ParseError::truncated(Layer::$layer, 0, $header, bytes.len());
            Message::parse(bytes).err().unwrap_or_else(short)
        }
    };
}

pub(super) use raw;
