//! The owner of a private mapping: all calls that map, protect, advise, lock and unmap it are here.
//!
//! ```text
//!   Span  ├─ guard ─┼──────────── len ────────────┼─ guard ─┤   unmapped as one
//!          no access  readable, writable: Mapping   no access
//! ```

use core::ffi::c_void;
#[cfg(all(feature = "heap", feature = "spin", not(loom)))]
use core::mem::ManuallyDrop;
use core::mem::{self, MaybeUninit};
use core::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MlockFlags, MprotectFlags, ProtFlags, madvise, mlock_with, mmap_anonymous,
    mprotect, munlock, munmap,
};
use rustix::param::page_size;

use super::hints::Fork;

/// `MADV_COLLAPSE` (Linux 6.1): neither rustix nor libc has a name for it. It has the same number on
/// every architecture that Rust's std supports.
const MADV_COLLAPSE: libc::c_int = 25;

/// Number of attempts to make guards. An attempt fails if another thread maps into the gap between them.
const GUARD_TRIES: usize = 4;

const ACCESS: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Addresses of this process that this value owns; unmapped on drop.
///
/// # Invariants
/// 1. `len` bytes at `start` are mapped, by anonymous private mappings.
/// 2. Both ends are page boundaries of the kind of page that is mapped there, so `munmap` accepts the
///    range (for hugetlb pages it refuses any other).
/// 3. Nothing else unmaps, remaps or protects any of it: the kernel chose it where nothing was mapped,
///    and its address leaves this module only as a pointer or in a borrow.
/// 4. `0 < len <= isize::MAX`.
#[derive(Debug)]
struct Span {
    start: NonNull<u8>,
    len: usize,
}

