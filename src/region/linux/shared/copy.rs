//! Copies between bytes and words that another process may write to.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::mapping::WORD;

/// Copies bytes out of `words`, the first from `skip` bytes (less than a word) into the first word.
pub(super) fn read(words: &[AtomicU64], skip: usize, out: &mut [u8]) {
    let (mut words, mut out) = (words.iter(), out.iter_mut());
    if skip > 0 {
        let bytes = words.next().map_or([0; WORD], bytes_of);
        // Ends with the shorter one: afterwards `out` is at the start of a word, or at its end.
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

/// Copies bytes into `words`, as [`read`] copies them out. A partly written word keeps its other bytes.
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
    // Never fails: `replace` always returns a value.
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
