//! The fields of a message, in order.

use core::fmt;
use core::str;

use super::data_fields;
use super::scan::{SOH, ends_at, tag};
use crate::feed::price::write_fixed;
use crate::feed::text::decimal;
use crate::wire::error::{Layer, ParseError, Reason};

/// A field: `tag=value`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Field<'a> {
    /// The tag.
    pub tag: u32,
    /// The value as on the wire. Only the value of a data field may be empty or contain separators.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// The value as text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        str::from_utf8(self.value).ok()
    }

    /// The value of a char field, if it is a single byte.
    pub fn as_char(&self) -> Option<u8> {
        match *self.value {
            [byte] => Some(byte),
            _ => None,
        }
    }

    /// The value of a Boolean field.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            b"Y" => Some(true),
            b"N" => Some(false),
            _ => None,
        }
    }

    /// The value of a Length, SeqNum or NumInGroup field, if it is a number of at most 64 bits.
    pub fn as_u64(&self) -> Option<u64> {
        decimal(self.value)
    }

    /// The value of an int field, if it is a number that fits into an `i64`.
    pub fn as_i64(&self) -> Option<i64> {
        match self.value {
            [b'-', digits @ ..] => 0i64.checked_sub_unsigned(decimal(digits)?),
            digits => decimal(digits)?.try_into().ok(),
        }
    }

    /// The exact value of a float field (Price, Qty, Amt, …), if its digits fit into 63 bits and at most 255 of them
    /// are after the point. A zero may have more; then `places` is 255.
    pub fn as_decimal(&self) -> Option<Decimal> {
        let (negative, digits) = match self.value {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let mut places = None;
        let (mut mantissa, mut seen) = (0i64, false);
        for &byte in digits {
            match (byte, places) {
                (b'.', None) => places = Some(0u8),
                (b'0'..=b'9', _) => {
                    let digit = i64::from(byte - b'0');
                    mantissa = mantissa.checked_mul(10)?.checked_add(digit)?;
                    places = match places {
                        Some(u8::MAX) if mantissa != 0 => return None,
                        places => places.map(|n| n.saturating_add(1)),
                    };
                    seen = true;
                }
                _ => return None,
            }
        }
        seen.then_some(Decimal {
            mantissa: if negative { -mantissa } else { mantissa },
            places: places.unwrap_or(0),
        })
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.tag, self.value.escape_ascii())
    }
}

/// A decimal number as FIX writes it: `mantissa` units of `10^-places`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Decimal {
    /// All digits without the point.
    pub mantissa: i64,
    /// The number of digits after the point.
    pub places: u8,
}

impl Decimal {
    /// Returns the mantissa of the same number with this number of places, or `None` if digits would be lost or it
    /// does not fit. The mantissa of zero is always 0.
    ///
    /// ```
    /// use framepool::feed::fix::Decimal;
    ///
    /// let price = Decimal { mantissa: 187_325, places: 3 };
    /// assert_eq!(price.rescaled(4), Some(1_873_250));
    /// assert_eq!(price.rescaled(2), None);
    /// assert_eq!(Decimal { mantissa: 0, places: 0 }.rescaled(200), Some(0));
    /// ```
    pub fn rescaled(self, places: u8) -> Option<i64> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let up = places.checked_sub(self.places);
        let by = 10i64.checked_pow(up.unwrap_or(self.places.wrapping_sub(places)).into())?;
        match up {
            Some(_) => self.mantissa.checked_mul(by),
            None => (self.mantissa % by == 0).then_some(self.mantissa / by),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With more than 19 places, the digits after the point begin with zeros.
        if self.places > 19 {
            return write!(f, "{}e-{}", self.mantissa, self.places);
        }
        write_fixed(f, self.mantissa.into(), self.places.into())
    }
}

