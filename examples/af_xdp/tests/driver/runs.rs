//! The program with the kernel as its peer.

use crate::run::{Report, report};

/// Every block is at home after the end, and the kernel named none that it did not have.
#[track_caller]
fn assert_accounted(report: &Report) {
    assert_eq!(report.number("frames unaccounted for"), 0, "{report:?}");
    for name in ["refused offsets", "malformed", "invalid descriptors"] {
        assert_eq!(report.number(name), 0, "{name}: {report:?}");
    }
}

/// Every request came back as it was sent.
#[track_caller]
fn assert_nothing_lost(report: &Report, least: u64) {
    assert_accounted(report);
    assert!(report.number("peer sent") >= least, "{report:?}");
    assert_eq!(report.number("peer lost"), 0, "{report:?}");
    assert_eq!(report.number("peer got wrong"), 0, "{report:?}");
    assert_eq!(report.number("bad checksums"), 0, "{report:?}");
    assert_eq!(report.number("completed"), report.number("peer sent"));
}

#[test]
fn pings_are_answered_and_none_is_lost() {
    let args = "echo --peer ping --rate 200 --seconds 1";
    if let Some(report) = report(args) {
        assert_nothing_lost(&report, 200);
    }
}

#[test]
fn datagrams_at_a_slow_rate_are_answered_and_none_is_lost() {
    for payload in [8, 19, 1472] {
        let args = format!("echo --rate 1000 --window 0 --seconds 0.5 --payload {payload}");
        if let Some(report) = report(&args) {
            assert_nothing_lost(&report, 400);
        }
    }
}

#[test]
fn chunks_of_a_page_serve_as_well() {
    if let Some(report) = report("echo --rate 1000 --seconds 0.3 --chunk 4096 --payload 1472") {
        assert_nothing_lost(&report, 200);
    }
}

#[test]
fn a_flood_of_pings_leaves_no_frame_unaccounted_for() {
    if let Some(report) = report("echo --peer ping --seconds 1") {
        assert_accounted(&report);
        assert!(report.number("peer got back") > 0, "{report:?}");
    }
}

#[test]
fn a_flood_of_datagrams_leaves_no_frame_unaccounted_for() {
    for options in [
        "",
        "--blocks 64",
        "--blocks 33 --ring 8",
        "--blocks 2 --ring 2",
    ] {
        for work in ["echo", "sink"] {
            let args = format!("{work} --window 0 --seconds 0.4 {options}");
            if let Some(report) = report(&args) {
                assert_accounted(&report);
                assert!(report.number("received") > 0, "{args}: {report:?}");
            }
        }
    }
}

#[test]
fn without_a_peer_all_blocks_come_home() {
    if let Some(report) = report("sink --peer none --seconds 0.1") {
        assert_accounted(&report);
        assert_eq!(report.number("received"), 0);
        assert_eq!(report.number("blocks after close"), 4096);
    }
}
