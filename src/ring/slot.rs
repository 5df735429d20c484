//! The slots of a ring with positions: room for a value and nothing else.

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::compiler_fence;

use crate::ring::control::{Control, PRODUCER};
use crate::ring::memory::{Memory, Slot};
use crate::sync::{Exclusive, Ordering, Word, prefetch_write};

/// Room for one value. It holds one exactly at the positions `head..tail` (`Control`, invariant 3).
pub(super) type ValueSlot<T> = Exclusive<MaybeUninit<T>>;

impl<T> Slot for ValueSlot<T> {
    // Loom's cells have to be made.
    const MUST_BE_WRITTEN: bool = cfg!(loom);

    fn empty() -> Self {
        Self::new(MaybeUninit::uninit())
    }

    fn left(control: &Control, _: Word) -> (Word, Word) {
        // Relaxed, both: the caller has acquired what both ends stored last.
        let [head, tail] = [&control.head, &control.tail];
        (
            head.0.load(Ordering::Relaxed),
            tail.0.load(Ordering::Relaxed),
        )
    }

    unsafe fn drop_value(&self) {
        // SAFETY: of the positions `head..tail` each slot holds a value; no end is out.
        drop(unsafe { self.with(|slot| (*slot).assume_init_read()) });
    }
}

/// How far ahead of itself a producer of single values prefetches the line that it will write to: the larger of these
/// numbers of bytes and of slots. The other core takes hundreds of cycles to give a line up.
const AHEAD: (usize, usize) = (256, 16);

/// Number of slots from a position to the one whose line a producer of single values prefetches.
pub(super) const fn ahead<S>() -> usize {
    let (bytes, slots) = AHEAD;
    match bytes.checked_div(size_of::<S>()) {
        Some(fit) if fit > slots => fit,
        Some(_) => slots,
        None => 0,
    }
}

/// Maximum number of bytes that a burst prefetches.
const BURST_AHEAD: usize = 2048;

