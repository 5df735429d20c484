//! A thread's own free objects: for each class an array of indices, last in, first out. No atomics.

use core::mem::MaybeUninit;

use super::class::{CLASSES, Class};
use crate::pool::depot::ids::assume_init;

/// Room for indices of one class.
pub(in crate::heap) const ROOM: usize = 64;

/// The number of objects of a class in a front that holds about `bytes` bytes of one class: 2 to [`ROOM`].
const fn most_of(class: Class, bytes: usize) -> u8 {
    match bytes / class.bytes() {
        0..=2 => 2,
        most if most > ROOM => ROOM as u8,
        most => most as u8,
    }
}

/// The free objects of one thread.
///
/// Invariant: the first `len` indices of a class are written, and the front owns their objects, which hold the class.
pub(in crate::heap) struct Front {
    len: [u8; CLASSES],
    /// What the front holds of a class at most; at most [`ROOM`].
    most: [u8; CLASSES],
    /// How many the next refill of a class takes: it doubles, so that a thread that needs one object takes few.
    step: [u8; CLASSES],
    ids: [[MaybeUninit<u32>; ROOM]; CLASSES],
}

impl Front {
    /// What a front of a heap of `all` bytes holds of each class, in bytes.
    pub(in crate::heap) const fn share(all: usize) -> usize {
        match all / 512 {
            0..=0xFFF => 4 * 1024,
            share if share > 256 * 1024 => 256 * 1024,
            share => share,
        }
    }

    /// An empty front that holds about `bytes` bytes of each class.
    pub(in crate::heap) fn new(bytes: usize) -> Self {
        let mut most = [0; CLASSES];
        for (index, most) in most.iter_mut().enumerate() {
            *most = Class::from_index(index).map_or(0, |class| most_of(class, bytes));
        }
        Self {
            len: [0; CLASSES],
            most,
            step: [0; CLASSES],
            ids: [const { [MaybeUninit::uninit(); ROOM] }; CLASSES],
        }
    }

    /// Takes one object. The result has it, and the one that is next then, or itself if there is none. O(1).
    #[inline(always)]
    pub(in crate::heap) fn pop(&mut self, class: Class) -> Option<(u32, u32)> {
        // SAFETY: a class is below the number of classes.
        let len = unsafe { self.len.get_unchecked_mut(class.index()) };
        let top = len.checked_sub(1)?;
        *len = top;
        // SAFETY: by the invariant the length is at most the room, and indices below it are written.
        unsafe {
            let ids = self.ids.get_unchecked(class.index());
            let next = ids.get_unchecked(top.saturating_sub(1) as usize);
            let id = ids.get_unchecked(top as usize);
            Some((id.assume_init(), next.assume_init()))
        }
    }

    /// Puts one object in, if there is room. O(1).
    ///
    /// # Safety
    /// The caller owns the object, which holds the class, and gives it up if this returns true.
    #[inline(always)]
    pub(in crate::heap) unsafe fn push(&mut self, class: Class, id: u32) -> bool {
        let index = class.index();
        // SAFETY: a class is below the number of classes; the length is below `most`, which is at most the room.
        unsafe {
            let len = self.len.get_unchecked_mut(index);
            if *len >= *self.most.get_unchecked(index) {
                return false;
            }
            let ids = self.ids.get_unchecked_mut(index);
            ids.get_unchecked_mut(*len as usize).write(id);
            *len += 1;
        }
        true
    }

    /// What a class exchanges at once: half of what it holds.
    #[inline(always)]
    pub(in crate::heap) fn batch(&self, class: Class) -> usize {
        self.most
            .get(class.index())
            .map_or(1, |most| (most / 2) as usize)
    }

    /// Number of objects of a class.
    pub(in crate::heap) fn len(&self, class: Class) -> usize {
        self.len.get(class.index()).map_or(0, |&len| len as usize)
    }

    /// How many objects the next refill takes. Each call doubles it, up to a batch.
    pub(in crate::heap) fn next_step(&mut self, class: Class) -> usize {
        let batch = self.batch(class);
        let Some(step) = self.step.get_mut(class.index()) else {
            return 1;
        };
        let now = (*step as usize).max(1);
        *step = (now * 2).min(batch) as u8;
        now
    }

