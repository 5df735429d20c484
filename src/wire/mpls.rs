//! Entries of an MPLS label stack (RFC 3032).

use super::error::{Layer, ParseError};
use super::view::{Bits, at_least, header, view};

const LAYER: Layer = Layer::Mpls;
const LEN: usize = 4;

view! {
    /// The topmost entry of a label stack, and what follows it: the next entry, or the packet.
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
    Mpls, payload(_): LEN..usize::MAX;
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)
}

header! {
    /// The fields of a label stack entry.
    #[derive(Default)]
    MplsHeader of Mpls {
        /// The label, 20 bits.
        label, set_label: u32 = Bits(0, 0xFFFF_F000_u32);
        /// The traffic class, 0 to 7 (RFC 5462).
        traffic_class, set_traffic_class: u8 = Bits(0, 0xE00_u32);
        /// Whether it is the last label of the stack.
        is_bottom, set_bottom: bool = Bits(0, 0x100_u32);
        /// The time to live.
        ttl, set_ttl: u8 = Bits(0, 0xFF_u32);
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
