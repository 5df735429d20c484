//! Filters: the meaning of expressions, and that the compiled forms agree.

use core::net::IpAddr;

use crate::frames::*;
use crate::{bpf, captures};
use framepool::wire::*;
use proptest::prelude::*;

fn program(filter: &Filter) -> Vec<BpfInstruction> {
    let mut out = [BpfInstruction::default(); 4096];
    let len = filter.to_bpf(&mut out).unwrap();
    out[..len].to_vec()
}

/// The samples that an expression matches.
fn wanted(expression: &str) -> Vec<&'static str> {
    let filter: Filter = expression
        .parse()
        .unwrap_or_else(|e| panic!("{expression}: {e}"));
    let is_wanted = |frame: &[u8]| filter.matches(&summarize(frame).unwrap());
    samples()
        .into_iter()
        .filter(|(_, frame)| is_wanted(frame))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn what_expressions_want() {
    let every = samples().len();
    let udp = wanted("udp");
    for name in [
        "udp4",
        "udp6",
        "padded",
        "one tag",
        "later fragment",
        "extensions",
        "snap",
    ] {
        assert!(udp.contains(&name), "{name}");
    }
    assert_eq!(wanted("not udp").len(), every - udp.len());
    assert_eq!(wanted("arp"), ["arp", "arp for others"]);
    assert_eq!(wanted("icmp or icmp6"), ["icmpv4", "icmpv6"]);
    assert_eq!(wanted("vlan"), ["one tag", "one tag, v6", "two tags"]);
    assert_eq!(wanted("vlan 100 and ip6"), ["one tag, v6"]);
    assert_eq!(wanted("vlan 0x0A"), ["two tags"]);
    assert_eq!(wanted("vlan 20"), [""; 0]);
    assert_eq!(
        wanted("ip6 and tcp port 179"),
        ["tcp6", "one tag, v6", "mpls"]
    );
    assert_eq!(
        wanted("dst port 179 and ip"),
        ["tcp4 with options", "two tags"]
    );
    assert_eq!(wanted("src port 179"), [""; 0]);
    assert_eq!(
        wanted("proto 50 || ether proto 0x88cc"),
        ["esp", "unknown type"]
    );
    assert_eq!(
        wanted("group 233.252.0.1 && fragment"),
        ["first fragment", "later fragment"]
    );
    assert_eq!(wanted("arp and src host 192.0.2.1"), ["arp"]);
    assert_eq!(wanted("arp and dst host 192.0.2.1"), [""; 0]);
    assert_eq!(wanted("arp and net 0/0"), ["arp"]);
    assert_eq!(wanted("host 2001:db8::1 and icmp6"), ["icmpv6"]);
    assert_eq!(wanted("src net 2001:db8::/32 and icmp6"), ["icmpv6"]);
    assert_eq!(wanted("net 2001:db9::/32"), [""; 0]);
    assert_eq!(wanted("icmp and net 192.0"), ["icmpv4"]);
    assert_eq!(wanted("icmp and net 192.0.3"), [""; 0]);
    assert_eq!(wanted("icmp and net 192/8"), ["icmpv4"]);
    assert_eq!(wanted("icmp and net 192.0.2.0/23"), ["icmpv4"]);
    assert_eq!(wanted("icmp and net 192.0.2.1/32"), ["icmpv4"]);
    assert_eq!(wanted("icmp and net 0/0"), ["icmpv4"]);
    assert_eq!(wanted("icmp6 and net 2001:db8::1/128"), ["icmpv6"]);
    assert_eq!(wanted("multicast").len(), every);
    assert_eq!(wanted("portrange 26400-26415 and not udp"), [""; 0]);
    assert_eq!(wanted("udp dst portrange 26000-26399"), [""; 0]);
}

