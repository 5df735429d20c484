//! Many frames at once.

use super::super::ParseError;
use super::{Summary, quick};
use crate::sync;

/// Frames whose bytes are asked for before the first of them is read.
const AHEAD: usize = 8;

/// [`summarize`](super::summarize) for many frames: `out[i]` is what it says of `frames[i]`. Returns how many
/// that were, the length of the shorter of the two.
///
/// Faster than one by one: frames are fetched ahead.
///
/// ```
/// use framepool::wire::{summarize, summarize_burst};
///
/// # let frame = framepool::wire::samples::UDP;
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
    for frame in frames.iter().take(AHEAD.min(len)) {
        fetch(frame.as_ref());
    }
    for (index, (frame, result)) in frames.iter().zip(out.iter_mut()).enumerate() {
        let frame = frame.as_ref();
        if let Some(next) = frames.get(index + AHEAD) {
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
    // Headers may reach into a second line, and frames start anywhere.
    sync::prefetch(frame.as_ptr().wrapping_add(64));
}
