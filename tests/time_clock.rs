//! Clocks, the length of their ticks, calibration, and clocks that go backwards.
#![cfg(feature = "time")]
#![allow(missing_docs)]

#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
mod support;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use framepool::time::{
    Backwards, Calibration, CalibrationError, Calibrator, Clock, Fenced, ManualClock, Monotonic,
    Scale, Source, Widened,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// A counter of a given width, which the test sets.
struct Counter {
    bits: u32,
    now: Cell<u64>,
}

impl Counter {
    fn new(bits: u32, now: u64) -> Self {
        let now = Cell::new(now);
        Self { bits, now }
    }

    fn advance(&self, ticks: u64) {
        self.now.set(self.now.get().wrapping_add(ticks));
    }
}

impl Clock for Counter {
    fn now(&self) -> u64 {
        self.now.get() & (u64::MAX >> (64 - self.bits))
    }
    fn scale(&self) -> Scale {
        Scale::NANOSECOND
    }
    fn bits(&self) -> u32 {
        self.bits
    }
}

/// A counter of 32 bits whose readings are interrupted. Each interrupt lets some ticks pass, and reads the same clock.
struct Interrupted {
    total: Cell<u64>,
    before: Cell<Vec<u64>>,
    after: Cell<Vec<u64>>,
    clock: Weak<Widened<Interrupted>>,
}

impl Interrupted {
    fn new(total: u64) -> Rc<Widened<Self>> {
        Rc::new_cyclic(|clock| {
            Widened::new(Self {
                total: Cell::new(total),
                before: Cell::default(),
                after: Cell::default(),
                clock: clock.clone(),
            })
        })
    }

