//! IEEE 802.2 LLC, and SNAP behind it (RFC 1042).

use super::view::{at_least, get, get8, get16, part, part_mut, put, view};
use super::{Layer, ParseError};

mod field {
    pub const DSAP: usize = 0;
    pub const SSAP: usize = 1;
    pub const CONTROL: usize = 2;
    pub const LLC_END: usize = 3;
    pub const OUI: usize = 3;
    pub const PROTOCOL: usize = 6;
    pub const SNAP_END: usize = 8;
}

view! {
    /// An LLC header behind a length, SNAP included if it says so.
    ///
    /// ```
    /// use framepool::wire::{Llc, LlcHeader, SnapHeader};
    ///
    /// let mut bytes = [0; 10];
    /// let snap = SnapHeader { oui: [0; 3], protocol: 0x0800 };
    /// assert_eq!(LlcHeader::snap(snap).emit(&mut bytes)?, 8);
    /// let llc = Llc::new_checked(&bytes)?;
    /// assert_eq!((llc.header().snap, llc.payload().len()), (Some(snap), 2));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Llc
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Llc, bytes, field::LLC_END)?;
    match is_snap(bytes) {
        true => at_least(Layer::Snap, bytes, field::SNAP_END),
        false => at_least(Layer::Llc, bytes, llc_len(bytes)),
    }
}

fn is_snap(bytes: &[u8]) -> bool {
    get(bytes, 0) == [0xAA, 0xAA, 3]
}

/// Numbered frames have a control field of two bytes.
fn llc_len(bytes: &[u8]) -> usize {
    let numbered = get8(bytes, field::CONTROL) & 3 != 3;
    field::LLC_END + usize::from(numbered)
}

impl<T: AsRef<[u8]>> Llc<T> {
    /// The service access point of the receiver.
    pub fn dsap(&self) -> u8 {
        get8(self.as_bytes(), field::DSAP)
    }

    /// The service access point of the sender.
    pub fn ssap(&self) -> u8 {
        get8(self.as_bytes(), field::SSAP)
    }

    /// The control field; of a numbered frame both bytes, the first one low.
    pub fn control(&self) -> u16 {
        match llc_len(self.as_bytes()) {
            field::LLC_END => get8(self.as_bytes(), field::CONTROL).into(),
            _ => u16::from_le_bytes(get(self.as_bytes(), field::CONTROL)),
        }
    }

    /// SNAP, if it follows.
    pub fn snap(&self) -> Option<SnapHeader> {
        let bytes = self.as_bytes();
        is_snap(bytes).then(|| SnapHeader {
            oui: get(bytes, field::OUI),
            protocol: get16(bytes, field::PROTOCOL),
        })
    }

    /// Bytes of the header, SNAP included.
    pub fn header_len(&self) -> usize {
        match is_snap(self.as_bytes()) {
            true => field::SNAP_END,
            false => llc_len(self.as_bytes()),
        }
    }

    /// What is behind the header.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), self.header_len(), usize::MAX)
    }

    /// All fields.
    pub fn header(&self) -> LlcHeader {
        LlcHeader {
            dsap: self.dsap(),
            ssap: self.ssap(),
            control: self.control(),
            snap: self.snap(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Llc<T> {
    /// Sets the service access point of the receiver.
    pub fn set_dsap(&mut self, dsap: u8) {
        put(self.0.as_mut(), field::DSAP, [dsap]);
    }

    /// Sets the service access point of the sender.
    pub fn set_ssap(&mut self, ssap: u8) {
        put(self.0.as_mut(), field::SSAP, [ssap]);
    }

    /// Sets what SNAP says, if it follows.
    pub fn set_snap(&mut self, snap: SnapHeader) {
        if is_snap(self.as_bytes()) {
            put(self.0.as_mut(), field::OUI, snap.oui);
            put(
                self.0.as_mut(),
                field::PROTOCOL,
                snap.protocol.to_be_bytes(),
            );
        }
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let from = self.header_len();
        part_mut(self.0.as_mut(), from, usize::MAX)
    }
}

/// The fields of SNAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SnapHeader {
    /// Who gave the protocol its number; zero for those of Ethernet.
    pub oui: [u8; 3],
    /// The protocol.
    pub protocol: u16,
}

/// The fields of an LLC header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LlcHeader {
    /// The service access point of the receiver.
    pub dsap: u8,
    /// The service access point of the sender.
    pub ssap: u8,
    /// The control field; of a numbered frame both bytes, the first one low.
    pub control: u16,
    /// SNAP, which stands behind 0xAA, 0xAA, 3.
    pub snap: Option<SnapHeader>,
}

impl LlcHeader {
    /// The header before SNAP.
    pub const fn snap(snap: SnapHeader) -> Self {
        Self {
            dsap: 0xAA,
            ssap: 0xAA,
            control: 3,
            snap: Some(snap),
        }
    }

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Llc::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Llc::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to`; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let [low, high] = self.control.to_le_bytes();
        let len = match (self.snap, low & 3) {
            (Some(_), _) => field::SNAP_END,
            (None, 3) => field::LLC_END,
            (None, _) => field::LLC_END + 1,
        };
        at_least(Layer::Llc, to, len)?;
        put(to, field::DSAP, [self.dsap, self.ssap, low]);
        match self.snap {
            Some(snap) => {
                put(to, field::OUI, snap.oui);
                put(to, field::PROTOCOL, snap.protocol.to_be_bytes());
            }
            None if len > field::LLC_END => put(to, field::LLC_END, [high]),
            None => {}
        }
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_is_one_byte_or_two() {
        let bpdu = Llc::new_checked([0x42, 0x42, 3, 0, 0]).unwrap();
        assert_eq!(
            (bpdu.control(), bpdu.header_len(), bpdu.snap()),
            (3, 3, None)
        );
        let numbered = Llc::new_checked([0xF0, 0xF0, 0x7F & !3, 1, 9]).unwrap();
        assert_eq!((numbered.control(), numbered.payload()), (0x017C, &[9][..]));
    }

    #[test]
    fn snap_has_to_be_whole() {
        let error = Llc::new_checked([0xAA, 0xAA, 3, 0, 0]).unwrap_err();
        assert_eq!(error, ParseError::truncated(Layer::Snap, 0, 8, 5));
    }
}
