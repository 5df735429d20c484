//! Checksums of summarized frames: which are verified, which are left out, and the error for a wrong one.

use core::net::IpAddr::{V4, V6};

use crate::frames::*;
use framepool::wire::*;

fn sample(name: &str) -> Vec<u8> {
    let found = samples().into_iter().find(|(n, _)| *n == name);
    found.unwrap_or_else(|| panic!("no sample {name}")).1
}

#[test]
fn a_wrong_checksum_names_its_layer() {
    for (name, at, layer) in [
        ("udp4", 27, Layer::Ipv4),
        ("udp4", 43, Layer::Udp),
        ("udp6", 65, Layer::Udp),
        ("tcp4 with options", 60, Layer::Tcp),
        ("tcp6", 60, Layer::Tcp),
        ("icmpv4", 40, Layer::Icmpv4),
        ("icmpv6", 60, Layer::Icmpv6),
        ("one tag", 47, Layer::Udp),
    ] {
        let mut frame = sample(name);
        let summary = summarize(&frame).unwrap();
        frame[at] ^= 0x10;
        let error = summary.verify(&frame).expect_err(name);
        assert_eq!(error.layer, layer, "{name}");
        assert!(matches!(error.reason, Reason::BadChecksum { .. }), "{name}");
        let shorter = &frame[..summary.payload_offset() - 1];
        assert!(summary.verify(shorter).is_err());
    }
}

/// Verifies the checksum through the view of the message, at the message's place in the frame.
fn view_verifies(summary: &Summary, frame: &[u8]) -> Result<(), ParseError> {
    let start = summary.transport_offset();
    let bytes = &frame[start..summary.payload().end];
    let [src, dst] = [summary.src().unwrap(), summary.dst().unwrap()];
    let result = match (summary.transport(), src, dst) {
        (Transport::Udp, V4(src), V4(dst)) => Udp::new_checked(bytes)?.verify_v4(src, dst),
        (Transport::Udp, V6(src), V6(dst)) => Udp::new_checked(bytes)?.verify_v6(src, dst),
        (Transport::Tcp, V4(src), V4(dst)) => Tcp::new_checked(bytes)?.verify_v4(src, dst),
        (Transport::Tcp, V6(src), V6(dst)) => Tcp::new_checked(bytes)?.verify_v6(src, dst),
        (Transport::Icmpv4, ..) => Icmpv4::new_checked(bytes)?.verify(),
        (Transport::Icmpv6, V6(src), V6(dst)) => Icmpv6::new_checked(bytes)?.verify(src, dst),
        other => panic!("{other:?}"),
    };
    result.map_err(|error| error.shifted(start))
}

/// Every checksum of a message, and of messages whose other bytes sum to zero or to minus zero.
#[test]
fn the_summary_and_the_view_say_the_same_of_a_checksum() {
    let zeros = ethernet(0x0800, &ipv4(1, &[0; 8]));
    let mut ones = sample("udp4");
    let start = summarize(&ones).unwrap().transport_offset();
    ones[start + 6..start + 8].copy_from_slice(&[0, 0]);
    let pseudo = checksum::Sum::new().pseudo_v4(SRC4.into(), DST4.into(), 17, 12);
    let due = pseudo.bytes(&ones[start + 2..]).checksum();
    ones[start..start + 2].copy_from_slice(&due.to_be_bytes());
    let frames = ["udp4", "udp6", "tcp4 with options", "icmpv4", "icmpv6"].map(sample);
    for mut frame in frames.into_iter().chain([zeros, ones]) {
        let summary = summarize(&frame).unwrap();
        let field = summary.transport_offset()
            + match summary.transport() {
                Transport::Udp => 6,
                Transport::Tcp => 16,
                _ => 2,
            };
        let (mut right, step) = (0, if cfg!(miri) { 4369 } else { 1 });
        for found in (0..=u16::MAX).step_by(step) {
            frame[field..field + 2].copy_from_slice(&found.to_be_bytes());
            let result = summary.verify(&frame);
            assert_eq!(result, view_verifies(&summary, &frame), "{summary:?}");
            let Err(error) = result else {
                right += 1;
                continue;
            };
            let Reason::BadChecksum { computed, .. } = error.reason else {
                panic!("{error}");
            };
            let computed = (computed as u16).to_be_bytes();
            frame[field..field + 2].copy_from_slice(&computed);
            assert_eq!(summary.verify(&frame), Ok(()), "{error}");
        }
        assert!(right > 0 || cfg!(miri));
    }
}

/// The checksum of a fragment cannot be verified, so a wrong one is not an error there.
#[test]
fn what_cannot_be_told_is_left_out() {
    for (name, at) in [
        ("first fragment", 0),
        ("first fragment, v6", 0),
        ("udp4", 1),
        ("tcp6", 1),
    ] {
        let mut frame = sample(name);
        let start = summarize(&frame).unwrap().transport_offset();
        frame[start] ^= 1;
        let (summary, error) = summarize_lax(&frame[..frame.len() - at]);
        assert_eq!(error.is_some(), at > 0, "{name}");
        assert_eq!(summary.verify(&frame), Ok(()), "{name}");
        assert_eq!(
            summary.ports().map(|(_, dst)| dst),
            summarize(&sample(name))
                .unwrap()
                .ports()
                .map(|(_, dst)| dst)
        );
    }
    // The IPv4 header's checksum is verified nevertheless.
    let mut frame = sample("first fragment");
    frame[24] ^= 1;
    let error = summarize(&frame).unwrap().verify(&frame).unwrap_err();
    assert_eq!((error.layer, error.offset), (Layer::Ipv4, 24));
}

