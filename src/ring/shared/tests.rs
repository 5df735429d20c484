//! The ring over words of this process, so that Miri sees all of it but the system calls.

use core::cell::UnsafeCell;
use core::ops::Deref;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicU64, AtomicUsize};
use std::thread;
use std::vec::Vec;

use super::error::{SharedRingError, SharedWaitError};
use super::owner::{Loss, is_one_process, loss};
use super::plain::Plain;
use super::ring::SharedRing;
use super::words::PRODUCER;
use crate::ring::{Spin, Wait, Yield};

/// Words for a ring, all zeros and aligned as a ring must be.
struct Memory {
    words: Vec<AtomicU64>,
    start: usize,
}

fn memory<T: Plain>(capacity: usize) -> Memory {
    let len = SharedRing::<T>::bytes(capacity).unwrap() / 8 + 7;
    let words: Vec<_> = (0..len).map(|_| AtomicU64::new(0)).collect();
    let start = words.as_ptr().addr().wrapping_neg() % 64 / 8;
    Memory { words, start }
}

impl Deref for Memory {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        &self.words[self.start..]
    }
}

fn whole<T: Plain + PartialEq + core::fmt::Debug>(make: impl Fn(u8) -> T) {
    let memory = memory::<T>(2);
    let ring = SharedRing::<T>::create(&memory, 2).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    for i in 0..5 {
        tx.push(make(i)).unwrap();
        let mut room = tx.reserve(1).unwrap().unwrap();
        room.write(0, make(i + 100)).unwrap();
        assert_eq!(room.commit(9), 1);
        let waiting = rx.peek(2).unwrap().unwrap();
        assert!(waiting.iter().eq([make(i), make(i + 100)]));
        assert_eq!(waiting.release(1), 1);
        assert_eq!(rx.pop().unwrap(), Some(make(i + 100)));
    }
}

#[cfg(feature = "bytemuck")]
#[test]
fn types_that_bytemuck_vouches_for_have_tags() {
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Quote([u16; 5]);
    crate::plain!(bytemuck: Quote = "Quote, version 2");

    whole(|i| Quote([i.into(); 5]));
    assert_eq!(Quote::TAG, super::plain::type_tag("Quote, version 2"));
    // Not for another type of the same size and alignment.
    let memory = memory::<Quote>(2);
    SharedRing::<Quote>::create(&memory, 2).unwrap();
    let error = SharedRing::<[u16; 5]>::attach(&memory).unwrap_err();
    assert!(matches!(error, SharedRingError::OtherType { .. }));
    SharedRing::<Quote>::attach(&memory).unwrap();
}

#[cfg(feature = "zerocopy")]
#[test]
fn types_that_zerocopy_vouches_for_have_tags() {
    use zerocopy::big_endian::U32;

    #[derive(
        Clone, Copy, Debug, PartialEq, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable,
    )]
    #[repr(C)]
    struct Trade(U32, [u8; 8]);
    crate::plain!(zerocopy: Trade = "Trade");

    whole(|i| Trade(U32::new(i.into()), [i; 8]));
    assert_eq!(Trade::TAG, super::plain::type_tag("Trade"));
}

#[test]
fn values_of_any_size_become_words_and_back() {
    whole(|i| i);
    whole(|i| u128::from(i) << 77);
    whole(|i| [i; 3]);
    whole(|i| [u16::from(i); 9]);
    whole(|i| [f64::from(i); 3]);
}

#[test]
fn every_range_of_bytes_is_written_and_read_alone() {
    const SIZE: usize = 19;
    let memory = memory::<[u8; SIZE]>(1);
    let ring = SharedRing::<[u8; SIZE]>::create(&memory, 1).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let step = if cfg!(miri) { 3 } else { 1 };
    for from in (0..=SIZE).step_by(step) {
        for to in (from..=SIZE).step_by(step) {
            let mut model = [7; SIZE];
            let mut room = tx.reserve(1).unwrap().unwrap();
            room.write(0, model).unwrap();
            let bytes: Vec<u8> = (0..).take(to - from).collect();
            room.write_bytes(0, from, &bytes).unwrap();
            room.commit(1);
            model[from..to].copy_from_slice(&bytes);
            let waiting = rx.peek(1).unwrap().unwrap();
            assert_eq!(waiting.get(0), Some(model));
            let mut out = bytes.clone();
            out.fill(99);
            waiting.read_bytes(0, from, &mut out).unwrap();
            assert_eq!(out, bytes);
            waiting.release(1);
        }
    }
}

