//! What surrounds a block, and what fills it.
//!
//! ```text
//!  outer                         inner
//!  ├ alignment ┼ size ┼ align ┼ mark ┼ the caller's bytes ┼ canary ┤
//! ```
//!
//! The mark is a hash of the address, the layout, the key of the heap, and whether the block is in use. It is the last
//! word before the caller's bytes, so that the links of the block, when it is free, leave it as it is.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::fault::{HeapFault, HeapFaultKind};
use crate::heap::block::GRANULE;
use crate::heap::regions::Lists;

const WORD: usize = size_of::<usize>();

/// Words before the caller's bytes.
const WORDS: usize = 3;

/// Bytes after the caller's.
const CANARY: usize = 8;

/// What a new block is filled with: as an address not aligned, as a number large.
const NEW: u8 = 0xA5;

/// What a freed block is filled with.
const FREED: u8 = 0xDF;

/// What a mark says of its block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    InUse = 0x1F,
    Freed = 0x2E,
}

/// The layout of a block with its guards.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    pub(super) layout: Layout,
    /// Bytes before the caller's.
    pub(super) head: usize,
}

impl Outer {
    /// Bytes that a layout with an alignment of 8 or less has more.
    pub(super) const MORE: usize = (WORDS * WORD).next_multiple_of(GRANULE) + CANARY;

    /// `None` if the sum is too large for a layout.
    pub(super) fn of(inner: Layout) -> Option<Self> {
        let head = (WORDS * WORD).checked_next_multiple_of(inner.align())?;
        let size = head.checked_add(inner.size())?.checked_add(CANARY)?;
        let layout = Layout::from_size_align(size, inner.align().max(WORD)).ok()?;
        Some(Self { layout, head })
    }
}

/// A block, by the address of the caller's bytes.
#[derive(Clone, Copy)]
pub(super) struct Guarded {
    /// May access the region.
    pub(super) at: NonNull<u8>,
    pub(super) layout: Layout,
}

impl Guarded {
    /// What is wrong with the block.
    pub(super) fn fault(self, kind: HeapFaultKind) -> HeapFault {
        HeapFault {
            kind,
            address: self.addr(),
            size: self.layout.size(),
            align: self.layout.align(),
        }
    }

    fn addr(self) -> usize {
        self.at.addr().get()
    }

    /// # Safety
    /// The word before the caller's bytes with this number is in the heap, and aligned.
    unsafe fn word(self, n: usize) -> NonNull<usize> {
        // SAFETY: the caller's promise.
        unsafe { self.at.sub((WORDS - n) * WORD) }.cast()
    }

    fn mark(self, state: State, key: usize) -> usize {
        let layout = self.layout.size().rotate_left(7) ^ self.layout.align();
        mix(mix(self.addr() ^ key) ^ layout ^ (state as usize) << (usize::BITS - 8))
    }

    fn canary(self, key: usize) -> [u8; CANARY] {
        let low = mix(self.addr() ^ !key) as u32;
        ((u64::from(low) << 32) | u64::from(!low)).to_ne_bytes()
    }

    fn canary_at(self) -> NonNull<[u8; CANARY]> {
        // SAFETY: the canary follows the caller's bytes.
        unsafe { self.at.add(self.layout.size()) }.cast()
    }

    /// Writes both guards of a block in use.
    ///
    /// # Safety
    /// The block is that of a caller, of the layout of [`Outer`].
    pub(super) unsafe fn guard(self, key: usize) {
        // SAFETY: the caller's promise. The head is a multiple of the alignment of a word, and has three of them.
        unsafe {
            self.word(0).write(self.layout.size());
            self.word(1).write(self.layout.align());
            self.set(State::InUse, key);
            self.canary_at().write(self.canary(key));
        }
    }

