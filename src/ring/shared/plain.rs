//! Types of values that another process may write.

/// Types of which any bytes are a value, whatever another process writes.
///
/// ```
/// use framepool::ring::{Plain, type_tag};
///
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Quote {
///     bid: u64,
///     ask: u64,
///     instrument: u32,
///     flags: u32, // no padding: the fields have 24 bytes, and so has the struct
/// }
///
/// // SAFETY: numbers, without padding between them.
/// unsafe impl Plain for Quote {
///     // A process that was built with another version of `Quote` cannot attach.
///     const TAG: u64 = type_tag("Quote, version 2");
/// }
/// # assert_eq!(size_of::<Quote>(), 24);
/// # assert_ne!(Quote::TAG, type_tag("Quote, version 1"));
/// ```
///
/// For types that the crate `bytemuck` or `zerocopy` vouches for, [`plain!`](crate::plain) implements it without
/// `unsafe`.
///
/// # Safety
/// Any bytes are a valid value; there is no padding; no code follows a pointer in a value.
pub unsafe trait Plain: Copy + 'static {
    /// Tells this type from others of its size and alignment when a process attaches: see [`type_tag`]. Default: 0,
    /// which tells nothing.
    const TAG: u64 = 0;
}

macro_rules! numbers {
    ($($t:ident)*) => { $(
        // SAFETY: any bytes are a number.
        unsafe impl Plain for $t {
            const TAG: u64 = type_tag(stringify!($t));
        }
    )* };
}

numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

// SAFETY: values side by side, without padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {
    const TAG: u64 = match T::TAG {
        0 => 0,
        tag => not_zero(mix(tag, &(N as u64).to_le_bytes())),
    };
}

/// A tag for [`Plain::TAG`] from a name, which should contain a version: 64 bits of FNV-1a (Fowler, Noll, Vo), never
/// 0. It detects mistakes, not attacks.
pub const fn type_tag(name: &str) -> u64 {
    not_zero(mix(0xCBF2_9CE4_8422_2325, name.as_bytes()))
}

const fn mix(mut hash: u64, mut bytes: &[u8]) -> u64 {
    while let Some((&byte, rest)) = bytes.split_first() {
        hash = (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01B3);
        bytes = rest;
    }
    hash
}

const fn not_zero(tag: u64) -> u64 {
    if tag == 0 { 1 } else { tag }
}
