//! The records: for each block the last change of its owner, and a ring of its last events.
//!
//! The owner of a block writes its events, so the ring has one writer at a time, and its order is that of
//! the events. Only a refused return writes without owning the block, and only into the ring. Everything is
//! atomic and nothing waits, so a signal handler can be audited, except at the first event of a pool, which
//! allocates the ledger.
//!
//! The ledger is allocated from [`System`], never from the global allocator, which may use the pool.
//!
//! An entry can be read while it is written (H.-J. Boehm, "Can seqlocks get along with programming
//! language memory models?", 2012). A writer first sets the sequence number to 0, then writes the rest, then
//! the new number. A reader accepts what it read between two equal numbers that are not 0.

use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*, fence};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::thread_local;

use super::{AuditEvent, AuditKind, AuditThread};

/// Number of events that are kept for a block.
pub(super) const RING: usize = 8;
/// Number of bytes that are kept of a thread's name; `Name` holds them as words.
const NAME: usize = 16;
pub(super) type Name = [usize; NAME / size_of::<usize>()];

/// Number of events of all pools so far. It gives them their order.
static EVENTS: AtomicUsize = AtomicUsize::new(0);
/// Number of events that were lost because no memory for a ledger was available.
static LOST: AtomicUsize = AtomicUsize::new(0);
/// Number of threads that had events so far.
static THREADS: AtomicUsize = AtomicUsize::new(0);

pub(super) fn events() -> usize {
    EVENTS.load(Relaxed)
}

pub(super) fn lost() -> usize {
    LOST.load(Relaxed)
}

/// One event. All zeros: no event.
struct Entry {
    sequence: AtomicUsize,
    kind: AtomicUsize,
    /// Null if there is no caller to name.
    at: AtomicPtr<Location<'static>>,
    thread: AtomicUsize,
    name: [AtomicUsize; NAME / size_of::<usize>()],
}

impl Entry {
    fn write(&self, event: &AuditEvent) {
        self.sequence.store(0, Relaxed);
        // Pairs with the fence in `read`: a reader that sees a store below also sees the 0, or a later number.
        fence(Release);
        self.kind.store(event.kind as usize, Relaxed);
        let at = event.at.map_or(ptr::null(), ptr::from_ref);
        self.at.store(at.cast_mut(), Relaxed);
        self.thread.store(event.thread.number, Relaxed);
        for (word, value) in self.name.iter().zip(event.thread.name) {
            word.store(value, Relaxed);
        }
        // Release: pairs with the acquire in `read`.
        self.sequence.store(event.sequence, Release);
    }

    /// The event, if there is one and it is not being overwritten.
    fn read(&self) -> Option<AuditEvent> {
        let sequence = self.sequence.load(Acquire);
        let name = self.name.each_ref().map(|word| word.load(Relaxed));
        let number = self.thread.load(Relaxed);
        let at = self.at.load(Relaxed);
        let kind = AuditKind::numbered(self.kind.load(Relaxed));
        fence(Acquire);
        if sequence == 0 || self.sequence.load(Relaxed) != sequence {
            return None;
        }
        Some(AuditEvent {
            sequence,
            kind: kind?,
            // SAFETY: only null and `&'static` are ever stored.
            at: unsafe { at.as_ref() },
            thread: AuditThread { number, name },
        })
    }
}

/// The record of a block. All zeros: no event.
struct Record {
    /// Number of events so far.
    count: AtomicUsize,
    /// The last event that changed the owner.
    last: Entry,
    ring: [Entry; RING],
}

