//! The requests for a mapping, and the ladder of page sizes.

#[cfg(all(feature = "heap", feature = "spin", not(loom)))]
use core::mem::MaybeUninit;

use rustix::io::Errno;
use rustix::mm::MapFlags;

use super::error::MapError;
use super::hints::Fork;
use super::lock::{self, Lock, LockError};
use super::mapped::MappedRegion;
use super::mapping::{Mapping, Shape};
use super::numa::{Node, NodeError};
use super::page::PageSize;
#[cfg(all(feature = "heap", feature = "spin", not(loom)))]
use super::prefault::Plan;
use super::prefault::{PrefaultError, Progress};
use super::report::{Refused, RegionReport, Residency, Stage, Step};

/// Whether the caller wants a lock, and what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockRequest {
    No,
    OrError,
    OrReport,
}

/// The requests for a mapping: see [`MappedRegion::builder`].
///
/// The page sizes are the rungs of a [ladder](crate::region). [`map`](Self::map) starts at the largest one
/// to try, and steps down if the kernel refuses it.
///
/// ```
/// use framepool::MappedRegion;
/// use framepool::region::PageSize;
///
/// let base = MappedRegion::builder(100_000).page(PageSize::Base);
/// let region = base.clone().force().map()?;
/// assert_eq!(region.report().page(), PageSize::Base);
/// let later = base.prefault(false).map()?;
/// println!("{}", later.report()); // … bytes in base pages, on demand
/// # Ok::<(), framepool::MapError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is mapped before `map`"]
pub struct MapBuilder {
    len: usize,
    page: PageSize,
    force: bool,
    prefault: bool,
    threads: usize,
    node: Option<u32>,
    lock: LockRequest,
    fork: Fork,
    dump: bool,
    guards: bool,
}

impl MappedRegion {
    /// Starts a mapping of at least `len` bytes. By default it has 2 MiB pages, or the next smaller
    /// pages that are available, all prefaulted. Nothing is mapped before [`MapBuilder::map`].
    pub const fn builder(len: usize) -> MapBuilder {
        MapBuilder {
            len,
            page: PageSize::Huge2M,
            force: false,
            prefault: true,
            threads: 1,
            node: None,
            lock: LockRequest::No,
            fork: Fork::Copied,
            dump: true,
            guards: false,
        }
    }
}

impl MapBuilder {
    /// Largest page size to try. Default: [`PageSize::Huge2M`].
    pub const fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Tries no other page size: the mapping has this one, or fails.
    ///
    /// For [`PageSize::Transparent`] the kernel must accept the advice, but may ignore it:
    /// [`RegionReport::huge_bytes`] says how many bytes are in huge pages.
    pub const fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// Tries each smaller page size in turn if a larger one is refused; the report says which one the
    /// mapping got. This is the default.
    pub const fn fall_back(mut self) -> Self {
        self.force = false;
        self
    }

    /// Whether `map` makes every page resident. Default: `true`.
    ///
    /// Without it, the first touch of each page is a page fault. If no page of 2 MiB or 1 GiB is
    /// available then (a cgroup's limit, a child of `fork`), the touch is a SIGBUS.
    pub const fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Number of threads that prefault, each 2 MiB (or one larger page) at a time; 0 and 1 mean the
    /// calling thread. Default: 1. If a thread cannot be started, the others do its work; the report
    /// has the number of threads.
    pub const fn prefault_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The NUMA node that every page should be on. An extra thread that runs on this node touches the
    /// pages first (numa(7)); the affinity of the calling thread does not change.
    ///
    /// If the node is full, the kernel takes pages from another one: [`RegionReport::placed`] has the
    /// number of bytes on the node. Counting them takes one system call for each 512 pages.
    pub const fn node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// Locks every page in memory from the moment it is resident (mlock2(2), `MLOCK_ONFAULT`), or
    /// fails. The lock is taken before the first page is resident.
    ///
    /// A rung that cannot be locked is a step down, because smaller pages round the length up less:
    /// 32 KiB count as 2 MiB on the upper rungs. If the last rung is refused too, the error is
    /// [`MapError::Lock`] with the facts of that rung.
    ///
    /// ```
    /// use framepool::{MapError, MappedRegion};
    ///
    /// match MappedRegion::builder(1 << 20).lock().map() {
    ///     Ok(region) => println!("{}", region.report()), // …, locked
    ///     Err(MapError::Lock(refused)) => println!("the limit is {:?}", refused.limit),
    ///     Err(other) => println!("{other}"),
    /// }
    /// ```
    pub const fn lock(mut self) -> Self {
        self.lock = LockRequest::OrError;
        self
    }

    /// As [`lock`](Self::lock), but if the lock is refused the region is mapped without it, and
    /// [`RegionReport::lock`] has the reason. Page size has priority: a refused lock is not a step down.
    pub const fn lock_or_report(mut self) -> Self {
        self.lock = LockRequest::OrReport;
        self
    }

