//! The events, the history of a block, and the report of a pool, as users see them.

use core::fmt;
use core::panic::Location;

use super::AuditKind;
use super::ledger::{self, Name, RING, name_bytes};
use crate::pool::Pool;
use crate::pool::id::BlockId;

/// A thread that caused an event: its number, in the order of the threads' first events, and the first 16
/// bytes of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditThread {
    pub(super) number: usize,
    pub(super) name: Name,
}

impl AuditThread {
    /// 1 for the first thread that had an event. 0 if the thread was ending and its number was not available.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Calls `f` with the kept part of the name. Calls it with `"?"` if the thread has no name, or if all its
    /// events were inside a global allocator, which cannot look it up.
    pub fn with_name<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        let bytes = name_bytes(self.name);
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let name = match core::str::from_utf8(bytes) {
            Ok(name) => name,
            // The cut is within a character.
            Err(e) => bytes
                .get(..e.valid_up_to())
                .and_then(|bytes| core::str::from_utf8(bytes).ok())
                .unwrap_or_default(),
        };
        f(if name.is_empty() { "?" } else { name })
    }
}

impl fmt::Debug for AuditThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AuditThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_name(|name| write!(f, "thread {} ({name})", self.number))
    }
}

/// An event in the history of a block: its kind, its thread, its place in the code, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEvent {
    pub(super) sequence: usize,
    pub(super) kind: AuditKind,
    pub(super) at: Option<&'static Location<'static>>,
    pub(super) thread: AuditThread,
}

impl AuditEvent {
    /// Its number in the order of the events of all pools, from 1.
    pub fn sequence(&self) -> usize {
        self.sequence
    }

    /// The kind of event.
    pub fn kind(&self) -> AuditKind {
        self.kind
    }

    /// The place in the code that called for it. `None` for destructors and for exchanges of caches.
    pub fn caller(&self) -> Option<&'static Location<'static>> {
        self.at
    }

    /// The thread that caused it.
    pub fn thread(&self) -> AuditThread {
        self.thread
    }
}

impl fmt::Display for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.kind, self.thread)?;
        match self.at {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// The last events of a block, at most eight, from the oldest to the newest.
#[derive(Debug, Clone, Copy)]
pub struct AuditHistory {
    events: [Option<AuditEvent>; RING],
    all: usize,
}

impl AuditHistory {
    /// Iterates over the events that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &AuditEvent> {
        self.events.iter().flatten()
    }

    /// Returns the number of all events so far, including those that are no longer kept.
    pub fn total(&self) -> usize {
        self.all
    }
}

impl fmt::Display for AuditHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in self.iter() {
            writeln!(f, "    #{} {event}", event.sequence)?;
        }
        Ok(())
    }
}

/// A block that is in use or in a cache: see [`AuditReport`].
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    id: BlockId,
    last: AuditEvent,
    age: usize,
    history: AuditHistory,
}

impl Holding {
    /// The block.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The event that brought it to its present place.
    pub fn since(&self) -> &AuditEvent {
        &self.last
    }

    /// Number of events of all pools since then.
    pub fn age(&self) -> usize {
        self.age
    }

    /// Its earlier events, and attempts since then that were refused.
    pub fn history(&self) -> &AuditHistory {
        &self.history
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}, {} events ago", self.id, self.last, self.age)?;
        self.history.fmt(f)
    }
}

/// The blocks in use, with their owners and histories: see [`Pool::report`].
///
/// It reads the pool when it is iterated or shown, one block after the other. A block that is allocated or freed
/// at that moment may be missing.
#[derive(Clone, Copy)]
pub struct AuditReport<'p> {
    pool: &'p Pool<'p>,
    now: usize,
}