    /// # Safety
    /// As for [`guard`](Self::guard).
    unsafe fn set(self, state: State, key: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.word(2).write(self.mark(state, key)) };
    }

    /// Notes that a block was freed.
    ///
    /// # Safety
    /// As for [`guard`](Self::guard).
    pub(super) unsafe fn note_freed(self, key: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.set(State::Freed, key) };
    }

    /// Fills a new block.
    ///
    /// # Safety
    /// As for [`guard`](Self::guard).
    pub(super) unsafe fn fill(self) {
        // SAFETY: the caller's promise.
        unsafe { self.at.write_bytes(NEW, self.layout.size()) };
    }

    /// Fills a freed block.
    ///
    /// # Safety
    /// As for [`guard`](Self::guard).
    pub(super) unsafe fn poison(self) {
        // SAFETY: the caller's promise.
        unsafe { self.at.write_bytes(FREED, self.layout.size()) };
    }

    /// Whether a block in use, of this layout and whole, starts here.
    ///
    /// # Safety
    /// The heap's memory is initialised where the words are, if this is no block. Nothing else frees the block meanwhile.
    pub(super) unsafe fn inspect(self, regions: Lists, key: usize) -> Result<(), HeapFaultKind> {
        let addr = self.addr();
        // With one byte, as a block has no fewer.
        let start = addr.checked_sub(WORDS * WORD);
        if !start.is_some_and(|start| regions.hold(start, WORDS * WORD + 1)) {
            return Err(HeapFaultKind::Foreign);
        }
        if addr % WORD != 0 {
            return Err(HeapFaultKind::NoBlock);
        }
        // SAFETY: the words are in a region. A mark that is right says that a block of this layout is here.
        unsafe {
            let [size, align, mark] = [0, 1, 2].map(|n| self.word(n).read());
            // Links overwrite the layout of a block that has left the quarantine, but not its mark.
            if mark == self.mark(State::Freed, key) {
                return Err(HeapFaultKind::DoubleFree);
            }
            let own = Layout::from_size_align(size, align).map_err(|_| HeapFaultKind::NoBlock)?;
            let own = Self {
                layout: own,
                ..self
            };
            if mark == own.mark(State::Freed, key) {
                return Err(HeapFaultKind::DoubleFree);
            }
            if mark != own.mark(State::InUse, key) {
                return Err(HeapFaultKind::NoBlock);
            }
            if own.layout != self.layout {
                return Err(HeapFaultKind::WrongLayout { size, align });
            }
            own.inspect_canary(key)
        }
    }

    /// # Safety
    /// A block of this layout starts here.
    unsafe fn inspect_canary(self, key: usize) -> Result<(), HeapFaultKind> {
        // SAFETY: the caller's promise.
        let found = unsafe { self.canary_at().read() };
        let canary = self.canary(key);
        match (0..CANARY).find(|&n| found.get(n) != canary.get(n)) {
            None => Ok(()),
            Some(n) => Err(HeapFaultKind::Overrun {
                offset: self.layout.size() + n,
            }),
        }
    }

    /// Whether a freed block is as it was left. Then a caller may still have its address, but has not used it.
    ///
    /// # Safety
    /// A freed block of this layout starts here.
    pub(super) unsafe fn inspect_freed(self, key: usize) -> Result<(), HeapFaultKind> {
        // SAFETY: the caller's promise; the block was filled.
        let (words, bytes) = unsafe {
            let words = [0, 1, 2].map(|n| self.word(n).read());
            let bytes = NonNull::slice_from_raw_parts(self.at, self.layout.size());
            (words, bytes.as_ref())
        };
        let [size, align] = [self.layout.size(), self.layout.align()];
        if words != [size, align, self.mark(State::Freed, key)] {
            return Err(HeapFaultKind::UseAfterFree { offset: 0 });
        }
        if let Some(offset) = first_other(bytes) {
            return Err(HeapFaultKind::UseAfterFree { offset });
        }
        // SAFETY: as above.
        let is_whole = unsafe { self.inspect_canary(key) };
        is_whole.map_err(|kind| match kind {
            HeapFaultKind::Overrun { offset } => HeapFaultKind::UseAfterFree { offset },
            other => other,
        })
    }
}

/// The first byte that is not [`FREED`].
fn first_other(bytes: &[u8]) -> Option<usize> {
    let is_other = |byte: &u8| *byte != FREED;
    // In whole chunks, which a compiler makes vectors of.
    let mut chunks = bytes.chunks(64);
    let at =
        chunks.position(|chunk| chunk.iter().fold(0, |all, byte| all | (byte ^ FREED)) != 0)?;
    let start = at * 64;
    let rest = bytes.get(start..).unwrap_or_default();
    Some(start + rest.iter().position(is_other)?)
}

/// A number of which each bit depends on all bits of another.
pub(super) const fn mix(x: usize) -> usize {
    const ODD: usize = 0x9E37_79B9_7F4A_7C15_u64 as usize;
    let x = (x ^ x >> (usize::BITS / 2)).wrapping_mul(ODD);
    let x = (x ^ x >> (usize::BITS / 2 - 3)).wrapping_mul(ODD);
    x ^ x >> (usize::BITS / 2)
}
