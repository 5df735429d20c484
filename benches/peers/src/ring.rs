//! Benches of rings between two cores: `ring/…`.
//!
//! | bench | what core A does | what core B does | operations |
//! |---|---|---|---|
//! | `ring/u64/burst1`, `ring/64B/burst1` | sends one, of 8 or 64 bytes | receives one | messages |
//! | `ring/u64/burst32`, `ring/64B/burst32` | sends 32 at once | receives 32 at once | messages |
//! | `ring/pingpong` | sends one, waits for the answer | answers | round trips |
//!
//! Every ring has [`PLACES`] places, and each of its ends lies on its own cache lines. An end that finds the
//! ring full or empty waits and tries again. Each contender is measured with each of three
//! [waits](crate::waits), in the ping-pong also without any pause, and its fastest counts. In the ping-pong,
//! `two lines` is one cache line there and another one back, the lower bound for two rings; `line` is one line
//! that both cores write. Values are copied from and to each side's own memory. They were written there long
//! before they are sent: a value that is stored word by word and loaded as a vector at once would wait for the
//! stores, and the stores for the lines of the other core, with any ring.
//!
//! In `…/burst1` the contender `framepool` is `FlagRing`, and `framepool-index` is `Ring`; elsewhere
//! `framepool` is `Ring`. `framepool-shared` is `SharedRing`, over memory that two processes could share.

use std::array;
#[cfg(feature = "dpdk")]
use std::sync::Arc;

use framepool::ring;

use crate::cross::{self, Contender, Outcome};
use crate::harness::{FRAMEPOOL, escape};
use crate::options::Options;
use crate::pool::BURST;
use crate::rings::*;
use crate::waits::{Apart, Named, Never, Once, insist};

/// The benches, in the order in which they run.
pub const BENCHES: &[&str] = &[
    "ring/u64/burst1",
    "ring/u64/burst32",
    "ring/64B/burst1",
    "ring/64B/burst32",
    "ring/pingpong",
];

/// Runs the benches that the options name.
pub fn run(options: &Options) -> Result<Outcome, String> {
    cross::run_benches(BENCHES, options, contenders)
}

fn contenders<'a>(bench: &str) -> Result<Vec<Contender<'a>>, String> {
    match bench {
        "ring/u64/burst1" => singles::<u64>(bench),
        "ring/u64/burst32" => bursts::<u64>(bench),
        "ring/64B/burst1" => singles::<Line>(bench),
        "ring/64B/burst32" => bursts::<Line>(bench),
        _ => ping_pongs(bench),
    }
}

fn single<'a, T: Message, W: Named>(
    bench: &str,
    name: &str,
    (tx, rx): (impl Send1<T> + 'a, impl Receive1<T> + 'a),
) -> Contender<'a> {
    let (mut tx, mut rx) = (Apart(tx), Apart(rx));
    Contender::new(
        (bench, name, 1, 1),
        move |n| {
            let tx = &mut tx.0;
            let mut values: [T; BURST] = array::from_fn(|i| T::numbered(i as u64));
            for i in 0..n {
                escape(&mut values);
                let value = values[i as usize % BURST];
                let mut wait = W::default();
                while !tx.send(value) {
                    wait.wait();
                }
            }
        },
        move |n| {
            let rx = &mut rx.0;
            for _ in 0..n {
                let mut value = insist::<W, _>(|| rx.receive());
                escape(&mut value);
            }
        },
    )
    .waiting(W::NAME)
}

fn burst<'a, T: Message, W: Named>(
    bench: &str,
    name: &str,
    (tx, rx): (impl Send32<T> + 'a, impl Receive32<T> + 'a),
) -> Contender<'a> {
    let (mut tx, mut rx) = (Apart(tx), Apart(rx));
    Contender::new(
        (bench, name, 1, BURST),
        move |n| {
            let tx = &mut tx.0;
            let mut values: [T; BURST] = array::from_fn(|i| T::numbered(i as u64));
            for _ in 0..n / BURST as u64 {
                escape(&mut values);
                let mut wait = W::default();
                while !tx.send32(&values) {
                    wait.wait();
                }
            }
        },
        move |n| {
            let rx = &mut rx.0;
            let mut values = [T::default(); BURST];
            for _ in 0..n / BURST as u64 {
                let mut wait = W::default();
                while !rx.receive32(&mut values) {
                    wait.wait();
                }
                escape(&mut values);
            }
        },
    )
    .waiting(W::NAME)
}

/// A ring there and a ring back.
fn ping_pong<'a, W, S, R>(bench: &str, name: &str, make: impl Fn() -> (S, R)) -> Contender<'a>
where
    W: Named,
    S: Send1<u64> + 'a,
    R: Receive1<u64> + 'a,
{
    let ((there, at_b), (back, at_a)) = (make(), make());
    let (mut a, mut b) = (Apart((there, at_a)), Apart((back, at_b)));
    Contender::new(
        (bench, name, 1, 1),
        move |n| {
            let (there, at_a) = &mut a.0;
            for i in 0..n {
                while !there.send(i) {}
                escape(&mut insist::<W, _>(|| at_a.receive()));
            }
        },
        move |n| {
            let (back, at_b) = &mut b.0;
            for _ in 0..n {
                let mut value = insist::<W, _>(|| at_b.receive());
                escape(&mut value);
                while !back.send(value) {}
            }
        },
    )
    .waiting(W::NAME)
}

