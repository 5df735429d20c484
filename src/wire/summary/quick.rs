//! The straight lines: UDP and TCP over either IP, with no tag or one, without fragments, IPv4 options and
//! extension headers. Everything else, and everything that is wrong, is for [`walk`](super::walk).
//!
//! Frames come in any order, and a branch that depends on what a frame is misses as often as not; a miss
//! costs as much as all of the arithmetic here. So a frame is first put into one of a few classes by its
//! types alone, and within a class nothing branches on what it says but on whether it is right: both
//! transports are read side by side, and the one that it is not is masked out.

use super::super::ParseError;
use super::{Extensions, Link, Network, Summary, Transport, flag, walk};

/// What a frame seems to be that is not plain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    V6,
    TaggedV4,
    TaggedV6,
    Other,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
/// The first byte of IPv4 without options.
const NO_OPTIONS: u8 = 0x45;

#[inline(always)]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// One number or another, without a branch.
#[inline(always)]
const fn pick(condition: bool, yes: usize, no: usize) -> usize {
    let mask = (condition as usize).wrapping_neg();
    (yes & mask) | (no & !mask)
}

/// The class of a frame that is not plain, by its types, without a branch on them.
#[inline(always)]
pub(super) fn class(frame: &[u8]) -> usize {
    let Some(head) = frame.first_chunk::<20>() else {
        return Class::Other as usize;
    };
    let (outer, inner) = (be16(head, 12), be16(head, 16));
    let is_v4 = (inner == IPV4) & (head[18] == NO_OPTIONS);
    let other = Class::Other as usize;
    let in_tag = pick(inner == IPV6, Class::TaggedV6 as usize, other);
    let in_tag = pick(is_v4, Class::TaggedV4 as usize, in_tag);
    pick(
        outer == IPV6,
        Class::V6 as usize,
        pick(outer == 0x8100, in_tag, other),
    )
}

/// What nearly all frames are is read in place, the rest behind a call: paths that end in the same code are
/// made one by the compiler, which then fetches each byte through a pointer.
#[inline(always)]
pub(super) fn summarize(frame: &[u8]) -> Result<Summary, ParseError> {
    match plain(frame) {
        Some(summary) => Ok(summary),
        None => others(frame),
    }
}

/// IPv4 without options and tags, which is right.
#[inline(always)]
pub(super) fn plain(frame: &[u8]) -> Option<Summary> {
    is_plain(frame).then(|| v4::<14>(frame)).flatten()
}

/// IPv4 without options and tags.
#[inline(always)]
pub(super) fn is_plain(frame: &[u8]) -> bool {
    let Some(head) = frame.first_chunk::<15>() else {
        return false;
    };
    (be16(head, 12) == IPV4) & (head[14] == NO_OPTIONS)
}

#[inline(never)]
fn others(frame: &[u8]) -> Result<Summary, ParseError> {
    const V6: usize = Class::V6 as usize;
    const TAGGED_V4: usize = Class::TaggedV4 as usize;
    const TAGGED_V6: usize = Class::TaggedV6 as usize;
    match class(frame) {
        V6 => apart::<14, true>(frame),
        TAGGED_V4 => apart::<18, false>(frame),
        TAGGED_V6 => apart::<18, true>(frame),
        _ => walk::strict(frame),
    }
}

#[inline(never)]
fn apart<const AT: usize, const IS_V6: bool>(frame: &[u8]) -> Result<Summary, ParseError> {
    match read::<AT, IS_V6>(frame) {
        Some(summary) => Ok(summary),
        None => walk::strict(frame),
    }
}

#[inline(always)]
fn read<const AT: usize, const IS_V6: bool>(frame: &[u8]) -> Option<Summary> {
    if IS_V6 {
        v6::<AT>(frame)
    } else {
        v4::<AT>(frame)
    }
}

/// A frame of one class, to where it is wanted.
#[inline(always)]
pub(super) fn read_to<const AT: usize, const IS_V6: bool>(
    frame: &[u8],
    result: &mut Result<Summary, ParseError>,
) {
    match read::<AT, IS_V6>(frame) {
        Some(summary) => *result = Ok(summary),
        None => walk::strict_to(frame, result),
    }
}

