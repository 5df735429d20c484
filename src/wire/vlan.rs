//! VLAN tags: IEEE 802.1Q, and 802.1ad for stacked tags.

use super::error::{Layer, ParseError};
use super::view::{Bits, at_least, header, view};

const LAYER: Layer = Layer::Vlan;
const LEN: usize = 4;

view! {
    /// A VLAN tag, from the byte after its type on, and what follows it.
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
    Vlan, payload(_): LEN..usize::MAX;

    /// Tag control information: priority, drop eligibility and identifier.
    tci, set_tci: u16 = 0;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)
}

header! {
    /// The fields of a VLAN tag.
    #[derive(Default)]
    VlanHeader of Vlan {
        /// The priority, 0 to 7.
        priority, set_priority: u8 = Bits(0, 0xE000_u16);
        /// Whether the frame may be dropped before others.
        drop_eligible, set_drop_eligible: bool = Bits(0, 0x1000_u16);
        /// The VLAN's identifier, 0 to 4095.
        id, set_id: u16 = Bits(0, 0xFFF_u16);
        /// The type of what follows the tag, or a length below 0x600.
        ether_type, set_ether_type: u16 = 2;
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