/// With any number of tags, and with any type first.
#[test]
fn every_number_of_tags_is_a_vlan() {
    let filter: Filter = "vlan".parse().unwrap();
    for count in 0..=MAX_TAGS {
        let types = [0x88A8_u16, 0x8100, 0x9100].into_iter().cycle().take(count);
        let tags: Vec<u8> = types
            .flat_map(|t| [(t >> 8) as u8, t as u8, 0, 1])
            .collect();
        let frame = [&[0; 12], &tags[..], &[0x88, 0xCC, 0, 0]].concat();
        let summary = summarize(&frame).unwrap();
        assert_eq!(summary.tag_count(), count);
        assert_eq!(filter.matches(&summary), count > 0, "{count}");
        assert_eq!(filter.negated().unwrap().matches(&summary), count == 0);
    }
}

/// Neither the bit that forbids fragments nor the reserved bit makes a fragment.
#[test]
fn every_bit_of_a_fragment_and_no_other() {
    let filter: Filter = "fragment".parse().unwrap();
    let mut frame = samples().swap_remove(0).1;
    for bit in 0..16 {
        frame[20..22].copy_from_slice(&(1_u16 << bit).to_be_bytes());
        let summary = summarize(&frame).unwrap();
        assert_eq!(filter.matches(&summary), bit < 14, "{bit}");
        assert_eq!(summary.is_fragment(), bit < 14, "{bit}");
        assert_eq!(summary.dont_fragment(), bit == 14, "{bit}");
        assert_eq!(bpf::run(&program(&filter), &frame) != 0, bit < 14);
    }
}

#[test]
fn and_and_or_bind_alike_from_left_to_right() {
    // As in pcap-filter(7): not "icmp6 or (arp and icmp)".
    assert_eq!(wanted("icmp6 or arp and icmp6"), ["icmpv6"]);
    assert_eq!(wanted("icmp6 or (arp and icmp6)"), ["icmpv6"]);
    assert_eq!(wanted("arp or icmp6 and arp"), ["arp", "arp for others"]);
    assert_eq!(wanted("arp or (icmp6 and icmp)"), ["arp", "arp for others"]);
    assert_eq!(wanted("arp or icmp6 and icmp"), [""; 0]);
    assert_eq!(
        wanted("not arp and not ip and not ip6"),
        ["unknown type", "llc"]
    );
    assert_eq!(wanted("!(!arp)"), ["arp", "arp for others"]);
}

#[test]
fn what_is_no_expression_says_where() {
    for (text, reason, offset) in [
        ("", FilterReason::Empty, 0),
        ("  ", FilterReason::Empty, 0),
        ("udp and", FilterReason::Incomplete, 7),
        ("(udp", FilterReason::Incomplete, 4),
        ("udp)", FilterReason::Unexpected, 3),
        ("udp tcp", FilterReason::Unexpected, 4),
        ("frob", FilterReason::Unexpected, 0),
        ("src udp", FilterReason::Unexpected, 4),
        ("udp &&& tcp", FilterReason::Unexpected, 4),
        ("port 65536", FilterReason::BadNumber, 5),
        ("port 0x", FilterReason::BadNumber, 5),
        ("port +5", FilterReason::BadNumber, 5),
        ("port 0x+5", FilterReason::BadNumber, 5),
        ("portrange +1-+5", FilterReason::BadNumber, 10),
        ("net 10/+8", FilterReason::BadAddress, 4),
        ("net +10", FilterReason::BadAddress, 4),
        ("vlan 4096", FilterReason::BadNumber, 5),
        ("proto 256", FilterReason::BadNumber, 6),
        ("portrange 9-8", FilterReason::BackwardRange, 10),
        ("portrange 80-99999", FilterReason::BadNumber, 10),
        ("udp src host 1.2.3.4", FilterReason::Unexpected, 8),
        ("udp host 1.2.3.4", FilterReason::Unexpected, 4),
        ("tcp dst net 10/8", FilterReason::Unexpected, 8),
        (
            "vlan and udp and vlan 2 and vlan",
            FilterReason::TooManyTags,
            28,
        ),
        ("host 1.2.3", FilterReason::BadAddress, 5),
        ("net 10/33", FilterReason::BadAddress, 4),
        ("net 10.0.0.0/33", FilterReason::BadAddress, 4),
        ("net ::/129", FilterReason::BadAddress, 4),
        ("net 1.2.3.4.5", FilterReason::BadAddress, 4),
        ("net 10.0.0.5/8", FilterReason::HostBits, 4),
        ("dst net 10.1/15", FilterReason::HostBits, 8),
        ("net 10.0.0.1/0", FilterReason::HostBits, 4),
        ("net 2001:db8::1/127", FilterReason::HostBits, 4),
        ("net 2001:db8::1/33", FilterReason::HostBits, 4),
    ] {
        let error = text.parse::<Filter>().expect_err(text);
        assert_eq!(
            (error.reason, error.offset),
            (reason, offset),
            "`{text}`: {error}"
        );
    }
    let deep = "(".repeat(100_000) + "udp";
    assert_eq!(
        deep.parse::<Filter>().unwrap_err().reason,
        FilterReason::TooDeep
    );
    let many = vec!["udp"; MAX_TERMS + 1].join(" or ");
    assert_eq!(
        many.parse::<Filter>().unwrap_err().reason,
        FilterReason::TooLong
    );
    assert!(
        vec!["udp"; MAX_TERMS]
            .join(" or ")
            .parse::<Filter>()
            .is_ok()
    );
}

