//! Benches on two cores: `cross/…` and `contended/…`.
//!
//! | bench | what core A does | what core B does | operations |
//! |---|---|---|---|
//! | `cross/burst1` | allocates a block, sends it | receives it, frees it | blocks sent |
//! | `cross/burst32` | allocates 32, sends them at once | receives up to 32, frees them | blocks sent |
//! | `contended/1` | one block out and back, in a loop | the same, on the same pool | those of both |
//! | `contended/32` | allocates 32 at once and frees them | the same, on the same pool | those of both |
//!
//! Both threads live for the whole run, so that allocators with state per thread keep it. For each contender
//! they meet at a gate, do their halves, and meet again; core A measures from gate to gate. At most 1024 blocks
//! are in flight. In `cross/…` each contender is measured with each of three [waits](crate::waits), and the
//! fastest one counts, in each placement. A thread that finds the pool exhausted pauses once and tries again.
//!
//! Between two samples the round trip of a cache line is measured, which gives their [`Placement`]. A sample
//! that began in one placement and ended in the other is dropped.

use std::array;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use framepool::ring::{Patient, Spin, Wait};
use framepool::{Block, Burst, Pool, ring};
use rtrb::{Producer, PushError, RingBuffer};

use crate::contenders::*;
use crate::harness::{
    FRAMEPOOL, Placement, Row, Series, calibrate, escape, median, pin, rounds, rows,
};
use crate::options::Options;
use crate::pool::{BURST, batch32, ids, lifo};
use crate::waits::{Apart, Named, Once, insist};

/// The maximum number of blocks in flight.
const IN_FLIGHT: usize = 1024;
/// The number of blocks in each fixed pool.
const CROSS_BLOCKS: usize = 4096;

/// The benches, in the order in which they run.
pub const BENCHES: &[&str] = &[
    "cross/burst1",
    "cross/burst32",
    "contended/1",
    "contended/32",
];

/// One contender: its halves, which take a number of iterations.
pub struct Contender<'a> {
    series: Series,
    /// The number of blocks that both halves together count in one iteration.
    ops: u64,
    /// The number of iterations is a multiple of this.
    step: u64,
    a: Box<dyn FnMut(u64) + 'a>,
    b: Box<dyn FnMut(u64) + Send + 'a>,
}

/// The pools of all contenders, made once.
struct Pools {
    frames: Pool<'static>,
    queue: crossbeam_queue::ArrayQueue<Pointer>,
    #[cfg(feature = "dpdk")]
    dpdk: crate::dpdk::Mempool,
    #[cfg(feature = "dpdk")]
    rings: [crate::dpdk::Ring; 2],
}

impl Pools {
    fn new(options: &Options) -> Result<Self, String> {
        #[cfg(feature = "dpdk")]
        use crate::dpdk::{Mempool, Ring};
        Ok(Self {
            frames: framepool(BLOCK, CROSS_BLOCKS, options.huge_dir.is_some())?,
            queue: queue(CROSS_BLOCKS),
            #[cfg(feature = "dpdk")]
            dpdk: Mempool::new(CROSS_BLOCKS - 1, BLOCK, 0)?,
            #[cfg(feature = "dpdk")]
            rings: [Ring::new(IN_FLIGHT)?, Ring::new(IN_FLIGHT)?],
        })
    }
}

/// The results, the number of dropped samples, and the measured round trips.
#[derive(Default)]
pub struct Outcome {
    pub runs: Vec<Vec<Row>>,
    pub dropped: usize,
    pub round_trips: Vec<f64>,
}

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let pools = Pools::new(options)?;
    run_benches(BENCHES, options, |bench| contenders(bench, &pools))
}

impl Outcome {
    /// Puts the rows of benches on one core before those of each run here.
    pub fn after(mut self, mut runs: Vec<Vec<Row>>) -> Self {
        self.runs.resize(runs.len(), Vec::new());
        for (of_two, rows) in self.runs.iter_mut().zip(&mut runs) {
            rows.append(of_two);
        }
        self.runs = runs;
        self
    }
}

/// Runs some benches, if the options select them.
pub fn run_benches<'a>(
    benches: &[&'static str],
    options: &Options,
    contenders: impl Fn(&str) -> Result<Vec<Contender<'a>>, String>,
) -> Result<Outcome, String> {
    let wanted: Vec<&str> = benches
        .iter()
        .copied()
        .filter(|b| options.wants(b))
        .collect();
    let mut outcome = Outcome {
        runs: vec![Vec::new(); options.runs],
        dropped: 0,
        round_trips: Vec::new(),
    };
    let budget = options.budget / wanted.len().max(1) as u32;
    for run in 0..options.runs {
        for bench in &wanted {
            let measured = measure(contenders(bench)?, options.cores, budget);
            outcome.runs[run].extend(measured.rows);
            outcome.dropped += measured.dropped;
            outcome.round_trips.extend(measured.round_trips);
        }
    }
    Ok(outcome)
}

