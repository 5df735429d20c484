//! Summaries compared with other parsers: etherparse on every frame of the captures and on arbitrary bytes, and
//! tshark's fields if it is installed.

use core::net::IpAddr;

use crate::frames::samples;
use crate::{captures, made, tshark};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use framepool::wire::*;
use proptest::prelude::*;

/// The facts that both parsers find in a frame.
#[derive(Debug, PartialEq, Eq, Default)]
struct Facts {
    network: Option<Network>,
    addresses: Option<(IpAddr, IpAddr)>,
    is_fragment: bool,
    transport: Option<Transport>,
    ports: Option<(u16, u16)>,
    payload_len: Option<usize>,
    tags: usize,
}

/// The facts found by etherparse.
fn theirs(packet: &SlicedPacket<'_>) -> Facts {
    let mut facts = Facts {
        tags: packet.vlan_ids().len(),
        ..Facts::default()
    };
    match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            facts.network = Some(Network::Ipv4);
            let header = ip.header();
            facts.addresses = Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ));
            facts.is_fragment = ip.is_payload_fragmented();
        }
        Some(NetSlice::Ipv6(ip)) => {
            facts.network = Some(Network::Ipv6);
            let header = ip.header();
            facts.addresses = Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ));
            facts.is_fragment = ip.is_payload_fragmented();
        }
        Some(NetSlice::Arp(_)) => facts.network = Some(Network::Arp),
        None => {}
    }
    match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            facts.transport = Some(Transport::Udp);
            facts.ports = Some((udp.source_port(), udp.destination_port()));
            facts.payload_len = Some(udp.payload().len());
        }
        Some(TransportSlice::Tcp(tcp)) => {
            facts.transport = Some(Transport::Tcp);
            facts.ports = Some((tcp.source_port(), tcp.destination_port()));
            facts.payload_len = Some(tcp.payload().len());
        }
        // Each ICMP in its own IP: etherparse takes protocol 58 in IPv4 for ICMPv6, whose checksum covers
        // addresses.
        Some(TransportSlice::Icmpv4(_)) if facts.network == Some(Network::Ipv4) => {
            facts.transport = Some(Transport::Icmpv4);
        }
        Some(TransportSlice::Icmpv6(_)) if facts.network == Some(Network::Ipv6) => {
            facts.transport = Some(Transport::Icmpv6);
        }
        _ => {}
    }
    facts
}

/// The facts of a summary, in the same terms. etherparse reads no transport header in a fragment.
fn ours(summary: &Summary) -> Facts {
    let is_fragment = summary.fragment().is_some();
    let is_known = !matches!(
        summary.transport(),
        Transport::Unknown | Transport::Fragment
    );
    let has_transport = is_known && !is_fragment;
    Facts {
        network: (summary.network() != Network::Unknown).then_some(summary.network()),
        addresses: summary.src().zip(summary.dst()).filter(|_| summary.is_ip()),
        is_fragment,
        transport: has_transport.then_some(summary.transport()),
        ports: summary.ports().filter(|_| has_transport),
        payload_len: (has_transport && summary.ports().is_some()).then_some(summary.payload_len()),
        tags: summary.tag_count(),
    }
}

/// Headers that etherparse does not parse: labels, LLC and SNAP, the security tag, more than three tags.
fn is_beyond(frame: &[u8], summary: &Summary) -> bool {
    let is_secured = frame.windows(2).take(40).any(|w| w == [0x88, 0xE5]);
    let is_labelled = matches!(summary.ether_type(), 0x8847 | 0x8848);
    is_secured || is_labelled || summary.link() != Link::Ethernet || summary.tag_count() > 2
}

