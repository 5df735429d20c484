//! Messages with a length of two bytes, in network order, before each: the blocks of MoldUDP64 packets and of
//! Nasdaq's files.

use crate::wire::error::{Layer, ParseError};

/// Iterates over length-prefixed blocks.
#[derive(Clone)]
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    /// The end of the blocks; offsets in errors count from the same start.
    end: usize,
    /// The maximum number of blocks to come.
    left: u64,
    layer: Layer,
}

impl<'a> Blocks<'a> {
    /// At most `count` blocks in `bytes`. `at` is the offset of `bytes` in the caller's input.
    pub(super) const fn new(layer: Layer, bytes: &'a [u8], at: usize, count: u64) -> Self {
        Self {
            rest: bytes,
            end: at.saturating_add(bytes.len()),
            left: count,
            layer,
        }
    }

    /// The offset of the next block's length.
    pub(super) const fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// The next block, the bytes after it, and both together, if there is a whole block.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        if self.left == 0 {
            return None;
        }
        let (len, both) = self.rest.split_first_chunk::<2>()?;
        let (block, rest) = both.split_at_checked(u16::from_be_bytes(*len).into())?;
        Some((block, rest, both))
    }

    /// Skips the next block; `rest` is what follows it.
    #[inline(always)]
    pub(super) fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
        self.left = self.left.wrapping_sub(1);
    }

    /// The next block. After an error there is none, as its start is unknown.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Result<&'a [u8], ParseError>> {
        if let Some((block, rest, _)) = self.peek() {
            self.skip_to(rest);
            return Some(Ok(block));
        }
        if self.left == 0 {
            return None;
        }
        Some(Err(self.cut()))
    }

    #[cold]
    fn cut(&mut self) -> ParseError {
        self.left = 0;
        let needed = match self.rest.first_chunk::<2>() {
            Some(len) => 2 + usize::from(u16::from_be_bytes(*len)),
            None => 2,
        };
        ParseError::truncated(self.layer, self.offset(), needed, self.rest.len())
    }
}