/// Not a ring: one cache line that both cores write in turn. No round trip is shorter.
pub fn line<'a>(bench: &str) -> Contender<'a> {
    let line = Arc::new(Line::default());
    let other = line.clone();
    Contender::new(
        (bench, "line", 1, 1),
        move |n| {
            let start = line.0.load(Relaxed);
            for trip in 0..n {
                line.0.store(start + 2 * trip + 1, Release);
                while line.0.load(Acquire) != start + 2 * trip + 2 {}
            }
        },
        {
            let mut next = 1;
            move |n| {
                for _ in 0..n {
                    while other.0.load(Acquire) != next {}
                    other.0.store(next + 1, Release);
                    next += 2;
                }
            }
        },
    )
}

/// Not a ring either: one cache line in each direction. Two rings cannot be faster.
pub fn two_lines<'a>(bench: &str) -> Contender<'a> {
    let lines = Arc::new([Line::default(), Line::default()]);
    let others = lines.clone();
    Contender::new(
        (bench, "two lines", 1, 1),
        move |n| {
            let [there, back] = &*lines;
            let start = there.0.load(Relaxed);
            for trip in start + 1..=start + n {
                there.0.store(trip, Release);
                while back.0.load(Acquire) != trip {}
            }
        },
        move |n| {
            let [there, back] = &*others;
            let start = back.0.load(Relaxed);
            for trip in start + 1..=start + n {
                while there.0.load(Acquire) != trip {}
                back.0.store(trip, Release);
            }
        },
    )
}

fn contenders<'a>(bench: &str, pools: &'a Pools) -> Result<Vec<Contender<'a>>, String> {
    let mut all = Vec::new();
    match bench {
        "cross/burst1" | "cross/burst32" => {
            all.extend(hand_overs::<Once>(bench, pools)?);
            all.extend(hand_overs::<Spin>(bench, pools)?);
            all.extend(hand_overs::<Patient>(bench, pools)?);
            return Ok(all);
        }
        "contended/1" => {
            let one = |s: &mut _, n| lifo::<Cached<'a>>(s, n);
            all.push(contend(
                bench,
                FRAMEPOOL,
                1,
                || Cached(pools.frames.cache()),
                one,
            ));
            all.push(contend(
                bench,
                "snmalloc",
                1,
                || Global(snmalloc_rs::SnMalloc),
                lifo,
            ));
            all.push(contend(
                bench,
                "mimalloc",
                1,
                || Global(mimalloc::MiMalloc),
                lifo,
            ));
            all.push(contend(
                bench,
                "arrayqueue",
                1,
                || Queue(&pools.queue),
                lifo,
            ));
        }
        _ => {
            let (n, frames) = (BURST as u64, || pools.frames.cache());
            all.push(contend(bench, FRAMEPOOL, n, frames, ids::<false>));
            all.push(contend(
                bench,
                "snmalloc",
                n,
                || Global(snmalloc_rs::SnMalloc),
                batch32,
            ));
            all.push(contend(
                bench,
                "mimalloc",
                n,
                || Global(mimalloc::MiMalloc),
                batch32,
            ));
            all.push(contend(
                bench,
                "arrayqueue",
                n,
                || Queue(&pools.queue),
                batch32,
            ));
        }
    }
    #[cfg(feature = "dpdk")]
    all.push(dpdk_contender(bench, pools)?);
    Ok(all)
}

/// All contenders that pass blocks on, with one wait.
fn hand_overs<'a, W: Named>(bench: &str, pools: &'a Pools) -> Result<Vec<Contender<'a>>, String> {
    let (ours, burst) = match bench {
        "cross/burst1" => (hand_over_blocks::<W>(bench, pools), 1),
        _ => (hand_over_bursts::<W>(bench, pools), BURST),
    };
    let mut all = vec![ours];
    all.extend(hand_over_peers::<W>(bench, pools, burst));
    #[cfg(feature = "dpdk")]
    all.push(dpdk_hand_over::<W>(bench, pools)?);
    all.iter_mut().for_each(|one| one.series.wait = W::NAME);
    Ok(all)
}

