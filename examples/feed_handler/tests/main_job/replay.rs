//! Valid captures.

use crate::json::Report;
use crate::run;
use crate::wire::*;

/// Replays the bytes of a capture in a pool of four blocks.
#[track_caller]
fn replay(test: &str, capture: &[u8]) -> Report {
    let scratch = Scratch::new(test);
    let file = scratch.file("capture", capture);
    let report = run::replay(&file, &["--pool-blocks", "4"]).report();
    report.assert(&[("leaked", 0), ("drops", 0)]);
    report
}

/// Nine messages in three packets.
fn three_packets() -> Vec<Vec<u8>> {
    [(1, 2), (3, 3), (6, 4)]
        .map(|(sequence, count)| frame(&mold(SESSION, sequence, count)))
        .to_vec()
}

const THREE_PACKETS: [(&str, u64); 5] = [
    ("packets", 3),
    ("messages", 9),
    ("gaps", 0),
    ("duplicates", 0),
    ("malformed", 0),
];

#[test]
fn a_pcap_is_read_in_either_byte_order_and_resolution() {
    for order in [Order::Little, Order::Big] {
        for magic in [MICROSECONDS, NANOSECONDS] {
            let report = replay("pcap", &pcap(order, magic, &three_packets()));
            report.assert(&THREE_PACKETS);
        }
    }
}

#[test]
fn a_pcapng_is_read_in_either_byte_order() {
    for order in [Order::Little, Order::Big] {
        let mut section = Section::new(order);
        section.interface(ETHERNET);
        // A block of an unknown type is skipped.
        section.block(0x0BAD, b"whatever");
        for frame in three_packets() {
            section.enhanced(0, &frame);
        }
        replay("pcapng", &section.file).assert(&THREE_PACKETS);
    }
}

#[test]
fn simple_packets_and_further_sections_of_a_pcapng_are_read() {
    let [one, two, three] = three_packets().try_into().expect("three");
    let mut file = Vec::new();
    for (order, frames) in [(Order::Little, [one, two]), (Order::Big, [three, vec![]])] {
        let mut section = Section::new(order);
        section.interface(ETHERNET);
        for frame in frames.iter().filter(|frame| !frame.is_empty()) {
            section.simple(frame);
        }
        file.extend(section.file);
    }
    replay("sections", &file).assert(&THREE_PACKETS);
}

#[test]
fn frames_of_other_link_types_are_counted_apart() {
    const USER: u16 = 147;
    let mut section = Section::new(Order::Little);
    section.interface(USER);
    section.interface(ETHERNET);
    for frame in three_packets() {
        section.enhanced(1, &frame);
        section.enhanced(0, &frame[14..]);
    }
    replay("links", &section.file).assert(&[
        ("packets", 6),
        ("unsupported_link", 3),
        ("messages", 9),
    ]);
}

#[test]
fn datagrams_without_a_link_layer_are_read() {
    const RAW_IP: u16 = 101;
    let mut section = Section::new(Order::Little);
    section.interface(RAW_IP);
    for frame in three_packets() {
        section.enhanced(0, &frame[14..]);
    }
    replay("raw", &section.file).assert(&THREE_PACKETS);
}

