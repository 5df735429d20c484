//! Pages locked in memory: mlock2(2).

use core::fmt;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::mapping::Mapping;

/// Whether a region's pages are locked in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lock {
    /// No lock was requested: base and transparent huge pages may be swapped out.
    Unlocked,
    /// Every page stays in memory from the moment it is resident, until the region is unlocked or
    /// dropped.
    Locked,
    /// A lock was requested and refused. The region was mapped without it, as the caller allowed.
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
/// If [`limit`](Self::limit) is too low, raise it (`ulimit -l`, or `LimitMEMLOCK=` of a service) or grant
/// `CAP_IPC_LOCK`, mlock(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockError {
    /// Bytes of the region.
    pub requested: usize,
    /// Bytes that this process may lock in all its mappings together, the soft `RLIMIT_MEMLOCK`.
    /// `None`: there is no limit.
    pub limit: Option<u64>,
    /// The kernel's reason: `ENOMEM` or `EAGAIN` above the limit, `EPERM` if the limit is 0, `ENOSYS`
    /// before Linux 4.4.
    pub errno: Errno,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requested, errno, ..
        } = self;
        write!(f, "could not lock {requested} bytes (")?;
        match self.limit {
            Some(limit) => write!(f, "RLIMIT_MEMLOCK is {limit} bytes: {errno})"),
            None => write!(f, "{errno})"),
        }
    }
}

impl core::error::Error for LockError {}

/// Locks each page when it becomes resident, so that a refusal is known before any page is.
pub(super) fn lock(mapping: &Mapping) -> Result<(), LockError> {
    mapping.lock().map_err(|errno| LockError {
        requested: mapping.len(),
        limit: getrlimit(Resource::Memlock).current,
        errno,
    })
}
