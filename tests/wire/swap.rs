//! Frames turned around in place: every checksum stays right, and a refused frame is unchanged.

use crate::frames::*;
use crate::{captures, made::Dice};
use framepool::wire::*;
use proptest::prelude::*;

/// The link types that summaries are made of.
const LINK_TYPES: [u32; 4] = [
    captures::ETHERNET,
    captures::RAW,
    captures::IPV4,
    captures::IPV6,
];

/// The summary of a frame of a link type of captures, up to its first error.
fn lax(link_type: u32, frame: &[u8]) -> Summary {
    match link_type {
        captures::ETHERNET => summarize_lax(frame).0,
        _ => summarize_ip_lax(frame).0,
    }
}

/// Swaps the ends of a frame, twice. The result of `verify` does not change, and the summary stays the frame's.
fn check(link_type: u32, frame: &[u8]) -> Result<(), ParseError> {
    let (before, mut bytes) = (lax(link_type, frame), frame.to_vec());
    let mut summary = before;
    let result = summary.swap_ends(&mut bytes);
    if result.is_err() {
        assert_eq!((summary, &bytes[..]), (before, frame));
        return result;
    }
    assert_eq!(summary, lax(link_type, &bytes));
    let verdict = before.verify(frame);
    assert_eq!(summary.verify(&bytes), verdict, "{summary:?}");
    if before.is_ip() {
        let ends = (before.src(), before.dst(), before.ports());
        let ports = summary.ports().map(|(src, dst)| (dst, src));
        assert_eq!((summary.dst(), summary.src(), ports), ends);
    }
    if before.link() != Link::Raw {
        assert_eq!(bytes[..12], [&frame[6..12], &frame[..6]].concat());
    }
    let payload = before.payload_offset();
    assert_eq!(bytes[payload..], frame[payload..]);
    summary.swap_ends(&mut bytes).unwrap();
    assert_eq!((summary, &bytes[..]), (before, frame));
    Ok(())
}

