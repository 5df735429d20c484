//! Summaries of frames: their content is right for all frames.

use crate::frames::*;
use framepool::wire::*;
use proptest::prelude::*;

fn sample(name: &str) -> Vec<u8> {
    let found = samples().into_iter().find(|(n, _)| *n == name);
    found.unwrap_or_else(|| panic!("no sample {name}")).1
}

fn summary_of(name: &str) -> Summary {
    summarize(&sample(name)).unwrap()
}

/// All ways to summarize a frame agree.
fn all_ways(frame: &[u8]) -> Result<Summary, ParseError> {
    let one = summarize(frame);
    let (lax, error) = summarize_lax(frame);
    match one {
        Ok(summary) => assert_eq!((summary, None), (lax, error)),
        Err(e) => assert_eq!(Some(e), error),
    }
    let others = samples();
    let mut burst: Vec<&[u8]> = others.iter().map(|(_, frame)| &frame[..]).collect();
    burst.extend([frame; 3]);
    for _ in 0..2 {
        let mut out = vec![Ok(Summary::default()); burst.len()];
        assert_eq!(summarize_burst(&burst, &mut out), burst.len());
        for (frame, result) in burst.iter().zip(out) {
            assert_eq!(result, summarize(frame));
        }
        burst = vec![frame; 70];
    }
    is_within(&lax, frame, error.is_some());
    one
}

/// All offsets of a summary lie within the frame, in order.
fn is_within(summary: &Summary, frame: &[u8], is_partial: bool) {
    assert!(
        summary.network_offset() <= summary.transport_offset()
            || summary.network() == Network::Unknown
    );
    assert!(summary.transport_offset() <= summary.payload_offset());
    assert!(
        summary.payload().end <= frame.len(),
        "{summary:?} of {} bytes",
        frame.len()
    );
    assert_eq!(summary.is_partial(), is_partial);
    assert!(frame.get(summary.payload()).is_some());
    let _ = summary.verify(frame);
}

#[test]
fn a_summary_is_one_cache_line_and_so_is_its_result() {
    assert_eq!(size_of::<Summary>(), 64);
    assert_eq!(size_of::<Result<Summary, ParseError>>(), 64);
}

/// RFC 9768 gives the bit before the eight a meaning again; the bits before that have none.
#[test]
fn tcp_has_nine_flags() {
    let [options, plain, untagged] = [
        tcp(&[1; 4], b"", false),
        tcp(&[], b"x", true),
        tcp(&[], b"", false),
    ];
    for (frame, at) in [
        (ethernet(0x0800, &ipv4(6, &options)), 14 + 20),
        (ethernet(0x86DD, &ipv6(6, &plain)), 14 + 40),
        (
            ethernet(0x8100, &[&[0, 7, 8, 0], &ipv4(6, &untagged)[..]].concat()),
            18 + 20,
        ),
        (ethernet(0x0800, &ipv4(6, &untagged)), 14 + 20),
    ] {
        let len = frame[at + 12] & 0xF0;
        for bits in 0..=0xFFF_u16 {
            let mut frame = frame.clone();
            let [high, low] = bits.to_be_bytes();
            (frame[at + 12], frame[at + 13]) = (len | high, low);
            let (summary, lax) = (summarize(&frame).unwrap(), summarize_lax(&frame));
            assert_eq!(summary.tcp_flags(), Some(bits & 0x1FF));
            assert_eq!(lax, (summary, None));
            assert!(summary.is_link_group() && !summary.is_partial());
        }
        let mut syn = frame;
        (syn[at + 12], syn[at + 13]) = (len | 1, 2);
        let flags = TcpHeader::AE | TcpHeader::SYN;
        assert_eq!(all_ways(&syn).unwrap().tcp_flags(), Some(flags));
    }
    // In UDP, this place is payload.
    let [ones, zeros] =
        [[0xFF; 16], [0; 16]].map(|payload| ethernet(0x0800, &ipv4(17, &udp(&payload, false))));
    assert_eq!(all_ways(&ones).unwrap(), all_ways(&zeros).unwrap());
}

