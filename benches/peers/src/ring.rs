//! Benches of rings between two cores: `ring/…`.
//!
//! | bench | what core A does | what core B does | operations |
//! |---|---|---|---|
//! | `ring/u64/burst1`, `ring/64B/burst1` | sends one, of 8 or 64 bytes | receives one | messages |
//! | `ring/u64/burst32`, `ring/64B/burst32` | sends 32 at once | receives 32 at once | messages |
//! | `ring/pingpong` | sends one, waits for the answer | answers | round trips |
//!
//! Every ring has [`PLACES`] places, and each of its ends lies on cache lines of its own. Whoever finds it full
//! or empty waits and tries again; each contender is measured with each of the three waits of
//! [`cross`], and its fastest counts. (In the ping-pong nobody pauses.) Values go in and come out by copy, out
//! of and into memory of each side's own. What is sent has been in that memory for a while: a value that is
//! stored word by word and at once loaded as a vector would wait for the stores, and those for the
//! lines of the other core, whatever ring it is.
//!
//! In `…/burst1` framepool is its `FlagRing`, and `framepool-index` its `Ring`; elsewhere it is its `Ring`.

use std::array;
use std::hint::spin_loop;
use std::sync::Arc;

use bbqueue::ArcBBQueue;
use bbqueue::prod_cons::stream::{StreamConsumer, StreamProducer};
use bbqueue::traits::{
    coordination::cas::AtomicCoord, notifier::polling::Polling, storage::BoxedSlice,
};
use framepool::ring;
use ringbuf::traits::{Consumer as _, Producer as _, Split};

use crate::cross::{self, Apart, Contender, Named, Once, Outcome, insist};
use crate::harness::{FRAMEPOOL, escape};
use crate::options::Options;
use crate::pool::BURST;

/// Places of each ring.
const PLACES: usize = 1024;

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

/// A cache line's worth, at the alignment of its words.
type Line = [u64; 8];

/// A message.
trait Message: Copy + Default + Send + 'static {
    /// DPDK's name for its size.
    #[cfg(feature = "dpdk")]
    const BYTES: usize = size_of::<Self>();
    fn numbered(i: u64) -> Self;
}

impl Message for u64 {
    #[inline]
    fn numbered(i: u64) -> Self {
        i
    }
}

impl Message for Line {
    #[inline]
    fn numbered(i: u64) -> Self {
        [i; 8]
    }
}

/// One end: sends one.
trait Send1<T>: Send {
    fn send(&mut self, value: T) -> bool;
}

/// One end: receives one.
trait Receive1<T>: Send {
    fn receive(&mut self) -> Option<T>;
}

/// One end: sends 32, or none.
trait Send32<T>: Send {
    fn send32(&mut self, values: &[T; BURST]) -> bool;
}

/// One end: receives 32, or none.
trait Receive32<T>: Send {
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool;
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
fn ping_pong<'a, S, R>(bench: &str, name: &str, make: impl Fn() -> (S, R)) -> Contender<'a>
where
    S: Send1<u64> + 'a,
    R: Receive1<u64> + 'a,
{
    fn answer<R: Receive1<u64>>(rx: &mut R) -> u64 {
        loop {
            if let Some(value) = rx.receive() {
                return value;
            }
        }
    }
    let ((there, at_b), (back, at_a)) = (make(), make());
    let (mut a, mut b) = (Apart((there, at_a)), Apart((back, at_b)));
    Contender::new(
        (bench, name, 1, 1),
        move |n| {
            let (there, at_a) = &mut a.0;
            for i in 0..n {
                while !there.send(i) {}
                answer(at_a);
            }
        },
        move |n| {
            let (back, at_b) = &mut b.0;
            for _ in 0..n {
                let value = answer(at_b);
                while !back.send(value) {}
            }
        },
    )
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
        burst::<T, W>(bench, "rtrb", rtrb_ends::<T>()),
        burst::<T, W>(bench, "ringbuf", ringbuf_ends::<T>()),
        burst::<T, W>(bench, "gil", gil_ends::<T>()),
        burst::<T, W>(bench, "bbqueue", bbqueue_ends(size_of::<T>())),
    ]);
    all.extend(dpdk::<T, W>(bench, true)?);
    Ok(())
}

