//! The region that safe code holds, and the ladder that it comes down.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::MapFlags;

use super::error::{MapError, Refused};
use super::mapping::Mapping;
use super::report::{PageSize, RegionReport, Residency, Stage, Step, Steps};
use super::smaps;

/// Bytes of a 2 MiB page.
const HUGE: usize = 2 << 20;

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
// Not `Copy`: a progress callback will not be.
#[derive(Debug, Clone)]
#[must_use = "nothing is mapped before `map`"]
pub struct MapBuilder {
    len: usize,
    page: PageSize,
    force: bool,
    prefault: bool,
}

impl MapBuilder {
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
    /// Without it each page comes with its first touch, a page fault. A 2 MiB page that cannot be had
    /// then (a cgroup's limit, a child of `fork`) is a SIGBUS.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// What was asked for so far: bytes, the top rung, whether it is forced, whether pages are prefaulted.
    #[cfg(feature = "defmt")]
    pub(crate) fn parts(&self) -> (usize, PageSize, bool, bool) {
        (self.len, self.page, self.force, self.prefault)
    }

    /// Maps, following mmap(2) and madvise(2). Up to five system calls a rung; with prefault
    /// O(length), as the kernel zeroes every page, and for huge pages one read of `/proc/self/smaps`,
    /// O(memory of the process).
    ///
    /// On a kernel without `MADV_POPULATE_WRITE` (before Linux 5.14) pages are prefaulted by touching
    /// them, and the report says [`Residency::Unverified`]. 2 MiB pages (hugetlb) are never touched
    /// unverified: with prefault that rung is refused there (`populate: EINVAL`), and to have them all
    /// the same is to say `prefault(false)`.
    ///
    /// # Errors
    /// [`MapError`] with what was asked for and, for each rung that was tried, where it failed and
    /// the kernel's reason. Nothing stays mapped. No error can tell of the out-of-memory killer, which
    /// a prefault of more than the machine has free may call up where memory is overcommitted.
    pub fn map(self) -> Result<MappedRegion, MapError> {
        let requested = self.len;
        if requested == 0 {
            return Err(MapError::ZeroLength);
        }
        let mut steps = Steps::default();
        let mut rung = Some(self.page);
        while let Some(page) = rung {
            let len = rounded(requested, page).ok_or(MapError::TooLong { requested })?;
            match map_rung(len, page, self.prefault) {
                Ok((mapping, residency)) => {
                    let report = RegionReport {
                        requested,
                        len,
                        page,
                        page_bytes: page_bytes(page),
                        huge_bytes: huge_bytes(&mapping, page, residency),
                        residency,
                        steps,
                    };
                    return Ok(MappedRegion { mapping, report });
                }
                Err((stage, errno)) => steps.add(Step { page, stage, errno }),
            }
            rung = if self.force { None } else { page.below() };
        }
        let refused = Refused(steps);
        Err(MapError::Unavailable { requested, refused })
    }
}

/// Owns an anonymous private mapping: zeroed memory, aligned to its pages, that the kernel takes back
/// on drop. `Send` and `Sync`: a mapping belongs to the process.
///
/// After a `fork` the pages are shared copy-on-write with the child, whatever was prefaulted: the
/// first write to each is a page fault again.
///
/// ```
/// use framepool::{MappedRegion, Pool, PoolConfig};
/// use framepool::region::Residency;
///
/// let region = MappedRegion::builder(8 << 20).map()?;
/// assert!(region.len() >= 8 << 20);
/// assert_ne!(region.report().residency(), Residency::OnDemand);
///
/// // A pool owns the mapping, and moves between threads with it.
/// let pool = Pool::over_mapping(region, PoolConfig::fill(2048)).map_err(|(e, _)| e)?;
/// let sum = std::thread::spawn(move || pool.capacity()).join().unwrap();
/// assert!(sum > 3900);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// What is borrowed from a region does not outlive it:
///
/// ```compile_fail,E0505
/// let mut region = framepool::MappedRegion::builder(4096).map().unwrap();
/// let bytes = region.as_uninit_mut();
/// drop(region);
/// bytes[0].write(1);
/// ```
#[derive(Debug)]
pub struct MappedRegion {
    mapping: Mapping,
    report: RegionReport,
}

