//! Benches of clocks and histograms: `time/…`.
//!
//! | bench | one iteration | operations counted |
//! |---|---|---|
//! | `time/now` | one reading, in the clock's own ticks; `fenced`: an ordered reading | 1 |
//! | `time/now_ns` | one reading, in ns | 1 |
//! | `time/record` | 65,536 values recorded, from 10 ns to 10 ms, equally many of each magnitude | 65,536 |
//! | `time/record/narrow` | record 65,536 values from 200 to 2000 ns | 65,536 |
//! | `time/span` | two readings; record the difference | 1 |
//!
//! The cost of a span is in the steps from a reading to the counter's address: on a Zen 5 the next reading only waits
//! until the address of each earlier store is known. A contender that branches on the value knows the address sooner.
//! A contender that records nothing, or a value from earlier, adds nothing to two readings.
//!
//! The values for the histograms vary in an order that is too long for a branch predictor to learn (4096 values are
//! not enough). All histograms have three significant digits, counters of 64 bits, and a range of 2^40 ns.

use std::hint::black_box;
use std::time::Instant;

use framepool::time::{AtomicHistogram, Clock, Histogram, Tsc, buckets};
use hdrhistogram::Histogram as Hdr;
use histogram::Histogram as Peer;

use crate::harness::{Bench, FRAMEPOOL, Group, Row, escape, run_each};
use crate::options::Options;

/// The number of values in an iteration of `time/record`.
const VALUES: usize = 65_536;
/// 18 minutes.
const RANGE: u32 = 40;
/// Three significant digits.
const PRECISION: u32 = 10;

type Ours = Histogram<PRECISION, { buckets(PRECISION, RANGE) }>;
type Shared = AtomicHistogram<PRECISION, { buckets(PRECISION, RANGE) }>;

/// The clocks and values of the benches.
pub struct Fixtures {
    tsc: Tsc,
    quanta: quanta::Clock,
    values: Vec<u64>,
    narrow: Vec<u64>,
}

impl Fixtures {
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            tsc: Tsc::new().map_err(|error| error.to_string())?,
            quanta: quanta::Clock::new(),
            values: values(10.0, 6.0),
            narrow: values(200.0, 1.0),
        })
    }
}

/// Values from `least` up to `decades` powers of ten more, with evenly distributed logarithms.
fn values(least: f64, decades: f64) -> Vec<u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let part = (state >> 11) as f64 / (1_u64 << 53) as f64;
        (least * 10_f64.powf(decades * part)) as u64
    };
    std::iter::repeat_with(next).take(VALUES).collect()
}

/// The benches, in the order in which they run.
pub const BENCHES: &[Bench<Fixtures>] = &[
    ("time/now", now),
    ("time/now/fenced", now_fenced),
    ("time/now_ns", now_ns),
    ("time/record", |f, g| record("time/record", &f.values, g)),
    ("time/record/narrow", |f, g| {
        record("time/record/narrow", &f.narrow, g);
    }),
    ("time/span", span),
];

/// One run of the benches that the options select.
pub fn run(fixtures: &Fixtures, options: &Options) -> Vec<Row> {
    run_each(BENCHES, fixtures, options)
}

/// A loop around `f`, whose result is used.
fn each<'a, T>(mut f: impl FnMut() -> T + 'a) -> impl FnMut(u64) + 'a {
    move |n| {
        for _ in 0..n {
            black_box(f());
        }
    }
}

#[inline(always)]
fn rdtsc() -> u64 {
    // SAFETY: every x86-64 has the instruction.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn now<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "time/now";
    group.add(bench, FRAMEPOOL, 1, each(|| f.tsc.now()));
    group.add(bench, "floor", 1, each(rdtsc));
    group.add(bench, "quanta", 1, each(|| f.quanta.raw()));
    group.add(bench, "minstant", 1, each(minstant::Instant::now));
    group.add(bench, "std", 1, each(Instant::now));
}

fn now_fenced<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "time/now/fenced";
    group.add(bench, FRAMEPOOL, 1, each(|| f.tsc.now_fenced()));
    let floor = each(|| {
        // SAFETY: every x86-64 has the instruction.
        unsafe { core::arch::x86_64::_mm_lfence() };
        let now = rdtsc();
        // SAFETY: as above.
        unsafe { core::arch::x86_64::_mm_lfence() };
        now
    });
    group.add(bench, "floor", 1, floor);
}