fn ping_pongs<'a>(bench: &str) -> Result<Vec<Contender<'a>>, String> {
    Ok(vec![
        ping_pong(bench, FRAMEPOOL, ours),
        ping_pong(bench, "framepool-flags", flagged_ends),
        ping_pong(bench, "rtrb", rtrb_ends),
        ping_pong(bench, "omango", omango_ends),
        ping_pong(bench, "ringbuf", ringbuf_ends),
        ping_pong(bench, "gil", gil_ends),
        ping_pong(bench, "heapless", heapless_ends),
        ping_pong(bench, "arrayqueue", queue_ends),
        cross::line(bench),
    ])
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

// ---- framepool

fn ours<T: Message>() -> ring::Ends<'static, T> {
    ring::allocate(PLACES).expect("memory for a ring")
}

impl<T: Message> Send1<T> for ring::Producer<'_, T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for ring::Consumer<'_, T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.pop()
    }
}

impl<T: Message> Send32<T> for ring::Producer<'_, T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All bursts are of 32, and 32 divides the places: it is all or nothing.
        self.push_slice(values) == BURST
    }
}

impl<T: Message> Receive32<T> for ring::Consumer<'_, T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.pop_slice(out) == BURST
    }
}

struct FlaggedTx<T: 'static>(ring::FlagProducer<'static, T>);
struct FlaggedRx<T: 'static>(ring::FlagConsumer<'static, T>);

fn flagged_ends<T: Message>() -> (FlaggedTx<T>, FlaggedRx<T>) {
    let (tx, rx) = ring::allocate_flagged(PLACES).expect("memory for a ring");
    (FlaggedTx(tx), FlaggedRx(rx))
}

impl<T: Message> Send1<T> for FlaggedTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.push(value).is_ok()
    }
}

impl<T: Message> Send32<T> for FlaggedTx<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All or nothing, by whether there is room for the first: the consumer takes 32 at a time too.
        let mut sent = self.0.push_slice(values);
        while (1..BURST).contains(&sent) {
            spin_loop();
            sent += self.0.push_slice(&values[sent..]);
        }
        sent == BURST
    }
}

impl<T: Message> Receive32<T> for FlaggedRx<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let mut got = self.0.pop_slice(out);
        while (1..BURST).contains(&got) {
            spin_loop();
            got += self.0.pop_slice(&mut out[got..]);
        }
        got == BURST
    }
}

impl<T: Message> Receive1<T> for FlaggedRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.pop()
    }
}

// ---- rtrb

fn rtrb_ends<T: Message>() -> (rtrb::Producer<T>, rtrb::Consumer<T>) {
    rtrb::RingBuffer::new(PLACES)
}

impl<T: Message> Send1<T> for rtrb::Producer<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for rtrb::Consumer<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.pop().ok()
    }
}

impl<T: Message> Send32<T> for rtrb::Producer<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        let Ok(chunk) = self.write_chunk_uninit(BURST) else {
            return false;
        };
        chunk.fill_from_iter(values.iter().copied());
        true
    }
}

impl<T: Message> Receive32<T> for rtrb::Consumer<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let Ok(chunk) = self.read_chunk(BURST) else {
            return false;
        };
        let (a, b) = chunk.as_slices();
        let (to_a, to_b) = out.split_at_mut(a.len());
        to_a.copy_from_slice(a);
        to_b.copy_from_slice(b);
        chunk.commit_all();
        true
    }
}

// ---- omango

struct OmangoTx<T>(omango::queue::spsc::BSender<T>);
struct OmangoRx<T>(omango::queue::spsc::BReceiver<T>);

fn omango_ends<T: Message>() -> (OmangoTx<T>, OmangoRx<T>) {
    let (tx, rx) = omango::queue::spsc::bounded(PLACES as u32);
    (OmangoTx(tx), OmangoRx(rx))
}

impl<T: Message> Send1<T> for OmangoTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.try_send(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for OmangoRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

// ---- ringbuf

fn ringbuf_ends<T: Message>() -> (ringbuf::HeapProd<T>, ringbuf::HeapCons<T>) {
    ringbuf::HeapRb::new(PLACES).split()
}

impl<T: Message> Send1<T> for ringbuf::HeapProd<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.try_push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for ringbuf::HeapCons<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.try_pop()
    }
}

impl<T: Message> Send32<T> for ringbuf::HeapProd<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        // All bursts are of 32, and 32 divides the places: it is all or nothing.
        self.push_slice(values) == BURST
    }
}

impl<T: Message> Receive32<T> for ringbuf::HeapCons<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        self.pop_slice(out) == BURST
    }
}

// ---- gil

