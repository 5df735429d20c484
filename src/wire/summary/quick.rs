//! The fast path: UDP and TCP over either IP, with at most one tag, without fragments, IPv4 options and extension
//! headers. All other frames, and nearly all errors, are for [`walk`](super::walk).
//!
//! Frames come in any order, so a branch that depends on a frame's contents is often mispredicted, which costs as much
//! as all of the arithmetic here. The code branches only on types and on whether the frame is valid. It reads both
//! transports and masks out the one that the frame does not have.

use super::{Extensions, Link, Network, Summary, Transport, flag, fragment, walk};
use crate::wire::error::{Layer, ParseError};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86DD;
const VLAN: u16 = 0x8100;
/// Offset of the network layer without a tag, and with one.
const UNTAGGED_START: usize = 14;
const TAGGED_START: usize = 18;
/// The first byte of IPv4 without options.
const FIRST_BYTE: u8 = 0x45;

#[inline(always)]
fn be16<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Selects one of two numbers without a branch.
#[inline(always)]
const fn pick(condition: bool, yes: usize, no: usize) -> usize {
    let mask = (condition as usize).wrapping_neg();
    (yes & mask) | (no & !mask)
}

/// Reads plain frames inline and all others in a call. In one function the compiler would merge the ends of the paths
/// and then read each byte through a pointer.
#[inline(always)]
pub(super) fn summarize(frame: &[u8]) -> Result<Summary, ParseError> {
    match plain(frame) {
        Some(summary) => Ok(summary),
        None => others(frame),
    }
}

/// A valid frame of IPv4 without options and tags.
#[inline(always)]
pub(super) fn plain(frame: &[u8]) -> Option<Summary> {
    let link: &[u8; 14] = frame.first_chunk()?;
    match be16(link, 12) {
        IPV4 => v4::<UNTAGGED_START>(frame),
        _ => None,
    }
}

#[inline(never)]
fn others(frame: &[u8]) -> Result<Summary, ParseError> {
    rest(frame, (), |(), result| result, |()| walk::strict(frame))
}

/// For frames that are not [`plain`]. Writes the result to its place, because a move would wait for the stores.
#[inline(never)]
pub(super) fn others_to(frame: &[u8], to: &mut Result<Summary, ParseError>) {
    rest(
        frame,
        to,
        |to, result| *to = result,
        |to| walk::strict_to(frame, to),
    );
}

#[inline(always)]
fn rest<T, R>(
    frame: &[u8],
    to: T,
    put: impl FnOnce(T, Result<Summary, ParseError>) -> R,
    walk: impl FnOnce(T) -> R,
) -> R {
    match one_of_others(frame) {
        Some(result) => put(to, result),
        None => walk(to),
    }
}

#[inline(always)]
fn one_of_others(frame: &[u8]) -> Option<Result<Summary, ParseError>> {
    let link: &[u8; 18] = frame.first_chunk()?;
    match (be16(link, 12), be16(link, 16)) {
        (IPV4, _) => cut(frame).map(Err),
        (IPV6, _) => v6::<UNTAGGED_START>(frame).map(Ok),
        (VLAN, IPV4) => v4::<TAGGED_START>(frame).map(Ok),
        (VLAN, IPV6) => v6::<TAGGED_START>(frame).map(Ok),
        _ => None,
    }
}

/// The error of IPv4 that is longer than its frame, which is frequent in captures.
#[inline(always)]
fn cut(frame: &[u8]) -> Option<ParseError> {
    let head: &[u8; 34] = frame.first_chunk()?;
    let stated = usize::from(be16(head, UNTAGGED_START + 2));
    let left = frame.len() - UNTAGGED_START;
    let is_cut = (head[UNTAGGED_START] == FIRST_BYTE) & (stated > left);
    is_cut.then(|| ParseError::truncated(Layer::Ipv4, UNTAGGED_START, stated, left))
}

