//! Size classes: eight for each doubling up to 8 KiB, sixteen above. So rounding up to a class wastes at most an eighth
//! of a request or 15 bytes, a sixteenth of a large one, and 2 % of the bytes of sizes that are uniform up to 32 KiB.
//!
//! Sizes are counted in granules of 16 bytes. Up to 128 bytes each number of granules is a class of its own. Above, the
//! classes between two powers of two are equal steps:
//!
//! ```text
//!  class     0   1  …   7    8    9  …  15   16   17  …    55    56    57  …     87
//!  bytes    16  32  … 128  144  160  … 256  288  320  …  8192  8704  9216  …  32768
//! ```

use core::ptr::NonNull;

/// Bytes of a granule: the alignment of every object.
pub(in crate::heap) const GRANULE: usize = 16;

/// The first of the classes of which there are sixteen between two powers of two.
const FINER: u32 = 56;

/// Number of classes.
pub(in crate::heap) const CLASSES: usize = FINER as usize + 32;

/// The largest class, in bytes.
pub(in crate::heap) const LARGEST: usize = 32 * 1024;

/// The largest class that is cut from spans, in bytes. Larger objects come from the core one by one: spans of them
/// would be mostly empty, and keep the core's memory in pieces.
pub(in crate::heap) const LARGEST_IN_SPANS: usize = 4 * 1024;

/// The largest alignment of an object, in bytes.
const MOST_ALIGNED: usize = 4096;

/// The start of the region that objects are named in: by their distance from it, in granules.
///
/// Invariant: the pointer may access all of the region.
#[derive(Clone, Copy)]
pub(in crate::heap) struct Origin(NonNull<u8>);

impl Origin {
    /// # Safety
    /// The invariant, for a region of at most 64 GiB.
    pub(in crate::heap) unsafe fn new(start: NonNull<u8>) -> Self {
        Self(start)
    }

    /// The place with this name.
    ///
    /// # Safety
    /// It is in the region, or at its end.
    #[inline(always)]
    pub(in crate::heap) unsafe fn at(self, id: u32) -> NonNull<u8> {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(id as usize * GRANULE) }
    }

    /// The name of the granule at an address of the region.
    #[inline(always)]
    pub(in crate::heap) fn id(self, addr: usize) -> u32 {
        (addr.wrapping_sub(self.0.addr().get()) / GRANULE) as u32
    }
}

/// A size class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::heap) struct Class(u8);

impl Class {
    /// The smallest class whose objects hold `size` bytes, `size` at most [`LARGEST`]; 0 bytes count as 1.
    #[inline(always)]
    const fn of_size(size: usize) -> Self {
        debug_assert!(size <= LARGEST);
        // One less, so that a power of two is the last of its steps, not the first of the next.
        let granules = (size.saturating_sub(1) / GRANULE) as u32;
        let log = (granules | 8).ilog2();
        let class = if log < 9 {
            8 * (log - 3) + (granules >> (log - 3))
        } else {
            // From 2^9 granules up: sixteen steps, of which the first five bits tell the number.
            FINER + 16 * (log - 9) + (granules >> (log - 4)) - 16
        };
        Self(class as u8)
    }

    /// As [`of`](Self::of) for most layouts: those of 1 to [`LARGEST`] bytes whose alignment is a granule at most.
    #[inline(always)]
    pub(in crate::heap) fn of_most(size: usize, align: usize) -> Option<Self> {
        /// By the number of granules, less one.
        static ALL: [Class; LARGEST / GRANULE] = {
            let mut all = [Class(0); LARGEST / GRANULE];
            let mut granules = 0;
            while granules < all.len() {
                granules += 1;
                all[granules - 1] = Class::of_size(granules * GRANULE);
            }
            all
        };
        // One comparison for both: 0 bytes and large alignments wrap around to large numbers.
        let size = size.wrapping_sub(1);
        if size | GRANULE.wrapping_sub(align) >= LARGEST {
            return None;
        }
        // SAFETY: `size` is below `LARGEST`.
        Some(unsafe { *ALL.get_unchecked(size / GRANULE) })
    }

    /// The smallest class for a layout. `None` if it has none: with more than [`LARGEST`] bytes, or an alignment above a
    /// granule and more than [`LARGEST_IN_SPANS`] bytes, or an alignment above [`MOST_ALIGNED`]. The same layout always
    /// has the same class.
    #[inline(always)]
    pub(in crate::heap) const fn of(size: usize, align: usize) -> Option<Self> {
        if align <= GRANULE && size <= LARGEST {
            return Some(Self::of_size(size));
        }
        Self::of_aligned(size, align)
    }