#[test]
fn every_sample_is_swapped_and_its_checksums_stay_right() {
    for (name, frame) in samples() {
        assert_eq!(check(captures::ETHERNET, &frame), Ok(()), "{name}");
        let summary = summarize(&frame).unwrap();
        if summary.is_ip() {
            let datagram = &frame[summary.network_offset()..];
            assert_eq!(check(captures::RAW, datagram), Ok(()), "{name}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "reads files")]
fn the_frames_of_captures_verify_after_the_swap() {
    let Some(folder) = captures::folder("swap") else {
        return;
    };
    let (mut swapped, mut right, mut refused) = (0, 0, 0);
    for file in captures::files(&folder) {
        for packet in captures::packets(&file) {
            if !LINK_TYPES.contains(&packet.link_type) {
                continue;
            }
            match check(packet.link_type, &packet.bytes) {
                Ok(()) => swapped += 1,
                Err(_) => refused += 1,
            }
            let summary = lax(packet.link_type, &packet.bytes);
            right += u32::from(summary.is_ip() && summary.verify(&packet.bytes).is_ok());
        }
    }
    println!("{swapped} frames swapped, {right} with right checksums, {refused} refused");
    assert!(right > 1000 && refused < right / 10);
}

#[test]
fn a_frame_that_is_cut_off_is_refused_and_unchanged() {
    for (name, frame) in samples() {
        let summary = summarize(&frame).unwrap();
        for len in 0..frame.len() {
            // With the summary of the whole frame.
            let (mut cut, mut given) = (frame[..len].to_vec(), summary);
            let result = given.swap_ends(&mut cut);
            if len >= summary.payload_offset() {
                assert_eq!(result, Ok(()), "{name}");
                continue;
            }
            let reason = result.expect_err(name).reason;
            let (needed, available) = (summary.payload_offset() as u32, len as u32);
            assert_eq!(reason, Reason::Truncated { needed, available }, "{name}");
            assert_eq!((given, &cut[..]), (summary, &frame[..len]));
            // With its own, in which a frame without a link layer has no layer at all.
            let (own, error) = summarize_lax(&frame[..len]);
            let Some(error) = error else { continue };
            if own.transport() == Transport::Unknown && own.link() != Link::Raw {
                assert_eq!(check(captures::ETHERNET, &frame[..len]), Err(error));
            }
        }
    }
}

#[test]
fn the_summary_of_another_frame_does_no_harm() {
    let samples = samples();
    for (_, one) in &samples {
        for (_, other) in &samples {
            let (mut summary, mut bytes) = (summarize(one).unwrap(), other.clone());
            let _ = summary.swap_ends(&mut bytes);
            let _ = summary.echo_reply(&mut bytes);
        }
    }
}

const HOME: [u8; 16] = [0x20, 1, 0xD, 0xB8, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

#[test]
fn a_frame_on_a_route_is_refused_and_unchanged() {
    let refused = |frame: &[u8], layer, reason, offset| {
        let error = ParseError::new(layer, reason, offset);
        assert_eq!(check(captures::ETHERNET, frame), Err(error));
        let mut bytes = frame.to_vec();
        let mut summary = summarize(frame).unwrap();
        assert!(summary.echo_reply(&mut bytes).is_err());
        assert_eq!(bytes, frame);
    };
    let v6 = |kind, body: &[u8]| {
        let chain = [extension(17, body), udp(b"tick", true)].concat();
        ethernet(0x86DD, &ipv6(kind, &chain))
    };
    let route = |left| v6(43, &[&[0, left, 0, 0, 0, 0], &HOME[..]].concat());
    let at_home = v6(60, &[&[1, 2, 0, 0, 0xC9, 16], &HOME[..]].concat());
    refused(&route(1), Layer::Ipv6, Reason::Rerouted, 14);
    refused(&at_home, Layer::Ipv6, Reason::Rerouted, 14);
    // The same address in both headers: after a swap it would be another.
    let with = |at: usize, mut frame: Vec<u8>| {
        frame[at..at + 16].copy_from_slice(&HOME);
        frame
    };
    refused(&with(38, route(1)), Layer::Ipv6, Reason::Rerouted, 14);
    refused(&with(22, at_home), Layer::Ipv6, Reason::Rerouted, 14);
    let why = Unverifiable::Route;
    refused(&route(2), Layer::Routing, Reason::Unverifiable { why }, 54);
    assert_eq!(check(captures::ETHERNET, &route(0)), Ok(()));

    let v4 = |pointer| {
        let options = [1, 131, 7, pointer, 10, 9, 8, 7];
        let header = Ipv4Header {
            protocol: 17,
            options: &options,
            ..Ipv4Header::default()
        };
        ethernet(0x0800, &ipv4_with(header, &udp(b"tick", false)))
    };
    refused(&v4(4), Layer::Ipv4, Reason::Rerouted, 14);
    let mut own = v4(4);
    own[30..34].copy_from_slice(&[10, 9, 8, 7]);
    refused(&own, Layer::Ipv4, Reason::Rerouted, 14);
    let why = Unverifiable::Route;
    refused(&v4(5), Layer::Ipv4, Reason::Unverifiable { why }, 35);
    assert_eq!(check(captures::ETHERNET, &v4(8)), Ok(()));
    let text = ParseError::new(Layer::Ipv4, Reason::Rerouted, 14).to_string();
    assert!(text.ends_with("replaces an address"), "{text}");
}

/// The ends of a ping, each one host.
const PINGER4: [u8; 4] = [192, 0, 2, 7];
const PINGED4: [u8; 4] = [192, 0, 2, 9];

/// A ping in an Ethernet frame with padding, its checksums right.
fn ping4(message: &[u8]) -> Vec<u8> {
    let mut icmp = [&[8, 0, 0, 0], message].concat();
    Icmpv4::new_checked(&mut icmp[..]).unwrap().fill_checksum();
    let mut datagram = ipv4(1, &icmp);
    let mut ip = Ipv4::new_checked(&mut datagram[..]).unwrap();
    ip.set_src(PINGER4.into());
    ip.set_dst(PINGED4.into());
    ip.set_ttl(1);
    ip.fill_checksum();
    let mut frame = ethernet(0x0800, &datagram);
    frame[0] = 2;
    join(&[&frame], &[0xEE; 5])
}

fn ping6(message: &[u8]) -> Vec<u8> {
    let mut icmp = [&[128, 0, 0, 0], message].concat();
    let mut view = Icmpv6::new_checked(&mut icmp[..]).unwrap();
    view.fill_checksum(SRC6.into(), HOME.into());
    let mut datagram = ipv6(58, &icmp);
    let mut ip = Ipv6::new_checked(&mut datagram[..]).unwrap();
    ip.set_dst(HOME.into());
    ip.set_hop_limit(1);
    let mut frame = ethernet(0x86DD, &datagram);
    frame[0] = 2;
    join(&[&frame], &[0xEE; 5])
}

/// Answers a ping, and compares it with the same reply made anew.
fn is_answered(request: &[u8], reply: (u8, u8)) {
    let (mut frame, mut summary) = (request.to_vec(), summarize(request).unwrap());
    assert_eq!(summary.verify(request), Ok(()));
    summary.echo_reply(&mut frame).unwrap();
    assert_eq!(Ok(summary), summarize(&frame));
    assert_eq!(
        (summary.verify(&frame), summary.icmp()),
        (Ok(()), Some(reply))
    );
    let (network, transport) = (summary.network_offset(), summary.transport_offset());
    let hops = if summary.network() == Network::Ipv4 {
        8
    } else {
        7
    };
    assert_eq!(frame[network + hops], 64);
    // Identifier, sequence number, data and padding.
    assert_eq!(frame[transport + 4..], request[transport + 4..]);
    assert_eq!(frame[..12], [&request[6..12], &request[..6]].concat());
}

#[test]
fn a_ping_becomes_its_reply() {
    for message in [
        &[0; 4][..],
        &[0; 7],
        &[0x12, 0x34, 0, 1],
        b"12345",
        &[0xFF; 40],
    ] {
        is_answered(&ping4(message), (0, 0));
        is_answered(&ping6(message), (129, 0));
    }
    // Every sum of the message, so every checksum.
    let mut dice = Dice(7);
    for _ in 0..if cfg!(miri) { 20 } else { 5000 } {
        let bytes = dice.bytes(6);
        is_answered(&ping4(&bytes), (0, 0));
        is_answered(&ping6(&bytes), (129, 0));
    }
    // A code is kept.
    let mut coded = ping4(&[0; 4]);
    coded[35] = 5;
    let mut icmp = Icmpv4::new_checked(&mut coded[34..42]).unwrap();
    icmp.fill_checksum();
    is_answered(&coded, (0, 5));
}

/// Asserts that a frame is no ping to answer, and is unchanged.
#[track_caller]
fn is_not_answered(frame: &[u8], layer: Layer, reason: Reason, offset: usize) {
    let (mut bytes, mut summary) = (frame.to_vec(), summarize(frame).unwrap());
    let error = summary.echo_reply(&mut bytes).unwrap_err();
    assert_eq!(error, ParseError::new(layer, reason, offset));
    assert_eq!((Ok(summary), &bytes[..]), (summarize(frame), frame));
}

#[test]
fn an_arp_request_is_answered_by_the_host_it_asks_for() {
    let request = ArpHeader::parse(&arp()).unwrap();
    let expected = ArpHeader {
        operation: ArpHeader::REPLY,
        sender_hardware: [2; 6],
        sender: DST4.into(),
        target_hardware: [2, 0, 0, 0, 0, 1],
        target: SRC4.into(),
    };
    assert_eq!(request.reply([2; 6]), expected);
}

#[test]
fn what_is_no_ping_from_host_to_host_is_not_answered() {
    let with = |frame: &[u8], at: usize, bytes: &[u8]| {
        let mut frame = frame.to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let (four, six) = (ping4(b"1234"), ping6(b"1234"));
    let unknown = |found| Reason::UnknownType { found };
    is_not_answered(&with(&four, 34, &[0]), Layer::Icmpv4, unknown(0), 34);
    is_not_answered(&with(&six, 54, &[129]), Layer::Icmpv6, unknown(129), 54);
    let host = Reason::NotUnicast;
    for group in [[224, 0, 0, 1], [255; 4], [0; 4]] {
        is_not_answered(&with(&four, 26, &group), Layer::Ipv4, host, 26);
        is_not_answered(&with(&four, 30, &group), Layer::Ipv4, host, 30);
    }
    for group in [DST6, [0; 16]] {
        is_not_answered(&with(&six, 22, &group), Layer::Ipv6, host, 22);
        is_not_answered(&with(&six, 38, &group), Layer::Ipv6, host, 38);
    }
    is_not_answered(&with(&four, 0, &[0xFF; 6]), Layer::Ethernet, host, 0);
    let fragment = Reason::BadValue { found: 0x2000 };
    is_not_answered(&with(&four, 20, &[0x20, 0]), Layer::Ipv4, fragment, 14);
    is_not_answered(&with(&four, 20, &[0x20, 1]), Layer::Ipv4, unknown(1), 14);
    let others = [
        ("udp4", Layer::Ipv4, 17, 14),
        ("tcp6", Layer::Ipv6, 6, 14),
        ("arp", Layer::Arp, 0x0806, 14),
        ("unknown type", Layer::Ethernet, 0x88CC, 14),
    ];
    for (name, layer, found, at) in others {
        let (_, frame) = samples().into_iter().find(|(n, _)| *n == name).unwrap();
        is_not_answered(&frame, layer, unknown(found), at);
    }
}

/// A wrong checksum stays wrong: the reply does not make a damaged message look whole.
#[test]
fn the_reply_to_a_damaged_ping_is_damaged() {
    for (mut frame, at) in [(ping4(b"1234"), 36), (ping6(b"1234"), 56)] {
        frame[at] ^= 0x40;
        let mut summary = summarize(&frame).unwrap();
        summary.echo_reply(&mut frame).unwrap();
        assert!(summary.verify(&frame).is_err());
    }
}

#[test]
fn the_ranges_of_the_layers_are_what_their_views_take() {
    for (name, frame) in samples() {
        let summary = summarize(&frame).unwrap();
        let (network, transport) = (summary.network_header(), summary.transport_header());
        assert_eq!(network.start, summary.network_offset(), "{name}");
        assert_eq!(
            (network.end, transport.end),
            (transport.start, summary.payload().start)
        );
        let lens = (summary.network_header_len(), summary.transport_header_len());
        assert_eq!((network.len(), transport.len()), lens, "{name}");
        assert_eq!(summary.message(), transport.start..summary.payload().end);
        let message = &frame[summary.message()];
        let payload = match summary.transport() {
            _ if summary.is_fragment() => &frame[summary.payload()],
            Transport::Udp => Udp::new_checked(message).unwrap().into_payload(),
            Transport::Tcp => Tcp::new_checked(message).unwrap().into_payload(),
            Transport::Icmpv4 | Transport::Icmpv6 => &message[8..],
            _ => message,
        };
        assert_eq!(payload, &frame[summary.payload()], "{name}");
    }
}

/// The payload for as long as the bytes live.
trait IntoPayload<'a> {
    fn into_payload(self) -> &'a [u8];
}

impl<'a> IntoPayload<'a> for Udp<&'a [u8]> {
    fn into_payload(self) -> &'a [u8] {
        let len = self.payload().len();
        &self.into_inner()[8..8 + len]
    }
}

impl<'a> IntoPayload<'a> for Tcp<&'a [u8]> {
    fn into_payload(self) -> &'a [u8] {
        let len = self.header_len();
        &self.into_inner()[len..]
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn damaged_samples_are_swapped_twice_or_unchanged(
        which in any::<proptest::sample::Index>(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<proptest::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let samples = samples();
        let (_, mut frame) = samples[which.index(samples.len())].clone();
        for (at, value) in damage {
            let len = frame.len();
            frame[at.index(len)] = value;
        }
        if is_cut {
            frame.truncate(cut.index(frame.len()));
        }
        let _ = check(captures::ETHERNET, &frame);
        let _ = check(captures::RAW, frame.get(14..).unwrap_or_default());
        let (before, mut bytes) = (lax(captures::ETHERNET, &frame), frame.clone());
        let mut summary = before;
        if summary.echo_reply(&mut bytes).is_err() {
            prop_assert_eq!((summary, bytes), (before, frame));
        } else {
            prop_assert_eq!(summary, lax(captures::ETHERNET, &bytes));
        }
    }
}
