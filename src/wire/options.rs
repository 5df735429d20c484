//! The options of IPv4, TCP and IPv6: a kind, a length, and that many bytes.

use super::error::{Layer, ParseError};
use super::view::{at_least, part, part_mut};

/// An option: its kind, and the bytes after kind and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RawOption<'a> {
    /// The kind.
    pub kind: u8,
    /// The bytes after kind and length.
    pub data: &'a [u8],
}

/// The options of a header in order, without padding. Ends after the first wrong option.
///
/// ```
/// use framepool::wire::{Ipv4, Ipv4Header};
///
/// let mut bytes = [0; 24];
/// // Router alert (RFC 2113).
/// let options = [148, 4, 0, 0];
/// Ipv4Header { total_len: 24, options: &options, ..Ipv4Header::default() }.emit(&mut bytes)?;
/// let ip = Ipv4::new_checked(&bytes)?;
/// let alert = ip.options().next().expect("there is one")?;
/// assert_eq!((alert.kind, alert.data), (148, &[0, 0][..]));
/// # Ok::<(), framepool::wire::ParseError>(())
/// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Options<'a> {
    layer: Layer,
    left: &'a [u8],
    /// Offset of `left` from the header's start.
    offset: usize,
}

/// How kinds and lengths are encoded.
#[derive(Clone, Copy)]
struct Form {
    /// The kind that ends the list, without a length.
    end: Option<u8>,
    /// The kind that is one byte of padding.
    pad: u8,
    /// The kind that is padding with a length.
    pad_many: Option<u8>,
    /// Bytes of the option that its length does not count.
    uncounted: usize,
}

impl<'a> Options<'a> {
    pub(super) fn new(layer: Layer, bytes: &'a [u8], offset: usize) -> Self {
        Self {
            layer,
            left: bytes,
            offset,
        }
    }

    /// Offset of the next option from the header's start.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    fn form(&self) -> Form {
        match self.layer {
            Layer::Ipv4 | Layer::Tcp => Form {
                end: Some(0),
                pad: 1,
                pad_many: None,
                uncounted: 0,
            },
            // RFC 8200, 4.2.
            _ => Form {
                end: None,
                pad: 0,
                pad_many: Some(1),
                uncounted: 2,
            },
        }
    }

    fn advance(&mut self, by: usize) {
        self.left = part(self.left, by, usize::MAX);
        self.offset += by;
    }

    /// Ends the list with an error.
    pub(super) fn stop<T>(&mut self, error: ParseError) -> Option<Result<T, ParseError>> {
        self.left = &[];
        Some(Err(error))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<RawOption<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let form = self.form();
        loop {
            let (&kind, rest) = self.left.split_first()?;
            if form.end == Some(kind) {
                self.left = &[];
                return None;
            }
            if kind == form.pad {
                self.advance(1);
                continue;
            }
            let available = self.left.len();
            let Some(&stated) = rest.first() else {
                return self.stop(ParseError::truncated(self.layer, self.offset, 2, available));
            };
            let len = usize::from(stated) + form.uncounted;
            if len < 2 || len > available {
                let least = 2 - form.uncounted;
                let most = available.saturating_sub(form.uncounted);
                let (at, stated) = (self.offset + 1, stated.into());
                return self.stop(ParseError::bad_length(self.layer, at, stated, least, most));
            }
            let data = part(self.left, 2, len);
            self.advance(len);
            if form.pad_many != Some(kind) {
                return Some(Ok(RawOption { kind, data }));
            }
        }
    }
}

impl core::iter::FusedIterator for Options<'_> {}

/// Writes an option of IPv4 or TCP to the start of `to` and returns its length.
pub(super) fn emit(
    layer: Layer,
    option: RawOption<'_>,
    to: &mut [u8],
) -> Result<usize, ParseError> {
    let len = option.data.len() + 2;
    let Ok(stated) = u8::try_from(len) else {
        return Err(ParseError::bad_length(layer, 1, len, 2, 255));
    };
    let available = to.len();
    match to.get_mut(..len) {
        Some([kind, length, data @ ..]) => {
            (*kind, *length) = (option.kind, stated);
            data.copy_from_slice(option.data);
            Ok(len)
        }
        _ => Err(ParseError::truncated(layer, 0, len, available)),
    }
}

/// Writes the options of an IPv4 or TCP header to `to`, after the 20 bytes before them, and returns the length of the
/// header.
pub(super) fn emit_all(layer: Layer, options: &[u8], to: &mut [u8]) -> Result<usize, ParseError> {
    const START: usize = 20;
    const MAX_LEN: usize = 40;
    let stated = options.len();
    if stated > MAX_LEN || stated % 4 != 0 {
        return Err(ParseError::bad_length(layer, START, stated, 0, MAX_LEN));
    }
    let len = START + stated;
    at_least(layer, to, len)?;
    part_mut(to, START, len).copy_from_slice(options);
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(layer: Layer, bytes: &[u8]) -> std::vec::Vec<Result<RawOption<'_>, ParseError>> {
        Options::new(layer, bytes, 20).collect()
    }

    #[test]
    fn paddings_are_passed_and_the_end_ends() {
        let bytes = [1, 7, 3, 9, 1, 0, 7, 2];
        let option = RawOption {
            kind: 7,
            data: &[9],
        };
        assert_eq!(of(Layer::Ipv4, &bytes), [Ok(option)]);
    }

    #[test]
    fn in_ipv6_the_length_is_without_kind_and_length() {
        let bytes = [0, 1, 2, 0, 0, 5, 0, 0];
        let option = RawOption { kind: 5, data: &[] };
        assert_eq!(of(Layer::HopByHop, &bytes), [Ok(option)]);
    }

    #[test]
    fn a_wrong_length_is_the_last_thing_told() {
        for wrong in [0, 1, 5] {
            let bytes = [1, 7, wrong, 9, 8];
            let error = ParseError::bad_length(Layer::Tcp, 22, wrong.into(), 2, 4);
            assert_eq!(of(Layer::Tcp, &bytes), [Err(error)]);
        }
        let error = ParseError::truncated(Layer::Tcp, 20, 2, 1);
        assert_eq!(of(Layer::Tcp, &[7]), [Err(error)]);
    }
}
