//! A ring in memory that two processes share, here two mappings in one process: one end pops what the other
//! pushes, whatever is written to the ring meanwhile.

mod hostile;
mod model;
mod processes;

use std::os::fd::AsFd;
use std::sync::atomic::Ordering::*;
use std::thread;
use std::time::Duration;

use framepool::SharedRegion;
use framepool::ring::{
    Full, NoPlace, Plain, SharedPushError, SharedRing, SharedRingError, SharedWaitError, Spin,
    Yield, type_tag,
};

const LEN: usize = 64 << 10;

fn shared() -> SharedRegion {
    SharedRegion::builder(LEN).create().unwrap()
}

fn again(region: &SharedRegion) -> SharedRegion {
    SharedRegion::attach(region.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

/// Overwrites one of the ring's words, as a peer could.
fn poke(region: &SharedRegion, word: usize, value: u64) {
    region.atomics(word * 8, 1).unwrap()[0].store(value, SeqCst);
}

const MAGIC: usize = 0;
const CAPACITY: usize = 4;
const PRODUCER: usize = 16;
const CONSUMER: usize = 17;
const TAIL: usize = 32;
const HEAD: usize = 48;

#[test]
fn values_cross_in_order_round_the_end_whatever_their_size() {
    fn cross<T: framepool::ring::Plain + PartialEq + std::fmt::Debug>(make: impl Fn(u8) -> T) {
        let (ours, theirs) = (shared(), ());
        let _: () = theirs;
        let theirs = again(&ours);
        let mut tx = SharedRing::create(&ours.words()[16..], 4)
            .unwrap()
            .producer()
            .unwrap();
        let mut rx = SharedRing::attach(&theirs.words()[16..])
            .unwrap()
            .consumer()
            .unwrap();
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..20 {
            for _ in 0..=round % 4 {
                match tx.push(make(pushed)) {
                    Ok(()) => pushed += 1,
                    Err(SharedPushError::Full(back)) => assert_eq!(back, make(pushed)),
                    Err(e) => panic!("{e}"),
                }
            }
            while let Some(value) = rx.pop().unwrap() {
                assert_eq!(value, make(popped));
                popped += 1;
            }
            assert_eq!(popped, pushed);
        }
        // Every slot is usable.
        let values: Vec<T> = (0..6).map(&make).collect();
        assert_eq!(tx.push_slice(&values).unwrap(), 4);
        assert_eq!(tx.push_slice(&values).unwrap(), 0);
        let mut out = [make(99); 6];
        assert_eq!(rx.pop_slice(&mut out).unwrap(), 4);
        assert_eq!(out[..4], values[..4]);
        assert_eq!(out[4], make(99));
    }
    cross(|i| i);
    cross(|i| u64::from(i) << 40);
    cross(|i| [i; 3]);
    cross(|i| [u16::from(i); 13]);
    cross(|i| [[i; 64]; 2]);
}

#[test]
fn what_cannot_be_a_ring_is_an_error() {
    use SharedRingError as E;
    let region = shared();
    let create = |offset: usize, capacity| {
        SharedRing::<u64>::create(&region.words()[offset / 8..], capacity).unwrap_err()
    };
    let misaligned = |offset| E::Misaligned {
        addr: region.as_ptr().addr().get() + offset,
    };
    let available = LEN;
    assert_eq!(create(0, 0), E::ZeroCapacity);
    assert_eq!(create(0, 12), E::NotPowerOfTwo { asked: 12 });
    assert_eq!(create(8, 16), misaligned(8));
    let required = SharedRing::<u64>::bytes(8192).unwrap();
    assert_eq!(
        create(0, 8192),
        E::RegionTooSmall {
            required,
            available
        }
    );
    let half = 1 << (usize::BITS - 1);
    assert_eq!(SharedRing::<u64>::bytes(half), None);
    let too_small = |required, available| E::RegionTooSmall {
        required,
        available,
    };
    assert_eq!(create(0, half), too_small(usize::MAX, LEN));
    assert_eq!(create(64, half), too_small(usize::MAX, LEN - 64));
    let required = SharedRing::<u64>::bytes(1).unwrap();
    assert_eq!(create(LEN, 1), too_small(required, 0));
    assert_eq!(create(LEN - 512, 1), too_small(required, 512));
    assert_eq!(
        SharedRing::<[u8; 0]>::create(region.words(), 1).unwrap_err(),
        E::ZeroSize
    );
    // None of them wrote anything.
    let attach =
        |offset: usize| SharedRing::<u64>::attach(&region.words()[offset / 8..]).unwrap_err();
    assert_eq!(attach(0), E::NoRing { found: 0 });
    assert_eq!(attach(56), misaligned(56));
    assert_eq!(attach(LEN - 64), too_small(512, 64));
    // A ring is made once, for one type of value.
    SharedRing::<u64>::create(region.words(), 16).unwrap();
    assert_eq!(create(0, 16), E::AlreadyMade);
    let error = SharedRing::<u32>::attach(region.words()).unwrap_err();
    let (found, expected) = (8, 4);
    assert_eq!(error, E::OtherElement { found, expected });
    assert!(error.to_string().contains("8 bytes, not 4"));
    // The words of a peer are checked.
    for (capacity, error) in [
        (0, E::ZeroCapacity),
        (3, E::NotPowerOfTwo { asked: 3 }),
        (u64::MAX, E::NotPowerOfTwo { asked: u64::MAX }),
    ] {
        poke(&region, CAPACITY, capacity);
        assert_eq!(attach(0), error);
    }
    for capacity in [8192, 1 << 40, 1 << 63] {
        poke(&region, CAPACITY, capacity);
        assert!(matches!(attach(0), E::RegionTooSmall { .. }));
    }
}

#[test]
fn each_end_is_taken_once_and_let_go() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 16).unwrap();
    assert_eq!(
        (ring.producer_process(), ring.consumer_process()),
        (None, None)
    );
    let tx = ring.producer().unwrap();
    let me = std::process::id();
    assert_eq!(
        ring.producer().unwrap_err(),
        SharedRingError::Taken { by: me }
    );
    assert_eq!(
        ring.producer_after(me + 1).unwrap_err(),
        SharedRingError::Taken { by: me }
    );
    assert_eq!(ring.producer_process(), Some(me));
    let mut rx = ring.consumer().unwrap();
    assert!(!rx.is_abandoned() && !tx.is_abandoned());
    drop(tx);
    assert!(rx.is_abandoned());
    let mut tx = ring.producer().unwrap();
    tx.push(5).unwrap();
    assert!(!rx.is_abandoned());
    assert_eq!(rx.pop().unwrap(), Some(5));
    drop(rx);
    assert!(tx.is_abandoned());
    assert!(tx.push(6).is_ok());
}

