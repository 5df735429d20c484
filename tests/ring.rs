//! What a ring promises, by the public API: order, room, giving back, dropping, abandonment.
#![cfg(all(feature = "ring", feature = "std", not(loom)))]
#![allow(missing_docs)]

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::thread;

use framepool::ring::{self, Consumer, Full, NoRoom, Producer, Ring, RingError, Spin, Yield};

type Ends<T> = (Producer<'static, T>, Consumer<'static, T>);

fn ends<T>(capacity: usize) -> Ends<T> {
    ring::allocate(capacity).unwrap()
}

/// Counts how many of them live.
#[derive(Debug)]
struct Counted(Rc<Cell<usize>>, u32);

impl Counted {
    fn new(live: &Rc<Cell<usize>>, id: u32) -> Self {
        live.set(live.get() + 1);
        Self(live.clone(), id)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

// ---- room

#[test]
fn every_slot_is_usable_whatever_the_capacity() {
    for capacity in [1, 2, 4, 64] {
        let (mut tx, mut rx) = ends(capacity);
        for lap in 0..3 {
            for i in 0..capacity {
                assert_eq!((tx.len(), rx.len()), (i, i));
                tx.push((lap, i)).unwrap();
            }
            assert!(tx.is_full() && rx.is_full());
            assert_eq!(tx.push((9, 9)), Err(full_of((9, 9))));
            // One out, one in.
            assert_eq!(rx.pop(), Some((lap, 0)));
            tx.push((lap, capacity)).unwrap();
            assert!(tx.is_full());
            for i in 1..=capacity {
                assert_eq!(rx.pop(), Some((lap, i)));
            }
            assert_eq!(rx.pop(), None);
            assert!(tx.is_empty() && rx.is_empty());
        }
        assert_eq!((tx.capacity(), rx.capacity()), (capacity, capacity));
    }
}

fn full_of<T: Copy>(value: T) -> Full<T> {
    let (mut tx, _rx) = ends(1);
    tx.push(value).unwrap();
    tx.push(value).unwrap_err()
}

#[test]
fn a_failed_push_gives_the_value_back() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, rx) = ends(1);
    tx.push(Counted::new(&live, 1)).unwrap();
    let error = tx.push(Counted::new(&live, 2)).unwrap_err();
    assert_eq!(error.to_string(), "the ring is full");
    assert_eq!(error.into_inner().1, 2);
    assert_eq!(live.get(), 1);
    drop((tx, rx));
    assert_eq!(live.get(), 0);
}

#[test]
fn arrays_go_in_and_out_whole_or_not_at_all() {
    let (mut tx, mut rx) = ends(4);
    tx.push_array(["a", "b", "c"].map(String::from)).unwrap();
    let back = tx.push_array(["d", "e"].map(String::from)).unwrap_err();
    assert_eq!(back.into_inner(), ["d", "e"]);
    assert_eq!(rx.pop_array::<4>(), None);
    assert_eq!(rx.pop_array(), Some(["a", "b"].map(String::from)));
    // Over the end.
    tx.push_array(["d", "e", "f"].map(String::from)).unwrap();
    assert_eq!(rx.pop_array(), Some(["c", "d", "e", "f"].map(String::from)));
    assert_eq!(tx.push_array([]), Ok(()));
    assert_eq!(rx.pop_array(), Some([]));
    assert_eq!(tx.stats().refused, 1);
    assert_eq!(rx.stats().starved, 1);
}

#[test]
fn slices_are_copied_as_far_as_they_fit() {
    let (mut tx, mut rx) = ends(8);
    let mut out = [0; 16];
    assert_eq!(rx.pop_slice(&mut out), 0);
    assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]), 5);
    assert_eq!(rx.pop_slice(&mut out[..3]), 3);
    assert_eq!(tx.push_slice(&[6, 7, 8, 9, 10, 11, 12]), 6);
    assert_eq!(tx.push_slice(&[0]), 0);
    assert_eq!(tx.push_slice(&[]), 0);
    assert_eq!(rx.pop_slice(&mut out[3..]), 8);
    assert_eq!(out[..11], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(out[11..], [0; 5]);
    assert_eq!(tx.stats().enqueued, 11);
    assert_eq!(rx.stats().dequeued, 11);
}

