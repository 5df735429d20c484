//! The fixed header of IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use super::view::{at_least, get, get8, get16, get32, part, part_mut, put, view};
use super::{Layer, ParseError, Reason};

mod field {
    pub const VERSION_CLASS_FLOW: usize = 0;
    pub const PAYLOAD_LEN: usize = 4;
    pub const NEXT_HEADER: usize = 6;
    pub const HOP_LIMIT: usize = 7;
    pub const SRC: usize = 8;
    pub const DST: usize = 24;
    pub const END: usize = 40;
}

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
    Ipv6
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), ParseError> {
    let layer = Layer::Ipv6;
    at_least(layer, bytes, field::END)?;
    let version = get8(bytes, field::VERSION_CLASS_FLOW) >> 4;
    if version != 6 {
        let found = version.into();
        return Err(ParseError::new(layer, Reason::BadVersion { found }, 0));
    }
    let payload_len = usize::from(get16(bytes, field::PAYLOAD_LEN));
    at_least(layer, bytes, field::END + payload_len)
}

impl<T: AsRef<[u8]>> Ipv6<T> {
    /// The version, 6 in a checked view.
    pub fn version(&self) -> u8 {
        get8(self.as_bytes(), field::VERSION_CLASS_FLOW) >> 4
    }

    /// The traffic class.
    pub fn traffic_class(&self) -> u8 {
        (get16(self.as_bytes(), field::VERSION_CLASS_FLOW) >> 4) as u8
    }

    /// The flow label, 20 bits.
    pub fn flow_label(&self) -> u32 {
        get32(self.as_bytes(), field::VERSION_CLASS_FLOW) & 0xF_FFFF
    }

    /// The length of what is behind this header, extension headers included, in bytes.
    pub fn payload_len(&self) -> u16 {
        get16(self.as_bytes(), field::PAYLOAD_LEN)
    }

    /// What is behind this header: an extension header, or the protocol.
    pub fn next_header(&self) -> u8 {
        get8(self.as_bytes(), field::NEXT_HEADER)
    }

    /// How many routers it may yet pass.
    pub fn hop_limit(&self) -> u8 {
        get8(self.as_bytes(), field::HOP_LIMIT)
    }

    /// The sender.
    pub fn src(&self) -> Ipv6Addr {
        get(self.as_bytes(), field::SRC).into()
    }

    /// The receiver.
    pub fn dst(&self) -> Ipv6Addr {
        get(self.as_bytes(), field::DST).into()
    }

    fn end(&self) -> usize {
        field::END + usize::from(self.payload_len())
    }

    /// What is behind the header, up to the stated length.
    pub fn payload(&self) -> &[u8] {
        part(self.as_bytes(), field::END, self.end())
    }

    /// All fields.
    pub fn header(&self) -> Ipv6Header {
        Ipv6Header {
            traffic_class: self.traffic_class(),
            flow_label: self.flow_label(),
            payload_len: self.payload_len(),
            next_header: self.next_header(),
            hop_limit: self.hop_limit(),
            src: self.src(),
            dst: self.dst(),
        }
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Ipv6<T> {
    fn set_first(&mut self, mask: u32, value: u32) {
        let at = field::VERSION_CLASS_FLOW;
        let first = (get32(self.as_bytes(), at) & !mask) | (value & mask);
        put(self.0.as_mut(), at, first.to_be_bytes());
    }

    /// Sets the traffic class.
    pub fn set_traffic_class(&mut self, class: u8) {
        self.set_first(0xFF0_0000, u32::from(class) << 20);
    }

    /// Sets the flow label; its lowest 20 bits.
    pub fn set_flow_label(&mut self, label: u32) {
        self.set_first(0xF_FFFF, label);
    }

    /// Sets the length of what is behind this header, in bytes.
    pub fn set_payload_len(&mut self, len: u16) {
        put(self.0.as_mut(), field::PAYLOAD_LEN, len.to_be_bytes());
    }

    /// Sets what is behind this header.
    pub fn set_next_header(&mut self, next: u8) {
        put(self.0.as_mut(), field::NEXT_HEADER, [next]);
    }

    /// Sets how many routers it may yet pass.
    pub fn set_hop_limit(&mut self, limit: u8) {
        put(self.0.as_mut(), field::HOP_LIMIT, [limit]);
    }

    /// Sets the sender.
    pub fn set_src(&mut self, address: Ipv6Addr) {
        put(self.0.as_mut(), field::SRC, address.octets());
    }

    /// Sets the receiver.
    pub fn set_dst(&mut self, address: Ipv6Addr) {
        put(self.0.as_mut(), field::DST, address.octets());
    }

    /// What is behind the header, to write to.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        part_mut(self.0.as_mut(), field::END, end)
    }
}

/// The fields of an IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ipv6Header {
    /// The traffic class.
    pub traffic_class: u8,
    /// The flow label, 20 bits.
    pub flow_label: u32,
    /// The length of what is behind this header, extension headers included, in bytes.
    pub payload_len: u16,
    /// What is behind this header.
    pub next_header: u8,
    /// How many routers it may yet pass.
    pub hop_limit: u8,
    /// The sender.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub src: Ipv6Addr,
    /// The receiver.
    #[cfg_attr(feature = "defmt", defmt(Debug2Format))]
    pub dst: Ipv6Addr,
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
    /// Bytes of the header.
    pub const LEN: usize = field::END;

    /// Reads the header at the start of some bytes.
    ///
    /// # Errors
    /// As [`Ipv6::new_checked`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ipv6::new_checked(bytes).map(|view| view.header())
    }

    /// Writes the header to the start of `to`; returns its length.
    ///
    /// # Errors
    /// [`Reason::Truncated`] where `to` is shorter. Nothing was written.
    pub fn emit(&self, to: &mut [u8]) -> Result<usize, ParseError> {
        at_least(Layer::Ipv6, to, field::END)?;
        put(to, field::VERSION_CLASS_FLOW, [0x60, 0, 0, 0]);
        let mut view = Ipv6(to);
        view.set_traffic_class(self.traffic_class);
        view.set_flow_label(self.flow_label);
        view.set_payload_len(self.payload_len);
        view.set_next_header(self.next_header);
        view.set_hop_limit(self.hop_limit);
        view.set_src(self.src);
        view.set_dst(self.dst);
        Ok(field::END)
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
