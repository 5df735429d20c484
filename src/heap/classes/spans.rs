//! Spans: runs of at least 64 KiB from the core, cut into objects of one size class.
//!
//! Objects have no headers. A span's record lies outside of it, in an array with one place for each 64 KiB of the
//! region; a bit for each object says whether it is free. A span with up to 64 objects has its bits in the record.
//! One with more has them after its last object, and the record says which of these words are not zero:
//!
//! ```text
//!  region   │ unit 0            │ unit 1            │ unit 2            │
//!           │   ┌──── span A ────────┐┌───── span B ─────┐             │
//!  records  │ A: class, start,  │ B: …              │ none              │
//!           │    free bits      │                   │                   │
//! ```
//!
//! A span has at least the size of a unit, so in each unit at most one begins. The object at an address belongs to
//! the span that begins in its unit at or before it, else to the one that begins in the unit before, else to
//! none: then it is the core's.
//!
//! All functions need exclusive access: the heap's lock.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::class::{CLASSES, Class, GRANULE, Origin};
use crate::heap::error::HeapCheckError;

/// Bytes of a unit: no two spans begin in the same one.
pub(in crate::heap) const UNIT: usize = 64 * 1024;

const UNIT_GRANULES: u32 = (UNIT / GRANULE) as u32;

/// The core under the spans: gives out runs of memory and takes them back.
pub(in crate::heap) trait Runs {
    /// `bytes` of memory of an alignment, inside the region that the spans have records for.
    fn take(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>>;

    /// # Safety
    /// `at` came from `take`, is given back once, and nothing uses it.
    unsafe fn give(&mut self, at: NonNull<u8>);
}

/// The record of a span. All zeros: no span begins in this unit.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub(in crate::heap) struct Record {
    /// The first granule of the span, from the start of the region.
    start: u32,
    /// The class plus one; 0 if no span begins here.
    class: u8,
    /// Whether the span is in the list of its class: it has a free object.
    listed: bool,
    /// Number of objects.
    count: u16,
    /// Number of free objects.
    free: u16,
    /// Neighbours in the list of the class: units plus one, 0 for none.
    next: u32,
    prev: u32,
    /// With up to 64 objects: a bit for each free one. With more: a bit for each word of free bits that is not zero.
    bits: u64,
}

/// Where the objects of a class lie in a span.
#[derive(Clone, Copy)]
struct Shape {
    /// Granules of an object.
    size: u32,
    /// Number of objects.
    count: u32,
    /// For [`index`](Self::index): 2^[`SHIFT`](Self::SHIFT) / size, rounded up.
    reciprocal: u32,
}

impl Shape {
    const SHIFT: u32 = 24;

    /// Of all classes. Made by two divisions each, which cost more than the rest of a free.
    const ALL: [Self; CLASSES] = {
        let mut all = [Self {
            size: 0,
            count: 0,
            reciprocal: 0,
        }; CLASSES];
        let mut index = 0;
        while let Some(class) = Class::from_index(index) {
            let size = class.granules();
            all[index] = Self {
                size,
                count: UNIT_GRANULES.div_ceil(size),
                reciprocal: (1u32 << Self::SHIFT).div_ceil(size),
            };
            index += 1;
        }
        all
    };

    #[inline(always)]
    fn of(class: Class) -> Self {
        // SAFETY: a class is below the number of classes.
        unsafe { *Self::ALL.get_unchecked(class.index()) }
    }

    /// The number of the object that a granule of the span belongs to. Exact, as spans and objects are short: a test
    /// goes through all.
    #[inline(always)]
    const fn index(self, granule: u32) -> u32 {
        ((granule as u64 * self.reciprocal as u64) >> Self::SHIFT) as u32
    }

    /// Whether the free bits lie after the objects.
    const fn has_words(self) -> bool {
        self.count > 64
    }

    /// Number of words of free bits after the objects.
    const fn words(self) -> u32 {
        if self.has_words() {
            self.count.div_ceil(64)
        } else {
            0
        }
    }

