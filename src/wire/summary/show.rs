//! What logs show of a summary: what is there, and nothing of the rest.

use core::fmt;

use super::Summary;

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Summary");
        out.field("link", &self.link())
            .field("ether_type", &format_args!("{:#06x}", self.ether_type()))
            .field("network", &self.network())
            .field("transport", &self.transport());
        if let (Some(src), Some(dst)) = (self.src(), self.dst()) {
            out.field("src", &src).field("dst", &dst);
        }
        if self.is_ip() {
            out.field("protocol", &self.protocol());
        }
        if let Some((src, dst)) = self.ports() {
            out.field("src_port", &src).field("dst_port", &dst);
        }
        if let Some((kind, code)) = self.icmp() {
            out.field("icmp_type", &kind).field("icmp_code", &code);
        }
        if let Some(tag) = self.outer_tag() {
            out.field("tags", &self.tag_count())
                .field("outer_tag", &tag);
        }
        if let Some(fragment) = self.fragment() {
            out.field("fragment", &fragment);
        }
        if !self.extensions().is_empty() {
            out.field("extensions", &self.extensions());
        }
        out.field("network_offset", &self.network_offset())
            .field("transport_offset", &self.transport_offset())
            .field("payload", &self.payload())
            .finish_non_exhaustive()
    }
}

/// As its types and offsets, and the addresses' bytes.
#[cfg(feature = "defmt")]
impl defmt::Format for Summary {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Summary {{ link: {}, network: {}, transport: {}, src: {=[u8]:x}, dst: {=[u8]:x}, ports: {=u32:#x}, \
             offsets: {=u8} {=u16} {=u16}, payload_len: {=u16} }}",
            self.link,
            self.network,
            self.transport,
            self.address_bytes(true),
            self.address_bytes(false),
            self.ports,
            self.network_offset,
            self.transport_offset,
            self.payload_offset,
            self.payload_len
        );
    }
}

#[cfg(feature = "defmt")]
impl Summary {
    fn address_bytes(&self, of_src: bool) -> &[u8] {
        use super::Network;

        let bytes = if of_src { &self.src } else { &self.dst };
        let len = match self.network {
            Network::Ipv6 => 16,
            _ if self.src().is_some() => 4,
            _ => 0,
        };
        bytes.get(..len).unwrap_or_default()
    }
}
