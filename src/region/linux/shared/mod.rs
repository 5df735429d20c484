//! Memory that several processes share.

mod copy;
mod error;
mod mapping;

use core::ops::RangeInclusive;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, MemfdFlags, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals,
    fcntl_getfl, fstat, fstatfs, ftruncate, memfd_create,
};
use rustix::io::Errno;

use super::iova::{Iova, IovaError};
use super::mapping::cannot_populate;
use super::page::PageSize;
use super::report::Residency;
pub use error::{AccessError, AttachError, Seal, SharedError, SharedStage};
use mapping::{SharedMapping, WORD};

/// `f_type` of a file in hugetlb pages: statfs(2).
const HUGETLBFS_MAGIC: u32 = 0x9584_58f6;

/// The requests for a shared region: see [`SharedRegion::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `create`"]
pub struct SharedBuilder {
    len: usize,
    page: PageSize,
}

impl SharedBuilder {
    /// The page size, [`PageSize::Base`] or [`PageSize::Huge2M`]. Default: `Base`. There is no step down:
    /// the page size belongs to the file, so it concerns the peers too.
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Makes the file, seals it, maps it, and makes every page resident, following memfd_create(2),
    /// fcntl(2), mmap(2) and madvise(2). About six system calls; O(length), because the kernel zeroes
    /// every page.
    ///
    /// # Errors
    /// [`SharedError`]: `ZeroLength`, `TooLong`, `UnsupportedPage` or `Kernel`. Nothing stays mapped or
    /// open. A request for more memory than the machine has free may start the out-of-memory killer instead.
    pub fn create(self) -> Result<SharedRegion, SharedError> {
        let flags = match self.page {
            PageSize::Base => MemfdFlags::empty(),
            PageSize::Huge2M => MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
            page => return Err(SharedError::UnsupportedPage { page }),
        };
        if self.len == 0 {
            return Err(SharedError::ZeroLength);
        }
        let requested = self.len as u64;
        let len = self.page.round_up(self.len);
        let len = len.ok_or(SharedError::TooLong { requested })?;
        let at = |stage| move |errno| SharedError::Kernel { stage, errno, len };
        let fd = new_memfd(flags).map_err(at(SharedStage::Create))?;
        ftruncate(&fd, len as u64).map_err(at(SharedStage::Resize))?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals).map_err(at(SharedStage::Seal))?;
        let file = SealedFile {
            len,
            page_bytes: self.page.bytes(),
            hugetlb: self.page.is_hugetlb(),
        };
        // SAFETY: the file has this length and is sealed against shrinking.
        let (mapping, residency) = unsafe { file.map(fd.as_fd()) }?;
        Ok(SharedRegion {
            mapping,
            fd,
            file,
            residency,
        })
    }
}

