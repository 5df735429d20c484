//! The words that both ends share.

use core::ptr::NonNull;
use core::task::Waker;

use crate::ring::error::RingError;
use crate::ring::waker::WakeCell;
use crate::sync::{AtomicU32, AtomicWord, Ordering, Word, full_fence, loom_const, section};

/// Lies on cache lines of its own: on a pair of lines, as some processors fetch two together. A field of type
/// `Padded<()>` gives that alignment to a struct.
#[cfg_attr(target_pointer_width = "64", repr(C, align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(32)))]
pub(super) struct Padded<T>(pub(super) T);

/// The producer is gone.
pub(super) const PRODUCER: u32 = 1;
/// The consumer is gone.
pub(super) const CONSUMER: u32 = 2;
/// Both ends were taken together. This bit is never cleared.
const SPLIT: u32 = 4;
/// The shift from the bit of an end that is gone to the bit of an end that has left.
const LEFT: u32 = 4;
/// The shift from the bit of an end that is gone to the bit of an end that was taken alone and is out.
const TAKEN: u32 = 8;

/// A count that stays: the memory is never freed.
const FOR_EVER: u32 = u32::MAX;

/// The words that both ends read. All zeros are an empty ring whose ends are both home.
///
/// ```text
///        take                                       take_both
///   0 ────────► taken: one end, or both       0 ────────────► SPLIT ────► gone, left: first one end,
///     ◄────────                                                            then both
///      put_back
/// ```
///
/// # Invariants
/// 1. Only the producer stores `tail`, only the consumer `head`; both only grow, modulo 2^width.
/// 2. `tail - head` (wrapping) is 0 to the capacity at any moment, and also for an older value of one that
///    can still be read together with the latest value of the other.
/// 3. Slots of the positions `head..tail` hold values and are the consumer's; the others hold none and are the
///    producer's.
///
/// A ring with flags uses both positions only to keep those of ends that are home. Nothing else reads them.
#[repr(C)]
pub(super) struct Control {
    /// Position of the next value to be published.
    pub(super) tail: Padded<AtomicWord>,
    /// Position of the next value to be taken.
    pub(super) head: Padded<AtomicWord>,
    /// Which ends are out, gone, and have left: written when an end comes or goes.
    ends: Padded<AtomicU32>,
    /// Number of ends that have not left, and of observers: for a ring that frees its own memory.
    holders: AtomicU32,
    /// Wakes the consumer when there is a value, or when the producer is gone.
    pub(super) filled: WakeCell,
    /// Wakes the producer when there is a free slot, or when the consumer is gone.
    pub(super) freed: WakeCell,
}

impl Control {
    loom_const! {
        /// An empty ring at position 0, whose ends are home.
        pub(super) fn new() -> Self {
            Self::with(0, 0, 0)
        }
    }

    loom_const! {
        /// An empty ring at this position, whose ends are both out.
        pub(super) fn split(position: Word) -> Self {
            Self::with(position, SPLIT, 2)
        }
    }

    loom_const! {
        fn with(position: Word, ends: u32, holders: u32) -> Self {
            Self {
                tail: Padded(AtomicWord::new(position)),
                head: Padded(AtomicWord::new(position)),
                ends: Padded(AtomicU32::new(ends)),
                holders: AtomicU32::new(holders),
                filled: WakeCell::new(),
                freed: WakeCell::new(),
            }
        }
    }

    /// Takes both ends, which succeeds once in the life of a ring.
    ///
    /// # Errors
    /// `ProducerTaken`, `ConsumerTaken`, `AlreadySplit`.
    pub(super) fn take_both(&self) -> Result<(), RingError> {
        // Acquire: as in `take`.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        section(|cs| self.ends.0.compare_exchange(cs, 0, SPLIT, success, failure))
            .map_err(|seen| refusal(seen, PRODUCER).unwrap_or(RingError::ConsumerTaken))?;
        Ok(())
    }

    /// Takes one end, which can be put back. Repeats its compare-and-swap if the other end is taken or put back at
    /// the same moment.
    ///
    /// # Errors
    /// `ProducerTaken` or `ConsumerTaken`: that end is out. `AlreadySplit`.
    pub(super) fn take(&self, end: u32) -> Result<(), RingError> {
        section(|cs| {
            // Relaxed: the word is only compared.
            let mut seen = self.ends.0.load(Ordering::Relaxed);
            loop {
                if let Some(error) = refusal(seen, end) {
                    return Err(error);
                }
                let now = seen | end << TAKEN;
                // Acquire: pairs with the release of `put_back`, so that all that was done with this end before is
                // seen: its position, and the slots. Each change of the word reads the one before, so a change of the
                // other end in between does not hide it.
                let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
                match self
                    .ends
                    .0
                    .compare_exchange_weak(cs, seen, now, success, failure)
                {
                    Ok(_) => return Ok(()),
                    Err(changed) => seen = changed,
                }
            }
        })
    }

    /// Puts an end back that was taken alone: it may be taken again.
    pub(super) fn put_back(&self, end: u32) {
        let bit = end << TAKEN;
        // The bit is set, so subtracting clears it. Release: pairs with the acquire of `take`.
        section(|cs| {
            self.ends
                .0
                .fetch_add(cs, bit.wrapping_neg(), Ordering::Release)
        });
    }

