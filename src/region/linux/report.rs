//! The report of a mapping: what the kernel granted, and the reasons.

use core::fmt;

use rustix::io::Errno;

use super::lock::Lock;
use super::page::PageSize;

/// The step at which a rung was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The mapping itself: mmap(2), and trimming to the alignment of transparent huge pages and guards.
    Map,
    /// What a child of `fork` finds: [`Fork`](super::Fork), madvise(2).
    Fork,
    /// Keeping the bytes out of core dumps: `MADV_DONTDUMP` in madvise(2).
    Dump,
    /// Locking the pages in memory: mlock2(2), if [`MapBuilder::lock`](super::MapBuilder::lock) was
    /// called.
    Lock,
    /// Making the pages resident: `MADV_POPULATE_WRITE` in madvise(2).
    Populate,
    /// The advice to use huge pages: `MADV_HUGEPAGE` in madvise(2).
    Advise,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Fork => "fork",
            Self::Dump => "dump",
            Self::Lock => "lock",
            Self::Populate => "populate",
            Self::Advise => "advise",
        })
    }
}

/// One rung that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The requested pages.
    pub page: PageSize,
    /// The step that failed.
    pub stage: Stage,
    /// The kernel's reason.
    pub errno: Errno,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} ({}: {})", self.page, self.stage, self.errno)
    }
}

/// The rungs that were refused, from the top: at most one step each. Never empty in an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused([Option<Step>; 4]);

impl Refused {
    pub(super) const NONE: Self = Self([None; 4]);

    /// Returns one step for each rung that was refused.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().flatten()
    }

    pub(super) fn add(&mut self, step: Step) {
        if let Some(free) = self.0.iter_mut().find(|step| step.is_none()) {
            *free = Some(step);
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.iter().enumerate() {
            write!(f, "{}{step}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// What is known about the residency of the pages after mapping. Base and transparent huge pages may be
/// swapped out later, unless they are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Residency {
    /// `MADV_POPULATE_WRITE` made every page resident; it would have reported a failure.
    Verified,
    /// Every page was written to once. This kernel has no call that verifies it, or a sandbox refuses
    /// that call. Never reported for [`PageSize::Huge2M`] and [`PageSize::Huge1G`].
    Unverified,
    /// Prefault was turned off, or the pages were released: each page becomes resident at its first
    /// touch.
    OnDemand,
}

impl fmt::Display for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "resident (verified)",
            Self::Unverified => "touched (unverified)",
            Self::OnDemand => "on demand",
        })
    }
}

/// The node that pages were requested on, and how many bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placed {
    /// The requested NUMA node.
    pub node: u32,
    /// Bytes found on it, right after the prefault. Fewer than the region has: the node was full, and
    /// the kernel took pages from another one. `None`: the kernel does not tell.
    pub bytes: Option<usize>,
}

/// What the kernel granted: length, pages, residency, and the reason for every step down.
///
/// ```
/// use framepool::MappedRegion;
///
/// let region = MappedRegion::builder(1 << 20).map()?;
/// // For example: 2097152 bytes in transparent huge pages, resident (verified), 2097152 bytes in
/// // huge pages; no 2 MiB pages (map: Cannot allocate memory (os error 12))
/// println!("{}", region.report());
/// # Ok::<(), framepool::MapError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RegionReport {
    pub(super) requested: usize,
    pub(super) len: usize,
    pub(super) page: PageSize,
    pub(super) huge_bytes: Option<usize>,
    pub(super) collapse: Option<Errno>,
    pub(super) residency: Residency,
    pub(super) threads: usize,
    pub(super) lock: Lock,
    pub(super) placed: Option<Placed>,
    pub(super) guard: usize,
    pub(super) refused: Refused,
}

impl RegionReport {
    /// Bytes requested.
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// Bytes mapped: those requested, rounded up to whole pages. Guard pages are not counted.
    pub fn mapped(&self) -> usize {
        self.len
    }

    /// The rung that was reached. [`PageSize::Transparent`] says that huge pages were requested;
    /// [`huge_bytes`](Self::huge_bytes) says how many the kernel gave.
    pub fn page(&self) -> PageSize {
        self.page
    }

    /// Bytes of one page of that rung. For transparent huge pages those of a base page: the kernel
    /// guarantees no more.
    pub fn page_bytes(&self) -> usize {
        self.page.bytes()
    }

    /// Bytes in pages of 2 MiB or 1 GiB right after mapping; 0 if none is resident yet. `None`: the
    /// kernel does not tell (`/proc/self/smaps` is not readable, or counts this mapping together with a
    /// neighbour). The kernel may merge and split transparent huge pages later.
    pub fn huge_bytes(&self) -> Option<usize> {
        self.huge_bytes
    }

    /// Why the kernel did not merge base pages that it gave in place of transparent huge pages
    /// (`MADV_COLLAPSE`): `EINVAL` before Linux 6.1, or if this process may have none; `ENOMEM` and
    /// `EAGAIN` if there are no contiguous 2 MiB. `None` if it merged them, or there was nothing to merge.
    pub fn collapse_refused(&self) -> Option<Errno> {
        self.collapse
    }

    /// What is known about the residency of the pages.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// Number of threads that made the pages resident; 0 without prefault.
    pub fn prefault_threads(&self) -> usize {
        self.threads
    }

    /// Whether the pages are locked in memory.
    pub fn lock(&self) -> Lock {
        self.lock
    }

    /// The requested node and how many bytes are on it, if a node was requested.
    /// [`MappedRegion::page_nodes`](super::MappedRegion::page_nodes) returns the node of each page.
    pub fn placed(&self) -> Option<Placed> {
        self.placed
    }

    /// Bytes of each of the two guards, right before the region and right after it; 0 without guards.
    pub fn guard_bytes(&self) -> usize {
        self.guard
    }

    /// The rungs that were refused, from the top.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.refused.iter()
    }
}

impl fmt::Display for RegionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none_came = self.huge_bytes == Some(0) && self.residency != Residency::OnDemand;
        let page = match self.page {
            PageSize::Transparent if none_came => PageSize::Base,
            page => page,
        };
        write!(f, "{} bytes in {page}, {}", self.len, self.residency)?;
        if self.page == PageSize::Transparent && self.residency != Residency::OnDemand {
            match self.huge_bytes {
                Some(0) => write!(f, ", huge pages requested, none granted")?,
                Some(huge) => write!(f, ", {huge} bytes in huge pages")?,
                None => write!(f, ", unknown number in huge pages")?,
            }
            if let Some(errno) = self.collapse {
                write!(f, " (collapse: {errno})")?;
            }
        }
        if let Some(Placed { node, bytes }) = self.placed {
            match bytes {
                Some(bytes) => write!(f, ", {bytes} bytes on node {node}")?,
                None => write!(f, ", unknown number on node {node}")?,
            }
        }
        if self.lock != Lock::Unlocked {
            write!(f, ", {}", self.lock)?;
        }
        if self.guard > 0 {
            write!(f, ", guarded")?;
        }
        if self.refused.iter().next().is_some() {
            write!(f, "; {}", self.refused)?;
        }
        Ok(())
    }
}
