//! The counter of a bucket.

mod sealed {
    pub trait Sealed {}
}

/// The counter of a bucket: `u16`, `u32` or `u64`.
///
/// Narrow counters make a histogram smaller. A counter at its maximum stays there, and further values are
/// counted as [lost](super::Histogram::lost).
pub trait Count: Copy + sealed::Sealed {
    /// The count of an empty bucket.
    const ZERO: Self;

    /// The greatest count.
    const MAX: Self;

    /// Adds 1. Returns whether the counter wrapped to 0.
    #[doc(hidden)]
    fn bump(&mut self) -> bool;
    /// Returns the sum, and the part of `n` that did not fit.
    #[doc(hidden)]
    fn plus(self, n: u64) -> (Self, u64);
    #[doc(hidden)]
    fn get(self) -> u64;
}

macro_rules! count {
    ($($counter:ty),*) => { $(
        impl sealed::Sealed for $counter {}

        #[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "one of them is a u64")]
        impl Count for $counter {
            const ZERO: Self = 0;

            const MAX: Self = <$counter>::MAX;

            // To wrap first and test afterwards is one addition in memory and a branch on its flag.
            #[inline(always)]
            fn bump(&mut self) -> bool {
                *self = self.wrapping_add(1);
                *self == 0
            }

            #[inline]
            fn plus(self, n: u64) -> (Self, u64) {
                let room = (Self::MAX - self) as u64;
                let fits = n.min(room);
                (self + fits as Self, n - fits)
            }

            #[inline(always)]
            fn get(self) -> u64 {
                self as u64
            }
        }
    )* };
}

count!(u16, u32, u64);