struct GilTx<T>(gil::spsc::Sender<T>);
struct GilRx<T>(gil::spsc::Receiver<T>);

fn gil_ends<T: Message>() -> (GilTx<T>, GilRx<T>) {
    let places = std::num::NonZeroUsize::new(PLACES).expect("not zero");
    let (tx, rx) = gil::spsc::channel(places);
    (GilTx(tx), GilRx(rx))
}

impl<T: Message> Send1<T> for GilTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.try_send(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for GilRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.try_recv()
    }
}

impl<T: Message> Send32<T> for GilTx<T> {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        let Some(room) = self.0.write_buffer().get_mut(..BURST) else {
            return false;
        };
        for (to, value) in room.iter_mut().zip(values) {
            to.write(*value);
        }
        // SAFETY: so many were there, and are written.
        unsafe { self.0.commit(BURST) };
        true
    }
}

impl<T: Message> Receive32<T> for GilRx<T> {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let mut guard = self.0.read_guard();
        let Some(values) = guard.as_slice().get(..BURST) else {
            return false;
        };
        out.copy_from_slice(values);
        guard.advance(BURST);
        true
    }
}

// ---- heapless

struct HeaplessTx<T: 'static>(heapless::spsc::Producer<'static, T>);
struct HeaplessRx<T: 'static>(heapless::spsc::Consumer<'static, T>);

fn heapless_ends<T: Message>() -> (HeaplessTx<T>, HeaplessRx<T>) {
    // One place stays empty.
    let queue: &'static mut heapless::spsc::Queue<T, { PLACES + 1 }> =
        Box::leak(Box::new(heapless::spsc::Queue::new()));
    let (tx, rx) = queue.split();
    (HeaplessTx(tx), HeaplessRx(rx))
}

impl<T: Message> Send1<T> for HeaplessTx<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.enqueue(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for HeaplessRx<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.dequeue()
    }
}

// ---- crossbeam

struct QueueEnd<T>(Arc<crossbeam_queue::ArrayQueue<T>>);

fn queue_ends<T: Message>() -> (QueueEnd<T>, QueueEnd<T>) {
    let queue = Arc::new(crossbeam_queue::ArrayQueue::new(PLACES));
    (QueueEnd(queue.clone()), QueueEnd(queue))
}

impl<T: Message> Send1<T> for QueueEnd<T> {
    #[inline]
    fn send(&mut self, value: T) -> bool {
        self.0.push(value).is_ok()
    }
}

impl<T: Message> Receive1<T> for QueueEnd<T> {
    #[inline]
    fn receive(&mut self) -> Option<T> {
        self.0.pop()
    }
}

// ---- bbqueue: a queue of bytes

type Bytes = Arc<ArcBytes>;
type ArcBytes = bbqueue::BBQueue<BoxedSlice, AtomicCoord, Polling>;
struct BytesTx(StreamProducer<Bytes>);
struct BytesRx(StreamConsumer<Bytes>);

fn bbqueue_ends(size: usize) -> (BytesTx, BytesRx) {
    let queue: ArcBBQueue<BoxedSlice, AtomicCoord, Polling> =
        ArcBBQueue::new_with_storage(BoxedSlice::new(PLACES * size));
    (
        BytesTx(queue.stream_producer()),
        BytesRx(queue.stream_consumer()),
    )
}

impl<T: Message> Send32<T> for BytesTx {
    #[inline]
    fn send32(&mut self, values: &[T; BURST]) -> bool {
        let Ok(mut grant) = self.0.grant_exact(size_of_val(values)) else {
            return false;
        };
        // SAFETY: the grant has as many bytes as the values, which are plain integers.
        unsafe {
            let from = values.as_ptr().cast::<u8>();
            grant
                .as_mut_ptr()
                .copy_from_nonoverlapping(from, size_of_val(values));
        }
        grant.commit(size_of_val(values));
        true
    }
}

impl<T: Message> Receive32<T> for BytesRx {
    #[inline]
    fn receive32(&mut self, out: &mut [T; BURST]) -> bool {
        let bytes = size_of_val(out);
        let Ok(grant) = self.0.read() else {
            return false;
        };
        if grant.len() < bytes {
            return false;
        }
        // SAFETY: so many bytes are there, of integers of that kind.
        unsafe {
            let to = out.as_mut_ptr().cast::<u8>();
            to.copy_from_nonoverlapping(grant.as_ptr(), bytes);
        }
        grant.release(bytes);
        true
    }
}