#[test]
fn a_program_has_to_fit() {
    let filter: Filter = "udp".parse().unwrap();
    let len = program(&filter).len();
    let mut out = vec![BpfInstruction::default(); len];
    assert_eq!(filter.to_bpf(&mut out), Ok(len));
    for available in 0..len {
        assert_eq!(
            filter.to_bpf(&mut out[..available]),
            Err(BpfError { available })
        );
    }
}

/// The maximum number of terms, all different. Each decides the result once.
#[test]
fn as_many_terms_as_there_may_be() {
    let host = |n: u8| [192, 0, 2, n].into();
    let host6 = |n: u8| core::net::Ipv6Addr::from([n; 16]);
    let summary = summarize(&samples().swap_remove(0).1).unwrap();
    for side in [Side::Src, Side::Dst, Side::Either] {
        let most_v6 = if side == Side::Either { 14 } else { 28 };
        let ports = |n: u8| Term::Port(side, 26_400 - u16::from(n), 26_400 - u16::from(n));
        let kinds: [(usize, &dyn Fn(u8) -> Term); 4] = [
            (MAX_TERMS, &ports),
            (MAX_TERMS, &|n| Term::host_v4(side, host(n))),
            (MAX_TERMS, &|n| Term::net_v6(side, host6(n), 32)),
            (most_v6, &|n| Term::host_v6(side, host6(n))),
        ];
        for (most, kind) in kinds {
            let terms: Vec<Term> = (0..most as u8).rev().map(kind).collect();
            let any = Filter::any_of(&terms).unwrap();
            let all = Filter::all_of(&terms).unwrap();
            let is = |t: &Term| holds(*t, &summary);
            assert_eq!(any.matches(&summary), terms.iter().any(is), "{terms:?}");
            assert_eq!(all.matches(&summary), terms.iter().all(is), "{terms:?}");
            assert_eq!(bpf::run(&program(&any), &[0; 100]), 0);
        }
    }
}

#[test]
fn from_code_as_from_an_expression() {
    let udp: Filter = "udp".parse().unwrap();
    let group = Filter::term(Term::group_v4(DST4.into())).unwrap();
    let both = udp.and(&group).unwrap();
    let either = udp.or(&group).unwrap();
    let neither = either.negated().unwrap();
    for (name, frame) in samples() {
        let summary = summarize(&frame).unwrap();
        let (a, b) = (udp.matches(&summary), group.matches(&summary));
        assert_eq!(both.matches(&summary), a && b, "{name}");
        assert_eq!(either.matches(&summary), a || b, "{name}");
        assert_eq!(neither.matches(&summary), !a && !b, "{name}");
        assert!(
            Filter::all().matches(&summary) && udp.or(&Filter::all()).unwrap().matches(&summary)
        );
        assert_eq!(Filter::all().and(&udp).unwrap().matches(&summary), a);
    }
    assert_eq!(
        Filter::all().negated().unwrap_err().reason,
        FilterReason::Empty
    );
    assert!(Filter::any_of(&[Term::Tagged; MAX_TERMS]).is_ok());
    assert!(Filter::any_of(&[Term::Tagged; MAX_TERMS + 1]).is_err());
}

