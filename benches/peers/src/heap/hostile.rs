//! Sequences of calls that are hard for a heap.
//!
//! Each phase aims at one part of the work: lists of blocks that are almost large enough, merges with both
//! neighbours, splits before and after an aligned object, reallocations in place and elsewhere, exhaustion. A phase
//! frees what it allocated, so the next one finds one free block, if the heap merges. `tests/placement/calls` and
//! `cortex_calls` compile this file, too.

use std::alloc::Layout;
// `cortex_calls` has the crate `alloc` by the name of `std`, without a prelude.
use std::vec::Vec;

use super::random::Random;

/// A heap whose calls are observed.
pub trait Calls {
    /// Tells the phase of the following calls, an index of [`PHASES`].
    fn phase(&mut self, phase: usize);
    fn alloc(&mut self, layout: Layout) -> *mut u8;
    /// # Safety
    /// As for a heap.
    unsafe fn free(&mut self, object: *mut u8, layout: Layout);
    /// # Safety
    /// As for a heap.
    unsafe fn realloc(&mut self, object: *mut u8, layout: Layout, size: usize) -> *mut u8;
}

/// The names of the phases.
pub const PHASES: &[&str] = &["random", "comb", "merge", "split", "resize", "exhaust"];

/// Plays all phases in turn, for ever.
pub fn play(calls: &mut impl Calls) {
    let mut player = Player {
        calls,
        random: Random::new(8),
        live: Vec::with_capacity(1 << 14),
    };
    loop {
        player.random();
        player.clear();
        player.comb();
        player.clear();
        player.merge();
        player.clear();
        player.split();
        player.clear();
        player.resize();
        player.clear();
        player.exhaust();
        player.clear();
    }
}

struct Player<'c, C> {
    calls: &'c mut C,
    random: Random,
    live: Vec<(*mut u8, Layout)>,
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap_or(Layout::new::<u64>())
}

impl<C: Calls> Player<'_, C> {
    /// Whether there was memory.
    fn alloc(&mut self, layout: Layout) -> bool {
        let at = self.calls.alloc(layout);
        if !at.is_null() {
            self.live.push((at, layout));
        }
        !at.is_null()
    }

    fn free(&mut self, i: usize) {
        let (at, layout) = self.live.swap_remove(i);
        // SAFETY: it is live, and was taken out.
        unsafe { self.calls.free(at, layout) };
    }

    fn realloc(&mut self, i: usize, size: usize) {
        let (at, old) = self.live[i];
        // SAFETY: it is live, and replaced by the result.
        let at = unsafe { self.calls.realloc(at, old, size) };
        if !at.is_null() {
            self.live[i] = (at, layout(size, old.align()));
        }
    }

    /// Frees everything, in random order.
    fn clear(&mut self) {
        while !self.live.is_empty() {
            let i = self.random.below(self.live.len());
            self.free(i);
        }
    }

    /// Any size and alignment, more than there is memory for.
    fn random(&mut self) {
        self.calls.phase(0);
        for _ in 0..400 {
            let size = self.random.between_log(1, 128 << 10);
            let align = match self.random.below(8) {
                0 => 1 << self.random.below(13),
                _ => 8,
            };
            match self.random.below(5) {
                0 | 1 => {
                    self.alloc(layout(size, align));
                }
                2 if !self.live.is_empty() => {
                    let i = self.random.below(self.live.len());
                    self.realloc(i, size);
                }
                _ if !self.live.is_empty() => {
                    let i = self.random.below(self.live.len());
                    self.free(i);
                }
                _ => {}
            }
        }
    }

    /// Many free blocks of similar sizes, each between two live ones; then requests just above and among them.
    fn comb(&mut self) {
        self.calls.phase(1);
        let size = self.random.between_log(64, 8 << 10);
        let count = 100.min((1 << 20) / size);
        for i in 0..count {
            // All of these differ by less than one in 16.
            self.alloc(layout(size + i * size / (16 * count), 8));
        }
        for i in (0..self.live.len() / 2).rev() {
            // Every second one in the order of addresses.
            let (at, layout) = self.live.remove(2 * i);
            // SAFETY: it is live, and was taken out.
            unsafe { self.calls.free(at, layout) };
        }
        for i in 0..count {
            self.alloc(layout(size + size / 16 - i * size / (16 * count), 8));
            let size = self.random.between(size, size + size / 16);
            self.alloc(layout(size, 8));
        }
    }

    /// Every second object is freed, then those between them.
    fn merge(&mut self) {
        self.calls.phase(2);
        for _ in 0..100 {
            let size = self.random.between_log(16, 4096);
            self.alloc(layout(size, 8));
        }
        for half in [2, 1] {
            let mut i = self.live.len().saturating_sub(1);
            while i > 0 {
                let (at, layout) = self.live.remove(i);
                // SAFETY: it is live, and was taken out.
                unsafe { self.calls.free(at, layout) };
                i = i.saturating_sub(half);
            }
        }
    }

    /// Small objects of large alignments, which leave free blocks before and after them.
    fn split(&mut self) {
        self.calls.phase(3);
        for i in 0..80 {
            let align = 1 << self.random.between(4, 14);
            let size = self.random.between_log(1, 2048);
            self.alloc(layout(size, align));
            if i % 3 == 0 {
                let i = self.random.below(self.live.len().max(1));
                if i < self.live.len() {
                    self.free(i);
                }
            }
        }
    }

    /// Objects that grow and shrink, with free and with live neighbours.
    fn resize(&mut self) {
        self.calls.phase(4);
        for _ in 0..64 {
            let size = self.random.between_log(16, 4096);
            self.alloc(layout(size, 16));
        }
        for _ in 0..150 {
            if self.live.is_empty() {
                break;
            }
            let i = self.random.below(self.live.len());
            let old = self.live[i].1.size();
            let size = match self.random.below(6) {
                0 => old + 1,
                1 => old + old / 2,
                2 => 2 * old,
                3 => (old / 2).max(1),
                4 => old.saturating_sub(1).max(1),
                _ => self.random.between_log(16, 64 << 10),
            };
            self.realloc(i, size);
            if self.random.below(4) == 0 {
                let i = self.random.below(self.live.len());
                self.free(i);
                let size = self.random.between_log(16, 4096);
                self.alloc(layout(size, 16));
            }
        }
    }

    /// Until nothing is left, with ever smaller sizes; then requests that cannot be served.
    fn exhaust(&mut self) {
        self.calls.phase(5);
        for shift in (8..18).rev() {
            let mut refused = 0;
            while refused < 2 {
                let size = self.random.between(1 << shift, 2 << shift);
                refused += usize::from(!self.alloc(layout(size, 8)));
            }
        }
        for shift in 4..28 {
            self.alloc(layout(1 << shift, 8));
        }
    }
}