impl<T> Memory<'_, ValueSlot<T>> {
    /// Prefetches a line that will be written to soon, if there is known to be room: otherwise the consumer would
    /// lose a line that it has yet to read.
    #[inline(always)]
    pub(super) fn expect_write(&self, position: Word, room: usize) {
        if room > ahead::<T>() {
            let slot = self.slot(position.wrapping_add(ahead::<T>() as Word));
            prefetch_write((&raw const *slot).cast());
        }
    }

    /// Moves a value into the slot of a position.
    ///
    /// # Safety
    /// The position is the producer's, and so is the call.
    #[inline(always)]
    pub(super) unsafe fn write(&self, position: Word, value: T) {
        // SAFETY: the slot is the caller's alone.
        unsafe { self.slot(position).with(|slot| (*slot).write(value)) };
    }

    /// Moves a value out of the slot of a position.
    ///
    /// # Safety
    /// The position is the consumer's, so is the call, and the value was not moved out before.
    #[inline(always)]
    pub(super) unsafe fn read(&self, position: Word) -> T {
        // SAFETY: the slot is the caller's alone, and holds a value (`Control`, invariant 3).
        unsafe { self.slot(position).with(|slot| (*slot).assume_init_read()) }
    }

    /// The value in the slot of a position, in place.
    ///
    /// # Safety
    /// The position is the consumer's, which is borrowed as long as the value, and holds a value.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) unsafe fn value(&self, position: Word) -> &T {
        // SAFETY: the slot is the caller's alone, and holds a value.
        unsafe { self.slot(position).with(|slot| (*slot).assume_init_ref()) }
    }

    /// Copies values into the slots from `position` on. Slots before `limit` are known to be free.
    ///
    /// # Safety
    /// There is room for the values. They are moved: their owner must not use them again, unless they are `Copy`.
    #[inline(always)]
    pub(super) unsafe fn copy_in(&self, position: Word, values: &[T], limit: Word) {
        let n = values.len();
        // SAFETY: there is room, so the slots are ours, and no part of `values`, which is borrowed.
        unsafe {
            let from = NonNull::from(values).cast::<T>();
            if cfg!(loom) {
                (0..n)
                    .for_each(|i| self.write(position.wrapping_add(i as Word), from.add(i).read()));
                return;
            }
            let [(to, before), (start, rest)] = self.spans(position, n);
            if rest == 0 {
                copy_in_order(from, to.cast(), n, self.writable_ahead(position, n, limit));
            } else {
                to.cast::<T>().copy_from_nonoverlapping(from, before);
                start
                    .cast()
                    .copy_from_nonoverlapping(from.add(before), rest);
            }
        }
    }

    /// Number of bytes after a burst of `n` values in one piece that will be written to next: as many as the burst
    /// has, up to a bound. 0 if some of them are not known to be free, or lie beyond the end.
    #[inline(always)]
    fn writable_ahead(&self, position: Word, n: usize, limit: Word) -> usize {
        let bytes = (n * size_of::<T>()).min(BURST_AHEAD);
        let slots = n + bytes / size_of::<T>().max(1);
        let known = limit.wrapping_sub(position) as usize;
        let in_one_piece = self.capacity() as usize - self.index(position);
        if slots <= known.min(in_one_piece) {
            bytes
        } else {
            0
        }
    }

    /// Copies the `n` values from `position` on out.
    ///
    /// # Safety
    /// That many are waiting, and `to` has room for them, outside of the ring. They are moved: the ring's must
    /// not be used again, unless they are `Copy`.
    #[inline(always)]
    pub(super) unsafe fn copy_out(&self, position: Word, to: *mut T, n: usize) {
        // SAFETY: the slots are ours, and hold values.
        unsafe {
            if cfg!(loom) {
                (0..n).for_each(|i| to.add(i).write(self.read(position.wrapping_add(i as Word))));
                return;
            }
            let [(from, before), (start, rest)] = self.spans(position, n);
            let copy = |from: NonNull<ValueSlot<T>>, to: *mut T, n| {
                to.copy_from_nonoverlapping(from.cast().as_ptr(), n);
            };
            if rest == 0 {
                copy(from, to, n);
            } else {
                copy(from, to, before);
                copy(start, to.add(before), rest);
            }
        }
    }

    /// Gives an end up: puts it back if it was taken alone, and tells the other end otherwise. Of two ends that are gone
    /// for ever, the last one drops the values that are left and lets go of the memory.
    ///
    /// # Safety
    /// Called once for each end, which does nothing more afterwards. Its position is in the control words.
    pub(super) unsafe fn leave(&self, end: u32) {
        let control = self.control();
        let (own, other) = if end == PRODUCER {
            (&control.freed, &control.filled)
        } else {
            (&control.filled, &control.freed)
        };
        if !control.is_split() {
            // Before the end is back: the next one may register its own. Dropped last, as below.
            let _waker = own.take();
            return control.put_back(end);
        }
        control.mark_gone(end);
        let sleeper = Control::sleeper(other);
        // The other end may have gone between this one's last look and its registering.
        let _waker = own.take();
        // Waking and dropping a waker runs the user's code, which may panic: both come last.
        // SAFETY: this is the end's last access.
        unsafe { self.depart(end) };
        // From here on the memory belongs to another holder, or is freed.
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }
}

/// A cache line, whatever is in it.
type Line = MaybeUninit<[u8; 64]>;

/// Copies line by line, from the first to the last. Before each line it prefetches the one that lies `ahead` bytes
/// after it, unless that is 0: so those lines are on their way from the other core while these are written.
///
/// # Safety
/// As for [`NonNull::copy_to_nonoverlapping`].
#[inline(always)]
unsafe fn copy_in_order<T>(from: NonNull<T>, to: NonNull<T>, n: usize, ahead: usize) {
    // A short copy needs no order, and other processors have no prefetch for writing.
    if cfg!(not(target_arch = "x86_64")) || n * size_of::<T>() < size_of::<Line>() {
        // SAFETY: the caller's promises.
        return unsafe { from.copy_to_nonoverlapping(to, n) };
    }
    let (lines, rest) = (
        n * size_of::<T>() / size_of::<Line>(),
        n * size_of::<T>() % size_of::<Line>(),
    );
    let (from, to) = (from.cast::<Line>(), to.cast::<Line>());
    // SAFETY: that many bytes are there, on both sides.
    unsafe {
        for i in 0..lines {
            let to = to.add(i);
            if ahead > 0 {
                prefetch_write(to.as_ptr().cast::<u8>().wrapping_add(ahead));
            }
            to.write_unaligned(from.add(i).read_unaligned());
            // Orders no memory: it keeps the compiler from turning the loop into one `memcpy`.
            compiler_fence(Ordering::Release);
        }
        let (from, to) = (from.add(lines).cast::<u8>(), to.add(lines).cast::<u8>());
        from.copy_to_nonoverlapping(to, rest);
    }
}