/// Our errors where etherparse accepts the frame.
fn is_stricter(error: ParseError, summary: &Summary, theirs: &Facts) -> bool {
    match (error.layer, error.reason) {
        // etherparse follows one authentication header in IPv4, and none that an empty datagram promises.
        (Layer::Authentication, _) => true,
        // etherparse takes a UDP length of zero, and an IPv6 length of zero, for "up to the end".
        (Layer::Udp, Reason::BadLength { stated: 0, .. }) => true,
        (
            Layer::HopByHop | Layer::Fragment | Layer::Udp | Layer::Tcp | Layer::Icmpv6,
            Reason::Truncated { available: 0, .. },
        ) if summary.network() == Network::Ipv6 => true,
        (_, Reason::TooDeep { .. }) => true,
        // Neither a length nor a type.
        (Layer::Ethernet | Layer::Vlan, Reason::BadLength { most: 1500, .. }) => true,
        // etherparse does not read the transport header of the first fragment.
        (Layer::Udp | Layer::Tcp | Layer::Icmpv4 | Layer::Icmpv6, _) => theirs.is_fragment,
        _ => false,
    }
}

/// etherparse's errors where a summary has payload (IGMP, each ICMP in the other IP, bytes after the fragment
/// header), or follows headers in any order.
fn is_laxer(error: &str, summary: &Summary) -> bool {
    // etherparse knows the length of each ICMP message, not only the common header.
    let is_longer = error.starts_with("ICMP");
    let is_in_order = error.contains("hop-by-hop header not directly after");
    ours(summary).transport.is_none() || is_longer || is_in_order
}

/// Compares; returns whether there was anything to compare.
fn compare(frame: &[u8]) -> Result<bool, String> {
    let (lax, error) = summarize_lax(frame);
    if is_beyond(frame, &lax) {
        return Ok(false);
    }
    match (SlicedPacket::from_ethernet(frame), error) {
        (Ok(packet), None) if theirs(&packet) == ours(&lax) => Ok(true),
        (Ok(packet), None) => Err(format!("{:?} instead of {:?}", ours(&lax), theirs(&packet))),
        (Err(_), Some(_)) => Ok(true),
        (Ok(packet), Some(error)) if is_stricter(error, &lax, &theirs(&packet)) => Ok(true),
        (Ok(packet), Some(error)) => Err(format!("{error} instead of {:?}", theirs(&packet))),
        (Err(e), None) if is_laxer(&e.to_string(), &lax) => Ok(false),
        (Err(e), None) => Err(format!("{:?} instead of: {e}", ours(&lax))),
    }
}

#[test]
fn samples_beside_etherparse() {
    let mut compared = 0;
    for (name, frame) in samples() {
        compared += usize::from(compare(&frame).unwrap_or_else(|e| panic!("{name}: {e}")));
        for len in 0..frame.len() {
            compare(&frame[..len]).unwrap_or_else(|e| panic!("{name} cut to {len}: {e}"));
        }
    }
    assert!(compared >= 20);
}

