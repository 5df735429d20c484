//! Runs over sockets.

use crate::json::Report;
use std::thread;
use std::time::Duration;

use crate::run::{self, feed_handler};

fn live(options: &str) -> Report {
    let options = ["--json"].into_iter().chain(options.split_whitespace());
    feed_handler(options).report()
}

/// Every published message has arrived or is counted as lost.
#[track_caller]
fn assert_accounted(report: &Report) {
    let lost = report.number("published_messages") - report.number("messages");
    let (drops, gaps) = (report.number("drops"), report.number("gaps"));
    assert!(lost >= gaps, "{report:?}");
    if drops == 0.0 {
        assert_eq!(lost, gaps, "{report:?}");
    } else {
        assert!(drops < report.number("packets") + 1.0, "{report:?}");
    }
}

#[test]
fn a_second_of_market_data_is_received_consumed_and_given_back_without_a_page_fault() {
    let report = live("--seconds 1");
    for name in ["packets", "messages", "messages_per_s", "steady_packets"] {
        assert!(report.number(name) > 0.0, "{name} in {report:?}");
    }
    report.assert(&[
        ("leaked", 0),
        ("steady_page_faults", 0),
        ("malformed", 0),
        ("truncated", 0),
        ("duplicates", 0),
    ]);
    assert!(report.text("region").contains("bytes"), "{report:?}");
    assert!(report.number("seconds") >= 1.0, "{report:?}");
    assert_accounted(&report);
}

/// Each stall causes a latency that no packet had before, in a part of the histogram that was not written
/// yet. Only optimized code can leave pages of the histogram untouched at the start.
#[test]
fn latencies_never_seen_before_take_no_page_fault() {
    let run = run::start(["--json", "--seconds", "1", "--rate", "0"]);
    thread::sleep(Duration::from_millis(400));
    for power in 0..7 {
        run.stall(Duration::from_millis(1 << power));
        thread::sleep(Duration::from_millis(20));
    }
    let report = run.finish().report();
    let longest = report.number("latency_max_ns_nasdaq");
    assert!(longest > 4e6, "{report:?}");
    // The longest includes the time in the socket's buffer.
    assert!(report.number("wire_max_ns_nasdaq") >= longest, "{report:?}");
    report.assert(&[("steady_page_faults", 0), ("leaked", 0)]);
}

/// Every packet has a timestamp of the kernel, and is older than since its reception.
#[test]
fn latency_from_the_kernels_timestamp_is_reported_beside_that_from_the_reception() {
    let report = live("--seconds 0.5 --rate 2000");
    report.assert_is("kernel_stamps_refused", "null");
    report.assert(&[("kernel_stamps_missing", 0)]);
    assert_eq!(report.number("kernel_stamps"), report.number("packets"));
    let [p50, max] = ["stamp_error_p50_ns", "stamp_error_max_ns"].map(|name| report.number(name));
    assert!(p50 > 0.0 && p50 < 1e5 && p50 <= max, "{report:?}");
    // Unless the system's clock was set meanwhile.
    if report.number("kernel_stamps_ahead") == 0.0 {
        for figure in ["p50", "p99", "max"] {
            let [wire, received] = ["wire", "latency"]
                .map(|from| report.number(&format!("{from}_{figure}_ns_nasdaq")));
            assert!(wire >= received && wire < 1e9, "{figure} in {report:?}");
        }
    }
}

#[test]
fn packets_that_end_the_session_are_counted_apart() {
    let report = live("--seconds 0.5 --rate 200");
    // None is lost at this rate, and the receiver leaves with the first that ends the session.
    report.assert(&[("gaps", 0), ("drops", 0), ("published_end_packets", 5)]);
    let (packets, ends) = (report.number("packets"), report.number("end_packets"));
    assert!(ends >= 1.0, "{report:?}");
    assert_eq!(packets - ends, report.number("published_packets"));
    let run = feed_handler(["--seconds", "0.2", "--rate", "200"]);
    let line = |name: &str| run.stdout.lines().find(|line| line.starts_with(name));
    assert!(line("packets").is_some_and(|line| line.ends_with(" of them end a session")));
    assert!(line("published").is_some_and(|line| line.ends_with(" 5 packets to end the session")));
}

#[test]
fn a_pool_too_small_degrades_to_counted_losses() {
    for blocks in [1, 4, 31] {
        let report = live(&format!("--seconds 0.5 --rate 0 --pool-blocks {blocks}"));
        report.assert(&[("leaked", 0), ("malformed", 0)]);
        // A batch has more datagrams than this pool has blocks.
        assert!(report.number("exhaustions") > 0.0, "{report:?}");
        assert!(report.number("peak") <= f64::from(blocks), "{report:?}");
        assert!(report.number("messages") > 0.0, "{report:?}");
        assert_accounted(&report);
        if blocks == 1 {
            let lost = report.number("drops") + report.number("gaps");
            assert!(lost > 0.0, "{report:?}");
        }
    }
}

#[test]
fn small_caches_hide_no_block_for_good() {
    // The smallest pools whose threads have caches of 32 and of 512 blocks.
    for blocks in [256, 4096] {
        let report = live(&format!("--seconds 0.3 --rate 0 --pool-blocks {blocks}"));
        report.assert(&[("leaked", 0), ("malformed", 0)]);
        assert!(report.number("messages") > 0.0, "{report:?}");
        assert_accounted(&report);
    }
}

#[test]
fn no_more_is_published_than_the_rate_allows() {
    for rate in [1, 200, 2000] {
        let report = live(&format!("--seconds 0.5 --rate {rate}"));
        // A burst of 16 is sent at once, and the end of the session five times.
        let most = f64::from(rate) * 0.5 + 16.0 + 5.0;
        assert!(report.number("packets") <= most, "{report:?}");
        assert!(report.number("packets") >= 1.0, "{report:?}");
        report.assert(&[("leaked", 0)]);
        assert_accounted(&report);
    }
}

#[test]
fn blocks_may_be_as_small_as_the_longest_datagram() {
    let report = live("--seconds 0.2 --rate 0 --block-size 1472");
    report.assert(&[("truncated", 0), ("leaked", 0), ("malformed", 0)]);
    assert_accounted(&report);
}

#[test]
fn without_json_a_table_for_people_comes_out() {
    let run = feed_handler(["--seconds", "0.2"]);
    assert!(run.status.success(), "{run:?}");
    assert_eq!(run.stderr, "", "no progress line without a terminal");
    for name in [
        "packets",
        "messages",
        "from nasdaq",
        "page faults",
        "kernel timestamps",
        "latency from the kernel's timestamp",
        "memory",
        "clock",
        "latency",
    ] {
        let named = |line: &str| line.starts_with(name);
        assert!(run.stdout.lines().any(named), "{name} in {run:?}");
    }
    assert!(run.stdout.contains("A:"), "messages by type: {run:?}");
}
