//! What a mapping became, and why.

use core::fmt;

use rustix::io::Errno;

/// A rung of the page ladder: the kind of pages behind a mapping. Lengths and addresses of a mapping
/// are multiples of 2 MiB on both upper rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PageSize {
    /// The machine's base pages: 4 KiB on x86-64.
    Base,
    /// Base pages that the kernel was advised to merge into 2 MiB ones (`MADV_HUGEPAGE`): advice, not
    /// a promise.
    Transparent,
    /// Pages of 2 MiB that the administrator set aside (hugetlb, `/proc/sys/vm/nr_hugepages`): these
    /// or an error, never swapped, never split.
    Huge2M,
}

impl PageSize {
    /// The next rung down.
    pub(crate) fn below(self) -> Option<Self> {
        match self {
            Self::Huge2M => Some(Self::Transparent),
            Self::Transparent => Some(Self::Base),
            Self::Base => None,
        }
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Base => "base pages",
            Self::Transparent => "transparent huge pages",
            Self::Huge2M => "2 MiB pages",
        })
    }
}

/// The step at which a rung was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Stage {
    /// The mapping itself: mmap(2), and for transparent huge pages the trimming to their alignment.
    Map,
    /// Making the pages resident: `MADV_POPULATE_WRITE` in madvise(2).
    Populate,
    /// The advice to use huge pages: `MADV_HUGEPAGE` in madvise(2).
    Advise,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
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
const RUNGS: usize = 3;

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
/// may be swapped out later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Residency {
    /// Every page was made resident by `MADV_POPULATE_WRITE`, which would have said if not.
    Verified,
    /// Every page was written to once; this kernel has no call that verifies it. Never said of
    /// [`PageSize::Huge2M`].
    Unverified,
    /// Prefault was not asked for: pages come with their first touch.
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
    pub(crate) residency: Residency,
    pub(crate) steps: Steps,
}

impl RegionReport {
    /// Bytes asked for.
    pub fn requested(&self) -> usize {
        self.requested
    }

    /// Bytes mapped: those asked for, rounded up to whole pages.
    pub fn mapped(&self) -> usize {
        self.len
    }

    /// The rung that was reached.
    pub fn page(&self) -> PageSize {
        self.page
    }

    /// Bytes of one page of that rung: for transparent huge pages those of a base page, which is all
    /// that is promised.
    pub fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Bytes in 2 MiB pages of either kind right after mapping, 0 if none is resident yet; `None`
    /// where the kernel does not say (`/proc/self/smaps` cannot be read, or counts this mapping together
    /// with a neighbour). Transparent ones come and go.
    pub fn huge_bytes(&self) -> Option<usize> {
        self.huge_bytes
    }

    /// What is known about the pages' being there.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// The rungs that were refused, from the top.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }
}

impl fmt::Display for RegionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in {}, {}", self.len, self.page, self.residency)?;
        match (self.page, self.huge_bytes) {
            (PageSize::Transparent, Some(huge)) => write!(f, ", {huge} bytes in huge pages")?,
            (PageSize::Transparent, None) => write!(f, ", unknown how many in huge pages")?,
            _ => {}
        }
        if self.steps.iter().next().is_some() {
            write!(f, "; {}", self.steps)?;
        }
        Ok(())
    }
}