impl MappedRegion {
    /// A mapping of at least `len` bytes: 2 MiB pages or what there is, prefaulted. Nothing is mapped
    /// before [`MapBuilder::map`].
    pub fn builder(len: usize) -> MapBuilder {
        MapBuilder {
            len,
            page: PageSize::Huge2M,
            force: false,
            prefault: true,
        }
    }

    /// The first byte: a multiple of 2 MiB for both kinds of huge pages, else of a base page. Good
    /// for reads and writes of [`len`](Self::len) bytes until the region is dropped, by whoever sees
    /// to it that no slice of the region is borrowed meanwhile.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.mapping.start()
    }

    /// Bytes mapped: those asked for, rounded up to whole pages (of 2 MiB for both kinds of huge
    /// pages). Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// All bytes: zeros where nobody wrote. O(1).
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        self.mapping.bytes()
    }

    /// All bytes, to write, or to split into regions for several pools. O(1).
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.mapping.bytes_mut()
    }

    /// What the mapping became, and why.
    pub fn report(&self) -> &RegionReport {
        &self.report
    }
}

/// One rung: maps, advises, populates.
fn map_rung(
    len: usize,
    page: PageSize,
    prefault: bool,
) -> Result<(Mapping, Residency), (Stage, Errno)> {
    let at = |stage| move |errno| (stage, errno);
    let mut mapping = match page {
        PageSize::Base => {
            let mapping = Mapping::new(len, MapFlags::empty()).map_err(at(Stage::Map))?;
            // Where transparent huge pages are always on, base pages must be asked for; a kernel
            // without them refuses, and has nothing but base pages.
            let _ = mapping.prefer_base();
            mapping
        }
        PageSize::Transparent => {
            let mapping = Mapping::aligned(len, HUGE).map_err(at(Stage::Map))?;
            mapping.prefer_huge().map_err(at(Stage::Advise))?;
            mapping
        }
        PageSize::Huge2M => {
            let flags = MapFlags::HUGETLB | MapFlags::HUGE_2MB;
            Mapping::new(len, flags).map_err(at(Stage::Map))?
        }
    };
    let residency = if prefault {
        populate(&mut mapping, page).map_err(at(Stage::Populate))?
    } else {
        Residency::OnDemand
    };
    Ok((mapping, residency))
}

/// Makes every page resident, or says why not.
fn populate(mapping: &mut Mapping, page: PageSize) -> Result<Residency, Errno> {
    match mapping.populate() {
        Ok(()) => Ok(Residency::Verified),
        // A kernel before 5.14. Touching a hugetlb page that is not there would be a SIGBUS.
        Err(Errno::INVAL) if page != PageSize::Huge2M => {
            mapping.touch(page_bytes(page));
            Ok(Residency::Unverified)
        }
        Err(errno) => Err(errno),
    }
}

/// Bytes in huge pages. The kernel is asked only where there can be any.
fn huge_bytes(mapping: &Mapping, page: PageSize, residency: Residency) -> Option<usize> {
    if page == PageSize::Base || residency == Residency::OnDemand {
        return Some(0);
    }
    smaps::huge_bytes(mapping.start().addr().get(), mapping.len())
}

/// `len` rounded up to whole pages, if that is an object's length. Transparent huge pages are whole
/// too: a tail of base pages would be the one that misses the TLB.
fn rounded(len: usize, page: PageSize) -> Option<usize> {
    let unit = match page {
        PageSize::Base => page_bytes(page),
        PageSize::Transparent | PageSize::Huge2M => HUGE,
    };
    let rounded = len.checked_next_multiple_of(unit)?;
    (rounded <= isize::MAX as usize - HUGE).then_some(rounded)
}

fn page_bytes(page: PageSize) -> usize {
    match page {
        PageSize::Base | PageSize::Transparent => rustix::param::page_size(),
        PageSize::Huge2M => HUGE,
    }
}