#[cfg(feature = "dpdk")]
fn dpdk_hand_over<'a, W: Named>(bench: &str, pools: &'a Pools) -> Result<Contender<'a>, String> {
    let (mut a, mut b) = (pools.dpdk.user(512)?, pools.dpdk.user(512)?);
    let [ring1, ring32] = &pools.rings;
    let name = "dpdk-c512";
    Ok(match bench {
        "cross/burst1" => Contender::new(
            (bench, name, 1, 1),
            move |n| a.produce(ring1, n, false, W::PAUSES),
            move |n| b.consume(ring1, n, false, W::PAUSES),
        ),
        _ => Contender::new(
            (bench, name, 1, BURST),
            move |n| a.produce(ring32, n, true, W::PAUSES),
            move |n| b.consume(ring32, n, true, W::PAUSES),
        ),
    })
}

#[cfg(feature = "dpdk")]
fn dpdk_contender<'a>(bench: &str, pools: &'a Pools) -> Result<Contender<'a>, String> {
    let (mut a, mut b) = (pools.dpdk.user(512)?, pools.dpdk.user(512)?);
    let name = "dpdk-c512";
    Ok(match bench {
        "contended/1" => {
            Contender::new((bench, name, 2, 1), move |n| a.lifo(n), move |n| b.lifo(n))
        }
        _ => Contender::new(
            (bench, name, 2 * BURST as u64, 1),
            move |n| a.burst32(n),
            move |n| b.burst32(n),
        ),
    })
}

impl<'a> Contender<'a> {
    /// Sets the name of its wait.
    pub fn waiting(mut self, wait: &'static str) -> Self {
        self.series.wait = wait;
        self
    }

    pub fn new(
        (bench, name, ops, step): (&str, &str, u64, usize),
        a: impl FnMut(u64) + 'a,
        b: impl FnMut(u64) + Send + 'a,
    ) -> Self {
        Self {
            series: Series::new(bench, name),
            ops,
            step: step as u64,
            a: Box::new(a),
            b: Box::new(b),
        }
    }
}

/// A pool that may be exhausted, or shared by two threads: a take may fail.
trait TryTake: Single {
    fn try_take(&mut self) -> Option<Self::Handle>;
}

impl TryTake for Cached<'_> {
    #[inline]
    fn try_take(&mut self) -> Option<Self::Handle> {
        self.0.alloc().ok()
    }
}

impl TryTake for Queue<'_> {
    #[inline]
    fn try_take(&mut self) -> Option<Self::Handle> {
        self.0.pop()
    }
}

impl<A: std::alloc::GlobalAlloc> TryTake for Global<A> {
    #[inline]
    fn try_take(&mut self) -> Option<Self::Handle> {
        Some(self.take())
    }
}

fn hand_over_peers<'a, W: Named>(
    bench: &str,
    pools: &'a Pools,
    burst: usize,
) -> Vec<Contender<'a>> {
    fn global<'a, W: Named, A: std::alloc::GlobalAlloc + Send + 'a>(
        (bench, name, burst): (&str, &str, usize),
        make: fn() -> A,
    ) -> Contender<'a> {
        hand_over::<W, _>(bench, name, Global(make()), Global(make()), burst)
    }
    let (a, b) = (Queue(&pools.queue), Queue(&pools.queue));
    vec![
        global::<W, _>((bench, "snmalloc", burst), || snmalloc_rs::SnMalloc),
        global::<W, _>((bench, "mimalloc", burst), || mimalloc::MiMalloc),
        global::<W, _>((bench, "jemalloc", burst), || tikv_jemallocator::Jemalloc),
        hand_over::<W, _>(bench, "arrayqueue", a, b, burst),
    ]
}

