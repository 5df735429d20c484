//! The words that both ends share.

use core::ptr::NonNull;
use core::task::Waker;

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
/// The shift from the bit of an end that is gone to the bit of an end that has left.
const LEFT: u32 = 4;

/// The words that both ends read. All zeros are an empty ring that was not split yet.
///
/// # Invariants
/// 1. Only the producer stores `tail`, only the consumer `head`; both only grow, modulo 2^width.
/// 2. `tail - head` (wrapping) is 0 to the capacity at any moment, and also for an older value of one that
///    can still be read together with the latest value of the other.
/// 3. Slots of the positions `head..tail` hold values and are the consumer's; the others hold none and are the
///    producer's.
///
/// A ring with flags uses neither position.
#[repr(C)]
pub(super) struct Control {
    /// Position of the next value to be published.
    pub(super) tail: Padded<AtomicWord>,
    /// Position of the next value to be taken.
    pub(super) head: Padded<AtomicWord>,
    /// Which ends are gone, and which have left: written a few times in a ring's life.
    ends: Padded<AtomicU32>,
    /// Wakes the consumer when there is a value, or when the producer is gone.
    pub(super) filled: WakeCell,
    /// Wakes the producer when there is a free slot, or when the consumer is gone.
    pub(super) freed: WakeCell,
}

impl Control {
    loom_const! {
        /// An empty ring at this position, whose ends were not taken yet.
        pub(super) fn new(position: Word) -> Self {
            Self {
                tail: Padded(AtomicWord::new(position)),
                head: Padded(AtomicWord::new(position)),
                ends: Padded(AtomicU32::new(0)),
                filled: WakeCell::new(),
                freed: WakeCell::new(),
            }
        }
    }

    /// Claims both ends, which succeeds once in the life of a ring.
    #[cfg(not(loom))]
    pub(super) fn claim(&self) -> bool {
        const CLAIMED: u32 = 4;
        // Exchanged, not swapped: a late caller must not clear the bits that say that an end is gone.
        // Relaxed: the words start as they are; no earlier write has to be seen.
        let relaxed = Ordering::Relaxed;
        section(|cs| {
            self.ends
                .0
                .compare_exchange(cs, 0, CLAIMED, relaxed, relaxed)
        })
        .is_ok()
    }

    /// Notes that an end will do nothing more.
    pub(super) fn mark_gone(&self, end: u32) {
        // Each end goes once, so adding sets its bit. Release: pairs with the acquire of `is_gone`.
        section(|cs| self.ends.0.fetch_add(cs, end, Ordering::Release));
    }

    /// The last access of an end. Returns whether the other end has left before.
    ///
    /// Takes a pointer: as soon as this end has left, the other one may free the memory, and a reference in an
    /// argument would promise that the memory lives until the function returns.
    ///
    /// # Safety
    /// The words live; the end has not left; unless this returns `true`, its owner does not access the ring again.
    pub(super) unsafe fn depart(control: NonNull<Self>, end: u32) -> bool {
        // SAFETY: the words live so far. The reference is to an atomic and nothing around it, which only has to
        // live at the access.
        let ends = unsafe { &(*control.as_ptr()).ends.0 };
        // Release: pairs with the acquire of the other end's, if that one is the last. Acquire: the last one
        // drops the values that are left, and may free the memory.
        let before = section(|cs| ends.fetch_add(cs, end << LEFT, Ordering::AcqRel));
        before & ((PRODUCER | CONSUMER) << LEFT) != 0
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