#[test]
fn a_peer_that_lies_gets_an_error_and_never_an_access_outside() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    tx.push(1).unwrap();
    assert_eq!(rx.pop().unwrap(), Some(1));
    for lie in [0, 6, 100, u64::MAX, 1 << 63] {
        poke(&region, TAIL, lie);
        let (found, own) = (lie, 1);
        assert_eq!(
            rx.pop().unwrap_err(),
            SharedRingError::Corrupt { found, own }
        );
        assert!(rx.pop_slice(&mut [0; 9]).is_err());
    }
    // A wrong but possible position: the consumer takes whatever is in the slots.
    poke(&region, TAIL, 5);
    assert_eq!(rx.peek_up_to(9).unwrap().len(), 4);
    // Values do not disappear.
    poke(&region, TAIL, 3);
    let (found, own) = (3, 1);
    let error = SharedRingError::Corrupt { found, own };
    assert_eq!(rx.pop_slice(&mut [7; 9]).unwrap_err(), error);
    assert_eq!(rx.len(), 4);
    poke(&region, TAIL, 5);
    assert_eq!(rx.pop_slice(&mut [7; 9]).unwrap(), 4);
    // The producer keeps its own position.
    let values = [2; 9];
    assert_eq!(
        tx.push_slice(&values).unwrap_err(),
        SharedRingError::Corrupt { found: 5, own: 1 }
    );
    for lie in [2, 7, u64::MAX] {
        poke(&region, HEAD, lie);
        assert!(tx.push_slice(&values).is_err());
    }
    poke(&region, HEAD, 1);
    assert_eq!(tx.push_slice(&values).unwrap(), 4);
    poke(&region, HEAD, 99);
    let error = tx.push(8).unwrap_err();
    assert_eq!(error, SharedPushError::Corrupt(8));
    assert_eq!(error.into_inner(), 8);
    // A new end is refused such positions.
    drop(tx);
    assert!(matches!(
        ring.producer(),
        Err(SharedRingError::Corrupt { .. })
    ));
    assert_eq!(ring.producer_process(), None);
    // The words after the ring are unchanged.
    let end = SharedRing::<u64>::bytes(4).unwrap() / 8;
    let after = region.atomics(end * 8, 64).unwrap();
    assert!(after.iter().all(|word| word.load(SeqCst) == 0));
}

