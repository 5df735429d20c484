//! How a mapping is asked for, and the ladder that it comes down.

use rustix::io::Errno;
use rustix::mm::MapFlags;

use super::error::{MapError, Refused};
use super::hints::Fork;
use super::lock::{self, Lock, LockError};
use super::mapped::MappedRegion;
use super::mapping::{Mapping, Shape};
use super::numa::{Node, NodeError};
use super::prefault::{Plan, PrefaultError, Progress};
use super::report::{PageSize, RegionReport, Residency, Stage, Step, Steps};

/// Bytes of a 2 MiB page.
const HUGE: usize = 2 << 20;
/// Bytes of a 1 GiB page.
const GIANT: usize = 1 << 30;

/// Whether a lock was asked for, and how much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LockWish {
    No,
    OrError,
    OrReport,
}

/// How a mapping is to be made: see [`MappedRegion::builder`].
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
    lock: LockWish,
    fork: Fork,
    dump: bool,
    guards: bool,
}

impl MapBuilder {
    pub(super) fn new(len: usize) -> Self {
        Self {
            len,
            page: PageSize::Huge2M,
            force: false,
            prefault: true,
            threads: 1,
            node: None,
            lock: LockWish::No,
            fork: Fork::Copied,
            dump: true,
            guards: false,
        }
    }

    /// The top rung to try. [`PageSize::Huge2M`] unless told.
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// That rung or an error.
    ///
    /// For [`PageSize::Transparent`] the kernel must take the advice, but may leave it unheeded:
    /// whether huge pages came of it is what [`RegionReport::huge_bytes`] says.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    /// That rung or one below it, which the report says: the default.
    pub fn fall_back(mut self) -> Self {
        self.force = false;
        self
    }

    /// Whether every page is made resident now. `true` unless told.
    ///
    /// Without it each page comes with its first touch, a page fault. A page of 2 MiB or 1 GiB that
    /// cannot be had then (a cgroup's limit, a child of `fork`) is a SIGBUS.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// How many threads prefault, each 2 MiB (or one larger page) at a time; 0 and 1 mean the calling
    /// thread. 1 unless told. Threads that cannot be had are done without; the report has the number.
    pub fn prefault_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The NUMA node that every page is to be on: it is touched first from a thread that runs there
    /// (numa(7)), one more than the calling thread, whose own affinity stays as it is.
    ///
    /// The kernel goes to another node where that one is full: [`RegionReport::placed`] counts, with
    /// one system call for each 512 pages.
    pub fn node(mut self, node: u32) -> Self {
        self.node = Some(node);
        self
    }

    /// Keeps every page in memory from the moment it is there (mlock2(2), `MLOCK_ONFAULT`), or an
    /// error. The lock is taken before the first page is resident.
    ///
    /// A rung that cannot be locked is a step down, since smaller pages round the length up less: 32 KiB
    /// count as 2 MiB on the upper rungs. After a refusal on the last rung, the error is
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
    pub fn lock(mut self) -> Self {
        self.lock = LockWish::OrError;
        self
    }

    /// As [`lock`](Self::lock), but where that is refused the region is mapped without the lock, and
    /// [`RegionReport::lock`] has the reason. The page size comes first: a refused lock is not a step
    /// down.
    pub fn lock_or_report(mut self) -> Self {
        self.lock = LockWish::OrReport;
        self
    }

    /// What a child of `fork` finds at the region's addresses. [`Fork::Copied`] unless told. Where the
    /// pages of a rung cannot have it, that is a step down: hugetlb pages are not wiped.
    pub fn fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// Whether core dumps hold the region (`MADV_DONTDUMP` if not). `true` unless told; gigabytes of
    /// packets are rarely wanted there.
    pub fn dump(mut self, dump: bool) -> Self {
        self.dump = dump;
        self
    }

    /// Whether a base page without access lies right before the region and another right behind it, so
    /// that running over an end is a SIGSEGV. `false` unless told.
    ///
    /// Guards are base pages on every rung, and only address space: no memory. Between them hugetlb
    /// pages need addresses that are reserved first, given up and taken again; `EEXIST` says that other
    /// threads mapped there first, four times running.
    pub fn guards(mut self, guards: bool) -> Self {
        self.guards = guards;
        self
    }

    /// Maps, following mmap(2) and madvise(2). Up to ten system calls a rung, one more for each 2 MiB
    /// of prefault; with prefault O(length), as the kernel zeroes every page, and for transparent huge
    /// pages one or two reads of `/proc/self/smaps`, O(memory of the process).
    ///
    /// On a kernel without `MADV_POPULATE_WRITE` (`EINVAL`, before Linux 5.14), and in a sandbox that
    /// refuses it (`ENOSYS`, `EPERM`), pages are prefaulted by touching them, and the report says
    /// [`Residency::Unverified`]. Pages of 2 MiB and 1 GiB (hugetlb) are never touched unverified: with
    /// prefault those rungs are refused there at [`Stage::Populate`]; `prefault(false)` maps them.
    ///
    /// # Errors
    /// [`MapError`] with what was asked for and, for each rung that was tried, where it failed and
    /// the kernel's reason. Nothing stays mapped. No error can tell of the out-of-memory killer, which
    /// a prefault of more than the machine, or the process's memory cgroup, has free may call up where
    /// memory is overcommitted.
    pub fn map(self) -> Result<MappedRegion, MapError> {
        self.map_with(|_| {})
    }