/// The meaning of a filter, as a tree.
#[derive(Debug, Clone)]
enum Meaning {
    Term(Term),
    Not(Box<Meaning>),
    And(Box<Meaning>, Box<Meaning>),
    Or(Box<Meaning>, Box<Meaning>),
}

impl Meaning {
    fn filter(&self) -> Result<Filter, FilterError> {
        match self {
            Self::Term(term) => Filter::term(*term),
            Self::Not(a) => a.filter()?.negated(),
            Self::And(a, b) => a.filter()?.and(&b.filter()?),
            Self::Or(a, b) => a.filter()?.or(&b.filter()?),
        }
    }

    fn holds(&self, s: &Summary) -> bool {
        match self {
            Self::Term(term) => holds(*term, s),
            Self::Not(a) => !a.holds(s),
            Self::And(a, b) => a.holds(s) && b.holds(s),
            Self::Or(a, b) => a.holds(s) || b.holds(s),
        }
    }
}

fn sides(side: Side) -> (bool, bool) {
    (side != Side::Dst, side != Side::Src)
}

fn holds(term: Term, s: &Summary) -> bool {
    let address = |side: Side, is: &dyn Fn(IpAddr) -> bool| {
        let (src, dst) = sides(side);
        (src && s.src().is_some_and(is)) || (dst && s.dst().is_some_and(is))
    };
    match term {
        Term::Network(network) => s.network() == network,
        Term::Transport(transport) => s.transport() == transport,
        Term::Protocol(protocol) => s.is_ip() && s.protocol() == protocol,
        Term::EtherType(ether_type) => s.ether_type() == ether_type,
        Term::V4(side, value, mask) => address(side, &|a| match a {
            IpAddr::V4(a) => a.to_bits() & mask == value & mask,
            IpAddr::V6(_) => false,
        }),
        Term::V6(side, value, mask) => address(side, &|a| match a {
            IpAddr::V6(a) => a.to_bits() & mask == value & mask,
            IpAddr::V4(_) => false,
        }),
        Term::Port(side, first, last) => s.ports().is_some_and(|(src, dst)| {
            let is = |port| first <= port && port <= last;
            let (of_src, of_dst) = sides(side);
            (of_src && is(src)) || (of_dst && is(dst))
        }),
        Term::Tagged => s.tag_count() > 0,
        Term::Vlan(id) => s.outer_tag().is_some_and(|tag| tag & 0xFFF == id),
        Term::InnerTagged => s.tag_count() > 1,
        Term::InnerVlan(id) => s.inner_tag().is_some_and(|tag| tag & 0xFFF == id),
        Term::LinkGroup => s.is_link_group(),
        Term::Multicast => s.is_multicast(),
        Term::Fragment => s.fragment().is_some(),
        other => panic!("{other:?}"),
    }
}

fn side() -> impl Strategy<Value = Side> {
    prop::sample::select(vec![Side::Src, Side::Dst, Side::Either])
}

