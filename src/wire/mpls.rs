//! Entries of an MPLS label stack (RFC 3032).

use super::view::{at_least, get32, part, put, view};
use super::{Layer, ParseError};

mod field {
    pub const ENTRY: usize = 0;
    pub const END: usize = 4;
}

view! {
    /// The topmost entry of a label stack, and what follows it.
    ///
    /// ```
    /// use framepool::wire::{Mpls, MplsHeader};
    ///
    /// let mut bytes = [0; 4];
    /// MplsHeader { label: 16, traffic_class: 0, is_bottom: true, ttl: 64 }.emit(&mut bytes)?;
    /// assert_eq!(bytes, [0, 1, 1, 64]);
    /// assert!(Mpls::new_checked(&bytes)?.is_bottom());
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Mpls
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Mpls, bytes, field::END)
}

impl<T: AsRef<[u8]>> Mpls<T> {
    fn entry(&self) -> u32 {
        get32(self.as_bytes(), field::ENTRY)
    }

    /// The label, 20 bits.
    pub fn label(&self) -> u32 {
        self.entry() >> 12
    }

    /// The traffic class, 0 to 7 (RFC 5462).
    pub fn traffic_class(&self) -> u8 {
        (self.entry() >> 9) as u8 & 7
    }

    /// Whether it is the last label of the stack.
    pub fn is_bottom(&self) -> bool {
        self.entry() & 0x100 != 0
    }

    /// The time to live.
    pub fn ttl(&self) -> u8 {
        self.entry() as u8
    }

    /// What is behind the entry: the next one, or the packet.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, usize::MAX)
    }

    /// All fields.
    pub fn header(&self) -> MplsHeader {
        MplsHeader {
            label: self.label(),
            traffic_class: self.traffic_class(),
            is_bottom: self.is_bottom(),
            ttl: self.ttl(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Mpls<T> {
    fn set(&mut self, mask: u32, value: u32) {
        let entry = (self.entry() & !mask) | (value & mask);
        put(self.0.as_mut(), field::ENTRY, entry.to_be_bytes());
    }

    /// Sets the label; its lowest 20 bits.
    pub fn set_label(&mut self, label: u32) {
        self.set(0xFFFF_F000, label << 12);
    }

    /// Sets the traffic class; its lowest three bits.
    pub fn set_traffic_class(&mut self, class: u8) {
        self.set(0xE00, u32::from(class) << 9);
    }

    /// Sets whether it is the last label of the stack.
    pub fn set_bottom(&mut self, is_bottom: bool) {
        self.set(0x100, u32::from(is_bottom) << 8);
    }

    /// Sets the time to live.
    pub fn set_ttl(&mut self, ttl: u8) {
        self.set(0xFF, ttl.into());
    }
}

/// The fields of a label stack entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct MplsHeader {
    /// The label, 20 bits.
    pub label: u32,
    /// The traffic class, 0 to 7.
    pub traffic_class: u8,
    /// Whether it is the last label of the stack.
    pub is_bottom: bool,
    /// The time to live.
    pub ttl: u8,
}

impl MplsHeader {
    /// Bytes of an entry.
    pub const LEN: usize = field::END;

    /// Reads the entry at the start of some bytes.
    ///
    /// # Errors
    /// As [`Mpls::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Mpls::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the entry to the start of `to`; returns its length. Of each field the bits that the entry has
    /// are written.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let mut view = Mpls::new_checked(to)?;
        view.set_label(self.label);
        view.set_traffic_class(self.traffic_class);
        view.set_bottom(self.is_bottom);
        view.set_ttl(self.ttl);
        Ok(field::END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_leave_their_neighbours_alone() {
        let mut bytes = [0xFF; 4];
        let mut entry = Mpls::new_checked(&mut bytes).unwrap();
        entry.set_label(5);
        entry.set_bottom(false);
        let header = MplsHeader {
            label: 5,
            traffic_class: 7,
            is_bottom: false,
            ttl: 255,
        };
        assert_eq!(entry.header(), header);
    }
}
