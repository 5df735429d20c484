//! Sequence tracking and lines against plain models.
#![cfg(feature = "feed")]
#![allow(missing_docs)]

use std::collections::BTreeSet;

use framepool::feed::{Arbiter, Gap, Run, SequenceTracker, Verdict, Width};
use proptest::prelude::*;

fn runs<const GAPS: usize>(
    tracker: &mut SequenceTracker<GAPS>,
    first: u64,
    count: u64,
) -> Vec<(u64, u64, Verdict)> {
    tracker
        .accept(first, count)
        .map(|run| (run.first, run.count, run.verdict))
        .collect()
}

#[test]
fn a_packet_that_fills_two_gaps_and_goes_on_is_five_runs() {
    let mut tracker = SequenceTracker::<8>::new(Width::Bits64);
    for sequence in [1, 2, 5, 6, 8] {
        tracker.observe(sequence, 1);
    }
    assert_eq!(
        tracker.gaps().collect::<Vec<_>>(),
        [Gap { first: 3, count: 2 }, Gap { first: 7, count: 1 }]
    );
    let expect = [
        (2, 1, Verdict::Duplicate),
        (3, 2, Verdict::Filled),
        (5, 2, Verdict::Duplicate),
        (7, 1, Verdict::Filled),
        (8, 1, Verdict::Duplicate),
        (9, 3, Verdict::InOrder),
    ];
    assert_eq!(runs(&mut tracker, 2, 10), expect);
    assert_eq!((tracker.next(), tracker.outstanding()), (Some(12), 0));
    let stats = tracker.stats();
    assert_eq!(
        (stats.new, stats.missing, stats.filled, stats.duplicates),
        (11, 3, 3, 4)
    );
}

#[test]
fn numbers_of_32_bits_wrap() {
    let mut tracker = SequenceTracker::<4>::new(Width::Bits32);
    assert_eq!(tracker.observe(u32::MAX.into(), 1), 1);
    assert_eq!(tracker.next(), Some(0));
    assert_eq!(
        runs(&mut tracker, 2, 1),
        [(2, 1, Verdict::AfterGap { missing: 2 })]
    );
    assert_eq!(
        tracker.gaps().collect::<Vec<_>>(),
        [Gap { first: 0, count: 2 }]
    );
    let expect = [
        (u32::MAX.into(), 1, Verdict::Duplicate),
        (0, 2, Verdict::Filled),
    ];
    assert_eq!(runs(&mut tracker, u32::MAX.into(), 3), expect);
}

#[test]
fn numbers_of_64_bits_wrap() {
    let mut tracker = SequenceTracker::<4>::new(Width::Bits64);
    tracker.observe(u64::MAX - 1, 1);
    assert_eq!(
        runs(&mut tracker, 1, 1),
        [(1, 1, Verdict::AfterGap { missing: 2 })]
    );
    assert_eq!(
        runs(&mut tracker, u64::MAX, 1),
        [(u64::MAX, 1, Verdict::Filled)]
    );
    assert_eq!(
        tracker.gaps().collect::<Vec<_>>(),
        [Gap { first: 0, count: 1 }]
    );
}

#[test]
fn heartbeats_and_the_end_show_what_is_missing_at_the_end() {
    let mut tracker = SequenceTracker::<4>::new(Width::Bits64).starting_at(1);
    tracker.observe(1, 5);
    assert_eq!(tracker.observe(8, 0), 0);
    assert_eq!((tracker.outstanding(), tracker.stats().heartbeats), (2, 1));
    tracker.end(9);
    assert_eq!(tracker.outstanding(), 3);
    assert!(tracker.has_ended() && !tracker.is_complete());
    assert_eq!(tracker.observe(6, 3), 3);
    assert!(tracker.is_complete());
    assert_eq!(
        runs(&mut tracker, 8, 2),
        [(8, 1, Verdict::Duplicate), (9, 1, Verdict::AfterEnd)]
    );
    assert_eq!(tracker.stats().after_end, 1);
    assert_eq!(tracker.observe(100, 0), 0);
    assert!(tracker.is_complete(), "a heartbeat behind the end");
}

#[test]
fn a_reset_begins_anew() {
    let mut tracker = SequenceTracker::<4>::new(Width::Bits32);
    tracker.observe(100, 1);
    tracker.observe(110, 1);
    tracker.reset(1);
    let stats = tracker.stats();
    assert_eq!((stats.lost, stats.resets, tracker.outstanding()), (9, 1, 0));
    assert_eq!(runs(&mut tracker, 1, 2), [(1, 2, Verdict::InOrder)]);
    assert_eq!(runs(&mut tracker, 0, 1), [(0, 1, Verdict::Stale)]);
}