    /// Granules of all objects.
    const fn granules(self) -> usize {
        (self.size * self.count) as usize
    }

    const fn bytes(self) -> usize {
        let all = self.granules() * GRANULE + self.words() as usize * 8;
        all.next_multiple_of(GRANULE)
    }
}

/// What became of the indices that [`Spans::give`] got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::heap) struct Given {
    /// How many it looked at: those of the first one's span, up to the first one of another.
    pub(in crate::heap) of: usize,
    /// How many of these name no object in use: freed twice, or never allocated. They changed nothing.
    pub(in crate::heap) invalid: usize,
}

/// The spans of a region. Objects are named by their first granule, counted from the region's start.
///
/// Invariant: each of the first `units` units from the origin has a record. A record with a class describes a run that
/// came from `Runs::take`: its objects are either free, with their bit set, or out.
pub(in crate::heap) struct Spans {
    origin: Origin,
    records: NonNull<Record>,
    units: u32,
    /// For each class the first span with a free object: its unit plus one.
    first: [u32; CLASSES],
    /// For each class the span without an object in use that is kept: its unit plus one.
    empty: [u32; CLASSES],
    /// Granules of the free objects.
    free: usize,
}

impl Spans {
    /// Bytes of the records of a region.
    pub(in crate::heap) const fn record_bytes(region: usize) -> usize {
        region.div_ceil(UNIT) * size_of::<Record>()
    }

    /// No span yet.
    ///
    /// # Safety
    /// `records` has [`record_bytes`](Self::record_bytes) of zeros for `bytes` bytes from the origin, for the spans
    /// alone as long as they live. What `Runs::take` gives lies in these bytes.
    pub(in crate::heap) unsafe fn new(
        origin: Origin,
        bytes: usize,
        records: NonNull<Record>,
    ) -> Self {
        Self {
            origin,
            records,
            units: bytes.div_ceil(UNIT) as u32,
            first: [0; CLASSES],
            empty: [0; CLASSES],
            free: 0,
        }
    }

    /// Bytes of the free objects.
    pub(in crate::heap) fn free_bytes(&self) -> usize {
        self.free * GRANULE
    }

    #[inline(always)]
    fn record(&mut self, unit: u32) -> &mut Record {
        debug_assert!(unit < self.units);
        // SAFETY: as in `record_of`; the access is exclusive.
        unsafe { self.records.add(unit as usize).as_mut() }
    }

    /// The record of a unit below `units`.
    #[inline(always)]
    fn record_of(&self, unit: u32) -> &Record {
        debug_assert!(unit < self.units);
        // SAFETY: by the invariant there is a record for each unit.
        unsafe { self.records.add(unit as usize).as_ref() }
    }

    /// The unit of the span that an object lies in. `None` if it is the core's.
    #[inline]
    pub(in crate::heap) fn unit_of(&self, id: u32) -> Option<u32> {
        let unit = id / UNIT_GRANULES;
        if unit >= self.units {
            return None;
        }
        let here = self.record_of(unit);
        if here.class != 0 && here.start <= id {
            return Some(unit);
        }
        let unit = unit.checked_sub(1)?;
        let (before, class) = (self.record_of(unit), self.class_of(unit)?);
        let end = before.start as usize + Shape::of(class).granules();
        ((id as usize) < end).then_some(unit)
    }

    /// The class of the objects of a unit's span.
    fn class_of(&self, unit: u32) -> Option<Class> {
        Class::from_index((self.record_of(unit).class as usize).checked_sub(1)?)
    }

    /// The words of free bits of a span with more than 64 objects.
    ///
    /// # Safety
    /// The record is of a span with words.
    unsafe fn words(origin: Origin, record: &Record, shape: Shape) -> NonNull<u64> {
        // SAFETY: by the invariant the words follow the objects inside the run.
        unsafe { origin.at(record.start + shape.size * shape.count).cast() }
    }

