//! The lists of free blocks, one for each range of sizes, and the bitmap that finds a list that is not empty.
//!
//! Every doubling of the size has 2^`shift` lists of equal width. The number of a list is that of its doubling and the
//! first `shift` binary digits of the size after the highest, which one rotation and one shift find:
//!
//! ```text
//!  shift 2, sizes in granules of 8 bytes
//!  list   2   4   5   6   7   8   9    10   11   12   13   14   15   16
//!  from   3   4   5   6   7   8   10   12   14   16   20   24   28   32   …
//! ```
//!
//! Lists of the smallest sizes are narrower than a granule, and some of those stay empty. The table has a list for each
//! block of one and a half times the memory that it was made for; then it is replaced.

use core::num::NonZero;
use core::ptr;

use crate::heap::block::{Block, GRANULE, Links, MAX, MIN, TAG, Tag};
use crate::heap::code::Code;

/// Blocks that a search looks at.
pub(super) const SCAN: usize = 4;

/// The smallest heap that has a table of its own size, in bytes.
const LEAST: usize = 1024;

/// Bits of the lists.
type Word = usize;
const BITS: usize = Word::BITS as usize;

/// The largest number of lists of a doubling, as a binary logarithm.
const MOST_SHIFT: u32 = Word::BITS.ilog2();

/// Bound of the number of lists: those that a word of words has bits for.
const MOST: usize = BITS * BITS;
const _: () = assert!(Shape::of(usize::MAX).lists() <= MOST);

/// The map from sizes to lists.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// The lists of a doubling, a power of two, and 32 minus its binary logarithm.
    doubling: u32,
    right: u32,
    /// The last list: less than [`MOST`].
    last: usize,
    /// Bytes of the largest request, with its alignment if that is stricter than a granule. The largest block has room
    /// for it and for what the alignment skips.
    limit: usize,
}

/// Binary logarithm of the rank of the smallest block.
const LOG: u32 = Tag::used(MIN).rank().ilog2();

impl Shape {
    const NONE: Self = Self {
        doubling: 0,
        right: 0,
        last: 0,
        limit: 0,
    };

    /// The shape for a heap of `bytes`, and of one and a half times as much: as many lists a doubling as a word has
    /// bits, or fewer if the table would take more than 1/300 of the bytes, but 4 at least.
    pub(super) const fn of(bytes: usize) -> Self {
        // Where the table has about the size of the memory, more memory must not need a larger table.
        let bytes = if bytes < LEAST { LEAST } else { bytes };
        let mut shift = MOST_SHIFT;
        let mut shape = Self::with(shift, bytes);
        while shift > 2 && shape.bytes() > bytes / 300 {
            shift -= 1;
            shape = Self::with(shift, bytes);
        }
        shape
    }

    const fn with(shift: u32, bytes: usize) -> Self {
        let largest = bytes.saturating_add(bytes / 2);
        let largest = if largest < MAX { largest } else { MAX } & !(GRANULE - 1);
        let mut shape = Self {
            doubling: 1 << shift,
            right: 32 - shift,
            limit: largest - TAG - 2 * MIN,
            ..Self::NONE
        };
        shape.last = shape.list_of(Tag::used(largest));
        shape
    }

    /// Whether there is a list for each block of a heap of `bytes`.
    const fn covers(self, bytes: usize) -> bool {
        let largest = self.limit + TAG + 2 * MIN;
        bytes <= largest || largest == MAX
    }

    /// Bytes of the table.
    pub(super) const fn bytes(self) -> usize {
        self.lists() * size_of::<Option<Block>>() + self.words() * size_of::<Word>()
    }

    const fn lists(self) -> usize {
        self.last + 1
    }

    /// Words of bits, one for each list.
    const fn words(self) -> usize {
        self.lists().div_ceil(BITS)
    }

