//! The fixed header of IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use super::error::{Layer, ParseError, Reason};
use super::view::{Bits, at_least, get8, get16, header, put, view};

const LAYER: Layer = Layer::Ipv6;
const LEN: usize = 40;
const VERSION: usize = 0;
const PAYLOAD_LEN: usize = 4;

view! {
    /// An IPv6 header and its packet.
    ///
    /// ```
    /// use framepool::wire::{Ipv6, Ipv6Header};
    ///
    /// let mut bytes = [0; 48];
    /// let header = Ipv6Header { payload_len: 8, next_header: 17, ..Ipv6Header::default() };
    /// header.emit(&mut bytes)?;
    /// let mut ip = Ipv6::new_checked(&mut bytes)?;
    /// ip.set_hop_limit(1);
    /// assert_eq!((ip.next_header(), ip.payload().len()), (17, 8));
    /// # Ok::<(), framepool::wire::ParseError>(())
    /// ```
    Ipv6, payload(ip): LEN..LEN + usize::from(ip.payload_len());

    /// The version, 6 in a checked view.
    version: u8 = Bits(VERSION, 0xF0_u8);
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    at_least(LAYER, bytes, LEN)?;
    let version = get8(bytes, VERSION) >> 4;
    if version != 6 {
        let found = version.into();
        return Err(ParseError::new(LAYER, Reason::BadVersion { found }, 0));
    }
    let payload_len = usize::from(get16(bytes, PAYLOAD_LEN));
    at_least(LAYER, bytes, LEN + payload_len)
}

header! {
    /// The fields of an IPv6 header.
    Ipv6Header of Ipv6, start {
        /// The traffic class.
        traffic_class, set_traffic_class: u8 = Bits(0, 0xFF0_0000_u32);
        /// The flow label, 20 bits.
        flow_label, set_flow_label: u32 = Bits(0, 0xF_FFFF_u32);
        /// The length of what follows this header, extension headers included, in bytes.
        payload_len, set_payload_len: u16 = PAYLOAD_LEN;
        /// The type of what follows this header: an extension header, or the protocol.
        next_header, set_next_header: u8 = 6;
        /// The number of routers that it may still pass.
        hop_limit, set_hop_limit: u8 = 7;
        /// The sender.
        src, set_src: Ipv6Addr = 8;
        /// The receiver.
        dst, set_dst: Ipv6Addr = 24;
    }
}

impl Default for Ipv6Header {
    fn default() -> Self {
        Self {
            traffic_class: 0,
            flow_label: 0,
            payload_len: 0,
            // No next header.
            next_header: 59,
            hop_limit: 64,
            src: Ipv6Addr::UNSPECIFIED,
            dst: Ipv6Addr::UNSPECIFIED,
        }
    }
}

impl Ipv6Header {
    fn start(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(LAYER, to, LEN)?;
        put(to, VERSION, [0x60, 0, 0, 0]);
        Ok(LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_leave_their_neighbours_alone() {
        let mut bytes = [0xFF; 40];
        let mut ip = Ipv6(&mut bytes);
        ip.set_traffic_class(0);
        assert_eq!(
            (ip.version(), ip.traffic_class(), ip.flow_label()),
            (15, 0, 0xF_FFFF)
        );
        ip.set_flow_label(0x1_2345);
        assert_eq!(
            (ip.version(), ip.traffic_class(), ip.flow_label()),
            (15, 0, 0x1_2345)
        );
    }

    #[test]
    fn the_payload_has_to_be_there() {
        let mut bytes = [0; 47];
        let header = Ipv6Header {
            payload_len: 8,
            ..Ipv6Header::default()
        };
        header.emit(&mut bytes).unwrap();
        let error = ParseError::truncated(Layer::Ipv6, 0, 48, 47);
        assert_eq!(Ipv6::new_checked(&bytes).unwrap_err(), error);
    }
}