fn term() -> impl Strategy<Value = Term> {
    let networks = vec![Network::Unknown, Network::Arp, Network::Ipv4, Network::Ipv6];
    let transports = vec![
        Transport::Unknown,
        Transport::Udp,
        Transport::Tcp,
        Transport::Icmpv4,
        Transport::Icmpv6,
        Transport::Fragment,
    ];
    let v4 = prop::sample::select(vec![SRC4, DST4, [10, 0, 0, 1], [0; 4]]);
    let v6 = prop::sample::select(vec![SRC6, DST6, [0; 16]]);
    prop_oneof![
        prop::sample::select(networks).prop_map(Term::Network),
        prop::sample::select(transports).prop_map(Term::Transport),
        prop::sample::select(vec![0, 1, 6, 17, 50, 58]).prop_map(Term::Protocol),
        prop::sample::select(vec![0x0800, 0x86DD, 0x88CC, 7]).prop_map(Term::EtherType),
        (side(), v4, 0..=33_u8).prop_map(|(side, a, bits)| Term::net_v4(side, a.into(), bits)),
        (side(), v6, 0..=129_u8).prop_map(|(side, a, bits)| Term::net_v6(side, a.into(), bits)),
        (
            side(),
            prop::sample::select(vec![(179, 179), (0, 65535), (26400, 26415), (9, 8)])
        )
            .prop_map(|(side, (first, last))| Term::Port(side, first, last)),
        Just(Term::Tagged),
        prop::sample::select(vec![0, 10, 20, 100, 5000]).prop_map(Term::Vlan),
        Just(Term::InnerTagged),
        prop::sample::select(vec![0, 10, 20, 100, 5000]).prop_map(Term::InnerVlan),
        Just(Term::LinkGroup),
        Just(Term::Multicast),
        Just(Term::Fragment),
    ]
}

fn meaning() -> impl Strategy<Value = Meaning> {
    term()
        .prop_map(Meaning::Term)
        .prop_recursive(6, 24, 2, |inner| {
            let two = || (inner.clone(), inner.clone());
            prop_oneof![
                1 => inner.clone().prop_map(|a| Meaning::Not(a.into())),
                3 => two().prop_map(|(a, b)| Meaning::And(a.into(), b.into())),
                3 => two().prop_map(|(a, b)| Meaning::Or(a.into(), b.into())),
            ]
        })
}

/// Samples whose headers a BPF program finds as well as a summary does.
fn plain_samples() -> Vec<(&'static str, Vec<u8>)> {
    let beyond = [
        "extensions",
        "authentication",
        "authentication, v6",
        "mpls",
        "snap",
    ];
    let others = [
        ("two tags of zero", with_tags(&[0, 0])),
        ("unicast link", to_one(samples().swap_remove(0).1)),
        ("broadcast", to_all(samples().swap_remove(0).1)),
    ];
    let found = samples().into_iter().chain(others);
    found.filter(|(name, _)| !beyond.contains(name)).collect()
}

/// UDP over IPv4 with these tags.
fn with_tags(ids: &[u8]) -> Vec<u8> {
    let plain = samples().swap_remove(0).1;
    let tags: Vec<u8> = ids.iter().flat_map(|&id| [0x81, 0, 0, id]).collect();
    [&plain[..12], &tags, &plain[12..]].concat()
}

/// To the link address of one receiver.
fn to_one(mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    frame
}

fn to_all(mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&[0xFF; 6]);
    frame
}

/// Whether an expression matches a frame, as a filter and as a program.
fn wants(expression: &str, frame: &[u8]) -> bool {
    let filter: Filter = expression.parse().unwrap();
    let wants = filter.matches(&summarize_lax(frame).0);
    let accepts = bpf::run(&program(&filter), frame) != 0;
    assert_eq!(wants, accepts, "{expression}");
    wants
}

