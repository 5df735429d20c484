//! Locks: pages that stay in memory, mlock2(2).

use core::fmt;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::mapping::Mapping;

/// Whether a region's pages are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Lock {
    /// Nobody asked for it: base and transparent huge pages may be swapped out.
    Unlocked,
    /// Every page that is there stays until the region is unlocked or dropped, and those that come
    /// later do.
    Locked,
    /// It was asked for and refused, and whoever asked wanted the region all the same.
    Refused(LockError),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlocked => f.write_str("unlocked"),
            Self::Locked => f.write_str("locked"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

/// The kernel refused to lock a region.
///
/// Who may not lock more than [`limit`](Self::limit) bytes has it raised (`ulimit -l`,
/// `LimitMEMLOCK=` of a service) or `CAP_IPC_LOCK` given, mlock(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockError {
    /// Bytes of the region.
    pub requested: usize,
    /// Bytes that this process may lock in all its mappings together, the soft `RLIMIT_MEMLOCK`;
    /// `None` if that is without limit.
    pub limit: Option<u64>,
    /// The kernel's reason: `ENOMEM` or `EAGAIN` over the limit, `EPERM` where it is 0, `ENOSYS`
    /// before Linux 4.4.
    pub errno: Errno,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requested, errno, ..
        } = self;
        write!(f, "{requested} bytes cannot be locked (")?;
        match self.limit {
            Some(limit) => write!(f, "RLIMIT_MEMLOCK is {limit} bytes: {errno})"),
            None => write!(f, "{errno})"),
        }
    }
}

impl core::error::Error for LockError {}

/// Locks pages as they come: what it costs, and what it is refused for, is known before any is there.
pub(super) fn lock(mapping: &Mapping) -> Result<(), LockError> {
    mapping.lock().map_err(|errno| LockError {
        requested: mapping.len(),
        limit: getrlimit(Resource::Memlock).current,
        errno,
    })
}
