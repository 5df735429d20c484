//! Advice to the kernel about children and core dumps: madvise(2).

use core::fmt;

use rustix::io::Errno;

/// What a child of `fork` finds at a region's addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Fork {
    /// The same bytes, copied by whoever of the two writes first: afterwards the parent's next write to
    /// each page is a page fault too, whatever was prefaulted or locked. The kernel's default.
    #[default]
    Copied,
    /// Nothing: access in the child is a SIGSEGV (`MADV_DONTFORK`). The parent goes on without a page
    /// fault. What a region is to have that a device writes to.
    Absent,
    /// Zeros (`MADV_WIPEONFORK`). Not for 2 MiB and 1 GiB pages: the kernel answers `EINVAL`.
    Wiped,
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copied => "copied on fork",
            Self::Absent => "absent after fork",
            Self::Wiped => "wiped on fork",
        })
    }
}

/// A change to a mapped region that the kernel refused. The region is as good as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HintError {
    /// What a child is to find: see [`Fork`].
    Fork {
        /// What was asked for.
        fork: Fork,
        /// The kernel's reason.
        errno: Errno,
    },
    /// Whether core dumps hold the region.
    Dump {
        /// What was asked for.
        dump: bool,
        /// The kernel's reason.
        errno: Errno,
    },
}

impl fmt::Display for HintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fork { fork, errno } => write!(f, "the region cannot be {fork}: {errno}"),
            Self::Dump { dump, errno } => {
                let what = if *dump { "put into" } else { "kept out of" };
                write!(f, "the region cannot be {what} core dumps: {errno}")
            }
        }
    }
}

impl core::error::Error for HintError {}
