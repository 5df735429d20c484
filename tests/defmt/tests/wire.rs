//! What `wire` becomes in a log: errors with their facts, headers with their fields.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::feed::fix::Messages;
use framepool::wire::{
    AuthenticationHeader, Ipv6FragmentHeader, Layer, ParseError, TcpHeader, TcpOption, WindowScale,
    samples, summarize,
};
use support::render;

#[test]
fn errors_with_their_facts() {
    let long = ParseError::bad_length(Layer::Itch, 8_500_000_000, 5_000_000_000, 2, 65_535);
    assert_eq!(
        render(long),
        "ParseError { layer: Itch, reason: BadLength { stated: 5000000000, least: 2, most: 65535 }, \
         offset: 8500000000 }"
    );
    let mut messages = Messages::new(b"12:00 8=FIX.9.9\x01");
    let noise = messages.next().unwrap().unwrap_err();
    assert_eq!(
        render(noise),
        "ParseError { layer: Fix, reason: Noise { len: 6 }, offset: 0 }"
    );
    let version = render(messages.next().unwrap().unwrap_err().reason);
    assert!(version.starts_with("BadText { found: ["), "{version}");
}

#[test]
fn headers_with_every_bit() {
    let syn = TcpHeader {
        flags: TcpHeader::AE | TcpHeader::SYN,
        reserved: 5,
        ..TcpHeader::default()
    };
    let text = render(syn);
    assert!(
        text.contains("flags: 258, reserved: 5, window: 0"),
        "{text}"
    );
    let fragment = Ipv6FragmentHeader {
        reserved: (7, 3),
        ..Ipv6FragmentHeader::default()
    };
    assert_eq!(
        render(fragment),
        "Ipv6FragmentHeader { next_header: 0, offset: 0, more: false, reserved: (7, 3), id: 0 }"
    );
    let authentication = AuthenticationHeader {
        next_header: 6,
        reserved: 9,
        spi: 1,
        sequence: 2,
        icv: &[],
    };
    assert!(render(authentication).contains("reserved: 9, spi: 1"));
    assert_eq!(
        render(TcpOption::WindowScale(WindowScale::new(15))),
        "WindowScale(WindowScale { raw: 15 })"
    );
    let summary = summarize(samples::UDP).unwrap();
    assert!(render(summary).starts_with("Summary { link: Ethernet, network: Ipv4, transport: Udp"));
}
