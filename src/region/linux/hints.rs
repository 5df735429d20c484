//! Advice to the kernel about child processes and core dumps: madvise(2).

use core::fmt;

use rustix::io::Errno;

/// What a child of `fork` finds at a region's addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fork {
    /// The same bytes; the first process to write to a page gets a copy of it. The parent's next write
    /// to each page is therefore a page fault, even if the page was prefaulted or locked. This is the
    /// kernel's default.
    #[default]
    Copied,
    /// Nothing: an access in the child is a SIGSEGV (`MADV_DONTFORK`). The parent takes no page fault.
    /// Use this for a region that a device writes to.
    Absent,
    /// Zeros (`MADV_WIPEONFORK`). Not for 2 MiB and 1 GiB pages: the kernel returns `EINVAL`.
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

/// The kernel refused to change a mapped region. The region stays usable, with its old settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HintError {
    /// What a child of `fork` finds: see [`Fork`].
    Fork {
        /// The requested setting.
        fork: Fork,
        /// The kernel's reason.
        errno: Errno,
    },
    /// Whether core dumps contain the region.
    Dump {
        /// The requested setting.
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
                let change = if *dump { "added to" } else { "kept out of" };
                write!(f, "the region cannot be {change} core dumps: {errno}")
            }
        }
    }
}

impl core::error::Error for HintError {}