/// IPv4 without options at byte `AT`, 14 or 18.
#[inline(always)]
fn v4<const AT: usize>(frame: &[u8]) -> Option<Summary> {
    let head: &[u8; 40] = frame.get(AT..)?.first_chunk()?;
    let [
        _,
        _,
        len_high,
        len_low,
        _,
        _,
        fragment_high,
        fragment_low,
        _,
        protocol,
        ..,
    ] = *head;
    let end = AT + usize::from(u16::from_be_bytes([len_high, len_low]));
    let ends = Ends::new(head.last_chunk()?, protocol, AT + 20, end)?;
    let is_fragment = (fragment_high & 0xBF) | fragment_low != 0;
    if is_fragment | (end > frame.len()) {
        return None;
    }
    let addresses: [&[u8; 4]; 2] = [
        head.get(12..)?.first_chunk()?,
        head.get(16..)?.first_chunk()?,
    ];
    let [src, dst] = addresses.map(|address| u128::from(u32::from_le_bytes(*address)));
    let mut summary = common::<AT>(frame, protocol, AT + 20, ends)?;
    summary.src = src.to_le_bytes();
    summary.dst = dst.to_le_bytes();
    summary.flags |= fragment_high & flag::DONT_FRAGMENT;
    summary.network = Network::Ipv4;
    summary.ether_type = IPV4;
    Some(summary)
}

/// IPv6 at byte `AT`, 14 or 18.
#[inline(always)]
fn v6<const AT: usize>(frame: &[u8]) -> Option<Summary> {
    let head: &[u8; 60] = frame.get(AT..)?.first_chunk()?;
    let [first, _, _, _, len_high, len_low, protocol, ..] = *head;
    let end = AT + 40 + usize::from(u16::from_be_bytes([len_high, len_low]));
    let ends = Ends::new(head.last_chunk()?, protocol, AT + 40, end)?;
    if (first >> 4 != 6) | (end > frame.len()) {
        return None;
    }
    let mut summary = common::<AT>(frame, protocol, AT + 40, ends)?;
    summary.src = *head.get(8..)?.first_chunk()?;
    summary.dst = *head.get(24..)?.first_chunk()?;
    summary.network = Network::Ipv6;
    summary.ether_type = IPV6;
    Some(summary)
}

/// What a transport header says.
struct Ends {
    ports: u32,
    payload: usize,
    end: usize,
    is_tcp: bool,
    tcp_flags: u8,
}

impl Ends {
    /// Of UDP or TCP at `start`, in a datagram up to `end`.
    #[inline(always)]
    fn new(head: &[u8; 20], protocol: u8, start: usize, end: usize) -> Option<Self> {
        let is_tcp = protocol == 6;
        let is_udp = protocol == 17;
        let data_offset = usize::from(head[12] >> 4) * 4;
        let payload = start + pick(is_tcp, data_offset, 8);
        let stop = pick(is_tcp, end, start + usize::from(be16(head, 4)));
        let is_known = is_tcp | is_udp;
        let is_right = (payload >= start + pick(is_tcp, 20, 8)) & (payload <= stop) & (stop <= end);
        (is_known & is_right).then_some(Self {
            ports: u32::from_be_bytes(*head.first_chunk()?),
            payload,
            end: stop,
            is_tcp,
            tcp_flags: head[13] & (is_tcp as u8).wrapping_neg(),
        })
    }
}

/// Everything but the network layer.
#[inline(always)]
fn common<const AT: usize>(
    frame: &[u8],
    protocol: u8,
    transport_offset: usize,
    ends: Ends,
) -> Option<Summary> {
    let link: &[u8; 16] = frame.first_chunk()?;
    let is_padded = ends.end < frame.len();
    let is_tagged = AT == 18;
    Some(Summary {
        ports: ends.ports,
        payload_offset: ends.payload as u16,
        payload_len: ends.end.wrapping_sub(ends.payload) as u16,
        protocol,
        tcp_flags: ends.tcp_flags,
        flags: (link[0] & flag::LINK_GROUP) | (u8::from(is_padded) * flag::PADDED),
        transport: if ends.is_tcp {
            Transport::Tcp
        } else {
            Transport::Udp
        },
        transport_offset: transport_offset as u16,
        ether_type: 0,
        tags: [if is_tagged { be16(link, 14) } else { 0 }, 0],
        fragment_id: 0,
        fragment: 0,
        network_offset: AT as u8,
        extensions: Extensions::NONE,
        tag_count: is_tagged as u8,
        label_count: 0,
        network: Network::Unknown,
        link: Link::Ethernet,
        src: [0; 16],
        dst: [0; 16],
    })
}
