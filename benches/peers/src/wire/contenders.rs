//! The contenders: other crates, with the same frames.

use etherparse::SlicedPacket;
use pnet_packet::Packet;
use pnet_packet::ethernet::{EtherType, EtherTypes, EthernetPacket};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::vlan::VlanPacket;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, UdpPacket,
};

/// The fields that a user needs at least.
#[derive(Clone, Copy, Debug, Default)]
#[allow(dead_code, reason = "it is made but not read")]
pub struct Tuple {
    pub src: [u8; 16],
    pub dst: [u8; 16],
    pub src_port: u16,
    pub dst_port: u16,
    pub protocol: u8,
}

impl Tuple {
    #[inline(always)]
    fn v4(src: [u8; 4], dst: [u8; 4], protocol: u8, ports: (u16, u16)) -> Self {
        let mut tuple = Self {
            protocol,
            src_port: ports.0,
            dst_port: ports.1,
            ..Self::default()
        };
        tuple.src[..4].copy_from_slice(&src);
        tuple.dst[..4].copy_from_slice(&dst);
        tuple
    }

    #[inline(always)]
    fn v6(src: [u8; 16], dst: [u8; 16], protocol: u8, ports: (u16, u16)) -> Self {
        Self {
            src,
            dst,
            src_port: ports.0,
            dst_port: ports.1,
            protocol,
        }
    }
}

/// smoltcp: every header checked.
#[inline(always)]
pub fn smoltcp_tuple(frame: &[u8]) -> Option<Tuple> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
            let protocol = packet.next_header();
            let ports = smoltcp_ports(protocol, packet.payload())?;
            Some(Tuple::v4(
                packet.src_addr().octets(),
                packet.dst_addr().octets(),
                protocol.into(),
                ports,
            ))
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(frame.payload()).ok()?;
            let protocol = packet.next_header();
            let ports = smoltcp_ports(protocol, packet.payload())?;
            Some(Tuple::v6(
                packet.src_addr().octets(),
                packet.dst_addr().octets(),
                protocol.into(),
                ports,
            ))
        }
        _ => None,
    }
}

#[inline(always)]
fn smoltcp_ports(protocol: IpProtocol, payload: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(payload).ok()?;
            Some((udp.src_port(), udp.dst_port()))
        }
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(payload).ok()?;
            Some((tcp.src_port(), tcp.dst_port()))
        }
        _ => None,
    }
}

/// pnet_packet, which checks the minimum length of each header, also after VLAN tags.
#[inline(always)]
pub fn pnet_tuple(frame: &[u8]) -> Option<Tuple> {
    let frame = EthernetPacket::new(frame)?;
    match frame.get_ethertype() {
        EtherTypes::Vlan => {
            let tag = VlanPacket::new(frame.payload())?;
            pnet_network(tag.get_ethertype(), tag.payload())
        }
        ether_type => pnet_network(ether_type, frame.payload()),
    }
}

#[inline(always)]
fn pnet_network(ether_type: EtherType, packet: &[u8]) -> Option<Tuple> {
    match ether_type {
        EtherTypes::Ipv4 => {
            let packet = pnet_packet::ipv4::Ipv4Packet::new(packet)?;
            let protocol = packet.get_next_level_protocol();
            let ports = pnet_ports(protocol, packet.payload())?;
            let (src, dst) = (packet.get_source(), packet.get_destination());
            Some(Tuple::v4(src.octets(), dst.octets(), protocol.0, ports))
        }
        EtherTypes::Ipv6 => {
            let packet = pnet_packet::ipv6::Ipv6Packet::new(packet)?;
            let protocol = packet.get_next_header();
            let ports = pnet_ports(protocol, packet.payload())?;
            let (src, dst) = (packet.get_source(), packet.get_destination());
            Some(Tuple::v6(src.octets(), dst.octets(), protocol.0, ports))
        }
        _ => None,
    }
}

#[inline(always)]
fn pnet_ports(
    protocol: pnet_packet::ip::IpNextHeaderProtocol,
    payload: &[u8],
) -> Option<(u16, u16)> {
    match protocol {
        IpNextHeaderProtocols::Udp => {
            let udp = pnet_packet::udp::UdpPacket::new(payload)?;
            Some((udp.get_source(), udp.get_destination()))
        }
        IpNextHeaderProtocols::Tcp => {
            let tcp = pnet_packet::tcp::TcpPacket::new(payload)?;
            Some((tcp.get_source(), tcp.get_destination()))
        }
        _ => None,
    }
}

/// etherparse: slices of all headers.
#[inline(always)]
pub fn etherparse_sliced(frame: &[u8]) -> Option<SlicedPacket<'_>> {
    SlicedPacket::from_ethernet(frame).ok()
}

/// Fields at fixed offsets after one check of the length: not a parser, but a floor.
#[inline(always)]
pub fn floor(frame: &[u8]) -> Option<Tuple> {
    let head: &[u8; 38] = frame.first_chunk()?;
    let ports = (
        u16::from_be_bytes([head[34], head[35]]),
        u16::from_be_bytes([head[36], head[37]]),
    );
    let src = [head[26], head[27], head[28], head[29]];
    let dst = [head[30], head[31], head[32], head[33]];
    Some(Tuple::v4(src, dst, head[23], ports))
}

/// smoltcp's checksum of an ICMP message, which covers all of its bytes.
#[inline(always)]
pub fn smoltcp_checksum(bytes: &[u8]) -> u16 {
    smoltcp::wire::Icmpv4Packet::new_unchecked(bytes)
        .verify_checksum()
        .into()
}

/// etherparse's checksum with a 64-bit sum.
#[inline(always)]
pub fn etherparse_checksum(bytes: &[u8]) -> u16 {
    use etherparse::checksum::u64_16bit_word;
    u64_16bit_word::ones_complement(u64_16bit_word::add_slice(0, bytes))
}
