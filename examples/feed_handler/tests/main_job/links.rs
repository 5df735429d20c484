//! Captures of every link type, and those without a feed.

use crate::json::Report;
use crate::run::{self, Finished};
use crate::wire::*;

const NULL: u32 = 0;
const LOOP: u32 = 108;
const LINUX_SLL: u32 = 113;
const LINUX_SLL2: u32 = 276;
const USER0: u32 = 147;
const RADIOTAP: u32 = 127;
const UNNAMED: u32 = 299;

const ETHER: u16 = 1;
const NETLINK: u16 = 824;

/// A packet after a cooked header.
fn sll(hardware: u16, protocol: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = [0, hardware, 6].map(u16::to_be_bytes).concat();
    frame.extend([2, 0, 0, 0, 0, 1, 0, 0]);
    frame.extend(protocol.to_be_bytes());
    frame.extend(packet);
    frame
}

fn sll2(hardware: u16, protocol: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = protocol.to_be_bytes().to_vec();
    frame.extend([0, 0, 0, 0, 0, 3]);
    frame.extend(hardware.to_be_bytes());
    frame.extend([0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    frame.extend(packet);
    frame
}

fn family(bytes: [u8; 4], packet: &[u8]) -> Vec<u8> {
    [&bytes, packet].concat()
}

/// An IPv4 packet of the feed: `count` messages.
fn feed(sequence: u64, count: u16) -> Vec<u8> {
    frame(&mold(SESSION, sequence, count))[14..].to_vec()
}

/// An IPv6 packet of the feed.
fn feed6(sequence: u64, count: u16) -> Vec<u8> {
    let udp = &feed(sequence, count)[20..];
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((udp.len() as u16).to_be_bytes());
    packet.extend([17, 64]);
    packet.extend([0x20; 32]);
    packet.extend(udp);
    packet
}

fn run(test: &str, capture: &[u8], options: &[&str]) -> Finished {
    let scratch = Scratch::new(test);
    run::replay(&scratch.file("capture", capture), options)
}

fn read(test: &str, capture: &[u8]) -> Report {
    let report = run(test, capture, &[]).report();
    report.assert(&[("leaked", 0), ("drops", 0), ("gaps", 0)]);
    report
}

/// IPv4, IPv6, two VLAN tags before IPv4, ARP, netlink, and a header that is cut off.
fn cooked(make: fn(u16, u16, &[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let tagged = [&[0, 7, 0x81, 0, 0, 8, 8, 0][..], &feed(6, 1)].concat();
    vec![
        make(ETHER, 0x0800, &feed(1, 3)),
        make(ETHER, 0x86DD, &feed6(4, 2)),
        make(ETHER, 0x88A8, &tagged),
        make(ETHER, 0x0806, &[0; 28]),
        make(NETLINK, 0x0800, &feed(1, 1)),
        make(ETHER, 0x8100, &[0, 7, 8]),
        make(ETHER, 0x0800, &[])[..15].to_vec(),
    ]
}

#[test]
fn linux_cooked_captures_are_read() {
    type Make = fn(u16, u16, &[u8]) -> Vec<u8>;
    let kinds: [(u32, Make, &str); 2] = [
        (LINUX_SLL, sll, "Linux SLL"),
        (LINUX_SLL2, sll2, "Linux SLL2"),
    ];
    for (link, make, name) in kinds {
        let report = read("cooked", &pcap_of(link, &cooked(make)));
        report.assert(&[
            ("packets", 7),
            ("feed_frames", 3),
            ("messages", 6),
            ("not_ip", 2),
            ("malformed", 2),
            ("unsupported_link", 0),
        ]);
        let errors = format!(r#"[{{"layer":"{name}","reason":"truncated","count":2}}]"#);
        report.assert_is("errors", &errors);
    }
}

#[test]
fn cooked_frames_of_a_pcapng_are_read() {
    let mut section = Section::new(Order::Big);
    section.interface(LINUX_SLL as u16);
    section.interface(LINUX_SLL2 as u16);
    section.enhanced(0, &sll(ETHER, 0x0800, &feed(1, 3)));
    section.enhanced(1, &sll2(ETHER, 0x0800, &feed(4, 2)));
    read("cooked-ng", &section.file).assert(&[("packets", 2), ("messages", 5)]);
}

#[test]
fn bsd_loopback_captures_are_read_in_either_byte_order() {
    for order in [u32::to_le_bytes, u32::to_be_bytes] {
        let frames = [
            family(order(2), &feed(1, 3)),
            family(order(24), &feed6(4, 1)),
            family(order(28), &feed6(5, 1)),
            family(order(30), &feed6(6, 1)),
            family(order(7), &feed(1, 1)),
            vec![0, 0, 0],
        ];
        let expected = [
            ("packets", 6),
            ("messages", 6),
            ("not_ip", 1),
            ("malformed", 1),
        ];
        read("null", &pcap_of(NULL, &frames)).assert(&expected);
    }
    // LOOP is always in network order.
    let frames = [
        family([0, 0, 0, 2], &feed(1, 3)),
        family([2, 0, 0, 0], &feed(1, 1)),
    ];
    read("loop", &pcap_of(LOOP, &frames)).assert(&[("messages", 3), ("not_ip", 1)]);
}

#[test]
fn a_filter_sees_the_packets_of_a_cooked_capture() {
    let capture = pcap_of(LINUX_SLL, &cooked(sll));
    let report = run("cooked-filter", &capture, &["--filter", "ip and udp"]).report();
    report.assert(&[("messages", 4), ("filtered", 3), ("not_ip", 0)]);
}

#[test]
fn a_link_type_with_the_length_of_a_checksum_in_it_is_read() {
    // Bit 26 says that there is a checksum; bits 28 to 31 have its length, two 16-bit words.
    let frames = [frame(&mold(SESSION, 1, 3))];
    read("fcs", &pcap_of(0x2400_0001, &frames)).assert(&[("messages", 3)]);
}

#[test]
fn link_types_that_are_not_supported_are_named() {
    let mut section = Section::new(Order::Little);
    for link in [USER0, RADIOTAP, UNNAMED, ETHERNET.into()] {
        section.interface(link as u16);
    }
    section.enhanced(3, &frame(&mold(SESSION, 1, 3)));
    for interface in [0, 1, 1, 2, 4] {
        section.enhanced(interface, &[0; 60]);
    }
    let report = read("unsupported", &section.file);
    report.assert(&[("packets", 6), ("unsupported_link", 5), ("messages", 3)]);
    report.assert_is(
        "unsupported_links",
        r#"[{"link_type":null,"name":null,"frames":1},
            {"link_type":127,"name":"IEEE802_11_RADIOTAP","frames":2},
            {"link_type":147,"name":"USER0","frames":1},
            {"link_type":299,"name":null,"frames":1}]"#
            .replace('\n', "")
            .as_str(),
    );
    let scratch = Scratch::new("unsupported-table");
    let file = scratch.file("capture", &section.file);
    let run = run::feed_handler(["--pcap".as_ref(), file.as_os_str()]);
    for name in [
        "1 of link type 147 (USER0)",
        "2 of link type 127 (IEEE802_11_RADIOTAP)",
        "1 of link type 299",
        "1 of an undeclared interface",
    ] {
        assert!(run.stdout.contains(name), "{name} in {run:?}");
    }
}

#[test]
fn a_capture_without_a_known_feed_says_so_and_exits_with_a_code_of_its_own() {
    let dns = frame(b"a DNS query, say, of more than twenty bytes");
    let others = [dns.clone(), ethernet(0x0806, &[0; 28])];
    let plain = run("no-feed", &usual_pcap(&others), &[]);
    let report = plain.report_without_feed();
    report.assert(&[
        ("packets", 2),
        ("feed_frames", 0),
        ("other_udp", 1),
        ("not_ip", 1),
    ]);
    assert!(
        plain
            .stderr
            .contains("capture: no known feed in 2 frames\n"),
        "{plain:?}"
    );

    let unread = run("no-feed-unread", &pcap_of(USER0, &others), &[]);
    unread
        .report_without_feed()
        .assert(&[("unsupported_link", 2)]);
    let why = "no known feed in 2 frames, not supported: 2 of link type 147 (USER0)\n";
    assert!(unread.stderr.ends_with(why), "{unread:?}");

    let frames = [frame(&mold(SESSION, 1, 1)), dns];
    let filtered = run("no-feed-filter", &usual_pcap(&frames), &["--filter", "tcp"]);
    filtered.report_without_feed().assert(&[("filtered", 2)]);
    let why = "no known feed in 2 frames, 2 of them filtered out\n";
    assert!(filtered.stderr.ends_with(why), "{filtered:?}");

    // A heartbeat belongs to a feed.
    let quiet = [frame(&mold_header(SESSION, 1, 0))];
    read("no-feed-quiet", &usual_pcap(&quiet)).assert(&[("messages", 0), ("feed_frames", 1)]);
    let help = run::feed_handler(["--help"]).stdout;
    assert!(help.contains("3: no frame of the capture"), "{help}");
}