    /// Whether ends that go now are gone for ever. That does not change while an end is out.
    pub(super) fn is_split(&self) -> bool {
        // Relaxed: it was set before there was an end, or `take` has seen that it was not.
        #[cfg(not(loom))]
        let ends = self.ends.0.load(Ordering::Relaxed);
        // An exchange: as in `FlagSlot::touch`.
        #[cfg(loom)]
        let ends = section(|cs| self.ends.0.fetch_add(cs, 0, Ordering::Relaxed));
        ends & SPLIT != 0
    }

    /// Whether an end is out. If it is not, everything that it did is visible.
    pub(super) fn is_out(&self, end: u32) -> bool {
        // Acquire: pairs with the release of `put_back` and of `mark_gone`.
        let seen = self.ends.0.load(Ordering::Acquire);
        seen & end << TAKEN != 0 || seen & SPLIT != 0 && seen & end == 0
    }

    /// Notes that an end will do nothing more.
    pub(super) fn mark_gone(&self, end: u32) {
        // Each end goes once, so adding sets its bit. Release: pairs with the acquire of `is_gone`.
        section(|cs| self.ends.0.fetch_add(cs, end, Ordering::Release));
    }

    /// The last use of an end's slots, after [`mark_gone`](Self::mark_gone). Returns whether the other end has left
    /// before; then the values that are left are the caller's.
    pub(super) fn depart(&self, end: u32) -> bool {
        // Acquire: pairs with the release of the other end's `mark_gone`, which its departure has read: the last one
        // drops the values that are left.
        let before = section(|cs| self.ends.0.fetch_add(cs, end << LEFT, Ordering::Acquire));
        before & ((PRODUCER | CONSUMER) << LEFT) != 0
    }

    /// Counts one more holder of the memory.
    pub(super) fn hold(&self) {
        // Relaxed: the caller is one, so the memory lives.
        recount(
            &self.holders,
            |holders| holders.saturating_add(1),
            Ordering::Relaxed,
        );
    }

    /// Counts one holder less. Returns whether it was the last one, so that the memory is the caller's.
    ///
    /// Takes a pointer: another holder may free the memory at once, and a reference in an argument would promise that
    /// the memory lives until the function returns.
    ///
    /// # Safety
    /// The words live; the caller was counted, and does not access them again unless this returns `true`.
    pub(super) unsafe fn let_go(control: NonNull<Self>) -> bool {
        // SAFETY: the words live so far. The reference is to an atomic and nothing around it, which only has to
        // live at the access.
        let holders = unsafe { &(*control.as_ptr()).holders };
        let less = |holders: u32| match holders {
            FOR_EVER => FOR_EVER,
            counted => counted.wrapping_sub(1),
        };
        // Release: pairs with the acquire of the last holder's, which frees the memory.
        recount(holders, less, Ordering::AcqRel) == 1
    }

    /// Whether that end is gone. If so, everything that it published is visible.
    pub(super) fn is_gone(&self, end: u32) -> bool {
        // Acquire: pairs with the release in `mark_gone`.
        self.ends.0.load(Ordering::Acquire) & end != 0
    }

    /// Wakes the task that sleeps in this cell, after something was stored that it waits for.
    pub(super) fn announce(cell: &WakeCell) {
        if let Some(sleeper) = Self::sleeper(cell) {
            sleeper.wake();
        }
    }

    /// The task to wake, after something was stored that it waits for.
    pub(super) fn sleeper(cell: &WakeCell) -> Option<Waker> {
        // Pairs with the fence in `WakeCell::register`: either this sees the waker, or the task that registered
        // it sees what was stored before.
        full_fence();
        cell.take()
    }
}

/// Why an end cannot be taken.
fn refusal(ends: u32, end: u32) -> Option<RingError> {
    match () {
        () if ends & SPLIT != 0 => Some(RingError::AlreadySplit),
        () if ends & end << TAKEN == 0 => None,
        () if end == PRODUCER => Some(RingError::ProducerTaken),
        () => Some(RingError::ConsumerTaken),
    }
}

/// Changes a count, and returns the one before.
fn recount(count: &AtomicU32, change: impl Fn(u32) -> u32, success: Ordering) -> u32 {
    section(|cs| {
        // Relaxed, both: the word is only compared.
        let mut seen = count.load(Ordering::Relaxed);
        loop {
            let relaxed = Ordering::Relaxed;
            match count.compare_exchange_weak(cs, seen, change(seen), success, relaxed) {
                Ok(before) => return before,
                Err(changed) => seen = changed,
            }
        }
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_count_of_holders_that_is_full_stays() {
        let control = Control::split(0);
        control.holders.store(FOR_EVER - 1, Ordering::Relaxed);
        for _ in 0..3 {
            control.hold();
            assert_eq!(control.holders.load(Ordering::Relaxed), FOR_EVER);
        }
        // SAFETY: the words live; they are not freed, whatever is returned.
        let last = unsafe { Control::let_go(NonNull::from(&control)) };
        assert!(!last);
        assert_eq!(control.holders.load(Ordering::Relaxed), FOR_EVER);
        // A count that is not full goes down.
        control.holders.store(2, Ordering::Relaxed);
        // SAFETY: as above.
        let last = [(); 2].map(|()| unsafe { Control::let_go(NonNull::from(&control)) });
        assert_eq!(last, [false, true]);
    }
}