    /// Takes up to `out.len()` free objects of a class, from spans or, if they have none, from a new one. Returns the
    /// number of indices written, from the first place on. The lowest of a span comes last: a front takes the last one
    /// first, so it uses them in the order of their addresses, as processors prefetch. O(objects taken), plus at most one
    /// call of `Runs::take`.
    pub(in crate::heap) fn take(
        &mut self,
        class: Class,
        out: &mut [MaybeUninit<u32>],
        runs: &mut impl Runs,
    ) -> usize {
        let n = self.take_free(class, out);
        if n > 0 {
            return n;
        }
        match self.add(class, runs) {
            Some(unit) => {
                let n = self.take_from(unit, class, out);
                to_front(out, n)
            }
            None => 0,
        }
    }

    /// Takes up to `out.len()` free objects of the spans that a class has.
    pub(in crate::heap) fn take_free(
        &mut self,
        class: Class,
        out: &mut [MaybeUninit<u32>],
    ) -> usize {
        let mut left = out.len();
        while left > 0 {
            let Some(unit) = self.first.get(class.index()).and_then(|f| f.checked_sub(1)) else {
                break;
            };
            left -= self.take_from(unit, class, out.get_mut(..left).unwrap_or_default());
        }
        to_front(out, out.len() - left)
    }

    /// Makes a new span.
    #[cold]
    #[inline(never)]
    fn add(&mut self, class: Class, runs: &mut impl Runs) -> Option<u32> {
        let shape = Shape::of(class);
        let run = runs.take(shape.bytes(), class.align())?;
        let start = self.origin.id(run.addr().get());
        let unit = start / UNIT_GRANULES;
        let origin = self.origin;
        let record = self.record(unit);
        *record = Record {
            start,
            class: class.index() as u8 + 1,
            count: shape.count as u16,
            free: shape.count as u16,
            bits: ones(if shape.has_words() {
                shape.words()
            } else {
                shape.count
            }),
            ..Record::default()
        };
        for word in 0..shape.words() {
            // SAFETY: the span has these words, and nothing else knows them yet.
            unsafe {
                let words = Self::words(origin, record, shape);
                words
                    .add(word as usize)
                    .write(ones(shape.count - word * 64));
            }
        }
        self.free += shape.granules();
        self.list(unit, class);
        Some(unit)
    }

    /// Takes objects from one span that has some. Unlists it if it has none afterwards.
    fn take_from(&mut self, unit: u32, class: Class, out: &mut [MaybeUninit<u32>]) -> usize {
        let shape = Shape::of(class);
        let origin = self.origin;
        let record = self.record(unit);
        let start = record.start;
        let mut out = out.iter_mut();
        let before = out.len();
        if shape.has_words() {
            // SAFETY: the span has words.
            let words = unsafe { Self::words(origin, record, shape) };
            while record.bits != 0 && out.len() > 0 {
                let at = record.bits.trailing_zeros();
                // SAFETY: only bits of words that exist are set.
                let word = unsafe { words.add(at as usize).as_mut() };
                take_bits(word, start + at * 64 * shape.size, shape.size, &mut out);
                if *word == 0 {
                    record.bits &= record.bits - 1;
                }
            }
        } else {
            take_bits(&mut record.bits, start, shape.size, &mut out);
        }
        let taken = before - out.len();
        record.free -= taken as u16;
        let is_full = record.free == 0;
        self.free -= taken * shape.size as usize;
        if is_full {
            self.unlist(unit, class);
        }
        if let Some(empty) = self.empty.get_mut(class.index()) {
            if *empty == unit + 1 {
                *empty = 0;
            }
        }
        taken
    }