    /// What a child of `fork` finds at the region's addresses. Default: [`Fork::Copied`]. A rung whose
    /// pages do not support the setting is a step down: hugetlb pages cannot be wiped.
    pub const fn fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// Whether core dumps contain the region (`MADV_DONTDUMP` if not). Default: `true`. Turn it off for
    /// gigabytes of packets.
    pub const fn dump(mut self, dump: bool) -> Self {
        self.dump = dump;
        self
    }

    /// Whether one base page without access lies right before the region and another right after it, so
    /// that an access past either end is a SIGSEGV. Default: `false`.
    ///
    /// Guards are base pages on every rung. They take address space, but no memory. For hugetlb pages
    /// between guards, addresses are reserved, released in the middle and mapped again. `EEXIST` says
    /// that other threads mapped memory there first, four times in a row.
    pub const fn guards(mut self, guards: bool) -> Self {
        self.guards = guards;
        self
    }

    /// Maps the region, following mmap(2) and madvise(2). Up to ten system calls for each rung, and one
    /// more for each 2 MiB of prefault. With prefault it takes O(length), because the kernel zeroes every
    /// page. For transparent huge pages it reads `/proc/self/smaps` once or twice, O(memory of the
    /// process).
    ///
    /// On a kernel without `MADV_POPULATE_WRITE` (`EINVAL`, before Linux 5.14), and in a sandbox that
    /// refuses it (`ENOSYS`, `EPERM`), pages are prefaulted by touching them, and the report says
    /// [`Residency::Unverified`]. Pages of 2 MiB and 1 GiB (hugetlb) are never touched unverified: on
    /// such a system their rungs are refused at [`Stage::Populate`], unless prefault is off.
    ///
    /// # Errors
    /// [`MapError`] with the request and, for each rung that was tried, the step that failed and the
    /// kernel's reason. Nothing stays mapped. If memory is overcommitted, a prefault of more than the
    /// machine, or the memory cgroup of the process, has free may start the out-of-memory killer instead.
    pub fn map(self) -> Result<MappedRegion, MapError> {
        self.map_with(|_| {})
    }

    /// As [`map`](Self::map), and reports the progress of the prefault to `progress`.
    ///
    /// The calling thread calls it, whichever thread does the work: with 0 bytes done at the start of
    /// each rung, then after each 2 MiB (or one larger page), and at last with all bytes done. After a
    /// step down it restarts from 0, and the total changes if the page size does. Without prefault it is
    /// never called.
    ///
    /// # Errors
    /// As for `map`. If `progress` panics, nothing stays mapped either.
    ///
    /// ```
    /// use framepool::MappedRegion;
    ///
    /// let mut percent = 0;
    /// let builder = MappedRegion::builder(64 << 20).prefault_threads(2);
    /// let region = builder.map_with(|at| percent = at.done * 100 / at.total)?;
    /// assert_eq!(percent, 100);
    /// # Ok::<(), framepool::MapError>(())
    /// ```
    pub fn map_with(self, mut progress: impl FnMut(Progress)) -> Result<MappedRegion, MapError> {
        if self.len == 0 {
            return Err(MapError::ZeroLength);
        }
        let node = self.find_node().map_err(MapError::Node)?;
        self.climb(|page, refused| {
            let (mapping, report) = self.granted(page, refused)?;
            let mut region = MappedRegion::new(mapping, report, self.node);
            if self.prefault {
                region.populate(self.threads, node.as_ref(), &mut progress)?;
            }
            Ok(region)
        })
    }

    /// As [`map`](Self::map), for ever, and for the memory of the global allocator: allocates nothing. So it does not count
    /// the bytes in transparent huge pages. The builder [is bare](Self::is_bare).
    #[cfg(all(feature = "heap", feature = "spin", not(loom)))]
    pub(crate) fn map_bare(
        &self,
    ) -> Result<(&'static mut [MaybeUninit<u8>], RegionReport), MapError> {
        if self.len == 0 {
            return Err(MapError::ZeroLength);
        }
        let (mapping, report) = self.climb(|page, refused| {
            let (mut mapping, mut report) = self.granted(page, refused)?;
            if self.prefault {
                let plan = Plan {
                    threads: 1,
                    node: None,
                    page,
                };
                let done = plan.run(mapping.bytes_mut(), &mut |_| {})?;
                report.residency = done.residency;
                report.threads = done.threads;
                report.huge_bytes = match page {
                    PageSize::Base => Some(0),
                    PageSize::Huge2M | PageSize::Huge1G => Some(report.len),
                    PageSize::Transparent => {
                        report.collapse = mapping.collapse().err();
                        None
                    }
                };
            }
            Ok((mapping, report))
        })?;
        Ok((mapping.leak(), report))
    }

    /// Whether mapping needs nothing but system calls of one thread.
    #[cfg(all(feature = "heap", feature = "spin", not(loom)))]
    pub(crate) const fn is_bare(&self) -> bool {
        self.threads <= 1 && self.node.is_none()
    }

    /// Whether a child of `fork` gets a copy.
    #[cfg(all(feature = "heap", feature = "spin", not(loom)))]
    pub(crate) const fn is_copied_on_fork(&self) -> bool {
        matches!(self.fork, Fork::Copied)
    }

