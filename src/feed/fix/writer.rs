//! Writing messages, including BodyLength and CheckSum.

use super::data_fields;
use super::message::MAX_BODY_LENGTH;
use super::scan::{SOH, sum};
use super::version::Version;
use crate::feed::emit::{self, EmitError};
use crate::feed::text::digits;
use crate::wire::error::Layer;

/// Digits reserved for BodyLength until it is known.
const DIGITS: usize = 8;
/// Room for the digits of a number and its sign.
type Text = [u8; 24];

/// Writes a message field by field into a buffer of the caller. See [the module](super) for an example.
///
/// The writer writes BeginString, BodyLength, MsgType and CheckSum itself. The buffer needs a few bytes more than the
/// message, as eight digits are reserved for BodyLength until the message is finished.
pub struct Writer<'b> {
    out: emit::Writer<'b>,
    /// The offset of the digits of BodyLength.
    length: usize,
}

describe!(Writer<'_> as Writer { len = |writer| writer.out.len() });

impl<'b> Writer<'b> {
    /// Starts a message.
    ///
    /// # Errors
    /// `buffer` is too short, or the type is empty or contains a separator.
    pub fn new(buffer: &'b mut [u8], version: Version, msg_type: &[u8]) -> Result<Self, EmitError> {
        let mut out = emit::Writer::new(Layer::Fix, buffer);
        out.put(b"8=")?;
        out.put(version.as_bytes())?;
        out.put(b"\x019=")?;
        let length = out.len();
        out.put(&[b'0'; DIGITS])?;
        out.put(&[SOH])?;
        let mut writer = Self { out, length };
        writer.plain(35, msg_type)?;
        Ok(writer)
    }

    /// Appends a field.
    ///
    /// # Errors
    /// - [`EmitError::NoRoom`]: the buffer is too short.
    /// - [`EmitError::Separator`]: the value is empty or contains a separator.
    /// - [`EmitError::Reserved`]: the tag is 0, has more than seven digits, or is one that the writer writes itself;
    ///   or it is that of a data field or its length field, which [`data`](Self::data) writes.
    ///
    /// The message is then unchanged.
    pub fn field(&mut self, tag: u32, value: &[u8]) -> Result<(), EmitError> {
        let layer = Layer::Fix;
        let is_data = data_fields::is_length(tag) || data_fields::length_of(tag).is_some();
        if is_data || matches!(tag, 0 | 8 | 9 | 10 | 35) || tag > 9_999_999 {
            return Err(EmitError::Reserved { layer, field: tag });
        }
        self.plain(tag, value)
    }

    /// Appends an integer field.
    ///
    /// # Errors
    /// See [`field`](Self::field).
    pub fn int(&mut self, tag: u32, value: i64) -> Result<(), EmitError> {
        let mut text = Text::default();
        let start = digits(&mut text, value.unsigned_abs());
        let start = match start.checked_sub(1) {
            Some(before) if value < 0 => {
                text[before] = b'-';
                before
            }
            _ => start,
        };
        self.field(tag, text.get(start..).unwrap_or_default())
    }

    /// Appends a length field with the tag `length`, and its data field: `writer.data(95, …)` writes RawDataLength
    /// and RawData.
    ///
    /// # Errors
    /// The buffer is too short, or no length field has this tag. The message is then unchanged.
    pub fn data(&mut self, length: u32, data: &[u8]) -> Result<(), EmitError> {
        let layer = Layer::Fix;
        let field = length;
        let tag = data_fields::data_of(length).ok_or(EmitError::Reserved { layer, field })?;
        let before = self.out.len();
        let mut text = Text::default();
        let start = digits(&mut text, data.len() as u64);
        let written = self
            .plain(length, text.get(start..).unwrap_or_default())
            .and_then(|()| self.put(tag, data));
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    /// Appends a field whose value must not be empty or contain separators.
    fn plain(&mut self, tag: u32, value: &[u8]) -> Result<(), EmitError> {
        let separator = value.iter().position(|&byte| byte == SOH);
        let offset = if value.is_empty() { Some(0) } else { separator };
        match offset {
            Some(offset) => Err(EmitError::Separator {
                layer: Layer::Fix,
                field: tag,
                offset,
            }),
            None => self.put(tag, value),
        }
    }

    fn put(&mut self, tag: u32, value: &[u8]) -> Result<(), EmitError> {
        let before = self.out.len();
        let mut text = Text::default();
        let start = digits(&mut text, tag.into());
        let parts = [text.get(start..).unwrap_or_default(), b"=", value, b"\x01"];
        let written = parts.into_iter().try_for_each(|part| self.out.put(part));
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    /// Finishes the message with BodyLength and CheckSum, and returns its bytes.
    ///
    /// # Errors
    /// The buffer is too short, or the body is longer than [`MAX_BODY_LENGTH`](super::MAX_BODY_LENGTH) bytes.
    pub fn finish(mut self) -> Result<&'b [u8], EmitError> {
        let body = self.length + DIGITS + 1;
        let len = self.out.len().saturating_sub(body);
        if len > MAX_BODY_LENGTH {
            return Err(EmitError::TooLong {
                layer: Layer::Fix,
                len,
                most: MAX_BODY_LENGTH,
            });
        }
        let mut text = Text::default();
        let start = digits(&mut text, len as u64);
        let text = text.get(start..).unwrap_or_default();
        self.out.patch(self.length, text);
        self.out.close(self.length + text.len(), body - 1);
        let sum = sum::<SOH>(self.out.written());
        let digit = |n: u8| b'0' + n % 10;
        let sum = [digit(sum / 100), digit(sum / 10), digit(sum)];
        self.out.put(b"10=")?;
        self.out.put(&sum)?;
        self.out.put(&[SOH])?;
        Ok(self.out.finish())
    }
}