    /// As [`map`](Self::map), and tells `progress` how far the prefault is.
    ///
    /// It is called by the calling thread, whoever does the work: with 0 bytes done at the start of a
    /// rung, then after each 2 MiB (or one larger page), in the end with all. A step down starts again,
    /// with another total where pages are of another size. Without prefault it is never called.
    ///
    /// # Errors
    /// As for `map`. Where `progress` panics, nothing stays mapped either.
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
        let (mut page, mut steps) = (self.page, Steps::default());
        loop {
            let refusal = match self.rung(page, node.as_ref(), steps, &mut progress) {
                Ok(region) => return Ok(region),
                Err(refusal) => refusal,
            };
            let (stage, errno) = match refusal {
                Refusal::Rung(stage, errno) => (stage, errno),
                Refusal::Lock(error) => (Stage::Lock, error.errno),
                Refusal::TooLong => (Stage::Map, Errno::NOMEM),
                Refusal::Node(error) => return Err(MapError::Node(error)),
            };
            steps.add(Step { page, stage, errno });
            match page.below() {
                Some(below) if !self.force => page = below,
                _ => return Err(self.unavailable(&refusal, steps)),
            }
        }
    }

    /// The error after the last rung, which was refused like this.
    fn unavailable(&self, last: &Refusal, steps: Steps) -> MapError {
        let requested = self.len;
        match last {
            Refusal::Lock(error) => MapError::Lock(*error),
            Refusal::TooLong => MapError::TooLong { requested },
            _ => MapError::Unavailable {
                requested,
                refused: Refused(steps),
            },
        }
    }

    fn find_node(&self) -> Result<Option<Node>, NodeError> {
        match self.node {
            Some(node) if !self.prefault => Err(NodeError::OnDemand { node }),
            Some(node) => Node::find(node).map(Some),
            None => Ok(None),
        }
    }

    /// One rung: maps, advises, locks, populates.
    fn rung(
        &self,
        page: PageSize,
        node: Option<&Node>,
        steps: Steps,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<MappedRegion, Refusal> {
        let requested = self.len;
        let len = rounded(requested, page).ok_or(Refusal::TooLong)?;
        let mapping = self.advised(len, page)?;
        let report = RegionReport {
            requested,
            len,
            page,
            page_bytes: page_bytes(page),
            huge_bytes: Some(0),
            collapse: None,
            residency: Residency::OnDemand,
            threads: 0,
            lock: self.locked(&mapping)?,
            placed: None,
            guard: mapping.guard(),
            steps,
        };
        let mut region = MappedRegion::new(mapping, report, self.node);
        if self.prefault {
            region.populate(self.threads, node, progress)?;
        }
        Ok(region)
    }

    fn advised(&self, len: usize, page: PageSize) -> Result<Mapping, Refusal> {
        let at = |stage| move |errno| Refusal::Rung(stage, errno);
        let shape = Shape {
            len,
            align: unit(page),
            flags: flags(page),
            guarded: self.guards,
        };
        let mapping = Mapping::new(shape).map_err(at(Stage::Map))?;
        match page {
            // Where transparent huge pages are always on, base pages must be asked for; a kernel
            // without them refuses, and has nothing but base pages.
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
        match (self.lock, || lock::lock(mapping)) {
            (LockWish::No, _) => Ok(Lock::Unlocked),
            (LockWish::OrError, lock) => match lock() {
                Ok(()) => Ok(Lock::Locked),
                Err(refused) => Err(Refusal::Lock(refused)),
            },
            (LockWish::OrReport, lock) => Ok(match lock() {
                Ok(()) => Lock::Locked,
                Err(refused) => Lock::Refused(refused),
            }),
        }
    }
}

/// Why a rung was not reached.
enum Refusal {
    Rung(Stage, Errno),
    /// Pages of this size cannot be locked; smaller ones may be.
    Lock(LockError),
    /// Rounded up to pages of this size, the length exceeds the address space.
    TooLong,
    /// No rung has pages on that node.
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

/// How pages of this kind are to be made resident.
pub(super) fn plan(page: PageSize, threads: usize, node: Option<&Node>) -> Plan<'_> {
    Plan {
        threads,
        node,
        page: page_bytes(page),
        // Touching a hugetlb page that is not there would be a SIGBUS.
        touch: !page.is_hugetlb(),
    }
}

/// `len` rounded up to whole pages, if that is an object's length. Transparent huge pages are whole
/// too: a tail of base pages would be the one that misses the TLB.
fn rounded(len: usize, page: PageSize) -> Option<usize> {
    let rounded = len.checked_next_multiple_of(unit(page))?;
    (rounded <= isize::MAX as usize - HUGE).then_some(rounded)
}

/// What lengths and addresses are multiples of.
fn unit(page: PageSize) -> usize {
    match page {
        PageSize::Base => page_bytes(page),
        PageSize::Transparent | PageSize::Huge2M => HUGE,
        PageSize::Huge1G => GIANT,
    }
}

fn page_bytes(page: PageSize) -> usize {
    match page {
        PageSize::Base | PageSize::Transparent => rustix::param::page_size(),
        PageSize::Huge2M => HUGE,
        PageSize::Huge1G => GIANT,
    }
}

fn flags(page: PageSize) -> MapFlags {
    match page {
        PageSize::Base | PageSize::Transparent => MapFlags::empty(),
        PageSize::Huge2M => MapFlags::HUGETLB | MapFlags::HUGE_2MB,
        PageSize::Huge1G => MapFlags::HUGETLB | MapFlags::HUGE_1GB,
    }
}
