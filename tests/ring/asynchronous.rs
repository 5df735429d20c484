//! Ends that sleep, and leave no waker behind.

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use framepool::ring::{self, AsyncConsumer, AsyncProducer};

fn ends<T>(capacity: usize) -> (AsyncProducer<'static, T>, AsyncConsumer<'static, T>) {
    ring::asynchronous(ring::allocate(capacity).unwrap()).unwrap()
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn who_sleeps_is_woken_by_what_it_waits_for() {
    let (mut tx, mut rx) = ends(1);
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    assert!(rx.poll_pop(&mut context).is_pending());
    let mut value = Some(1);
    assert_eq!(tx.poll_push(&mut value, &mut context), Poll::Ready(Ok(())));
    assert_eq!((value, woken.0.load(Relaxed)), (None, 1));
    value = Some(2);
    assert!(tx.poll_push(&mut value, &mut context).is_pending());
    assert_eq!(value, Some(2));
    // It looked twice, which counts once.
    assert_eq!(rx.as_consumer().stats().starved, 1);
    assert_eq!(tx.as_producer().stats().refused, 1);
    assert_eq!(rx.poll_pop(&mut context), Poll::Ready(Some(1)));
    assert_eq!(woken.0.load(Relaxed), 2);
    assert!(tx.poll_push(&mut value, &mut context).is_ready());
    assert_eq!(rx.try_pop(), Some(2));
    assert!(rx.poll_pop(&mut context).is_pending());
    drop(tx);
    assert_eq!(woken.0.load(Relaxed), 3);
    assert_eq!(rx.poll_pop(&mut context), Poll::Ready(None));
}

#[test]
fn ends_of_two_rings_are_given_back() {
    let (a, b) = (ring::allocate::<u8>(1).unwrap(), ring::allocate(2).unwrap());
    let Err((tx, rx)) = ring::asynchronous((a.0, b.1)) else {
        panic!("the ends belong to different rings");
    };
    assert_eq!((tx.capacity(), rx.capacity()), (1, 2));
}

#[test]
fn an_end_takes_its_waker_with_it() {
    let woken = Arc::new(Woken::default());
    let waker: Waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    let (mut tx, mut rx) = ends(1);
    assert!(rx.poll_pop(&mut context).is_pending());
    assert_eq!(Arc::strong_count(&woken), 3);
    drop(rx);
    assert_eq!(Arc::strong_count(&woken), 2);
    tx.try_push(1).unwrap();
    let (mut tx, rx) = ends(1);
    tx.try_push(1).unwrap();
    assert!(tx.poll_push(&mut Some(2), &mut context).is_pending());
    assert_eq!(Arc::strong_count(&woken), 3);
    drop(tx);
    assert_eq!(Arc::strong_count(&woken), 2);
    drop(rx);
    // No task was left to wake.
    assert_eq!(woken.0.load(Relaxed), 0);
}

thread_local! {
    /// Dropped at the moment that a waker is cloned.
    static PEER: RefCell<Option<AsyncProducer<'static, u8>>> = const { RefCell::new(None) };
    static WAKERS: Cell<usize> = const { Cell::new(0) };
}

/// A waker that drops the peer when it is cloned, and counts its clones.
fn jealous() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| {
            drop(PEER.take());
            WAKERS.set(WAKERS.get() + 1);
            RawWaker::new(std::ptr::null(), &TABLE)
        },
        |_| WAKERS.set(WAKERS.get() - 1),
        |_| (),
        |_| WAKERS.set(WAKERS.get() - 1),
    );
    WAKERS.set(WAKERS.get() + 1);
    // SAFETY: the functions use no data. The waker stays on its thread, where its counter is.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

