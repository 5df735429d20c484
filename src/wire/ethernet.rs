//! Ethernet II and IEEE 802.3.

use super::view::{at_least, get, get16, part, part_mut, put, view};
use super::{Layer, ParseError};

mod field {
    pub const DST: usize = 0;
    pub const SRC: usize = 6;
    pub const TYPE: usize = 12;
    pub const END: usize = 14;
}

/// The least that is a type; what is less is a length.
const LEAST_TYPE: u16 = 0x600;
/// The longest frame body that a length may state.
const MOST_LENGTH: u16 = 1500;

view! {
    /// An Ethernet header and what follows it, without the frame check sequence.
    ///
    /// ```
    /// use framepool::wire::{Ethernet, EthernetHeader};
    ///
    /// let mut frame = [0; 60];
    /// let header = EthernetHeader { dst: [0xFF; 6], src: [2, 0, 0, 0, 0, 1], ether_type: 0x0806 };
    /// assert_eq!(header.emit(&mut frame)?, 14);
    ///
    /// let mut view = Ethernet::new_checked(&mut frame)?;
    /// view.set_src([2, 0, 0, 0, 0, 2]);
    /// assert_eq!(view.src()[5], 2);
    /// assert_eq!(view.payload().len(), 46);
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Ethernet
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Ethernet, bytes, field::END)?;
    let stated = get16(bytes, field::TYPE);
    if stated >= LEAST_TYPE {
        return Ok(());
    }
    if stated > MOST_LENGTH {
        let most = MOST_LENGTH.into();
        let (layer, at) = (Layer::Ethernet, field::TYPE);
        return Err(ParseError::bad_length(layer, at, stated.into(), 0, most));
    }
    at_least(Layer::Ethernet, bytes, field::END + usize::from(stated))
}

impl<T: AsRef<[u8]>> Ethernet<T> {
    /// The receiver's address.
    pub fn dst(&self) -> [u8; 6] {
        get(self.as_bytes(), field::DST)
    }

    /// The sender's address.
    pub fn src(&self) -> [u8; 6] {
        get(self.as_bytes(), field::SRC)
    }

    /// The type, or a length below 0x600.
    pub fn ether_type(&self) -> u16 {
        get16(self.as_bytes(), field::TYPE)
    }

    /// The length of an IEEE 802.3 frame's body, in bytes.
    pub fn len(&self) -> Option<usize> {
        let stated = self.ether_type();
        (stated < LEAST_TYPE).then_some(stated.into())
    }

    /// Whether the body has a stated length of zero.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// What is behind the header: up to the stated length, if there is one.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, self.end())
    }

    fn end(&self) -> usize {
        self.len().map_or(usize::MAX, |len| field::END + len)
    }

    /// All fields.
    pub fn header(&self) -> EthernetHeader {
        EthernetHeader {
            dst: self.dst(),
            src: self.src(),
            ether_type: self.ether_type(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ethernet<T> {
    /// Sets the receiver's address.
    pub fn set_dst(&mut self, address: [u8; 6]) {
        put(self.0.as_mut(), field::DST, address);
    }

    /// Sets the sender's address.
    pub fn set_src(&mut self, address: [u8; 6]) {
        put(self.0.as_mut(), field::SRC, address);
    }

    /// Sets the type, or a length below 0x600.
    pub fn set_ether_type(&mut self, ether_type: u16) {
        put(self.0.as_mut(), field::TYPE, ether_type.to_be_bytes());
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        part_mut(self.0.as_mut(), field::END, end)
    }
}

/// The fields of an Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct EthernetHeader {
    /// The receiver's address.
    pub dst: [u8; 6],
    /// The sender's address.
    pub src: [u8; 6],
    /// The type, or a length below 0x600.
    pub ether_type: u16,
}

impl EthernetHeader {
    /// Bytes of the header.
    pub const LEN: usize = field::END;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Ethernet::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ethernet::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to`; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Ethernet, to, field::END)?;
        put(to, field::DST, self.dst);
        put(to, field::SRC, self.src);
        put(to, field::TYPE, self.ether_type.to_be_bytes());
        Ok(field::END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_bounds_the_payload() {
        let mut frame = [0; 60];
        frame[13] = 10;
        assert_eq!(Ethernet::new_checked(&frame).unwrap().payload().len(), 10);
        frame[13] = 47;
        let error = ParseError::truncated(Layer::Ethernet, 0, 61, 60);
        assert_eq!(Ethernet::new_checked(&frame).unwrap_err(), error);
    }
}
