//! Who has an end, and whether that process lives.

use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::OwnedFd;
use std::os::linux::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use super::error::SharedRingError;

/// Nobody has had this end.
pub(super) const FREE: u64 = 0;
/// Whoever had it let it go.
const GONE: u64 = u64::MAX;

/// A peer that rewrites its word all the time is not waited for longer than this.
const TRIES: usize = 64;

/// The system is asked about the peer's process once in so many looks.
const LOOKS: u32 = 64;

/// What the word that says who has an end says.
///
/// ```text
///  63                    32 31                     0
///  namespace of the number  number of the process      0: nobody yet; all ones: let go
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    Gone,
    Process {
        number: u32,
        /// 0: it did not know its own.
        namespace: u32,
    },
    /// No process has this number.
    Bad(u64),
}

impl Holder {
    fn of(word: u64) -> Self {
        let (number, namespace) = (word as u32, (word >> u32::BITS) as u32);
        match word {
            FREE => Self::Nobody,
            GONE => Self::Gone,
            _ if number == 0 || i32::try_from(number).is_err() => Self::Bad(word),
            _ => Self::Process { number, namespace },
        }
    }

    pub(super) fn read(word: &AtomicU64) -> Self {
        // Acquire: pairs with the release of `Held`'s drop, so that what the holder published last is
        // seen by whoever saw it go.
        Self::of(word.load(Ordering::Acquire))
    }

    pub(super) fn process(self) -> Option<u32> {
        match self {
            Self::Process { number, .. } => Some(number),
            _ => None,
        }
    }
}

/// The namespace that this process's number is in, as pid_namespaces(7) tells it: by its inode, which has 32
/// bits. 0 if there is no /proc.
fn namespace() -> u32 {
    // Miri has no files.
    if cfg!(miri) {
        return 0;
    }
    let found = std::fs::metadata("/proc/self/ns/pid").map(|of| of.st_ino());
    found.ok().and_then(|ino| ino.try_into().ok()).unwrap_or(0)
}

/// The word that says that this process has an end.
fn own_word() -> u64 {
    u64::from(namespace()) << u32::BITS | u64::from(std::process::id())
}

/// An end that this process has. Let go when dropped, unless somebody took it over meanwhile.
#[derive(Debug)]
pub(super) struct Held<'r> {
    word: &'r AtomicU64,
    me: u64,
}

impl<'r> Held<'r> {
    /// Takes an end that nobody has, or only the process `dead`.
    pub(super) fn take(
        word: &'r AtomicU64,
        dead: Option<u32>,
    ) -> Result<Held<'r>, SharedRingError> {
        let me = own_word();
        // Relaxed: the word is only compared. What its last holder did is acquired below.
        let mut seen = word.load(Ordering::Relaxed);
        for _ in 0..TRIES {
            match Holder::of(seen) {
                Holder::Process { number: by, .. } if dead != Some(by) => {
                    return Err(SharedRingError::Taken { by });
                }
                Holder::Bad(found) => return Err(SharedRingError::BadHolder { found }),
                _ => {}
            }
            // Acquire: pairs with the release of the holder that let it go, whose position is then seen. Not
            // a release: a peer that sees this holder reaches nothing by it.
            match word.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Held { word, me }),
                Err(now) => seen = now,
            }
        }
        // Somebody takes it and lets it go faster than that.
        let by = Holder::of(seen).process().unwrap_or_default();
        Err(SharedRingError::Taken { by })
    }
}

/// Whether two such words name one process: by number and namespace, since the first process of every
/// namespace is number 1. Where one of the namespaces is not known, the numbers decide: a process that lost
/// sight of /proc after it took an end still lets it go.
pub(super) fn is_one_process(a: u64, b: u64) -> bool {
    let namespaces = [a >> u32::BITS, b >> u32::BITS];
    a as u32 == b as u32 && (namespaces[0] == namespaces[1] || namespaces.contains(&0))
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // A fork's copy of this is not what took the end.
        if !is_one_process(self.me, own_word()) {
            return;
        }
        // Whoever took it over keeps it. Release: pairs with the acquire of `take` and of `read`.
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let _ = self.word.compare_exchange(self.me, GONE, success, failure);
    }
}

/// Why the peer will do nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    Left,
    Died(u32),
    Bad(u64),
}

/// Whether the peer is lost, where `is_dead` says so of a process's number and its namespace.
pub(super) fn loss(word: &AtomicU64, is_dead: impl FnOnce(u32, u32) -> bool) -> Option<Loss> {
    match Holder::read(word) {
        Holder::Nobody => None,
        Holder::Gone => Some(Loss::Left),
        Holder::Bad(found) => Some(Loss::Bad(found)),
        seen @ Holder::Process { number, namespace } => {
            let dead = is_dead(number, namespace);
            // Another process may have taken the dead one's place meanwhile.
            let still = || Holder::read(word) == seen;
            (dead && still()).then_some(Loss::Died(number))
        }
    }
}

/// Looks whether the peer is still there, for as long as this end waits for it.
pub(super) struct Watch<'r> {
    word: &'r AtomicU64,
    looks: u32,
    /// This process's namespace, once it was asked for.
    own: u32,
    /// The process that has the end, open: its number may become another's.
    open: Option<(u32, OwnedFd)>,
}

impl<'r> Watch<'r> {
    pub(super) fn new(word: &'r AtomicU64) -> Self {
        Self {
            word,
            looks: 0,
            own: 0,
            open: None,
        }
    }

    /// Whether the peer is lost. One that was never there is not, and one whose state the system does not
    /// tell is not either. The system is asked at every [`LOOKS`]th look, and at the `last`: a wait may be
    /// shorter than that, and be followed by others like it.
    pub(super) fn look(&mut self, last: bool) -> Option<Loss> {
        self.looks = self.looks.wrapping_add(1);
        let ask = last || self.looks % LOOKS == 0;
        loss(self.word, |number, namespace| {
            ask && self.is_dead(number, namespace)
        })
    }

    /// Whether a process is no more, its parent having heard of it or not: pidfd_open(2), or kill(2) where
    /// there is no such call (before Linux 5.3, or forbidden), to which one that nobody has waited for
    /// lives. A number of another namespace, which means another process here or none, tells nothing.
    fn is_dead(&mut self, process: u32, namespace: u32) -> bool {
        if self.own == 0 {
            self.own = self::namespace();
        }
        if self.own == 0 || self.own != namespace {
            return false;
        }
        let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else {
            return false;
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != process) {
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(fd) => self.open = Some((process, fd)),
                Err(Errno::SRCH) => return true,
                Err(_) => return test_kill_process(pid) == Err(Errno::SRCH),
            }
        }
        self.open.as_ref().is_some_and(|(_, fd)| has_ended(fd))
    }
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&at_once)), Ok(1..))
}
