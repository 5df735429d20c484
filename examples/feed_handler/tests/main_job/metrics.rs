//! Metrics for Prometheus, scraped as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::json::Report;
use crate::run::{self, Finished, Running, feed_handler};
use crate::wire::*;

/// The samples of one scrape: values by name and labels.
#[derive(Debug, Default)]
struct Scrape {
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
}

impl Scrape {
    /// Reads the text format strictly: each family once, with its help and its type before its samples.
    fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let (mut families, mut family, mut kind) = (BTreeSet::new(), "", "");
        assert!(text.ends_with('\n'), "{text}");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split(' ').next().unwrap();
                assert!(families.insert(family), "{family} comes twice");
                assert!(help.len() > family.len() + 1, "no help: {line}");
                kind = "";
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, of) = typed.split_once(' ').unwrap();
                assert_eq!((name, kind), (family, ""), "{line}");
                kind = of;
            } else {
                let (key, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(key.split('{').next(), Some(family), "{line}");
                let value: f64 = value.parse().unwrap();
                let old = match kind {
                    "counter" => scrape.counters.insert(key.to_string(), value),
                    "gauge" => scrape.gauges.insert(key.to_string(), value),
                    _ => panic!("no type before {line}"),
                };
                assert_eq!(old, None, "{key} comes twice");
            }
        }
        scrape
    }

    #[track_caller]
    fn counter(&self, key: &str) -> f64 {
        let value = self.counters.get(key);
        *value.unwrap_or_else(|| panic!("{key} in {self:#?}"))
    }

    #[track_caller]
    fn gauge(&self, key: &str) -> f64 {
        let value = self.gauges.get(key);
        *value.unwrap_or_else(|| panic!("{key} in {self:#?}"))
    }
}

/// A run with metrics: the program, and the address that it says.
fn start<'a>(options: impl IntoIterator<Item = &'a str>) -> (Running, String) {
    let metrics = ["--json", "--metrics", "127.0.0.1:0", "--metrics-wait", "30"];
    let mut run = run::start(metrics.into_iter().chain(options));
    let line = run.line();
    let address = line.strip_prefix("metrics: http://");
    let Some(address) = address.and_then(|rest| rest.strip_suffix("/metrics\n")) else {
        panic!("{line:?}: {:?}", run.finish());
    };
    (run, address.to_string())
}

/// The status line and the body of the answer to a request. None if the program is no longer there.
fn ask(address: &str, request: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (status, headers) = head.split_once("\r\n")?;
    let length = format!("Content-Length: {}", body.len());
    assert!(headers.lines().any(|line| line == length), "{head}");
    let kind = "Content-Type: text/plain; version=0.0.4; charset=utf-8";
    assert!(headers.lines().any(|line| line == kind), "{head}");
    Some((status.to_string(), body.to_string()))
}

fn scrape(address: &str) -> Option<Scrape> {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let (status, body) = ask(address, &request)?;
    assert_eq!(status, "HTTP/1.0 200 OK");
    Some(Scrape::parse(&body))
}

/// Scrapes until the program ends, which it does after a scrape of the final values. Counters do not decrease.
fn scrape_to_the_end(run: Running, address: &str) -> (Scrape, Report) {
    let mut last = Scrape::default();
    while let Some(scrape) = scrape(address) {
        for (key, value) in &last.counters {
            assert!(scrape.counter(key) >= *value, "{key} decreases");
        }
        last = scrape;
        std::thread::sleep(Duration::from_millis(20));
    }
    let run: Finished = run.finish();
    let report = run.report();
    (last, report)
}

/// The metrics and the report are those of the same run.
#[track_caller]
fn assert_agree(scrape: &Scrape, report: &Report, receiver: &str) {
    let pool = |name: &str| format!("framepool_pool_{name}{{pool=\"frames\"}}");
    for name in ["allocations", "frees", "exhaustions"] {
        let key = pool(&format!("{name}_total"));
        assert_eq!(scrape.counter(&key), report.number(name), "{key}");
    }
    let peak = scrape.gauge(&pool("blocks_peak"));
    assert_eq!(peak, report.number("peak"));
    assert_eq!(scrape.gauge(&pool("blocks_in_use")), 0.0);
    assert_eq!(scrape.gauge(&pool("blocks_cached")), 0.0);
    assert_eq!(
        scrape.gauge(&pool("blocks_free")),
        scrape.gauge(&pool("blocks_capacity"))
    );
    let packets = format!("feed_handler_packets_total{{thread=\"{receiver}\"}}");
    assert_eq!(scrape.counter(&packets), report.number("packets"));
    let ring = |name: &str| {
        scrape.counter(&format!(
            "framepool_ring_values_{name}_total{{ring=\"frames\"}}"
        ))
    };
    assert_eq!(ring("enqueued"), ring("dequeued"));
    let cache = |name: &str, owner: &str| {
        scrape.counter(&format!(
            "framepool_cache_{name}_total{{cache=\"{owner}\"}}"
        ))
    };
    assert!(cache("allocations", receiver) >= cache("frees", "worker"));
    assert!(cache("frees", "worker") > 0.0);

    let of = |name: &str, labels: &str| {
        format!("framepool_channel_{name}{{tracker=\"worker\",channel=\"nasdaq\"{labels}}}")
    };
    assert_eq!(
        scrape.counter(&of("latencies_total", "")),
        cache("frees", "worker")
    );
    for (quantile, field) in [("0.5", "p50"), ("0.99", "p99")] {
        let seconds = scrape.gauge(&of("latency_seconds", &format!(",quantile={quantile:?}")));
        let ns = report.number(&format!("latency_{field}_ns_nasdaq"));
        assert_eq!(seconds, ns / 1e9, "{quantile}");
    }
    let max = scrape.gauge(&of("latency_max_seconds", ""));
    assert_eq!(max, report.number("latency_max_ns_nasdaq") / 1e9);
    let violations = scrape.counter(&of("violations_total", ""));
    assert_eq!(violations, report.number("over_target_nasdaq"));
}