    /// Fills an empty class by `fill`, which gets the place for up to `n` indices and returns how many it wrote there.
    ///
    /// # Safety
    /// `fill` writes as many indices as it says, of objects that hold the class, and passes them on.
    pub(in crate::heap) unsafe fn refill(
        &mut self,
        class: Class,
        n: usize,
        fill: impl FnOnce(&mut [MaybeUninit<u32>]) -> usize,
    ) -> usize {
        let index = class.index();
        let (Some(len), Some(ids)) = (self.len.get_mut(index), self.ids.get_mut(index)) else {
            return 0;
        };
        debug_assert_eq!(*len, 0);
        let n = fill(ids.get_mut(..n).unwrap_or_default()).min(ROOM);
        *len = n as u8;
        n
    }

    /// Takes the oldest `n` objects of a class out, for `give`. The newest stay: this core's caches have them.
    pub(in crate::heap) fn take_oldest(
        &mut self,
        class: Class,
        n: usize,
        give: impl FnOnce(&[u32]),
    ) {
        let index = class.index();
        let (Some(len), Some(ids)) = (self.len.get_mut(index), self.ids.get_mut(index)) else {
            return;
        };
        let all = *len as usize;
        let n = n.min(all);
        if let Some(oldest) = ids.get(..n) {
            // SAFETY: by the invariant the indices below the length are written.
            give(unsafe { assume_init(oldest) });
        }
        ids.copy_within(n..all, 0);
        *len = (all - n) as u8;
    }
}

impl Front {
    /// Takes all objects out, for `give`, class by class.
    pub(in crate::heap) fn take_all(&mut self, mut give: impl FnMut(&[u32])) {
        for class in (0..CLASSES).filter_map(Class::from_index) {
            let all = self.len(class);
            if all > 0 {
                self.take_oldest(class, all, &mut give);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn class(bytes: usize) -> Class {
        Class::of(bytes, 1).unwrap()
    }

    #[test]
    fn the_newest_comes_first_and_a_full_class_refuses() {
        let class = class(1000);
        let mut front = Front::new(4 * 1024);
        for id in 0..4 {
            // SAFETY: the indices are no objects; nothing uses them as such.
            assert!(unsafe { front.push(class, id) });
        }
        // SAFETY: as above.
        assert!(!unsafe { front.push(class, 4) });
        assert_eq!(
            [front.pop(class), front.pop(class)],
            [Some((3, 2)), Some((2, 1))]
        );
        assert_eq!(front.len(class), 2);
        assert_eq!(
            [front.pop(class), front.pop(class)],
            [Some((1, 0)), Some((0, 0))]
        );
        assert_eq!(front.pop(class), None);
    }

    #[test]
    fn a_refill_fills_and_the_oldest_leave() {
        let mut front = Front::new(16 * 1024);
        let class = class(24);
        let fill = |ids: &mut [MaybeUninit<u32>]| {
            for (n, id) in ids.iter_mut().enumerate() {
                id.write(n as u32);
            }
            ids.len()
        };
        // SAFETY: the indices are no objects; nothing uses them as such.
        assert_eq!(unsafe { front.refill(class, 8, fill) }, 8);
        let mut left = Vec::new();
        front.take_oldest(class, 5, |ids| left.extend_from_slice(ids));
        assert_eq!(left, [0, 1, 2, 3, 4]);
        assert_eq!((front.pop(class), front.len(class)), (Some((7, 6)), 2));
        front.take_oldest(class, 9, |ids| left.extend_from_slice(ids));
        assert_eq!((left.len(), front.len(class)), (7, 0));
    }

    #[test]
    fn steps_double_up_to_a_batch() {
        let mut front = Front::new(12 * 64);
        let steps: Vec<usize> = (0..5).map(|_| front.next_step(class(64))).collect();
        assert_eq!(steps, [1, 2, 4, 6, 6]);
    }

    /// The figures in the documentation of `ThreadHeap`.
    #[test]
    fn a_front_holds_an_eighth_of_a_heap_and_two_fifths_of_the_smallest() {
        let held = |all: usize| -> usize {
            let of = |class: Class| most_of(class, Front::share(all)) as usize * class.bytes();
            (0..CLASSES).filter_map(Class::from_index).map(of).sum()
        };
        for mib in [64, 128, 1024, 16 * 1024] {
            assert!(held(mib << 20) * 8 <= mib << 20, "{mib} MiB");
        }
        let smallest = 4 << 20;
        assert!((size_of::<Front>() + held(smallest)) * 5 <= smallest * 2);
        assert_eq!(size_of::<Front>() / 1024, 22);
    }

    #[test]
    fn a_front_holds_two_objects_to_its_room() {
        let of = |bytes| most_of(class(bytes), 16 * 1024);
        assert_eq!([of(16), of(1024), of(32 * 1024)], [64, 16, 2]);
    }
}
