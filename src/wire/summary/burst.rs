//! Summaries of many frames at once.

use super::{Summary, quick};
use crate::sync;
use crate::wire::error::ParseError;

/// The number of frames that are prefetched before the first one is read.
const PREFETCHED: usize = 8;

/// [`summarize`](super::summarize) for many frames: writes the result for `frames[i]` to `out[i]`. Returns the number
/// of results: the length of the shorter slice.
///
/// Faster than single calls, because frames are prefetched.
///
/// ```
/// use framepool::wire::{summarize, summarize_burst};
///
/// # let frame = framepool::wire::EXAMPLE_FRAME;
/// let frames = [frame, &frame[..20], frame];
/// let mut out = [summarize(&[]); 3];
/// assert_eq!(summarize_burst(&frames, &mut out), 3);
/// assert!(out[0].is_ok() && out[1].is_err());
/// assert_eq!(out[2], summarize(frame));
/// ```
pub fn summarize_burst<F: AsRef<[u8]>>(
    frames: &[F],
    out: &mut [Result<Summary, ParseError>],
) -> usize {
    let len = frames.len().min(out.len());
    for frame in frames.iter().take(PREFETCHED.min(len)) {
        fetch(frame.as_ref());
    }
    for (index, (frame, result)) in frames.iter().zip(out.iter_mut()).enumerate() {
        let frame = frame.as_ref();
        if let Some(next) = frames.get(index + PREFETCHED) {
            fetch(next.as_ref());
        }
        match quick::plain(frame) {
            Some(summary) => *result = Ok(summary),
            None => quick::others_to(frame, result),
        }
    }
    len
}

#[inline(always)]
fn fetch(frame: &[u8]) {
    sync::prefetch(frame.as_ptr());
    // Headers may extend into a second cache line, and frames start anywhere.
    sync::prefetch(frame.as_ptr().wrapping_add(64));
}