    /// The list of blocks of a size, if the table has that many.
    #[inline(always)]
    pub(super) const fn list_of(self, size: Tag) -> usize {
        let rank = size.rank();
        let log = rank.ilog2();
        // The digits after the first one are the highest bits now.
        let digits = rank.rotate_right(log);
        ((log - LOG) * self.doubling + digits.wrapping_shr(self.right)) as usize
    }

    /// The size of the smallest block in a list or one after it, in bytes; `usize::MAX` after the last.
    pub(super) const fn start(self, list: usize) -> usize {
        if list > self.last {
            return usize::MAX;
        }
        let (list, doubling) = (list as u64, self.doubling as u64);
        let log = list / doubling + LOG as u64;
        let digits = list % doubling + doubling;
        Tag::least_of_rank((digits << log).div_ceil(doubling))
    }
}

/// The number of the lowest bit that is set.
///
/// # Safety
/// One is.
#[inline(always)]
unsafe fn first_bit(bits: Word) -> usize {
    // SAFETY: the caller's promise.
    unsafe { NonZero::new_unchecked(bits) }.trailing_zeros() as usize
}

/// The lists of free blocks. Without a table until the first region is added.
///
/// Invariants:
/// - `table` is the block that holds one head for each list of `shape`, and then the `words` of bits, in memory that
///   belongs to this value alone. Without a table both are null.
/// - A head names the first block of its list. Each block of a list is free, and its `before` is the one whose `next` is the
///   variable that names it.
/// - The bit of a list is set if and only if the list has a block. Bit `w` of `summary` is set if and only
///   if word `w` is not 0. So without a table `summary` is 0.
/// - Links are written by `code`, those in heads too.
/// - The list of a block is that of its size. No block of a list is smaller than one of the lists before.
pub(super) struct Bins {
    table: Option<Block>,
    words: *mut Word,
    shape: Shape,
    summary: Word,
    pub(super) code: Code,
}

// Three functions are inlined on 64-bit targets whatever the optimisation is. On 32-bit ones the compiler decides: it
// inlines them where it optimises for speed, and saves a fifth of the code where it optimises for size.
impl Bins {
    /// All zeros.
    pub(super) const NONE: Self = Self {
        table: None,
        words: ptr::null_mut(),
        shape: Shape::NONE,
        summary: 0,
        code: Code::PLAIN,
    };