#[test]
fn counters_stop_at_their_maximum_and_an_end_lets_go_when_it_cannot_be() {
    let memory = memory::<u8>(1);
    let ring = SharedRing::<u8>::create(&memory, 1).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    tx.push(1).unwrap();
    tx.refused = u64::MAX - 1;
    assert!(tx.push(2).is_err() && tx.push(2).is_err());
    assert_eq!(tx.stats().refused, u64::MAX);
    rx.pop().unwrap();
    rx.starved = u64::MAX - 1;
    assert_eq!((rx.pop(), rx.pop()), (Ok(None), Ok(None)));
    assert_eq!(rx.stats().starved, u64::MAX);
    drop(tx);
    assert_eq!(rx.pop_wait::<Spin>(), Err(SharedWaitError::Abandoned));
    memory[super::words::TAIL].store(9, SeqCst);
    let error = ring.producer().unwrap_err();
    assert!(matches!(
        error,
        SharedRingError::Corrupt { found: 1, own: 9 }
    ));
    assert_eq!(ring.producer_process(), None);
}

#[test]
fn values_are_whole_on_both_threads_round_the_end() {
    // Miri lets a thread read older values of the slots' words than those that an acquire has ordered.
    let memory = memory::<[u64; 2]>(2);
    let ring = SharedRing::<[u64; 2]>::create(&memory, 2).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let count = if cfg!(miri) { 50 } else { 20_000 };
    thread::scope(|scope| {
        scope.spawn(move || {
            for i in 0..count {
                tx.push_wait::<Yield>([i, !i]).unwrap();
            }
        });
        for i in 0..count {
            assert_eq!(rx.pop_wait::<Yield>(), Ok([i, !i]));
        }
        assert_eq!(rx.pop_wait::<Yield>(), Err(SharedWaitError::Abandoned));
    });
}

/// Plain memory that belongs to the owner of a value, a slot or an end. Miri reports an access that does not come
/// after those of the last owner.
struct Watched([UnsafeCell<u64>; 2]);

// SAFETY: a cell is accessed by the owner of what it belongs to, and there is one at a time.
unsafe impl Sync for Watched {}

impl Watched {
    const fn new() -> Self {
        Self([UnsafeCell::new(0), UnsafeCell::new(0)])
    }

    fn at(&self, position: u64) -> *mut u64 {
        self.0[position as usize % 2].get()
    }
}

/// Asks again until there is something.
fn until_some<R>(mut ask: impl FnMut() -> Option<R>) -> R {
    let mut wait = Yield::default();
    loop {
        match ask() {
            Some(found) => return found,
            None => wait.wait(),
        }
    }
}

const HANDED: u64 = if cfg!(miri) { 30 } else { 20_000 };

#[test]
fn what_a_place_stands_for_belongs_to_one_end_at_a_time() {
    let memory = memory::<u64>(2);
    let ring = SharedRing::<u64>::create(&memory, 2).unwrap();
    let watched = Watched::new();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    thread::scope(|scope| {
        let watched = &watched;
        scope.spawn(move || {
            for i in 0..HANDED {
                until_some(|| (!tx.is_full()).then_some(()));
                let mut place = tx.reserve(1).unwrap().unwrap();
                // SAFETY: the place is the producer's.
                unsafe { *watched.at(i) = i };
                place.write(0, i).unwrap();
                assert_eq!(place.commit(1), 1);
            }
        });
        for i in 0..HANDED {
            until_some(|| (!rx.is_empty()).then_some(()));
            let waiting = rx.peek(1).unwrap().unwrap();
            // SAFETY: the value is the consumer's.
            assert_eq!(unsafe { *watched.at(i) }, i);
            assert_eq!(waiting.get(0), Some(i));
            assert_eq!(waiting.release(1), 1);
        }
    });
}

