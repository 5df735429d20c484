//! IEEE 802.2 logical link control (LLC), and the subnetwork access protocol (SNAP) that may follow it (RFC 1042).

use super::error::{Layer, ParseError};
use super::view::{at_least, get, get8, get16, put, view};

const CONTROL: usize = 2;
const LLC_LEN: usize = 3;
const OUI: usize = 3;
const PROTOCOL: usize = 6;
const SNAP_LEN: usize = 8;

view! {
    /// An LLC header, with SNAP if the header announces it, and what follows.
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
    Llc, payload(llc): llc.header_len()..usize::MAX;

    /// The service access point of the receiver.
    dsap, set_dsap: u8 = 0;
    /// The service access point of the sender.
    ssap, set_ssap: u8 = 1;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(Layer::Llc, bytes, LLC_LEN)?;
    match is_snap(bytes) {
        true => at_least(Layer::Snap, bytes, SNAP_LEN),
        false => at_least(Layer::Llc, bytes, llc_len(bytes)),
    }
}

fn is_snap(bytes: &[u8]) -> bool {
    get(bytes, 0) == [0xAA, 0xAA, 3]
}

/// The control field of a numbered frame has two bytes.
fn llc_len(bytes: &[u8]) -> usize {
    let numbered = get8(bytes, CONTROL) & 3 != 3;
    LLC_LEN + usize::from(numbered)
}

impl<T: AsRef<[u8]>> Llc<T> {
    /// The control field. In a numbered frame it has two bytes, the first one low.
    pub fn control(&self) -> u16 {
        match llc_len(self.as_bytes()) {
            LLC_LEN => get8(self.as_bytes(), CONTROL).into(),
            _ => u16::from_le_bytes(get(self.as_bytes(), CONTROL)),
        }
    }

    /// SNAP, if it follows.
    pub fn snap(&self) -> Option<SnapHeader> {
        let bytes = self.as_bytes();
        is_snap(bytes).then(|| SnapHeader {
            oui: get(bytes, OUI),
            protocol: get16(bytes, PROTOCOL),
        })
    }

    /// Bytes of the header, SNAP included.
    pub fn header_len(&self) -> usize {
        match is_snap(self.as_bytes()) {
            true => SNAP_LEN,
            false => llc_len(self.as_bytes()),
        }
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
    /// Sets the fields of SNAP, if it follows.
    pub fn set_snap(&mut self, snap: SnapHeader) {
        if is_snap(self.as_bytes()) {
            snap.put(self.0.as_mut());
        }
    }
}

/// The fields of SNAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SnapHeader {
    /// The organisation that numbered the protocol; zero for the types of Ethernet.
    pub oui: [u8; 3],
    /// The protocol.
    pub protocol: u16,
}

impl SnapHeader {
    fn put(self, bytes: &mut [u8]) {
        put(bytes, OUI, self.oui);
        put(bytes, PROTOCOL, self.protocol.to_be_bytes());
    }
}

/// The fields of an LLC header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LlcHeader {
    /// The service access point of the receiver.
    pub dsap: u8,
    /// The service access point of the sender.
    pub ssap: u8,
    /// The control field. In a numbered frame it has two bytes, the first one low.
    pub control: u16,
    /// SNAP, which follows the bytes 0xAA, 0xAA, 3.
    pub snap: Option<SnapHeader>,
}

impl LlcHeader {
    /// The header that precedes SNAP.
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
    /// The same as [`Llc::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Llc::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to` and returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`](super::Reason::Truncated) if `to` is shorter. Nothing was written then.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        let [low, high] = self.control.to_le_bytes();
        let len = match (self.snap, low & 3) {
            (Some(_), _) => SNAP_LEN,
            (None, 3) => LLC_LEN,
            (None, _) => LLC_LEN + 1,
        };
        at_least(Layer::Llc, to, len)?;
        put(to, 0, [self.dsap, self.ssap, low]);
        match self.snap {
            Some(snap) => snap.put(to),
            None if len > LLC_LEN => put(to, LLC_LEN, [high]),
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
