//! What a mapping became, and why.

use core::fmt;

use rustix::io::Errno;

use super::lock::Lock;

/// A rung of the page ladder: the kind of pages behind a mapping. Lengths and addresses of a mapping
/// are multiples of 1 GiB on the top rung, of 2 MiB on the two below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PageSize {
    /// The machine's base pages: 4 KiB on x86-64.
    Base,
    /// Base pages that the kernel was asked to merge into 2 MiB ones, as they come (`MADV_HUGEPAGE`)
    /// and, with prefault, at once (`MADV_COLLAPSE`, Linux 6.1): it may still leave some as they are.
    Transparent,
    /// Pages of 2 MiB that the administrator set aside (hugetlb, `/proc/sys/vm/nr_hugepages`): these
    /// or an error, never swapped, never split.
    Huge2M,
    /// Pages of 1 GiB that the administrator set aside
    /// (`/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages`, best at boot), like those of
    /// 2 MiB. Only for who asks for them: every length is rounded up to 1 GiB.
    Huge1G,
}

impl PageSize {
    /// The next rung down.
    pub(crate) fn below(self) -> Option<Self> {
        match self {
            Self::Huge1G => Some(Self::Huge2M),
            Self::Huge2M => Some(Self::Transparent),
            Self::Transparent => Some(Self::Base),
            Self::Base => None,
        }
    }

    /// Whether the pages are set aside by the administrator: a touch without one is a SIGBUS.
    pub(crate) fn is_hugetlb(self) -> bool {
        matches!(self, Self::Huge2M | Self::Huge1G)
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base pages",
            Self::Transparent => "transparent huge pages",
            Self::Huge2M => "2 MiB pages",
            Self::Huge1G => "1 GiB pages",
        })
    }
}

/// The step at which a rung was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Stage {
    /// The mapping itself: mmap(2), and for transparent huge pages and guards the trimming to their
    /// alignment.
    Map,
    /// What a child of `fork` is to find: [`Fork`](super::Fork), madvise(2).
    Fork,
    /// Keeping the bytes out of core dumps: `MADV_DONTDUMP` in madvise(2).
    Dump,
    /// Keeping the pages in memory: mlock2(2), if [`MapBuilder::lock`](super::MapBuilder::lock) asks
    /// for it.
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
    /// The pages asked for.
    pub page: PageSize,
    /// Where it failed.
    pub stage: Stage,
    /// The kernel's reason.
    pub errno: Errno,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} ({}: {})", self.page, self.stage, self.errno)
    }
}

/// Rungs of the ladder.
const RUNGS: usize = 4;

/// The rungs that were refused, from the top: at most one each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Steps([Option<Step>; RUNGS]);

impl Steps {
    pub(crate) fn add(&mut self, step: Step) {
        if let Some(free) = self.0.iter_mut().find(|step| step.is_none()) {
            *free = Some(step);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter().flatten()
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.iter().enumerate() {
            write!(f, "{}{step}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// What is known about the pages' being there, at the time of mapping: base and transparent huge pages
/// may be swapped out later, unless they are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Residency {
    /// Every page was made resident by `MADV_POPULATE_WRITE`, which would have said if not.
    Verified,
    /// Every page was written to once; this kernel has no call that verifies it, or a sandbox refuses
    /// that call. Never said of [`PageSize::Huge2M`] and [`PageSize::Huge1G`].
    Unverified,
    /// Prefault was not asked for, or the pages were released: they come with their first touch.
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

/// Where pages were to be placed, and how many of them are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Placed {
    /// The NUMA node that was asked for.
    pub node: u32,
    /// Bytes found on it, right after the prefault; `None` where the kernel does not say. Fewer than
    /// the region has: the node was full, and the kernel took pages from another one.
    pub bytes: Option<usize>,
}

/// What a mapping became: length, pages, residency, and the reason for every step down.
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
    pub(crate) requested: usize,
    pub(crate) len: usize,
    pub(crate) page: PageSize,
    pub(crate) page_bytes: usize,
    pub(crate) huge_bytes: Option<usize>,
    pub(crate) collapse: Option<Errno>,
    pub(crate) residency: Residency,
    pub(crate) threads: usize,
    pub(crate) lock: Lock,
    pub(crate) placed: Option<Placed>,
    pub(crate) guard: usize,
    pub(crate) steps: Steps,
}

impl RegionReport {
    /// Bytes asked for.
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// Bytes mapped: those asked for, rounded up to whole pages. Guards are not among them.
    pub fn mapped(&self) -> usize {
        self.len
    }

    /// The rung that was reached. On [`PageSize::Transparent`] huge pages were asked for, and
    /// [`huge_bytes`](Self::huge_bytes) tells how many came.
    pub fn page(&self) -> PageSize {
        self.page
    }

    /// Bytes of one page of that rung: for transparent huge pages those of a base page, which is all
    /// that is promised.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Bytes in pages of 2 MiB or 1 GiB right after mapping, 0 if none is resident yet; `None` where
    /// the kernel does not say (`/proc/self/smaps` cannot be read, or counts this mapping together
    /// with a neighbour). Transparent ones come and go.
    pub fn huge_bytes(&self) -> Option<usize> {
        self.huge_bytes
    }

    /// Why the kernel would not merge base pages that came in place of transparent huge ones
    /// (`MADV_COLLAPSE`): `EINVAL` before Linux 6.1, or where this process may have none; `ENOMEM` and
    /// `EAGAIN` for want of 2 MiB in one piece. `None` if there was no need, or it did.
    pub fn collapse_refused(&self) -> Option<Errno> {
        self.collapse
    }

    /// What is known about the pages' being there.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// Threads that made the pages resident; 0 without prefault.
    pub fn prefault_threads(&self) -> usize {
        self.threads
    }

    /// Whether the pages are kept in memory.
    pub fn lock(&self) -> Lock {
        self.lock
    }

    /// Where the pages were to be and how many are, if a node was asked for.
    /// [`MappedRegion::page_nodes`](super::MappedRegion::page_nodes) tells of each page.
    pub fn placed(&self) -> Option<Placed> {
        self.placed
    }

    /// Bytes without access right before the region, and as many behind it; 0 without guards.
    pub fn guard_bytes(&self) -> usize {
        self.guard
    }

    /// The rungs that were refused, from the top.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
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
                Some(0) => write!(f, ", asked for huge pages, none came")?,
                Some(huge) => write!(f, ", {huge} bytes in huge pages")?,
                None => write!(f, ", unknown how many in huge pages")?,
            }
            if let Some(errno) = self.collapse {
                write!(f, " (collapse: {errno})")?;
            }
        }
        match self.placed {
            Some(Placed {
                node,
                bytes: Some(bytes),
            }) => write!(f, ", {bytes} bytes on node {node}")?,
            Some(Placed { node, bytes: None }) => write!(f, ", unknown how many on node {node}")?,
            None => {}
        }
        if self.lock != Lock::Unlocked {
            write!(f, ", {}", self.lock)?;
        }
        if self.guard > 0 {
            write!(f, ", guarded")?;
        }
        if self.steps.iter().next().is_some() {
            write!(f, "; {}", self.steps)?;
        }
        Ok(())
    }
}