#[test]
fn a_peer_that_goes_between_look_and_register_leaves_no_waker_behind() {
    // Memory that is not dropped: a waker that is left in it stays.
    let start = Box::into_raw(Box::new([MaybeUninit::uninit(); 4096]));
    // SAFETY: no other code refers to it until it is dropped below.
    let memory = unsafe { &mut *start };
    let (tx, mut rx) = ring::asynchronous(ring::in_memory(memory, 2).unwrap()).unwrap();
    PEER.set(Some(tx));
    let waker = jealous();
    let mut context = Context::from_waker(&waker);
    // The peer goes after the first look; the second look sees that.
    assert_eq!(rx.poll_pop(&mut context), Poll::Ready(None));
    drop((rx, waker));
    assert_eq!(WAKERS.get(), 0);
    // SAFETY: from `into_raw`, and no end is left.
    drop(unsafe { Box::from_raw(start) });
}

#[test]
fn who_panics_after_a_push_has_woken_the_consumer() {
    let woken = Arc::new(Woken::default());
    let waker = woken.clone().into();
    let (mut tx, mut rx) = ends(4);
    let mut context = Context::from_waker(&waker);
    assert!(rx.poll_pop(&mut context).is_pending());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tx.with(|tx| {
            tx.push(1).unwrap();
            panic!("after the push");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(rx.try_pop(), Some(1));
}

/// A waker that panics when it is called.
struct Fragile;

impl Wake for Fragile {
    fn wake(self: Arc<Self>) {
        panic!("not now");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_end_from_leaving() {
    let value = Arc::new(());
    let fragile = Arc::new(Fragile);
    let waker = fragile.clone().into();
    let mut context = Context::from_waker(&waker);
    for producer_first in [true, false] {
        let (mut tx, mut rx) = ends(1);
        if producer_first {
            assert!(rx.poll_pop(&mut context).is_pending());
        } else {
            tx.try_push(value.clone()).unwrap();
            let second = &mut Some(value.clone());
            assert!(tx.poll_push(second, &mut context).is_pending());
        }
        let caught = if producer_first {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(tx)))
        } else {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rx)));
            assert!(tx.as_producer().is_abandoned());
            drop(tx);
            caught
        };
        assert!(caught.is_err());
        // It left, so the second one dropped the values in the ring (and Miri sees that the memory was freed).
        assert_eq!(Arc::strong_count(&value), 1);
    }
    assert_eq!(Arc::strong_count(&fragile), 2);
}

#[test]
fn a_waker_that_panics_leaks_no_value() {
    let value = Arc::new(());
    let waker = Arc::new(Fragile).into();
    let mut context = Context::from_waker(&waker);
    let panics =
        |f: &mut dyn FnMut()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    // The value was popped, and is dropped.
    let pops: [fn(&mut AsyncConsumer<'static, Arc<()>>); 3] = [
        |rx| drop(rx.try_pop()),
        |rx| drop(rx.with(|rx| rx.pop())),
        |rx| drop(rx.poll_pop(&mut Context::from_waker(Waker::noop()))),
    ];
    for pop in pops {
        let (mut tx, mut rx) = ends(1);
        tx.try_push(value.clone()).unwrap();
        let mut second = Some(value.clone());
        assert!(tx.poll_push(&mut second, &mut context).is_pending());
        assert!(panics(&mut || pop(&mut rx)));
        drop(second);
        assert_eq!(Arc::strong_count(&value), 1);
        // The slot is free nevertheless.
        assert!(tx.try_push(value.clone()).is_ok());
    }
    // A value that was pushed, and one that the operations of the producer return.
    let (mut tx, mut rx) = ends(1);
    assert!(rx.poll_pop(&mut context).is_pending());
    assert!(panics(&mut || {
        drop(tx.with(|tx| {
            tx.push(value.clone()).unwrap();
            tx.push(value.clone())
        }));
    }));
    assert_eq!(Arc::strong_count(&value), 2);
    assert_eq!(rx.try_pop().map(|value| Arc::strong_count(&value)), Some(2));
    assert!(rx.poll_pop(&mut context).is_pending());
    let mut pushed = Some(value.clone());
    assert!(panics(&mut || {
        let mut context = Context::from_waker(Waker::noop());
        let _ = tx.poll_push(&mut pushed, &mut context);
    }));
    assert!(pushed.is_none() && rx.try_pop().is_some());
    assert_eq!(Arc::strong_count(&value), 1);
}
