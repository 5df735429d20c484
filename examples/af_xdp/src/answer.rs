//! A request turned into its answer, in place.
//!
//! Source and destination change places at every layer. The checksums of IPv4 and UDP cover both and are sums, so
//! they stay right; that of ICMP is updated for the new type. A request with a wrong checksum is not answered.

use framepool::wire::{Ethernet, Icmpv4, Ipv4, Network, Summary, Transport, Udp, summarize};

const ECHO_REQUEST: (u8, u8) = (8, 0);
const ECHO_REPLY: u8 = 0;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The frame is now the answer to a UDP datagram.
    Udp,
    /// The frame is now the answer to a ping.
    Ping,
    /// A request with a wrong checksum. The frame is unchanged.
    BadChecksum,
    /// Not a request, or damaged. The frame is unchanged.
    Ignored,
}

/// Answers UDP datagrams and pings over IPv4 that are whole and sent to one receiver.
pub fn answer(frame: &mut [u8]) -> Verdict {
    let Ok(summary) = summarize(frame) else {
        return Verdict::Ignored;
    };
    let verdict = match request(&summary) {
        Verdict::Ignored => return Verdict::Ignored,
        request => request,
    };
    if summary.verify(frame).is_err() {
        return Verdict::BadChecksum;
    }
    turn(frame, &summary).map_or(Verdict::Ignored, |()| verdict)
}

/// The kind of request, if it is one.
fn request(summary: &Summary) -> Verdict {
    let plain = summary.network() == Network::Ipv4
        && !summary.is_fragment()
        && !summary.is_multicast()
        && !summary.is_link_group();
    match summary.transport() {
        Transport::Udp if plain => Verdict::Udp,
        Transport::Icmpv4 if plain && summary.icmp() == Some(ECHO_REQUEST) => Verdict::Ping,
        _ => Verdict::Ignored,
    }
}

/// Swaps both ends. All headers were checked by the summary, so no view is refused half-way.
fn turn(frame: &mut [u8], summary: &Summary) -> Option<()> {
    let (network, transport) = (summary.network_offset(), summary.transport_offset());
    match summary.transport() {
        Transport::Udp => {
            let mut udp = Udp::new_checked(frame.get_mut(transport..)?).ok()?;
            let (src, dst) = (udp.src_port(), udp.dst_port());
            udp.set_src_port(dst);
            udp.set_dst_port(src);
        }
        _ => {
            let end = summary.payload().end;
            let mut icmp = Icmpv4::new_checked(frame.get_mut(transport..end)?).ok()?;
            icmp.change_kind(ECHO_REPLY);
        }
    }
    let mut ip = Ipv4::new_checked(frame.get_mut(network..)?).ok()?;
    let (src, dst) = (ip.src(), ip.dst());
    ip.set_src(dst);
    ip.set_dst(src);
    let mut ethernet = Ethernet::new_checked(frame).ok()?;
    let (src, dst) = (ethernet.src(), ethernet.dst());
    ethernet.set_src(dst);
    ethernet.set_dst(src);
    Some(())
}