#[test]
fn an_end_goes_on_where_the_last_one_stopped() {
    let memory = memory::<u64>(2);
    let ring = SharedRing::<u64>::create(&memory, 2).unwrap();
    let (places, ends) = (Watched::new(), Watched::new());
    // Each value goes in, and comes out, at an end that was just taken. Two threads compete for each end.
    let produce = || {
        until_some(|| {
            let mut tx = ring.producer().ok()?;
            // SAFETY: the end is this thread's.
            let next = unsafe { &mut *ends.at(0) };
            if *next == HANDED {
                return Some(());
            }
            let mut place = tx.reserve(1).unwrap()?;
            // SAFETY: the place is the producer's.
            unsafe { *places.at(*next) = *next };
            place.write(0, *next).unwrap();
            assert_eq!(place.commit(1), 1);
            *next += 1;
            None
        });
    };
    let consume = || {
        until_some(|| {
            let mut rx = ring.consumer().ok()?;
            // SAFETY: the end is this thread's.
            let next = unsafe { &mut *ends.at(1) };
            if *next == HANDED {
                return Some(());
            }
            let waiting = rx.peek(1).unwrap()?;
            // SAFETY: the value is the consumer's.
            assert_eq!(unsafe { *places.at(*next) }, *next);
            assert_eq!(waiting.get(0), Some(*next));
            assert_eq!(waiting.release(1), 1);
            *next += 1;
            None
        });
    };
    thread::scope(|scope| {
        scope.spawn(produce);
        scope.spawn(consume);
        scope.spawn(produce);
        consume();
    });
}