/// Owns a mapping of memory that several processes share, and a descriptor to pass on. `Send` and `Sync`.
///
/// ```text
///      process A                        the kernel                       process B
///   SharedRegion::builder         memfd, len bytes, sealed:          SharedRegion::attach
///        │                        SHRINK │ GROW │ SEAL                     │
///        ▼                     ┌───────────────────────┐                   ▼
///   0x7f11_… ├─ mapping ┤ ────►│ page 0 │ page 1 │ …   │◄──── ├─ mapping ┤ 0x7fa4_…
///                              └───────────────────────┘
///        └── as_fd() ── over a Unix socket (SCM_RIGHTS), or inherited ──► OwnedFd
/// ```
///
/// The memory is a memfd; it lives until the last process drops it. Each process maps it at another
/// address, so processes name places by offset. The length belongs to the file, and the file is sealed
/// against shrinking. A process that attaches checks the seal first and the length afterwards: then no
/// process, the creator included, can take pages from under the mapping, and no access past the end of the
/// file can be a SIGBUS.
///
/// ```
/// use core::sync::atomic::Ordering;
/// use std::os::fd::AsFd;
/// use framepool::SharedRegion;
///
/// let ours = SharedRegion::builder(64 << 10).create()?;
/// // The peer gets the descriptor over a Unix socket, or inherits it.
/// let theirs = SharedRegion::attach(ours.as_fd().try_clone_to_owned()?)?;
///
/// ours.write(4096, b"a record")?;
/// ours.atomics(0, 1)?[0].store(8, Ordering::Release);
///
/// let len = theirs.atomics(0, 1)?[0].load(Ordering::Acquire) as usize;
/// let mut record = vec![0; len.min(64)]; // checked: any peer may have written it
/// theirs.read(4096, &mut record)?;
/// assert_eq!(record, b"a record");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Access
///
/// The other processes may write anything, anywhere, at any time. So safe code gets no `&[u8]` of this
/// memory and no `&[MaybeUninit<u8>]`: both require that the bytes do not change. There are three ways to
/// access it:
///
/// | | for |
/// |---|---|
/// | [`atomics`](Self::atomics) | positions, flags, sequence numbers: `&[AtomicU64]` at an offset |
/// | [`read`](Self::read), [`write`](Self::write) | records: copied out and in, bounds checked |
/// | [`as_ptr`](Self::as_ptr) | your own protocol, in unsafe code |
///
/// All safe access is by whole, aligned 64-bit words. Rust does not define concurrent atomic accesses of
/// different widths to the same bytes; with two widths safe code could make a data race.
///
/// # Trust
///
/// A peer may have written any value: copy a length or an index out first, and check the copy. A peer with
/// the descriptor can also punch holes into the file (fallocate(2)): the bytes there then read as zeros,
/// after a page fault. For 2 MiB pages the access is a SIGBUS if no page is left. Only a seal against all
/// writing would prevent that.
///
/// # A pool over shared memory
///
/// One process can make a [`Pool`](crate::Pool) over the region and tell its peers the offsets of blocks
/// ([`Block::offset`](crate::Block::offset)), which they read. That takes `unsafe`: no type can guarantee
/// what the peers' programs do.
///
/// ```
/// use framepool::{Pool, PoolConfig, SharedRegion};
///
/// let region = SharedRegion::builder(1 << 20).create()?;
/// let (start, len) = (region.as_ptr(), region.len());
/// // SAFETY: the region outlives the pool. No other code here touches it. The peers' programs do not
/// // write, and read a block only after they were told its offset and before they answer.
/// let pool = unsafe { Pool::from_raw(start, len, PoolConfig::fill(2048)) }?;
/// let mut block = pool.alloc()?;
/// block.write(b"seen by the peer at this offset")?;
/// let told = block.offset();
/// # let _ = told;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// The pool's metadata lies in the region too, and the pool trusts it: a peer that writes there corrupts
/// the pool. Two processes must not both make a pool over the same bytes.
#[derive(Debug)]
pub struct SharedRegion {
    mapping: SharedMapping,
    fd: OwnedFd,
    file: SealedFile,
    residency: Residency,
}

impl SharedRegion {
    /// Starts a region of at least `len` zeroed bytes. Nothing is made before [`SharedBuilder::create`].
    pub fn builder(len: usize) -> SharedBuilder {
        SharedBuilder {
            len,
            page: PageSize::Base,
        }
    }

    /// Maps the whole file of a region that another process made, and makes every page resident in this
    /// process too. No byte changes. About six system calls; O(pages).
    ///
    /// Every descriptor is safe to try. But the whole file is made resident, and a sealed file can have any
    /// length without any pages yet. If the peer is not trusted, use
    /// [`attach_within`](Self::attach_within).
    ///
    /// # Errors
    /// [`AttachError`] with the descriptor and the reason: it is not a memfd, lacks [`Seal::Shrink`], is
    /// sealed against writing or not open for it, its length is 0 or not a multiple of its page size, or
    /// the kernel refused.
    pub fn attach(fd: OwnedFd) -> Result<Self, AttachError> {
        Self::attach_within(fd, 0..=usize::MAX)
    }