impl Span {
    /// Maps `len` zeroed bytes at an address that the kernel chooses. `len` is a multiple of the size of
    /// the pages that `flags` request.
    fn new(len: usize, access: ProtFlags, flags: MapFlags) -> Result<Self, Errno> {
        if isize::try_from(len).is_err() {
            return Err(Errno::NOMEM);
        }
        let flags = MapFlags::PRIVATE | flags.difference(MapFlags::FIXED);
        // SAFETY: without an address and `MAP_FIXED` the kernel picks a free range, so the call replaces
        // no memory that Rust knows of.
        let start = unsafe { mmap_anonymous(core::ptr::null_mut(), len, access, flags) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        // The kernel refuses a length of 0 (invariant 4).
        Ok(Self { start, len })
    }

    /// As `new`, with its start at `at`. `EEXIST`: memory is mapped there already.
    fn new_at(at: *mut u8, len: usize, flags: MapFlags) -> Result<Self, Errno> {
        let flags = flags.difference(MapFlags::FIXED) | MapFlags::FIXED_NOREPLACE;
        let flags = MapFlags::PRIVATE | flags;
        // SAFETY: `MAP_FIXED_NOREPLACE` replaces no mapping; kernels before 4.17 treat the address as a
        // hint.
        let start = unsafe { mmap_anonymous(at.cast(), len, ACCESS, flags) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(Errno::NOMEM)?;
        // If it is elsewhere, the drop unmaps it.
        let span = Self { start, len };
        if start.as_ptr() == at {
            Ok(span)
        } else {
            Err(Errno::EXIST)
        }
    }

    /// Maps `len` bytes such that the address `before` bytes after the start is a multiple of `align`:
    /// maps `align` bytes more and unmaps the rest. `align` is a power of two; all three are multiples
    /// of a base page.
    fn aligned(
        len: usize,
        before: usize,
        align: usize,
        access: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self, Errno> {
        let room = len.checked_add(align).ok_or(Errno::NOMEM)?;
        let mut span = Self::new(room, access, flags)?;
        let marked = span.start.addr().get().wrapping_add(before);
        let lead = marked.wrapping_neg() & (align - 1);
        // If a cut fails, the drop unmaps the rest of the span.
        span.cut_front(lead)?;
        span.cut_back(align - lead)?;
        Ok(span)
    }

    /// Unmaps the first `bytes`.
    fn cut_front(&mut self, bytes: usize) -> Result<(), Errno> {
        let kept = self.all_but(bytes)?;
        self.unmap(0, bytes)?;
        // SAFETY: `bytes < len`, so this stays inside the mapping.
        self.start = unsafe { self.start.add(bytes) };
        self.len = kept;
        Ok(())
    }

    /// Unmaps the last `bytes`.
    fn cut_back(&mut self, bytes: usize) -> Result<(), Errno> {
        let kept = self.all_but(bytes)?;
        self.unmap(kept, bytes)?;
        self.len = kept;
        Ok(())
    }

    /// The length that remains after cutting off `bytes`. They must be whole pages, because the kernel
    /// would round them up, and the rest must not be empty (invariant 4).
    fn all_but(&self, bytes: usize) -> Result<usize, Errno> {
        let part_of_page = bytes & (page_size() - 1);
        match self.len.checked_sub(bytes) {
            Some(kept) if kept > 0 && part_of_page == 0 => Ok(kept),
            _ => Err(Errno::INVAL),
        }
    }

    /// Unmaps `bytes` at the offset `at`; the caller updates `start` and `len`.
    fn unmap(&mut self, at: usize, bytes: usize) -> Result<(), Errno> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the callers pass `at + bytes <= len` and whole pages, so this span owns the range
        // (invariants 1 and 3), and `&mut self` shows that nothing borrows from it.
        unsafe { munmap(self.start.add(at).as_ptr().cast(), bytes) }
    }

    /// Replaces the pages of all but the first and last `guard` bytes. `EEXIST`: another thread mapped
    /// memory there first.
    ///
    /// It does not use `MAP_FIXED` over the old mapping: if that fails, the range may or may not be
    /// unmapped, so its owner would be unknown.
    fn refill(mut self, guard: usize, flags: MapFlags) -> Result<(Self, NonNull<u8>), Errno> {
        let len = self.len;
        let middle = match len.checked_sub(2 * guard) {
            Some(middle) if middle > 0 && guard > 0 => middle,
            _ => return Err(Errno::INVAL),
        };
        self.unmap(guard, middle)?;
        let front = self.start;
        // From here on the two ends are separate spans, and any thread can map into the gap.
        mem::forget(self);
        let front = Self {
            start: front,
            len: guard,
        };
        let back = front.start.as_ptr().wrapping_add(guard + middle);
        let back = NonNull::new(back).ok_or(Errno::NOMEM)?;
        let back = Self {
            start: back,
            len: guard,
        };
        let at = front.start.as_ptr().wrapping_add(guard);
        let pages = Self::new_at(at, middle, flags)?;
        let (start, filled) = (front.start, pages.start);
        // Three adjacent spans become one.
        [front, pages, back].into_iter().for_each(mem::forget);
        Ok((Self { start, len }, filled))
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        // The kernel refuses only if the process is at its limit of mappings and this mapping was merged
        // with its neighbours. Then the pages stay mapped: a leak that a drop cannot report.
        let _ = self.unmap(0, self.len);
    }
}

/// The properties of a new mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Bytes: a multiple of the size of the pages that `flags` request, at most `isize::MAX`.
    pub(super) len: usize,
    /// The start is a multiple of this: a power of two, at least the page size.
    pub(super) align: usize,
    /// Hugetlb flags, or none.
    pub(super) flags: MapFlags,
    /// Whether a base page without access lies before the mapping and another after it.
    pub(super) guarded: bool,
}

/// An anonymous private mapping, unmapped on drop.
///
/// # Invariants
/// 1. `len` bytes at `start` lie in `span`, are readable and writable; `start` may access them all.
/// 2. The rest of `span`, half of it before and half after these bytes, permits no access.
/// 3. `0 < len <= isize::MAX`.
#[derive(Debug)]
pub(super) struct Mapping {
    span: Span,
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it (invariant 1 holds on any
// thread), and by the span's invariant 3 only this value unmaps it.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` permits reading the bytes, and advice to the kernel that changes none of them;
// writing, releasing and unmapping need `&mut Mapping` or the value.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps zeroed bytes of that shape at an address that the kernel chooses.
    pub(super) fn new(shape: Shape) -> Result<Self, Errno> {
        let Shape {
            len, align, flags, ..
        } = shape;
        if shape.guarded {
            return Self::guarded(shape);
        }
        let is_huge = flags.contains(MapFlags::HUGETLB);
        let span = if is_huge || align <= page_size() {
            Span::new(len, ACCESS, flags)?
        } else {
            Span::aligned(len, 0, align, ACCESS, flags)?
        };
        let start = span.start;
        Ok(Self { span, start, len })
    }

    /// The same between guards: reserves the address space, then makes the middle accessible.
    fn guarded(shape: Shape) -> Result<Self, Errno> {
        let Shape {
            len, align, flags, ..
        } = shape;
        let guard = page_size();
        let room = len.checked_add(2 * guard).ok_or(Errno::NOMEM)?;
        let reserve = || {
            let closed = ProtFlags::empty();
            Span::aligned(room, guard, align, closed, MapFlags::NORESERVE)
        };
        if !flags.contains(MapFlags::HUGETLB) {
            let span = reserve()?;
            // SAFETY: `room` is more than `guard`, so this stays inside.
            let start = unsafe { span.start.add(guard) };
            let access = MprotectFlags::READ | MprotectFlags::WRITE;
            // SAFETY: the range lies in the span, which no other code has a pointer to yet.
            unsafe { mprotect(start.as_ptr().cast(), len, access) }?;
            return Ok(Self { span, start, len });
        }
        let mut refused = Errno::EXIST;
        for _ in 0..GUARD_TRIES {
            match reserve()?.refill(guard, flags) {
                Ok((span, start)) => return Ok(Self { span, start, len }),
                Err(Errno::EXIST) => refused = Errno::EXIST,
                Err(errno) => return Err(errno),
            }
        }
        Err(refused)
    }

    /// The first byte. Not for `&mut` access while a slice of this mapping is borrowed.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes mapped. Never 0.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes without access before the first byte, and after the last.
    pub(super) fn guard(&self) -> usize {
        (self.span.len - self.len) / 2
    }

    pub(super) fn bytes(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: invariants 1 and 3, and the span's invariant 3 as long as `self` is borrowed; `u8` needs
        // no alignment, `MaybeUninit` no value.
        unsafe { NonNull::slice_from_raw_parts(self.start.cast(), self.len).as_ref() }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as for `bytes`; `&mut self` makes it the only slice.
        unsafe { NonNull::slice_from_raw_parts(self.start.cast(), self.len).as_mut() }
    }

    /// The bytes, mapped for ever.
    #[cfg(all(feature = "heap", feature = "spin", not(loom)))]
    pub(super) fn leak(self) -> &'static mut [MaybeUninit<u8>] {
        let mut never_dropped = ManuallyDrop::new(self);
        let bytes: *mut _ = never_dropped.bytes_mut();
        // SAFETY: the mapping is never unmapped, and nothing else names its bytes any more.
        unsafe { &mut *bytes }
    }

