//! The straight line: TCP, UDP and ICMP over either IP with up to two tags, without fragments and extension
//! headers.
//!
//! Frames come in any order, and a branch that depends on what a frame is misses as often as not; a miss
//! costs more than all of the arithmetic here. So there is one branch, at the end. Fields are read from
//! where they would be if the frame were long enough, or from the end of the frame if it is not, both
//! versions of IP side by side; whatever was read from the wrong place is refused by the lengths.

use super::{Extensions, Link, Network, Summary, Transport, flag};

/// The shortest frame that comes this way: two tags and an IPv4 header, or one with UDP and no tag.
const SHORTEST: usize = 42;

/// `N` bytes from `at` on, or the last ones: the frame has at least [`SHORTEST`], and `N` is less.
#[inline(always)]
fn near<const N: usize>(frame: &[u8], at: usize) -> Option<&[u8; N]> {
    let at = at.min(frame.len() - N);
    frame.get(at..)?.first_chunk()
}

#[inline(always)]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline(always)]
fn le32<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]).into()
}

#[inline(always)]
fn le64<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    le32(bytes, at) | (le32(bytes, at + 4) << 32)
}

/// The sixteen bytes of an address.
#[inline(always)]
fn both(low: u64, high: u64) -> [u8; 16] {
    (u128::from(low) | (u128::from(high) << 64)).to_le_bytes()
}

#[inline(always)]
const fn is_tag(ether_type: u16) -> bool {
    (ether_type == 0x8100) | (ether_type == 0x88A8) | (ether_type == 0x9100)
}

/// One number or another, without a branch.
#[inline(always)]
const fn pick(condition: bool, yes: u64, no: u64) -> u64 {
    let mask = (condition as u64).wrapping_neg();
    (yes & mask) | (no & !mask)
}

/// `None` for what [`walk`](super::walk) has to look at: what is rarer, or wrong.
#[inline(always)]
pub(super) fn quick(frame: &[u8]) -> Option<Summary> {
    let (summary, good) = straight(frame);
    if good { Some(summary) } else { None }
}

/// The summary, and whether it is one.
#[inline(always)]
pub(super) fn straight(frame: &[u8]) -> (Summary, bool) {
    if frame.len() < SHORTEST {
        return (Summary::default(), false);
    }
    read(frame).unwrap_or_default()
}

#[inline(always)]
fn read(frame: &[u8]) -> Option<(Summary, bool)> {
    // The link layer.
    let link: &[u8; 22] = frame.first_chunk()?;
    let types = [be16(link, 12), be16(link, 16), be16(link, 20)];
    let outer = is_tag(types[0]);
    let inner = outer & is_tag(types[1]);
    let tag_count = u64::from(outer) + u64::from(inner);
    let network_offset = 14 + 4 * tag_count;
    let ether_type = pick(
        inner,
        types[2].into(),
        pick(outer, types[1].into(), types[0].into()),
    );
    let receiver = u64::from_le_bytes([link[0], link[1], link[2], link[3], link[4], link[5], 0, 0]);

    // Both versions of IP.
    let is_v6 = ether_type == 0x86DD;
    let fixed: &[u8; 20] = near(frame, network_offset as usize)?;
    let (v4_src, v4_dst) = (le32(fixed, 12), le32(fixed, 16));
    let v6: &[u8; 32] = near(frame, network_offset as usize + 8)?;
    let addresses = [
        pick(is_v6, le64(v6, 0), v4_src),
        pick(is_v6, le64(v6, 8), 0),
        pick(is_v6, le64(v6, 16), v4_dst),
        pick(is_v6, le64(v6, 24), 0),
    ];
    let version = fixed[0] >> 4;
    let header_len = pick(is_v6, 40, u64::from(fixed[0] & 0xF) * 4);
    let total_len = pick(is_v6, 40 + u64::from(be16(fixed, 4)), be16(fixed, 2).into());
    let protocol = pick(is_v6, fixed[6].into(), fixed[9].into()) as u8;
    let fragment = pick(is_v6, 0, be16(fixed, 6).into()) as u16;
    let transport_offset = network_offset + header_len;
    let end = network_offset + total_len;
    let mut good = (is_v6 & (version == 6)) | ((ether_type == 0x0800) & (version == 4));
    good &= (header_len >= 20) & (end <= frame.len() as u64) & (fragment & !0x4000 == 0);

    // All transports.
    let head: &[u8; 8] = near(frame, transport_offset as usize)?;
    let rest: &[u8; 2] = near(frame, transport_offset as usize + 12)?;
    let is_udp = protocol == 17;
    let is_tcp = protocol == 6;
    let is_icmp = protocol == if is_v6 { 58 } else { 1 };
    let data_offset = u64::from(rest[0] >> 4) * 4;
    let payload_offset = transport_offset + pick(is_tcp, data_offset, 8);
    let payload_end = pick(is_udp, transport_offset + u64::from(be16(head, 4)), end);
    good &= (is_udp | is_tcp | is_icmp) & ((data_offset >= 20) | !is_tcp);
    good &= (payload_offset <= payload_end) & (payload_end <= end);

    let transport = if is_udp {
        Transport::Udp
    } else if is_tcp {
        Transport::Tcp
    } else if is_v6 {
        Transport::Icmpv6
    } else {
        Transport::Icmpv4
    };
    let flags = (link[0] & flag::LINK_GROUP)
        | (u8::from(receiver == 0xFFFF_FFFF_FFFF) * flag::LINK_BROADCAST)
        | (u8::from(payload_end < frame.len() as u64) * flag::PADDED)
        | (u8::from(fragment & 0x4000 != 0) * flag::DONT_FRAGMENT);
    let summary = Summary {
        src: both(addresses[0], addresses[1]),
        dst: both(addresses[2], addresses[3]),
        src_port: be16(head, 0),
        dst_port: pick(is_icmp, 0, be16(head, 2).into()) as u16,
        fragment_id: 0,
        transport_offset: transport_offset as u16,
        payload_offset: payload_offset as u16,
        payload_len: payload_end.wrapping_sub(payload_offset) as u16,
        ether_type: ether_type as u16,
        tags: [
            pick(outer, be16(link, 14).into(), 0) as u16,
            pick(inner, be16(link, 18).into(), 0) as u16,
        ],
        fragment: 0,
        network_offset: network_offset as u8,
        protocol,
        extensions: Extensions::NONE,
        tcp_flags: pick(is_tcp, rest[1].into(), 0) as u8,
        tag_count: tag_count as u8,
        label_count: 0,
        flags,
        network: if is_v6 { Network::Ipv6 } else { Network::Ipv4 },
        transport,
        link: Link::Ethernet,
    };
    Some((summary, good))
}
