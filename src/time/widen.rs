//! Counters of 32 bits and fewer that do not run over.

use super::{Clock, Scale};
use crate::sync::{AtomicU32, Ordering, acquire_fence, section};

/// A 32-bit clock made 63 bits wide, or a narrower one by 31 bits more than it has: a SysTick's 24 become 55. Of a
/// wider one it takes the lower 32.
///
/// Interrupts and other cores may read it at the same time: it is `Sync` if the clock is. A reading must be
/// completed at least once in every half round, 2³¹ ticks of 32 bits (13 s at 168 MHz): a periodic interrupt that
/// reads it sees to that. Given that, a reader may be interrupted inside [`now`](Clock::now) for however long.
///
/// It works by keeping the number of the half round that the counter was last seen in, of which the lowest
/// bit is the counter's top bit then. A reader that finds the two different is the first in the next half, and
/// moves the number on, by a compare-and-swap (a critical section on targets without) twice a round. Any
/// other reader loads the number before the counter and after it, and begins again if it was moved on.
///
/// **Cost.** Twice in a round the compare-and-swap. Any other reading is the counter's and two loads, a comparison
/// and a shift: on x86_64 a few cycles, which cannot be told apart beside an `rdtsc`; on a Cortex-M three to four times the
/// instructions of reading a register alone, two of them barriers.
///
/// ```text
///   counter    0… → 1…  → 0…  → 1…     its top bit
///   half       2n   2n+1  2n+2  2n+3   follows within half a round
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
    /// How many half rounds there were before the one that the counter was last seen in. Only ever moved on
    /// by one, and by a reader that saw the counter in the next half while this stood still.
    half: AtomicU32,
}

impl<C: Clock> Widened<C> {
    /// Begins at the counter as the first reading finds it, with an upper half of 0.
    #[cfg(not(loom))]
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            half: AtomicU32::new(0),
        }
    }

    /// Begins at the counter as the first reading finds it, with an upper half of 0.
    #[cfg(loom)]
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            half: AtomicU32::new(0),
        }
    }

    /// The clock inside.
    pub const fn get_ref(&self) -> &C {
        &self.clock
    }

    /// Bits of the counter that a half round has: a constant where the clock's are.
    #[inline(always)]
    fn half_bits(&self) -> u32 {
        self.clock.bits().clamp(1, u32::BITS) - 1
    }

    /// All bits, by a way to read the counter.
    #[inline(always)]
    fn widen(&self, read: impl Fn() -> u64) -> u64 {
        let bits = self.half_bits();
        loop {
            // Acquire keeps the reading of the counter behind it, and pairs with the release in `move_on`: the
            // counter is in that half by now.
            let half = self.half.load(Ordering::Acquire);
            let low = read() as u32;
            let (half, stood_still) = match (half ^ low >> bits) & 1 {
                0 => (half, self.is_still(half)),
                _ => (half.wrapping_add(1), self.move_on(half)),
            };
            if stood_still {
                return u64::from(half) << bits | u64::from(low & ((1 << bits) - 1));
            }
        }
    }

    /// Whether nobody moved on while the counter was read. Who was held up in between may have read the counter
    /// of a later round.
    #[inline(always)]
    fn is_still(&self, half: u32) -> bool {
        // Keeps the load behind the reading of the counter.
        acquire_fence();
        // Relaxed: nothing is reached through it.
        self.half.load(Ordering::Relaxed) == half
    }

    /// Begins the next half, unless somebody has.
    #[cold]
    fn move_on(&self, half: u32) -> bool {
        let next = half.wrapping_add(1);
        // Release pairs with the acquire in `widen`; Relaxed where it failed: all is read anew.
        let moved = section(|s| {
            self.half
                .compare_exchange(s, half, next, Ordering::Release, Ordering::Relaxed)
        });
        moved.is_ok()
    }
}

impl<C: Clock> Clock for Widened<C> {
    #[inline(always)]
    fn now(&self) -> u64 {
        self.widen(|| self.clock.now())
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.clock.scale()
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        self.widen(|| self.clock.now_fenced())
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        u32::BITS + self.half_bits()
    }
}

impl<C: core::fmt::Debug> core::fmt::Debug for Widened<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Widened")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
