//! What the two ends share besides the slots.

use core::ptr::NonNull;
use core::task::Waker;

use crate::ring::waker::WakeCell;
use crate::sync::{AtomicU32, AtomicWord, Ordering, Word, full_fence, section};

/// On cache lines of its own, and of the pair of lines that some processors fetch together.
#[cfg_attr(target_pointer_width = "64", repr(C, align(128)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(32)))]
pub(super) struct Padded<T>(pub(super) T);

/// The producer is gone.
pub(super) const PRODUCER: u32 = 1;
/// The consumer is gone.
pub(super) const CONSUMER: u32 = 2;
/// Both ends have been given out.
#[cfg(not(loom))]
const SPLIT: u32 = 4;
/// How far the bits of those that have left are from those of the ones that are gone.
const LEFT: u32 = 4;

/// The words that both ends read. All zeros: an empty ring that nobody has split yet.
///
/// # Invariants
/// 1. Only the producer stores `tail`, only the consumer `head`; both only ever grow, modulo 2^width.
/// 2. `tail - head` (wrapping) is 0 to the capacity at any moment, and for every value of one that can
///    still be read together with the latest of the other.
/// 3. Slots of the positions `head..tail` hold values and are the consumer's; the others are the
///    producer's, and hold none.
#[repr(C)]
pub(super) struct Control {
    /// Position of the next value to be published.
    pub(super) tail: Padded<AtomicWord>,
    /// Position of the next value to be taken.
    pub(super) head: Padded<AtomicWord>,
    /// Who is gone: written a few times in a ring's life.
    ends: Padded<AtomicU32>,
    /// Wakes the consumer when there is a value, or no producer.
    pub(super) filled: WakeCell,
    /// Wakes the producer when there is a place, or no consumer.
    pub(super) freed: WakeCell,
}

impl Control {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self {
            tail: Padded(AtomicWord::new(0)),
            head: Padded(AtomicWord::new(0)),
            ends: Padded(AtomicU32::new(0)),
            filled: WakeCell::new(),
            freed: WakeCell::new(),
        }
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self {
            tail: Padded(AtomicWord::new(0)),
            head: Padded(AtomicWord::new(0)),
            ends: Padded(AtomicU32::new(0)),
            filled: WakeCell::new(),
            freed: WakeCell::new(),
        }
    }

    /// Starts all over. Nobody has an end, and no slot holds a value.
    pub(super) fn reset(&mut self, position: Word) {
        *self = Self::new();
        // Relaxed: `&mut self`; whatever hands the ends to their threads orders it.
        self.tail.0.store(position, Ordering::Relaxed);
        self.head.0.store(position, Ordering::Relaxed);
    }

    /// Claims both ends, once in the life of a ring. Where somebody has, the word stays: it says who is gone.
    #[cfg(not(loom))]
    pub(super) fn claim(&self) -> bool {
        // Exchanged, not swapped: whoever comes too late must not undo what says that an end is gone.
        // Relaxed: the words start as they are; nothing was written before that must be seen.
        let relaxed = Ordering::Relaxed;
        section(|cs| self.ends.0.compare_exchange(cs, 0, SPLIT, relaxed, relaxed)).is_ok()
    }

    /// Notes that an end will do nothing more.
    pub(super) fn mark_gone(&self, end: u32) {
        // Each end goes once, so adding sets its bit. Release: pairs with the acquire of `is_gone`.
        section(|cs| self.ends.0.fetch_add(cs, end, Ordering::Release));
    }

    /// The last access of an end. Whether the other one has left before.
    ///
    /// By pointer: as soon as the end has left, the other one may free the memory, and a reference that a
    /// function was given stands for memory that lives until it returns.
    ///
    /// # Safety
    /// It lives; the end has not left, and unless this is `true` its owner accesses the ring no more.
    pub(super) unsafe fn depart(control: NonNull<Self>, end: u32) -> bool {
        // SAFETY: it lives so far. The reference is to an atomic and nothing around it, of which the
        // language asks no more than that it lives at the access.
        let ends = unsafe { &(*control.as_ptr()).ends.0 };
        // Release: pairs with the acquire of the other end's, if that is the last. Acquire: the last one
        // drops what is left, and may free the memory.
        let before = section(|cs| ends.fetch_add(cs, end << LEFT, Ordering::AcqRel));
        before & ((PRODUCER | CONSUMER) << LEFT) != 0
    }

    /// Whether that end is gone. What it published before is visible once this is true.
    pub(super) fn is_gone(&self, end: u32) -> bool {
        // Acquire: pairs with the release in `mark_gone`.
        self.ends.0.load(Ordering::Acquire) & end != 0
    }

    /// Wakes whoever sleeps in this cell, after something was stored that it would want to see.
    pub(super) fn announce(cell: &WakeCell) {
        if let Some(sleeper) = Self::sleeper(cell) {
            sleeper.wake();
        }
    }

    /// Whom to wake, after something was stored that it would want to see.
    pub(super) fn sleeper(cell: &WakeCell) -> Option<Waker> {
        // Pairs with the fence in `WakeCell::register`: either this sees the waker there, or who
        // registered it sees what was stored before.
        full_fence();
        cell.take()
    }
}
