//! Fields in bytes: at fixed offsets, in either byte order.

use super::price::Price;
use super::text::Alpha;

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

wrapped!(Be);
wrapped!(Le);

/// A field of `N` bytes at `AT`, if the message goes that far.
#[inline(always)]
pub(super) fn optional<const AT: usize, const N: usize>(rest: &[u8]) -> Option<[u8; N]> {
    rest.get(AT..)?.first_chunk::<N>().copied()
}

/// States the length of a message in its first `WIDTH` bytes, the least one first.
pub(super) fn put_length<const WIDTH: usize>(message: &mut [u8]) {
    let len = message.len().to_le_bytes();
    if let (Some(place), Some(len)) = (message.first_chunk_mut::<WIDTH>(), len.first_chunk()) {
        *place = *len;
    }
}