/// UDP between two addresses, with the checksum for them.
fn udp_between(src: [u8; 16], dst: [u8; 16]) -> Vec<u8> {
    let mut bytes = udp(b"tick", true);
    let mut view = Udp::new_checked(&mut bytes[..]).unwrap();
    view.fill_checksum_v6(src.into(), dst.into());
    bytes
}

/// Asserts that the checksum of a frame is right, and that it is verified.
fn is_verified(mut frame: Vec<u8>) {
    let summary = summarize(&frame).unwrap();
    assert_eq!(summary.verify(&frame), Ok(()), "{summary:?}");
    let last = summary.payload_offset();
    frame[last] ^= 1;
    let error = summary.verify(&frame).unwrap_err();
    assert!(
        matches!(error.reason, Reason::BadChecksum { .. }),
        "{error}"
    );
}

fn is_unverifiable(frame: &[u8], layer: Layer, offset: u32, why: Unverifiable) {
    let error = summarize(frame).unwrap().verify(frame).unwrap_err();
    let found = (error.layer, error.reason, error.offset as u32);
    assert_eq!(found, (layer, Reason::Unverifiable { why }, offset));
    assert!(error.to_string().contains("cannot be verified"), "{error}");
}

const HOME: [u8; 16] = [0x20, 1, 0xD, 0xB8, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

#[test]
fn under_a_home_address_option_the_sender_is_at_home() {
    let options = [&[1, 2, 0, 0, 0xC9, 16][..], &HOME].concat();
    let frame = |options: &[u8]| {
        let chain = [extension(17, options), udp_between(HOME, DST6)].concat();
        ethernet(0x86DD, &ipv6(60, &chain))
    };
    is_verified(frame(&options));
    // An option that is longer than its header.
    let mut damaged = options;
    damaged[5] = 17;
    is_unverifiable(
        &frame(&damaged),
        Layer::Destination,
        54,
        Unverifiable::Options,
    );
}

#[test]
fn under_a_routing_header_the_receiver_is_where_the_route_ends() {
    let via = |body: &[u8], dst| {
        let chain = [extension(17, body), udp_between(SRC6, dst)].concat();
        ethernet(0x86DD, &ipv6(43, &chain))
    };
    let route = |head: [u8; 6], all: &[[u8; 16]]| [&head[..], &all.concat()].concat();
    is_verified(via(&route([0, 2, 0, 0, 0, 0], &[SRC6, HOME]), HOME));
    is_verified(via(&route([0, 0, 0, 0, 0, 0], &[SRC6, HOME]), DST6));
    is_verified(via(&route([2, 1, 0, 0, 0, 0], &[HOME]), HOME));
    is_verified(via(&route([2, 0, 0, 0, 0, 0], &[HOME]), DST6));
    is_verified(via(&route([4, 1, 1, 0, 0, 0], &[HOME, SRC6]), HOME));
    is_verified(via(&route([77, 0, 1, 0, 0, 0], &[HOME, SRC6]), DST6));
    let unknown = Unverifiable::RoutingType { found: 3 };
    let frame = via(&route([3, 1, 0, 0, 0, 0], &[HOME]), HOME);
    is_unverifiable(&frame, Layer::Routing, 54, unknown);
    for head in [[0, 3, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0], [4, 1, 2, 0, 0, 0]] {
        let frame = via(&route(head, &[SRC6, HOME]), HOME);
        is_unverifiable(&frame, Layer::Routing, 54, Unverifiable::Route);
    }
}

#[test]
fn under_a_source_route_the_receiver_is_where_it_ends() {
    let home = [10, 9, 8, 7];
    let mut bytes = udp(b"tick", false);
    let mut to = |dst: [u8; 4]| {
        let mut view = Udp::new_checked(&mut bytes[..]).unwrap();
        view.fill_checksum_v4(SRC4.into(), dst.into());
        bytes.clone()
    };
    let via = |options: &[u8], message: &[u8]| {
        let header = Ipv4Header {
            protocol: 17,
            options,
            ..Ipv4Header::default()
        };
        ethernet(0x0800, &ipv4_with(header, message))
    };
    for kind in [131, 137] {
        let route = |pointer| [1, kind, 11, pointer, 1, 2, 3, 4, 10, 9, 8, 7];
        for pointer in [4, 8] {
            is_verified(via(&route(pointer), &to(home)));
        }
        is_verified(via(&route(12), &to(DST4)));
        for pointer in [0, 3, 5] {
            let frame = via(&route(pointer), &to(home));
            is_unverifiable(&frame, Layer::Ipv4, 35, Unverifiable::Route);
        }
    }
    let damaged = [131, 9, 4, 0];
    is_unverifiable(
        &via(&damaged, &to(home)),
        Layer::Ipv4,
        34,
        Unverifiable::Options,
    );
}

/// The pseudo header of a jumbogram has 32 bits for the length.
#[test]
fn jumbograms_are_verified() {
    for is_udp in [false, true] {
        let mut message = match is_udp {
            true => udp(b"", true),
            false => tcp(&[], b"", true),
        };
        let (protocol, field) = if is_udp { (17, 6) } else { (6, 16) };
        if is_udp {
            message[4..6].copy_from_slice(&[0, 0]);
        }
        message[field..field + 2].copy_from_slice(&[0, 0]);
        message.extend((0..70_001_u32).map(|n| n as u8));
        let len = message.len() as u32;
        let sum = checksum::Sum::new().pseudo_v6(SRC6.into(), DST6.into(), protocol, len);
        let due = sum.bytes(&message).checksum();
        message[field..field + 2].copy_from_slice(&due.to_be_bytes());
        is_verified(jumbogram(protocol, len + 8, &message));
    }
}
