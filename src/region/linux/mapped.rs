//! The mapped region that safe code holds.

use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::boxed::Box;
use std::vec::Vec;

use rustix::io::Errno;

use super::error::ReleaseError;
use super::hints::{Fork, HintError};
use super::iova::{Iova, IovaError};
use super::lock::{self, Lock, LockError};
use super::mapping::Mapping;
use super::numa::{self, Node, NodeRun};
use super::page::PageSize;
use super::prefault::{Plan, PrefaultError, Progress};
use super::report::{Placed, RegionReport, Residency};
use super::smaps;

/// Owns an anonymous private mapping: zeroed memory, aligned to its pages, unmapped on drop. `Send` and
/// `Sync`: a mapping belongs to the process.
///
/// ```
/// use framepool::{MappedRegion, Pool, PoolConfig};
/// use framepool::region::Residency;
///
/// let region = MappedRegion::builder(8 << 20).map()?;
/// assert!(region.len() >= 8 << 20);
/// assert_ne!(region.report().residency(), Residency::OnDemand);
///
/// // The pool owns the mapping; both move to the other thread.
/// let pool = Pool::over_mapping(region, PoolConfig::fill(2048))?;
/// let sum = std::thread::spawn(move || pool.capacity()).join().unwrap();
/// assert!(sum > 3900);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// A slice of a region does not outlive it:
///
/// ```compile_fail,E0505
/// let mut region = framepool::MappedRegion::builder(4096).map().unwrap();
/// let bytes = region.as_uninit_mut();
/// drop(region);
/// bytes[0].write(1);
/// ```
///
/// Its pages are not released while something borrows them:
///
/// ```compile_fail,E0499
/// # use framepool::{MappedRegion, Pool, PoolConfig};
/// let mut region = MappedRegion::builder(1 << 20).map().unwrap();
/// let pool = Pool::new(region.as_uninit_mut(), PoolConfig::fill(2048)).unwrap();
/// region.release().unwrap();
/// drop(pool);
/// ```
///
/// A pool that owns its region keeps it:
///
/// ```compile_fail,E0382
/// # use framepool::{MappedRegion, Pool, PoolConfig};
/// let mut region = MappedRegion::builder(1 << 20).map().unwrap();
/// let pool = Pool::over_mapping(region, PoolConfig::fill(2048));
/// region.release().unwrap();
/// ```
#[derive(Debug)]
pub struct MappedRegion {
    mapping: Mapping,
    report: Box<RegionReport>,
    node: Option<u32>,
}

impl MappedRegion {
    pub(super) fn new(mapping: Mapping, report: RegionReport, node: Option<u32>) -> Self {
        Self {
            mapping,
            report: Box::new(report),
            node,
        }
    }