#[test]
fn values_without_size_are_counted() {
    let (mut tx, mut rx) = ends::<()>(4);
    assert_eq!(tx.push_slice(&[(); 9]), 4);
    assert!(tx.push(()).is_err());
    let mut room = rx.peek(3).unwrap();
    assert_eq!(room.as_mut_slices().0.len(), 3);
    assert_eq!(room.release(3), 3);
    assert_eq!(rx.pop(), Some(()));
    assert_eq!(rx.pop(), None);
}

#[test]
fn an_iterator_is_not_asked_for_what_has_no_place() {
    let (mut tx, mut rx) = ends(4);
    let mut source = 0..10;
    assert_eq!(tx.push_iter(&mut source), 4);
    assert_eq!(source.next(), Some(4));
    assert_eq!(rx.drain().take(2).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(tx.push_iter(5..6), 1);
    assert_eq!(rx.drain().collect::<Vec<_>>(), [2, 3, 5]);
}

// ---- in place

#[test]
fn what_is_reserved_is_seen_when_committed_and_not_before() {
    let (mut tx, mut rx) = ends(4);
    let error = tx.reserve(5).unwrap_err();
    let expected = (5, 4, 4);
    assert_eq!((error.requested, error.available, error.capacity), expected);
    assert!(error.to_string().contains("room for 5"));
    let mut room = tx.reserve(3).unwrap();
    assert_eq!((room.len(), room.is_empty()), (3, false));
    room.write(1).unwrap();
    room.write(2).unwrap();
    assert_eq!(room.written(), 2);
    assert_eq!(rx.pop(), None);
    assert_eq!(room.commit(), 2);
    assert_eq!(rx.pop_array(), Some([1, 2]));
    let mut room = tx.reserve(1).unwrap();
    room.write(3).unwrap();
    assert_eq!(room.write(4).unwrap_err().into_inner(), 4);
    drop(room);
    assert_eq!(rx.pop(), None);
    assert!(tx.reserve_up_to(9).len() == 4);
    assert_eq!(tx.stats().enqueued, 2);
}

#[test]
fn slots_are_contiguous_up_to_the_end_and_from_the_start() {
    let (mut tx, mut rx) = ends::<u32>(8);
    for start in 0..8 {
        for n in 0..=8 {
            let mut room = tx.reserve(n).unwrap();
            let (a, b) = room.as_mut_slices();
            assert_eq!(
                (a.len(), b.len()),
                (n.min(8 - start), n.saturating_sub(8 - start))
            );
            for (i, slot) in room.slots().enumerate() {
                slot.write(i as u32);
            }
            // SAFETY: all were written.
            assert_eq!(unsafe { room.commit_first(n + 7) }, n);
            let waiting = rx.peek(n).unwrap();
            assert!(waiting.iter().copied().eq(0..n as u32));
            assert_eq!(waiting.len(), n);
            assert_eq!(waiting.release(usize::MAX), n);
            // Back to `start`.
            let rest = 8 - n;
            tx.push_slice(&vec![0; rest]);
            assert_eq!(rx.pop_slice(&mut vec![0; rest]), rest);
        }
        tx.push(0).unwrap();
        rx.pop().unwrap();
    }
}

#[test]
fn dropping_a_reservation_drops_what_was_written() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    let mut room = tx.reserve(3).unwrap();
    for i in 0..3 {
        room.write(Counted::new(&live, i)).unwrap();
    }
    assert_eq!(live.get(), 3);
    drop(room);
    assert_eq!(live.get(), 0);
    let mut room = tx.reserve(3).unwrap();
    for i in 0..3 {
        room.write(Counted::new(&live, i)).unwrap();
    }
    // SAFETY: the first one was written.
    assert_eq!(unsafe { room.commit_first(1) }, 1);
    assert_eq!(live.get(), 1);
    assert_eq!(rx.pop().unwrap().1, 0);
    assert!(rx.is_empty());
}