#[test]
fn every_sample_is_summed_up_and_its_checksums_hold() {
    for (name, frame) in samples() {
        let summary = all_ways(&frame).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(summary.verify(&frame), Ok(()), "{name}");
        assert_eq!(summary.is_padded(), name == "padded", "{name}");
        assert!(summary.is_link_group());
    }
}

#[test]
fn udp_and_tcp_over_both_versions_of_ip() {
    for (name, transport, ports, payload, network_len, transport_len) in [
        ("udp4", Transport::Udp, (4660, 26400), &b"tick"[..], 20, 8),
        ("padded", Transport::Udp, (4660, 26400), b"tick", 20, 8),
        (
            "tcp4 with options",
            Transport::Tcp,
            (49152, 179),
            b"",
            20,
            40,
        ),
        ("options", Transport::Udp, (4660, 26400), b"tick", 24, 8),
        ("udp6", Transport::Udp, (4660, 26400), b"tick", 40, 8),
        ("tcp6", Transport::Tcp, (49152, 179), b"bgp", 40, 20),
        ("extensions", Transport::Udp, (4660, 26400), b"tick", 80, 8),
        (
            "authentication",
            Transport::Udp,
            (4660, 26400),
            b"tick",
            44,
            8,
        ),
        (
            "authentication, v6",
            Transport::Udp,
            (4660, 26400),
            b"tick",
            64,
            8,
        ),
        ("mpls", Transport::Tcp, (49152, 179), b"bgp", 40, 20),
        ("snap", Transport::Udp, (4660, 26400), b"tick", 20, 8),
    ] {
        let summary = summary_of(name);
        assert_eq!(summary.transport(), transport, "{name}");
        assert_eq!(summary.ports(), Some(ports), "{name}");
        assert_eq!(&sample(name)[summary.payload()], payload, "{name}");
        assert_eq!(summary.network_header_len(), network_len, "{name}");
        assert_eq!(summary.transport_header_len(), transport_len, "{name}");
        let is_v6 = summary.network() == Network::Ipv6;
        let (src, dst) = match is_v6 {
            true => (SRC6.into(), DST6.into()),
            false => (SRC4.into(), DST4.into()),
        };
        assert_eq!(
            (summary.src(), summary.dst()),
            (Some(src), Some(dst)),
            "{name}"
        );
        assert!(summary.is_multicast() && summary.fragment().is_none());
    }
}

#[test]
fn tags_and_labels_move_the_network_layer() {
    let one = summary_of("one tag");
    assert_eq!(
        (one.tag_count(), one.outer_tag(), one.inner_tag()),
        (1, Some(0x6064), None)
    );
    assert_eq!((one.network_offset(), one.ether_type()), (18, 0x0800));
    let two = summary_of("two tags");
    assert_eq!((two.outer_tag(), two.inner_tag()), (Some(0x600A), Some(20)));
    assert_eq!((two.network_offset(), two.tcp_flags()), (22, Some(0x12)));
    let mpls = summary_of("mpls");
    assert_eq!((mpls.label_count(), mpls.network_offset()), (2, 22));
    assert_eq!(mpls.network(), Network::Ipv6);
}

#[test]
fn fragments_know_their_place() {
    for (name, id) in [("", 77), (", v6", 0xCAFE_BABE)] {
        let first = summary_of(&format!("first fragment{name}"));
        let place = first.fragment().unwrap();
        assert_eq!((place.id, place.offset, place.more), (id, 0, true));
        assert_eq!(first.ports(), Some((4660, 26400)));
        let later = summary_of(&format!("later fragment{name}"));
        let place = later.fragment().unwrap();
        assert_eq!((place.id, place.offset, place.more), (id, 1480, false));
        assert_eq!(
            (later.transport(), later.ports()),
            (Transport::Fragment, None)
        );
        assert_eq!((later.protocol(), later.payload_len()), (17, 12));
    }
}

