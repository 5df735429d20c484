//! A request turned into its answer, in place.
//!
//! Source and destination change places at every layer, which keeps all checksums right. A request with a wrong
//! checksum is not answered.

use framepool::wire::{Network, Summary, Transport, summarize};

const ECHO_REQUEST: (u8, u8) = (8, 0);

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
    let Ok(mut summary) = summarize(frame) else {
        return Verdict::Ignored;
    };
    let verdict = match request(&summary) {
        Verdict::Ignored => return Verdict::Ignored,
        request => request,
    };
    if summary.verify(frame).is_err() {
        return Verdict::BadChecksum;
    }
    let turned = match verdict {
        Verdict::Ping => summary.echo_reply(frame),
        _ => summary.swap_ends(frame),
    };
    turned.map_or(Verdict::Ignored, |()| verdict)
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