    /// Lists without blocks, in a table at `block`.
    ///
    /// # Safety
    /// The block has `shape.bytes()` bytes, and belongs to the result.
    pub(super) unsafe fn at(block: Block, shape: Shape, code: Code) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            block.as_ptr().write_bytes(0, shape.bytes());
            Self::in_zeros(block, shape, code)
        }
    }

    /// Lists without blocks, in a table at `block`, whose bytes are zero: that is no link, with a key either.
    ///
    /// # Safety
    /// The block has `shape.bytes()` bytes, and belongs to the result.
    pub(super) unsafe fn in_zeros(block: Block, shape: Shape, code: Code) -> Self {
        let heads = block.as_ptr().cast::<Option<Block>>().as_ptr();
        Self {
            table: Some(block),
            // SAFETY: the heads and words lie in the block, which is aligned to 8 bytes.
            words: unsafe { heads.add(shape.lists()).cast() },
            shape,
            summary: 0,
            code,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of the largest request, with its alignment if that is stricter than a granule; 0 without a table.
    #[inline(always)]
    pub(super) fn limit(&self) -> usize {
        self.shape.limit
    }

    /// Number of lists; 0 without a table.
    pub(super) fn lists(&self) -> usize {
        self.table.map_or(0, |_| self.shape.lists())
    }

    /// Whether there is a table, with a list for each block of a heap of `bytes`.
    pub(super) fn cover(&self, bytes: usize) -> bool {
        self.table.is_some() && self.shape.covers(bytes)
    }

    /// The block that holds the table.
    pub(super) fn table(&self) -> Option<Block> {
        self.table
    }

    /// What would be a block if the head of a list were its `next`.
    ///
    /// # Safety
    /// The list exists.
    #[inline(always)]
    unsafe fn head(&self, list: usize) -> Block {
        // SAFETY: the caller's promise: there is a table. Its first head is where the link of a free block would be.
        unsafe {
            let first = self.table.unwrap_unchecked();
            first.forward(list * size_of::<Option<Block>>())
        }
    }

    /// The next block of a list, after a block or a head.
    ///
    /// # Safety
    /// The block is in a list, or is a head.
    #[inline(always)]
    unsafe fn next(&self, block: Block) -> Option<Block> {
        // SAFETY: the caller's promise.
        let next = unsafe { block.next().read() };
        self.code
            .of(next)
            .filter(|&next| self.code.may_be(next, MIN))
    }

    /// Both links of a free block.
    ///
    /// # Safety
    /// The block's bytes are in a region.
    #[inline(always)]
    pub(super) unsafe fn links(&self, block: Block) -> Links {
        // SAFETY: the caller's promise.
        let Links { next, before } = unsafe { block.links().read() };
        Links {
            next: self.code.of(next),
            before: self.code.of(before),
        }
    }

    /// Whether a block is as it was put into its list, and its neighbours there name it: always, if links are not encoded.
    /// If not, notes that it was overwritten. From then on nothing is served.
    ///
    /// # Safety
    /// The block is in a list.
    #[inline(always)]
    pub(super) unsafe fn is_linked(&mut self, block: Block) -> bool {
        let is_linked = self.code.is_plain() || self.is_whole(block);
        if !is_linked {
            self.break_at(block);
        }
        is_linked
    }

    #[cold]
    fn break_at(&mut self, block: Block) {
        self.code.breaks_at(block);
        self.shape.limit = 0;
    }

    /// Takes over the links of older lists, which were moved here: if they were overwritten, these are not to be used
    /// either.
    pub(super) fn follow(&mut self, old: &Self) {
        self.code = old.code;
        if self.code.is_broken() {
            self.shape.limit = 0;
        }
    }

    /// Trusts nothing: also the address may come from a size that was overwritten.
    #[cold]
    fn is_whole(&self, block: Block) -> bool {
        if !self.code.may_be(block, MIN) {
            return false;
        }
        // SAFETY: what is read is in a region.
        unsafe {
            let (tag, Links { next, before }) = (block.tag(), self.links(block));
            let size = tag.size();
            tag.is_free()
                && self.code.may_be(block, size)
                && block.size_at_end(size) == size
                && before
                    .is_some_and(|at| self.code.may_be(at, MIN) && self.next(at) == Some(block))
                && next.is_none_or(|at| {
                    self.code.may_be(at, MIN) && self.links(at).before == Some(block)
                })
        }
    }

    /// Writes all links by another key. O(free blocks).
    ///
    /// # Safety
    /// No link was overwritten.
    #[cfg(feature = "hardened")]
    pub(super) unsafe fn encode(&mut self, key: usize) {
        let new = self.code.with(key);
        for list in 0..self.lists() {
            // SAFETY: the list has a head; the blocks of lists have links.
            unsafe {
                let mut before = self.head(list);
                let mut at = self.next(before);
                before.next().write(new.of(at));
                while let Some(block) = at {
                    at = self.next(block);
                    block.links().write(Links {
                        next: new.of(at),
                        before: new.of(Some(before)),
                    });
                    before = block;
                }
            }
        }
        self.code = new;
    }

    /// Puts a free block of `size` bytes at the head of its list.
    ///
    /// # Safety
    /// The block is free, in no list, and belongs to the heap. There are lists.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) unsafe fn insert(&mut self, block: Block, size: Tag) {
        // SAFETY: the tag of a free block.
        unsafe { size.assert_free() };
        let list = self.shape.list_of(size);
        // SAFETY: by the invariant of the shape the list has a head and a bit; the links of the head are
        // those of a free block.
        unsafe {
            let (before, code) = (self.head(list), self.code);
            let next = self.next(before);
            block.links().write(Links {
                next: code.of(next),
                before: code.of(Some(before)),
            });
            before.next().write(code.of(Some(block)));
            if let Some(next) = next {
                next.set_before(code.of(Some(block)));
                return;
            }
            let word = list / BITS;
            *self.words.add(word) |= 1 << (list % BITS);
            self.summary |= 1 << word;
        }
    }

    /// Takes a free block out of its list. O(1): the list is found by the address of its head. False, and nothing has
    /// changed, if its links were overwritten.
    ///
    /// # Safety
    /// The block is in a list.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(super) unsafe fn remove(&mut self, block: Block) -> bool {
        // SAFETY: by the invariant, `before` names this block and may be written, and `next` is a free block.
        unsafe {
            if !self.is_linked(block) {
                return false;
            }
            let (Links { next, before }, code) = (self.links(block), self.code);
            let before = before.unwrap_unchecked();
            before.next().write(code.of(next));
            if let Some(next) = next {
                next.set_before(code.of(Some(before)));
                return true;
            }
            let offset = before.tag_addr().wrapping_sub(self.head(0).tag_addr());
            let list = offset / size_of::<Option<Block>>();
            if list <= self.shape.last {
                self.clear(list);
            }
        }
        true
    }

    /// Notes that a list is empty.
    ///
    /// # Safety
    /// The list exists, and it is empty.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    unsafe fn clear(&mut self, list: usize) {
        let word = list / BITS;
        // SAFETY: the caller's promise, and the invariant: each list has a bit.
        unsafe {
            let left = *self.words.add(word) & !(1 << (list % BITS));
            *self.words.add(word) = left;
            if left == 0 {
                self.summary &= !(1 << word);
            }
        }
    }

    /// Takes a free block of at least a size out of its list: the first of the list of this size, if it is large
    /// enough, or else the first of the next list that has one, where all are.
    ///
    /// The look at the list of the size keeps large blocks whole: with sizes of 1 to 32 KiB it is worth a few
    /// tenths of a percent of the memory, and more in small heaps, whose lists are wide.
    ///
    /// # Safety
    /// The size is that of a request within the limit of the shape.
    #[inline(always)]
    pub(super) unsafe fn take(&mut self, size: Tag) -> Option<Block> {
        let list = self.shape.list_of(size);
        // SAFETY: there is a table, or the limit would be 0, and it has this list. By the invariant, a block of a
        // list has a tag.
        unsafe {
            if let Some(first) = self.next(self.head(list)) {
                if first.tag().holds(size) {
                    return self.remove_first(first, list);
                }
            }
            self.take_after(list)
        }
    }

    /// Takes a free block out of its list, the first after the list of this size that has one. All of its blocks are
    /// larger.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    #[inline(always)]
    pub(super) unsafe fn take_larger(&mut self, size: Tag) -> Option<Block> {
        // SAFETY: the caller's promise.
        unsafe { self.take_after(self.shape.list_of(size)) }
    }

    /// Takes the first block out of the first list after `list` that has one.
    ///
    /// # Safety
    /// The list exists.
    #[inline(always)]
    unsafe fn take_after(&mut self, list: usize) -> Option<Block> {
        // SAFETY: there is a word for each list. A bit of the summary stands for a word that is not 0, and a bit of
        // that for a list that is not empty.
        unsafe {
            // Not by `list + 1` at once: that may be all bits of a word.
            let after = *self.words.add(list / BITS) >> (list % BITS) >> 1;
            let list = if after != 0 {
                list + 1 + first_bit(after)
            } else {
                let words = self.summary & Word::MAX << 1 << (list / BITS);
                if words == 0 {
                    return None;
                }
                let word = first_bit(words);
                word * BITS + first_bit(*self.words.add(word))
            };
            let first = self.first(list)?;
            self.remove_first(first, list)
        }
    }

    /// The first block of a list. `None` if its head was overwritten.
    ///
    /// # Safety
    /// The list is marked.
    #[inline(always)]
    unsafe fn first(&mut self, list: usize) -> Option<Block> {
        // SAFETY: the caller's promise: by the invariant the list has a block.
        unsafe {
            let head = self.head(list);
            let first = self.next(head);
            if self.code.is_plain() {
                return Some(first.unwrap_unchecked());
            }
            if first.is_none() {
                self.break_at(head);
            }
            first
        }
    }

    /// Takes the first block out of a list. `None` if its links were overwritten.
    ///
    /// # Safety
    /// The list exists, and `first` is its first block.
    #[inline(always)]
    unsafe fn remove_first(&mut self, first: Block, list: usize) -> Option<Block> {
        // SAFETY: the caller's promise; `next` is a free block.
        unsafe {
            if !self.is_linked(first) {
                return None;
            }
            let (head, next, code) = (self.head(list), self.next(first), self.code);
            head.next().write(code.of(next));
            match next {
                Some(next) => next.set_before(code.of(Some(head))),
                None => self.clear(list),
            }
        }
        Some(first)
    }

    /// Takes a free block of at least a size out of the list of this size: one of the first [`SCAN`] but the first. For the
    /// requests that [`take`](Self::take) has nothing for.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    pub(super) unsafe fn take_next(&mut self, size: Tag) -> Option<Block> {
        // SAFETY: the caller's promise: there is this list. By the invariant, a block of a list is free.
        unsafe {
            let mut at = self.next(self.head(self.shape.list_of(size)))?;
            for _ in 1..SCAN {
                at = self.next(at)?;
                if at.tag().holds(size) {
                    return self.remove(at).then_some(at);
                }
            }
        }
        None
    }

    /// The first block that `fits`, among the first [`SCAN`] of the lists from that of the size `most` down to that of
    /// `least`. For the requests that [`take_larger`](Self::take_larger) has nothing for.
    ///
    /// # Safety
    /// As for [`take`](Self::take), for both sizes.
    pub(super) unsafe fn scan(
        &self,
        least: Tag,
        most: Tag,
        fits: impl Fn(Block) -> bool,
    ) -> Option<Block> {
        let (lowest, mut list) = (self.shape.list_of(least), self.shape.list_of(most));
        let mut left = SCAN;
        // SAFETY: the caller's promise: there are these lists. By the invariant, a block of a list is free.
        unsafe {
            loop {
                let mut at = self.next(self.head(list));
                while let Some(block) = at {
                    if fits(block) {
                        return Some(block);
                    }
                    left -= 1;
                    if left == 0 {
                        return None;
                    }
                    at = self.next(block);
                }
                list = self.occupied_before(list).filter(|&list| list >= lowest)?;
            }
        }
    }

    /// The last list before `list` that is not empty.
    ///
    /// # Safety
    /// The list exists.
    unsafe fn occupied_before(&self, list: usize) -> Option<usize> {
        let word = list / BITS;
        // SAFETY: there is a word for each list. A bit of the summary stands for a word that is not 0.
        unsafe {
            let bits = *self.words.add(word) & !(Word::MAX << (list % BITS));
            if let Some(bit) = bits.checked_ilog2() {
                return Some(word * BITS + bit as usize);
            }
            let word = (self.summary & !(Word::MAX << word)).checked_ilog2()? as usize;
            let bit = (*self.words.add(word)).checked_ilog2()?;
            Some(word * BITS + bit as usize)
        }
    }

    /// The first [`SCAN`] blocks of a list, with their sizes.
    fn first_of(&self, list: usize) -> impl Iterator<Item = (Block, usize)> {
        // SAFETY: the caller names a list of the shape.
        let mut at = unsafe { self.next(self.head(list)) };
        core::iter::from_fn(move || {
            let block = at?;
            // SAFETY: by the invariant, a block of a list is free and has links.
            unsafe {
                at = self.next(block);
                Some((block, block.tag().size()))
            }
        })
        .take(SCAN)
    }

    /// The size of the largest free block: no less than the first number, and less than the second. O(1).
    /// Both are 0 if no block is free, or if links were overwritten.
    pub(super) fn largest(&self) -> (usize, usize) {
        if self.code.is_broken() {
            return (0, 0);
        }
        let Some(word) = self.summary.checked_ilog2() else {
            return (0, 0);
        };
        // SAFETY: a bit of the summary stands for a word that is not 0.
        let bits = unsafe { NonZero::new_unchecked(*self.words.add(word as usize)) };
        let list = word as usize * BITS + bits.ilog2() as usize;
        let found = self.first_of(list).map(|(_, size)| size).max();
        let least = found.unwrap_or(0);
        let few = self.first_of(list).count() < SCAN;
        let end = if few {
            least + GRANULE
        } else {
            self.shape.start(list + 1)
        };
        (least, end)
    }

    /// Takes the first block out of a list, if it has one.
    ///
    /// # Safety
    /// The list exists.
    pub(super) unsafe fn pop(&mut self, list: usize) -> Option<Block> {
        // SAFETY: the caller's promise.
        unsafe {
            let first = self.next(self.head(list))?;
            self.remove_first(first, list)
        }
    }

    /// Calls `each` for the blocks of every list, for the check: the list, the block before, and the block, which may be any value if the heap was overwritten. Stops when `each` fails.
    pub(super) fn walk<E>(
        &self,
        mut each: impl FnMut(usize, Block, Block) -> Result<Links, E>,
    ) -> Result<(), E> {
        for list in 0..self.lists() {
            // SAFETY: the list has a head.
            let mut before = unsafe { self.head(list) };
            // SAFETY: as above.
            let mut at = unsafe { self.next(before) };
            while let Some(block) = at {
                at = each(list, before, block)?.next;
                before = block;
            }
        }
        Ok(())
    }

    /// Whether a list has a block.
    pub(super) fn has(&self, list: usize) -> bool {
        // SAFETY: a list has a head.
        list < self.lists() && unsafe { self.next(self.head(list)).is_some() }
    }

    /// Whether the bit of a list is set.
    pub(super) fn is_marked(&self, list: usize) -> bool {
        let word = list / BITS;
        if list >= self.lists() {
            return false;
        }
        // SAFETY: the list has a bit.
        let bits = unsafe { *self.words.add(word) };
        self.summary >> word & 1 != 0 && bits >> (list % BITS) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::block::{MAX, MIN};

    #[test]
    fn lists_cover_all_sizes_in_order() {
        for shift in 2..=MOST_SHIFT {
            let shape = Shape::with(shift, MAX);
            let mut last = shape.list_of(Tag::used(MIN));
            for granules in MIN / GRANULE..if cfg!(miri) { 600 } else { 5000 } {
                let size = granules * GRANULE;
                let list = shape.list_of(Tag::used(size));
                assert_eq!(list, shape.list_of(Tag::free(size)));
                let (start, next) = (shape.start(list), shape.start(list + 1));
                assert!(start <= size && size < next, "{shift} {granules}");
                // Not by more than the lists that no size below 2^shift granules is in.
                assert!(list >= last && (granules <= 1 << shift || list <= last + 1));
                last = list;
            }
        }
    }

    #[test]
    fn the_table_stays_small() {
        for log in 12..=40_u32 {
            let Some(bytes) = 1_usize.checked_shl(log).filter(|&bytes| bytes <= 1 << 40) else {
                continue;
            };
            let shape = Shape::of(bytes);
            assert!(shape.lists() <= MOST && shape.words() <= BITS, "2^{log}");
            assert!(
                shape.bytes() <= (bytes / 300).max(500),
                "2^{log}: {}",
                shape.bytes()
            );
        }
        assert!(Shape::of(256 << 10).bytes() <= 820);
    }

    #[test]
    fn the_largest_sizes_have_a_list() {
        let shape = Shape::of(usize::MAX);
        assert_eq!(shape.list_of(Tag::used(MAX)), shape.lists() - 1);
        assert!(shape.lists() <= MOST);
    }
}