/// Every packet of every capture, in every form: nothing panics, all forms agree, all offsets are in range, and
/// etherparse agrees.
#[test]
fn captures_beside_etherparse() {
    let Some(folder) = captures::folder("captures_beside_etherparse") else {
        return;
    };
    let (mut frames, mut compared, mut wrong) = (0, 0, Vec::new());
    for file in captures::files(&folder) {
        for (index, packet) in captures::packets(&file).iter().enumerate() {
            let frame = &packet.bytes[..];
            let (lax, error) = summarize_lax(frame);
            assert_eq!(summarize(frame), error.map_or(Ok(lax), Err));
            assert!(lax.payload().end <= frame.len());
            let _ = (lax.verify(frame), format!("{lax:?}"));
            if packet.link_type != captures::ETHERNET {
                continue;
            }
            frames += 1;
            match compare(frame) {
                Ok(was) => compared += usize::from(was),
                Err(e) => wrong.push(format!("{} #{}: {e}", file.display(), index + 1)),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {frames}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        compared > 0 && compared * 2 > frames,
        "{compared} of {frames}"
    );
    println!("{compared} of {frames} frames compared");
}

/// Captures whose packets begin with IP.
#[test]
fn captures_without_a_link_layer() {
    let Some(folder) = captures::folder("captures_without_a_link_layer") else {
        return;
    };
    let mut compared = 0;
    for file in captures::files(&folder) {
        for packet in captures::packets(&file) {
            let frame = &packet.bytes[..];
            let (lax, error) = summarize_ip_lax(frame);
            assert!(lax.payload().end <= frame.len());
            if !matches!(
                packet.link_type,
                captures::RAW | captures::IPV4 | captures::IPV6
            ) {
                continue;
            }
            if let (Ok(packet), None) = (SlicedPacket::from_ip(frame), error) {
                assert_eq!(ours(&lax), theirs(&packet), "{}", file.display());
                compared += 1;
            }
        }
    }
    assert!(compared > 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 4096 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// Samples with some bytes changed.
    #[test]
    fn what_is_nearly_right_beside_etherparse(
        (_, mut frame) in prop::sample::select(samples()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        for (at, value) in changes {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        if let Err(e) = compare(&frame) {
            prop_assert!(false, "{}", e);
        }
    }

    #[test]
    fn anything_beside_etherparse(head in prop::sample::select(vec![0x0800_u16, 0x86DD, 0x0806, 0x8100]),
                                  first in prop::sample::select(vec![0x45_u8, 0x46, 0x60, 0]),
                                  rest in prop::collection::vec(any::<u8>(), 0..100)) {
        let frame = [&[1; 12], &head.to_be_bytes()[..], &[first], &rest].concat();
        if let Err(e) = compare(&frame) {
            prop_assert!(false, "{}", e);
        }
    }
}

/// A field of tshark's, or nothing.
fn field<T: core::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

/// Addresses and ports of the outermost headers.
const FIELDS: [&str; 8] = [
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "tcp.srcport",
    "tcp.dstport",
];

fn beside_tshark(frame: &[u8], line: &str) -> Option<bool> {
    let summary = summarize(frame).ok()?;
    let fields: Vec<&str> = line.split('\t').collect();
    let at = |i: usize| fields.get(i).copied();
    let addresses = match summary.network() {
        Network::Ipv4 => (field::<IpAddr>(at(0))?, field::<IpAddr>(at(1))?),
        Network::Ipv6 => (field(at(2))?, field(at(3))?),
        _ => return None,
    };
    let ports = match summary.transport() {
        Transport::Udp => field::<u16>(at(4)).zip(field::<u16>(at(5))),
        Transport::Tcp => field(at(6)).zip(field(at(7))),
        _ => None,
    };
    // In a fragment tshark may show the reassembled datagram, or nothing.
    let are_ports = summary.fragment().is_some() || summary.ports() == ports;
    Some(summary.src().zip(summary.dst()) == Some(addresses) && are_ports)
}

/// Complete frames of every kind for which tshark has addresses to compare.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn samples_beside_tshark() {
    if !tshark::is_there("samples_beside_tshark") {
        return;
    }
    let (names, frames): (Vec<_>, Vec<_>) = samples().into_iter().unzip();
    let made = made::Made::new("samples", &frames);
    let lines = tshark::lines(&made.0, &["-E", "occurrence=f"], &FIELDS);
    assert_eq!(lines.len(), frames.len());
    let mut compared = 0;
    for ((name, frame), line) in names.iter().zip(&frames).zip(lines) {
        if let Some(same) = beside_tshark(frame, &line) {
            assert!(
                same,
                "{name}: {line}, but the summary is {:?}",
                summarize(frame)
            );
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared}");
}

/// Every exchange capture and some of the others, because tshark is slow.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn captures_beside_tshark() {
    let Some(folder) = captures::folder("captures_beside_tshark") else {
        return;
    };
    if !tshark::is_there("captures_beside_tshark") {
        return;
    }
    let mut files = captures::files(&folder.join("exchange"));
    files.extend(captures::files(&folder.join("zoo")).into_iter().step_by(8));
    let mut compared = 0;
    for file in files {
        let packets = captures::packets(&file);
        if packets.iter().any(|p| p.link_type != captures::ETHERNET) {
            continue;
        }
        let lines = tshark::lines(&file, &["-E", "occurrence=f"], &FIELDS);
        for (index, (packet, line)) in packets.iter().zip(&lines).enumerate() {
            if let Some(same) = beside_tshark(&packet.bytes, line) {
                let at = format!("{} #{}", file.display(), index + 1);
                assert!(
                    same,
                    "{at}: {line}, but the summary is {:?}",
                    summarize(&packet.bytes)
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 0);
    println!("{compared} frames compared with tshark");
}