#[test]
fn what_is_peeked_stays_unless_it_is_released() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    assert!(rx.front().is_none() && rx.peek(1).is_none());
    assert!(rx.peek_up_to(3).is_empty());
    tx.push_iter((0..4).map(|i| Counted::new(&live, i)));
    assert_eq!(rx.front().unwrap().1, 0);
    let mut waiting = rx.peek(3).unwrap();
    waiting.as_mut_slices().0[1].1 = 77;
    let _ = waiting;
    assert_eq!(live.get(), 4);
    assert_eq!(rx.peek_up_to(9).len(), 4);
    assert_eq!(rx.peek(3).unwrap().release(1), 1);
    assert_eq!(live.get(), 3);
    assert_eq!(rx.pop().unwrap().1, 77);
    assert_eq!((tx.len(), live.get()), (2, 2));
}

// ---- what is left

#[test]
fn the_second_end_to_go_drops_what_is_left() {
    for tx_first in [true, false] {
        let live = Rc::new(Cell::new(0));
        let (mut tx, mut rx) = ends(4);
        for i in 0..5 {
            drop(rx.pop());
            tx.push(Counted::new(&live, i)).unwrap();
        }
        tx.push(Counted::new(&live, 5)).unwrap();
        assert_eq!(live.get(), 2);
        if tx_first {
            drop(tx);
            assert!(rx.is_abandoned());
            assert_eq!(live.get(), 2);
            assert_eq!(rx.pop().unwrap().1, 4);
            drop(rx);
        } else {
            drop(rx);
            assert!(tx.is_abandoned());
            tx.push(Counted::new(&live, 6)).unwrap();
            assert_eq!(live.get(), 3);
            drop(tx);
        }
        assert_eq!(live.get(), 0);
    }
}

#[test]
fn a_destructor_that_panics_keeps_no_other_from_running() {
    struct Bomb(Rc<Cell<usize>>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(!self.1, "the bomb");
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let (mut tx, rx) = ends(8);
    tx.push_iter((0..8).map(|i| Bomb(dropped.clone(), i == 2)));
    drop(tx);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rx)));
    assert!(caught.is_err());
    assert_eq!(dropped.get(), 8);
    // In the middle of a release: the places are given back, the others stay.
    let (mut tx, mut rx) = ends(8);
    tx.push_iter((0..4).map(|i| Bomb(dropped.clone(), i == 1)));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rx.peek(4).unwrap().release(4)
    }));
    assert!(caught.is_err());
    assert_eq!((rx.len(), dropped.get()), (2, 10));
}

#[test]
fn an_iterator_that_panics_loses_nothing_of_the_ring() {
    let live = Rc::new(Cell::new(0));
    let (mut tx, mut rx) = ends(4);
    tx.push(Counted::new(&live, 0)).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tx.push_iter((1..9).map(|i| {
            assert!(i < 3, "enough");
            Counted::new(&live, i)
        }))
    }));
    assert!(caught.is_err());
    assert_eq!(live.get(), 1);
    assert_eq!(rx.drain().map(|c| c.1).collect::<Vec<_>>(), [0]);
    tx.push(Counted::new(&live, 3)).unwrap();
    assert_eq!(rx.pop().unwrap().1, 3);
}