    /// As [`attach`](Self::attach), and refuses a file whose length is not in `lengths`, before any page
    /// of it is touched or charged to this process.
    ///
    /// # Errors
    /// As for [`attach`](Self::attach), and [`SharedError::UnexpectedLength`].
    ///
    /// ```
    /// use std::os::fd::AsFd;
    /// use framepool::SharedRegion;
    /// use framepool::region::SharedError;
    ///
    /// let large = SharedRegion::builder(1 << 20).create()?;
    /// let fd = large.as_fd().try_clone_to_owned()?;
    /// let error = SharedRegion::attach_within(fd, 4096..=65536).unwrap_err();
    /// let (len, least, most) = (1 << 20, 4096, 65536);
    /// assert_eq!(error.reason(), SharedError::UnexpectedLength { len, least, most });
    /// let region = SharedRegion::attach_within(error.into_fd(), len..=len)?;
    /// assert_eq!(region.len(), len);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn attach_within(fd: OwnedFd, lengths: RangeInclusive<usize>) -> Result<Self, AttachError> {
        let file = match SealedFile::checked(fd.as_fd()).and_then(|file| file.within(&lengths)) {
            Ok(file) => file,
            Err(reason) => return Err(AttachError { reason, fd }),
        };
        // SAFETY: `checked` has read the seal, and then the length.
        match unsafe { file.map(fd.as_fd()) } {
            Ok((mapping, residency)) => Ok(Self {
                mapping,
                fd,
                file,
                residency,
            }),
            Err(reason) => Err(AttachError { reason, fd }),
        }
    }

    /// The first byte. Its address is a multiple of [`page_bytes`](Self::page_bytes). Valid for reads and
    /// writes of [`len`](Self::len) bytes until the region is dropped, while neither this process nor a
    /// peer makes a conflicting access to the same bytes.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.mapping.start()
    }

    /// Bytes mapped: those requested, rounded up to whole pages; for an attached region those of the
    /// file. Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> usize {
        self.file.page_bytes
    }

    /// Whether the administrator set the pages aside (hugetlb). Such pages are never swapped.
    pub fn is_hugetlb(&self) -> bool {
        self.file.hugetlb
    }

    /// What is known about the residency of the pages: `Verified`, or `Unverified` without
    /// `MADV_POPULATE_WRITE` (before Linux 5.14, or in a sandbox that refuses it). There, fallocate(2)
    /// allocated the pages of the file, and each was written to once. Base pages may be swapped out
    /// later.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// Reads the physical addresses of all pages: [`Iova::of`]. They are the same in every process that
    /// attached the region.
    ///
    /// # Errors
    /// As for [`Iova::of`].
    pub fn iova(&self) -> Result<Iova, IovaError> {
        Iova::of(self.as_ptr(), self.len())
    }

    /// Returns `count` words from `offset` bytes on; the offset is a multiple of 8. O(1). To publish a
    /// position, store it with `Release` and load it with `Acquire`.
    ///
    /// Safe code in this process never conflicts with them. If a peer writes parts of a word, the word may
    /// hold any value.
    ///
    /// # Errors
    /// [`AccessError`].
    ///
    /// ```
    /// use core::sync::atomic::Ordering::Relaxed;
    /// use framepool::SharedRegion;
    /// use framepool::region::AccessError;
    ///
    /// let region = SharedRegion::builder(4096).create()?;
    /// let [head, tail] = region.atomics(128, 2)? else { unreachable!() };
    /// head.store(1, Relaxed);
    /// assert_eq!((head.load(Relaxed), tail.load(Relaxed)), (1, 0));
    /// assert_eq!(region.atomics(4, 1).unwrap_err(), AccessError::Misaligned { offset: 4, align: 8 });
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn atomics(&self, offset: usize, count: usize) -> Result<&[AtomicU64], AccessError> {
        if offset % WORD != 0 {
            let align = WORD;
            return Err(AccessError::Misaligned { offset, align });
        }
        self.covering(offset, count.saturating_mul(WORD))
    }

    /// Copies bytes out, with one relaxed load for each word. Bytes that a peer writes at the same time may
    /// be partly old: first load with `Acquire` the flag or position that says that they are complete.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; `out` is unchanged.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), AccessError> {
        let words = self.covering(offset, out.len())?;
        copy::read(words, offset % WORD, out);
        Ok(())
    }

    /// Copies bytes in, with one relaxed store for each word, and a compare-and-swap for a partly written
    /// word at either end. Afterwards store with `Release` the flag or position that says that they are
    /// complete.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; nothing is written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), AccessError> {
        let words = self.covering(offset, bytes.len())?;
        copy::write(words, offset % WORD, bytes);
        Ok(())
    }

    /// The whole region as atomic words, as a `ring::SharedRing` takes them. O(1).
    pub fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// The words that hold `len` bytes from `offset` on.
    fn covering(&self, offset: usize, len: usize) -> Result<&[AtomicU64], AccessError> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len());
        let words = end.and_then(|end| {
            let words = self.mapping.words();
            words.get(offset / WORD..end.div_ceil(WORD))
        });
        words.ok_or(AccessError::OutOfBounds {
            offset,
            len,
            available: self.len(),
        })
    }
}

