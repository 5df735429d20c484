//! The process that owns an end, and whether it lives.

use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::OwnedFd;
use std::os::linux::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use super::error::SharedRingError;

/// No process has taken this end yet.
pub(super) const FREE: u64 = 0;
/// The owner has released the end.
const GONE: u64 = u64::MAX;

/// Maximum number of attempts to take an end while the peer keeps changing the word.
const TRIES: usize = 64;

/// The system is asked about the peer's process at every look that is a multiple of this.
const LOOKS: u32 = 64;

/// The meaning of an owner word.
///
/// ```text
///  63                    32 31                     0
///  namespace of the number  number of the process      0: nobody yet; all ones: let go
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Gone,
    Process {
        number: u32,
        /// 0: the process did not know its namespace.
        namespace: u32,
    },
    /// No process has this number.
    Bad(u64),
}

impl Owner {
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
        // Acquire: pairs with the release of `Claim`'s drop, so that a process that sees the owner gone also sees
        // what it published last.
        Self::of(word.load(Ordering::Acquire))
    }

    pub(super) fn process(self) -> Option<u32> {
        match self {
            Self::Process { number, .. } => Some(number),
            _ => None,
        }
    }
}

/// The namespace of this process's number, identified by its inode as pid_namespaces(7) says; that has 32 bits.
/// 0 if there is no /proc.
fn namespace() -> u32 {
    // Miri has no files.
    if cfg!(miri) {
        return 0;
    }
    let found = std::fs::metadata("/proc/self/ns/pid").map(|of| of.st_ino());
    found.ok().and_then(|ino| ino.try_into().ok()).unwrap_or(0)
}

/// The owner word of this process.
fn own_word() -> u64 {
    u64::from(namespace()) << u32::BITS | u64::from(std::process::id())
}

/// An end that this process owns. Dropping it releases the end, unless another process has replaced this one
/// meanwhile.
#[derive(Debug)]
pub(super) struct Claim<'r> {
    word: &'r AtomicU64,
    me: u64,
}

impl<'r> Claim<'r> {
    /// Takes an end without an owner, or one that the process `dead` owns.
    pub(super) fn take(
        word: &'r AtomicU64,
        dead: Option<u32>,
    ) -> Result<Claim<'r>, SharedRingError> {
        let me = own_word();
        // Relaxed: the word is only compared. What its last owner did is acquired below.
        let mut seen = word.load(Ordering::Relaxed);
        for _ in 0..TRIES {
            match Owner::of(seen) {
                Owner::Process { number: by, .. } if dead != Some(by) => {
                    return Err(SharedRingError::Taken { by });
                }
                Owner::Bad(found) => return Err(SharedRingError::BadOwner { found }),
                _ => {}
            }
            // Acquire: pairs with the release of the last owner, so that its position is seen. Not a release: a peer
            // that sees this owner reads nothing because of it.
            match word.compare_exchange(seen, me, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Claim { word, me }),
                Err(now) => seen = now,
            }
        }
        // Another process takes and releases the end faster than that.
        let by = Owner::of(seen).process().unwrap_or_default();
        Err(SharedRingError::Taken { by })
    }
}

/// Whether two owner words name one process: by number and namespace, since the first process of every namespace is
/// number 1. If one of the namespaces is not known, the numbers decide, so a process that no longer sees /proc still
/// releases its end.
pub(super) fn is_one_process(a: u64, b: u64) -> bool {
    let namespaces = [a >> u32::BITS, b >> u32::BITS];
    a as u32 == b as u32 && (namespaces[0] == namespaces[1] || namespaces.contains(&0))
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // A copy that fork made has not taken the end.
        if !is_one_process(self.me, own_word()) {
            return;
        }
        // A process that took the end over keeps it. Release: pairs with the acquire of `take` and of `read`.
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

/// Whether the peer is lost. `is_dead` decides for a process's number and its namespace.
pub(super) fn loss(word: &AtomicU64, is_dead: impl FnOnce(u32, u32) -> bool) -> Option<Loss> {
    match Owner::read(word) {
        Owner::Nobody => None,
        Owner::Gone => Some(Loss::Left),
        Owner::Bad(found) => Some(Loss::Bad(found)),
        seen @ Owner::Process { number, namespace } => {
            let dead = is_dead(number, namespace);
            // Another process may have replaced the dead one meanwhile.
            let still = || Owner::read(word) == seen;
            (dead && still()).then_some(Loss::Died(number))
        }
    }
}

/// Watches the peer while this end waits for it.
pub(super) struct Watch<'r> {
    word: &'r AtomicU64,
    looks: u32,
    /// This process's namespace, if it is known already.
    own: u32,
    /// The process that owns the end, open: a later process may get its number.
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

    /// Whether the peer is lost. A peer that was never there is not lost, nor is one whose state the system does not
    /// tell. The system is asked at every [`LOOKS`]th look, and at the `last` one: a wait may be shorter than
    /// that, and more short waits may follow.
    pub(super) fn look(&mut self, last: bool) -> Option<Loss> {
        self.looks = self.looks.wrapping_add(1);
        let ask = last || self.looks % LOOKS == 0;
        loss(self.word, |number, namespace| {
            ask && self.is_dead(number, namespace)
        })
    }

    /// Whether a process has ended, reaped by its parent or not: by pidfd_open(2), or by kill(2) if that call is
    /// missing (before Linux 5.3) or forbidden. kill(2) takes a process that was not reaped for alive. A number of
    /// another namespace means another process here, or none, so it tells nothing.
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