#[test]
fn a_second_vlan_looks_at_the_inner_tag() {
    let (none, one, two) = (with_tags(&[]), with_tags(&[100]), with_tags(&[100, 200]));
    for (expression, expected) in [
        ("vlan 100 and vlan 200", [false, false, true]),
        ("vlan 200 and vlan 100", [false, false, false]),
        ("vlan 100 and vlan 100", [false, false, false]),
        ("vlan and vlan", [false, false, true]),
        ("vlan and vlan 200", [false, false, true]),
        ("vlan and udp and vlan 200", [false, false, true]),
        ("vlan and (udp and vlan 200)", [false, false, true]),
        ("(vlan 9 or vlan 100) and vlan 200", [false, false, true]),
        ("vlan 100 or vlan 200", [false, true, true]),
        ("vlan 200 or vlan 100", [false, true, true]),
        ("vlan 100 and not vlan", [false, true, false]),
        ("vlan 100 and vlan 0", [false, false, false]),
    ] {
        let found = [&none, &one, &two].map(|frame| wants(expression, frame));
        assert_eq!(found, expected, "{expression}");
    }
    assert!(wants("vlan 0 and vlan 0", &with_tags(&[0, 0])));
}

#[test]
fn multicast_is_decided_by_the_link_address() {
    let group = samples().swap_remove(0).1;
    let group6 = samples().swap_remove(3).1;
    let hidden = to_one(group.clone());
    let mut broadcast = to_all(group.clone());
    broadcast[30..34].copy_from_slice(&SRC4);
    for (expression, expected) in [
        ("multicast", [true, true, false, true]),
        ("ether multicast", [true, true, false, true]),
        ("ip multicast", [true, false, true, false]),
        ("ip6 multicast", [false, true, false, false]),
    ] {
        let found = [&group, &group6, &hidden, &broadcast].map(|f| wants(expression, f));
        assert_eq!(found, expected, "{expression}");
    }
}

/// A filter and its kernel program agree. The program reads no length.
#[test]
fn frames_without_a_length_are_wanted_in_both_forms() {
    for (name, mut frame) in plain_samples() {
        let whole = summarize(&frame).unwrap();
        if whole.network() != Network::Ipv4 {
            continue;
        }
        let start = whole.network_offset();
        frame[start + 2..start + 4].copy_from_slice(&[0, 0]);
        for expression in ["ip", "udp", "tcp", "port 26400", "src host 192.0.2.1"] {
            let filter: Filter = expression.parse().unwrap();
            let expected = filter.matches(&whole);
            assert_eq!(wants(expression, &frame), expected, "{name}: {expression}");
        }
    }
}

/// The program that tcpdump makes from an expression; `None` if it refuses the expression.
fn of_tcpdump(expression: &str) -> Option<Vec<BpfInstruction>> {
    let mut command = std::process::Command::new("tcpdump");
    let output = command.args(["-y", "EN10MB", "-ddd", expression]).output();
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let instruction = |line: &str| {
        let numbers: Vec<u32> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        BpfInstruction {
            code: numbers[0] as u16,
            jt: numbers[1] as u8,
            jf: numbers[2] as u8,
            k: numbers[3],
        }
    };
    let is_made = output.status.success() && !text.is_empty();
    is_made.then(|| text.lines().skip(1).map(instruction).collect())
}

fn is_tcpdump_there(test: &str) -> bool {
    let is_there = std::process::Command::new("tcpdump")
        .arg("--version")
        .output();
    if is_there.is_err() {
        println!("SKIPPED {test}: tcpdump is not installed");
    }
    is_there.is_ok()
}

