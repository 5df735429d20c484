//! The text of `wire` in a log: errors with their facts, headers with their fields.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::feed::fix::Messages;
use framepool::wire::{
    AuthenticationHeader, EXAMPLE_FRAME, Ipv6FragmentHeader, Ipv6Header, Layer, ParseError,
    TcpHeader, TcpOption, WindowScale, summarize, summarize_ip,
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
    let mut ping = EXAMPLE_FRAME.to_vec();
    let refused = summarize(&ping).unwrap().echo_reply(&mut ping);
    assert_eq!(
        render(refused.unwrap_err()),
        "ParseError { layer: Ipv4, reason: UnknownType { found: 17 }, offset: 14 }"
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
}

/// Addresses as people write them, ports in decimal.
#[test]
fn summaries_with_addresses_and_ports() {
    assert_eq!(
        render(summarize(EXAMPLE_FRAME).unwrap()),
        "Summary { link: Ethernet, network: Ipv4, transport: Udp, ether_type: 2048, protocol: 17, \
         src: Some(192.0.2.1), dst: Some(233.252.0.1), ports: Some((4660, 26400)), icmp: None, \
         outer_tag: None, extensions: Extensions(0), fragment: None, network_offset: 14, \
         transport_offset: 34, payload: 42..46 }"
    );
    let mut ping = [0; 48];
    let header = Ipv6Header {
        payload_len: 8,
        next_header: 58,
        src: [0x2001, 0xDB8, 0, 0, 0, 0, 0, 1].into(),
        ..Ipv6Header::default()
    };
    header.emit(&mut ping).unwrap();
    ping[40] = 128;
    let text = render(summarize_ip(&ping).unwrap());
    let ends = "src: Some(2001:0db8:0000:0000:0000:0000:0000:0001), \
                dst: Some(0000:0000:0000:0000:0000:0000:0000:0000), ports: None, icmp: Some((128, 0)), ";
    assert!(text.contains(ends), "{text}");
}
