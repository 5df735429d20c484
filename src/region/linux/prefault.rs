//! Making pages resident: chunk by chunk, on one thread or several.
//!
//! ```text
//!   region │ chunk │ chunk │ chunk │ chunk │ …     the next free thread takes the next chunk
//!              └───────┴───┬───┘
//!             populate or touch ──► bytes done ──► the calling thread ──► progress
//! ```

use core::fmt;
use core::mem::MaybeUninit;
use core::slice::ChunksMut;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::io::Errno;

use super::mapping::{cannot_populate, populate, touch};
use super::numa::{Node, NodeError};
use super::page::PageSize;
use super::report::Residency;

/// Bytes that one system call makes resident, unless one page is larger. It takes some hundred
/// microseconds, so that several threads end at about the same time.
const CHUNK: usize = 2 << 20;

/// The progress of a prefault, as a callback gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes made resident so far.
    pub done: usize,
    /// Bytes in all.
    pub total: usize,
}

/// Pages of a mapped region could not be made resident. The region stays mapped, and the pages that were
/// made resident stay so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefaultError {
    /// A page is not available: `ENOMEM`, or `EFAULT` if touching it would have been a SIGBUS. Or
    /// the residency of 2 MiB or 1 GiB pages cannot be verified: `EINVAL` before Linux 5.14, `ENOSYS` or
    /// `EPERM` in a sandbox.
    Populate {
        /// Bytes that were made resident; there may be more.
        done: usize,
        /// Bytes of the region.
        total: usize,
        /// The kernel's reason.
        errno: Errno,
    },
    /// Pages can no longer be placed on the requested node.
    Node(NodeError),
}

impl fmt::Display for PrefaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Populate { done, total, errno } => {
                write!(
                    f,
                    "only {done} of {total} bytes were made resident: {errno}"
                )
            }
            Self::Node(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for PrefaultError {}

/// How to make pages resident.
pub(super) struct Plan<'a> {
    /// Threads that share the work. For 0 and 1 the calling thread works alone, unless there is a node.
    pub(super) threads: usize,
    /// The node whose CPUs do the work.
    pub(super) node: Option<&'a Node>,
    pub(super) page: PageSize,
}

/// The result of a prefault.
#[derive(Debug)]
pub(super) struct Prefaulted {
    pub(super) residency: Residency,
    pub(super) threads: usize,
}

type Chunk<'a> = &'a mut [MaybeUninit<u8>];
type Chunks<'a> = Mutex<ChunksMut<'a, MaybeUninit<u8>>>;
type Outcome = Result<(usize, Residency), Failure>;

enum Failure {
    Populate(Errno),
    Node(NodeError),
}