#[test]
fn what_leaves_the_window_is_lost() {
    let mut tracker = SequenceTracker::<4>::new(Width::Bits64).reorder_window(10);
    tracker.observe(1, 1);
    tracker.observe(5, 1);
    assert_eq!(tracker.outstanding(), 3);
    // 2 is out, 3 and 4 are in.
    tracker.observe(6, 7);
    assert_eq!((tracker.outstanding(), tracker.stats().lost), (2, 1));
    assert_eq!(
        runs(&mut tracker, 2, 2),
        [(2, 1, Verdict::Stale), (3, 1, Verdict::Filled)]
    );
    // A jump past all of the window leaves the window's worth.
    tracker.observe(1000, 1);
    assert_eq!(tracker.outstanding(), 9);
    assert_eq!(
        tracker.gaps().next(),
        Some(Gap {
            first: 991,
            count: 9
        })
    );
}

/// Message by message: with a window of 10, the 10 numbers before the next one are known and no more.
#[test]
fn the_reorder_window_is_as_wide_as_it_says() {
    let start = || {
        let mut tracker = SequenceTracker::<4>::new(Width::Bits64).reorder_window(10);
        assert_eq!((tracker.observe(1, 1), tracker.observe(3, 1)), (1, 1));
        tracker
    };
    for next in 5..20_u64 {
        let mut tracker = start();
        for number in 4..next {
            tracker.observe(number, 1);
        }
        let floor = next.saturating_sub(10);
        let verdict = |tracker: &SequenceTracker<4>, number| {
            let run = tracker.clone().accept(number, 1).next().unwrap();
            assert_eq!(run.count, 1);
            run.verdict
        };
        for number in 1..next {
            let due = match number {
                _ if number < floor => Verdict::Stale,
                2 => Verdict::Filled,
                _ => Verdict::Duplicate,
            };
            assert_eq!(verdict(&tracker, number), due, "{number} before {next}");
        }
        let (missing, lost) = if floor > 2 { (0, 1) } else { (1, 0) };
        assert_eq!(
            (tracker.outstanding(), tracker.stats().lost),
            (missing, lost)
        );
    }
}

#[test]
fn too_many_gaps_cost_the_oldest() {
    let mut tracker = SequenceTracker::<2>::new(Width::Bits64);
    for sequence in [1, 3, 5, 7] {
        tracker.observe(sequence, 1);
    }
    assert_eq!((tracker.outstanding(), tracker.stats().lost), (2, 1));
    assert_eq!(runs(&mut tracker, 2, 1), [(2, 1, Verdict::Stale)]);
    // A gap that is split needs room as well.
    let mut tracker = SequenceTracker::<1>::new(Width::Bits64);
    tracker.observe(1, 1);
    tracker.observe(5, 1);
    assert_eq!(runs(&mut tracker, 3, 1), [(3, 1, Verdict::Filled)]);
    assert_eq!(
        tracker.gaps().collect::<Vec<_>>(),
        [Gap { first: 4, count: 1 }]
    );
    assert_eq!(tracker.stats().lost, 1);
    // Without room for any, each is lost at once.
    let mut tracker = SequenceTracker::<0>::new(Width::Bits64);
    tracker.observe(1, 1);
    tracker.observe(5, 1);
    assert_eq!((tracker.stats().lost, tracker.next()), (3, Some(6)));
}

#[test]
fn a_line_that_is_not_there_is_judged_all_the_same() {
    let mut arbiter = Arbiter::<1, 4>::new(Width::Bits64);
    let mut seen = 0;
    arbiter.accept(7, 1, 3, |run| seen += run.count);
    arbiter.accept(0, 1, 3, |run| assert_eq!(run.verdict, Verdict::Duplicate));
    assert_eq!((seen, arbiter.line(7)), (3, None));
    assert_eq!(arbiter.line(0).unwrap().duplicates, 3);
    arbiter.end(4);
    assert!(arbiter.tracker().is_complete());
    arbiter.reset(1);
    assert_eq!(arbiter.tracker().next(), Some(1));
}