/// Single takes and gives. The blocks go through the ring one by one, or in chunks of 32.
fn hand_over<'a, W, S>(bench: &str, name: &str, a: S, b: S, burst: usize) -> Contender<'a>
where
    W: Named,
    S: TryTake + Send + 'a,
    S::Handle: Send + 'a,
{
    let (sender, receiver) = RingBuffer::<S::Handle>::new(IN_FLIGHT);
    let (mut a, mut b) = (Apart((a, sender)), Apart((b, receiver)));
    if burst == 1 {
        return Contender::new(
            (bench, name, 1, 1),
            move |blocks| {
                let (a, sender) = &mut a.0;
                for _ in 0..blocks {
                    let mut handle = insist::<Once, _>(|| a.try_take());
                    escape(&mut handle);
                    send_by_rtrb::<W, _>(sender, handle);
                }
            },
            move |blocks| {
                let (b, receiver) = &mut b.0;
                for _ in 0..blocks {
                    let mut handle = insist::<W, _>(|| receiver.pop().ok());
                    escape(&mut handle);
                    b.give(handle);
                }
            },
        );
    }
    Contender::new(
        (bench, name, 1, BURST),
        move |blocks| {
            let (a, sender) = &mut a.0;
            for _ in 0..blocks / BURST as u64 {
                let mut handles: [S::Handle; BURST] =
                    array::from_fn(|_| insist::<Once, _>(|| a.try_take()));
                escape(&mut handles);
                // Not through `insist`: a chunk borrows the sender.
                let mut wait = W::default();
                while sender.write_chunk_uninit(BURST).is_err() {
                    wait.wait();
                }
                let chunk = sender.write_chunk_uninit(BURST);
                chunk.expect("room for 32").fill_from_iter(handles);
            }
        },
        move |blocks| {
            let (b, receiver) = &mut b.0;
            for _ in 0..blocks / BURST as u64 {
                let mut wait = W::default();
                while receiver.read_chunk(BURST).is_err() {
                    wait.wait();
                }
                let chunk = receiver.read_chunk(BURST).expect("32 blocks");
                for mut handle in chunk {
                    escape(&mut handle);
                    b.give(handle);
                }
            }
        },
    )
}

/// framepool alone: blocks go through its ring for single values.
fn hand_over_blocks<'a, W: Named>(bench: &str, pools: &'a Pools) -> Contender<'a> {
    let (mut a, mut b) = (pools.frames.cache(), pools.frames.cache());
    let (mut sender, mut receiver) =
        ring::flags::allocate::<Block<'a>>(IN_FLIGHT).expect("memory for a ring");
    Contender::new(
        (bench, FRAMEPOOL, 1, 1),
        move |blocks| {
            for _ in 0..blocks {
                let mut block = insist::<Once, _>(|| a.alloc().ok());
                escape(&mut block);
                assert!(sender.push_wait::<W>(block).is_ok());
            }
        },
        move |blocks| {
            for _ in 0..blocks {
                let mut block = receiver.pop_wait::<W>().expect("a producer");
                escape(&mut block);
                assert!(b.free(block).is_ok());
            }
        },
    )
}

/// The same in bursts, as whole `Burst` values.
fn hand_over_bursts<'a, W: Named>(bench: &str, pools: &'a Pools) -> Contender<'a> {
    let (mut a, mut b) = (pools.frames.cache(), pools.frames.cache());
    let (mut sender, mut receiver) = ring::<Burst<'a, BURST>>(IN_FLIGHT / BURST);
    Contender::new(
        (bench, FRAMEPOOL, 1, BURST),
        move |blocks| {
            for _ in 0..blocks / BURST as u64 {
                let mut burst = insist::<Once, _>(|| a.alloc_burst(BURST).ok());
                escape(&mut burst);
                assert!(sender.push_wait::<W>(burst).is_ok());
            }
        },
        move |blocks| {
            for _ in 0..blocks / BURST as u64 {
                let mut burst = receiver.pop_wait::<W>().expect("a producer");
                escape(&mut burst);
                assert!(b.free_burst(burst).is_ok());
            }
        },
    )
}

fn ring<T>(places: usize) -> ring::Ends<'static, T> {
    ring::allocate(places).expect("memory for a ring")
}

/// The same loop on both cores, each with its own front.
fn contend<'a, S: Send + 'a>(
    bench: &str,
    name: &str,
    ops: u64,
    mut make: impl FnMut() -> S,
    run: fn(&mut S, u64),
) -> Contender<'a> {
    let (mut a, mut b) = (make(), make());
    Contender::new(
        (bench, name, 2 * ops, 1),
        move |n| run(&mut a, n),
        move |n| run(&mut b, n),
    )
}

#[inline(always)]
fn send_by_rtrb<W: Wait, T>(sender: &mut Producer<T>, mut value: T) {
    let mut wait = W::default();
    while let Err(PushError::Full(back)) = sender.push(value) {
        value = back;
        wait.wait();
    }
}

/// A word on its own cache lines.
#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// The meeting point of the two threads, and the next task of the second one.
#[derive(Default)]
struct Meeting {
    arrivals: [Line; 2],
    /// The index of a contender, [`PING`] or [`QUIT`].
    task: AtomicUsize,
    iterations: AtomicU64,
    ball: Line,
}

const PING: usize = usize::MAX - 1;
const QUIT: usize = usize::MAX;

/// The number of round trips in a timing, and of timings in a measurement.
const TRIPS: u64 = 40;
const TIMINGS: u64 = 5;