fn now_ns<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "time/now_ns";
    let (instant, began) = (minstant::Instant::now(), Instant::now());
    group.add(bench, FRAMEPOOL, 1, each(|| f.tsc.now_ns()));
    group.add(bench, "floor", 1, each(rdtsc));
    group.add(bench, "quanta", 1, each(|| f.quanta.now()));
    group.add(bench, "minstant", 1, each(move || instant.elapsed()));
    group.add(bench, "std", 1, each(move || began.elapsed()));
}

/// The floor: one addition to one counter, with no check but that of the range.
struct Floor(Vec<u64>);

impl Floor {
    #[inline(always)]
    fn record(&mut self, value: u64) {
        let shift = 63 - PRECISION - (value | 1 << PRECISION).leading_zeros();
        let index = ((shift as usize) << PRECISION) + (value >> shift) as usize;
        // SAFETY: there is a bucket for every value.
        unsafe { *self.0.get_unchecked_mut(index) += 1 };
    }
}

/// A loop that records all values each time.
fn all<'a, H: 'a>(
    values: &'a [u64],
    histogram: &'a mut H,
    record: impl Fn(&mut H, u64) + 'a,
) -> impl FnMut(u64) + 'a {
    move |n| {
        let histogram = &mut *histogram;
        for _ in 0..n {
            for &value in values {
                record(histogram, value);
            }
            escape(histogram);
        }
    }
}

/// A value that lives as long as the program.
fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

fn hdr() -> Hdr<u64> {
    Hdr::new_with_max((1 << RANGE) - 1, 3).expect("three digits are valid")
}

fn peer() -> Peer {
    Peer::new(PRECISION as u8, RANGE as u8).expect("a grouping power of 10 is valid")
}

fn record<'a>(bench: &str, values: &'a [u64], group: &mut Group<'a>) {
    let ops = values.len() as u64;
    let ours = all(values, Box::leak(Ours::boxed()), |h, v| h.record(v));
    group.add(bench, FRAMEPOOL, ops, ours);
    let floor = leak(Floor(vec![0; buckets(PRECISION, 64)]));
    let floor = all(values, floor, |h, v| h.record(v));
    group.add(bench, "floor", ops, floor);
    let shared: &'static Shared = Box::leak(Box::default());
    let recorder = leak(shared.recorder().expect("this is the first recorder"));
    let atomic = all(values, recorder, |h, v| h.record(v));
    group.add(bench, "framepool-atomic", ops, atomic);
    let peer = all(values, leak(peer()), |h, v| {
        let _ = h.increment(v);
    });
    group.add(bench, "histogram", ops, peer);
    let record = all(values, leak(hdr()), |h, v| {
        let _ = h.record(v);
    });
    group.add(bench, "hdrhistogram", ops, record);
    let saturating = all(values, leak(hdr()), |h, v| h.saturating_record(v));
    group.add(bench, "hdrhistogram-saturating", ops, saturating);
}

fn span<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "time/span";
    let mut ours = Ours::boxed();
    let ticks = move || {
        let span = f.tsc.span();
        ours.record(span.stop());
    };
    group.add(bench, FRAMEPOOL, 1, each(ticks));
    let mut ours = Ours::boxed();
    let ns = move || {
        let span = f.tsc.span();
        ours.record(span.stop_ns());
    };
    group.add(bench, "framepool-ns", 1, each(ns));
    let mut floor = Floor(vec![0; buckets(PRECISION, 64)]);
    let floor = move || {
        let start = rdtsc();
        floor.record(rdtsc().wrapping_sub(start));
    };
    group.add(bench, "floor", 1, each(floor));
    let mut theirs = peer();
    let quanta = move || {
        let start = f.quanta.raw();
        let _ = theirs.increment(f.quanta.raw().wrapping_sub(start));
    };
    group.add(bench, "quanta+histogram", 1, each(quanta));
    let mut theirs = hdr();
    let standard = move || {
        let start = Instant::now();
        theirs.saturating_record(start.elapsed().as_nanos() as u64);
    };
    group.add(bench, "std+hdrhistogram", 1, each(standard));
}
