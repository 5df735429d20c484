//! The owner of a shared mapping: every unsafe call into the kernel, and the one way to the bytes.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// Bytes of the word that all access goes by.
pub(super) const WORD: usize = size_of::<AtomicU64>();

/// A shared mapping of a file from its start, unmapped on drop.
///
/// # Invariants
/// 1. `len` bytes at `start` are mapped, readable and writable; `start` may access them all.
/// 2. The file is at least `len` bytes long and can never become shorter, so that no access is past its
///    end.
/// 3. Nothing else unmaps, remaps or protects any of it: `start` was chosen by the kernel where nothing
///    was mapped, and leaves this module only as a pointer or in a borrow.
/// 4. `start` is a multiple of a page, and `0 < len <= isize::MAX` of a word.
/// 5. Safe code reaches the bytes as `AtomicU64`s only, each at a multiple of 8: whoever else in this
///    process writes to them, by this mapping or another of the same file, does it by the same words.
///    What another process does is outside the program: to it, the words change.
#[derive(Debug)]
pub(super) struct Window {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it (invariant 1 holds on any
// thread), and invariant 3 makes this value the only one to unmap it.
unsafe impl Send for Window {}
// SAFETY: through `&Window` the bytes are accessed atomically, all in one width (invariant 5), and the
// kernel is asked to back them, which changes none of them.
unsafe impl Sync for Window {}

impl Window {
    /// Maps the first `len` bytes of a file.
    ///
    /// # Safety
    /// The file is at least `len` bytes long and can never become shorter; `len` is not 0, at most
    /// `isize::MAX`, and whole pages of the file's.
    pub(super) unsafe fn new(fd: BorrowedFd<'_>, len: usize) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let anywhere = core::ptr::null_mut();
        // SAFETY: without an address and `MAP_FIXED` the kernel picks a free range: no memory that
        // Rust knows of is replaced.
        let start = unsafe { mmap(anywhere, len, access, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        // Invariants 2 and 4: the caller's promise; a whole page is whole words.
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
        // SAFETY: mapped for as long as `self` is borrowed (invariants 1 and 3), aligned (4), and never
        // past the file's end (2). Any bytes are an `AtomicU64`, which may change behind a shared
        // borrow, and nothing but atomics of this width accesses them in this process, short of
        // somebody's own unsafe code (5).
        unsafe { words.as_ref() }
    }

    /// Makes every page resident and writable, or says that one cannot be had
    /// (`MADV_POPULATE_WRITE`). `cannot_populate` tells whether an error is about the call.
    pub(super) fn populate(&self) -> Result<(), Errno> {
        let advice = Advice::LinuxPopulateWrite;
        // SAFETY: the range is ours (invariants 1 and 3), and the advice changes no byte of it.
        unsafe { madvise(self.start.as_ptr().cast(), self.len, advice) }
    }

    /// Writes to one word in each `page` bytes what it holds already. Only for pages that the file has:
    /// one that cannot be had is a SIGBUS.
    pub(super) fn touch(&self, page: usize) {
        for word in self.words().iter().step_by((page / WORD).max(1)) {
            let seen = word.load(Relaxed);
            // Where it fails somebody else has written. An addition of 0 would be made a load.
            let _ = word.compare_exchange(seen, seen, Relaxed, Relaxed);
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: the range is ours alone to unmap (invariants 1 and 3), and `&mut self` shows that
        // nobody borrows from it. Where the kernel refuses (a limit on mappings), the pages stay.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Copies out the bytes that start `skip` bytes (less than a word) into the first of `words`, which
/// are those that hold them.
pub(super) fn read(words: &[AtomicU64], skip: usize, out: &mut [u8]) {
    let (mut words, mut out) = (words.iter(), out.iter_mut());
    if skip > 0 {
        let bytes = words.next().map_or([0; WORD], bytes_of);
        // The shorter one ends it: after it, `out` is at a word's start or at its end.
        bytes
            .iter()
            .skip(skip)
            .zip(&mut out)
            .for_each(|(from, to)| *to = *from);
    }
    let mut chunks = out.into_slice().chunks_exact_mut(WORD);
    for (chunk, word) in (&mut chunks).zip(&mut words) {
        chunk.copy_from_slice(&bytes_of(word));
    }
    let bytes = words.next().map_or([0; WORD], bytes_of);
    let rest = chunks.into_remainder().iter_mut();
    rest.zip(bytes).for_each(|(to, from)| *to = from);
}

/// Copies in, as [`read`] copies out. A word of which only a part is written keeps the other bytes.
pub(super) fn write(words: &[AtomicU64], skip: usize, bytes: &[u8]) {
    let mut words = words.iter();
    let head = if skip > 0 {
        (WORD - skip).min(bytes.len())
    } else {
        0
    };
    let (head, bytes) = bytes.split_at_checked(head).unwrap_or((bytes, &[]));
    if let (false, Some(word)) = (head.is_empty(), words.as_slice().first()) {
        merge(word, skip, head);
    }
    if skip > 0 {
        words.next();
    }
    let mut chunks = bytes.chunks_exact(WORD);
    for (chunk, word) in (&mut chunks).zip(&mut words) {
        let mut whole = [0; WORD];
        whole.copy_from_slice(chunk);
        word.store(u64::from_ne_bytes(whole), Relaxed);
    }
    if let (false, Some(word)) = (chunks.remainder().is_empty(), words.next()) {
        merge(word, 0, chunks.remainder());
    }
}

fn bytes_of(word: &AtomicU64) -> [u8; WORD] {
    word.load(Relaxed).to_ne_bytes()
}

/// Replaces the bytes of a word from `skip` on, in one step.
fn merge(word: &AtomicU64, skip: usize, bytes: &[u8]) {
    let replace = |old: u64| {
        let mut new = old.to_ne_bytes();
        let part = new.iter_mut().skip(skip).zip(bytes);
        part.for_each(|(to, from)| *to = *from);
        Some(u64::from_ne_bytes(new))
    };
    // Never refused: `replace` always has an answer.
    let _ = word.fetch_update(Relaxed, Relaxed, replace);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn words_of(bytes: &[u8]) -> Vec<AtomicU64> {
        let word = |chunk: &[u8]| AtomicU64::new(u64::from_ne_bytes(chunk.try_into().unwrap()));
        bytes.chunks_exact(WORD).map(word).collect()
    }

    fn covering(words: &[AtomicU64], offset: usize, len: usize) -> &[AtomicU64] {
        &words[offset / WORD..(offset + len).div_ceil(WORD)]
    }

    #[test]
    fn every_offset_and_length_is_copied_out_as_it_is() {
        let bytes: Vec<u8> = (0..40).collect();
        let words = words_of(&bytes);
        for (offset, len) in (0..40).flat_map(|o| (0..=40 - o).map(move |n| (o, n))) {
            let mut out = std::vec![0xee; len];
            read(covering(&words, offset, len), offset % WORD, &mut out);
            assert_eq!(out, bytes[offset..offset + len], "{len} bytes at {offset}");
        }
    }

    #[test]
    fn every_offset_and_length_is_copied_in_and_nothing_else_changes() {
        for (offset, len) in (0..40).flat_map(|o| (0..=40 - o).map(move |n| (o, n))) {
            let words = words_of(&[0xee; 40]);
            let bytes: Vec<u8> = (1..=len as u8).collect();
            write(covering(&words, offset, len), offset % WORD, &bytes);
            let mut expected = [0xee; 40];
            expected[offset..offset + len].copy_from_slice(&bytes);
            let found: Vec<u8> = words.iter().flat_map(bytes_of).collect();
            assert_eq!(found, expected, "{len} bytes at {offset}");
        }
    }
}