impl Meeting {
    /// Waits until the other thread has called it the same number of times. Everything that a thread wrote before is
    /// visible to the other one afterwards.
    fn meet(&self, side: usize) {
        let mine = self.arrivals[side].0.load(Relaxed) + 1;
        self.arrivals[side].0.store(mine, Release);
        while self.arrivals[1 - side].0.load(Acquire) < mine {
            spin_loop();
        }
    }

    /// Does core A's half of `task`, from gate to gate.
    fn lead(&self, task: usize, iterations: u64, half: impl FnOnce()) -> Duration {
        self.task.store(task, Relaxed);
        self.iterations.store(iterations, Relaxed);
        self.meet(0);
        let start = Instant::now();
        half();
        self.meet(0);
        start.elapsed()
    }

    /// The loop of core B.
    fn follow(&self, mut halves: Vec<Box<dyn FnMut(u64) + Send + '_>>) {
        loop {
            self.meet(1);
            match self.task.load(Relaxed) {
                QUIT => break,
                PING => (0..TRIPS * TIMINGS).for_each(|trip| {
                    while self.ball.0.load(Acquire) != 2 * trip + 1 {}
                    self.ball.0.store(2 * trip + 2, Release);
                }),
                task => halves[task](self.iterations.load(Relaxed)),
            }
            self.meet(1);
        }
    }

    /// The round trip of a cache line, in ns: the median of several timings.
    fn round_trip(&self) -> f64 {
        let mut timings = Vec::new();
        self.lead(PING, 0, || {
            for timing in 0..TIMINGS {
                let start = Instant::now();
                for trip in timing * TRIPS..(timing + 1) * TRIPS {
                    self.ball.0.store(2 * trip + 1, Release);
                    while self.ball.0.load(Acquire) != 2 * trip + 2 {}
                }
                timings.push(start.elapsed().as_secs_f64() * 1e9 / TRIPS as f64);
            }
        });
        self.ball.0.store(0, Relaxed);
        median(timings)
    }
}

/// The round trip of a cache line between two cores, in ns. The calling thread runs on the first one.
pub fn round_trip(cores: [usize; 2]) -> f64 {
    let meeting = Meeting::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = NoPanic;
            pin(cores[1]).expect("the core was available before");
            meeting.follow(Vec::new());
        });
        let _guard = NoPanic;
        let trip = meeting.round_trip();
        meeting.task.store(QUIT, Relaxed);
        meeting.meet(0);
        trip
    })
}

/// Ends the process if its thread panics, as the other thread would wait for ever.
struct NoPanic;

impl Drop for NoPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// The rows of one bench in one run.
struct Measured {
    rows: Vec<Row>,
    dropped: usize,
    round_trips: Vec<f64>,
}

fn measure(contenders: Vec<Contender<'_>>, cores: [usize; 2], budget: Duration) -> Measured {
    let meeting = Meeting::default();
    let (mut all, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for contender in contenders {
        all.push((contender.series, contender.ops, contender.step));
        ours.push(contender.a);
        theirs.push(contender.b);
    }
    let (mut dropped, mut round_trips) = (0, Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = NoPanic;
            pin(cores[1]).expect("the core was available before");
            meeting.follow(theirs);
        });
        let _guard = NoPanic;
        let mut sample = |i: usize, n: u64| {
            let half = &mut ours[i];
            meeting.lead(i, n, || half(n))
        };
        // The operations of a contender are per iteration; the number of iterations is a multiple of its step.
        let counts: Vec<u64> = (0..all.len())
            .map(|i| all[i].2 * calibrate(|n| sample(i, n * all[i].2)))
            .collect();
        let mut before = meeting.round_trip();
        rounds(budget, |round, counts_now| {
            for i in (0..counts.len()).map(|i| (i + round) % counts.len()) {
                let took = sample(i, counts[i]);
                let after = meeting.round_trip();
                let placement = Placement::of_round_trip(after);
                let moved = placement != Placement::of_round_trip(before);
                before = after;
                if !counts_now {
                    continue;
                }
                round_trips.push(after);
                if moved {
                    dropped += 1;
                    continue;
                }
                let (series, ops, _) = &mut all[i];
                let ns = took.as_secs_f64() * 1e9 / (counts[i] * *ops) as f64;
                series.samples.push((placement, ns));
            }
        });
        meeting.task.store(QUIT, Relaxed);
        meeting.meet(0);
    });
    let all: Vec<Series> = all.into_iter().map(|(series, ..)| series).collect();
    Measured {
        rows: rows(&all),
        dropped,
        round_trips,
    }
}
