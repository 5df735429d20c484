//! A header that says how long it and its messages are, and messages that say so of themselves: how Cboe and
//! NYSE frame.
//!
//! ```text
//!  ┌────────┬───────────────┬─────┬──────┬────────┬─────┬──────┬────────┬──
//!  │ length │ … count …     │ len │ type │ fields │ len │ type │ fields │ …     lengths count themselves,
//!  └────────┴───────────────┴─────┴──────┴────────┴─────┴──────┴────────┴──     their least byte first
//!      2       HEADER - 2    WIDTH  WIDTH
//! ```

use super::emit::{EmitError, Writer};
use crate::wire::error::{Layer, ParseError};

/// Bytes of the unit's own length.
const LENGTH: usize = 2;
/// The maximum number of messages that a header can count.
const MOST: usize = u8::MAX as usize;

/// A unit: its header, its messages, and the bytes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Unit<'a, const HEADER: usize> {
    pub(super) header: &'a [u8; HEADER],
    pub(super) body: &'a [u8],
    pub(super) rest: &'a [u8],
}

impl<'a, const HEADER: usize> Unit<'a, HEADER> {
    /// The unit that `bytes` begin with.
    pub(super) fn parse(layer: Layer, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let short = |needed| ParseError::truncated(layer, 0, needed, bytes.len());
        let (header, rest) = bytes.split_first_chunk().ok_or(short(HEADER))?;
        let length = little::<LENGTH>(header).unwrap_or_default();
        let Some(body) = length.checked_sub(HEADER) else {
            let most = u16::MAX.into();
            return Err(ParseError::bad_length(layer, 0, length, HEADER, most));
        };
        let (body, rest) = rest.split_at_checked(body).ok_or(short(length))?;
        Ok(Self { header, body, rest })
    }

    /// The messages, in the number that the header states.
    pub(super) const fn walk<const WIDTH: usize>(&self, count: u8) -> Walk<'a, WIDTH> {
        Walk {
            rest: self.body,
            end: HEADER + self.body.len(),
            left: count,
        }
    }
}

/// The first `N` bytes as an integer.
#[inline(always)]
fn little<const N: usize>(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.first_chunk::<N>()?;
    let add = |sum, byte: &u8| sum << 8 | usize::from(*byte);
    Some(bytes.iter().rev().fold(0, add))
}

/// Goes from message to message, whose lengths and types have `WIDTH` bytes each. Offsets in errors count
/// from the unit's first byte.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) struct Walk<'a, const WIDTH: usize> {
    rest: &'a [u8],
    end: usize,
    left: u8,
}

impl<'a, const WIDTH: usize> Walk<'a, WIDTH> {
    /// Bytes of a length and a type: the least that a message has.
    const PREFIX: usize = 2 * WIDTH;

    /// The next message. After an error there is none: the start of the next message is unknown.
    #[inline(always)]
    pub(super) fn next(&mut self, layer: Layer) -> Option<Result<&'a [u8], ParseError>> {
        self.left = self.left.checked_sub(1)?;
        let len = little::<WIDTH>(self.rest).filter(|&len| len >= Self::PREFIX);
        if let Some((message, rest)) = len.and_then(|len| self.rest.split_at_checked(len)) {
            self.rest = rest;
            return Some(Ok(message));
        }
        Some(Err(self.cut(layer)))
    }

    #[cold]
    fn cut(&mut self, layer: Layer) -> ParseError {
        self.left = 0;
        let (offset, available) = (self.offset(), self.rest.len());
        let stated = little::<WIDTH>(self.rest).unwrap_or(Self::PREFIX);
        if stated < Self::PREFIX {
            let most = (1 << (8 * WIDTH)) - 1;
            return ParseError::bad_length(layer, offset, stated, Self::PREFIX, most);
        }
        ParseError::truncated(layer, offset, stated, available)
    }

    /// Where the next message is.
    pub(super) const fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The bytes that were not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Makes a unit in a buffer of the caller.
#[derive(Debug)]
pub(super) struct Builder<'b> {
    layer: Layer,
    buffer: &'b mut [u8],
    len: usize,
    count: u8,
}

impl<'b> Builder<'b> {
    /// Begins a unit with this header, in which length and count are made at the end.
    pub(super) fn new(
        layer: Layer,
        buffer: &'b mut [u8],
        header: &[u8],
    ) -> Result<Self, EmitError> {
        Writer::new(layer, buffer).put(header)?;
        Ok(Self {
            layer,
            buffer,
            len: header.len(),
            count: 0,
        })
    }

    /// Messages so far.
    pub(super) const fn count(&self) -> u8 {
        self.count
    }

    /// Appends what `emit` writes and says to have written. The unit is as it was where that fails. What
    /// `emit` says of the room for its message is told of the whole unit.
    pub(super) fn push(
        &mut self,
        emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
    ) -> Result<(), EmitError> {
        let too_long = EmitError::TooLong {
            layer: self.layer,
            len: MOST + 1,
            most: MOST,
        };
        let more = self.count.checked_add(1).ok_or(too_long)?;
        let available = self.buffer.len();
        let end = available.min(u16::MAX.into());
        let space = self.buffer.get_mut(self.len..end).unwrap_or_default();
        let room = space.len();
        let start = self.len;
        let no_room = |layer, written: usize| {
            let needed = start.saturating_add(written);
            let most = u16::MAX.into();
            match needed > most && available > most {
                // More room would not help: the length field holds no more.
                true => EmitError::TooLong {
                    layer,
                    len: needed,
                    most,
                },
                false => EmitError::NoRoom {
                    layer,
                    needed,
                    available,
                },
            }
        };
        let written = emit(space).map_err(|error| match error {
            EmitError::NoRoom { layer, needed, .. } => no_room(layer, needed),
            other => other,
        })?;
        if written > room {
            return Err(no_room(self.layer, written));
        }
        (self.len, self.count) = (self.len + written, more);
        Ok(())
    }

    /// The unit's bytes, where the header has its count at `count_at`.
    pub(super) fn finish(self, count_at: usize) -> &'b [u8] {
        if let Some(length) = self.buffer.first_chunk_mut::<LENGTH>() {
            *length = (self.len as u16).to_le_bytes();
        }
        if let Some(count) = self.buffer.get_mut(count_at) {
            *count = self.count;
        }
        self.buffer.get(..self.len).unwrap_or_default()
    }
}