/// The records of a pool: null before its first event. Freed by the pool's `Drop`.
///
/// # Invariant
/// If not null, it points at one record for each block of the pool, allocated from [`System`]. They live until
/// [`free`](Self::free).
pub(crate) struct Ledger(AtomicPtr<Record>);

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Records one event. `capacity` is the pool's, here and below.
    pub(super) fn write(
        &self,
        capacity: usize,
        id: u32,
        kind: AuditKind,
        at: Option<&'static Location<'static>>,
    ) {
        let Some(record) = self.record_or_new(capacity, id) else {
            LOST.fetch_add(1, Relaxed);
            return;
        };
        let event = AuditEvent {
            sequence: EVENTS.fetch_add(1, Relaxed).wrapping_add(1),
            kind,
            at,
            thread: this_thread(kind),
        };
        let place = record.count.fetch_add(1, Relaxed) % RING;
        if let Some(entry) = record.ring.get(place) {
            entry.write(&event);
        }
        if kind != AuditKind::RefusedFree {
            record.last.write(&event);
        }
    }

    /// The last event that changed the owner of a block.
    pub(super) fn last(&self, capacity: usize, id: u32) -> Option<AuditEvent> {
        self.record(capacity, id)?.last.read()
    }

    /// The last events, in no order.
    pub(super) fn ring(&self, capacity: usize, id: u32) -> [Option<AuditEvent>; RING] {
        match self.record(capacity, id) {
            Some(record) => record.ring.each_ref().map(Entry::read),
            None => [None; RING],
        }
    }

    /// Number of events of a block so far.
    pub(super) fn count(&self, capacity: usize, id: u32) -> usize {
        let record = self.record(capacity, id);
        record.map_or(0, |record| record.count.load(Relaxed))
    }

    fn record(&self, capacity: usize, id: u32) -> Option<&Record> {
        // Acquire: pairs with the release in `record_or_new`.
        let records = self.0.load(Acquire);
        if records.is_null() || id as usize >= capacity {
            return None;
        }
        // SAFETY: by the invariant there are `capacity` records; everything in one is an atomic.
        Some(unsafe { &*records.add(id as usize) })
    }

    fn record_or_new(&self, capacity: usize, id: u32) -> Option<&Record> {
        if self.0.load(Relaxed).is_null() {
            self.make(capacity)?;
        }
        self.record(capacity, id)
    }

    /// Makes the records, unless another thread is faster.
    #[cold]
    fn make(&self, capacity: usize) -> Option<()> {
        let layout = Layout::array::<Record>(capacity).ok()?;
        // SAFETY: a pool has at least one block, so this is not empty.
        let new = unsafe { System.alloc_zeroed(layout) }.cast::<Record>();
        if new.is_null() {
            return None;
        }
        // Release: the zeros come before the pointer.
        let none = ptr::null_mut();
        if self
            .0
            .compare_exchange(none, new, Release, Relaxed)
            .is_err()
        {
            // SAFETY: just allocated, and not shared.
            unsafe { System.dealloc(new.cast(), layout) };
        }
        Some(())
    }

    /// Frees the records.
    pub(super) fn free(&mut self, capacity: usize) {
        let records = core::mem::replace(self.0.get_mut(), ptr::null_mut());
        if let (false, Ok(layout)) = (records.is_null(), Layout::array::<Record>(capacity)) {
            // SAFETY: by the invariant, allocated with this layout; `&mut self` is exclusive.
            unsafe { System.dealloc(records.cast(), layout) };
        }
    }
}

/// No number and no name yet.
const UNKNOWN: AuditThread = AuditThread {
    number: 0,
    name: [0; NAME / size_of::<usize>()],
};

thread_local! {
    /// Without a destructor, so that it lives as long as the thread.
    static THIS: Cell<AuditThread> = const { Cell::new(UNKNOWN) };
}

/// The current thread. It gets its number at its first event, and its name at its first event that is not
/// inside a global allocator: there the standard library must not be called.
fn this_thread(kind: AuditKind) -> AuditThread {
    // On targets without native thread-locals, this one too is gone when the thread ends.
    let keep = |this| {
        let _ = THIS.try_with(|place| place.set(this));
    };
    let Ok(mut this) = THIS.try_with(Cell::get) else {
        return UNKNOWN;
    };
    if this.number == 0 {
        this.number = THREADS.fetch_add(1, Relaxed) + 1;
        keep(this);
    }
    if this.name == UNKNOWN.name && !kind.is_global() && !is_inside() {
        // If the call below records an event, that event finds a name.
        this.name = name_from(b"?");
        keep(this);
        if let Some(name) = std::thread::current().name() {
            this.name = name_from(name.as_bytes());
            keep(this);
        }
    }
    this
}

/// Whether a global allocator moves blocks between its caches and a depot.
fn is_inside() -> bool {
    #[cfg(loom)]
    return false;
    #[cfg(not(loom))]
    return crate::pool::global_alloc::is_inside();
}

/// The first bytes of a name.
fn name_from(bytes: &[u8]) -> Name {
    let mut padded = [0; NAME];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    let mut name = UNKNOWN.name;
    for (word, bytes) in name.iter_mut().zip(padded.chunks_exact(size_of::<usize>())) {
        *word = bytes.try_into().map_or(0, usize::from_ne_bytes);
    }
    name
}

/// The bytes of a name, followed by zeros.
pub(super) fn name_bytes(name: Name) -> [u8; NAME] {
    let mut bytes = [0; NAME];
    for (to, word) in bytes.chunks_exact_mut(size_of::<usize>()).zip(name) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