    fn interrupt(&self, steps: Vec<u64>) {
        for step in steps {
            self.total.set(self.total.get() + step);
            let seen = self.clock.upgrade().unwrap().now();
            assert_eq!(seen, self.total.get(), "an interrupt sees another time");
        }
    }
}

impl Clock for Interrupted {
    fn now(&self) -> u64 {
        // Both are this reading's; the readings in interrupts complete without interruption.
        let (before, after) = (self.before.take(), self.after.take());
        self.interrupt(before);
        let now = self.total.get();
        self.interrupt(after);
        now & 0xffff_ffff
    }
    fn scale(&self) -> Scale {
        Scale::NANOSECOND
    }
    fn bits(&self) -> u32 {
        32
    }
}

fn interrupts() -> impl Strategy<Value = Vec<u64>> {
    vec(0..WITHIN, 0..8)
}

/// The ticks of a 32-bit counter within which a widened clock must be read, and those by which a reading may be late.
const WITHIN: u64 = 7 << 28;
const LATE: u64 = 1 << 28;

/// From 1 Hz to 100 GHz, equally many of each magnitude.
fn hz() -> impl Strategy<Value = u64> {
    (1_u64..10, 0_u32..11, 0_u64..1 << 32)
        .prop_map(|(digit, power, noise)| digit * 10_u64.pow(power) + noise % 10_u64.pow(power))
}

/// Seconds in `years` years.
const fn years(years: u64) -> u64 {
    years * 366 * 86_400
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nanoseconds_are_the_exact_quotient_or_one_more(hz in hz(), ticks: u64, shift in 0_u32..64) {
        let scale = Scale::from_hz(hz).unwrap();
        let ticks = ticks >> shift;
        let exact = u128::from(ticks) * 1_000_000_000 / u128::from(hz);
        let ns = scale.ns(ticks);
        match u64::try_from(exact) {
            Ok(exact) => prop_assert!(ns - exact <= 1),
            Err(_) => prop_assert_eq!(ns, u64::MAX),
        }
        // Short intervals are exact.
        if exact <= u64::MAX.into() && u128::from(ticks) * u128::from(hz) < 1 << 64 {
            prop_assert_eq!(u128::from(ns), exact);
        }
    }

    #[test]
    fn five_centuries_do_not_overflow(hz in hz(), seconds in 0..years(500), part in 0_u64..1 << 40) {
        let ticks = u128::from(seconds) * u128::from(hz) + u128::from(part % hz);
        // If the counter itself does not overflow: after 58 years at 10 GHz.
        if let Ok(ticks) = u64::try_from(ticks) {
            let ns = Scale::from_hz(hz).unwrap().ns(ticks);
            let exact = seconds * 1_000_000_000 + u64::try_from(u128::from(part % hz) * 1_000_000_000 / u128::from(hz)).unwrap();
            prop_assert!(ns - exact <= 1);
        }
    }

    #[test]
    fn ticks_and_back(ticks in 1_u64..1 << 40, ns in 1_u64..1 << 40, time: u64, shift in 0_u32..64) {
        let (scale, time) = (Scale::from_ratio(ticks, ns).unwrap(), time >> shift);
        // To nearest, halves up; the error of the scale is less than 2^-64 ns a tick.
        let exact = (2 * u128::from(time) * u128::from(ticks)).div_ceil(u128::from(ns)) / 2;
        let answer = u128::from(scale.ticks(time));
        let off = 1 + (exact >> 64) * (exact >> 24) + exact / 1_000_000_000_000;
        prop_assert!(answer == u128::from(u64::MAX) || answer.abs_diff(exact) <= off);
    }

    #[test]
    fn conversion_is_monotonic(hz in hz(), a: u64, b: u64) {
        let scale = Scale::from_hz(hz).unwrap();
        prop_assert_eq!(scale.ns(a.min(b)) <= scale.ns(a.max(b)), true);
    }

    #[test]
    fn differences_cross_the_counters_end(bits in 2_u32..=64, start: u64, ticks: u64) {
        let half = 1_u64 << (bits - 1);
        let clock = Counter::new(bits, start);
        let (earlier, span) = (clock.now(), clock.span());
        let ticks = ticks % half;
        clock.advance(ticks);
        prop_assert_eq!(clock.ticks_between(earlier, clock.now()), Ok(ticks));
        prop_assert_eq!((span.stop(), span.stop_ns()), (ticks, ticks));
        prop_assert_eq!(span.checked_stop(), Ok(ticks));
        let back = clock.ticks_between(clock.now(), earlier);
        prop_assert_eq!(back, if ticks == 0 { Ok(0) } else { Err(Backwards { ticks }) });
    }

    #[test]
    fn a_widened_counter_never_runs_over(
        bits in 1_u32..=64,
        start: u64,
        steps in vec(0..=WITHIN, 1..100),
    ) {
        let clock = Widened::new(Counter::new(bits, start));
        let used = bits.min(32);
        prop_assert_eq!(clock.bits(), used + 30);
        let mut expected = start & ((1 << used) - 1);
        prop_assert_eq!(clock.now(), expected);
        for step in steps {
            let step = step >> (32 - used);
            clock.get_ref().advance(step);
            expected += step;
            prop_assert_eq!(clock.now(), expected);
            prop_assert_eq!(clock.now_fenced(), expected);
        }
    }

    #[test]
    fn a_late_reading_gets_its_own_time_and_moves_nothing(
        bits in 4_u32..=64,
        start in prop_oneof![any::<u64>(), 0_u64..4],
        readings in vec((prop_oneof![0..=WITHIN - LATE, 0_u64..4], prop_oneof![0..=LATE, 0_u64..4]), 1..100),
    ) {
        let clock = Widened::new(Counter::new(bits, start));
        let used = bits.min(32);
        let mut latest = i128::from(start & ((1 << used) - 1));
        prop_assert_eq!(i128::from(clock.now()), latest);
        for (step, late) in readings {
            // On another core, whose counter may be late.
            let reading = latest + i128::from(step >> (32 - used)) - i128::from(late >> (32 - used));
            clock.get_ref().now.set(reading as u64);
            // Before the round in which the clock began, readings are 0.
            prop_assert_eq!(i128::from(clock.now()), reading.max(0));
            latest = latest.max(reading);
        }
    }

    #[test]
    fn a_reader_held_up_inside_a_widened_clock_harms_nobody(
        start: u32,
        readings in vec((0..WITHIN, interrupts(), interrupts()), 1..20),
    ) {
        let clock = Interrupted::new(start.into());
        let inner = clock.get_ref();
        prop_assert_eq!(clock.now(), u64::from(start));
        for (step, before, after) in readings {
            let begun = inner.total.get() + step;
            inner.total.set(begun);
            prop_assert_eq!(clock.now(), begun);
            inner.before.set(before);
            inner.after.set(after);
            let seen = clock.now();
            prop_assert!((begun..=inner.total.get()).contains(&seen));
            prop_assert_eq!(clock.now(), inner.total.get());
        }
    }

    #[test]
    fn a_monotonic_clock_shows_the_greatest_so_far(readings in vec(any::<u64>(), 1..50)) {
        let clock = Monotonic::new(ManualClock::new(Scale::NANOSECOND));
        let (mut greatest, mut backwards) = (0, 0);
        for reading in readings {
            clock.get_ref().set(reading);
            backwards += u64::from(reading < greatest);
            greatest = greatest.max(reading);
            prop_assert_eq!(clock.now(), greatest);
            prop_assert_eq!(clock.went_backwards(), backwards);
        }
    }

    #[test]
    fn calibration_is_within_the_error_that_it_states(
        hz in prop_oneof![32_768_u64..1_000_000, 1_000_000_u64..10_000_000_000],
        costs in vec((1_u64..200, 1_u64..200), 128),
        apart in 1_000_000_u64..100_000_000,
        // In ps, and in ticks: both clocks may advance by several at once.
        reference_step in prop_oneof![Just(1000), Just(41_667), Just(100_000), Just(15_625_000_000), 1000_u64..1_000_000],
        counter_step in prop_oneof![Just(1), 1_u64..300],
        is_stated: bool,
    ) {
        // Each reading takes time, in ps: before it and after it.
        let (now, costs) = (Cell::new(1 << 40), RefCell::new(costs.into_iter().cycle()));
        let read = || {
            let (before, after) = costs.borrow_mut().next().unwrap();
            let at = now.get() + before * 1000;
            now.set(at + after * 1000);
            at
        };
        let ticks = || u64::try_from(u128::from(read()) * u128::from(hz) / 1_000_000_000_000).unwrap();
        // A counter with larger steps must show a step while it is read; otherwise the step cannot be known.
        let counter_step = if hz > 1_000_000_000 { counter_step } else { 1 };
        let ticks = || ticks() / counter_step * counter_step;
        let mut calibrator = Calibrator::start(ticks, || read() / reference_step * reference_step / 1000);
        if is_stated {
            calibrator = calibrator.reference_step(reference_step.div_ceil(1000));
        }
        now.set(now.get() + apart * 1000);
        let calibration = match calibrator.finish() {
            Ok(calibration) => calibration,
            // The reference did not tick.
            Err(CalibrationError::Reference { first, second }) if reference_step > apart * 1000 => {
                prop_assert_eq!(first, second);
                return Ok(());
            }
            Err(error) => panic!("{error}"),
        };
        let off = u128::from(calibration.scale.hz().abs_diff(hz)) * 1_000_000_000 / u128::from(hz);
        // In addition to the stated error: the last digit of `hz()`.
        let stated = u128::from(calibration.error_ppb);
        prop_assert!(off <= stated + 1_000_000_000 / u128::from(hz), "{off} {calibration:?}");
        prop_assert_eq!(calibration.source, Source::Calibrated);
    }
}

#[test]
fn a_core_some_ticks_behind_does_not_move_a_widened_clock_a_round_forward() {
    let clock = Widened::new(Counter::new(32, 0));
    let read = |counter| {
        clock.get_ref().now.set(counter);
        clock.now()
    };
    assert_eq!(read(0x7fff_fffe), 0x7fff_fffe);
    assert_eq!(read(0x8000_0001), 0x8000_0001);
    assert_eq!(read(0x7fff_fffe), 0x7fff_fffe);
    assert_eq!(read(0x8000_0002), 0x8000_0002);
    // The same at the counter's end.
    assert_eq!(read(0xffff_ffff), 0xffff_ffff);
    assert_eq!(read(0x0000_0001), 0x1_0000_0001);
    assert_eq!(read(0xffff_fffe), 0xffff_fffe);
    assert_eq!(read(0x0000_0002), 0x1_0000_0002);
}

#[test]
fn a_widened_clock_that_begins_where_the_counter_restarts_does_not_jump() {
    let clock = Widened::new(Counter::new(32, 2));
    assert_eq!(clock.now(), 2);
    clock.get_ref().now.set(0xffff_ffff);
    assert_eq!(clock.now(), 0);
    clock.get_ref().now.set(3);
    assert_eq!(clock.now(), 3);
    // A first reading there is not late.
    let clock = Widened::new(Counter::new(32, 0xffff_ffff));
    assert_eq!(clock.now(), 0xffff_ffff);
    clock.get_ref().now.set(3);
    assert_eq!(clock.now(), 0x1_0000_0003);
}

#[test]
fn a_frequency_of_nothing_is_none() {
    assert_eq!(Scale::from_hz(0), None);
    assert_eq!(
        (Scale::from_ratio(0, 1), Scale::from_ratio(1, 0)),
        (None, None)
    );
    assert_eq!(Calibration::from_hz(0), None);
    // The extremes.
    let slowest = Scale::from_ratio(1, u64::MAX).unwrap();
    assert_eq!((slowest.ns(1), slowest.ns(2)), (u64::MAX, u64::MAX));
    let fastest = Scale::from_hz(u64::MAX).unwrap();
    assert_eq!(fastest.ns(u64::MAX), 1_000_000_000);
    assert_eq!(fastest.ticks(u64::MAX), u64::MAX);
    assert_eq!(Scale::NANOSECOND.ns(u64::MAX), u64::MAX);
}

#[test]
fn spans_answer_0_when_the_clock_goes_back() {
    let clock = ManualClock::new(Scale::NANOSECOND);
    clock.set(1000);
    let span = clock.span();
    clock.set(970);
    assert_eq!((span.stop(), span.stop_ns()), (0, 0));
    assert_eq!(span.checked_stop(), Err(Backwards { ticks: 30 }));
    assert_eq!(
        Backwards { ticks: 30 }.to_string(),
        "the clock went back by 30"
    );
    clock.set(1001);
    assert_eq!(span.stop(), 1);
}

/// Takes a clock by value: a reference is one too.
fn in_ns(clock: impl Clock) -> u64 {
    clock.now_ns()
}

#[test]
fn wrappers_ask_the_clock_inside() {
    let clock = Fenced(Counter::new(16, 0x1_0003));
    assert_eq!((clock.now(), clock.now_fenced(), clock.bits()), (3, 3, 16));
    assert_eq!(in_ns(&clock), 3);
    let counted: &dyn Clock = &clock;
    assert_eq!(counted.now(), 3);
}

#[test]
fn calibration_says_what_stood_still() {
    let still = Calibrator::start(|| 5, || 7);
    let (first, second) = (5, 5);
    let error = CalibrationError::Counter { first, second };
    assert_eq!(still.finish(), Err(error));
    let ticks = Cell::new(0);
    let counter = || {
        ticks.set(ticks.get() + 1);
        ticks.get()
    };
    let still = Calibrator::start(counter, || 7);
    let (first, second) = (7, 7);
    assert_eq!(
        still.finish(),
        Err(CalibrationError::Reference { first, second })
    );
    assert_eq!(still.elapsed().as_nanos(), 0);
}

/// Measures a counter of 1 GHz with a reference that ticks every `step` ns, `apart` ns after `phase`. Returns the
/// actual and the stated error, in ppb.
fn by_steps(step: u64, stated: Option<u64>, phase: u64, apart: u64) -> (u64, u64) {
    let now = Cell::new(phase);
    let tick = |ns| {
        now.set(now.get() + ns);
        now.get()
    };
    let mut calibrator = Calibrator::start(|| tick(10), || tick(10) / step * step);
    if let Some(stated) = stated {
        calibrator = calibrator.reference_step(stated);
    }
    tick(apart);
    let calibration = calibrator.finish().unwrap();
    let off = calibration.scale.hz().abs_diff(1_000_000_000);
    (off, calibration.error_ppb)
}

#[test]
fn a_coarse_reference_is_part_of_the_error() {
    let mut most = 0;
    for phase in 0..100 {
        let (off, stated) = by_steps(100, None, phase, 1_000_000 + 7 * phase);
        assert!(off <= stated, "{off} of {stated}");
        assert!(stated < 150_000, "{stated}");
        most = most.max(off);
    }
    // 0.1 µs in 1 ms: the test has reached nearly the maximum error.
    assert!(most > 90_000, "{most}");
}

#[test]
fn a_reference_that_does_not_tick_while_it_is_read_has_a_step_that_only_the_caller_knows() {
    let step = 15_625_000;
    for phase in (0..step).step_by(1_234_567) {
        let (off, stated) = by_steps(step, Some(step), phase, 1_000_000_000);
        assert!(off <= stated && stated < 16_000_000, "{off} of {stated}");
        let (off, stated) = by_steps(step, None, phase, 40_000_000);
        assert!(off <= stated, "{off} of {stated}");
    }
    // The readings show only that it advanced once.
    let (_, stated) = by_steps(step, None, 0, 1_000_000_000);
    assert!(stated > 1_000_000_000, "{stated}");
}

#[test]
fn a_fine_reference_is_not_called_coarse() {
    let (off, stated) = by_steps(1, None, 0, 10_000_000);
    assert!(off <= stated && stated < 7_000, "{off} of {stated}");
    let (off, stated) = by_steps(1, Some(0), 0, 10_000_000);
    assert!(off <= stated && stated < 4_000, "{off} of {stated}");
    // The same if an interrupt delays one reading in ten.
    let (now, readings) = (Cell::new(0_u64), Cell::new(0));
    let tick = || {
        readings.set(readings.get() + 1);
        let held_up = if readings.get() % 10 == 0 { 50_000 } else { 10 };
        now.set(now.get() + held_up);
        now.get()
    };
    let calibrator = Calibrator::start(tick, tick);
    now.set(now.get() + 10_000_000);
    assert!(calibrator.finish().unwrap().error_ppb < 7_000);
}

/// Measures a counter that advances by `counter` ps with a reference that ticks every `reference` ps and shows ns, in
/// every phase. A reading takes `cost` ps. Checks the stated error, and returns the greatest actual one.
fn farthest_off(counter: u64, reference: u64, cost: u64, stated: Option<u64>, apart: u64) -> u64 {
    let mut most = 0;
    for phase in (0..2 * reference.max(counter)).step_by(17) {
        let now = Cell::new(1_000_000 + phase);
        let tick = || {
            now.set(now.get() + cost);
            now.get()
        };
        let reading = || tick() / reference * reference / 1000;
        let mut calibrator = Calibrator::start(|| tick() / counter * counter, reading);
        if let Some(stated) = stated {
            calibrator = calibrator.reference_step(stated);
        }
        now.set(now.get() + apart + 3 * phase);
        let calibration = calibrator.finish().unwrap();
        let off = calibration.scale.hz().abs_diff(1_000_000_000_000) / 1000;
        assert!(off <= calibration.error_ppb, "{off} {calibration:?}");
        most = most.max(off);
    }
    most
}

#[test]
fn a_reference_whose_steps_are_no_whole_nanoseconds_has_the_whole_step_in_the_error() {
    // Readings are 1 ns or 2 ns apart.
    assert!(farthest_off(1, 1_500, 20, None, 300_000) > 4_500_000);
}

#[test]
fn a_counter_that_counts_several_ticks_at_once_has_them_in_the_error() {
    assert!(farthest_off(6_000, 1_000, 500, Some(1), 1_000_000) > 3_000_000);
}

#[test]
fn the_error_is_relative_to_the_true_rate() {
    // A counter of 1 GHz. The reference is read just before the second reading of the counter, and then just after the
    // first one.
    let (now, reads, late) = (Cell::new(0_u64), Cell::new(0), Cell::new(true));
    let ticks = || {
        // 1 ns from one triple to the next, 2000 ns inside.
        let inside = if late.get() { 1 } else { 1999 };
        now.set(now.get() + if reads.get() % 2 == 0 { 1 } else { inside });
        reads.set(reads.get() + 1);
        now.get()
    };
    let reference = || {
        now.set(now.get() + if late.get() { 1999 } else { 1 });
        now.get()
    };
    let calibrator = Calibrator::start(ticks, reference).reference_step(1);
    now.set(now.get() + 10_000);
    late.set(false);
    let calibration = calibrator.finish().unwrap();
    let off = calibration.scale.hz().abs_diff(1_000_000_000);
    assert!(off <= calibration.error_ppb, "{off} {calibration:?}");
}

#[test]
fn a_counter_that_goes_back_does_not_calibrate() {
    let (ticks, ns) = (Cell::new(u64::MAX), Cell::new(0));
    let step = |cell: &Cell<u64>, by: u64| {
        cell.set(cell.get().wrapping_add(by));
        cell.get()
    };
    let calibrator = Calibrator::start(|| step(&ticks, 1_u64.wrapping_neg()), || step(&ns, 1));
    assert!(matches!(
        calibrator.finish(),
        Err(CalibrationError::Counter { .. })
    ));
}

#[cfg(feature = "std")]
mod hosted {
    use super::*;
    use framepool::time::{HostClock, StdClock, system_ns};

