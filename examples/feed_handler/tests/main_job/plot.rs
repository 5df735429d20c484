//! Labels of plots.

#[path = "../../src/axis.rs"]
mod axis;

use std::collections::BTreeSet;

/// Asserts that all labels are different, and returns their number.
#[track_caller]
fn distinct(labels: Vec<String>) -> usize {
    let all: BTreeSet<_> = labels.iter().collect();
    assert_eq!(all.len(), labels.len(), "{labels:?}");
    labels.len()
}

#[test]
fn percentages_are_labelled_by_different_numbers_up_to_the_top() {
    let mut top = 0.01;
    while top < 111.0 {
        let shares = axis::linear(top);
        let labels = shares.iter().map(|share| axis::percent(*share, top));
        let labels: Vec<_> = labels.collect();
        for (label, share) in labels.iter().zip(&shares) {
            let shown: f64 = label.parse().expect("a number");
            assert!((shown - share).abs() < top / 1e6, "{label} for {share}");
        }
        assert!(shares.iter().all(|share| (0.0..=top).contains(share)));
        assert!((5..=11).contains(&distinct(labels)), "up to {top}");
        top *= 1.07;
    }
    let labels = |top| {
        let shares = axis::linear(top).into_iter();
        let labels = shares.map(|share| axis::percent(share, top));
        labels.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(labels(4.4), "0.0 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0");
    assert_eq!(labels(110.0), "0 20 40 60 80 100");
}

#[test]
fn latencies_of_any_range_have_several_labels() {
    // A plot's axis ends 50 % above the longest latency and a third below the shortest.
    for ratio in [2.25, 3.0, 5.0, 9.9, 10.0, 47.0, 1e3, 1e6, 1e12] {
        let mut least = 0.7;
        while least * ratio < 2e12 {
            let most = least * ratio;
            let ticks = axis::logarithmic(least, most);
            assert!(ticks.iter().all(|ns| (least..=most).contains(ns)));
            let labels = distinct(ticks.iter().map(|ns| axis::duration(*ns)).collect());
            assert!((4..=14).contains(&labels), "{least} to {most}: {ticks:?}");
            least *= 1.31;
        }
    }
}

#[test]
fn latencies_are_labelled_in_their_unit() {
    for (ns, label) in [
        (1.0, "1 ns"),
        (950.0, "950 ns"),
        (1e3, "1 µs"),
        (1.2e4, "12 µs"),
        (1.5e6, "1.5 ms"),
        (9.999_999_999e8, "1 s"),
        (1e12, "1000 s"),
    ] {
        assert_eq!(axis::duration(ns), label);
    }
}
