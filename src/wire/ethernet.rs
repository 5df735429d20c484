//! Ethernet II and IEEE 802.3.

use super::error::{Layer, ParseError};
use super::view::{at_least, get16, header, view};

const LAYER: Layer = Layer::Ethernet;
const LEN: usize = 14;
const TYPE: usize = 12;

/// The smallest type. Smaller values are lengths.
const MIN_TYPE: u16 = 0x600;
/// The longest frame body that a length may state.
const MAX_BODY: u16 = 1500;

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
    Ethernet, payload(frame): LEN..frame.len().map_or(usize::MAX, |len| LEN + len);
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let stated = get16(bytes, TYPE);
    if stated >= MIN_TYPE {
        return Ok(());
    }
    if stated > MAX_BODY {
        let (len, most) = (stated.into(), MAX_BODY.into());
        return Err(ParseError::bad_length(LAYER, TYPE, len, 0, most));
    }
    at_least(LAYER, bytes, LEN + usize::from(stated))
}

header! {
    /// The fields of an Ethernet header.
    #[derive(Default)]
    EthernetHeader of Ethernet {
        /// The receiver's address.
        dst, set_dst: [u8; 6] = 0;
        /// The sender's address.
        src, set_src: [u8; 6] = 6;
        /// The type, or a length below 0x600.
        ether_type, set_ether_type: u16 = TYPE;
    }
}

impl<T: AsRef<[u8]>> Ethernet<T> {
    /// The length of an IEEE 802.3 frame's body, in bytes.
    pub fn len(&self) -> Option<usize> {
        let stated = self.ether_type();
        (stated < MIN_TYPE).then_some(stated.into())
    }

    /// Whether the body has a stated length of zero.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
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