/// All that is inside of a fragment is a fragment, also after the header of a complete fragment.
#[test]
fn a_fragment_in_a_fragment_is_one() {
    let header = |next: u8, place: u16, id: u8| {
        let [high, low] = place.to_be_bytes();
        [next, 0, high, low, 0, 0, 0, id]
    };
    let within = |outer: u16, inner: u16| {
        let headers = [header(44, outer, 7), header(17, inner, 9)].concat();
        let chain = [headers, udp(b"tick", true)].concat();
        let summary = all_ways(&ethernet(0x86DD, &ipv6(44, &chain))).unwrap();
        let place = summary.fragment().map(|f| (f.id, f.offset, f.more));
        (place, summary.transport())
    };
    assert_eq!(within(0, 0), (None, Transport::Udp));
    assert_eq!(within(1, 0), (Some((7, 0, true)), Transport::Udp));
    assert_eq!(within(0, 1), (Some((9, 0, true)), Transport::Udp));
    assert_eq!(within(1, 16), (Some((9, 16, false)), Transport::Fragment));
    assert_eq!(within(16, 0), (Some((7, 16, false)), Transport::Fragment));
}

#[test]
fn extensions_are_named() {
    let seen = summary_of("extensions").extensions();
    let expected = Extensions::HOP_BY_HOP
        .union(Extensions::DESTINATION)
        .union(Extensions::ROUTING);
    assert_eq!(seen, expected);
    assert_eq!(
        summary_of("authentication").extensions(),
        Extensions::AUTHENTICATION
    );
    assert_eq!(summary_of("esp").extensions(), Extensions::ENCRYPTED);
    assert_eq!(summary_of("udp6").extensions(), Extensions::NONE);
}

#[test]
fn what_is_not_known_is_payload() {
    let esp = summary_of("esp");
    assert_eq!(
        (esp.transport(), esp.protocol(), esp.payload_len()),
        (Transport::Unknown, 50, 16)
    );
    let lldp = summary_of("unknown type");
    assert_eq!(
        (lldp.network(), lldp.ether_type()),
        (Network::Unknown, 0x88CC)
    );
    assert_eq!(lldp.payload(), 14..44);
    let bpdu = summary_of("llc");
    assert_eq!((bpdu.link(), bpdu.payload()), (Link::Llc, 17..21));
    assert_eq!(summary_of("snap").link(), Link::Snap);
    let nothing = summary_of("no next header");
    assert_eq!((nothing.protocol(), nothing.payload_len()), (59, 0));
    let arp = summary_of("arp");
    assert_eq!(
        (arp.network(), arp.src()),
        (Network::Arp, Some(SRC4.into()))
    );
    let others = summary_of("arp for others");
    assert_eq!(
        (others.network(), others.src(), others.dst()),
        (Network::Arp, None, None)
    );
    assert_eq!(others.payload(), 38..38);
    assert_eq!(summary_of("icmpv4").icmp(), Some((8, 0)));
    assert_eq!(summary_of("icmpv6").icmp(), Some((128, 0)));
}

/// A frame that is cut anywhere is refused if a header or the datagram was cut, and the error says by how
/// much. The lax form describes the part that was there.
#[test]
fn truncation_at_every_byte() {
    for (name, frame) in samples() {
        let whole = summarize(&frame).unwrap();
        let has_length = whole.network() != Network::Unknown || whole.link() == Link::Llc;
        for len in 0..frame.len() {
            let cut = &frame[..len];
            let result = all_ways(cut);
            // No field states whether there are bytes after the last label.
            let is_unlabelled = name == "mpls" && len == 22;
            if is_unlabelled {
                continue;
            }
            if len < whole.payload_offset() || (has_length && len < whole.payload().end) {
                let error = result.expect_err(name);
                let Reason::Truncated { needed, available } = error.reason else {
                    panic!("{name} cut to {len}: {error}");
                };
                assert!(needed > available, "{name} cut to {len}: {error}");
                assert_eq!(
                    error.offset + u64::from(available),
                    len as u64,
                    "{name}: {error}"
                );
            }
            let (lax, _) = summarize_lax(cut);
            if lax.network() != Network::Unknown {
                assert_eq!((lax.src(), lax.dst()), (whole.src(), whole.dst()), "{name}");
            }
            if let Some(ports) = lax.ports() {
                assert_eq!(Some(ports), whole.ports(), "{name}");
            }
        }
    }
}