#[test]
fn what_an_end_did_comes_before_its_peer_sees_it_gone() {
    for _ in 0..if cfg!(miri) { 8 } else { 200 } {
        let memory = memory::<u64>(2);
        let ring = SharedRing::<u64>::create(&memory, 2).unwrap();
        let watched = Watched::new();
        let (tx, rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
        thread::scope(|scope| {
            let watched = &watched;
            scope.spawn(move || {
                // SAFETY: it belongs to the producer.
                unsafe { *watched.at(0) = 1 };
                drop(tx);
            });
            until_some(|| rx.is_abandoned().then_some(()));
            // SAFETY: the producer is gone.
            assert_eq!(unsafe { *watched.at(0) }, 1);
        });
    }
}

/// Waits until both threads have come here `times` times.
fn meet(arrived: &AtomicUsize, times: usize) {
    arrived.fetch_add(1, SeqCst);
    let mut wait = Yield::default();
    while arrived.load(SeqCst) < 2 * times {
        wait.wait();
    }
}

#[test]
fn of_two_that_want_an_end_at_once_one_has_it() {
    const DEAD: u32 = 1 << 30;
    let memory = memory::<u8>(1);
    let ring = SharedRing::<u8>::create(&memory, 1).unwrap();
    let (arrived, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Miri switches threads between any two steps; on a real machine the threads rarely meet.
    let rounds = if cfg!(miri) { 30 } else { 200 };
    let rival = || {
        for round in 0..rounds {
            // Of nobody, or of a process that died.
            let owner = if round % 2 == 0 { 0 } else { DEAD };
            memory[PRODUCER].store(owner.into(), SeqCst);
            meet(&arrived, 3 * round + 1);
            let end = ring.producer_after(DEAD);
            had.fetch_add(end.is_ok().into(), SeqCst);
            meet(&arrived, 3 * round + 2);
            drop(end);
            meet(&arrived, 3 * round + 3);
        }
    };
    thread::scope(|scope| {
        scope.spawn(rival);
        rival();
    });
    assert_eq!(had.load(SeqCst), rounds);
}

#[test]
fn an_end_that_is_taken_over_while_the_system_is_asked_is_not_lost() {
    let word = AtomicU64::new(7);
    assert_eq!(loss(&word, |_, _| true), Some(Loss::Died(7)));
    let taken_over = |number, _| {
        word.store(8, SeqCst);
        number == 7
    };
    assert_eq!(loss(&word, taken_over), None);
    assert_eq!(loss(&word, |number, _| number == 8), Some(Loss::Died(8)));
}

#[test]
fn a_process_is_a_namespace_and_a_number() {
    let word = |namespace: u64, number: u64| namespace << 32 | number;
    assert!(is_one_process(word(5, 1), word(5, 1)));
    assert!(!is_one_process(word(5, 1), word(6, 1)));
    assert!(!is_one_process(word(5, 1), word(5, 2)));
    // Some processes see no /proc.
    assert!(is_one_process(word(5, 1), word(0, 1)));
    assert!(is_one_process(word(0, 1), word(5, 1)));
    assert!(!is_one_process(word(0, 1), word(0, 2)));
}

#[test]
fn the_next_value_and_the_length_are_read_from_shared_references() {
    let memory = memory::<u32>(4);
    let ring = SharedRing::<u32>::create(&memory, 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    assert_eq!((rx.front(), ring.len()), (Ok(None), 0));
    assert!(ring.is_empty());
    for i in 0..6 {
        tx.push_slice(&[i, i + 1]).unwrap();
        assert_eq!((rx.front(), rx.front()), (Ok(Some(i)), Ok(Some(i))));
        assert_eq!((rx.pop(), rx.front()), (Ok(Some(i)), Ok(Some(i + 1))));
        assert_eq!(ring.len(), 1);
        assert_eq!((rx.pop(), rx.front()), (Ok(Some(i + 1)), Ok(None)));
    }
    assert_eq!(rx.stats().starved, 0);
    // Whatever the peer writes.
    memory[super::words::TAIL].store(3, SeqCst);
    let (found, own) = (3, 12);
    assert_eq!(rx.front(), Err(SharedRingError::Corrupt { found, own }));
    assert!(ring.len() <= 4);
}

#[test]
fn a_wait_for_values_in_place_ends_as_a_wait_for_one_does() {
    let memory = memory::<u64>(4);
    let ring = SharedRing::<u64>::create(&memory, 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let short = core::time::Duration::from_millis(1);
    let timed_out = rx
        .peek_wait_for::<Yield>(2, short)
        .map(|peeked| peeked.len());
    assert_eq!(timed_out, Err(SharedWaitError::TimedOut));
    thread::scope(|scope| {
        scope.spawn(move || {
            tx.push_slice(&[1, 2, 3]).unwrap();
        });
        let peeked = rx.peek_wait::<Yield>(2).unwrap();
        assert!(peeked.iter().eq([1, 2]));
        assert_eq!(peeked.release(2), 2);
    });
    // What is left comes before the end.
    assert_eq!(rx.peek_wait::<Yield>(9).unwrap().release(9), 1);
    let error = rx.peek_wait::<Yield>(1).map(|peeked| peeked.len());
    assert_eq!(error, Err(SharedWaitError::Abandoned));
}

#[test]
fn a_shared_ring_of_bytes_is_a_stream() {
    use core::fmt::Write as _;
    use std::io::{self, ErrorKind, Read};

    fn kind<T>(result: io::Result<T>) -> ErrorKind {
        result.err().unwrap().kind()
    }
    let memory = memory::<u8>(8);
    let ring = SharedRing::<u8>::create(&memory, 8).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let mut out = [0; 16];
    assert_eq!(kind(rx.read(&mut out)), ErrorKind::WouldBlock);
    write!(tx, "{}-{}", 12, 345).unwrap();
    assert!(tx.write_str("678").is_err());
    assert_eq!(io::Write::write(&mut tx, b"678").unwrap(), 2);
    assert_eq!(kind(io::Write::write(&mut tx, b"8")), ErrorKind::WouldBlock);
    assert_eq!(
        (rx.read(&mut out).unwrap(), &out[..8]),
        (8, &b"12-34567"[..])
    );
    io::Write::write_all(&mut tx, b"8").unwrap();
    io::Write::flush(&mut tx).unwrap();
    drop(tx);
    assert_eq!((rx.read(&mut out).unwrap(), out[0]), (1, b'8'));
    assert_eq!(
        (rx.read(&mut out).unwrap(), rx.read(&mut []).unwrap()),
        (0, 0)
    );
    let mut tx = ring.producer().unwrap();
    memory[super::words::TAIL].store(99, SeqCst);
    memory[super::words::HEAD].store(99, SeqCst);
    assert_eq!(kind(rx.read(&mut out)), ErrorKind::InvalidData);
    let full = [7; 9];
    assert_eq!(
        kind(io::Write::write(&mut tx, &full)),
        ErrorKind::InvalidData
    );
    drop(rx);
    assert_eq!(kind(io::Write::write(&mut tx, b"8")), ErrorKind::BrokenPipe);
}
