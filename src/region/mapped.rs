//! Anonymous private mappings.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use super::report::{PageSize, RegionReport, Residency, Stage, Step, Steps};
use super::smaps;

/// Bytes of a 2 MiB page.
const HUGE: usize = 2 << 20;

/// No mapping could be had.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MapError {
    /// A mapping of zero bytes was asked for.
    ZeroLength,
    /// The length, rounded up to whole pages, exceeds the address space.
    TooLong {
        /// Bytes asked for.
        requested: usize,
    },
    /// Every rung that was allowed was refused.
    Unavailable {
        /// Bytes asked for.
        requested: usize,
        /// Why, from the top rung down.
        refused: Refused,
    },
}

/// The rungs that were refused, from the top.
#[derive(Debug, Clone)]
pub struct Refused(Steps);

impl Refused {
    /// One entry a rung that was tried.
    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLength => write!(f, "a mapping must have at least one byte"),
            Self::TooLong { requested } => {
                write!(
                    f,
                    "a mapping of {requested} bytes exceeds the address space"
                )
            }
            Self::Unavailable { requested, refused } => {
                write!(f, "{requested} bytes cannot be mapped: {}", refused.0)
            }
        }
    }
}

impl core::error::Error for MapError {}

/// How a mapping is to be made: see [`MappedRegion::builder`].
#[derive(Debug, Clone, Copy)]
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
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }

    /// Maps. A few system calls; with prefault O(length), as the kernel zeroes every page.
    ///
    /// # Errors
    /// [`MapError`] with what was asked for and, for each rung that was tried, where it failed and
    /// the kernel's reason. Nothing stays mapped.
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
                    let (start, len) = (mapping.start.addr().get(), mapping.len);
                    let report = RegionReport {
                        requested,
                        len,
                        page,
                        page_bytes: page_bytes(page),
                        huge_bytes: smaps::huge_bytes(start, len),
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
/// on drop.
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
#[derive(Debug)]
pub struct MappedRegion {
    mapping: Mapping,
    report: RegionReport,
}

impl MappedRegion {
    /// A mapping of at least `len` bytes: 2 MiB pages or what there is, prefaulted.
    pub fn builder(len: usize) -> MapBuilder {
        MapBuilder {
            len,
            page: PageSize::Huge2M,
            force: false,
            prefault: true,
        }
    }

    /// The first byte.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.mapping.start
    }

    /// Bytes mapped: those asked for, rounded up to whole pages. Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.mapping.len
    }

    /// All bytes.
    pub fn as_uninit(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the invariant of `Mapping`.
        unsafe { NonNull::slice_from_raw_parts(self.as_ptr().cast(), self.len()).as_ref() }
    }

    /// All bytes, to write, or to split into regions for several pools.
    pub fn as_uninit_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the invariant of `Mapping`, and `&mut self` is the only way.
        unsafe { NonNull::slice_from_raw_parts(self.as_ptr().cast(), self.len()).as_mut() }
    }

    /// What the mapping became, and why.
    pub fn report(&self) -> &RegionReport {
        &self.report
    }
}

/// A mapping, unmapped on drop.
///
/// # Invariants
/// `len` bytes at `start` are one readable and writable private mapping, whole pages, which nothing
/// else unmaps or knows of.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives an address and a length.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(len: usize, flags: MapFlags) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | flags;
        // SAFETY: a new mapping where the kernel finds room; nothing existing is replaced.
        let start = unsafe { mmap_anonymous(core::ptr::null_mut(), len, access, flags) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// Cuts the mapping down to `len` bytes from its first multiple of `align`.
    fn trim(self, len: usize, align: usize) -> Result<Self, Errno> {
        let lead = self.start.addr().get().wrapping_neg() & (align - 1);
        let Some(tail) = self.len.checked_sub(lead + len) else {
            return Err(Errno::INVAL);
        };
        // SAFETY: lead, kept part and tail make up the mapping; each is whole pages, since `align`
        // and `len` are.
        unsafe {
            let kept = Self {
                start: self.start.add(lead),
                len,
            };
            let parts = [(self.start, lead), (kept.start.add(len), tail)];
            core::mem::forget(self);
            for (start, len) in parts {
                if len > 0 {
                    munmap(start.as_ptr().cast(), len)?;
                }
            }
            Ok(kept)
        }
    }

    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the mapping is ours; the advice changes no byte of it.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, advice) }
    }

    /// Makes every page resident, or says why not.
    fn populate(&self, page: PageSize) -> Result<Residency, Errno> {
        match self.advise(Advice::LinuxPopulateWrite) {
            Ok(()) => Ok(Residency::Verified),
            // A kernel before 5.14. Touching a hugetlb page that is not there would be a SIGBUS.
            Err(Errno::INVAL) if page != PageSize::Huge2M => {
                for at in (0..self.len).step_by(page_bytes(PageSize::Base)) {
                    // SAFETY: inside the mapping, which nobody else knows of yet.
                    unsafe { self.start.add(at).write_volatile(0) };
                }
                Ok(Residency::Unverified)
            }
            Err(errno) => Err(errno),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the invariant; whoever borrowed from the mapping is gone.
        // It can fail only if the invariant does not hold, and there is nothing to be done then.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// One rung: maps, advises, populates.
fn map_rung(
    len: usize,
    page: PageSize,
    prefault: bool,
) -> Result<(Mapping, Residency), (Stage, Errno)> {
    let at = |stage| move |errno| (stage, errno);
    let mapping = match page {
        PageSize::Base => {
            let mapping = Mapping::new(len, MapFlags::empty()).map_err(at(Stage::Map))?;
            // Where transparent huge pages are always on, base pages must be asked for; a kernel
            // without them refuses, and has nothing but base pages.
            let _ = mapping.advise(Advice::LinuxNoHugepage);
            mapping
        }
        PageSize::Transparent => {
            // Room to move to a multiple of the page that is hoped for.
            let room = len.checked_add(HUGE).ok_or((Stage::Map, Errno::NOMEM))?;
            let mapping = Mapping::new(room, MapFlags::empty())
                .and_then(|mapping| mapping.trim(len, HUGE))
                .map_err(at(Stage::Map))?;
            mapping
                .advise(Advice::LinuxHugepage)
                .map_err(at(Stage::Advise))?;
            mapping
        }
        PageSize::Huge2M => {
            let flags = MapFlags::HUGETLB | MapFlags::HUGE_2MB;
            Mapping::new(len, flags).map_err(at(Stage::Map))?
        }
    };
    let residency = if prefault {
        mapping.populate(page).map_err(at(Stage::Populate))?
    } else {
        Residency::OnDemand
    };
    Ok((mapping, residency))
}

/// `len` rounded up to whole pages, if that is an object's length. Transparent huge pages are whole
/// too: a tail of base pages would be the one that faults.
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