#[test]
fn venues_are_told_apart_by_group_and_port_and_each_has_its_own_messages() {
    let pitch = |unit: u8, sequence: u32, count: u8| {
        // Time messages: length 6, type 0x20, seconds.
        let message = [6, 0x20, 1, 0, 0, 0];
        let length = 8 + 6 * u16::from(count);
        let mut packet = length.to_le_bytes().to_vec();
        packet.extend([count, unit]);
        packet.extend(sequence.to_le_bytes());
        packet.extend(message.repeat(count.into()));
        packet
    };
    let to_byx = |packet: &[u8]| addressed(packet, [233, 209, 92, 200], 30_201);
    let frames = [
        to_byx(&pitch(1, 1, 3)),
        to_byx(&pitch(2, 1, 1)),
        // 4 and 5 of unit 1 are missing; a heartbeat says so.
        to_byx(&pitch(1, 6, 0)),
        // A message of an unknown type, and a known one after it.
        to_byx(&[
            20, 0, 2, 2, 2, 0, 0, 0, 6, 0xFE, 0, 0, 0, 0, 6, 0x20, 1, 0, 0, 0,
        ]),
        addressed(&mold(SESSION, 1, 3), [233, 54, 12, 111], 26_477),
    ];
    let report = replay("venues", &usual_pcap(&frames));
    report.assert(&[
        ("messages_cboe_byx", 5),
        ("messages_nasdaq", 3),
        ("messages", 8),
        ("gaps", 2),
        ("heartbeats", 1),
        ("malformed", 1),
    ]);
    report.assert_is("types_cboe_byx", r#"{"0x20":5}"#);
    report.assert_is("types_nasdaq", r#"{"A":1,"D":1,"S":1}"#);
    let error = r#"[{"layer":"PITCH","reason":"unknown type","count":1}]"#;
    report.assert_is("errors", error);
}

#[test]
fn a_plot_is_drawn_and_a_target_counted() {
    let scratch = Scratch::new("plot");
    let file = scratch.file("capture", &usual_pcap(&three_packets()));
    let plot = scratch.path().join("latency.svg");
    let plot_path = plot.to_str().expect("the path is UTF-8");
    let options = ["--plot", plot_path, "--target", "1"];
    let report = run::replay(&file, &options).report();
    report.assert(&[
        ("over_target_unclassified", 3),
        ("backwards_unclassified", 0),
    ]);
    assert!(
        report.number("latency_p50_ns_unclassified") > 1.0,
        "{report:?}"
    );
    let svg = std::fs::read_to_string(&plot).expect("the plot");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert!(svg.contains("unclassified") && svg.contains("polyline"));
    // All three latencies may be within a decade.
    let labels = |unit: &str| {
        let texts = svg.lines().map(str::trim);
        texts.filter(|line| line.ends_with(unit)).count()
    };
    let durations: usize = [" ns", " µs", " ms", " s"].map(labels).iter().sum();
    assert!(durations >= 3, "{svg}");
    let nowhere = run::replay(&file, &["--plot", "/nowhere/at/all.svg"]);
    assert!(nowhere.complaint().contains("/nowhere/at/all.svg"));
}

#[test]
fn a_filter_lets_through_what_it_matches_and_counts_the_rest() {
    let frames = [
        addressed(&mold(SESSION, 1, 3), [233, 54, 12, 111], 26_477),
        addressed(&mold(b"TESTFEED02", 1, 2), [233, 54, 12, 112], 26_478),
        ethernet(0x0806, &[0; 28]),
    ];
    let scratch = Scratch::new("filter");
    let file = scratch.file("capture", &usual_pcap(&frames));
    for (filter, messages, filtered) in [
        ("udp", 5, 1),
        ("udp and dst port 26477", 3, 2),
        ("dst net 233.54.12.0/24 and not dst port 26477", 2, 2),
        ("arp", 0, 2),
    ] {
        let run = run::replay(&file, &["--filter", filter]);
        let report = match messages {
            0 => run.report_without_feed(),
            _ => run.report(),
        };
        report.assert(&[
            ("packets", 3),
            ("messages", messages),
            ("filtered", filtered),
        ]);
    }
}

/// A segment of TCP from one port to another.
fn segment(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let mut tcp = ports.map(u16::to_be_bytes).concat();
    tcp.resize(20, 0);
    tcp[12] = 5 << 4;
    tcp.extend(payload);
    ethernet(0x0800, &ipv4(6, &tcp))
}

#[test]
fn fix_over_tcp_is_told_by_what_it_begins_with_and_venues_by_ports() {
    let wrong = "8=FIX.4.2|9=5|35=0|10=162|";
    let right = "8=FIX.4.2|9=5|35=0|10=161|";
    let both = [wrong, right].concat().replace('|', "\x01");
    let frames = [
        segment([50_000, 9002], both.as_bytes()),
        segment([4001, 50_000], right.replace('|', "\x01").as_bytes()),
        segment([50_000, 50_001], right.replace('|', "\x01").as_bytes()),
        segment([50_000, 9002], b"GET / HTTP/1.1"),
    ];
    let report = replay("fix", &usual_pcap(&frames));
    report.assert(&[("packets", 4), ("messages", 3), ("other_tcp", 1)]);
    report.assert(&[
        ("messages_nasdaq", 1),
        ("messages_nyse", 1),
        ("messages_unclassified", 1),
    ]);
    let error = r#"[{"layer":"FIX","reason":"bad checksum","count":1}]"#;
    report.assert_is("errors", error);
}

#[test]
fn frames_of_interfaces_that_were_never_declared_are_counted_apart() {
    let mut section = Section::new(Order::Little);
    let [one, two, three] = three_packets().try_into().expect("three");
    section.simple(&one);
    section.interface(ETHERNET);
    section.enhanced(0, &two);
    section.enhanced(1, &three);
    replay("undeclared", &section.file).assert(&[
        ("packets", 3),
        ("unsupported_link", 2),
        ("messages", 3),
    ]);
}

#[test]
fn a_gap_is_reported_as_the_number_of_messages_that_never_came() {
    let packets = [
        mold(SESSION, 1, 3),
        // 4 to 10 are missing.
        mold(SESSION, 11, 2),
        // 13 and 14 are missing.
        mold(SESSION, 15, 1),
    ];
    let frames: Vec<_> = packets.iter().map(|packet| frame(packet)).collect();
    for capture in [usual_pcap(&frames), usual_pcapng(&frames)] {
        replay("gap", &capture).assert(&[("messages", 6), ("gaps", 9), ("duplicates", 0)]);
    }
}

#[test]
fn heartbeats_and_the_end_of_a_session_reveal_what_is_missing() {
    let packets = [
        mold(SESSION, 1, 3),
        mold_header(SESSION, 4, 0),
        mold_header(SESSION, 6, 0),
        mold_header(SESSION, 9, 0xFFFF),
    ];
    let frames: Vec<_> = packets.iter().map(|packet| frame(packet)).collect();
    replay("heartbeats", &usual_pcap(&frames)).assert(&[
        ("packets", 4),
        ("end_packets", 1),
        ("messages", 3),
        ("gaps", 5),
        ("heartbeats", 2),
    ]);
}

#[test]
fn sessions_are_numbered_on_their_own_and_repeats_are_no_gaps() {
    let other = b"TESTFEED02";
    let packets = [
        mold(SESSION, 1, 3),
        mold(other, 100, 2),
        mold(SESSION, 1, 3),
        mold(other, 102, 2),
        mold(SESSION, 3, 2),
    ];
    let frames: Vec<_> = packets.iter().map(|packet| frame(packet)).collect();
    replay("sessions", &usual_pcap(&frames)).assert(&[
        ("messages", 12),
        ("gaps", 0),
        ("duplicates", 4),
    ]);
}

#[test]
fn gaps_are_counted_as_far_as_numbers_go() {
    const FAR: u64 = 1 << 62;
    let packets = [SESSION, b"TESTFEED02"].map(|session| {
        let last = mold(session, FAR, 1);
        [frame(&mold(session, 1, 1)), frame(&last), frame(&last)]
    });
    let report = replay("last", &usual_pcap(&packets.concat()));
    report.assert(&[("messages", 6), ("duplicates", 2), ("gaps", 2 * (FAR - 2))]);
}

#[test]
fn vlan_tags_are_passed_over() {
    let plain = three_packets();
    let frames = [
        tagged(&plain[0], 0x8100),
        tagged(&tagged(&plain[1], 0x8100), 0x88A8),
        plain[2].clone(),
    ];
    replay("vlan", &usual_pcap(&frames)).assert(&THREE_PACKETS);
}

#[test]
fn traffic_that_is_not_the_feed_is_not_mistaken_for_it() {
    let mut unframed = mold(SESSION, 1, 3);
    unframed.push(0);
    let mut unknown = mold(SESSION, 1, 1);
    unknown[22] = b'?';
    let mut tcp = [0; 20];
    tcp[12] = 5 << 4;
    let mut ipv6 = [0; 40];
    (ipv6[0], ipv6[6]) = (0x60, 59);
    let frames = [
        frame(b"a DNS query, say, of more than twenty bytes"),
        frame(b""),
        frame(&unframed),
        frame(&unknown),
        ethernet(0x0800, &ipv4(6, &tcp)),
        ethernet(0x0800, &ipv4(1, &[8, 0, 0xF7, 0xFF, 0, 0, 0, 0])),
        ethernet(0x0806, &[0; 28]),
        ethernet(0x86DD, &ipv6),
        frame(&mold(SESSION, 1, 1)),
    ];
    replay("others", &usual_pcap(&frames)).assert(&[
        ("packets", 9),
        ("messages", 1),
        ("other_udp", 4),
        ("other_tcp", 1),
        ("other_ip", 2),
        ("not_ip", 1),
        ("malformed", 0),
        ("gaps", 0),
    ]);
}

#[test]
fn frames_cut_off_by_the_capture_are_malformed() {
    let whole = frame(&mold(SESSION, 1, 3));
    let frames = [
        whole[..10].to_vec(),
        whole[..30].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        whole,
    ];
    replay("cut", &usual_pcap(&frames)).assert(&[
        ("packets", 4),
        ("malformed", 3),
        ("messages", 3),
    ]);
}

#[test]
fn frames_longer_than_a_block_are_counted_and_not_consumed() {
    let frames = [
        frame(&mold(SESSION, 1, 1)),
        frame(&mold(SESSION, 2, 30)),
        frame(&mold(SESSION, 32, 1)),
    ];
    let scratch = Scratch::new("long");
    let file = scratch.file("capture", &usual_pcap(&frames));
    let options = ["--pool-blocks", "2", "--block-size", "128"];
    run::replay(&file, &options).report().assert(&[
        ("packets", 3),
        ("truncated", 1),
        ("messages", 2),
        ("gaps", 0),
        ("leaked", 0),
    ]);
}

#[test]
fn a_capture_larger_than_pool_and_reader_is_counted_exactly() {
    // 2.6 MB: more than the reader holds at once.
    let frames: Vec<_> = (0..2000)
        .map(|i| frame(&mold(SESSION, 1 + i * 50, 50)))
        .collect();
    for capture in [usual_pcap(&frames), usual_pcapng(&frames)] {
        let report = replay("large", &capture);
        report.assert(&[("packets", 2000), ("messages", 100_000), ("gaps", 0)]);
        assert!(report.number("peak") <= 4.0, "{report:?}");
    }
}

#[test]
fn a_capture_without_a_frame_is_a_capture_without_a_feed() {
    let scratch = Scratch::new("none");
    for capture in [usual_pcap(&[]), usual_pcapng(&[])] {
        let run = run::replay(&scratch.file("capture", &capture), &[]);
        let report = run.report_without_feed();
        report.assert(&[("packets", 0), ("messages", 0)]);
    }
}

#[test]
fn without_json_a_table_for_people_comes_out() {
    let scratch = Scratch::new("table");
    let file = scratch.file("capture", &usual_pcap(&three_packets()));
    let run = run::feed_handler(["--pcap".as_ref(), file.as_os_str()]);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("A:4 D:3 S:2"), "{run:?}");
}
