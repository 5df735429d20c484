//! What is shown: events, a block's history, and the report of a pool.

use core::fmt;
use core::panic::Location;

use super::AuditKind;
use super::ledger::{self, Name, RING, name_bytes};
use crate::pool::{BlockId, Pool};

/// A thread that did something with a block: its number, in the order in which threads had their first
/// event, and the first 16 bytes of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuditThread {
    pub(super) number: usize,
    pub(super) name: Name,
}

impl AuditThread {
    /// 1 for the first thread that had an event; 0 for one that was ending, where that cannot be told.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Calls `f` with the name, as much as was kept of it; with `"?"` if it has none, or none is known:
    /// a global allocator cannot ask.
    pub fn with_name<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        let bytes = name_bytes(self.name);
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let name = match core::str::from_utf8(bytes) {
            Ok(name) => name,
            // Cut within a character.
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

/// One thing that happened to a block: what, who, where, and its place in the order of all events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditEvent {
    pub(super) sequence: usize,
    pub(super) kind: AuditKind,
    pub(super) at: Option<&'static Location<'static>>,
    pub(super) thread: AuditThread,
}

impl AuditEvent {
    /// Its place in the order of events of all pools, from 1.
    pub fn sequence(&self) -> usize {
        self.sequence
    }

    /// What happened.
    pub fn kind(&self) -> AuditKind {
        self.kind
    }

    /// Where it was asked for; `None` for destructors and for what caches do on their own.
    pub fn caller(&self) -> Option<&'static Location<'static>> {
        self.at
    }

    /// Who did it.
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

/// The last events of a block, at most eight, the oldest first.
#[derive(Debug, Clone, Copy)]
pub struct AuditHistory {
    events: [Option<AuditEvent>; RING],
    all: usize,
}

impl AuditHistory {
    /// Those that were kept.
    pub fn iter(&self) -> impl Iterator<Item = &AuditEvent> {
        self.events.iter().flatten()
    }

    /// How many there were, those included that are no longer kept.
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

/// A block that someone has, or that lies in a cache: see [`AuditReport`].
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

    /// The event since which it is where it is.
    pub fn since(&self) -> &AuditEvent {
        &self.last
    }

    /// Events of all pools since then.
    pub fn age(&self) -> usize {
        self.age
    }

    /// What happened to it before, and whatever was tried since.
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

/// Who holds what, since when, and for how many events: see [`Pool::report`].
///
/// It reads the pool as it is asked, block after block. While others work on the pool, a block that is
/// changing hands may be missing.
#[derive(Clone, Copy)]
pub struct AuditReport<'p> {
    pool: &'p Pool<'p>,
    now: usize,
}

impl<'p> AuditReport<'p> {
    /// Blocks that someone has: in handles, bursts, boxes, collections, or as raw blocks.
    pub fn outstanding(&self) -> impl Iterator<Item = Holding> + use<'p> {
        self.holdings(AuditKind::is_out)
    }

    /// Blocks that lie in caches.
    pub fn cached(&self) -> impl Iterator<Item = Holding> + use<'p> {
        self.holdings(AuditKind::is_cached)
    }

    /// Events of all pools when the report was asked for.
    pub fn events(&self) -> usize {
        self.now
    }

    /// Events of all pools that could not be kept, since there was no memory for them.
    pub fn lost(&self) -> usize {
        ledger::lost()
    }

    fn holdings(&self, which: fn(AuditKind) -> bool) -> impl Iterator<Item = Holding> + use<'p> {
        let (pool, now) = (self.pool, self.now);
        (0..pool.depot.capacity()).filter_map(move |id| {
            let last = pool.header().cold.ledger.last(pool.capacity(), id)?;
            which(last.kind).then(|| Holding {
                id: BlockId(id),
                last,
                age: now.saturating_sub(last.sequence),
                history: pool.history_of(id),
            })
        })
    }
}

impl fmt::Display for AuditReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, cached) = (self.outstanding().count(), self.cached().count());
        let capacity = self.pool.capacity();
        writeln!(
            f,
            "{out} of {capacity} blocks are out, {cached} in caches, after {} events",
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
    /// Says who holds which block, since when, and what happened to it before: `Display` names each
    /// outstanding block with its owner, the code that allocated it, and its last events. O(capacity)
    /// to show, nothing before.
    ///
    /// Who: the thread that last did something with the block. Moving a handle to another thread is
    /// no event; what that thread then does is.
    ///
    /// With this feature every operation moves a counter that all pools share and writes two entries of
    /// 48 bytes, and a pool's first event allocates, as each thread's may: 440 bytes a block on 64-bit
    /// targets, outside of the pool's memory and never from the global allocator. Those first events must
    /// not come from a signal handler, nor from a global allocator other than
    /// [`PoolAlloc`](crate::PoolAlloc): they ask the standard library for the thread's name.
    ///
    /// ```
    /// framepool::pool!(static FRAMES: [64; 8]);
    ///
    /// core::mem::forget(FRAMES.alloc()?);
    /// let report = FRAMES.report();
    /// let leaked = report.outstanding().next().expect("a block is out");
    /// assert_eq!(leaked.since().caller().map(|at| at.file()), Some(file!()));
    /// // 1 of 8 blocks are out, 0 in caches, after 1 events
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

    /// The last events of a block, wherever it is; `None` if there is no such block. O(1).
    pub fn history(&self, id: BlockId) -> Option<AuditHistory> {
        (id.0 < self.depot.capacity()).then(|| self.history_of(id.0))
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
