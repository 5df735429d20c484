//! The owner of a shared mapping: all unsafe calls into the kernel, and the only access to the bytes.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// Bytes of a word: all access is by words.
pub(super) const WORD: usize = size_of::<AtomicU64>();

/// A shared mapping of a file from its start, unmapped on drop.
///
/// # Invariants
/// 1. `len` bytes at `start` are mapped, readable and writable; `start` may access them all.
/// 2. The file is at least `len` bytes long and can never become shorter, so no access is past its end.
/// 3. Nothing else unmaps, remaps or protects any of it: the kernel chose `start` where nothing was
///    mapped, and it leaves this module only as a pointer or in a borrow.
/// 4. `start` is a multiple of a page, and `0 < len <= isize::MAX` of a word.
/// 5. Safe code reaches the bytes only as `AtomicU64`s, each at a multiple of 8. So all code in this
///    process that writes to them, through this mapping or another one of the same file, writes the same
///    words. Writes of other processes are outside the program: for it, the words just change.
#[derive(Debug)]
pub(super) struct SharedMapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it (invariant 1 holds on any
// thread), and by invariant 3 only this value unmaps it.
unsafe impl Send for SharedMapping {}
// SAFETY: `&SharedMapping` permits atomic accesses of one width (invariant 5), and a call that makes the
// kernel back the bytes, which changes none of them.
unsafe impl Sync for SharedMapping {}

impl SharedMapping {
    /// Maps the first `len` bytes of a file.
    ///
    /// # Safety
    /// The file is at least `len` bytes long and can never become shorter; `len` is not 0, at most
    /// `isize::MAX`, and a multiple of the file's page size.
    pub(super) unsafe fn new(fd: BorrowedFd<'_>, len: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let anywhere = core::ptr::null_mut();
        // SAFETY: without an address and `MAP_FIXED` the kernel picks a free range, so the call replaces
        // no memory that Rust knows of.
        let start = unsafe { mmap(anywhere, len, access, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        // Invariants 2 and 4: the caller's promise; a page is a multiple of a word.
        Ok(Self { start, len })
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All bytes.
    pub(super) fn words(&self) -> &[AtomicU64] {
        let words = NonNull::slice_from_raw_parts(self.start.cast(), self.len / WORD);
        // SAFETY: mapped as long as `self` is borrowed (invariants 1 and 3), aligned (4), and never past
        // the file's end (2). Any bytes are a valid `AtomicU64`, which may change during a shared
        // borrow, and in this process only atomics of this width access them, except for unsafe code
        // of the user (5).
        unsafe { words.as_ref() }
    }

    /// Makes every page resident and writable, or returns the kernel's reason (`MADV_POPULATE_WRITE`).
    /// `cannot_populate` tells whether an error is about the call itself.
    pub(super) fn populate(&self) -> Result<(), Errno> {
        let advice = Advice::LinuxPopulateWrite;
        // SAFETY: this value owns the range (invariants 1 and 3), and the advice changes no byte of it.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, advice) }
    }

    /// Writes to one word in each `page` bytes the value that it has. Only for pages that the file has: if
    /// one is not available, the touch is a SIGBUS.
    pub(super) fn touch(&self, page: usize) {
        for word in self.words().iter().step_by((page / WORD).max(1)) {
            let seen = word.load(Relaxed);
            // If it fails, another process has written. The compiler may turn an addition of 0 into a load.
            let _ = word.compare_exchange(seen, seen, Relaxed, Relaxed);
        }
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: only this value unmaps the range (invariants 1 and 3), and `&mut self` shows that nothing
        // borrows from it. If the kernel refuses (a limit on mappings), the pages stay mapped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