    /// Rounds the size up to the alignment. Then the class fits: either its step is a multiple of the alignment, or the
    /// rounded size is a multiple of the step, so that it is a class itself.
    #[inline(never)]
    const fn of_aligned(size: usize, align: usize) -> Option<Self> {
        // Rounding up to an alignment makes no size larger than that.
        const { assert!(LARGEST_IN_SPANS % MOST_ALIGNED == 0) };
        if size > LARGEST_IN_SPANS || align > MOST_ALIGNED {
            return None;
        }
        let size = if size == 0 { 1 } else { size };
        Some(Self::of_size((size + (align - 1)) & !(align - 1)))
    }

    /// The class of a number, if there is one.
    pub(in crate::heap) const fn from_index(index: usize) -> Option<Self> {
        if index < CLASSES {
            Some(Self(index as u8))
        } else {
            None
        }
    }

    #[inline(always)]
    pub(in crate::heap) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Granules of an object.
    #[inline(always)]
    pub(in crate::heap) const fn granules(self) -> u32 {
        let class = self.0 as u32;
        if class < 8 {
            return class + 1;
        }
        if class >= FINER {
            return ((class - FINER) % 16 + 17) << ((class - FINER) / 16 + 5);
        }
        let shift = class / 8 - 1;
        (class - 8 * shift + 1) << shift
    }

    /// Bytes of an object.
    #[inline(always)]
    pub(in crate::heap) const fn bytes(self) -> usize {
        self.granules() as usize * GRANULE
    }

    /// The alignment of an object: in a span the largest power of two in its size, up to [`MOST_ALIGNED`]. Those of the
    /// core would waste up to as much each, for layouts that are rare.
    pub(in crate::heap) const fn align(self) -> usize {
        if self.bytes() > LARGEST_IN_SPANS {
            return GRANULE;
        }
        let align = 1 << self.bytes().trailing_zeros();
        if align > MOST_ALIGNED {
            MOST_ALIGNED
        } else {
            align
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes from `first` to the largest; few under Miri.
    fn sizes(first: usize) -> impl Iterator<Item = usize> {
        (first..=LARGEST).step_by(if cfg!(miri) { 997 } else { 1 })
    }

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        for size in sizes(0) {
            let class = Class::of(size, 1).unwrap();
            assert!(class.bytes() >= size.max(1), "{size}");
            if let Some(below) = class.index().checked_sub(1) {
                assert!(Class::from_index(below).unwrap().bytes() < size, "{size}");
            }
        }
        assert_eq!(Class::of(LARGEST, 1).unwrap().index(), CLASSES - 1);
        assert_eq!(Class::of(LARGEST + 1, 1), None);
    }

    #[test]
    fn most_layouts_have_the_class_of_all() {
        for align in (0..usize::BITS).map(|log| 1 << log) {
            for size in (0..100).chain([LARGEST - 1, LARGEST, LARGEST + 1, usize::MAX / 2]) {
                let most = size > 0 && size <= LARGEST && align <= GRANULE;
                let class = Class::of(size, align).filter(|_| most);
                assert_eq!(Class::of_most(size, align), class, "{size} of {align}");
            }
        }
    }

    #[test]
    fn rounding_wastes_an_eighth_at_most() {
        let (mut wasted, mut all) = (0, 0);
        for size in sizes(1) {
            let bytes = Class::of(size, 1).unwrap().bytes();
            let most = match size {
                0..=128 => 15,
                129..=8192 => bytes / 8,
                _ => bytes / 16,
            };
            assert!(bytes - size <= most, "{size} in {bytes}");
            (wasted, all) = (wasted + bytes - size, all + bytes);
        }
        assert!(cfg!(miri) || (15..=24).contains(&(wasted * 1000 / all)));
    }

    #[test]
    fn an_aligned_layout_gets_objects_of_its_alignment() {
        for align in (0..13).map(|log| 1 << log) {
            for size in sizes(0) {
                let (least, most) = match align > GRANULE {
                    true => (size.max(1).next_multiple_of(align), LARGEST_IN_SPANS),
                    false => (size, LARGEST),
                };
                let Some(class) = Class::of(size, align) else {
                    assert!(least > most, "{size} of {align}");
                    continue;
                };
                assert!(
                    class.bytes() >= size && class.align() >= align,
                    "{size} of {align}"
                );
            }
        }
        assert_eq!(Class::of(16, 8192), None);
        assert_eq!(Class::of(usize::MAX / 2, 1), None);
        assert_eq!(Class::of(usize::MAX / 2, 1 << 30), None);
    }
}