/// IPv4 without options at byte `AT`.
#[inline(always)]
fn v4<const AT: usize>(frame: &[u8]) -> Option<Summary> {
    let head: &[u8; 40] = frame.get(AT..)?.first_chunk()?;
    let part = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let end = AT + usize::from(be16(head, 2));
    let ends = Ends::new(head.last_chunk()?, head[9], AT + 20, end)?;
    let is_part = part & fragment::PART != 0;
    if (head[0] != FIRST_BYTE) | is_part | (end > frame.len()) {
        return None;
    }
    let addresses: [&[u8; 4]; 2] = [
        head.get(12..)?.first_chunk()?,
        head.get(16..)?.first_chunk()?,
    ];
    let [src, dst] = addresses.map(|address| u128::from(u32::from_le_bytes(*address)));
    let mut summary = common::<AT>(frame, head[9], AT + 20, ends)?;
    summary.src = src.to_le_bytes();
    summary.dst = dst.to_le_bytes();
    summary.fragment = part;
    summary.network = Network::Ipv4;
    summary.ether_type = IPV4;
    Some(summary)
}

/// IPv6 at byte `AT`.
#[inline(always)]
fn v6<const AT: usize>(frame: &[u8]) -> Option<Summary> {
    let head: &[u8; 60] = frame.get(AT..)?.first_chunk()?;
    let end = AT + 40 + usize::from(be16(head, 4));
    let ends = Ends::new(head.last_chunk()?, head[6], AT + 40, end)?;
    if (head[0] >> 4 != 6) | (end > frame.len()) {
        return None;
    }
    let mut summary = common::<AT>(frame, head[6], AT + 40, ends)?;
    summary.src = *head.get(8..)?.first_chunk()?;
    summary.dst = *head.get(24..)?.first_chunk()?;
    summary.network = Network::Ipv6;
    summary.ether_type = IPV6;
    Some(summary)
}

/// The facts of a transport header.
struct Ends {
    ports: u32,
    payload: usize,
    end: usize,
    is_tcp: bool,
    /// The ninth flag is the lowest bit; the others are in the upper byte.
    tcp_flags: u16,
}

impl Ends {
    /// Reads UDP or TCP at `start`, in a datagram that ends at `end`.
    #[inline(always)]
    fn new(head: &[u8; 20], protocol: u8, start: usize, end: usize) -> Option<Self> {
        let is_tcp = protocol == 6;
        let is_udp = protocol == 17;
        // Data offset, reserved bits and flags as one word, whose lowest bit is the ninth flag.
        let bits = u16::from_le_bytes([head[12], head[13]]);
        let data_offset = usize::from(bits & 0xF0) / 4;
        let payload = start + pick(is_tcp, data_offset, 8);
        let stop = pick(is_tcp, end, start + usize::from(be16(head, 4)));
        let is_known = is_tcp | is_udp;
        let is_right = (payload >= start + pick(is_tcp, 20, 8)) & (payload <= stop) & (stop <= end);
        (is_known & is_right).then_some(Self {
            ports: u32::from_be_bytes(*head.first_chunk()?),
            payload,
            end: stop,
            is_tcp,
            tcp_flags: bits & (is_tcp as u16).wrapping_neg(),
        })
    }
}

/// A summary without the fields of the network layer.
#[inline(always)]
fn common<const AT: usize>(
    frame: &[u8],
    protocol: u8,
    transport_offset: usize,
    ends: Ends,
) -> Option<Summary> {
    let link: &[u8; 16] = frame.first_chunk()?;
    let is_padded = ends.end < frame.len();
    let is_tagged = AT == TAGGED_START;
    Some(Summary {
        ports: ends.ports,
        payload_offset: ends.payload as u16,
        payload_len: ends.end.wrapping_sub(ends.payload) as u16,
        protocol,
        tcp_flags: (ends.tcp_flags >> 8) as u8,
        flags: (link[0] & flag::LINK_GROUP)
            | (u8::from(is_padded) * flag::PADDED)
            | (ends.tcp_flags as u8).wrapping_mul(flag::TCP_AE),
        transport: if ends.is_tcp {
            Transport::Tcp
        } else {
            Transport::Udp
        },
        transport_offset: transport_offset as u16,
        ether_type: 0,
        tags: [if is_tagged { be16(link, 14) } else { 0 }, 0],
        fragment: 0,
        fragment_id_high: 0,
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
