//! Memory that two processes share: a memfd, sealed so that touching it can never be a SIGBUS for want of
//! file, mapped by each of them wherever its kernel finds room.
//!
//! ```text
//!      process A                        the kernel                       process B
//!   SharedRegion::builder         memfd, len bytes, sealed:          SharedRegion::attach
//!        │                        SHRINK │ GROW │ SEAL                     │
//!        ▼                     ┌───────────────────────┐                   ▼
//!   0x7f11_… ├─ Window ─┤ ────►│ page 0 │ page 1 │ …   │◄──── ├─ Window ─┤ 0x7fa4_…
//!                              └───────────────────────┘
//!        └── as_fd() ── over a Unix socket (SCM_RIGHTS), or inherited ──► OwnedFd
//! ```
//!
//! The addresses differ, so processes name places by offset. The length is part of the file: it is set,
//! then sealed, then relied on, and a process that attaches checks the seal before it asks for the length:
//! from then on no one, the creator included, can take a page from under the mapping by making the file
//! shorter.
//!
//! What safe code may do follows from what the other process may do: write anything, anywhere, at any
//! time. No `&[u8]` of such memory can be given out, nor `&[MaybeUninit<u8>]`: both promise that bytes do
//! not change meanwhile. There are three ways in:
//!
//! | | for |
//! |---|---|
//! | [`SharedRegion::atomics`] | positions, flags, sequence numbers: `&[AtomicU64]` at an offset |
//! | [`SharedRegion::read`], [`SharedRegion::write`] | records: copied out and in, bounds checked |
//! | [`SharedRegion::as_ptr`] | a protocol of one's own, in unsafe code |
//!
//! All safe access goes by whole, aligned 64-bit words. Rust has no meaning for atomic accesses of
//! different widths to the same bytes at the same time, so two safe ways with two widths would be a
//! data race that safe code can write.
//!
//! **Trust.** Whatever is read is the peer's word: a length or an index must be checked after it was
//! copied out, not before. A peer with the descriptor can also punch holes into the file (fallocate(2)):
//! what was there reads as zeros, by a page fault; 2 MiB pages punched out while others are short of them
//! cannot be had again, which is a SIGBUS. Only a seal against all writing would prevent that.

mod error;
mod window;

use core::ops::RangeInclusive;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    FallocateFlags, MemfdFlags, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals,
    fcntl_getfl, fstat, fstatfs, ftruncate, memfd_create,
};
use rustix::io::Errno;

use super::mapping::cannot_populate;
pub use error::{AccessError, AttachError, Seal, SharedError, SharedStage};
use window::{WORD, Window};

use crate::region::{PageSize, Residency};

/// Bytes of a 2 MiB page.
const HUGE: usize = 2 << 20;

/// `f_type` of a file in huge pages: statfs(2).
const HUGETLBFS_MAGIC: u32 = 0x9584_58f6;

/// How a shared region is to be made: see [`SharedRegion::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is made before `create`"]
pub struct SharedBuilder {
    len: usize,
    page: PageSize,
}

impl SharedBuilder {
    /// [`PageSize::Base`] unless told, or [`PageSize::Huge2M`]: these or an error. The choice is not
    /// left to a ladder, since it is the file's, and so the peer's as well.
    pub fn page(mut self, page: PageSize) -> Self {
        self.page = page;
        self
    }

    /// Makes the file, seals it, maps it, and makes every page resident, following memfd_create(2),
    /// fcntl(2), mmap(2) and madvise(2). About six system calls; O(length), as the kernel zeroes
    /// every page.
    ///
    /// # Errors
    /// [`SharedError`]: `ZeroLength`, `TooLong`, `UnsupportedPage` or `Kernel`. Nothing stays mapped or
    /// open. No error can tell of the out-of-memory killer, which asking for more than the machine has
    /// free may call up.
    pub fn create(self) -> Result<SharedRegion, SharedError> {
        let (unit, flags) = match self.page {
            PageSize::Base => (rustix::param::page_size(), MemfdFlags::empty()),
            PageSize::Huge2M => (HUGE, MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB),
            page => return Err(SharedError::UnsupportedPage { page }),
        };
        if self.len == 0 {
            return Err(SharedError::ZeroLength);
        }
        let requested = self.len as u64;
        let len = rounded(self.len, unit).ok_or(SharedError::TooLong { requested })?;
        let at = |stage| move |errno| SharedError::Kernel { stage, errno, len };
        let fd = new_memfd(flags).map_err(at(SharedStage::Create))?;
        ftruncate(&fd, len as u64).map_err(at(SharedStage::Resize))?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals).map_err(at(SharedStage::Seal))?;
        let file = File {
            len,
            page_bytes: unit,
            hugetlb: self.page == PageSize::Huge2M,
        };
        // SAFETY: the file has just been given its length and sealed against shrinking.
        let (window, residency) = unsafe { file.map(fd.as_fd()) }?;
        Ok(SharedRegion {
            window,
            fd,
            file,
            residency,
        })
    }
}

