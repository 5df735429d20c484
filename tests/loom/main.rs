//! Every interleaving of a few threads, under loom: `RUSTFLAGS="--cfg loom" cargo test --release
//! --features packet,ring,time --test loom`. Pools and rings in a `static` are left out; everything else is the
//! code that ships.
#![cfg(loom)]
#![allow(missing_docs)]

mod gate;
mod global;
mod packet;
mod pool;
mod ring;
mod time;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Explores every interleaving with at most `preemptions` preemptions, and `FRAMEPOOL_LOOM_PREEMPTIONS` more. A single
/// interleaving is an error: loom ends early with a model that it cannot see into.
fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let more = std::env::var("FRAMEPOOL_LOOM_PREEMPTIONS")
        .map_or(0, |more| more.parse().expect("a number of preemptions"));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions + more);
    let explored = std::sync::Arc::new(AtomicUsize::new(0));
    let count = explored.clone();
    builder.check(move || {
        count.fetch_add(1, SeqCst);
        f();
    });
    assert!(explored.load(SeqCst) > 1);
}