#[test]
fn who_panics_after_a_push_has_woken_the_consumer() {
    struct Woken(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let woken = std::sync::Arc::new(Woken(Default::default()));
    let waker = woken.clone().into();
    let (mut tx, mut rx) = ring::asynchronous(ends(4)).unwrap();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(rx.poll_pop(&mut context).is_pending());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tx.with(|tx| {
            tx.push(1).unwrap();
            panic!("after the push");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(rx.try_pop(), Some(1));
}

// ---- homes

#[test]
fn a_static_ring_is_split_once() {
    static RING: Ring<u64, 8> = Ring::new();
    let (mut tx, mut rx) = RING.split().unwrap();
    assert_eq!(RING.split().unwrap_err(), RingError::AlreadySplit);
    let t = thread::spawn(move || {
        for i in 0..100 {
            tx.push_wait::<Yield>(i).unwrap();
        }
    });
    let mut next = 0;
    while let Some(i) = rx.pop_wait::<Yield>() {
        assert_eq!(i, next);
        next += 1;
    }
    assert_eq!(next, 100);
    t.join().unwrap();
    drop(rx);
    assert_eq!(RING.split().unwrap_err(), RingError::AlreadySplit);
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_static_ring_lies_in_bss() {
    static VALUES: Ring<String, 64> = Ring::new();
    static HANDLES: Ring<Option<framepool::Block<'static>>, 64> = Ring::new();
    unsafe extern "C" {
        static __bss_start: u8;
        static _end: u8;
    }
    let bss = (&raw const __bss_start).addr()..(&raw const _end).addr();
    assert!(bss.contains(&(&raw const VALUES).addr()));
    assert!(bss.contains(&(&raw const HANDLES).addr()));
    static DATA: [std::sync::atomic::AtomicU8; 2] =
        [const { std::sync::atomic::AtomicU8::new(1) }; 2];
    DATA[0].store(2, std::sync::atomic::Ordering::Relaxed);
    assert!(!bss.contains(&(&raw const DATA).addr()));
}

#[test]
fn a_borrowed_ring_is_split_again_and_empty() {
    let live = Rc::new(Cell::new(0));
    let mut ring: Ring<Counted, 4> = Ring::new();
    for i in 0..5 {
        let (mut tx, mut rx) = ring.split_mut();
        assert!(rx.is_empty() && !rx.is_abandoned() && !tx.is_abandoned());
        tx.push_iter((i..i + 3).map(|i| Counted::new(&live, i)));
        assert_eq!(rx.pop().unwrap().1, i);
        drop(tx);
        assert!(rx.is_abandoned());
    }
    assert_eq!(live.get(), 0);
    // Who forgets an end forgets what is in the ring; the next split does not see it.
    let dropped = Cell::new(0);
    struct Seen<'a>(&'a Cell<u32>);
    impl Drop for Seen<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let mut ring: Ring<Seen<'_>, 4> = Ring::new();
    let (mut tx, rx) = ring.split_mut();
    assert!(tx.push(Seen(&dropped)).is_ok());
    std::mem::forget(tx);
    drop(rx);
    assert_eq!(dropped.get(), 0);
    let (tx, mut rx) = ring.split_mut();
    assert!(rx.pop().is_none() && tx.is_empty());
}

#[test]
fn a_ring_whose_ends_were_forgotten_is_not_split_for_ever() {
    let mut ring = Box::new(Ring::<Box<u32>, 8>::new());
    let (mut tx, mut rx) = ring.split_mut();
    tx.push(Box::new(1)).unwrap();
    assert_eq!(rx.pop().as_deref(), Some(&1));
    std::mem::forget((tx, rx));
    // The position is no longer that of a new ring: its ends would find the value that was taken.
    let ring = Box::into_raw(ring);
    // SAFETY: never freed before the last use, which is below.
    let split = unsafe { &*ring }.split().map(drop);
    assert_eq!(split, Err(RingError::AlreadySplit));
    // SAFETY: from `into_raw`, and no end of it is left.
    drop(unsafe { Box::from_raw(ring) });
}

#[test]
fn a_region_may_begin_anywhere_and_must_be_large_enough() {
    let mut memory = [MaybeUninit::uninit(); 8192];
    let needed = ring::region_size::<u64>(64).unwrap();
    let align = ring::region_align::<u64>();
    for skip in [0, 1, 7, align / 2, align - 1] {
        let from = memory.as_ptr().addr().wrapping_neg() % align + skip;
        let slack = skip.wrapping_neg() % align;
        let required = needed + slack;
        let available = required - 1;
        let short = &mut memory[from..from + available];
        let error = ring::in_memory::<u64>(short, 64).unwrap_err();
        assert_eq!(
            error,
            RingError::RegionTooSmall {
                required,
                available
            }
        );
        let exact = &mut memory[from..from + required];
        let (mut tx, mut rx) = ring::in_memory(exact, 64).unwrap();
        assert_eq!(tx.push_slice(&[5_u64; 100]), 64);
        assert_eq!(rx.drain().sum::<u64>(), 320);
    }
    let none: &mut [MaybeUninit<u8>] = &mut [];
    assert!(ring::in_memory::<u8>(none, 1).is_err());
}

#[test]
fn capacities_that_cannot_be_are_errors() {
    fn all<T>(capacity: usize) -> RingError {
        let error = ring::allocate::<T>(capacity).unwrap_err();
        let mut memory = [MaybeUninit::uninit(); 64];
        assert_eq!(
            ring::in_memory::<T>(&mut memory, capacity).unwrap_err(),
            error
        );
        assert_eq!(ring::region_size::<T>(capacity).unwrap_err(), error);
        error
    }
    assert_eq!(all::<u8>(0), RingError::ZeroCapacity);
    for asked in [3, 6, 1000, usize::MAX] {
        assert_eq!(all::<u8>(asked), RingError::NotPowerOfTwo { asked });
        assert!(all::<u8>(asked).to_string().contains(&asked.to_string()));
    }
    let half = 1 << (usize::BITS - 1);
    let too_large = |asked, element| RingError::CapacityTooLarge { asked, element };
    assert_eq!(all::<u64>(half), too_large(half, 8));
    assert_eq!(all::<u8>(half), too_large(half, 1));
    let some = half / 1024;
    assert_eq!(all::<[u64; 256]>(some), too_large(some, 2048));
    // So many bytes are an object, but nobody has them.
    if cfg!(not(miri)) {
        let error = ring::allocate::<[u8; 64]>(half / 128).unwrap_err();
        assert!(matches!(error, RingError::OutOfMemory { size } if size > half / 2));
    }
}

#[test]
fn both_ends_have_lines_of_their_own() {
    let (tx, rx) = ends::<u64>(4);
    let line = if cfg!(target_pointer_width = "64") {
        128
    } else {
        32
    };
    assert_eq!(align_of_val(&tx) % line, 0);
    assert_eq!(align_of_val(&rx) % line, 0);
}

// ---- between threads

#[test]
fn values_arrive_in_order_and_once_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    for capacity in [1, 2, 64] {
        let (mut tx, mut rx) = ends(capacity);
        thread::scope(|scope| {
            scope.spawn(move || {
                for i in 0..count {
                    tx.push_wait::<Yield>(Box::new(i)).unwrap();
                }
            });
            scope.spawn(move || {
                for i in 0..count {
                    assert_eq!(rx.pop_wait::<Yield>().as_deref(), Some(&i));
                }
                assert_eq!(rx.pop_wait::<Spin>(), None);
            });
        });
    }
}

#[test]
fn slices_arrive_in_order_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    let (mut tx, mut rx) = ends(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut next, mut n) = (0, 1);
            while next < count {
                let values: Vec<u64> = (next..count.min(next + n)).collect();
                next += tx.push_slice(&values) as u64;
                n = n % 50 + 7;
                thread::yield_now();
            }
        });
        let (mut next, mut n, mut out) = (0, 1, [0; 64]);
        while next < count {
            let got = rx.pop_slice(&mut out[..n]);
            for &value in &out[..got] {
                assert_eq!(value, next);
                next += 1;
            }
            n = n % 40 + 11;
            thread::yield_now();
        }
    });
}