/// Each byte of each sample, with every value.
#[test]
fn any_byte_may_lie() {
    let values: &[u8] = if cfg!(miri) {
        &[0, 0xFF]
    } else {
        &[0, 1, 4, 5, 0x0F, 0x45, 0x60, 0x7F, 0x80, 0xFF]
    };
    for (_, frame) in samples() {
        for at in 0..frame.len().min(if cfg!(miri) { 40 } else { 200 }) {
            for &value in values {
                let mut lying = frame.clone();
                lying[at] = value;
                let one = summarize(&lying);
                let (lax, error) = summarize_lax(&lying);
                assert_eq!(one.err(), error);
                is_within(&lax, &lying, error.is_some());
            }
        }
    }
}

#[test]
fn lying_lengths_name_the_field() {
    let lying = |name: &str, at: usize, value: u8| {
        let mut frame = sample(name);
        frame[at] = value;
        all_ways(&frame).unwrap_err()
    };
    let bad = |layer, offset, stated, least, most| {
        ParseError::bad_length(layer, offset, stated, least, most)
    };
    assert_eq!(lying("udp4", 14, 0x44), bad(Layer::Ipv4, 14, 16, 20, 60));
    assert_eq!(lying("udp4", 17, 19), bad(Layer::Ipv4, 16, 19, 20, 65535));
    assert_eq!(
        lying("udp4", 17, 33),
        ParseError::truncated(Layer::Ipv4, 14, 33, 32)
    );
    assert_eq!(lying("udp4", 39, 7), bad(Layer::Udp, 38, 7, 8, 12));
    assert_eq!(
        lying("udp4", 39, 13),
        ParseError::truncated(Layer::Udp, 34, 13, 12)
    );
    assert_eq!(
        lying("tcp4 with options", 46, 0x40),
        bad(Layer::Tcp, 46, 16, 20, 60)
    );
    assert_eq!(
        lying("tcp4 with options", 46, 0xB0),
        ParseError::truncated(Layer::Tcp, 34, 44, 40)
    );
    assert_eq!(
        lying("udp6", 19, 13),
        ParseError::truncated(Layer::Ipv6, 14, 53, 52)
    );
    assert_eq!(
        lying("extensions", 55, 6),
        ParseError::truncated(Layer::HopByHop, 54, 56, 52)
    );
    assert_eq!(
        lying("authentication", 35, 0),
        bad(Layer::Authentication, 35, 8, 12, 1028)
    );
    assert_eq!(
        lying("arp", 18, 0xFF),
        ParseError::truncated(Layer::Arp, 14, 526, 28)
    );
    assert_eq!(
        lying("llc", 13, 8),
        ParseError::truncated(Layer::Ethernet, 14, 8, 7)
    );
    let mut frame = sample("llc");
    frame[12..14].copy_from_slice(&1501_u16.to_be_bytes());
    let error = all_ways(&frame).unwrap_err();
    assert_eq!(error, bad(Layer::Ethernet, 12, 1501, 3, 1500));
    let version = ParseError::new(Layer::Ipv4, Reason::BadVersion { found: 5 }, 14);
    assert_eq!(lying("udp4", 14, 0x55), version);
    let version = ParseError::new(Layer::Ipv6, Reason::BadVersion { found: 4 }, 14);
    assert_eq!(lying("udp6", 14, 0x45), version);
}

