//! Counters of 32 bits and fewer that do not run over.

use super::{Clock, Scale};
use crate::sync::{AtomicU32, Ordering, acquire_fence, section};

/// A 32-bit clock made 62 bits wide, or a narrower one by 30 bits more than it has: a SysTick's 24 become 54. Of a
/// wider one it takes the lower 32.
///
/// Interrupts and other cores may read it at the same time: it is `Sync` if the clock is. A reading must begin and
/// complete in every 7/16 of a round (11 s of 32 bits at 168 MHz): a periodic interrupt that reads it sees to that.
/// Given that, a reader may be interrupted inside [`now`](Clock::now) for any time.
///
/// Two cores' counters may differ by up to 1/16 of a round (1.6 s at 168 MHz), and a processor may read the counter
/// earlier than the program says: a reading from just before the counter's middle or end, after another one from just
/// after it, is late. It gets its own time, and the clock does not jump. What the counters differ by comes off the
/// 7/16. A reading from before the round in which the clock began is 0.
///
/// It works by keeping the half round that the counter was last seen in. A reader that finds the counter's top bit
/// different is late, if the reading is in the last eighth of its half; otherwise it is the first in the next half,
/// and moves the clock on, by a compare-and-swap (a critical section on targets without) twice a round. Any other
/// reader loads the half before the counter and after it, and begins again if it was moved on.
///
/// **Cost.** Twice in a round the compare-and-swap, and once for the first reading. Any other reading is the counter's
/// and two loads, a comparison and a shift: on x86_64 a few cycles, which cannot be told apart from an `rdtsc` alone;
/// on a Cortex-M three to four times the instructions of reading a register alone, two of them barriers.
///
/// ```text
///   counter    0 .......... 7/16 1/2 ......... 15/16 1 = 0 ........
///   in half 0  | this half       | the next half | late, of the half before
///   in half 1  | the next half | late | this half
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
    /// The half round that the counter was last seen in: the rounds before it, a bit that is [`UNREAD`], and the
    /// counter's top bit there. The first reading clears `UNREAD`; after that it is only ever moved on by one half,
    /// by a reader that saw the counter in the next one while this stood still.
    half: AtomicU32,
}

/// Nobody has read the clock yet. It differs from any top bit, so that the first reading takes the cold path.
const UNREAD: u32 = 0b10;
/// What of a half is compared with the counter's top bit.
const TOP: u32 = 0b11;

impl<C: Clock> Widened<C> {
    /// Begins at the counter as the first reading finds it, with upper bits of 0.
    #[cfg(not(loom))]
    pub const fn new(clock: C) -> Self {
        Self {
            clock,
            half: AtomicU32::new(UNREAD),
        }
    }

    /// Begins at the counter as the first reading finds it, with upper bits of 0.
    #[cfg(loom)]
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            half: AtomicU32::new(UNREAD),
        }
    }

    /// The clock inside.
    pub const fn get_ref(&self) -> &C {
        &self.clock
    }

    /// Bits of the counter that count: a constant where the clock's are.
    #[inline(always)]
    fn low_bits(&self) -> u32 {
        self.clock.bits().clamp(1, u32::BITS)
    }

    /// All bits, by a way to read the counter.
    #[inline(always)]
    fn widen(&self, read: impl Fn() -> u64) -> u64 {
        let (half, low) = self.look(&read);
        if self.is_in(half, low) && self.is_still(half) {
            return self.join(half, low);
        }
        self.widen_slowly(read)
    }

    /// A reading that is the first, or of the next half, or late, or that somebody moved on beside.
    #[cold]
    #[inline(never)]
    fn widen_slowly(&self, read: impl Fn() -> u64) -> u64 {
        loop {
            let (half, low) = self.look(&read);
            let wide = if self.is_in(half, low) {
                self.join(half, low)
            } else if half & UNREAD == 0 && self.is_late(low) {
                // Of the half before: the first of this round, or the second of the last. 0 if there is none.
                let before = half.checked_sub(3 - 2 * (half & 1));
                before.map_or(0, |half| self.join(half, low))
            } else {
                self.move_on(half, low);
                continue;
            };
            if self.is_still(half) {
                return wide;
            }
        }
    }

    /// The half, and the counter after it.
    #[inline(always)]
    fn look(&self, read: impl Fn() -> u64) -> (u32, u32) {
        // Acquire keeps the reading of the counter after it, and pairs with the release in `move_on`: the counter has
        // been seen in that half by now.
        let half = self.half.load(Ordering::Acquire);
        (
            half,
            read() as u32 & (u32::MAX >> (u32::BITS - self.low_bits())),
        )
    }

    /// Whether the counter has the top bit that it has in `half`.
    #[inline(always)]
    fn is_in(&self, half: u32, low: u32) -> bool {
        // A subtraction saves the copy of `half` that an exclusive or needs.
        (low >> (self.low_bits() - 1)).wrapping_sub(half) & TOP == 0
    }

    /// Whether the counter is in the last eighth of its half.
    fn is_late(&self, low: u32) -> bool {
        let top = 1 << (self.low_bits() - 1);
        low & (top - 1) >= top - top / 8
    }

    /// The rounds of `half` above the counter's bits.
    #[inline(always)]
    fn join(&self, half: u32, low: u32) -> u64 {
        u64::from(half >> 2) << self.low_bits() | u64::from(low)
    }

    /// Whether nobody moved on while the counter was read. A reader that was held up in between may have read the
    /// counter of a later round.
    #[inline(always)]
    fn is_still(&self, half: u32) -> bool {
        // Keeps the load after the reading of the counter. It pairs with whatever orders the counter's time after
        // the readings that completed before it.
        acquire_fence();
        // Relaxed: nothing is reached through it.
        self.half.load(Ordering::Relaxed) == half
    }

    /// Begins the first half or the next, unless somebody has.
    fn move_on(&self, half: u32, low: u32) {
        let next = match half & UNREAD {
            // The other half of the round, or the first of the next round.
            0 => half.wrapping_add(1 + 2 * (half & 1)),
            _ => low >> (self.low_bits() - 1),
        };
        // Release pairs with the acquire in `look`: a reader that finds `next` reads the counter after this one did.
        // Relaxed where it failed, and no answer in either case: all is read again.
        let _ = section(|s| {
            self.half
                .compare_exchange(s, half, next, Ordering::Release, Ordering::Relaxed)
        });
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
        u32::BITS - 2 + self.low_bits()
    }
}

impl<C: core::fmt::Debug> core::fmt::Debug for Widened<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Widened")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