    /// Requests huge pages (`MADV_HUGEPAGE`).
    pub(super) fn prefer_huge(&self) -> Result<(), Errno> {
        self.advise(Advice::LinuxHugepage)
    }

    /// Requests base pages (`MADV_NOHUGEPAGE`).
    pub(super) fn prefer_base(&self) -> Result<(), Errno> {
        self.advise(Advice::LinuxNoHugepage)
    }

    /// Merges resident base pages into huge pages now (`MADV_COLLAPSE`, Linux 6.1). `EINVAL`: this kernel
    /// has no such call, or this process may not have huge pages.
    pub(super) fn collapse(&self) -> Result<(), Errno> {
        let start = self.start.as_ptr().cast::<c_void>();
        // SAFETY: the span owns the range; its bytes keep their values and their addresses.
        match unsafe { libc::madvise(start, self.len, MADV_COLLAPSE) } {
            0 => Ok(()),
            _ => Err(last_errno()),
        }
    }

    /// Sets what a child of `fork` finds here.
    pub(super) fn set_fork(&self, fork: Fork) -> Result<(), Errno> {
        match fork {
            Fork::Copied => {
                self.advise(Advice::LinuxDoFork)?;
                self.advise(Advice::LinuxKeepOnFork)
            }
            Fork::Absent => self.advise(Advice::LinuxDontFork),
            Fork::Wiped => {
                self.advise(Advice::LinuxWipeOnFork)?;
                self.advise(Advice::LinuxDoFork)
            }
        }
    }