#[test]
fn positions_may_wrap() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    poke(&region, TAIL, u64::MAX - 1);
    poke(&region, HEAD, u64::MAX - 2);
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    assert_eq!(tx.push_slice(&[1, 2, 3, 4]).unwrap(), 3);
    assert_eq!(tx.push(5), Err(SharedPushError::Full(5)));
    let mut out = [0; 4];
    assert_eq!(rx.pop_slice(&mut out).unwrap(), 4);
    assert_eq!(out, [0, 1, 2, 3]);
    tx.push(6).unwrap();
    assert_eq!(rx.pop().unwrap(), Some(6));
}

#[test]
fn a_ring_of_another_layout_is_refused() {
    use SharedRingError as E;
    let region = shared();
    SharedRing::<u64>::create(region.words(), 16).unwrap();
    let (found, expected) = (8, align_of::<[u8; 8]>());
    let error = SharedRing::<[u8; 8]>::attach(region.words()).unwrap_err();
    assert_eq!(error, E::OtherAlign { found, expected });
    assert!(error.to_string().contains("aligned to 8 bytes, not 1"));
    let error = SharedRing::<f64>::attach(region.words()).unwrap_err();
    let (found, expected) = (u64::TAG, f64::TAG);
    assert_eq!(error, E::OtherType { found, expected });
    // The version is the upper byte.
    let magic = region.atomics(0, 1).unwrap()[0].load(SeqCst);
    poke(&region, MAGIC, magic ^ 2 << 56);
    let error = SharedRing::<u64>::attach(region.words()).unwrap_err();
    let expected = (magic >> 56) as u8;
    let found = expected ^ 2;
    assert_eq!(error, E::OtherVersion { found, expected });
    // It is not overwritten either.
    let error = SharedRing::<u64>::create(region.words(), 16).unwrap_err();
    assert_eq!(error, E::AlreadyMade);
    poke(&region, MAGIC, magic ^ 1);
    let error = SharedRing::<u64>::attach(region.words()).unwrap_err();
    assert_eq!(error, E::NoRing { found: magic ^ 1 });
}

#[test]
fn types_tell_themselves_apart_as_far_as_they_say() {
    #[derive(Clone, Copy)]
    #[allow(dead_code)]
    struct Silent(u64);
    // SAFETY: a number.
    unsafe impl Plain for Silent {}
    #[derive(Clone, Copy)]
    #[allow(dead_code)]
    struct Named(u64);
    // SAFETY: a number.
    unsafe impl Plain for Named {
        const TAG: u64 = type_tag("Named, version 1");
    }
    let tags = [
        u64::TAG,
        i64::TAG,
        Named::TAG,
        <[u64; 1]>::TAG,
        <[u64; 2]>::TAG,
        <[[u64; 2]; 1]>::TAG,
        type_tag(""),
    ];
    for (i, tag) in tags.iter().enumerate() {
        assert!(*tag != 0 && !tags[..i].contains(tag));
    }
    assert_eq!((Silent::TAG, <[Silent; 4]>::TAG), (0, 0));
    let region = shared();
    SharedRing::<Silent>::create(region.words(), 4).unwrap();
    assert!(SharedRing::<Silent>::attach(region.words()).is_ok());
    for error in [
        SharedRing::<u64>::attach(region.words()).unwrap_err(),
        SharedRing::<Named>::attach(region.words()).unwrap_err(),
    ] {
        assert!(matches!(error, SharedRingError::OtherType { found: 0, .. }));
    }
}

#[test]
fn a_holder_that_is_no_process_is_an_error() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let me = std::process::id();
    for found in [1 << 31, 1 << 40, u64::MAX - 1] {
        let error = SharedRingError::BadOwner { found };
        poke(&region, PRODUCER, found);
        poke(&region, CONSUMER, found);
        assert_eq!(ring.producer().unwrap_err(), error);
        assert_eq!(ring.producer_after(me).unwrap_err(), error);
        assert_eq!(ring.consumer_after(me).unwrap_err(), error);
        assert_eq!(ring.producer_process(), None);
        assert_eq!(ring.consumer_process(), None);
    }
}

