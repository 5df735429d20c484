//! The benches of heaps on two cores.

use std::ptr;

use framepool::ring::{Patient, Spin};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::cross::{Contender, Outcome, run_benches};
use crate::harness::{escape, shuffled};
use crate::heap::contenders::{self, Heap, VisitShared};
use crate::heap::objects::{Live, Object, Script, small};
use crate::options::Options;
use crate::waits::{Apart, Named, Once, insist};

/// The benches, in the order in which they run.
pub const BENCHES: &[&str] = &[LARSON2, XMALLOC, SCRATCH];

const LARSON2: &str = "heap/larson2";
const XMALLOC: &str = "heap/xmalloc";
const SCRATCH: &str = "heap/scratch";

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    run_benches(BENCHES, options, |bench| {
        let mut all = Add {
            bench: bench.to_owned(),
            to: Vec::new(),
        };
        contenders::shared(&mut all)?;
        Ok(all.to)
    })
}

struct Add {
    bench: String,
    to: Vec<Contender<'static>>,
}

impl VisitShared for Add {
    fn visit<H: Heap + Clone + Send + 'static>(&mut self, name: &'static str, heap: H) {
        match self.bench.as_str() {
            LARSON2 => self.to.push(larson(name, heap)),
            XMALLOC => {
                self.to.push(xmalloc::<Once, _>(name, heap.clone()));
                self.to.push(xmalloc::<Spin, _>(name, heap.clone()));
                self.to.push(xmalloc::<Patient, _>(name, heap));
            }
            _ => self.to.push(scratch(name, heap)),
        }
    }
}

/// The number of objects that one thread owns in `heap/larson2`.
const LIVE: usize = 1024;

/// A thread of `heap/larson2`.
struct Larson<H: Heap> {
    live: Live<H>,
    script: Script,
    order: [u16; LIVE],
    to_other: Producer<Vec<Object>>,
    from_other: Consumer<Vec<Object>>,
}

// SAFETY: a heap that may move to a thread moves with its objects.
unsafe impl<H: Heap + Send> Send for Larson<H> {}

impl<H: Heap> Larson<H> {
    /// Replaces all objects in random order, then swaps them with the other thread's.
    fn round(&mut self) {
        let Live { heap, objects } = &mut self.live;
        objects.resize(LIVE, Object::NONE);
        for &i in &self.order {
            let object = &mut objects[usize::from(i)];
            // SAFETY: it is live, and replaced by another one.
            unsafe { object.free(heap) };
            *object = Object::new(heap, self.script.next().size as usize);
            escape(object);
        }
        let objects = std::mem::take(objects);
        assert!(self.to_other.push(objects).is_ok());
        self.live.objects = insist::<Spin, _>(|| self.from_other.pop().ok());
    }
}

/// As larson: each thread replaces the objects that the other one allocated.
fn larson<H: Heap + Clone + Send + 'static>(name: &str, heap: H) -> Contender<'static> {
    let (to_b, from_a) = RingBuffer::new(2);
    let (to_a, from_b) = RingBuffer::new(2);
    let side = |seed, to_other, from_other| {
        Apart(Larson {
            live: Live::new(heap.clone()),
            script: Script::new(seed, |_| 0, small),
            order: shuffled(),
            to_other,
            from_other,
        })
    };
    let (mut a, mut b) = (side(5, to_b, from_b), side(6, to_a, from_a));
    Contender::new(
        (LARSON2, name, 2 * LIVE as u64, 1),
        move |n| (0..n).for_each(|_| a.0.round()),
        move |n| {
            let b = &mut b;
            (0..n).for_each(|_| b.0.round());
        },
    )
}

/// The number of objects that are passed on at once, and of those under way.
const BATCH: usize = 32;
const IN_FLIGHT: usize = 1024;

/// As xmalloc-test: one thread only allocates, the other only frees.
fn xmalloc<W: Named, H: Heap + Clone + Send + 'static>(name: &str, heap: H) -> Contender<'static> {
    let (sender, receiver) = RingBuffer::<Object>::new(IN_FLIGHT);
    let script = Script::new(7, |_| 0, small);
    let mut a = Apart((heap.clone(), sender, script));
    let mut b = Apart((heap, receiver));
    let contender = Contender::new(
        (XMALLOC, name, 1, BATCH),
        move |objects| {
            let (heap, sender, script) = &mut a.0;
            for _ in 0..objects / BATCH as u64 {
                let mut batch = [Object::NONE; BATCH];
                batch.fill_with(|| Object::new(heap, script.next().size as usize));
                escape(&mut batch);
                // Not through `insist`: a chunk borrows the sender.
                let mut wait = W::default();
                while sender.write_chunk_uninit(BATCH).is_err() {
                    wait.wait();
                }
                let chunk = sender.write_chunk_uninit(BATCH);
                chunk.expect("room for 32").fill_from_iter(batch);
            }
        },
        move |objects| {
            let (heap, receiver) = &mut b.0;
            for _ in 0..objects / BATCH as u64 {
                let mut wait = W::default();
                while receiver.read_chunk(BATCH).is_err() {
                    wait.wait();
                }
                for mut object in receiver.read_chunk(BATCH).expect("32 objects") {
                    escape(&mut object);
                    // SAFETY: it is live, and comes once.
                    unsafe { object.free(heap) };
                }
            }
        },
    );
    contender.waiting(W::NAME)
}

/// The number of times that an object of `heap/scratch` is written.
const WRITES: u64 = 64;

/// As cache-scratch: both threads own an object that one of them allocated. An allocator that gives a thread a freed
/// object whose cache line is another thread's makes both slow.
fn scratch<H: Heap + Clone + Send + 'static>(name: &str, mut heap: H) -> Contender<'static> {
    let [one, two] = [0; 2].map(|_| Object::new(&mut heap, 8));
    let (mut a, mut b) = (Apart((heap.clone(), one)), Apart((heap, two)));
    Contender::new(
        (SCRATCH, name, 2, 1),
        move |n| scribble(&mut a, n),
        move |n| scribble(&mut b, n),
    )
}

/// Frees the object, allocates another one and writes it, `n` times.
fn scribble<H: Heap>(Apart((heap, object)): &mut Apart<(H, Object)>, n: u64) {
    for _ in 0..n {
        // SAFETY: it is live, and replaced by another one.
        unsafe { object.free(heap) };
        *object = Object::new(heap, 8);
        for i in 0..WRITES {
            // SAFETY: the object has a word.
            unsafe { ptr::write_volatile(object.at.cast(), i) };
        }
    }
}