    #[test]
    fn the_hosts_clock_goes_on() {
        let clock = HostClock::new();
        let span = clock.span();
        let before = system_ns();
        while system_ns() - before < 50_000 {}
        assert!(span.stop() > 0 && clock.now_fenced() > 0);
        let source = clock.calibration().source;
        assert_eq!(
            source == Source::System,
            clock.fell_back().is_some()
                || cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64")))
        );
        assert!(!clock.calibration().to_string().is_empty());
    }

    #[test]
    fn the_systems_clock_counts_nanoseconds() {
        let (clock, before) = (StdClock::new(), system_ns());
        assert_eq!(clock.scale(), Scale::NANOSECOND);
        let first = clock.now();
        while system_ns() == before {}
        assert!(clock.now() >= first);
    }

    #[test]
    fn the_hosts_clocks_of_one_process_agree() {
        let clocks: Vec<HostClock> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(HostClock::new)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        std::thread::sleep(std::time::Duration::from_millis(2));
        let late = HostClock::new();
        let mut last = 0;
        for clock in clocks.iter().chain([&late]).cycle().take(100) {
            assert_eq!(clock.calibration(), late.calibration());
            // Within the difference of the processors' counters.
            let now = clock.now_ns();
            assert!(now + 100_000 > last, "{now} after {last}");
            last = now;
        }
        #[cfg(target_arch = "x86_64")]
        if let Ok(tsc) = framepool::time::Tsc::new() {
            assert_eq!(tsc.calibration(), late.calibration());
        }
        // Again in a new process, with its first clocks.
        #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
        if crate::support::role().is_none() {
            let test = "hosted::the_hosts_clocks_of_one_process_agree";
            let output = crate::support::another(test, "child").output();
            crate::support::assert_passed(&output.unwrap());
        }
    }