#[derive(Debug, Clone)]
enum Step {
    Packet {
        back: u64,
        ahead: u64,
        count: u64,
        line: usize,
    },
    Heartbeat {
        ahead: u64,
    },
    /// The session ends, so far ahead.
    End {
        ahead: u64,
    },
    /// Numbers begin anew.
    Reset {
        start: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let packet = (0u64..30, 0u64..4, 1u64..8, 0usize..2).prop_map(|(back, ahead, count, line)| {
        Step::Packet {
            back,
            ahead,
            count,
            line,
        }
    });
    let straight = (1u64..8, 0usize..2).prop_map(|(count, line)| Step::Packet {
        back: 0,
        ahead: 0,
        count,
        line,
    });
    let heartbeat = (0u64..3).prop_map(|ahead| Step::Heartbeat { ahead });
    let end = (0u64..3).prop_map(|ahead| Step::End { ahead });
    let reset = any::<u64>().prop_map(|start| Step::Reset { start });
    prop::collection::vec(
        prop_oneof![12 => packet, 12 => straight, 4 => heartbeat, 1 => end, 1 => reset],
        1..60,
    )
}

/// Sees every message once, wherever the numbers start: compared with a set of all that came since they began.
fn follows_the_model(width: Width, mut start: u64, steps: &[Step]) {
    let mut arbiter = Arbiter::<2, 64>::over(SequenceTracker::new(width).starting_at(start));
    let narrow = |n: u64| match width {
        Width::Bits32 => u64::from(n as u32),
        Width::Bits64 => n,
    };
    // Counted from the start, which is what wraps.
    let (mut seen, mut next, mut is_over) = (BTreeSet::new(), 0u64, false);
    let (mut new, mut missing, mut lost, mut resets, mut after_end) = (0, 0, 0, 0, 0);
    let mut messages = [0; 2];
    for step in steps {
        let gaps = |seen: &BTreeSet<u64>, next| (0..next).filter(|n| !seen.contains(n)).count();
        match *step {
            Step::Heartbeat { ahead } => {
                let at = narrow(start.wrapping_add(next + ahead));
                arbiter.accept(0, at, 0, |_| unreachable!());
                // Nothing follows the end.
                let ahead = if is_over { 0 } else { ahead };
                next += ahead;
                missing += ahead;
            }
            Step::End { ahead } => {
                arbiter.end(narrow(start.wrapping_add(next + ahead)));
                is_over = true;
                next += ahead;
                missing += ahead;
            }
            Step::Reset { start: anew } => {
                lost += gaps(&seen, next) as u64;
                resets += 1;
                start = narrow(anew);
                arbiter.reset(start);
                seen.clear();
                (next, is_over) = (0, false);
            }
            Step::Packet {
                back,
                ahead,
                count,
                line,
            } => {
                let first = (next + ahead).saturating_sub(back);
                let mut at = 0;
                arbiter.accept(
                    line,
                    narrow(start.wrapping_add(first)),
                    count,
                    |run: Run| {
                        let due = narrow(start.wrapping_add(first + at));
                        assert_eq!((run.index, run.first), (at, due));
                        assert!(run.count > 0);
                        for i in first + at..first + at + run.count {
                            let is_late = is_over && i >= next;
                            assert_eq!(run.verdict == Verdict::AfterEnd, is_late, "{run:?}");
                            let is_new = !is_late && seen.insert(i);
                            assert_eq!(run.verdict.is_new(), is_new, "{run:?}");
                            new += u64::from(is_new);
                            after_end += u64::from(is_late);
                        }
                        at += run.count;
                    },
                );
                assert_eq!(at, count);
                messages[line] += count;
                if !is_over {
                    missing += first.saturating_sub(next);
                    next = next.max(first + count);
                }
            }
        }
        let tracker = arbiter.tracker();
        assert_eq!(tracker.next(), Some(narrow(start.wrapping_add(next))));
        let gaps = gaps(&seen, next) as u64;
        assert_eq!(tracker.outstanding(), gaps);
        let stats = tracker.stats();
        assert_eq!((stats.new, stats.missing), (new, missing));
        assert_eq!((stats.filled, stats.lost), (missing - gaps - lost, lost));
        assert_eq!((stats.resets, stats.after_end), (resets, after_end));
        assert_eq!(tracker.has_ended(), is_over);
        assert_eq!(tracker.is_complete(), is_over && gaps + lost == 0);
    }
    let lines = [0, 1].map(|line| arbiter.line(line).unwrap());
    assert_eq!(lines.map(|line| line.messages), messages);
    assert_eq!(lines[0].won + lines[1].won, new);
    for line in lines {
        assert_eq!(line.won + line.duplicates + line.late, line.messages);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 512 }) })]

    #[test]
    fn every_message_is_new_once(steps in steps(), start in prop_oneof![
        Just(1u64), Just(u64::from(u32::MAX) - 20), any::<u64>(), Just(u64::MAX - 20)
    ]) {
        follows_the_model(Width::Bits64, start, &steps);
        follows_the_model(Width::Bits32, start & u64::from(u32::MAX), &steps);
    }

    #[test]
    fn messages_add_up_however_few_gaps_are_noted(
        packets in prop::collection::vec((any::<u32>(), 0u64..70_000), 1..50), window in 0u64..1000,
    ) {
        let mut tracker = SequenceTracker::<2>::new(Width::Bits32).reorder_window(window);
        let mut sum = 0;
        for (first, count) in packets {
            let of_runs: u64 = tracker.accept(first.into(), count).map(|run| run.count).sum();
            prop_assert_eq!(of_runs, count);
            sum += count;
            let stats = tracker.stats();
            prop_assert_eq!(stats.new + stats.duplicates + stats.stale, sum);
            prop_assert_eq!(stats.missing, stats.filled + stats.lost + tracker.outstanding());
            prop_assert!(tracker.outstanding() <= window);
        }
    }
}