#[test]
fn headers_in_a_row_are_bounded() {
    let tags = |n: usize| {
        join(
            &[&[0x81, 0, 0, 1].repeat(n), &[8, 0]],
            &ipv4(17, &udp(b"", false)),
        )
    };
    let behind = |n| [&sample("udp4")[..12], &tags(n)].concat();
    assert_eq!(summarize(&behind(MAX_TAGS)).unwrap().tag_count(), MAX_TAGS);
    let error = all_ways(&behind(MAX_TAGS + 1)).unwrap_err();
    assert_eq!(
        (error.layer, error.reason),
        (Layer::Vlan, Reason::TooDeep { limit: 8 })
    );

    let labels = |n: usize| {
        ethernet(
            0x8847,
            &[label(16, false).repeat(n), label(1, true)].concat(),
        )
    };
    assert_eq!(
        summarize(&labels(MAX_LABELS - 1)).unwrap().label_count(),
        MAX_LABELS
    );
    let error = all_ways(&labels(MAX_LABELS)).unwrap_err();
    assert_eq!(
        (error.layer, error.reason),
        (Layer::Mpls, Reason::TooDeep { limit: 8 })
    );

    let chain = |n: usize| {
        let mut all = extension(60, &[0; 6]).repeat(n - 1);
        all.extend(extension(17, &[0; 6]));
        all.extend(udp(b"", true));
        ethernet(0x86DD, &ipv6(60, &all))
    };
    assert!(summarize(&chain(MAX_EXTENSIONS)).is_ok());
    let error = all_ways(&chain(MAX_EXTENSIONS + 1)).unwrap_err();
    assert_eq!(
        (error.layer, error.reason),
        (Layer::Destination, Reason::TooDeep { limit: 8 })
    );
    assert_eq!(error.offset, 54 + 64);

    let late = [
        extension(0, &[0; 6]),
        extension(17, &[0; 6]),
        udp(b"", true),
    ]
    .concat();
    let error = all_ways(&ethernet(0x86DD, &ipv6(60, &late))).unwrap_err();
    assert_eq!(
        (error.layer, error.reason),
        (Layer::HopByHop, Reason::BadValue { found: 0 })
    );
}

/// The length is that of the whole datagram.
#[test]
fn a_first_fragment_has_less_than_its_length_says() {
    let long = udp(&[7; 1000], false);
    let header = Ipv4Header {
        protocol: 17,
        more_fragments: true,
        ..Ipv4Header::default()
    };
    let frame = ethernet(0x0800, &ipv4_with(header, &long[..24]));
    let summary = all_ways(&frame).unwrap();
    assert_eq!(summary.ports(), Some((4660, 26400)));
    assert_eq!(&frame[summary.payload()], [7; 16]);
    let chain = [fragment6(17, 0, true), long[..24].to_vec()].concat();
    let summary = all_ways(&ethernet(0x86DD, &ipv6(44, &chain))).unwrap();
    assert_eq!(
        (summary.transport(), summary.payload_len()),
        (Transport::Udp, 16)
    );
}

#[test]
fn a_datagram_without_a_link_layer() {
    for name in ["udp4", "tcp6", "extensions", "first fragment"] {
        let frame = sample(name);
        let (with, without) = (
            summarize(&frame).unwrap(),
            summarize_ip(&frame[14..]).unwrap(),
        );
        assert_eq!((without.link(), without.network_offset()), (Link::Raw, 0));
        assert_eq!(without.payload_offset() + 14, with.payload_offset());
        assert_eq!((without.src(), without.ports()), (with.src(), with.ports()));
        assert_eq!(without.verify(&frame[14..]), Ok(()));
    }
    assert_eq!(
        summarize_ip(&[]),
        Err(ParseError::truncated(Layer::Ipv4, 0, 1, 0))
    );
    let version = ParseError::new(Layer::Ipv4, Reason::BadVersion { found: 9 }, 0);
    assert_eq!(summarize_ip(&[0x90; 40]), Err(version));
    let (cut, error) = summarize_ip_lax(&sample("udp4")[14..42]);
    assert_eq!(
        (cut.ports(), error.map(|e| e.layer)),
        (Some((4660, 26400)), Some(Layer::Ipv4))
    );
}

#[test]
fn a_burst_is_as_long_as_the_shorter_side() {
    let frame = sample("udp4");
    let frames = vec![&frame[..]; 40];
    let mut out = vec![Err(ParseError::truncated(Layer::Itch, 0, 1, 0)); 37];
    assert_eq!(summarize_burst(&frames, &mut out), 37);
    assert!(out.iter().all(|r| *r == summarize(&frame)));
    assert_eq!(summarize_burst(&frames[..2], &mut out), 2);
    assert_eq!(summarize_burst::<&[u8]>(&[], &mut out), 0);
}