#[test]
fn an_end_that_was_taken_over_does_not_let_the_new_one_go() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let (tx, rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let other = std::process::id() + 1;
    poke(&region, PRODUCER, other.into());
    poke(&region, CONSUMER, other.into());
    drop((tx, rx));
    assert_eq!(ring.producer_process(), Some(other));
    assert_eq!(ring.consumer_process(), Some(other));
    // Impossible positions: the process that took the end lets it go.
    poke(&region, TAIL, 5);
    let (found, own) = (0, 5);
    let error = ring.producer_after(other).unwrap_err();
    assert_eq!(error, SharedRingError::Corrupt { found, own });
    assert_eq!(ring.producer_process(), None);
    let error = ring.consumer_after(other).unwrap_err();
    assert!(matches!(
        error,
        SharedRingError::Corrupt { found: 5, own: 0 }
    ));
    assert_eq!(ring.consumer_process(), None);
}

// ---- figures

#[test]
fn each_end_counts_for_itself() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    assert_eq!((tx.capacity(), rx.capacity()), (4, 4));
    assert!(tx.is_empty() && rx.is_empty() && !tx.is_full());
    assert_eq!(rx.pop().unwrap(), None);
    assert_eq!(tx.push_slice(&[1, 2, 3, 4, 5]).unwrap(), 4);
    assert!(tx.push(6).is_err());
    assert!(tx.is_full() && rx.is_full());
    assert_eq!(rx.pop_slice(&mut [0; 3]).unwrap(), 3);
    assert_eq!((tx.len(), rx.len()), (1, 1));
    assert_eq!(rx.pop_slice(&mut [0; 3]).unwrap(), 1);
    let (sent, got) = (tx.stats(), rx.stats());
    assert_eq!((sent.enqueued, sent.refused), (4, 2));
    assert_eq!((got.dequeued, got.starved, got.high_water), (4, 2, 4));
    assert!(format!("{tx:?} {rx:?}").contains("refused: 2"));
    // A new end starts its counters there.
    drop(tx);
    let tx = ring.producer().unwrap();
    assert_eq!((tx.stats().enqueued, tx.stats().refused), (0, 0));
}

#[test]
fn a_drain_ends_with_what_was_there() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 8).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    tx.push_slice(&[1, 2, 3]).unwrap();
    let mut drain = rx.drain().unwrap();
    assert_eq!(drain.len(), 3);
    assert_eq!(drain.next(), Some(1));
    tx.push(4).unwrap();
    assert_eq!(drain.collect::<Vec<_>>(), [2, 3]);
    assert_eq!(rx.drain().unwrap().take(0).count(), 0);
    assert_eq!(rx.drain().unwrap().collect::<Vec<_>>(), [4]);
    assert_eq!(tx.len(), 0);
    let mut source = 0..20;
    assert_eq!(tx.push_iter(&mut source).unwrap(), 8);
    assert_eq!(source.next(), Some(8));
    assert!(rx.drain().unwrap().eq(0..8));
}

// ---- in place

#[test]
fn what_is_reserved_is_seen_when_committed_and_not_before() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    assert!(tx.reserve(5).unwrap().is_none());
    {
        let mut room = tx.reserve(3).unwrap().unwrap();
        // In any order.
        room.write(2, 30).unwrap();
        room.write(0, 10).unwrap();
        assert_eq!(room.write(3, 40).map_err(Full::into_inner), Err(40));
    }
    assert_eq!(rx.pop().unwrap(), None);
    let mut room = tx.reserve_up_to(9).unwrap();
    assert_eq!((room.len(), room.is_empty()), (4, false));
    room.write(1, 20).unwrap();
    // A place that was not written has its old bytes, which were never published.
    assert_eq!(room.commit(3), 3);
    let waiting = rx.peek(3).unwrap().unwrap();
    assert!(waiting.iter().eq([10, 20, 30]));
    assert_eq!(waiting.release(1), 1);
    assert!(rx.peek(3).unwrap().is_none());
    assert_eq!(rx.peek_up_to(9).unwrap().len(), 2);
    assert_eq!(
        (tx.len(), tx.stats().enqueued, tx.stats().refused),
        (2, 3, 1)
    );
    assert_eq!(rx.peek_up_to(1).unwrap().release(9), 1);
    assert_eq!(rx.pop().unwrap(), Some(30));
    assert!(rx.peek_up_to(1).unwrap().is_empty());
}

