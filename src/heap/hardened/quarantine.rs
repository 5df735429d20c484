//! Freed blocks that are not used again for a while, and the faults found.

use super::fault::{HeapFault, HeapFaultKind, HeapFaults};
use super::guards::Guarded;
use crate::heap::tlsf::Tlsf;

/// What a hardened heap counts and keeps. Accessed under the heap's lock.
///
/// Invariant: the `len` blocks from `first` on, at the end followed by those at the start, are the heap's, freed and filled.
pub(super) struct Quarantine<const N: usize> {
    blocks: [Option<Guarded>; N],
    first: usize,
    len: usize,
    bytes: usize,
    faults: usize,
    last: Option<HeapFault>,
    withheld: usize,
    pub(super) handler: Option<fn(&HeapFault)>,
    /// Whether the report says that links are broken.
    is_broken: bool,
}

/// The share of a heap's bytes that may be in quarantine.
const SHARE: usize = 16;

impl<const N: usize> Quarantine<N> {
    pub(super) const EMPTY: Self = Self {
        blocks: [None; N],
        first: 0,
        len: 0,
        bytes: 0,
        faults: 0,
        last: None,
        withheld: 0,
        handler: None,
        is_broken: false,
    };

    /// Takes a freed block in. Returns the oldest one if there is no room for it, or if there are too many bytes of a
    /// heap of `capacity` bytes. It is called until there is none.
    pub(super) fn turn(&mut self, new: Option<Guarded>, capacity: usize) -> Option<Guarded> {
        if let Some(block) = new {
            let old = if self.len == N { self.pop() } else { None };
            let end = (self.first + self.len).checked_rem(N);
            let Some(place) = end.and_then(|end| self.blocks.get_mut(end)) else {
                return new;
            };
            *place = new;
            self.len += 1;
            self.bytes += block.layout.size();
            if old.is_some() {
                return old;
            }
        }
        if self.bytes > capacity / SHARE {
            self.pop()
        } else {
            None
        }
    }

    /// Takes the oldest block out.
    pub(super) fn pop(&mut self) -> Option<Guarded> {
        let block = self.blocks.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % N;
        self.len -= 1;
        self.bytes -= block.layout.size();
        Some(block)
    }

    /// Counts a fault. The result is to be called without the lock.
    pub(super) fn note(&mut self, fault: HeapFault) -> Report {
        self.faults = self.faults.wrapping_add(1);
        self.last = Some(fault);
        Report(fault, self.handler)
    }

    /// Counts the bytes of a block that is not used again.
    pub(super) fn withhold(&mut self, bytes: usize) {
        self.withheld += bytes;
    }

    /// The fault of links that were overwritten, the first time.
    pub(super) fn note_broken(&mut self, tlsf: &Tlsf) -> Option<Report> {
        let address = tlsf.bins.code.broken().filter(|_| !self.is_broken)?;
        self.is_broken = true;
        Some(self.note(HeapFault {
            kind: HeapFaultKind::BrokenLinks,
            address,
            size: 0,
            align: 0,
        }))
    }

    pub(super) fn faults(&self) -> HeapFaults {
        HeapFaults {
            count: self.faults,
            last: self.last,
            quarantined: self.len,
            quarantined_bytes: self.bytes,
            withheld: self.withheld,
        }
    }
}

/// A fault, and the function to call with it.
#[must_use]
pub(super) struct Report(HeapFault, Option<fn(&HeapFault)>);

impl Report {
    pub(super) fn send(self) {
        if let Some(handler) = self.1 {
            handler(&self.0);
        }
    }
}
