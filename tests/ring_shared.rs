//! A ring of two processes: what one pushes the other pops, whatever either of them writes to the ring or
//! dies of.
#![cfg(all(
    feature = "ring",
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(any(miri, loom))
))]
#![allow(missing_docs)]

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::*;
use std::thread;

use framepool::SharedRegion;
use framepool::ring::{SharedProducer, SharedPushError, SharedRing, SharedRingError};

const LEN: usize = 64 << 10;

fn shared() -> SharedRegion {
    SharedRegion::builder(LEN).create().unwrap()
}

fn again(region: &SharedRegion) -> SharedRegion {
    SharedRegion::attach(region.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

/// Overwrites one of the ring's words, as a peer can.
fn poke(region: &SharedRegion, word: usize, value: u64) {
    region.atomics(word * 8, 1).unwrap()[0].store(value, SeqCst);
}

const CAPACITY: usize = 2;
const TAIL: usize = 32;
const HEAD: usize = 48;

#[test]
fn values_cross_in_order_round_the_end_whatever_their_size() {
    fn cross<T: framepool::ring::Plain + PartialEq + std::fmt::Debug>(make: impl Fn(u8) -> T) {
        let (ours, theirs) = (shared(), ());
        let _: () = theirs;
        let theirs = again(&ours);
        let mut tx = SharedRing::create(&ours, 128, 4)
            .unwrap()
            .producer()
            .unwrap();
        let mut rx = SharedRing::attach(&theirs, 128)
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
    let create =
        |offset, capacity| SharedRing::<u64>::create(&region, offset, capacity).unwrap_err();
    let available = LEN;
    assert_eq!(create(0, 0), E::ZeroCapacity);
    assert_eq!(create(0, 12), E::NotPowerOfTwo { asked: 12 });
    assert_eq!(create(8, 16), E::Misaligned { offset: 8 });
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
    assert!(matches!(create(0, half), E::RegionTooSmall { .. }));
    assert!(matches!(create(LEN, 1), E::RegionTooSmall { .. }));
    assert!(matches!(
        create(usize::MAX - 63, 1),
        E::RegionTooSmall { .. }
    ));
    assert_eq!(
        SharedRing::<[u8; 0]>::create(&region, 0, 1).unwrap_err(),
        E::ZeroSize
    );
    // Nothing was written by any of them.
    let attach = |offset| SharedRing::<u64>::attach(&region, offset).unwrap_err();
    assert_eq!(attach(0), E::NoRing { found: 0 });
    assert_eq!(attach(4), E::Misaligned { offset: 4 });
    assert!(matches!(attach(LEN - 64), E::RegionTooSmall { .. }));
    // Made once, for one kind of value.
    SharedRing::<u64>::create(&region, 0, 16).unwrap();
    assert_eq!(create(0, 16), E::AlreadyMade);
    let error = SharedRing::<u32>::attach(&region, 0).unwrap_err();
    let (found, expected) = (8, 4);
    assert_eq!(error, E::OtherElement { found, expected });
    assert!(error.to_string().contains("8 bytes, not 4"));
    // What a peer claims is checked.
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
    let ring = SharedRing::<u64>::create(&region, 0, 16).unwrap();
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
    let ring = SharedRing::<u64>::create(&region, 0, 4).unwrap();
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
    // A lie that can be true: what is there is what is there.
    poke(&region, TAIL, 5);
    assert_eq!(rx.pop_slice(&mut [7; 9]).unwrap(), 4);
    // The producer's own position is its own.
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
    // A new end is not given such positions.
    drop(tx);
    assert!(matches!(
        ring.producer(),
        Err(SharedRingError::Corrupt { .. })
    ));
    assert_eq!(ring.producer_process(), None);
    // Words behind the ring are as they were.
    let end = SharedRing::<u64>::bytes(4).unwrap() / 8;
    let behind = region.atomics(end * 8, 64).unwrap();
    assert!(behind.iter().all(|word| word.load(SeqCst) == 0));
}

#[test]
fn positions_may_wrap() {
    let region = shared();
    let ring = SharedRing::<u64>::create(&region, 0, 4).unwrap();
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

// ---- two processes

const ROLE: &str = "FRAMEPOOL_RING_ROLE";

/// This test again, in another process that has the region as descriptor 3… of its own number.
fn another(test: &str, role: &str, region: &SharedRegion) -> Child {
    let fd = region.as_fd().try_clone_to_owned().unwrap();
    // SAFETY: an open file; the child is to inherit it.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROLE, format!("{role} {}", fd.as_raw_fd()))
        .stdout(Stdio::piped())
        .spawn();
    child.unwrap()
}

/// What this process was started for, and the region.
fn role() -> Option<(String, SharedRegion)> {
    let role = std::env::var(ROLE).ok()?;
    let (role, fd) = role.split_once(' ').unwrap();
    // SAFETY: inherited, and nobody else's here.
    let fd = unsafe { OwnedFd::from_raw_fd(fd.parse().unwrap()) };
    Some((role.to_owned(), SharedRegion::attach(fd).unwrap()))
}

/// A value whose words tell if it was torn.
fn value(i: u64) -> [u64; 4] {
    [i, !i, i.wrapping_mul(0x9E37_79B9_7F4A_7C15), i ^ 0xFFFF]
}

fn produce(tx: &mut SharedProducer<'_, [u64; 4]>, from: u64, to: u64) {
    for i in from..to {
        while tx.push(value(i)).is_err() {
            thread::yield_now();
        }
    }
}

#[test]
fn two_processes_exchange_values_in_order() {
    const COUNT: u64 = 200_000;
    if let Some((_, region)) = role() {
        let mut tx = SharedRing::attach(&region, 0).unwrap().producer().unwrap();
        return produce(&mut tx, 0, COUNT);
    }
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(&region, 0, 64).unwrap();
    let mut rx = ring.consumer().unwrap();
    let mut child = another("two_processes_exchange_values_in_order", "produce", &region);
    let mut next = 0;
    loop {
        // In this order: what was pushed before it went is seen after.
        let abandoned = rx.is_abandoned();
        match rx.pop().unwrap() {
            Some(found) => {
                assert_eq!(found, value(next));
                next += 1;
            }
            None if abandoned => break,
            None => thread::yield_now(),
        }
    }
    assert_eq!(next, COUNT);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_producer_that_is_killed_leaves_whole_values_and_can_be_replaced() {
    if let Some((_, region)) = role() {
        let mut tx = SharedRing::attach(&region, 0).unwrap().producer().unwrap();
        println!("producing");
        return produce(&mut tx, 0, u64::MAX);
    }
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(&region, 0, 64).unwrap();
    let mut rx = ring.consumer().unwrap();
    let mut child = another(
        "a_producer_that_is_killed_leaves_whole_values_and_can_be_replaced",
        "produce",
        &region,
    );
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().contains("producing")));
    let (mut next, mut kill_at) = (0, 20_000);
    let dead = child.id();
    loop {
        match rx.pop().unwrap() {
            Some(found) => {
                assert_eq!(found, value(next));
                next += 1;
            }
            None if kill_at == u64::MAX => break,
            None => thread::yield_now(),
        }
        if next == kill_at {
            // In the middle of whatever it is doing.
            child.kill().unwrap();
            kill_at = u64::MAX;
        }
    }
    child.wait().unwrap();
    // What it published between the last look and its death.
    while let Some(found) = rx.pop().unwrap() {
        assert_eq!(found, value(next));
        next += 1;
    }
    assert!(next >= 20_000);
    // It did not let go, and says who it was.
    assert!(!rx.is_abandoned());
    assert_eq!(ring.producer_process(), Some(dead));
    assert_eq!(
        ring.producer().unwrap_err(),
        SharedRingError::Taken { by: dead }
    );
    let mut tx = ring.producer_after(dead).unwrap();
    produce(&mut tx, next, next + 10);
    for i in next..next + 10 {
        assert_eq!(rx.pop().unwrap(), Some(value(i)));
    }
    assert_eq!(rx.pop().unwrap(), None);
}

#[test]
fn a_consumer_that_is_killed_can_be_replaced_and_nothing_is_lost() {
    if let Some((_, region)) = role() {
        let mut rx = SharedRing::<[u64; 4]>::attach(&region, 0)
            .unwrap()
            .consumer()
            .unwrap();
        println!("consuming");
        loop {
            if rx.pop().unwrap().is_none() {
                thread::yield_now();
            }
        }
    }
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(&region, 0, 64).unwrap();
    let mut tx = ring.producer().unwrap();
    let mut child = another(
        "a_consumer_that_is_killed_can_be_replaced_and_nothing_is_lost",
        "consume",
        &region,
    );
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(out.any(|line| line.unwrap().contains("consuming")));
    produce(&mut tx, 0, 20_000);
    let dead = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut next = 20_000;
    while tx.push(value(next)).is_ok() {
        next += 1;
    }
    let mut rx = ring.consumer_after(dead).unwrap();
    let mut first = None;
    while let Some(found) = rx.pop().unwrap() {
        let expected = first.map_or(found[0], |n| n);
        assert_eq!(found, value(expected));
        first = Some(expected + 1);
    }
    assert_eq!(first, Some(next));
}
