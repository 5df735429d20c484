//! VLAN tags: IEEE 802.1Q, and 802.1ad where they are stacked.

use super::view::{at_least, get16, part, part_mut, put, view};
use super::{Layer, ParseError};

mod field {
    pub const TCI: usize = 0;
    pub const TYPE: usize = 2;
    pub const END: usize = 4;
}

/// The identifier in a TCI.
const ID: u16 = 0x0FFF;
/// The drop eligibility in a TCI.
const DROP_ELIGIBLE: u16 = 0x1000;

view! {
    /// A VLAN tag behind its type, and what follows it.
    ///
    /// ```
    /// use framepool::wire::{Vlan, VlanHeader};
    ///
    /// let mut bytes = [0; 8];
    /// VlanHeader { priority: 5, drop_eligible: false, id: 100, ether_type: 0x0800 }.emit(&mut bytes)?;
    /// assert_eq!(bytes[..4], [0xA0, 100, 8, 0]);
    ///
    /// let mut tag = Vlan::new_checked(&mut bytes)?;
    /// tag.set_id(4094);
    /// assert_eq!((tag.priority(), tag.id()), (5, 4094));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Vlan
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Vlan, bytes, field::END)
}

impl<T: AsRef<[u8]>> Vlan<T> {
    /// Tag control information: priority, drop eligibility and identifier.
    pub fn tci(&self) -> u16 {
        get16(self.as_bytes(), field::TCI)
    }

    /// The priority, 0 to 7.
    pub fn priority(&self) -> u8 {
        (self.tci() >> 13) as u8
    }

    /// Whether it is dropped before others.
    pub fn drop_eligible(&self) -> bool {
        self.tci() & DROP_ELIGIBLE != 0
    }

    /// The VLAN's identifier, 0 to 4095.
    pub fn id(&self) -> u16 {
        self.tci() & ID
    }

    /// The type of what is behind the tag, or a length below 0x600.
    pub fn ether_type(&self) -> u16 {
        get16(self.as_bytes(), field::TYPE)
    }

    /// What is behind the tag.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, usize::MAX)
    }

    /// All fields.
    pub fn header(&self) -> VlanHeader {
        VlanHeader {
            priority: self.priority(),
            drop_eligible: self.drop_eligible(),
            id: self.id(),
            ether_type: self.ether_type(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Vlan<T> {
    /// Sets priority, drop eligibility and identifier at once.
    pub fn set_tci(&mut self, tci: u16) {
        put(self.0.as_mut(), field::TCI, tci.to_be_bytes());
    }

    /// Sets the priority; its lowest three bits.
    pub fn set_priority(&mut self, priority: u8) {
        self.set_tci((self.tci() & !0xE000) | (u16::from(priority) << 13));
    }

    /// Sets whether it is dropped before others.
    pub fn set_drop_eligible(&mut self, drop_eligible: bool) {
        let bit = if drop_eligible { DROP_ELIGIBLE } else { 0 };
        self.set_tci((self.tci() & !DROP_ELIGIBLE) | bit);
    }

    /// Sets the identifier; its lowest twelve bits.
    pub fn set_id(&mut self, id: u16) {
        self.set_tci((self.tci() & !ID) | (id & ID));
    }

    /// Sets the type of what is behind the tag.
    pub fn set_ether_type(&mut self, ether_type: u16) {
        put(self.0.as_mut(), field::TYPE, ether_type.to_be_bytes());
    }

    /// What is behind the tag, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        part_mut(self.0.as_mut(), field::END, usize::MAX)
    }
}

/// The fields of a VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct VlanHeader {
    /// The priority, 0 to 7.
    pub priority: u8,
    /// Whether it is dropped before others.
    pub drop_eligible: bool,
    /// The VLAN's identifier, 0 to 4095.
    pub id: u16,
    /// The type of what is behind the tag, or a length below 0x600.
    pub ether_type: u16,
}

impl VlanHeader {
    /// Bytes of the tag.
    pub const LEN: usize = field::END;

    /// Reads the tag at the start of some bytes.
    ///
    /// # Errors
    /// As [`Vlan::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Vlan::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the tag to the start of `to`; returns its length. Of priority and identifier the bits that the
    /// tag has are written.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let mut view = Vlan::new_checked(to)?;
        view.set_tci(self.id & ID);
        view.set_priority(self.priority);
        view.set_drop_eligible(self.drop_eligible);
        view.set_ether_type(self.ether_type);
        Ok(field::END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_leave_their_neighbours_alone() {
        let mut bytes = [0xFF; 4];
        let mut tag = Vlan::new_checked(&mut bytes).unwrap();
        tag.set_id(0);
        assert_eq!(
            (tag.priority(), tag.drop_eligible(), tag.id()),
            (7, true, 0)
        );
        tag.set_drop_eligible(false);
        tag.set_priority(2);
        assert_eq!(tag.tci(), 0x4000);
        tag.set_id(0xFFFF);
        assert_eq!(tag.tci(), 0x4FFF);
    }
}