/// Iterates over the fields of a message or of a part of it, in the order of the wire.
///
/// An invalid field is an error, and the next field follows:
///
/// | what is wrong | error, and its offset |
/// |---|---|
/// | no tag, or no value | [`Reason::BadValue`] at the first wrong byte |
/// | a length field that is not a number | [`Reason::BadValue`] at the first byte that is not a digit |
/// | a length field without its data field after it | [`Reason::Missing`] with the data field's tag, at the next field; that field is the next item |
/// | data that does not end where its length says | [`Reason::BadLength`] at the value; the next field starts after the next separator |
///
/// A data field without a length field before it ends at the next separator, as other fields do.
// ```text
//   at                soh, by the lowest bit of `ends`
//    │ 5 5 = M S F T ¦ 5 4 = 1 ¦ …
//    └ eight bytes at once: the tag is before `=`
// ```
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fields<'a, const SEPARATOR: u8 = SOH> {
    /// The whole message: from any field of the body on there are at least eight bytes.
    bytes: &'a [u8],
    at: usize,
    end: usize,
    /// The separators from `chunk` on, without those before `at`, one bit for each byte.
    ends: u64,
    chunk: usize,
    /// The tag of the data field that must come next, or 0, and the length of its value.
    data: (u32, u64),
}

impl<'a, const SEPARATOR: u8> Fields<'a, SEPARATOR> {
    /// The fields in `bytes[at..end]`, including the last one's separator.
    #[inline]
    pub(super) const fn new(bytes: &'a [u8], at: usize, end: usize) -> Self {
        Self {
            bytes,
            at,
            end,
            ends: 0,
            // As if the 64 bytes before had been used up.
            chunk: at.wrapping_sub(64),
            data: (0, 0),
        }
    }

    /// The offset of the next field in the message.
    pub const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn end(&self) -> usize {
        self.end
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The end of the field at `at`: the next separator, or the end of the fields.
    #[inline(always)]
    fn next_end(&mut self) -> usize {
        while self.ends == 0 {
            self.chunk = self.chunk.wrapping_add(64);
            if self.chunk >= self.end {
                return self.end;
            }
            self.ends = ends_at::<SEPARATOR>(self.bytes, self.chunk);
        }
        let end = self.chunk + self.ends.trailing_zeros() as usize;
        self.ends &= self.ends - 1;
        end
    }

    /// The field in `at..soh`, if it is valid and neither a data field nor a length field.
    #[inline(always)]
    fn plain(&self, at: usize, soh: usize) -> Option<Field<'a>> {
        let eight = self.bytes.get(at..)?.first_chunk()?;
        let (tag, digits) = tag(*eight)?;
        let value = self.bytes.get(at + digits + 1..soh)?;
        let is_plain = !value.is_empty() && self.data.0 == 0 && !data_fields::is_length(tag);
        is_plain.then_some(Field { tag, value })
    }

    /// Any field in `at..soh`, and the state after it. It takes the state by value, so that the iterator stays in
    /// registers if this is not called.
    #[cold]
    #[inline(never)]
    fn unusual(mut self, at: usize, soh: usize) -> (Self, Result<Field<'a>, ParseError>) {
        let expected = core::mem::take(&mut self.data);
        let field = self.field(at, soh, expected);
        (self, field)
    }