impl<'p> AuditReport<'p> {
    /// Blocks in use: in handles, bursts, boxes, collections, or as raw blocks.
    pub fn outstanding(&self) -> impl Iterator<Item = Holding> + use<'p> {
        self.holdings(AuditKind::is_out)
    }

    /// Blocks in caches.
    pub fn cached(&self) -> impl Iterator<Item = Holding> + use<'p> {
        self.holdings(AuditKind::is_cached)
    }

    /// Number of events of all pools when the report was made.
    pub fn events(&self) -> usize {
        self.now
    }

    /// Number of events of all pools that were lost, because no memory for them was available.
    pub fn lost(&self) -> usize {
        ledger::lost()
    }

    fn holdings(&self, which: fn(AuditKind) -> bool) -> impl Iterator<Item = Holding> + use<'p> {
        let (pool, now) = (self.pool, self.now);
        (0..pool.depot.capacity()).filter_map(move |id| {
            let last = pool.last_event(id)?;
            which(last.kind).then(|| pool.holding(id, last, now))
        })
    }
}

impl fmt::Display for AuditReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, cached) = (self.outstanding().count(), self.cached().count());
        let capacity = self.pool.capacity();
        writeln!(
            f,
            "{out} of {capacity} blocks are in use, {cached} in caches, after {} events",
            self.now
        )?;
        if self.lost() > 0 {
            writeln!(f, "{} events are missing", self.lost())?;
        }
        self.outstanding().try_for_each(|holding| holding.fmt(f))
    }
}

impl fmt::Debug for AuditReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Pool<'_> {
    /// Reports the owner and the history of each block in use. `Display` prints each such block with its
    /// thread, the code that allocated it, and its last events. O(1); printing takes O(capacity).
    ///
    /// The thread is the one that caused the block's last event. Moving a handle to another thread is not an
    /// event; an operation of that thread is.
    ///
    /// With this feature, every operation increments a counter that all pools share, and writes two entries of
    /// 48 bytes. A pool's first event allocates 440 bytes per block on 64-bit targets, outside of the pool's
    /// memory and never from the global allocator. A thread's first event asks the standard library for the
    /// thread's name, and may allocate too. These first events must not come from a signal handler, nor from a
    /// global allocator other than [`PoolAlloc`](crate::PoolAlloc).
    ///
    /// ```
    /// framepool::pool!(static FRAMES: [64; 8]);
    ///
    /// core::mem::forget(FRAMES.alloc()?);
    /// let report = FRAMES.report();
    /// let leaked = report.outstanding().next().expect("a block is in use");
    /// assert_eq!(leaked.since().caller().map(|at| at.file()), Some(file!()));
    /// // 1 of 8 blocks are in use, 0 in caches, after 1 events
    /// // block 0: allocated by thread 1 (main) at src/main.rs:3:26, 0 events ago
    /// //     #1 allocated by thread 1 (main) at src/main.rs:3:26
    /// println!("{report}");
    /// # Ok::<(), framepool::Exhausted>(())
    /// ```
    pub fn report(&self) -> AuditReport<'_> {
        AuditReport {
            pool: self,
            now: ledger::events(),
        }
    }

    /// The last events of a block, in use or free; `None` if there is no such block. O(1).
    pub fn history(&self, id: BlockId) -> Option<AuditHistory> {
        (id.0 < self.depot.capacity()).then(|| self.history_of(id.0))
    }

    /// The place of a block now, and its history. `None` if it had no event.
    pub(crate) fn holding_of(&self, id: u32) -> Option<Holding> {
        Some(self.holding(id, self.last_event(id)?, ledger::events()))
    }

    fn last_event(&self, id: u32) -> Option<AuditEvent> {
        self.header().cold.ledger.last(self.capacity(), id)
    }

    fn holding(&self, id: u32, last: AuditEvent, now: usize) -> Holding {
        Holding {
            id: BlockId(id),
            last,
            age: now.saturating_sub(last.sequence),
            history: self.history_of(id),
        }
    }

    fn history_of(&self, id: u32) -> AuditHistory {
        let ledger = &self.header().cold.ledger;
        let mut events = ledger.ring(self.capacity(), id);
        events.sort_unstable_by_key(|event| event.map_or(usize::MAX, |event| event.sequence));
        AuditHistory {
            events,
            all: ledger.count(self.capacity(), id),
        }
    }
}