#[test]
fn who_waits_learns_that_the_other_end_is_gone() {
    let (mut tx, rx) = ends(1);
    tx.push(1).unwrap();
    let t = thread::spawn(move || tx.push_wait::<Yield>(2));
    drop(rx);
    let error = t.join().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the other end of the ring is gone");
    assert_eq!(error.into_inner(), 2);
    let (tx, mut rx) = ends::<u8>(1);
    let t = thread::spawn(move || rx.pop_wait::<Yield>());
    drop(tx);
    assert_eq!(t.join().unwrap(), None);
}

#[test]
fn blocks_of_a_pool_travel_and_come_home() {
    framepool::pool!(static POOL: [64; 8]);
    // Fewer places than blocks: the producer notices that it is alone before it has no block.
    let (mut tx, mut rx) = ends(4);
    thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..100_u8 {
                let mut block = loop {
                    match POOL.alloc() {
                        Ok(block) => break block,
                        Err(_) => thread::yield_now(),
                    }
                };
                block.write(&[i]).unwrap();
                if tx.push_wait::<Yield>(Some(block)).is_err() {
                    break;
                }
            }
        });
        let mut i = 0;
        while let Some(block) = rx.pop_wait::<Yield>() {
            let block = block.unwrap();
            // SAFETY: one byte was written.
            assert_eq!(unsafe { block.assume_init(1) }, [i]);
            i += 1;
            if i == 90 {
                break;
            }
        }
        // The rest comes home by itself.
        drop(rx);
    });
    assert_eq!(POOL.stats().in_use, 0);
}

