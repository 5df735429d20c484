//! The page sizes that a mapping can have.

use core::fmt;

use rustix::param::page_size;

/// Bytes of a 2 MiB page.
const HUGE: usize = 2 << 20;
/// Bytes of a 1 GiB page.
const GIANT: usize = 1 << 30;

/// A rung of the page ladder: the kind of pages in a mapping. Lengths and addresses of a mapping are
/// multiples of 1 GiB on the top rung and of 2 MiB on the two rungs below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageSize {
    /// The machine's base pages: 4 KiB on x86-64.
    Base,
    /// Base pages that the kernel is asked to merge into 2 MiB pages: when they are touched
    /// (`MADV_HUGEPAGE`) and, with prefault, immediately (`MADV_COLLAPSE`, Linux 6.1). The kernel may
    /// leave some of them unmerged.
    Transparent,
    /// Pages of 2 MiB that the administrator set aside (hugetlb, `/proc/sys/vm/nr_hugepages`). They
    /// are never swapped and never split.
    Huge2M,
    /// Pages of 1 GiB that the administrator set aside
    /// (`/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages`, best at boot), like those of
    /// 2 MiB. Tried only if requested: every length is rounded up to 1 GiB.
    Huge1G,
}

impl PageSize {
    /// The next rung down.
    pub(super) fn below(self) -> Option<Self> {
        match self {
            Self::Huge1G => Some(Self::Huge2M),
            Self::Huge2M => Some(Self::Transparent),
            Self::Transparent => Some(Self::Base),
            Self::Base => None,
        }
    }

    /// Whether the administrator sets these pages aside: a touch without a page left is a SIGBUS.
    pub(super) fn is_hugetlb(self) -> bool {
        matches!(self, Self::Huge2M | Self::Huge1G)
    }

    /// Bytes of one page. For transparent huge pages those of a base page: the kernel guarantees no more.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Base | Self::Transparent => page_size(),
            Self::Huge2M => HUGE,
            Self::Huge1G => GIANT,
        }
    }

    /// Lengths and addresses of a mapping are multiples of this number of bytes.
    pub(super) fn unit(self) -> usize {
        match self {
            Self::Transparent => HUGE,
            _ => self.bytes(),
        }
    }

    /// `len` rounded up to whole units, or `None` if that exceeds the largest object of Rust. Transparent
    /// huge pages are rounded up too: otherwise base pages at the end would miss the TLB.
    pub(super) fn round_up(self, len: usize) -> Option<usize> {
        let rounded = len.checked_next_multiple_of(self.unit())?;
        (rounded <= isize::MAX as usize - HUGE).then_some(rounded)
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
