//! Fields by tag, and repeating groups.

use super::fields::{Field, Fields, missing, no_number};
use super::scan::SOH;
use crate::wire::error::ParseError;

/// Consecutive fields: the body of a message, or one entry of a repeating group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Section<'a, const SEPARATOR: u8 = SOH> {
    /// The whole message.
    bytes: &'a [u8],
    start: usize,
    end: usize,
}

impl<'a, const SEPARATOR: u8> Section<'a, SEPARATOR> {
    pub(super) const fn new(bytes: &'a [u8], start: usize, end: usize) -> Self {
        Self { bytes, start, end }
    }

    pub(super) const fn message(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its bytes, including separators.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Returns the number of bytes.
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has no fields.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the fields in the order of the wire. Offsets in errors count from the message's first byte.
    #[inline]
    pub fn fields(&self) -> Fields<'a, SEPARATOR> {
        Fields::new(self.bytes, self.start, self.end)
    }

    /// The first field with this tag. O(fields).
    pub fn get(&self, tag: u32) -> Option<Field<'a>> {
        self.fields().flatten().find(|field| field.tag == tag)
    }

    /// Iterates over the entries of the repeating group whose NumInGroup field has the tag `count`. `None`: there is
    /// no such field.
    ///
    /// Every entry starts with the same tag. `members` are all tags that an entry may have, including those of groups
    /// in it: the last entry ends before a field with another tag.
    ///
    /// # Errors
    /// The count is not a number, or a field before it is invalid.
    ///
    /// ```
    /// use framepool::feed::fix::{Version, Writer, Message};
    ///
    /// let mut buffer = [0; 128];
    /// let mut writer = Writer::new(&mut buffer, Version::Fix44, b"D")?;
    /// for (tag, value) in [(453, "2"), (448, "A"), (452, "1"), (448, "B"), (452, "3"), (54, "1")] {
    ///     writer.field(tag, value.as_bytes())?;
    /// }
    /// let (message, _) = Message::parse(writer.finish()?)?;
    /// let mut parties = Vec::new();
    /// for party in message.group(453, &[448, 447, 452])?.unwrap() {
    ///     parties.push(party?.get(448).unwrap().value);
    /// }
    /// assert_eq!(parties, [b"A", b"B"]);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn group<'m>(
        &self,
        count: u32,
        members: &'m [u32],
    ) -> Result<Option<Group<'a, 'm, SEPARATOR>>, ParseError> {
        let mut fields = self.fields();
        loop {
            let Some(field) = fields.next().transpose()? else {
                return Ok(None);
            };
            if field.tag == count {
                let Some(left) = field.as_u64() else {
                    // One separator is after the value, and the next field after that.
                    let start = fields.offset().saturating_sub(field.value.len() + 1);
                    return Err(no_number(field.value, start));
                };
                return Ok(Some(Group::new(fields, members, left)));
            }
        }
    }
}

/// Iterates over the entries of a repeating group.
///
/// Fewer entries than the count states, or an invalid field in an entry, are an error that ends the iteration.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Group<'a, 'm, const SEPARATOR: u8 = SOH> {
    fields: Fields<'a, SEPARATOR>,
    members: &'m [u32],
    /// The tag that every entry starts with.
    first: u32,
    left: u64,
}

impl<'a, 'm, const SEPARATOR: u8> Group<'a, 'm, SEPARATOR> {
    fn new(fields: Fields<'a, SEPARATOR>, members: &'m [u32], left: u64) -> Self {
        let first = match fields.clone().next() {
            Some(Ok(field)) if members.contains(&field.tag) => field.tag,
            // There is no entry: the error is that the first member is missing. No field has the tag 0.
            _ => members.first().copied().unwrap_or(0),
        };
        Self {
            fields,
            members,
            first,
            left,
        }
    }

    /// Returns the number of entries to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// The next entry. The fields continue after it.
    fn entry(&mut self) -> Result<Section<'a, SEPARATOR>, ParseError> {
        let start = self.fields.offset();
        let (bytes, last) = (self.fields.bytes(), self.fields.end());
        match self.fields.next().transpose()? {
            Some(field) if field.tag == self.first => {}
            _ => return Err(missing(self.first, start)),
        }
        loop {
            let before = self.fields.clone();
            match self.fields.next().transpose()? {
                Some(field) if field.tag != self.first && self.members.contains(&field.tag) => {}
                Some(_) => {
                    let end = before.offset();
                    self.fields = before;
                    return Ok(Section::new(bytes, start, end));
                }
                None => return Ok(Section::new(bytes, start, last)),
            }
        }
    }
}

impl<'a, const SEPARATOR: u8> Iterator for Group<'a, '_, SEPARATOR> {
    type Item = Result<Section<'a, SEPARATOR>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = self.entry();
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

impl<const SEPARATOR: u8> core::iter::FusedIterator for Group<'_, '_, SEPARATOR> {}
