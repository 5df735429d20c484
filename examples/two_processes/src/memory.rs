//! The memory that both processes map, and the values that they pass.
//!
//! ```text
//!  byte 0          512                                          page end
//!       │ the note │ the ring: header, then 4096 slots of a value │
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use framepool::SharedRegion;
use framepool::ring::SharedRing;

use crate::note::Note;

/// A value: its number, and a word that follows from the number.
pub type Value = [u64; 2];

/// The value with this number.
pub fn value(number: u64) -> Value {
    [number, mixed(number)]
}

/// A step of SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers give words that have nothing in common.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Slots of the ring.
pub const CAPACITY: usize = 4096;
/// Words of the note; a ring starts at a multiple of 64 bytes.
const NOTE_WORDS: usize = 64;
/// More than any process here makes. A child refuses longer memory before it touches it.
const LONGEST: usize = 1 << 20;

/// The shared memory, mapped.
pub struct Memory(SharedRegion);

impl Memory {
    /// New memory, all zeros.
    pub fn create() -> Result<Self, String> {
        let ring = SharedRing::<Value>::bytes(CAPACITY).unwrap_or(usize::MAX);
        let len = ring.saturating_add(NOTE_WORDS * size_of::<u64>());
        let region = SharedRegion::builder(len).create();
        region.map(Self).map_err(|e| format!("shared memory: {e}"))
    }

    /// The memory that another process made.
    pub fn attach(fd: OwnedFd) -> Result<Self, String> {
        let region = SharedRegion::attach_within(fd, 1..=LONGEST);
        region.map(Self).map_err(|e| format!("standard input: {e}"))
    }

    /// The descriptor to pass on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The consumer's note.
    pub fn note(&self) -> Note<'_> {
        Note::new(self.parts().0)
    }

    pub fn create_ring(&self) -> Result<SharedRing<'_, Value>, String> {
        SharedRing::create(self.parts().1, CAPACITY).map_err(|e| e.to_string())
    }

    pub fn attach_ring(&self) -> Result<SharedRing<'_, Value>, String> {
        SharedRing::attach(self.parts().1).map_err(|e| e.to_string())
    }

    /// The words of the note and of the ring. Attached memory has at least one page, so there are more than the note's.
    fn parts(&self) -> (&[AtomicU64], &[AtomicU64]) {
        self.0.words().split_at(NOTE_WORDS)
    }
}
