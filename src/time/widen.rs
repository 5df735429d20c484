//! Counters of 32 bits that do not run over.

use super::{Clock, Scale};
use crate::sync::{AtomicU32, Ordering};

/// A 32-bit clock made 63 bits wide.
///
/// Interrupts and other cores may read it at the same time: it is `Sync` if the clock is, takes no
/// critical section and no compare-and-swap, and so serves Cortex-M0 as well. Somebody must read it at
/// least once in every 2³¹ ticks (13 s at 168 MHz), and no reader may be held up for as long inside
/// [`now`](Clock::now): a periodic interrupt that reads it sees to both.
///
/// It works by keeping the upper half beside the counter, with a copy of the counter's top bit as it was
/// last seen. A reader that finds that bit changed writes the upper half of the present: whoever else
/// finds it changed writes the same.
///
/// ```text
///   counter            0… → 1…  → 0…  → 1…       its top bit
///   kept    top bit    0    1     0     1         follows within half a round
///           upper half n    n     n+1   n+1       one more when the bit falls
/// ```
///
/// ```
/// use core::cell::Cell;
/// use framepool::time::{Clock, Scale, Widened};
///
/// struct Cycles(Cell<u32>);
/// impl Clock for Cycles {
///     fn now(&self) -> u64 {
///         self.0.get().into()
///     }
///     fn scale(&self) -> Scale {
///         Scale::from_hz(168_000_000).unwrap()
///     }
///     fn bits(&self) -> u32 {
///         32
///     }
/// }
///
/// let clock = Widened::new(Cycles(Cell::new(0)));
/// for quarter in 1..=8_u64 {
///     let cycles = &clock.get_ref().0;
///     cycles.set(cycles.get().wrapping_add(1 << 30));
///     assert_eq!(clock.now(), quarter << 30);
/// }
/// ```
pub struct Widened<C> {
    clock: C,
    /// The upper half in its lower 31 bits, the counter's top bit as last seen above them.
    kept: AtomicU32,
}

/// The top bit of a half.
const TOP: u32 = 1 << 31;

impl<C: Clock> Widened<C> {
    /// Begins at the counter as it is, with an upper half of 0.
    #[cfg(not(loom))]
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            kept: AtomicU32::new(0),
        }
    }

    /// Begins at the counter as it is, with an upper half of 0.
    #[cfg(loom)]
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            kept: AtomicU32::new(0),
        }
    }

    /// The clock inside.
    pub const fn get_ref(&self) -> &C {
        &self.clock
    }

    /// The 63 bits. `kept` must have been read before the counter was: were it the other way round, another
    /// reader could move `kept` on in between, and the old reading would meet the new upper half.
    #[inline(always)]
    fn widen(&self, kept: u32, reading: u64) -> u64 {
        let low = reading as u32;
        let mut now = kept;
        if (kept ^ low) & TOP != 0 {
            // The bit flips; where it falls the counter has begun again.
            now = (kept ^ TOP).wrapping_add(kept >> 31);
            // Relaxed: all that is read with it is the counter, and every reader that stores within this
            // half of a round stores the same.
            self.kept.store(now, Ordering::Relaxed);
        }
        (u64::from(now & !TOP) << 32) | u64::from(low)
    }

    #[inline(always)]
    fn kept(&self) -> u32 {
        // Acquire keeps the reading of the counter behind it; it pairs with nothing, since what it guards is a
        // device register.
        self.kept.load(Ordering::Acquire)
    }
}

impl<C: Clock> Clock for Widened<C> {
    #[inline(always)]
    fn now(&self) -> u64 {
        let kept = self.kept();
        self.widen(kept, self.clock.now())
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.clock.scale()
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        let kept = self.kept();
        self.widen(kept, self.clock.now_fenced())
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        63
    }
}

impl<C: core::fmt::Debug> core::fmt::Debug for Widened<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Widened")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