impl Plan<'_> {
    /// Makes all of `bytes` resident. They are whole pages.
    pub(super) fn run(
        &self,
        bytes: Chunk<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Prefaulted, PrefaultError> {
        let mut tally = Tally::new(bytes.len(), progress);
        let size = CHUNK.next_multiple_of(self.page.bytes().max(1));
        let chunks = bytes.len().div_ceil(size);
        let threads = self.threads.clamp(1, chunks.max(1));
        let mut chunks = bytes.chunks_mut(size);
        if threads > 1 || self.node.is_some() {
            let rest = Mutex::new(chunks);
            let started = self.share(&rest, threads, &mut tally)?;
            chunks = rest.into_inner().unwrap_or_else(PoisonError::into_inner);
            if started > 0 {
                return Ok(tally.done(started));
            }
        }
        for chunk in chunks {
            tally.add(self.one(chunk))?;
        }
        Ok(tally.done(1))
    }

    /// Lets several threads take chunks until none is left, and returns the number of threads. 0: no
    /// thread could be started, and the calling thread may do the work.
    fn share(
        &self,
        rest: &Chunks<'_>,
        threads: usize,
        tally: &mut Tally<'_>,
    ) -> Result<usize, PrefaultError> {
        thread::scope(|scope| {
            let (to, from) = channel();
            let (up, all_up) = channel();
            // No thread works before all have started: a starting thread maps a stack, and the kernel
            // makes it wait while another thread populates, so the threads would work one by one.
            let gate = locked(rest);
            let mut started = 0;
            // The calling thread is one of them, unless they must run on a node.
            let own = usize::from(self.node.is_none());
            for _ in own..threads {
                let (to, up) = (to.clone(), up.clone());
                let worker = move || {
                    let _ = up.send(());
                    self.work(rest, &to);
                };
                match (
                    thread::Builder::new().spawn_scoped(scope, worker),
                    self.node,
                ) {
                    (Ok(_), _) => started += 1,
                    // Fewer threads do all the work.
                    (Err(_), _) if started > 0 => break,
                    (Err(_), None) => return Ok(0),
                    (Err(e), Some(node)) => {
                        let errno = Errno::from_io_error(&e).unwrap_or(Errno::AGAIN);
                        let node = node.id;
                        return Err(PrefaultError::Node(NodeError::Refused { node, errno }));
                    }
                }
            }
            drop(to);
            all_up.iter().take(started).for_each(drop);
            drop(gate);
            // A return, or a panic of the callback, drops the receiver: then the workers stop.
            if own > 0 {
                while let Some(chunk) = next(rest) {
                    tally.add(self.one(chunk))?;
                    from.try_iter().try_for_each(|outcome| tally.add(outcome))?;
                }
            }
            tally.add_all(from)?;
            Ok(started + own)
        })
    }

    fn work(&self, rest: &Chunks<'_>, to: &Sender<Outcome>) {
        if let Some(Err(refused)) = self.node.map(Node::enter) {
            let _ = to.send(Err(Failure::Node(refused)));
            return;
        }
        while let Some(chunk) = next(rest) {
            let outcome = self.one(chunk);
            let failed = outcome.is_err();
            if to.send(outcome).is_err() || failed {
                return;
            }
        }
    }

    fn one(&self, chunk: Chunk<'_>) -> Outcome {
        match populate(chunk) {
            Ok(()) => Ok((chunk.len(), Residency::Verified)),
            // An untouched hugetlb page may be missing: touching it would be a SIGBUS.
            Err(errno) if !self.page.is_hugetlb() && cannot_populate(errno) => {
                touch(chunk, self.page.bytes());
                Ok((chunk.len(), Residency::Unverified))
            }
            Err(errno) => Err(Failure::Populate(errno)),
        }
    }
}

fn locked<'l, 'a>(rest: &'l Chunks<'a>) -> MutexGuard<'l, ChunksMut<'a, MaybeUninit<u8>>> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next<'a>(rest: &Chunks<'a>) -> Option<Chunk<'a>> {
    locked(rest).next()
}

/// Counts the bytes done, and calls the callback, on the calling thread.
struct Tally<'a> {
    so_far: Progress,
    residency: Residency,
    progress: &'a mut dyn FnMut(Progress),
}

impl<'a> Tally<'a> {
    fn new(total: usize, progress: &'a mut dyn FnMut(Progress)) -> Self {
        let so_far = Progress { done: 0, total };
        progress(so_far);
        Self {
            so_far,
            residency: Residency::Verified,
            progress,
        }
    }

    fn add(&mut self, outcome: Outcome) -> Result<(), PrefaultError> {
        let Progress { done, total } = self.so_far;
        match outcome {
            Ok((bytes, residency)) => {
                self.so_far.done = done + bytes;
                if residency == Residency::Unverified {
                    self.residency = residency;
                }
                (self.progress)(self.so_far);
                Ok(())
            }
            Err(Failure::Populate(errno)) => Err(PrefaultError::Populate { done, total, errno }),
            Err(Failure::Node(error)) => Err(PrefaultError::Node(error)),
        }
    }

    fn add_all(&mut self, from: Receiver<Outcome>) -> Result<(), PrefaultError> {
        from.into_iter().try_for_each(|outcome| self.add(outcome))
    }

    fn done(self, threads: usize) -> Prefaulted {
        Prefaulted {
            residency: self.residency,
            threads,
        }
    }
}
