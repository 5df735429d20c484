//! Writing messages into the caller's memory.

use core::fmt;

use crate::wire::error::Layer;

/// Why a message was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EmitError {
    /// The buffer is too short.
    NoRoom {
        /// The kind of message.
        layer: Layer,
        /// Bytes needed in total, as far as known.
        needed: usize,
        /// Bytes in the buffer.
        available: usize,
    },
    /// A field or message exceeds the maximum of its length field.
    TooLong {
        /// The kind of message.
        layer: Layer,
        /// Length in bytes, or number of messages.
        len: usize,
        /// The maximum.
        most: usize,
    },
    /// A value contains a byte that ends values on the wire, or is empty.
    Separator {
        /// The kind of message.
        layer: Layer,
        /// The field: the tag in FIX.
        field: u32,
        /// The offset in the value.
        offset: usize,
    },
    /// The writer writes this field itself, or the field needs another method of the writer.
    Reserved {
        /// The kind of message.
        layer: Layer,
        /// The field: the tag in FIX.
        field: u32,
    },
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoRoom {
                layer,
                needed,
                available,
            } => write!(f, "{layer}: {needed} bytes do not fit into {available}"),
            Self::TooLong { layer, len, most } => {
                write!(
                    f,
                    "{layer}: length {len} exceeds the maximum {most} of this field"
                )
            }
            Self::Separator {
                layer,
                field,
                offset,
            } => write!(
                f,
                "{layer}: the value of field {field} contains a separator at byte {offset}"
            ),
            Self::Reserved { layer, field } => {
                write!(
                    f,
                    "{layer}: field {field} must not be written by the caller"
                )
            }
        }
    }
}

impl core::error::Error for EmitError {}

/// Appends to a buffer.
pub(super) struct Writer<'b> {
    layer: Layer,
    out: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    pub(super) fn new(layer: Layer, out: &'b mut [u8]) -> Self {
        Self { layer, out, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Writes all of `bytes`, or nothing.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        let end = self.len.saturating_add(bytes.len());
        let available = self.out.len();
        let Some(place) = self.out.get_mut(self.len..end) else {
            return Err(EmitError::NoRoom {
                layer: self.layer,
                needed: end,
                available,
            });
        };
        place.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Overwrites bytes that were written before. Ignores a range outside of them.
    pub(super) fn patch(&mut self, at: usize, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len());
        let written = self.out.get_mut(..self.len);
        if let Some(place) = written.and_then(|w| w.get_mut(at..end)) {
            place.copy_from_slice(bytes);
        }
    }

    /// Removes the bytes in `to..from`.
    pub(super) fn close(&mut self, to: usize, from: usize) {
        if to <= from && from <= self.len {
            self.out.copy_within(from..self.len, to);
            self.len -= from - to;
        }
    }

    /// Discards everything after the first `len` bytes.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    pub(super) fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    pub(super) fn finish(self) -> &'b mut [u8] {
        self.out.get_mut(..self.len).unwrap_or_default()
    }
}