    /// Bytes requested.
    #[cfg(all(feature = "heap", feature = "spin", not(loom)))]
    pub(crate) const fn requested(&self) -> usize {
        self.len
    }

    /// Tries the rungs from the top, with those that were refused.
    fn climb<R>(
        &self,
        mut rung: impl FnMut(PageSize, &Refused) -> Result<R, Refusal>,
    ) -> Result<R, MapError> {
        let (mut page, mut refused) = (self.page, Refused::NONE);
        loop {
            let refusal = match rung(page, &refused) {
                Ok(reached) => return Ok(reached),
                Err(refusal) => refusal,
            };
            let (stage, errno) = match refusal {
                Refusal::Rung(stage, errno) => (stage, errno),
                Refusal::Lock(error) => (Stage::Lock, error.errno),
                Refusal::TooLong => (Stage::Map, Errno::NOMEM),
                Refusal::Node(error) => return Err(MapError::Node(error)),
            };
            refused.add(Step { page, stage, errno });
            match page.below() {
                Some(below) if !self.force => page = below,
                _ => return Err(self.unavailable(&refusal, refused)),
            }
        }
    }

    /// The error after the last rung, given its refusal and all steps.
    fn unavailable(&self, last: &Refusal, refused: Refused) -> MapError {
        let requested = self.len;
        match last {
            Refusal::Lock(error) => MapError::Lock(*error),
            Refusal::TooLong => MapError::TooLong { requested },
            _ => MapError::Unavailable { requested, refused },
        }
    }

    fn find_node(&self) -> Result<Option<Node>, NodeError> {
        match self.node {
            Some(node) if !self.prefault => Err(NodeError::OnDemand { node }),
            Some(node) => Node::find(node).map(Some),
            None => Ok(None),
        }
    }

    /// The mapping of one rung: mapped, advised, locked, not populated.
    fn granted(
        &self,
        page: PageSize,
        refused: &Refused,
    ) -> Result<(Mapping, RegionReport), Refusal> {
        let requested = self.len;
        let len = page.round_up(requested).ok_or(Refusal::TooLong)?;
        let mapping = self.advised(len, page)?;
        let report = RegionReport {
            requested,
            len,
            page,
            huge_bytes: Some(0),
            collapse: None,
            residency: Residency::OnDemand,
            threads: 0,
            lock: self.locked(&mapping)?,
            placed: None,
            guard: mapping.guard(),
            refused: refused.clone(),
        };
        Ok((mapping, report))
    }

    fn advised(&self, len: usize, page: PageSize) -> Result<Mapping, Refusal> {
        let at = |stage| move |errno| Refusal::Rung(stage, errno);
        let shape = Shape {
            len,
            align: page.unit(),
            flags: flags(page),
            guarded: self.guards,
        };
        let mapping = Mapping::new(shape).map_err(at(Stage::Map))?;
        match page {
            // If transparent huge pages are always on, base pages need the advice. A kernel without
            // transparent huge pages refuses it, and gives base pages anyway.
            PageSize::Base => drop(mapping.prefer_base()),
            PageSize::Transparent => mapping.prefer_huge().map_err(at(Stage::Advise))?,
            PageSize::Huge2M | PageSize::Huge1G => {}
        }
        if self.fork != Fork::Copied {
            mapping.set_fork(self.fork).map_err(at(Stage::Fork))?;
        }
        if !self.dump {
            mapping.set_dump(false).map_err(at(Stage::Dump))?;
        }
        Ok(mapping)
    }

    fn locked(&self, mapping: &Mapping) -> Result<Lock, Refusal> {
        if self.lock == LockRequest::No {
            return Ok(Lock::Unlocked);
        }
        match lock::lock(mapping) {
            Ok(()) => Ok(Lock::Locked),
            Err(refused) if self.lock == LockRequest::OrReport => Ok(Lock::Refused(refused)),
            Err(refused) => Err(Refusal::Lock(refused)),
        }
    }
}

/// Why a rung was not reached.
enum Refusal {
    Rung(Stage, Errno),
    /// Pages of this size cannot be locked; smaller pages may be.
    Lock(LockError),
    /// Rounded up to pages of this size, the length exceeds the address space.
    TooLong,
    /// No rung can place pages on that node.
    Node(NodeError),
}

impl From<PrefaultError> for Refusal {
    fn from(error: PrefaultError) -> Self {
        match error {
            PrefaultError::Populate { errno, .. } => Self::Rung(Stage::Populate, errno),
            PrefaultError::Node(error) => Self::Node(error),
        }
    }
}

fn flags(page: PageSize) -> MapFlags {
    match page {
        PageSize::Base | PageSize::Transparent => MapFlags::empty(),
        PageSize::Huge2M => MapFlags::HUGETLB | MapFlags::HUGE_2MB,
        PageSize::Huge1G => MapFlags::HUGETLB | MapFlags::HUGE_1GB,
    }
}