    /// In a mount namespace in which Linux's list of clocks lacks the TSC.
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    #[test]
    fn a_tsc_that_linux_has_rejected_is_not_taken() {
        use crate::support::{another, assert_passed, role};
        use framepool::time::{Tsc, TscError};
        use std::os::unix::process::CommandExt as _;

        const LIST: &std::ffi::CStr =
            c"/sys/devices/system/clocksource/clocksource0/available_clocksource";

        if role().is_some() {
            let clock = HostClock::new();
            assert_eq!(clock.calibration().source, Source::System);
            let why = clock.fell_back().unwrap().to_string();
            let expected = match Tsc::new().unwrap_err() {
                TscError::NotInvariant => "not invariant",
                error => {
                    assert_eq!(error, TscError::Rejected);
                    // The caller may overrule that.
                    assert!(Tsc::with(Calibration::from_hz(1).unwrap()).is_ok());
                    "available_clocksource"
                }
            };
            assert!(why.contains(expected), "{why}");
            return the_hosts_clocks_of_one_process_agree();
        }
        let name = format!("framepool-clocks-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "kvm-clock acpi_pm \n").unwrap();
        let list = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        let mut command = another(
            "hosted::a_tsc_that_linux_has_rejected_is_not_taken",
            "child",
        );
        let hide = move || {
            let (none, root) = (std::ptr::null(), c"/".as_ptr());
            let private = libc::MS_REC | libc::MS_PRIVATE;
            // SAFETY: only system calls between fork and exec, with live strings.
            let done = unsafe {
                libc::unshare(libc::CLONE_NEWNS) == 0
                    && libc::mount(none, root, none, private, std::ptr::null()) == 0
                    && libc::mount(
                        list.as_ptr(),
                        LIST.as_ptr(),
                        none,
                        libc::MS_BIND,
                        none.cast(),
                    ) == 0
            };
            match done {
                true => Ok(()),
                false => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: `hide` makes system calls and nothing else.
        unsafe { command.pre_exec(hide) };
        let output = command.output();
        std::fs::remove_file(&path).unwrap();
        match output {
            Ok(output) => assert_passed(&output),
            Err(error) => println!("SKIPPED: a list of clocks without the TSC: {error}"),
        }
    }

    #[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
    #[test]
    fn the_reference_is_the_clock_that_nobody_slews() {
        let raw = || {
            let mut time = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: writable during the call.
            let done = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_RAW, &mut time) };
            assert_eq!(done, 0);
            u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap()
        };
        let (before, ours, after) = (raw(), system_ns(), raw());
        assert!((before..=after).contains(&ours));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::*;
    use framepool::time::{CpuidLeaves, Leaf, Tsc, TscError};

    const fn leaf(eax: u32, ebx: u32, ecx: u32, edx: u32) -> Leaf {
        Leaf { eax, ebx, ecx, edx }
    }

    const INVARIANT: Leaf = leaf(0, 0, 0, 1 << 8);
    const VIRTUAL: Leaf = leaf(0, 0, 1 << 31, 0);

    fn hypervisor(name: &[u8; 12], last: u32) -> Leaf {
        let word = |at: usize| u32::from_le_bytes(name[at..at + 4].try_into().unwrap());
        leaf(last, word(0), word(4), word(8))
    }

    fn known(leaves: CpuidLeaves) -> Option<(u64, Source)> {
        let calibration = leaves.calibration()?;
        Some((calibration.scale.hz(), calibration.source))
    }

    #[test]
    fn recorded_leaves_are_understood() {
        let bare = CpuidLeaves {
            power: INVARIANT,
            ..CpuidLeaves::default()
        };
        // EPYC under KVM without the leaf, Zen without a hypervisor: no leaf states a rate.
        assert!(bare.is_invariant() && known(bare).is_none());
        // Xeon (Skylake server): 25 MHz × 168 / 2.
        let xeon = CpuidLeaves {
            crystal: leaf(2, 168, 25_000_000, 0),
            ..bare
        };
        assert_eq!(known(xeon), Some((2_100_000_000, Source::CpuidCrystal)));
        // Atom (Goldmont): 19.2 MHz × 171 / 3.
        let atom = CpuidLeaves {
            crystal: leaf(3, 171, 19_200_000, 0),
            ..bare
        };
        assert_eq!(known(atom), Some((1_094_400_000, Source::CpuidCrystal)));
        // Core (Skylake client): a ratio, no crystal, 4200 MHz base.
        let core = CpuidLeaves {
            crystal: leaf(2, 350, 0, 0),
            frequency: leaf(4200, 4500, 100, 0),
            ..bare
        };
        assert_eq!(known(core), Some((4_200_000_000, Source::CpuidBase)));
        assert_eq!(core.calibration().unwrap().error_ppb, 119_048);
        // A base frequency without a ratio is not the TSC's.
        let base = CpuidLeaves {
            frequency: leaf(4200, 4500, 100, 0),
            ..bare
        };
        assert_eq!(known(base), None);
    }

    #[test]
    fn a_hypervisors_word_comes_first() {
        let timing = leaf(2_596_136, 66_000, 0, 0);
        let with = |features, hypervisor| CpuidLeaves {
            features,
            hypervisor,
            timing,
            power: INVARIANT,
            crystal: leaf(2, 168, 25_000_000, 0),
            ..CpuidLeaves::default()
        };
        for name in [b"VMwareVMware", b"KVMKVMKVM\0\0\0", b"bhyve bhyve "] {
            let leaves = with(VIRTUAL, hypervisor(name, 0x4000_0010));
            assert_eq!(known(leaves), Some((2_596_136_000, Source::Hypervisor)));
            assert_eq!(leaves.calibration().unwrap().error_ppb, 193);
            // The hypervisor has no such leaf, or there is none.
            let fallback = Some((2_100_000_000, Source::CpuidCrystal));
            assert_eq!(
                known(with(VIRTUAL, hypervisor(name, 0x4000_0001))),
                fallback
            );
            assert_eq!(
                known(with(Leaf::default(), hypervisor(name, 0x4000_0010))),
                fallback
            );
        }
        // Hyper-V's leaf of that number has another meaning.
        let other = with(VIRTUAL, hypervisor(b"Microsoft Hv", 0x4000_0010));
        assert_eq!(known(other), Some((2_100_000_000, Source::CpuidCrystal)));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { ProptestConfig::default().cases },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn no_leaf_is_refused_by_force(a: [u32; 4], b: [u32; 4], c: [u32; 4], d: [u32; 4], zeros in 0_u8..16) {
            let pick = |[eax, ebx, ecx, edx]: [u32; 4]| {
                let keep = |i: u8, v: u32| if zeros & 1 << i != 0 { 0 } else { v };
                leaf(keep(0, eax), keep(1, ebx), keep(2, ecx), keep(3, edx))
            };
            let leaves = CpuidLeaves {
                features: VIRTUAL,
                crystal: pick(a),
                frequency: pick(b),
                power: pick(c),
                hypervisor: hypervisor(b"KVMKVMKVM\0\0\0", d[0]),
                timing: pick(d),
            };
            if let Some(calibration) = leaves.calibration() {
                prop_assert!(calibration.scale.hz() > 0);
                prop_assert!(!calibration.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_tsc_is_had_where_it_is_invariant_and_nowhere_else() {
        let leaves = CpuidLeaves::read();
        let given = Calibration::from_hz(2_000_000_000).unwrap();
        let Ok(tsc) = Tsc::with(given) else {
            assert!(!leaves.is_invariant());
            assert_eq!(Tsc::from_cpuid().err(), Some(TscError::NotInvariant));
            return;
        };
        assert!(leaves.is_invariant());
        assert_eq!((tsc.calibration(), tsc.scale()), (given, given.scale));
        match (Tsc::from_cpuid(), leaves.calibration()) {
            (Ok(tsc), Some(calibration)) => assert_eq!(tsc.calibration(), calibration),
            (Err(error), None) => assert_eq!(error, TscError::UnknownFrequency),
            (tsc, calibration) => panic!("{tsc:?} where CPUID says {calibration:?}"),
        }
        let first = tsc.now_fenced();
        assert!(tsc.now_fenced() > first);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_measured_rate_agrees_with_a_longer_measurement() {
        use std::time::Duration;
        let (Ok(short), Ok(long)) = (
            Tsc::calibrated(Duration::from_millis(2)),
            Tsc::calibrated(Duration::from_millis(20)),
        ) else {
            assert!(!CpuidLeaves::read().is_invariant());
            return;
        };
        let (a, b) = (short.calibration(), long.calibration());
        let off = u128::from(a.scale.hz().abs_diff(b.scale.hz())) * 1_000_000_000
            / u128::from(b.scale.hz());
        // Each is within its error of the true rate; the reference may be slewed by up to 500 ppm.
        let allowed = u128::from(a.error_ppb) + u128::from(b.error_ppb) + 500_000;
        assert!(off <= allowed, "{a} and {b}");
        assert_eq!(b.source, Source::Calibrated);
    }
}