// ---- figures

#[test]
fn each_end_counts_for_itself() {
    let (mut tx, mut rx) = ends(4);
    assert!(rx.pop().is_none());
    for i in 0..6 {
        let _ = tx.push(i);
    }
    rx.pop().unwrap();
    let stats = tx.stats();
    assert_eq!((stats.enqueued, stats.refused), (4, 2));
    let stats = rx.stats();
    let expected = (1, 1, 4);
    assert_eq!((stats.dequeued, stats.starved, stats.high_water), expected);
    assert!(format!("{tx:?} {rx:?}").contains("refused: 2"));
    let (a, b) = (
        NoRoom::clone(&tx.reserve(9).unwrap_err()),
        tx.stats().refused,
    );
    assert_eq!((a.available, b), (1, 3));
}

// ---- flags in the slots

#[test]
fn a_ring_with_flags_is_a_bounded_queue_too() {
    let live = Rc::new(Cell::new(0));
    for capacity in [1, 2, 8] {
        let (mut tx, mut rx) = ring::allocate_flagged(capacity).unwrap();
        for lap in 0..3 {
            for i in 0..capacity as u32 {
                tx.push(Counted::new(&live, i)).unwrap();
            }
            let back = tx.push(Counted::new(&live, 99)).unwrap_err();
            assert_eq!(back.into_inner().1, 99);
            assert!(tx.is_full());
            for i in 0..capacity as u32 {
                assert_eq!(rx.pop().unwrap().1, i);
            }
            assert!(rx.pop().is_none() && rx.is_empty());
            let (sent, got) = (tx.stats(), rx.stats());
            assert_eq!((sent.refused, got.starved), (lap + 1, lap + 1));
            assert_eq!(
                (sent.enqueued, got.dequeued),
                (sent.enqueued, sent.enqueued)
            );
        }
        tx.push(Counted::new(&live, 1)).unwrap();
        drop(rx);
        assert!(tx.is_abandoned());
        assert_eq!(live.get(), 1);
        drop(tx);
        assert_eq!(live.get(), 0);
    }
    assert_eq!(
        ring::allocate_flagged::<u8>(0).unwrap_err(),
        RingError::ZeroCapacity
    );
    assert_eq!(
        ring::allocate_flagged::<u8>(3).unwrap_err(),
        RingError::NotPowerOfTwo { asked: 3 }
    );
    assert!(ring::allocate_flagged::<u64>(1 << (usize::BITS - 1)).is_err());
}

#[test]
fn a_ring_with_flags_carries_values_between_threads() {
    let count: u64 = if cfg!(miri) { 300 } else { 200_000 };
    for capacity in [1, 2, 64] {
        let (mut tx, mut rx) = ring::allocate_flagged(capacity).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                for i in 0..count {
                    tx.push_wait::<Yield>(Box::new(i)).unwrap();
                }
            });
            for i in 0..count {
                assert_eq!(rx.pop_wait::<Yield>().as_deref(), Some(&i));
            }
            assert_eq!(rx.pop_wait::<Yield>(), None);
        });
    }
    let (mut tx, rx) = ring::allocate_flagged(1).unwrap();
    tx.push_wait::<Spin>(1).unwrap();
    drop(rx);
    assert_eq!(tx.push_wait::<Spin>(2).unwrap_err().into_inner(), 2);
}