    // Apart from its caller, whose variables would take registers from the loop.
    /// Frees the objects of one span that `ids` begins with. O(objects), plus one call of `Runs::give` if the span is
    /// empty then and its class has another one.
    ///
    /// # Safety
    /// `unit` came from [`unit_of`](Self::unit_of) for the first index; the caller owns the objects, but for indices
    /// where no object begins.
    #[inline(never)]
    pub(in crate::heap) unsafe fn give(
        &mut self,
        unit: u32,
        ids: &[u32],
        runs: &mut impl Runs,
    ) -> Given {
        let Some(class) = self.class_of(unit) else {
            return Given { of: 1, invalid: 1 };
        };
        let shape = Shape::of(class);
        let origin = self.origin;
        let record = self.record(unit);
        // SAFETY: the span has words if its shape says so.
        let words = shape
            .has_words()
            .then(|| unsafe { Self::words(origin, record, shape) });
        let (start, end) = (record.start, shape.granules() as u32);
        let mut bits = record.bits;
        // The word of the object at hand, in a register: objects of one word would wait for each other's stores.
        let first = ids.first().map_or(0, |id| id.wrapping_sub(start));
        let (mut at, mut word) = (shape.index(first) / 64, bits);
        if let Some(words) = words {
            // SAFETY: there is a word for each 64 objects, and the first object is one of the span.
            word = unsafe { words.add(at as usize).read() };
        }
        let (mut of, mut invalid) = (0, 0);
        for &id in ids {
            let granule = id.wrapping_sub(start);
            if granule >= end {
                break;
            }
            of += 1;
            let index = shape.index(granule);
            if let Some(words) = words.filter(|_| index / 64 != at) {
                bits |= u64::from(word != 0) << at;
                // SAFETY: there is a word for each 64 objects.
                unsafe {
                    words.add(at as usize).write(word);
                    at = index / 64;
                    word = words.add(at as usize).read();
                }
            }
            let bit = 1 << (index % 64);
            if index * shape.size != granule || word & bit != 0 {
                invalid += 1;
                continue;
            }
            word |= bit;
        }
        match words {
            Some(words) => {
                bits |= u64::from(word != 0) << at;
                // SAFETY: as above.
                unsafe { words.add(at as usize).write(word) };
            }
            None => bits = word,
        }
        record.bits = bits;
        // At least one: the objects fill a unit, so the first index lies among them.
        debug_assert!(of > 0);
        let given = of - invalid;
        if given > 0 {
            record.free += given as u16;
            let (is_empty, listed) = (record.free == record.count, record.listed);
            self.free += given * shape.size as usize;
            if !listed {
                self.list(unit, class);
            }
            if is_empty {
                self.note_empty(unit, class, runs);
            }
        }
        Given { of, invalid }
    }

    /// Keeps an empty span if its class has no other span with a free object, or else gives it back. So a program that
    /// takes and frees the only object of a class does not move a span each time.
    fn note_empty(&mut self, unit: u32, class: Class, runs: &mut impl Runs) {
        let record = self.record(unit);
        if record.next != 0 || record.prev != 0 {
            self.release(unit, class, runs);
        } else if let Some(empty) = self.empty.get_mut(class.index()) {
            *empty = unit + 1;
        }
    }

    /// Gives the empty spans that are kept back to the core. Returns their number. O(number of classes): for the time
    /// when the core has nothing left, and for the end.
    #[cold]
    pub(in crate::heap) fn release_empty(&mut self, runs: &mut impl Runs) -> usize {
        let mut released = 0;
        for index in 0..CLASSES {
            let empty = self.empty.get_mut(index).map_or(0, core::mem::take);
            if let (Some(unit), Some(class)) = (empty.checked_sub(1), Class::from_index(index)) {
                self.release(unit, class, runs);
                released += 1;
            }
        }
        released
    }

    #[cold]
    #[inline(never)]
    fn release(&mut self, unit: u32, class: Class, runs: &mut impl Runs) {
        self.unlist(unit, class);
        let start = core::mem::take(self.record(unit)).start;
        let shape = Shape::of(class);
        self.free -= shape.granules();
        // SAFETY: by the invariant the run is in the region, it came from `take`, and no object of it is out.
        unsafe { runs.give(self.origin.at(start)) };
    }