fn singles<'a, T: Message>(bench: &str) -> Result<Vec<Contender<'a>>, String> {
    let mut all = Vec::new();
    singles_waiting::<T, Once>(bench, &mut all)?;
    singles_waiting::<T, ring::Spin>(bench, &mut all)?;
    singles_waiting::<T, ring::Patient>(bench, &mut all)?;
    Ok(all)
}

fn singles_waiting<'a, T: Message, W: Named>(
    bench: &str,
    all: &mut Vec<Contender<'a>>,
) -> Result<(), String> {
    all.extend([
        single::<T, W>(bench, FRAMEPOOL, flagged_ends::<T>()),
        single::<T, W>(bench, "framepool-index", ours::<T>()),
        single::<T, W>(bench, "framepool-shared", shared_ends::<T>()),
        single::<T, W>(bench, "rtrb", rtrb_ends::<T>()),
        single::<T, W>(bench, "omango", omango_ends::<T>()),
        single::<T, W>(bench, "ringbuf", ringbuf_ends::<T>()),
        single::<T, W>(bench, "gil", gil_ends::<T>()),
        single::<T, W>(bench, "heapless", heapless_ends::<T>()),
        single::<T, W>(bench, "arrayqueue", queue_ends::<T>()),
    ]);
    all.extend(dpdk::<T, W>(bench, false)?);
    Ok(())
}

fn bursts<'a, T: Message>(bench: &str) -> Result<Vec<Contender<'a>>, String> {
    let mut all = Vec::new();
    bursts_waiting::<T, Once>(bench, &mut all)?;
    bursts_waiting::<T, ring::Spin>(bench, &mut all)?;
    bursts_waiting::<T, ring::Patient>(bench, &mut all)?;
    Ok(all)
}

fn bursts_waiting<'a, T: Message, W: Named>(
    bench: &str,
    all: &mut Vec<Contender<'a>>,
) -> Result<(), String> {
    all.extend([
        burst::<T, W>(bench, FRAMEPOOL, ours::<T>()),
        burst::<T, W>(bench, "framepool-flags", flagged_ends::<T>()),
        burst::<T, W>(bench, "framepool-shared", shared_ends::<T>()),
        burst::<T, W>(bench, "rtrb", rtrb_ends::<T>()),
        burst::<T, W>(bench, "ringbuf", ringbuf_ends::<T>()),
        burst::<T, W>(bench, "gil", gil_ends::<T>()),
        burst::<T, W>(bench, "bbqueue", bbqueue_ends(size_of::<T>())),
    ]);
    all.extend(dpdk::<T, W>(bench, true)?);
    Ok(())
}

fn ping_pongs<'a>(bench: &str) -> Result<Vec<Contender<'a>>, String> {
    let mut all = Vec::new();
    ping_pongs_waiting::<Never>(bench, &mut all);
    ping_pongs_waiting::<Once>(bench, &mut all);
    ping_pongs_waiting::<ring::Spin>(bench, &mut all);
    ping_pongs_waiting::<ring::Patient>(bench, &mut all);
    all.extend([cross::two_lines(bench), cross::line(bench)]);
    Ok(all)
}

fn ping_pongs_waiting<'a, W: Named>(bench: &str, all: &mut Vec<Contender<'a>>) {
    all.extend([
        ping_pong::<W, _, _>(bench, FRAMEPOOL, ours),
        ping_pong::<W, _, _>(bench, "framepool-flags", flagged_ends),
        ping_pong::<W, _, _>(bench, "rtrb", rtrb_ends),
        ping_pong::<W, _, _>(bench, "omango", omango_ends),
        ping_pong::<W, _, _>(bench, "ringbuf", ringbuf_ends),
        ping_pong::<W, _, _>(bench, "gil", gil_ends),
        ping_pong::<W, _, _>(bench, "heapless", heapless_ends),
        ping_pong::<W, _, _>(bench, "arrayqueue", queue_ends),
    ]);
}

#[cfg(not(feature = "dpdk"))]
fn dpdk<'a, T: Message, W: Named>(_: &str, _: bool) -> Result<Option<Contender<'a>>, String> {
    Ok(None)
}

/// An `rte_ring` of elements of any size, by its C loops.
#[cfg(feature = "dpdk")]
fn dpdk<'a, T: Message, W: Named>(
    bench: &str,
    bursts: bool,
) -> Result<Option<Contender<'a>>, String> {
    let tx = Arc::new(crate::dpdk::Ring::of(PLACES, T::BYTES)?);
    let rx = tx.clone();
    let n = if bursts { BURST } else { 1 };
    let contender = Contender::new(
        (bench, "dpdk", 1, n),
        move |messages| tx.send(messages, T::BYTES, bursts, W::PAUSES),
        move |messages| rx.receive(messages, T::BYTES, bursts, W::PAUSES),
    );
    Ok(Some(contender.waiting(W::NAME)))
}