/// Owns a mapping of memory that other processes may have mapped too, and a descriptor to hand on. The
/// memory lives until the last of them is gone. `Send` and `Sync`.
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
/// let mut record = vec![0; len.min(64)]; // whoever else wrote it: checked
/// theirs.read(4096, &mut record)?;
/// assert_eq!(record, b"a record");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # A pool over shared memory
///
/// One process can run a [`Pool`](crate::Pool) over the region and tell its peers offsets
/// ([`Block::offset`](crate::Block::offset)), which they read. That takes a promise that no type can
/// make, about what the peers' programs do:
///
/// ```
/// use framepool::{Pool, PoolConfig, SharedRegion};
///
/// let region = SharedRegion::builder(1 << 20).create()?;
/// let (start, len) = (region.as_ptr(), region.len());
/// // SAFETY: the region outlives the pool. No other code here touches it. The peers run programs that
/// // write nowhere, and read a block only between being told of it and answering.
/// let pool = unsafe { Pool::from_raw(start, len, PoolConfig::fill(2048)) }?;
/// let mut block = pool.alloc()?;
/// block.write(b"seen by the peer at this offset")?;
/// let told = block.offset();
/// # let _ = told;
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// The pool's metadata lies in the region as well and is trusted: a peer that writes there makes the
/// pool hand out anything. Two processes cannot each build a pool over the same bytes.
#[derive(Debug)]
pub struct SharedRegion {
    window: Window,
    fd: OwnedFd,
    file: File,
    residency: Residency,
}

impl SharedRegion {
    /// A region of at least `len` bytes, zeroed. Nothing is made before [`SharedBuilder::create`].
    pub fn builder(len: usize) -> SharedBuilder {
        SharedBuilder {
            len,
            page: PageSize::Base,
        }
    }

    /// Maps what another process made, all of it, and makes every page resident here too. No byte
    /// changes. About six system calls; O(pages).
    ///
    /// Any descriptor may be tried, whoever sent it; but a file of any length is made resident, and one
    /// that is sealed can be as long as its sender likes and have no page yet. From a peer that is not
    /// trusted: [`attach_within`](Self::attach_within).
    ///
    /// # Errors
    /// [`AttachError`] with the descriptor and the reason: it is of no memfd, lacks
    /// [`Seal::Shrink`], is sealed against writing or not open for it, is empty or no whole pages, or
    /// the kernel refused.
    pub fn attach(fd: OwnedFd) -> Result<Self, AttachError> {
        Self::attach_within(fd, 0..=usize::MAX)
    }

