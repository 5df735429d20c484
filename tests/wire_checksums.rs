//! Checksums of frames that were summed up: what is verified, what is left out, and what is said of a wrong one.
#![cfg(feature = "wire")]
#![allow(missing_docs)]

#[path = "support/frames.rs"]
mod frames;

use core::net::IpAddr::{V4, V6};

use framepool::wire::*;
use frames::*;

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

/// What the view of the message says of its checksum, at the message's place in the frame.
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

/// Every checksum of a message, and of one whose other bytes sum up to nothing, or to minus zero.
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

/// Of a part the checksum cannot be told, nor behind a routing header: a wrong one is no error there.
#[test]
fn what_cannot_be_told_is_left_out() {
    for (name, at) in [
        ("extensions", 0),
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
    // That of the IPv4 header is there all the same.
    let mut frame = sample("first fragment");
    frame[24] ^= 1;
    let error = summarize(&frame).unwrap().verify(&frame).unwrap_err();
    assert_eq!((error.layer, error.offset), (Layer::Ipv4, 24));
}