    /// Sets whether core dumps contain the bytes.
    pub(super) fn set_dump(&self, dump: bool) -> Result<(), Errno> {
        self.advise(if dump {
            Advice::LinuxDoDump
        } else {
            Advice::LinuxDontDump
        })
    }

    /// Private, because through `&self` only advice may be given that changes no byte of this process.
    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the span owns the range (its invariants), and no advice that is passed changes a byte of
        // it in this process. `fork` is unsafe: its caller answers for what the child accesses.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, advice) }
    }

    /// Returns the pages to the kernel: all bytes are zeros afterwards (`MADV_DONTNEED`).
    pub(super) fn release(&mut self) -> Result<(), Errno> {
        // SAFETY: the span owns the range, and `&mut self` shows that nothing borrows from it; memory
        // that is `MaybeUninit` may change.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, Advice::LinuxDontNeed) }
    }

    /// Locks every page in memory from the moment it is resident (`MLOCK_ONFAULT`, Linux 4.4).
    pub(super) fn lock(&self) -> Result<(), Errno> {
        // SAFETY: the span owns the range; locking changes no byte.
        unsafe { mlock_with(self.start.as_ptr().cast(), self.len, MlockFlags::ONFAULT) }
    }

    /// Unlocks the pages.
    pub(super) fn unlock(&self) -> Result<(), Errno> {
        // SAFETY: as for `lock`.
        unsafe { munlock(self.start.as_ptr().cast(), self.len) }
    }
}

/// Makes every page of a part of a mapping resident and writable, or returns the kernel's reason
/// (`MADV_POPULATE_WRITE`). The part starts and ends at page boundaries. [`cannot_populate`] tells whether
/// an error is about the call itself.
pub(super) fn populate(part: &mut [MaybeUninit<u8>]) -> Result<(), Errno> {
    let start = part.as_mut_ptr().cast();
    // SAFETY: borrowed exclusively, and the call only causes the page faults of a write: it writes to no
    // byte.
    unsafe { madvise(start, part.len(), Advice::LinuxPopulateWrite) }
}

/// Whether `errno` says that `MADV_POPULATE_WRITE` is not available, and nothing about the pages:
/// `EINVAL` from a kernel before 5.14, `ENOSYS` or `EPERM` from the filter of a sandbox.
pub(super) fn cannot_populate(errno: Errno) -> bool {
    matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::PERM)
}

/// Writes one byte in each `page` bytes, with the value that it has. Not for hugetlb pages: if one is
/// not available, the touch is a SIGBUS.
pub(super) fn touch(part: &mut [MaybeUninit<u8>], page: usize) {
    for byte in part.iter_mut().step_by(page.max(1)) {
        let byte = core::ptr::from_mut(byte);
        // SAFETY: a borrow that permits reads and writes, of `MaybeUninit`, which needs no value.
        // Volatile: the write is there for its page fault.
        unsafe { byte.write_volatile(byte.read_volatile()) };
    }
}