    /// As [`attach`](Self::attach), for a file of so many bytes only: checked before a page of it is
    /// touched, or charged to this process.
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
        let file = match File::checked(fd.as_fd()).and_then(|file| file.within(&lengths)) {
            Ok(file) => file,
            Err(reason) => return Err(AttachError { reason, fd }),
        };
        // SAFETY: `checked` has seen the seal, and the length after it.
        match unsafe { file.map(fd.as_fd()) } {
            Ok((window, residency)) => Ok(Self {
                window,
                fd,
                file,
                residency,
            }),
            Err(reason) => Err(AttachError { reason, fd }),
        }
    }

    /// The first byte: a multiple of [`page_bytes`](Self::page_bytes). Good for reads and writes of
    /// [`len`](Self::len) bytes until the region is dropped, by whoever sees to it that neither this
    /// process nor a peer accesses the same bytes meanwhile in a way that conflicts.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.window.start()
    }

    /// Bytes mapped: those asked for, rounded up to whole pages; for an attached region those of the
    /// file. Never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> usize {
        self.file.page_bytes
    }

    /// Whether the pages were set aside by the administrator (hugetlb): never swapped.
    pub fn is_hugetlb(&self) -> bool {
        self.file.hugetlb
    }

    /// What is known about the pages' being there: `Verified`, or `Unverified` without
    /// `MADV_POPULATE_WRITE` (before Linux 5.14, or in a sandbox that refuses it), where the file was given its pages by fallocate(2)
    /// and each was written to once. Base pages may be swapped out later.
    pub fn residency(&self) -> Residency {
        self.residency
    }

    /// `count` words from `offset` bytes on, which is a multiple of 8. O(1). For a position that is
    /// published, store with `Release` and load with `Acquire`.
    ///
    /// Safe code in this process never conflicts with them; a peer that writes parts of a word makes it
    /// hold anything.
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

    /// Copies bytes out, by one relaxed load for each word that they lie in. What the peer writes
    /// meanwhile may be half there: an acquire load of whatever tells that they are complete comes
    /// before.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; `out` is as it was.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), AccessError> {
        let words = self.covering(offset, out.len())?;
        window::read(words, offset % WORD, out);
        Ok(())
    }

    /// Copies bytes in, by one relaxed store for each word, and a compare-and-swap for a word at
    /// either end of which only a part is written. A release store of whatever tells that they are
    /// complete comes after.
    ///
    /// # Errors
    /// [`AccessError::OutOfBounds`]; nothing is written.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), AccessError> {
        let words = self.covering(offset, bytes.len())?;
        window::write(words, offset % WORD, bytes);
        Ok(())
    }

    /// The whole region as atomic words, as a `ring::SharedRing` takes them. O(1).
    pub fn words(&self) -> &[AtomicU64] {
        self.covering(0, self.len()).unwrap_or_default()
    }

    /// The words that hold `len` bytes from `offset` on.
    fn covering(&self, offset: usize, len: usize) -> Result<&[AtomicU64], AccessError> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len());
        let words = end.and_then(|end| {
            let words = self.window.words();
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
    /// The memfd, to be passed on. It is closed on exec unless the flag is cleared.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What is known of a memfd that is sealed against shrinking.
#[derive(Debug, Clone, Copy)]
struct File {
    /// Bytes: whole pages, not 0, at most `isize::MAX`.
    len: usize,
    page_bytes: usize,
    hugetlb: bool,
}

impl File {
    /// Asks the kernel whether the file can be mapped and relied on.
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
        // A seal is for ever: having seen it, the length can only grow.
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

    /// It, if its length is one of those.
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

    /// Maps all of it and makes it resident.
    ///
    /// # Safety
    /// This is what `fd` is: at least `len` bytes, sealed against shrinking.
    unsafe fn map(&self, fd: BorrowedFd<'_>) -> Result<(Window, Residency), SharedError> {
        let len = self.len;
        let at = |stage| move |errno| SharedError::Kernel { stage, errno, len };
        // SAFETY: the caller's promise, and what `len` is.
        let window = unsafe { Window::new(fd, len) }.map_err(at(SharedStage::Map))?;
        match window.populate() {
            Ok(()) => Ok((window, Residency::Verified)),
            // The file can be asked for its pages instead, which are then there to be touched.
            Err(errno) if cannot_populate(errno) => {
                fallocate(fd, FallocateFlags::empty(), 0, len as u64)
                    .map_err(at(SharedStage::Populate))?;
                window.touch(self.page_bytes);
                Ok((window, Residency::Unverified))
            }
            Err(errno) => Err(at(SharedStage::Populate)(errno)),
        }
    }
}

/// A memfd that is closed on exec, can be sealed and, where the kernel knows that (Linux 6.3), never be
/// executed: some systems make no other (`vm.memfd_noexec`).
fn new_memfd(flags: MemfdFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("framepool", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("framepool", flags),
        other => other,
    }
}

/// `len` rounded up to whole pages, if that is an object's length.
fn rounded(len: usize, page: usize) -> Option<usize> {
    let rounded = len.checked_next_multiple_of(page)?;
    (rounded <= isize::MAX as usize).then_some(rounded)
}
