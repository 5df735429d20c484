//! Which venue sent a packet: the rules of the program, on their own.

use std::fs;
use std::path::Path;

use framepool::wire::summarize_lax;

use crate::corrupt::{collect, data};
use crate::rules::*;

fn endpoint(destination: [u8; 4], port: u16) -> Endpoint {
    Endpoint {
        source: [10, 0, 0, 1].into(),
        destination: destination.into(),
        source_port: 1,
        destination_port: port,
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mine = Venue::CboeBzx;
    let rules = [
        Rule::v4(
            mine,
            Protocol::Pitch,
            ([233, 54, 12, 111], 32),
            (26_477, 26_477),
        ),
        EXAMPLE_RULES[0],
        Rule {
            network: Some(("2001:db8::".parse().unwrap(), 32)),
            ..Rule::ports(Venue::Nyse, Protocol::Fix, (0, u16::MAX))
        },
    ];
    let venue = |packet: &Endpoint| classify(&rules, packet).map(|rule| rule.venue);
    assert_eq!(venue(&endpoint([233, 54, 12, 111], 26_477)), Some(mine));
    assert_eq!(
        venue(&endpoint([233, 54, 12, 111], 26_478)),
        Some(Venue::Nasdaq)
    );
    assert_eq!(venue(&endpoint([233, 54, 13, 111], 26_477)), None);
    let mut packet = endpoint([1, 2, 3, 4], 9);
    assert_eq!(venue(&packet), None);
    packet.source = "2001:db8:1::7".parse().unwrap();
    assert_eq!(venue(&packet), Some(Venue::Nyse));
    packet.source = "2001:db9::7".parse().unwrap();
    assert_eq!(venue(&packet), None);
    // No bits at all match every address of the family.
    let any = [Rule::v4(mine, Protocol::Fix, ([0; 4], 0), (9, 9))];
    assert!(classify(&any, &endpoint([1, 2, 3, 4], 9)).is_some());
}

#[test]
fn ports_alone_tell_venues_apart() {
    let venue = |source_port, destination_port| {
        let packet = Endpoint {
            source: [192, 0, 2, 1].into(),
            destination: std::net::Ipv6Addr::LOCALHOST.into(),
            source_port,
            destination_port,
        };
        let rule = classify(&PORT_RULES, &packet)?;
        assert_eq!(rule.protocol, Protocol::Fix);
        Some(rule.venue)
    };
    for base in [4000, 7000, 8000, 9000] {
        let venues = [1, 2, 3].map(|port| venue(base + port, 50_000).unwrap());
        assert_eq!(venues, [Venue::Nyse, Venue::Nasdaq, Venue::CboeBzx]);
        assert_eq!(venue(50_000, base + 2), Some(Venue::Nasdaq));
        assert_eq!((venue(base, 50_000), venue(50_000, base + 4)), (None, None));
    }
}

/// The addresses and ports of a classic capture of Ethernet.
fn endpoints(file: &Path) -> Vec<Endpoint> {
    let bytes = fs::read(file).unwrap();
    let mut found = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let frame = &bytes[at + 16..at + 16 + len];
        at += 16 + len;
        let (summary, _) = summarize_lax(frame);
        if let Some((source_port, destination_port)) = summary.ports() {
            found.push(Endpoint {
                source: summary.src().unwrap(),
                destination: summary.dst().unwrap(),
                source_port,
                destination_port,
            });
        }
    }
    found
}

#[test]
fn example_rules_know_these_venues() {
    let exchanges = data().join("exchange");
    if !exchanges.is_dir() {
        println!("SKIPPED example_rules_know_these_venues: no captures");
        return;
    }
    for (dir, venue) in [
        (
            "Nasdaq/Nasdaq.Equities.TotalView.Itch.v5.0",
            Some(Venue::Nasdaq),
        ),
        ("Nasdaq/Nasdaq.Nsm.Ouch.v5.0", Some(Venue::Nasdaq)),
        (
            "Cboe/Byx.Equities.DepthOfBook.Pitch.v2.41",
            Some(Venue::CboeByx),
        ),
        (
            "Cboe/Futures.DepthOfBook.Pitch.v1.1.6",
            Some(Venue::CboeFutures),
        ),
        ("Nyse/IntegratedFeed.Xdp.v2.1", Some(Venue::Nyse)),
        (
            "Nyse/Arca.Options.TopFeed.Pillar.1.2.c",
            Some(Venue::NyseArca),
        ),
        ("Cme", None),
        ("Iex", None),
    ] {
        let mut files = Vec::new();
        collect(&exchanges.join(dir), u64::MAX, &mut files);
        assert!(!files.is_empty(), "no captures in {dir}");
        for (_, file) in files
            .iter()
            .filter(|(_, file)| file.extension().is_some_and(|e| e == "pcap"))
        {
            for packet in endpoints(file) {
                let found = classify(&EXAMPLE_RULES, &packet).map(|rule| rule.venue);
                assert_eq!(found, venue, "{}: {packet:?}", file.display());
            }
        }
    }
}
