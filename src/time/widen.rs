//! Counters of 32 bits and fewer, widened so that they do not wrap.

use super::{Clock, Scale};
use crate::sync::{AtomicU32, Ordering, acquire_fence, loom_const, section};

/// A clock of up to 32 bits, widened by 30 bits so that it does not wrap: 32 bits become 62, the 24 of a SysTick become
/// 54. Of a wider clock it takes the lower 32 bits.
///
/// Interrupts and other cores may read it at the same time: it is `Sync` if the clock is. A *round* is one pass through
/// the counter's range. In every 7/16 of a round (11 s for 32 bits at 168 MHz) a reading must begin and complete, so
/// let a periodic interrupt read the clock. Under this condition a reader may be interrupted inside [`now`](Clock::now)
/// for any time.
///
/// The counters of two cores may differ by up to 1/16 of a round (1.6 s at 168 MHz), and a processor may read the
/// counter earlier than program order says. A *late* reading is one from just before the counter's middle or end that
/// comes after another reading from just after it. It is converted to its own time, and the clock does not jump. The
/// difference of the counters reduces the 7/16. A reading from before the round in which the clock began is 0.
///
/// The clock stores the half round that the counter was last seen in. A reader that finds a different top bit in the
/// counter is late if the reading is in the last eighth of its half. Otherwise it is the first reader in the next half
/// and advances the stored half by a compare-and-swap (a critical section on targets without one), twice a round. All
/// other readers load the half before and after the counter, and repeat if it has changed.
///
/// **Cost.** A compare-and-swap twice a round, and for the first reading. Any other reading costs that of the
/// counter, two loads, a comparison and a shift: on x86_64 a few cycles, too few to measure next to `rdtsc`; on a
/// Cortex-M three to four times the instructions of a register read, two of them barriers.
///
/// ```text
///   counter    0 .......... 7/16 1/2 ......... 15/16 1 = 0 ........
///   in half 0  | this half       | the next half | late: the half before
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
    /// The half round that the counter was last seen in: the number of complete rounds, the bit [`UNREAD`], and the
    /// counter's top bit. The first reading clears `UNREAD`. After that it only advances by one half, by a reader that
    /// saw the counter in the next half while this word did not change.
    half: AtomicU32,
}

/// The clock has not been read yet. This differs from any top bit, so that the first reading takes the cold path.
const UNREAD: u32 = 0b10;
/// The bits of a half that are compared with the counter's top bit.
const TOP: u32 = 0b11;

impl<C: Clock> Widened<C> {
    loom_const! {
        /// Widens `clock`. The first reading returns the counter's value, with upper bits of 0.
        pub fn new(clock: C) -> Self {
            Self {
                clock,
                half: AtomicU32::new(UNREAD),
            }
        }
    }

    /// Returns the inner clock.
    pub const fn get_ref(&self) -> &C {
        &self.clock
    }

    /// The number of bits taken from the counter: a constant if the clock's `bits` is one.
    #[inline(always)]
    fn low_bits(&self) -> u32 {
        self.clock.bits().clamp(1, u32::BITS)
    }

    /// The wide reading. `read` reads the counter.
    #[inline(always)]
    fn widen(&self, read: impl Fn() -> u64) -> u64 {
        let (half, low) = self.look(&read);
        if self.is_in(half, low) && self.is_still(half) {
            return self.join(half, low);
        }
        self.widen_slowly(read)
    }

    /// A reading that is the first, in the next half, or late, or during which another reader advanced the half.
    #[cold]
    #[inline(never)]
    fn widen_slowly(&self, read: impl Fn() -> u64) -> u64 {
        loop {
            let (half, low) = self.look(&read);
            let wide = if self.is_in(half, low) {
                self.join(half, low)
            } else if half & UNREAD == 0 && self.is_late(low) {
                // In the half before: the first of this round, or the second of the last. 0 if there is none.
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

    /// Reads the half, then the counter.
    #[inline(always)]
    fn look(&self, read: impl Fn() -> u64) -> (u32, u32) {
        // Acquire keeps the reading of the counter after it. It pairs with the release in `move_on`: the counter has
        // been seen in that half.
        let half = self.half.load(Ordering::Acquire);
        (
            half,
            read() as u32 & (u32::MAX >> (u32::BITS - self.low_bits())),
        )
    }

    /// Whether the counter's top bit is that of `half`.
    #[inline(always)]
    fn is_in(&self, half: u32, low: u32) -> bool {
        // An exclusive or would need a copy of `half`; a subtraction does not.
        (low >> (self.low_bits() - 1)).wrapping_sub(half) & TOP == 0
    }

    /// Whether the counter is in the last eighth of its half.
    fn is_late(&self, low: u32) -> bool {
        let top = 1 << (self.low_bits() - 1);
        low & (top - 1) >= top - top / 8
    }

    /// The number of rounds in `half`, above the counter's bits.
    #[inline(always)]
    fn join(&self, half: u32, low: u32) -> u64 {
        u64::from(half >> 2) << self.low_bits() | u64::from(low)
    }

    /// Whether the half did not change while the counter was read. Otherwise a reader that was interrupted in between
    /// may have read the counter in a later round.
    #[inline(always)]
    fn is_still(&self, half: u32) -> bool {
        // Keeps the load after the reading of the counter. It pairs with the order that the counter itself gives:
        // its value is later than all readings that completed before it.
        acquire_fence();
        // Relaxed: no other memory is reached through it.
        self.half.load(Ordering::Relaxed) == half
    }

    /// Starts the first half or the next one, unless another reader has done so.
    fn move_on(&self, half: u32, low: u32) {
        let next = match half & UNREAD {
            // The other half of the round, or the first of the next round.
            0 => half.wrapping_add(1 + 2 * (half & 1)),
            _ => low >> (self.low_bits() - 1),
        };
        // Release pairs with the acquire in `look`: a reader that finds `next` reads the counter after this one did.
        // Relaxed on failure. The result does not matter: the caller reads everything again.
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

describe!(impl[C: Clock] Widened<C> as Widened { scale, bits });