    /// Checks all spans and lists. Returns the number of spans. O(objects).
    pub(in crate::heap) fn check(&self) -> Result<usize, HeapCheckError> {
        let (mut spans, mut free, mut listed) = (0, 0, 0);
        for unit in 0..self.units {
            let Some(class) = self.class_of(unit) else {
                continue;
            };
            let bits = self.check_bits(unit, class)?;
            spans += 1;
            free += (bits * class.granules()) as usize;
            listed += usize::from(bits > 0);
        }
        let found = self.check_lists(listed)?;
        for (found, counted) in [(found, listed), (free, self.free)] {
            if found != counted {
                return Err(HeapCheckError::Miscount { found, counted });
            }
        }
        Ok(spans)
    }

    /// Returns the number of free objects of a span.
    fn check_bits(&self, unit: u32, class: Class) -> Result<u32, HeapCheckError> {
        let (shape, record) = (Shape::of(class), self.record_of(unit));
        let mut bits = if shape.has_words() {
            0
        } else {
            record.bits.count_ones()
        };
        let mut is_right = true;
        for word in 0..shape.words() {
            // SAFETY: the span has these words.
            let free = unsafe {
                let words = Self::words(self.origin, record, shape);
                words.add(word as usize).read().count_ones()
            };
            is_right &= (free != 0) == (record.bits >> word & 1 != 0);
            bits += free;
        }
        let is_right = is_right
            && bits == record.free as u32
            && record.count as u32 == shape.count
            && record.start / UNIT_GRANULES == unit
            && record.listed == (bits > 0);
        is_right.then_some(bits).ok_or(HeapCheckError::BadSpan {
            unit: unit as usize,
        })
    }

    /// Returns the number of spans in lists; stops after more than `most`.
    fn check_lists(&self, most: usize) -> Result<usize, HeapCheckError> {
        let mut found = 0;
        for (class, &first) in self.first.iter().enumerate() {
            let (mut at, mut before) = (first, 0);
            while at != 0 && found <= most {
                let unit = at - 1;
                let record = (unit < self.units).then(|| self.record_of(unit));
                let right = record.filter(|r| r.prev == before && r.class as usize == class + 1);
                let record = right.ok_or(HeapCheckError::BadSpan {
                    unit: unit as usize,
                })?;
                found += 1;
                (before, at) = (at, record.next);
            }
        }
        Ok(found)
    }

    /// Puts a span at the front of the list of its class.
    fn list(&mut self, unit: u32, class: Class) {
        let Some(first) = self.first.get_mut(class.index()) else {
            return;
        };
        let next = core::mem::replace(first, unit + 1);
        if next != 0 {
            self.record(next - 1).prev = unit + 1;
        }
        let record = self.record(unit);
        record.next = next;
        record.prev = 0;
        record.listed = true;
    }

    fn unlist(&mut self, unit: u32, class: Class) {
        let record = self.record(unit);
        if !core::mem::take(&mut record.listed) {
            return;
        }
        let (next, prev) = (
            core::mem::take(&mut record.next),
            core::mem::take(&mut record.prev),
        );
        if next != 0 {
            self.record(next - 1).prev = prev;
        }
        if prev != 0 {
            self.record(prev - 1).next = next;
        } else if let Some(first) = self.first.get_mut(class.index()) {
            *first = next;
        }
    }
}

/// The `n` lowest bits, at most 64.
const fn ones(n: u32) -> u64 {
    if n >= 64 { u64::MAX } else { (1 << n) - 1 }
}

/// Moves the `n` last indices to the beginning. Returns `n`.
pub(super) fn to_front(out: &mut [MaybeUninit<u32>], n: usize) -> usize {
    let others = out.len() - n;
    if others > 0 {
        out.copy_within(others.., 0);
    }
    n
}

/// Clears set bits from the lowest up, and writes the index of each one's object, from the end of `out` on, while there
/// is room.
fn take_bits(
    word: &mut u64,
    start: u32,
    size: u32,
    out: &mut core::slice::IterMut<'_, MaybeUninit<u32>>,
) {
    // In a register: the compiler cannot know that `out` is not in the word.
    let mut left = *word;
    while left != 0 {
        let Some(out) = out.next_back() else { break };
        out.write(start + left.trailing_zeros() * size);
        left &= left - 1;
    }
    *word = left;
}

#[cfg(test)]
mod tests;