/// Frames without tags and without the cases in the list of differences.
fn untagged() -> Vec<(&'static str, Vec<u8>)> {
    let mut found = plain_samples();
    found.retain(|(name, frame)| {
        !name.contains("tag") && !name.contains("fragment, v6") && frame.len() > 40
    });
    found
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn expressions_mean_what_they_mean_to_tcpdump() {
    if !is_tcpdump_there("expressions_mean_what_they_mean_to_tcpdump") {
        return;
    }
    for expression in [
        "ip",
        "ip6",
        "arp",
        "udp",
        "tcp",
        "icmp",
        "icmp6",
        "not udp",
        "ether proto 0x88cc",
        "port 179",
        "src port 4660",
        "udp dst port 26400",
        "tcp port 179",
        "udp portrange 26400-26415",
        "dst portrange 100-200",
        "host 192.0.2.1",
        "src host 192.0.2.1",
        "dst net 233.252.0.0/16",
        "net 192.0.2",
        "arp and host 192.0.2.1",
        "host 2001:db8::1",
        "src net 2001:db8::/32",
        "multicast",
        "ether multicast",
        "ip multicast",
        "ip6 multicast",
        "udp and not port 179 or arp",
    ] {
        let theirs = of_tcpdump(expression).expect(expression);
        for (name, frame) in untagged() {
            let is_theirs = bpf::run(&theirs, &frame) != 0;
            assert_eq!(wants(expression, &frame), is_theirs, "{name}: {expression}");
        }
    }
    let tagged = [
        &[][..],
        &[100],
        &[200],
        &[100, 200],
        &[200, 100],
        &[100, 100],
    ];
    for expression in [
        "vlan",
        "vlan 100",
        "vlan 100 and vlan 200",
        "vlan and vlan",
        "vlan and vlan 200",
        "vlan 100 and not vlan 200",
    ] {
        let theirs = of_tcpdump(expression).expect(expression);
        for ids in tagged {
            let frame = with_tags(ids);
            let is_theirs = bpf::run(&theirs, &frame) != 0;
            assert_eq!(
                wants(expression, &frame),
                is_theirs,
                "{ids:?}: {expression}"
            );
        }
    }
    for refused in [
        "udp src host 1.2.3.4",
        "udp host 1.2.3.4",
        "udp foo",
        "port 65536",
        "net 10.0.0.5/8",
    ] {
        assert!(of_tcpdump(refused).is_none(), "{refused}");
        assert!(refused.parse::<Filter>().is_err(), "{refused}");
    }
}

/// Real frames: UDP, TCP, ICMP and ARP without tags, for which both read the same headers.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn captures_beside_tcpdump() {
    let Some(folder) = captures::folder("captures_beside_tcpdump") else {
        return;
    };
    if !is_tcpdump_there("captures_beside_tcpdump") {
        return;
    }
    let both: Vec<(Filter, Vec<BpfInstruction>, &str)> = [
        "ip",
        "arp",
        "udp",
        "tcp port 80 or udp port 53",
        "src net 10",
        "host 192.168.1.1",
        "dst portrange 1-1023",
        "multicast",
        "ip multicast",
        "icmp or icmp6",
        "not tcp",
    ]
    .map(|e| (e.parse().unwrap(), of_tcpdump(e).expect(e), e))
    .into();
    let mut compared = 0;
    for file in captures::files(&folder).into_iter().step_by(4) {
        let packets = captures::packets(&file);
        for packet in packets.iter().take(200) {
            let frame = &packet.bytes[..];
            let is_ethernet = packet.link_type == captures::ETHERNET;
            let Some(summary) = summarize(frame).ok().filter(|_| is_ethernet) else {
                continue;
            };
            let is_plain = summary.link() == Link::Ethernet
                && summary.tag_count() + summary.label_count() == 0
                && summary.extensions() == Extensions::NONE;
            // IPv4's broadcast, SCTP and RARP are on the list of differences.
            let is_listed = matches!(summary.dst(), Some(IpAddr::V4(a)) if a.octets()[0] >= 240)
                || summary.protocol() == 132
                || summary.ether_type() == 0x8035;
            if !is_plain || is_listed {
                continue;
            }
            for (filter, theirs, expression) in &both {
                let is_theirs = bpf::run(theirs, frame) != 0;
                let at = file.display();
                assert_eq!(filter.matches(&summary), is_theirs, "{at}: {expression}");
            }
            compared += 1;
        }
    }
    assert!(compared > 0);
    println!("{compared} frames compared with tcpdump");
}