    fn field(
        &mut self,
        at: usize,
        soh: usize,
        expected: (u32, u64),
    ) -> Result<Field<'a>, ParseError> {
        let mut eight = [0; 8];
        let head = self.bytes.get(at..).unwrap_or_default();
        for (place, byte) in eight.iter_mut().zip(head) {
            *place = *byte;
        }
        let (tag, digits) = tag(eight).ok_or_else(|| self.malformed(at, soh))?;
        let start = at + digits + 1;
        if tag == expected.0 {
            let value = self.data(start, soh, expected.1)?;
            return Ok(Field { tag, value });
        }
        if expected.0 != 0 {
            self.go_on_at(at);
            return Err(missing(expected.0, at));
        }
        match self.bytes.get(start..soh) {
            Some(value) if !value.is_empty() => {
                self.expect_data(tag, value, start)?;
                Ok(Field { tag, value })
            }
            _ => Err(self.malformed(at, soh)),
        }
    }

    /// Makes the field at `at` the next one.
    fn go_on_at(&mut self, at: usize) {
        self.at = at;
        self.chunk = at.wrapping_sub(64);
        self.ends = 0;
    }

    /// The value of a data field that starts at `start`. The field before stated its length.
    fn data(&mut self, start: usize, soh: usize, len: u64) -> Result<&'a [u8], ParseError> {
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        match (self.bytes.get(start..end), self.bytes.get(end)) {
            (Some(value), Some(&after)) if after == SEPARATOR && end < self.end => {
                self.go_on_at(end + 1);
                Ok(value)
            }
            _ => {
                let least = soh.saturating_sub(start);
                let most = self.end.saturating_sub(start + 1);
                Err(bad_length(start, len, least, most))
            }
        }
    }

    /// Expects a data field next, if this field at `start` is a length field.
    fn expect_data(&mut self, tag: u32, value: &[u8], start: usize) -> Result<(), ParseError> {
        let Some(data) = data_fields::data_of(tag) else {
            return Ok(());
        };
        if value.iter().any(|byte| !byte.is_ascii_digit()) {
            return Err(no_number(value, start));
        }
        // A length that does not fit into 64 bits is longer than any data.
        self.data = (data, decimal(value).unwrap_or(u64::MAX));
        Ok(())
    }

    /// The error for a length field that is the last field.
    #[cold]
    fn without_data(&mut self) -> ParseError {
        let (wanted, _) = core::mem::take(&mut self.data);
        missing(wanted, self.end)
    }

    /// The error for the invalid field in `at..soh`.
    fn malformed(&self, at: usize, soh: usize) -> ParseError {
        let field = self.bytes.get(at..soh).unwrap_or_default();
        let digits = field.iter().take_while(|b| b.is_ascii_digit()).count();
        // The offset of an empty value, or of the byte where a digit or `=` should be.
        let bad = match field.get(digits) {
            Some(b'=') if (1..8).contains(&digits) && field.first() != Some(&b'0') => digits + 1,
            Some(b'=') if digits > 0 => 0,
            _ => digits,
        };
        let found = field.get(bad).copied().unwrap_or(SEPARATOR);
        let reason = Reason::BadValue {
            found: found.into(),
        };
        ParseError::new(Layer::Fix, reason, at + bad)
    }
}

/// The error for a value at `start` that should be a number: its first byte that is not a digit, or its size.
#[cold]
pub(super) fn no_number(value: &[u8], start: usize) -> ParseError {
    let wrong = value.iter().zip(start..).find(|(b, _)| !b.is_ascii_digit());
    let (reason, at) = match wrong {
        Some((&byte, at)) => (Reason::BadValue { found: byte.into() }, at),
        None => {
            let digits = u32::try_from(value.len()).unwrap_or(u32::MAX);
            (Reason::TooLarge { digits }, start)
        }
    };
    ParseError::new(Layer::Fix, reason, at)
}

/// The error for a length at `at` that is not in `least..=most`. `stated` may exceed a `usize` of 32 bits.
#[cold]
pub(super) fn bad_length(at: usize, stated: u64, least: usize, most: usize) -> ParseError {
    let mut error = ParseError::bad_length(Layer::Fix, at, 0, least, most);
    if let Reason::BadLength { stated: place, .. } = &mut error.reason {
        *place = stated;
    }
    error
}

/// The error for a field that is missing at `at`.
#[cold]
pub(super) fn missing(tag: u32, at: usize) -> ParseError {
    ParseError::new(Layer::Fix, Reason::Missing { wanted: tag }, at)
}

impl<'a, const SEPARATOR: u8> Iterator for Fields<'a, SEPARATOR> {
    type Item = Result<Field<'a>, ParseError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        if at >= self.end {
            return (self.data.0 != 0).then(|| Err(self.without_data()));
        }
        let soh = self.next_end();
        self.at = soh + 1;
        if let Some(field) = self.plain(at, soh) {
            return Some(Ok(field));
        }
        let (state, field) = self.clone().unusual(at, soh);
        *self = state;
        match field {
            Ok(field) => Some(Ok(field)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<const SEPARATOR: u8> core::iter::FusedIterator for Fields<'_, SEPARATOR> {}