#[test]
fn a_live_run_is_scraped_and_ends_with_the_statistics_of_its_report() {
    let (run, address) = start(["--seconds", "1", "--rate", "20000", "--target", "1000"]);
    let (scrape, report) = scrape_to_the_end(run, &address);
    assert_agree(&scrape, &report, "receiver");
    // Publishing is part of the hot threads' work.
    report.assert(&[("steady_page_faults", 0), ("leaked", 0)]);
    assert!(report.number("packets") > 0.0);
    let capacity = scrape.gauge("framepool_pool_blocks_capacity{pool=\"frames\"}");
    assert_eq!(capacity, 4096.0);
    let target = "framepool_channel_latency_target_seconds{tracker=\"worker\",channel=\"nasdaq\"}";
    assert_eq!(scrape.gauge(target), 1e-6);
}

#[test]
fn a_small_pool_shows_its_exhaustions() {
    let (run, address) = start(["--seconds", "0.3", "--rate", "0", "--pool-blocks", "8"]);
    let (scrape, report) = scrape_to_the_end(run, &address);
    assert_agree(&scrape, &report, "receiver");
    assert!(report.number("exhaustions") > 0.0, "{report:?}");
    let drops = scrape.counter("feed_handler_drops_total{thread=\"receiver\"}");
    assert_eq!(drops, report.number("drops"));
}

#[test]
fn a_replay_is_scraped_too() {
    let scratch = Scratch::new("metrics");
    let frames = [(1, 2), (3, 3), (6, 4)].map(|(sequence, count)| {
        addressed(&mold(SESSION, sequence, count), [233, 54, 12, 111], 26_477)
    });
    let file = scratch.file("capture", &usual_pcap(&frames));
    let path = |file: &Path| file.to_str().expect("the path is UTF-8").to_string();
    let (run, address) = start(["--pcap", &path(&file), "--pool-blocks", "4"]);
    let (scrape, report) = scrape_to_the_end(run, &address);
    assert_agree(&scrape, &report, "replay");
    report.assert(&[("packets", 3), ("messages", 9)]);
}

#[test]
fn requests_for_anything_else_are_refused_and_silent_clients_wait_for_nothing() {
    let (run, address) = start(["--seconds", "0.5", "--rate", "100"]);
    let _silent = TcpStream::connect(&address).expect("the program listens");
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "404 Not Found"),
        ("GET /metrics2 HTTP/1.0\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.0\r\n\r\n", "405 Method Not Allowed"),
        ("\r\n\r\n", "400 Bad Request"),
    ] {
        let (line, body) = ask(&address, request).expect("an answer");
        assert_eq!(line, format!("HTTP/1.0 {status}"), "{request:?}");
        assert!(!body.contains("framepool"), "{body}");
    }
    // Endless requests end.
    let endless = "x".repeat(100_000);
    let _ = ask(&address, &endless);
    let (_, report) = scrape_to_the_end(run, &address);
    report.assert(&[("leaked", 0)]);
}

#[test]
fn without_a_scrape_the_wait_ends() {
    let run = feed_handler(["--json", "--seconds", "0.1", "--metrics", "127.0.0.1:0"]);
    assert!(run.status.success(), "{run:?}");
    let options = [
        "--json",
        "--seconds",
        "0.1",
        "--metrics",
        "[::1]:0",
        "--metrics-wait",
        "0.1",
    ];
    let run = feed_handler(options);
    // Some machines have no IPv6.
    let refused = run.stderr.contains("--metrics [::1]:0: ");
    assert!(run.status.success() || refused, "{run:?}");
}

#[test]
fn an_address_that_is_taken_is_refused_by_name() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let run = feed_handler(["--metrics", &address]);
    assert!(
        run.complaint().contains(&format!("--metrics {address}")),
        "{run:?}"
    );
}

#[test]
fn a_failed_run_does_not_wait_for_a_scrape() {
    let scratch = Scratch::new("metrics_corrupt");
    let mut capture = usual_pcap(&[frame(&mold(SESSION, 1, 2))]);
    capture.truncate(capture.len() - 3);
    let file = scratch.file("capture", &capture);
    let file = file.to_str().expect("the path is UTF-8");
    let (run, _) = start(["--pcap", file]);
    run.finish().complaint();
}