#[test]
fn bytes_outside_of_a_place_are_an_error() {
    let region = shared();
    let ring = SharedRing::<[u8; 12]>::create(region.words(), 4).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let mut room = tx.reserve(2).unwrap().unwrap();
    room.write_bytes(0, 0, &[1; 12]).unwrap();
    room.write_bytes(1, 12, &[]).unwrap();
    let wrong = |place, offset, len| {
        let (places, size) = (2, 12);
        NoPlace {
            place,
            places,
            offset,
            len,
            size,
        }
    };
    for (place, offset, len) in [(2, 0, 1), (usize::MAX, 0, 0), (0, 5, 8), (1, usize::MAX, 2)] {
        let error = room.write_bytes(place, offset, &vec![2; len]).unwrap_err();
        assert_eq!(error, wrong(place, offset, len));
        assert!(error.to_string().contains(&format!("of place {place}")));
    }
    room.commit(2);
    let waiting = rx.peek(2).unwrap().unwrap();
    let mut out = [9; 20];
    for (place, offset, len) in [(2, 0, 1), (usize::MAX, 0, 0), (0, 5, 8), (1, usize::MAX, 2)] {
        let error = waiting.read_bytes(place, offset, &mut out[..len]);
        assert_eq!(error, Err(wrong(place, offset, len)));
    }
    assert_eq!(out, [9; 20]);
    waiting.read_bytes(0, 10, &mut out[..2]).unwrap();
    assert_eq!(out[..3], [1, 1, 9]);
    assert_eq!(waiting.get(1), Some([0; 12]));
    assert_eq!(waiting.get(2), None);
}

// ---- waiting

#[test]
fn who_waits_is_told_why_in_vain() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 1).unwrap();
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let none = Duration::ZERO;
    assert_eq!(tx.push_wait::<Spin>(1), Ok(()));
    assert_eq!(
        tx.push_wait_for::<Spin>(2, none),
        Err(SharedPushError::Full(2))
    );
    assert_eq!(rx.pop_wait_for::<Spin>(none), Ok(1));
    assert_eq!(
        rx.pop_wait_for::<Spin>(none),
        Err(SharedWaitError::TimedOut)
    );
    // Impossible words.
    tx.push(1).unwrap();
    poke(&region, HEAD, 9);
    assert_eq!(tx.push_wait::<Spin>(2), Err(SharedPushError::Corrupt(2)));
    poke(&region, HEAD, 1);
    let holder = region.atomics(CONSUMER * 8, 1).unwrap()[0].swap(1 << 40, SeqCst);
    assert_eq!(tx.push_wait::<Spin>(2), Err(SharedPushError::Corrupt(2)));
    assert_eq!(rx.pop_wait::<Spin>(), Ok(1));
    poke(&region, PRODUCER, 1 << 40);
    let bad = SharedRingError::BadOwner { found: 1 << 40 };
    assert_eq!(rx.pop_wait::<Spin>(), Err(SharedWaitError::Ring(bad)));
    poke(&region, TAIL, 1 << 40);
    let (found, own) = (1 << 40, 2);
    let error = rx.pop_wait::<Spin>().unwrap_err();
    assert_eq!(error, SharedRingError::Corrupt { found, own }.into());
    assert_eq!(
        error.to_string(),
        SharedRingError::Corrupt { found, own }.to_string()
    );
    // Gone, or marked as gone by a wrong word.
    poke(&region, TAIL, 2);
    poke(&region, PRODUCER, u64::MAX);
    assert_eq!(rx.pop_wait::<Spin>(), Err(SharedWaitError::Abandoned));
    poke(&region, CONSUMER, holder);
    tx.push(3).unwrap();
    drop(rx);
    assert_eq!(tx.push_wait::<Spin>(4), Err(SharedPushError::Abandoned(4)));
}

#[test]
fn who_waits_gets_what_comes() {
    let (ours, count) = (shared(), 10_000);
    let theirs = again(&ours);
    let ring = SharedRing::create(ours.words(), 2).unwrap();
    let mut tx = ring.producer().unwrap();
    thread::scope(|scope| {
        // Before there is a consumer.
        scope.spawn(move || (0..count).for_each(|i| tx.push_wait::<Yield>([i, !i]).unwrap()));
        let ring = SharedRing::attach(theirs.words()).unwrap();
        let mut rx = ring.consumer().unwrap();
        for i in 0..count {
            assert_eq!(rx.pop_wait::<Yield>(), Ok([i, !i]));
        }
        assert_eq!(rx.pop_wait::<Yield>(), Err(SharedWaitError::Abandoned));
    });
}