impl AsFd for SharedRegion {
    /// The memfd, to pass to other processes. It is closed on exec, unless you clear the flag.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The properties of a memfd that is sealed against shrinking.
#[derive(Debug, Clone, Copy)]
struct SealedFile {
    /// Bytes: a multiple of the page size, not 0, at most `isize::MAX`.
    len: usize,
    page_bytes: usize,
    hugetlb: bool,
}

impl SealedFile {
    /// Asks the kernel for the file's properties, and refuses a file that is not safe to map.
    fn checked(fd: BorrowedFd<'_>) -> Result<Self, SharedError> {
        let inspect = |errno| {
            let (stage, len) = (SharedStage::Inspect, 0);
            SharedError::Kernel { stage, errno, len }
        };
        let seals = fcntl_get_seals(fd).map_err(|errno| match errno {
            Errno::INVAL => SharedError::NotMemfd,
            errno => inspect(errno),
        })?;
        if !seals.contains(SealFlags::SHRINK) {
            let seal = Seal::Shrink;
            return Err(SharedError::MissingSeal { seal });
        }
        let forbidden = [
            (SealFlags::WRITE, Seal::Write),
            (SealFlags::FUTURE_WRITE, Seal::FutureWrite),
        ];
        if let Some((_, seal)) = forbidden.into_iter().find(|(s, _)| seals.contains(*s)) {
            return Err(SharedError::WriteSealed { seal });
        }
        if fcntl_getfl(fd).map_err(inspect)? & OFlags::ACCMODE != OFlags::RDWR {
            return Err(SharedError::NotWritable);
        }
        // No process can remove the seal, so from here on the length can only grow.
        let size = u64::try_from(fstat(fd).map_err(inspect)?.st_size).unwrap_or(0);
        let system = fstatfs(fd).map_err(inspect)?;
        let hugetlb = system.f_type as u32 == HUGETLBFS_MAGIC;
        let base = rustix::param::page_size();
        let page_bytes = match usize::try_from(system.f_bsize) {
            Ok(bytes) if hugetlb => bytes.max(base),
            _ => base,
        };
        let whole = SharedError::NotWholePages {
            len: size,
            page_bytes,
        };
        let long = SharedError::TooLong { requested: size };
        match usize::try_from(size).map_err(|_| long)? {
            0 => Err(SharedError::ZeroLength),
            len if len % page_bytes != 0 => Err(whole),
            len if len > isize::MAX as usize => Err(long),
            len => Ok(Self {
                len,
                page_bytes,
                hugetlb,
            }),
        }
    }

    /// Refuses a length that is not in `lengths`.
    fn within(self, lengths: &RangeInclusive<usize>) -> Result<Self, SharedError> {
        if lengths.contains(&self.len) {
            return Ok(self);
        }
        Err(SharedError::UnexpectedLength {
            len: self.len,
            least: *lengths.start(),
            most: *lengths.end(),
        })
    }

    /// Maps the whole file and makes it resident.
    ///
    /// # Safety
    /// `fd` has these properties: at least `len` bytes, sealed against shrinking.
    unsafe fn map(&self, fd: BorrowedFd<'_>) -> Result<(SharedMapping, Residency), SharedError> {
        let len = self.len;
        let at = |stage| move |errno| SharedError::Kernel { stage, errno, len };
        // SAFETY: the caller's promise, and the documented properties of `len`.
        let mapping = unsafe { SharedMapping::new(fd, len) }.map_err(at(SharedStage::Map))?;
        match mapping.populate() {
            Ok(()) => Ok((mapping, Residency::Verified)),
            // Instead, allocate the pages of the file; then it is safe to touch them.
            Err(errno) if cannot_populate(errno) => {
                fallocate(fd, FallocateFlags::empty(), 0, len as u64)
                    .map_err(at(SharedStage::Populate))?;
                mapping.touch(self.page_bytes);
                Ok((mapping, Residency::Unverified))
            }
            Err(errno) => Err(at(SharedStage::Populate)(errno)),
        }
    }
}

/// Makes a memfd that is closed on exec, can be sealed and, since Linux 6.3, can never be executed: some
/// systems refuse any other (`vm.memfd_noexec`).
fn new_memfd(flags: MemfdFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("framepool", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("framepool", flags),
        other => other,
    }
}