/// A sender's own segments as it sees them, before the network card cuts them and fills in the lengths.
#[test]
fn ipv4_without_a_length_is_read_to_the_end_of_the_frame() {
    for (name, ports, payload_len) in [
        ("udp4", (4660, 26400), 4),
        ("tcp4 with options", (49152, 179), 0),
        ("one tag", (4660, 26400), 4),
        ("authentication", (4660, 26400), 4),
    ] {
        let mut frame = sample(name);
        let whole = summarize(&frame).unwrap();
        let start = whole.network_offset();
        frame[start + 2..start + 4].copy_from_slice(&[0, 0]);
        let error = ParseError::bad_length(Layer::Ipv4, start + 2, 0, 20, 65535);
        assert_eq!(all_ways(&frame), Err(error), "{name}");
        let (lax, told) = summarize_lax(&frame);
        assert_eq!((lax.network(), told), (Network::Ipv4, Some(error)));
        assert_eq!((lax.src(), lax.dst()), (whole.src(), whole.dst()));
        assert_eq!(lax.ports(), Some(ports), "{name}");
        assert_eq!(lax.payload_len(), payload_len, "{name}");
        assert_eq!(summarize_ip_lax(&frame[start..]).0.ports(), Some(ports));
    }
    let mut frame = sample("tcp4 with options");
    frame[16..18].copy_from_slice(&[0, 0]);
    frame.extend([7; 70_000]);
    let (lax, _) = summarize_lax(&frame);
    assert_eq!((lax.payload_offset(), lax.payload_len()), (74, 65535));
}

/// The same with UDP's length.
#[test]
fn udp_without_a_length_has_ports_in_the_lax_form() {
    for (name, field) in [("udp4", 38), ("udp6", 58)] {
        let mut frame = sample(name);
        frame[field..field + 2].copy_from_slice(&[0, 0]);
        let error = ParseError::bad_length(Layer::Udp, field, 0, 8, 12);
        assert_eq!(all_ways(&frame), Err(error));
        let (lax, _) = summarize_lax(&frame);
        assert_eq!((lax.ports(), lax.payload_len()), (Some((4660, 26400)), 4));
    }
}

#[test]
fn jumbograms_are_read() {
    let segment = tcp(&[], &vec![7; 70_000], true);
    let frame = jumbogram(6, segment.len() as u32 + 8, &segment);
    let summary = all_ways(&frame).unwrap();
    assert_eq!(summary.ports(), Some((49152, 179)));
    assert_eq!(summary.src(), Some(core::net::IpAddr::V6(SRC6.into())));
    assert_eq!(
        (summary.payload_offset(), summary.payload_len()),
        (82, 65535)
    );
    assert!(!summary.is_padded());
    // UDP has no length of its own then.
    let datagram = |len: u16| {
        let mut bytes = udp(b"", true);
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        bytes.extend(vec![7; 70_000]);
        jumbogram(17, bytes.len() as u32 + 8, &bytes)
    };
    let summary = all_ways(&datagram(0)).unwrap();
    assert_eq!(summary.ports(), Some((4660, 26400)));
    assert_eq!(summary.payload_len(), 65535);
    assert_eq!(all_ways(&datagram(12)).unwrap().payload_len(), 4);
    // Cut off, as in captures.
    let cut = &frame[..200];
    let error = ParseError::truncated(Layer::Ipv6, 14, 70_068, 186);
    assert_eq!(all_ways(cut), Err(error));
    let (lax, _) = summarize_lax(cut);
    assert_eq!((lax.ports(), lax.payload_len()), (Some((49152, 179)), 118));
    for len in 54..82 {
        let error = all_ways(&frame[..len]).unwrap_err();
        assert!(
            matches!(error.reason, Reason::Truncated { .. }),
            "{len}: {error}"
        );
    }
}

