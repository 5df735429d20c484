//! Full arrays of free objects, on their way from one thread to another: for each class the magazines of the pool's
//! depot. Objects that were allocated by one thread and freed by another go back in batches, with two compare-and-swaps
//! each way and without the heap's lock.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::class::{CLASSES, Class};
use super::front::ROOM;
use crate::pool::depot::magazines::{MagazineWords, Magazines, Memory};
use crate::sync;

/// Indices of a magazine at most.
pub(in crate::heap) const BATCH: usize = ROOM / 2;

/// Magazines of a class at most.
const SLOTS: usize = 8;

// The figure in the documentation of `ThreadHeap`.
const _: () = assert!(SLOTS * CLASSES == 704);

/// `u32`s of a magazine: its header and its indices.
const MAGAZINE: usize = BATCH + 1;

/// The magazines of all classes.
///
/// Invariant: `memory` has `slots` magazines for each class, accessed through these depots alone.
pub(in crate::heap) struct Depots {
    words: [MagazineWords; CLASSES],
    memory: NonNull<u32>,
    slots: usize,
}

// SAFETY: the memory is reached through the magazines alone, which give each array to one thread at a time.
unsafe impl Send for Depots {}
// SAFETY: as above.
unsafe impl Sync for Depots {}

impl Depots {
    /// The number of magazines for each class in a region of `bytes`: their arrays take 1/512 of it at most.
    pub(in crate::heap) const fn slots(bytes: usize) -> usize {
        let all = bytes / 512 / (MAGAZINE * CLASSES * size_of::<u32>());
        if all > SLOTS { SLOTS } else { all }
    }

    /// Bytes of the arrays.
    pub(in crate::heap) const fn array_bytes(slots: usize) -> usize {
        slots * CLASSES * MAGAZINE * size_of::<u32>()
    }

    /// Without a magazine.
    ///
    /// # Safety
    /// `memory` has [`array_bytes`](Self::array_bytes) of zeros, for these depots alone as long as they live.
    pub(in crate::heap) unsafe fn new(memory: NonNull<u32>, slots: usize) -> Self {
        Self {
            words: [const { MagazineWords::new() }; CLASSES],
            memory,
            slots,
        }
    }

    #[inline(always)]
    fn of(&self, class: Class) -> Option<Magazines<'_>> {
        let words = self.words.get(class.index())?;
        // SAFETY: by the invariant each class has this many magazines, one class after the other.
        unsafe {
            let first = self.memory.add(class.index() * self.slots * MAGAZINE);
            Some(Magazines::new(
                words,
                Memory::new(first, BATCH),
                self.slots as u32,
            ))
        }
    }

    /// Takes the objects of a full magazine. Returns the number of indices written, 0 if there is none. O(`BATCH`).
    /// `out` has room for [`BATCH`] indices.
    pub(in crate::heap) fn take(&self, class: Class, out: &mut [MaybeUninit<u32>]) -> usize {
        let Some(magazines) = self.of(class).filter(|m| m.has_full()) else {
            return 0;
        };
        sync::section(|s| {
            let Some((magazine, len)) = magazines.take_full(s, &mut None) else {
                return 0;
            };
            debug_assert!(len <= out.len());
            let out = out.get_mut(..len).unwrap_or_default();
            // SAFETY: the magazine was just taken, and has `len` indices.
            unsafe { magazines.read(&magazine, 0, out) };
            magazines.give_empty(s, magazine);
            out.len()
        })
    }

    /// Gives objects away as a magazine. Returns whether there was one for them. O(`BATCH`).
    ///
    /// # Safety
    /// The caller owns the objects, which hold the class, and gives them up if this returns true. They are 1 to
    /// [`BATCH`].
    pub(in crate::heap) unsafe fn give(&self, class: Class, ids: &[u32]) -> bool {
        let Some(magazines) = self.of(class) else {
            return false;
        };
        sync::section(|s| {
            let Some(empty) = magazines.take_empty(s) else {
                return false;
            };
            // SAFETY: the caller's promise.
            unsafe { magazines.write(&empty, ids) };
            magazines.push_full(s, empty, ids.len());
            true
        })
    }
}
