//! Objects, and the scripts that say which of them are replaced, and by what size.

use crate::heap::contenders::{Heap, layout};
pub use crate::heap::random::Random;

/// An object, or nothing: then the address is null.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub at: *mut u8,
    pub size: usize,
}

// SAFETY: the holder of an object owns it.
unsafe impl Send for Object {}

impl Object {
    pub const NONE: Self = Self {
        at: std::ptr::null_mut(),
        size: 0,
    };

    /// Allocates an object and writes its first word, as its owner would.
    #[inline(always)]
    pub fn new(heap: &mut impl Heap, size: usize) -> Self {
        let at = heap.alloc(layout(size));
        assert!(!at.is_null(), "no memory for {size} bytes");
        // SAFETY: objects are aligned to a word and have at least one.
        unsafe { at.cast::<usize>().write(size) };
        Self { at, size }
    }

    /// Frees it, if it is one.
    ///
    /// # Safety
    /// The object is from this heap and was not freed.
    #[inline(always)]
    pub unsafe fn free(self, heap: &mut impl Heap) {
        if !self.at.is_null() {
            // SAFETY: by the contract.
            unsafe { heap.free(self.at, layout(self.size)) };
        }
    }
}

/// The sizes of the small benches.
pub fn small(random: &mut Random) -> usize {
    random.between(16, 1024)
}

/// The sizes of the medium benches.
pub fn medium(random: &mut Random) -> usize {
    random.between(1 << 10, 32 << 10)
}

/// One replacement.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The place of the object that is freed.
    pub place: u32,
    /// The size of the object that takes its place.
    pub size: u32,
}

/// Replacements, made before anything is measured. Loops repeat them.
#[derive(Clone, Debug)]
pub struct Script {
    steps: Vec<Step>,
    next: usize,
}

impl Script {
    /// A power of two.
    const LEN: usize = 1 << 16;

    pub fn new(
        seed: u64,
        place: impl Fn(&mut Random) -> usize,
        size: impl Fn(&mut Random) -> usize,
    ) -> Self {
        let mut random = Random::new(seed);
        let step = |_| Step {
            place: place(&mut random) as u32,
            size: size(&mut random) as u32,
        };
        Self {
            steps: (0..Self::LEN).map(step).collect(),
            next: 0,
        }
    }

    #[inline(always)]
    pub fn next(&mut self) -> Step {
        let step = self.steps[self.next % Self::LEN];
        self.next += 1;
        step
    }
}

/// A heap and its live objects, which are freed on drop.
pub struct Live<H: Heap> {
    pub heap: H,
    pub objects: Vec<Object>,
}

impl<H: Heap> Live<H> {
    pub fn new(heap: H) -> Self {
        Self {
            heap,
            objects: Vec::new(),
        }
    }
}

impl<H: Heap> Drop for Live<H> {
    fn drop(&mut self) {
        for object in self.objects.drain(..) {
            // SAFETY: each of them is live, and from this heap.
            unsafe { object.free(&mut self.heap) };
        }
    }
}