/// Why the last call into the C library failed.
pub(super) fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    const HUGE: usize = 2 << 20;

    fn shape(len: usize, align: usize) -> Shape {
        Shape {
            len,
            align,
            flags: MapFlags::empty(),
            guarded: false,
        }
    }

    fn plain(len: usize) -> Result<Span, Errno> {
        Span::new(len, ACCESS, MapFlags::empty())
    }

    #[test]
    fn aligned_mappings_start_at_the_alignment_and_keep_their_length() {
        for guarded in [false, true] {
            for len in [page_size(), HUGE, 3 * HUGE, 3 * HUGE + page_size()] {
                let shape = shape(len, HUGE);
                let mut mapping = Mapping::new(Shape { guarded, ..shape }).unwrap();
                assert_eq!(mapping.start().addr().get() % HUGE, 0);
                assert_eq!(mapping.len(), len);
                assert_eq!(mapping.guard(), if guarded { page_size() } else { 0 });
                touch(mapping.bytes_mut(), page_size());
                let read = |at: usize| mapping.bytes().get(at).copied().unwrap();
                // SAFETY: anonymous memory is zeroed.
                unsafe { assert_eq!((read(0).assume_init(), read(len - 1).assume_init()), (0, 0)) };
            }
        }
    }

    #[test]
    fn lengths_that_no_kernel_can_map_are_errors() {
        let new = |len| Mapping::new(shape(len, 1)).map(drop);
        assert_eq!(new(0), Err(Errno::INVAL));
        assert_eq!(new(isize::MAX as usize + 1), Err(Errno::NOMEM));
        assert_eq!(new(isize::MAX as usize - 4095), Err(Errno::NOMEM));
        let most = shape(usize::MAX - 4095, HUGE);
        assert_eq!(Mapping::new(most).map(drop), Err(Errno::NOMEM));
        let guarded = true;
        let most = Mapping::new(Shape { guarded, ..most }).map(drop);
        assert_eq!(most, Err(Errno::NOMEM));
    }

    #[test]
    fn cuts_that_leave_nothing_or_split_a_page_are_refused_and_unmap_nothing() {
        let len = 2 * page_size();
        let mut span = plain(len).unwrap();
        for bytes in [len, len + page_size(), page_size() + 1] {
            assert_eq!(span.cut_front(bytes), Err(Errno::INVAL));
            assert_eq!(span.cut_back(bytes), Err(Errno::INVAL));
        }
        assert!(is_mapped(span.start) && is_mapped(at(&span, page_size())));
        assert_eq!(span.len, len);
    }

    fn at(span: &Span, offset: usize) -> NonNull<u8> {
        NonNull::new(span.start.as_ptr().wrapping_add(offset)).unwrap()
    }

    fn is_mapped(start: NonNull<u8>) -> bool {
        // SAFETY: the default advice changes nothing, whatever is mapped there.
        let there = unsafe { madvise(start.as_ptr().cast(), page_size(), Advice::Normal) };
        there != Err(Errno::NOMEM)
    }

    #[test]
    fn what_is_cut_off_is_unmapped() {
        let page = page_size();
        // Several attempts: another thread may map the page that a cut has freed.
        let cut = || {
            let mut span = plain(4 * page).unwrap();
            let front = span.start;
            span.cut_front(page).unwrap();
            span.cut_back(page).unwrap();
            assert_eq!(span.start.as_ptr(), front.as_ptr().wrapping_add(page));
            !is_mapped(front) && !is_mapped(at(&span, 2 * page)) && is_mapped(span.start)
        };
        assert!((0..16).any(|_| cut()));
    }

    #[test]
    fn a_refill_that_fails_gives_both_ends_back() {
        let page = page_size();
        let refill = |flags| {
            let span = Span::new(4 * page, ProtFlags::empty(), MapFlags::NORESERVE).unwrap();
            let pages = [0, page, 3 * page].map(|offset| at(&span, offset));
            (span.refill(page, flags), pages)
        };
        // The gap is smaller than 2 MiB, so no such page fits there.
        let fails = || {
            let (refilled, pages) = refill(MapFlags::HUGETLB | MapFlags::HUGE_2MB);
            assert!(refilled.is_err());
            !pages.into_iter().any(is_mapped)
        };
        assert!((0..16).any(|_| fails()));
        let works = || match refill(MapFlags::empty()) {
            (Ok((span, filled)), pages) => {
                assert_eq!((filled, span.len), (pages[1], 4 * page));
                drop(span);
                !pages.into_iter().any(is_mapped)
            }
            (Err(errno), _) => {
                assert_eq!(errno, Errno::EXIST);
                false
            }
        };
        assert!((0..16).any(|_| works()));
    }

    #[test]
    fn a_place_that_is_taken_is_not_taken_over() {
        let span = plain(2 * page_size()).unwrap();
        let taken = Span::new_at(span.start.as_ptr(), page_size(), MapFlags::empty());
        assert_eq!(taken.map(drop), Err(Errno::EXIST));
        assert!(is_mapped(span.start));
    }

    /// Without a reservation the mapping succeeds even if the machine has no such pages: a touch would be
    /// a SIGBUS.
    #[test]
    fn hugetlb_pages_that_are_not_there_are_an_error_when_populated() {
        let shape = Shape {
            flags: MapFlags::HUGETLB | MapFlags::HUGE_2MB | MapFlags::NORESERVE,
            ..shape(1 << 40, HUGE)
        };
        match Mapping::new(shape) {
            Ok(mut mapping) => assert!(populate(mapping.bytes_mut()).is_err()),
            Err(e) => std::println!("SKIPPED hugetlb populate: this kernel has no hugetlb ({e})"),
        }
    }
}
