//! The owner of a mapping: every unsafe call into the kernel is here.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::param::page_size;

/// An anonymous private mapping, unmapped on drop.
///
/// # Invariants
/// 1. `len` bytes at `start` are mapped, readable and writable; `start` may access them all.
/// 2. Both ends lie between pages of the kind that was mapped, so `munmap` takes the range (for
///    hugetlb pages it refuses any other).
/// 3. Nothing else unmaps, remaps or protects any of it: `start` was chosen by the kernel where nothing
///    was mapped, and leaves this module only as a pointer or in a borrow.
/// 4. `0 < len <= isize::MAX`.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it (invariant 1 holds on any
// thread), and invariant 3 makes this value the only one to unmap it.
unsafe impl Send for Mapping {}
// SAFETY: through `&Mapping` the bytes can be read, and the kernel asked to back them, which changes
// none of them; writing and unmapping need `&mut Mapping` or the value.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `len` zeroed bytes, where the kernel finds room. `len` is whole pages of the kind that `flags`
    /// ask for, and at most `isize::MAX`.
    pub(super) fn new(len: usize, flags: MapFlags) -> Result<Self, Errno> {
        if isize::try_from(len).is_err() {
            return Err(Errno::NOMEM);
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | flags.difference(MapFlags::FIXED);
        // SAFETY: without an address and `MAP_FIXED` the kernel picks a free range: no memory that
        // Rust knows of is replaced.
        let start = unsafe { mmap_anonymous(core::ptr::null_mut(), len, access, flags) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        // The kernel refuses a length of 0 (invariant 4).
        Ok(Self { start, len })
    }

    /// `len` zeroed bytes of base pages that start at a multiple of `align`: maps up to `align` more
    /// and gives the slack back. `align` is a power of two; it and `len` are whole base pages.
    pub(super) fn aligned(len: usize, align: usize) -> Result<Self, Errno> {
        let room = len.checked_add(align).ok_or(Errno::NOMEM)?;
        let mut mapping = Self::new(room, MapFlags::empty())?;
        let lead = mapping.start.addr().get().wrapping_neg() & (align - 1);
        // Where a cut fails, dropping the mapping gives back what is left of it.
        mapping.cut_front(lead)?;
        mapping.cut_back(align - lead)?;
        Ok(mapping)
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

    /// What is left without `bytes`, which are whole pages (the kernel would round them up) and leave
    /// something (invariant 4).
    fn all_but(&self, bytes: usize) -> Result<usize, Errno> {
        let part_of_page = bytes & (page_size() - 1);
        match self.len.checked_sub(bytes) {
            Some(kept) if kept > 0 && part_of_page == 0 => Ok(kept),
            _ => Err(Errno::INVAL),
        }
    }

    /// Unmaps `bytes` from the offset `at`; the caller takes them out of `start` and `len`.
    fn unmap(&mut self, at: usize, bytes: usize) -> Result<(), Errno> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the callers pass `at + bytes <= len` and whole pages, so the range is ours alone
        // (invariants 1 and 3), and `&mut self` shows that nobody borrows from it.
        unsafe { munmap(self.start.add(at).as_ptr().cast(), bytes) }
    }

    /// The first byte. Not for `&mut` access while a slice of this mapping is borrowed.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes mapped. Never 0.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: invariants 1 and 4, and 3 for as long as the borrow of `self` lasts; `u8` needs no
        // alignment, `MaybeUninit` no value.
        unsafe { NonNull::slice_from_raw_parts(self.start.cast(), self.len).as_ref() }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: as for `bytes`; `&mut self` makes it the only slice.
        unsafe { NonNull::slice_from_raw_parts(self.start.cast(), self.len).as_mut() }
    }

    /// Asks for huge pages (`MADV_HUGEPAGE`).
    pub(super) fn prefer_huge(&self) -> Result<(), Errno> {
        self.advise(Advice::LinuxHugepage)
    }

    /// Asks for base pages (`MADV_NOHUGEPAGE`).
    pub(super) fn prefer_base(&self) -> Result<(), Errno> {
        self.advise(Advice::LinuxNoHugepage)
    }

    /// Makes every page resident and writable, or says that one cannot be had
    /// (`MADV_POPULATE_WRITE`). `EINVAL`: this kernel has no such call.
    pub(super) fn populate(&self) -> Result<(), Errno> {
        self.advise(Advice::LinuxPopulateWrite)
    }

    /// Private: only advice that leaves every byte as it was may be given through `&self`.
    fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: the range is ours alone (invariants 1 and 3), and the three kinds of advice that are
        // passed change no byte of it.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, advice) }
    }

    /// Zeroes one byte in each `page` bytes. Not for hugetlb pages: one that cannot be had is a
    /// SIGBUS.
    pub(super) fn touch(&mut self, page: usize) {
        for byte in self.bytes_mut().iter_mut().step_by(page.max(1)) {
            // SAFETY: a borrow that may be written. Volatile: the write is made for the page fault.
            unsafe { core::ptr::from_mut(byte).cast::<u8>().write_volatile(0) };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // The kernel refuses only when the process is at its limit of mappings and has merged this one
        // with its neighbours. Then the pages stay mapped, unused: a leak, and no way to report it.
        let _ = self.unmap(0, self.len);
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    const HUGE: usize = 2 << 20;

    #[test]
    fn aligned_mappings_start_at_the_alignment_and_keep_their_length() {
        for len in [page_size(), HUGE, 3 * HUGE, 3 * HUGE + page_size()] {
            let mut mapping = Mapping::aligned(len, HUGE).unwrap();
            assert_eq!(mapping.start().addr().get() % HUGE, 0);
            assert_eq!(mapping.len(), len);
            mapping.touch(page_size());
            let read = |at: usize| mapping.bytes().get(at).copied().unwrap();
            // SAFETY: anonymous memory is zeroed.
            unsafe { assert_eq!((read(0).assume_init(), read(len - 1).assume_init()), (0, 0)) };
        }
    }

    #[test]
    fn lengths_no_kernel_can_map_are_errors() {
        let new = |len| Mapping::new(len, MapFlags::empty()).map(drop);
        assert_eq!(new(0), Err(Errno::INVAL));
        assert_eq!(new(isize::MAX as usize + 1), Err(Errno::NOMEM));
        assert_eq!(new(isize::MAX as usize - 4095), Err(Errno::NOMEM));
        let aligned = |len| Mapping::aligned(len, HUGE).map(drop);
        assert_eq!(aligned(usize::MAX - 4095), Err(Errno::NOMEM));
    }

    #[test]
    fn cuts_that_leave_nothing_or_split_a_page_are_refused_and_unmap_nothing() {
        let len = 2 * page_size();
        let mut mapping = Mapping::new(len, MapFlags::empty()).unwrap();
        for bytes in [len, len + page_size(), page_size() + 1] {
            assert_eq!(mapping.cut_front(bytes), Err(Errno::INVAL));
            assert_eq!(mapping.cut_back(bytes), Err(Errno::INVAL));
        }
        mapping.touch(page_size());
        assert_eq!(mapping.len(), len);
    }

    #[test]
    fn what_is_cut_off_is_unmapped() {
        let page = page_size();
        let is_unmapped = |start: NonNull<u8>| {
            // SAFETY: the default advice, which changes nothing whoever has the page.
            let there = unsafe { madvise(start.as_ptr().cast(), page, Advice::Normal) };
            there == Err(Errno::NOMEM)
        };
        // More than once: another thread may map the page that one cut has freed.
        let cut = || {
            let mut mapping = Mapping::new(4 * page, MapFlags::empty()).unwrap();
            let front = mapping.start();
            mapping.cut_front(page).unwrap();
            mapping.cut_back(page).unwrap();
            let kept = mapping.start();
            let back = NonNull::new(kept.as_ptr().wrapping_add(2 * page)).unwrap();
            assert_eq!(kept.as_ptr(), front.as_ptr().wrapping_add(page));
            is_unmapped(front) && is_unmapped(back) && !is_unmapped(kept)
        };
        assert!((0..16).any(|_| cut()));
    }

    /// Without a reservation the mapping succeeds whatever the machine has: the way to a SIGBUS.
    #[test]
    fn hugetlb_pages_that_are_not_there_are_an_error_when_populated() {
        let flags = MapFlags::HUGETLB | MapFlags::HUGE_2MB | MapFlags::NORESERVE;
        match Mapping::new(1 << 40, flags) {
            Ok(mapping) => assert!(mapping.populate().is_err()),
            Err(e) => std::println!("SKIPPED hugetlb populate: this kernel has no hugetlb ({e})"),
        }
    }
}
