//! A ring of two processes that run, wait, are killed and are replaced.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::thread;
use std::time::Duration;

use framepool::SharedRegion;
use framepool::ring::{
    SharedProducer, SharedPushError, SharedRing, SharedRingError, SharedWaitError, Spin, Wait,
    Yield,
};

use crate::process::{self, alone, test_name};

const PRODUCER: usize = 16;
const CONSUMER: usize = 17;

fn shared() -> SharedRegion {
    SharedRegion::builder(64 << 10).create().unwrap()
}

/// Runs this test again in another process, which inherits the region's descriptor.
fn another(test: &str, role: &str, region: &SharedRegion) -> Child {
    let fd = region.as_fd().try_clone_to_owned().unwrap();
    // SAFETY: an open file; the child inherits it.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    let role = format!("{role} {}", fd.as_raw_fd());
    let mut command = process::another(test, &role);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// The role that this process was started for, and the region.
fn role() -> Option<(String, SharedRegion)> {
    let role = process::role()?;
    let (role, fd) = role.split_once(' ').unwrap();
    // SAFETY: inherited, and not used elsewhere in this process.
    let fd = unsafe { OwnedFd::from_raw_fd(fd.parse().unwrap()) };
    Some((role.to_owned(), SharedRegion::attach(fd).unwrap()))
}

/// A value whose words show whether it was torn.
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
        let mut tx = SharedRing::attach(region.words())
            .unwrap()
            .producer()
            .unwrap();
        return produce(&mut tx, 0, COUNT);
    }
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(region.words(), 64).unwrap();
    let mut rx = ring.consumer().unwrap();
    let mut child = another(
        test_name!(two_processes_exchange_values_in_order),
        "produce",
        &region,
    );
    let mut next = 0;
    loop {
        // In this order: a value that was pushed before the producer went is not missed.
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
        let mut tx = SharedRing::attach(region.words())
            .unwrap()
            .producer()
            .unwrap();
        println!("producing");
        return produce(&mut tx, 0, u64::MAX);
    }
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(region.words(), 64).unwrap();
    let mut rx = ring.consumer().unwrap();
    let mut child = another(
        test_name!(a_producer_that_is_killed_leaves_whole_values_and_can_be_replaced),
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
            // In the middle of its work.
            child.kill().unwrap();
            kill_at = u64::MAX;
        }
    }
    child.wait().unwrap();
    // The values that it published between the last look and its death.
    while let Some(found) = rx.pop().unwrap() {
        assert_eq!(found, value(next));
        next += 1;
    }
    assert!(next >= 20_000);
    // It did not let its end go, and the owner word names it.
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
        let mut rx = SharedRing::<[u64; 4]>::attach(region.words())
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
    let ring = SharedRing::<[u64; 4]>::create(region.words(), 64).unwrap();
    let mut tx = ring.producer().unwrap();
    let mut child = another(
        test_name!(a_consumer_that_is_killed_can_be_replaced_and_nothing_is_lost),
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

#[test]
fn who_waits_for_a_process_that_is_killed_is_told() {
    if let Some((role, region)) = role() {
        let ring = SharedRing::<[u64; 4]>::attach(region.words()).unwrap();
        if role == "produce" {
            let mut tx = ring.producer().unwrap();
            produce(&mut tx, 0, 3);
            println!("ready");
            loop {
                thread::park();
            }
        }
        let _rx = ring.consumer().unwrap();
        println!("ready");
        loop {
            thread::park();
        }
    }
    let start = |role, region: &SharedRegion| {
        let name = test_name!(who_waits_for_a_process_that_is_killed_is_told);
        let mut child = another(name, role, region);
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(out.any(|line| line.unwrap().contains("ready")));
        child
    };
    let region = shared();
    let ring = SharedRing::<[u64; 4]>::create(region.words(), 4).unwrap();
    let mut rx = ring.consumer().unwrap();
    let mut child = start("produce", &region);
    let process = child.id();
    // Alive, but silent.
    for i in 0..3 {
        assert_eq!(rx.pop_wait::<Yield>(), Ok(value(i)));
    }
    let short = Duration::from_millis(5);
    assert_eq!(
        rx.pop_wait_for::<Yield>(short),
        Err(SharedWaitError::TimedOut)
    );
    // Dead, before and after its parent has waited for it.
    child.kill().unwrap();
    let died = Err(SharedWaitError::Died { process });
    assert_eq!(rx.pop_wait::<Yield>(), died);
    child.wait().unwrap();
    assert_eq!(rx.pop_wait::<Spin>(), died);
    drop(rx);
    // The same for the other end.
    let mut tx = ring.producer_after(process).unwrap();
    let mut child = start("consume", &region);
    produce(&mut tx, 0, 4);
    child.kill().unwrap();
    let died = Err(SharedPushError::Died(value(4)));
    assert_eq!(tx.push_wait::<Yield>(value(4)), died);
    child.wait().unwrap();
    assert_eq!(tx.push_wait::<Spin>(value(4)), died);
    // A new consumer makes room.
    let mut rx = ring.consumer_after(child.id()).unwrap();
    assert_eq!(rx.pop_wait::<Spin>(), Ok(value(0)));
    assert_eq!(tx.push_wait::<Spin>(value(4)), Ok(()));
}

#[test]
fn a_number_of_another_namespace_tells_nothing_of_who_lives() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    let (tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let word = &region.atomics(PRODUCER * 8, 1).unwrap()[0];
    let own = word.load(Relaxed) >> 32;
    assert_ne!(own, 0, "/proc is mounted");
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let process = child.id();
    for (namespace, end) in [
        (0, SharedWaitError::TimedOut),
        (own ^ 1, SharedWaitError::TimedOut),
        (own, SharedWaitError::Died { process }),
    ] {
        word.store(namespace << 32 | u64::from(process), Relaxed);
        assert_eq!(ring.producer_process(), Some(process));
        let long = Duration::from_millis(if namespace == own { 60_000 } else { 20 });
        assert_eq!(rx.pop_wait_for::<Spin>(long), Err(end));
    }
    drop(tx);
    assert!(ring.producer_after(process).is_ok());
}

#[test]
fn a_copy_that_fork_made_does_not_let_the_end_go() {
    alone(
        test_name!(a_copy_that_fork_made_does_not_let_the_end_go),
        || {
            let region = shared();
            let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
            let (tx, rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
            // SAFETY: the child only asks for its process id, which is safe without the parent's other
            // threads.
            let child = match unsafe { libc::fork() } {
                0 => {
                    drop((tx, rx));
                    // SAFETY: ends this process and nothing else.
                    unsafe { libc::_exit(0) }
                }
                child => child,
            };
            let mut status = 1;
            // SAFETY: `status` may be written.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0);
            let me = Some(std::process::id());
            assert_eq!((ring.producer_process(), ring.consumer_process()), (me, me));
            assert!(!rx.is_abandoned() && !tx.is_abandoned());
            drop(tx);
            assert!(rx.is_abandoned());
        },
    );
}

/// Waits while the peer changes: at the hundredth look the owner is another process, which is dead.
#[derive(Default)]
struct Replaced;

static REGION: OnceLock<SharedRegion> = OnceLock::new();
static WAITS: AtomicUsize = AtomicUsize::new(0);
static HOLDER: AtomicU64 = AtomicU64::new(0);

impl Wait for Replaced {
    fn wait(&mut self) {
        if WAITS.fetch_add(1, Relaxed) == 100 {
            let word = &REGION.get().unwrap().atomics(PRODUCER * 8, 1).unwrap()[0];
            word.store(HOLDER.load(Relaxed), Relaxed);
        }
    }
}

#[test]
fn who_waits_watches_the_process_that_has_the_end_now() {
    let region = REGION.get_or_init(shared);
    let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
    // This process lives, and is looked at first.
    let (tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    let word = &region.atomics(PRODUCER * 8, 1).unwrap()[0];
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let process = child.id();
    let holder = word.load(Relaxed) >> 32 << 32 | u64::from(process);
    HOLDER.store(holder, Relaxed);
    let long = Duration::from_secs(60);
    let died = Err(SharedWaitError::Died { process });
    assert_eq!(rx.pop_wait_for::<Replaced>(long), died);
    drop(tx);
}

/// Sleeps a millisecond between two looks.
#[derive(Default)]
struct Nap;

impl Wait for Nap {
    fn wait(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn waits_in_short_pieces_notice_a_peer_that_died() {
    let region = shared();
    let ring = SharedRing::<u64>::create(region.words(), 1).unwrap();
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let process = child.id();
    let dead = |word: usize| {
        let word = &region.atomics(word * 8, 1).unwrap()[0];
        let holder = word.load(Relaxed) >> 32 << 32 | u64::from(process);
        assert_ne!(holder >> 32, 0, "/proc is mounted");
        word.store(holder, Relaxed);
    };
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    for short in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_millis(5),
    ] {
        assert_eq!(
            rx.pop_wait_for::<Nap>(short),
            Err(SharedWaitError::TimedOut)
        );
    }
    tx.push(1).unwrap();
    for short in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_millis(5),
    ] {
        assert_eq!(
            tx.push_wait_for::<Nap>(2, short),
            Err(SharedPushError::Full(2))
        );
    }
    dead(PRODUCER);
    dead(CONSUMER);
    for short in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_millis(5),
    ] {
        let died = Err(SharedPushError::Died(2));
        assert_eq!(tx.push_wait_for::<Nap>(2, short), died);
        assert_eq!(tx.push_wait_for::<Spin>(2, short), died);
    }
    // The values of the dead process come first.
    assert_eq!(rx.pop_wait_for::<Nap>(Duration::ZERO), Ok(1));
    for short in [
        Duration::ZERO,
        Duration::from_micros(20),
        Duration::from_millis(5),
    ] {
        let died = Err(SharedWaitError::Died { process });
        assert_eq!(rx.pop_wait_for::<Nap>(short), died);
        assert_eq!(rx.pop_wait_for::<Spin>(short), died);
    }
}

/// The exit status of a child that is forked here: what `run` returns.
fn forked(run: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child calls `run` and ends; `run` is safe without the parent's other threads.
    let child = match unsafe { libc::fork() } {
        // SAFETY: ends this process and nothing else.
        0 => unsafe { libc::_exit(run()) },
        child => child,
    };
    let mut status = 0;
    // SAFETY: `status` may be written.
    if unsafe { libc::waitpid(child, &mut status, 0) } != child || !libc::WIFEXITED(status) {
        return FAILED;
    }
    libc::WEXITSTATUS(status)
}

const FAILED: i32 = 1;
const REFUSED: i32 = 2;
const RELEASED: i32 = 3;
const KEPT: i32 = 4;

/// Whether the next child is the first process of a new namespace of process numbers.
fn new_namespace() -> bool {
    // SAFETY: changes the namespace of this process's next child. The process has one thread.
    let unshare = |flags| unsafe { libc::unshare(flags) } == 0;
    unshare(libc::CLONE_NEWPID) || unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID)
}

#[test]
fn a_fork_in_another_namespace_does_not_let_the_end_go() {
    alone(
        test_name!(a_fork_in_another_namespace_does_not_let_the_end_go),
        || {
            let region = shared();
            let ring = SharedRing::<u64>::create(region.words(), 4).unwrap();
            let first_of_two_namespaces = || {
                let (Ok(tx), Ok(rx)) = (ring.producer(), ring.consumer()) else {
                    return FAILED;
                };
                if !new_namespace() {
                    return REFUSED;
                }
                let mut ends = Some((tx, rx));
                let child = forked(|| {
                    let number = std::process::id();
                    drop(ends.take());
                    number as i32
                });
                // Both have process id 1.
                if child != 1 || std::process::id() != 1 {
                    return FAILED;
                }
                let holders = (ring.producer_process(), ring.consumer_process());
                if holders == (Some(1), Some(1)) {
                    KEPT
                } else {
                    RELEASED
                }
            };
            let ended = forked(|| match new_namespace() {
                true => forked(first_of_two_namespaces),
                false => REFUSED,
            });
            if ended == REFUSED {
                println!(
                    "skipped: a_fork_in_another_namespace_does_not_let_the_end_go needs unshare(CLONE_NEWPID)"
                );
                return;
            }
            assert_eq!(ended, KEPT);
        },
    );
}