/// For each line in the documented list of differences there is a frame that shows it.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn differences_from_tcpdump_are_those_that_are_listed() {
    if !is_tcpdump_there("differences_from_tcpdump_are_those_that_are_listed") {
        return;
    }
    let sample = |name| {
        let found = samples().into_iter().find(|(n, _)| *n == name);
        found.unwrap().1
    };
    let sctp = ethernet(0x0800, &ipv4(132, &[0, 80, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0]));
    let mut rarp = ethernet(0x0806, &arp());
    rarp[12..14].copy_from_slice(&0x8035_u16.to_be_bytes());
    let mut broadcast = sample("udp4");
    broadcast[30..34].copy_from_slice(&[0xFF; 4]);
    for (expression, frame, here) in [
        ("port 80", &sctp, false),
        ("portrange 80-90", &sctp, false),
        ("host 192.0.2.1", &rarp, false),
        ("net 192.0.2.0/24", &rarp, false),
        ("ip multicast", &broadcast, false),
        ("ether proto 0x8100", &with_tags(&[1]), false),
        ("udp", &with_tags(&[1]), true),
        ("vlan 1 or vlan 2", &with_tags(&[2]), true),
        ("udp", &sample("extensions"), true),
        ("port 26400", &sample("first fragment, v6"), true),
        ("udp", &sample("authentication"), true),
        ("ip6", &sample("mpls"), true),
        ("ip", &sample("snap"), true),
    ] {
        let filter: Filter = expression.parse().unwrap();
        let theirs = bpf::run(&of_tcpdump(expression).expect(expression), frame) != 0;
        let ours = filter.matches(&summarize(frame).unwrap());
        assert_eq!((ours, theirs), (here, !here), "{expression}");
    }
    for (expression, is_filter) in [
        ("portrange 80-70", false),
        ("vlan and vlan and vlan", false),
        ("group 233.252.0.1", true),
        ("fragment", true),
    ] {
        assert_eq!(
            expression.parse::<Filter>().is_ok(),
            is_filter,
            "{expression}"
        );
        assert_eq!(of_tcpdump(expression).is_some(), !is_filter, "{expression}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 8 } else { 1024 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn filters_mean_what_they_say(meaning in meaning()) {
        // A program that does not fit must be refused.
        let filter = match meaning.filter() {
            Ok(filter) => filter,
            Err(e) => {
                prop_assert_eq!(e.reason, FilterReason::TooLong);
                return Ok(());
            }
        };
        for (name, frame) in samples() {
            let summary = summarize(&frame).unwrap();
            prop_assert_eq!(filter.matches(&summary), meaning.holds(&summary), "{}", name);
        }
    }

    #[test]
    fn bpf_wants_the_same(meaning in meaning()) {
        let Ok(filter) = meaning.filter() else { return Ok(()) };
        let program = program(&filter);
        prop_assert!(program.len() <= 2048, "{} instructions", program.len());
        for (name, mut frame) in plain_samples() {
            let summary = summarize(&frame).unwrap();
            // So that no byte after the frame's end is read.
            frame.resize(frame.len().max(80), 0);
            prop_assert_eq!(bpf::run(&program, &frame) != 0, filter.matches(&summary), "{}", name);
        }
    }

    #[test]
    fn bpf_ends_on_any_frame(meaning in meaning(), frame in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(filter) = meaning.filter() {
            let accepted = bpf::run(&program(&filter), &frame);
            prop_assert!(accepted == 0 || accepted == u32::MAX);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in "[a-z0-9 ()!&|./:x-]{0,60}") {
        if let Err(e) = text.parse::<Filter>() {
            prop_assert!(e.offset <= text.len());
        }
    }

    #[test]
    fn any_words_are_a_filter_or_an_error(words in prop::collection::vec(prop::sample::select(vec![
        "udp", "tcp", "and", "or", "not", "(", ")", "src", "dst", "port", "80", "host", "net", "10/8", "1.2.3.4",
        "vlan", "::1", "portrange", "1-2", "ether", "proto", "\u{e9}", "group",
    ]), 0..12)) {
        let text = words.join(" ");
        match text.parse::<Filter>() {
            Ok(filter) => prop_assert!(!program(&filter).is_empty()),
            Err(e) => prop_assert!(text.get(e.offset..).is_some()),
        }
    }
}