#[test]
fn a_jumbo_payload_option_that_lies_is_named() {
    let segment = tcp(&[], b"bgp", true);
    for stated in [0, 31, 65535] {
        let frame = jumbogram(6, stated, &segment);
        let reason = Reason::BadValue { found: stated };
        let error = ParseError::new(Layer::HopByHop, reason, 58);
        assert_eq!(all_ways(&frame), Err(error));
        assert_eq!(summarize_lax(&frame).0.ports(), Some((49152, 179)));
    }
    let too_long = ParseError::truncated(Layer::Ipv6, 14, 65_576, 71);
    assert_eq!(all_ways(&jumbogram(6, 65_536, &segment)), Err(too_long));
    assert_eq!(
        all_ways(&jumbogram(6, u32::MAX, &segment))
            .unwrap_err()
            .layer,
        Layer::Ipv6
    );
    // A packet with a length has no such option, and a jumbogram is not a fragment.
    let mut both = jumbogram(6, 70_000, &segment);
    both[19] = 31;
    let reason = Reason::BadValue { found: 70_000 };
    let error = ParseError::new(Layer::HopByHop, reason, 56);
    assert_eq!(all_ways(&both), Err(error));
    let part = [fragment6(6, 0, true), vec![0; 70_000]].concat();
    let frame = jumbogram(44, part.len() as u32 + 8, &part);
    let error = ParseError::new(Layer::Fragment, Reason::BadValue { found: 44 }, 62);
    assert_eq!(all_ways(&frame), Err(error));
    // Without the option there is nothing after the header.
    let mut none = jumbogram(6, 70_000, &segment);
    none[56] = 1;
    let error = ParseError::truncated(Layer::HopByHop, 54, 2, 0);
    assert_eq!(all_ways(&none), Err(error));
}

#[test]
fn both_versions_of_ip_take_eight_authentication_headers() {
    for (ether_type, is_v6) in [(0x0800, false), (0x86DD, true)] {
        let chain = |n: usize| {
            let mut all = authentication(51).repeat(n - 1);
            all.extend(authentication(17));
            all.extend(udp(b"tick", is_v6));
            let datagram = if is_v6 {
                ipv6(51, &all)
            } else {
                ipv4(51, &all)
            };
            ethernet(ether_type, &datagram)
        };
        let summary = all_ways(&chain(MAX_EXTENSIONS)).unwrap();
        assert_eq!(summary.ports(), Some((4660, 26400)));
        let error = all_ways(&chain(MAX_EXTENSIONS + 1)).unwrap_err();
        let deep = Reason::TooDeep { limit: 8 };
        assert_eq!((error.layer, error.reason), (Layer::Authentication, deep));
    }
}

/// Frames that are nearly valid: a sample with some bytes changed, cut or lengthened.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let len = prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (prop::sample::select(samples()), changes, len, 0..30_usize).prop_map(
        |((_, mut frame), changes, len, more)| {
            for (at, value) in changes {
                let at = at.index(frame.len().min(80));
                frame[at] = value;
            }
            match len {
                Some(len) => frame.truncate(len.index(frame.len())),
                None => frame.extend(vec![0; more]),
            }
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 2048 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_ways_agree_on_what_is_nearly_right(frame in nearly()) {
        let _ = all_ways(&frame);
    }

    #[test]
    fn all_ways_agree_on_anything(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = all_ways(&frame);
        let (lax, error) = summarize_ip_lax(&frame);
        is_within(&lax, &frame, error.is_some());
    }
}

/// Writes the samples as seeds for the fuzz targets, if `FRAMEPOOL_SEEDS` names a folder:
/// `tests/fuzz/corpus`.
#[test]
fn seeds_for_the_fuzz_targets() {
    let Some(folder) = std::env::var_os("FRAMEPOOL_SEEDS").map(std::path::PathBuf::from) else {
        println!("SKIPPED seeds_for_the_fuzz_targets: FRAMEPOOL_SEEDS is not set");
        return;
    };
    let write = |target: &str, name: String, bytes: Vec<u8>| {
        std::fs::create_dir_all(folder.join(target)).unwrap();
        std::fs::write(
            folder.join(target).join(name.replace([' ', ','], "-")),
            bytes,
        )
        .unwrap();
    };
    for (name, frame) in samples() {
        let summary = summarize(&frame).unwrap();
        for choice in 0..14_u8 {
            let starts = [0, 14, summary.network_offset(), summary.transport_offset()];
            let start = starts[usize::from(choice) % 4].min(frame.len());
            let seed = [&[choice][..], &frame[start..]].concat();
            write("views", format!("{name}-{choice}"), seed);
        }
        let expression = b"udp and (dst net 233.252.0.0/16 or ip6) and not vlan 100\n";
        write(
            "filter",
            name.to_owned(),
            [&expression[..], &frame].concat(),
        );
        write("summarize", name.to_owned(), frame);
    }
    let seeded = std::fs::read_dir(folder.join("summarize")).unwrap().count();
    assert!(seeded >= samples().len());
}