    /// The first byte. Its address is a multiple of 1 GiB for pages of that size, of 2 MiB for the two
    /// other kinds of huge pages, otherwise of a base page. Valid for reads and writes of
    /// [`len`](Self::len) bytes until the region is dropped, while no slice of the region is borrowed.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.mapping.start()
    }

    /// Bytes mapped: those requested, rounded up to whole pages (to 2 MiB for transparent huge pages).
    /// Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// All bytes; those never written are zero. O(1).
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        self.mapping.bytes()
    }

    /// All bytes, to write, or to split into regions for several pools. O(1).
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.mapping.bytes_mut()
    }

    /// What the kernel granted, and why.
    pub fn report(&self) -> &RegionReport {
        &self.report
    }

    /// Returns the NUMA node of each page, in order, with neighbours on the same node merged:
    /// move_pages(2). One system call for each 512 pages.
    ///
    /// # Errors
    /// The kernel's reason, on a machine with several nodes: `EPERM` in some containers, `ENOSYS` from a
    /// kernel without the call.
    ///
    /// ```
    /// let region = framepool::MappedRegion::builder(1 << 20).map()?;
    /// for run in region.page_nodes()? {
    ///     println!("{} bytes at {} on node {:?}", run.len, run.offset, run.node);
    /// }
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn page_nodes(&self) -> Result<Vec<NodeRun>, Errno> {
        numa::page_nodes(&self.mapping, self.report.page_bytes())
    }

    /// Reads the physical addresses of all pages: [`Iova::of`].
    ///
    /// # Errors
    /// As for [`Iova::of`].
    pub fn iova(&self) -> Result<Iova, IovaError> {
        Iova::of(self.as_ptr(), self.len())
    }

    /// Locks every page in memory, those that are resident now and those that become so later: mlock2(2)
    /// with `MLOCK_ONFAULT`. It makes no page resident; call [`prefault`](Self::prefault) for that. One
    /// system call, O(pages).
    ///
    /// # Errors
    /// [`LockError`] with the limit. The region stays usable.
    pub fn lock(&mut self) -> Result<(), LockError> {
        lock::lock(&self.mapping)?;
        self.report.lock = Lock::Locked;
        Ok(())
    }

    /// Unlocks the pages, if they are locked: munlock(2).
    ///
    /// # Errors
    /// The kernel's reason: `ENOMEM` in a process at its limit of mappings. The region stays locked.
    pub fn unlock(&mut self) -> Result<(), Errno> {
        self.mapping.unlock()?;
        self.report.lock = Lock::Unlocked;
        Ok(())
    }

    /// Sets what children of `fork` find here from now on. One or two system calls.
    ///
    /// # Errors
    /// [`HintError`]. Pages of 2 MiB and 1 GiB always refuse [`Fork::Wiped`].
    pub fn set_fork(&mut self, fork: Fork) -> Result<(), HintError> {
        let set = self.mapping.set_fork(fork);
        set.map_err(|errno| HintError::Fork { fork, errno })
    }

    /// Sets whether core dumps contain the region from now on. One system call.
    ///
    /// # Errors
    /// [`HintError`].
    pub fn set_dump(&mut self, dump: bool) -> Result<(), HintError> {
        let set = self.mapping.set_dump(dump);
        set.map_err(|errno| HintError::Dump { dump, errno })
    }

    /// Returns all pages to the kernel (`MADV_DONTNEED`, madvise(2)); the addresses stay mapped. Every
    /// byte is zero afterwards, also through a pointer from [`as_ptr`](Self::as_ptr). The next touch of
    /// each page is a page fault; [`prefault`](Self::prefault) makes all pages resident again. One system
    /// call, O(pages).
    ///
    /// Pages of 2 MiB and 1 GiB return to those that are set aside. Newer kernels keep them reserved for
    /// this region until it is dropped. On older kernels other processes can take them: then a touch is
    /// a SIGBUS, and `prefault` an error.
    ///
    /// # Errors
    /// [`ReleaseError`]: the region is locked, or the kernel refused. No page was released.
    ///
    /// ```
    /// use framepool::MappedRegion;
    /// use framepool::region::Residency;
    ///
    /// let mut region = MappedRegion::builder(1 << 20).map()?;
    /// region.release()?;
    /// assert_eq!(region.report().residency(), Residency::OnDemand);
    /// region.prefault()?;
    /// assert_ne!(region.report().residency(), Residency::OnDemand);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn release(&mut self) -> Result<(), ReleaseError> {
        if self.report.lock == Lock::Locked {
            return Err(ReleaseError::Locked);
        }
        let page = self.report.page;
        let released = self.mapping.release();
        released.map_err(|errno| ReleaseError::Refused { page, errno })?;
        self.on_demand();
        Ok(())
    }

    /// Makes every page resident that is not: on the calling thread, or on a thread on the node that
    /// [`MapBuilder::node`](super::MapBuilder::node) requested. The bytes keep their values. O(length) at
    /// most.
    ///
    /// # Errors
    /// [`PrefaultError`] with the number of bytes done. The report then says [`Residency::OnDemand`].
    pub fn prefault(&mut self) -> Result<(), PrefaultError> {
        self.prefault_with(1, |_| {})
    }

    /// As [`prefault`](Self::prefault) on several threads, with a callback: see
    /// [`MapBuilder::prefault_threads`](super::MapBuilder::prefault_threads) and
    /// [`MapBuilder::map_with`](super::MapBuilder::map_with).
    ///
    /// # Errors
    /// As for `prefault`.
    pub fn prefault_with(
        &mut self,
        threads: usize,
        mut progress: impl FnMut(Progress),
    ) -> Result<(), PrefaultError> {
        let node = self.node.map(Node::find).transpose();
        let node = node.map_err(PrefaultError::Node)?;
        self.populate(threads, node.as_ref(), &mut progress)
    }

    /// Makes every page resident, and updates the report.
    pub(super) fn populate(
        &mut self,
        threads: usize,
        node: Option<&Node>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PrefaultError> {
        self.on_demand();
        let page = self.report.page;
        let plan = Plan {
            threads,
            node,
            page,
        };
        let done = plan.run(self.mapping.bytes_mut(), progress)?;
        self.report.residency = done.residency;
        self.report.threads = done.threads;
        self.count_huge();
        self.report.placed = self.node.map(|node| Placed {
            node,
            bytes: self.bytes_on(node),
        });
        Ok(())
    }

    fn on_demand(&mut self) {
        self.report.residency = Residency::OnDemand;
        self.report.threads = 0;
        self.report.huge_bytes = Some(0);
        self.report.collapse = None;
        self.report.placed = None;
    }

    /// Counts the bytes in huge pages, after merging base pages that the kernel gave in place of
    /// transparent huge pages. Only a transparent mapping can have both, so only there the kernel is asked.
    fn count_huge(&mut self) {
        let len = self.mapping.len();
        let count = || smaps::huge_bytes(self.mapping.start().addr().get(), len);
        self.report.huge_bytes = match self.report.page {
            PageSize::Base => Some(0),
            // Verified: `populate` touches no such page.
            PageSize::Huge2M | PageSize::Huge1G => Some(len),
            PageSize::Transparent => match count() {
                Some(huge) if huge == len => Some(len),
                _ => {
                    self.report.collapse = self.mapping.collapse().err();
                    count()
                }
            },
        };
    }

    fn bytes_on(&self, node: u32) -> Option<usize> {
        let runs = self.page_nodes().ok()?;
        let on_node = runs.iter().filter(|run| run.node == Some(node));
        Some(on_node.map(|run| run.len).sum())
    }
}
