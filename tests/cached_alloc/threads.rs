//! Threads: their ends, memory that goes from one to the other, and what comes back into the allocator from inside.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use framepool::{CachedAllocs, Pool};

use crate::classes::{Counting, Memory, assert_all_free};
use crate::direct::allocator;

/// Miri is a thousand times slower.
const THREADS: usize = if cfg!(miri) { 12 } else { 2000 };

#[test]
fn threads_that_end_by_the_thousand_lose_nothing() {
    allocator!(ALL: SMALL [64; 512] LARGE [256; 128]);
    for _ in 0..THREADS / 4 {
        let threads = [0, 1, 2, 3].map(|byte| {
            thread::spawn(move || {
                let mut kept: Vec<_> = (0..10)
                    .map(|i| Memory::of(&ALL, i * 25 + 1, 8).unwrap())
                    .collect();
                kept.iter_mut().for_each(|memory| memory.fill(byte));
                assert!(kept.iter().all(|it| it.is_full_of(byte, it.size())));
            })
        });
        // Not by a scope, which does not wait for the destructors of thread-locals.
        for thread in threads {
            thread.join().unwrap();
        }
    }
    assert_all_free(&[&SMALL, &LARGE]);
    // Later threads use the fronts of earlier ones.
    let fronts = ALL.rest().alive();
    // One may be missed that is released at this moment, so there may be more than threads.
    assert!((1..=16).contains(&fronts), "{fronts}");
    assert_eq!(ALL.profile().served() as usize, THREADS / 4 * 4 * 10);
}

#[test]
fn destructors_of_thread_locals_allocate_and_free() {
    allocator!(ALL: POOL [64; 64]);

    struct Late(Option<Memory<'static>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let more: Vec<_> = (0..9).map(|_| Memory::of(&ALL, 64, 8).unwrap()).collect();
            assert!(more.iter().all(|memory| POOL.contains(memory.at)));
            drop(self.0.take());
        }
    }

    thread_local! {
        static LATE: RefCell<Vec<Late>> = const { RefCell::new(Vec::new()) };
    }

    for first in [true, false] {
        thread::spawn(move || {
            // The order of destructors is not specified; it depends on which was used first.
            if first {
                LATE.with_borrow(|_| ());
            }
            let memory = Memory::of(&ALL, 40, 8);
            LATE.with_borrow_mut(|late| late.push(Late(memory)));
        })
        .join()
        .unwrap();
        assert_all_free(&[&POOL]);
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn a_thread_whose_front_was_given_up_makes_no_other() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    allocator!(ALL: POOL [64; 64]);
    static FRONTS: AtomicUsize = AtomicUsize::new(0);
    /// 1: the thread has given its front up. 2: another one has it. 3: the fronts are counted.
    static STEP: AtomicUsize = AtomicUsize::new(0);

    fn wait_for(step: usize) {
        while STEP.load(SeqCst) < step {
            thread::yield_now();
        }
    }

    /// Allocates while another thread has the front that was given up: a second one would be a second allocation of the
    /// fallback. The C library calls it after the destructors of all thread-locals, so it must not use any.
    unsafe extern "C" fn late(_: *mut libc::c_void) {
        STEP.store(1, SeqCst);
        wait_for(2);
        drop(Memory::of(&ALL, 64, 8));
        FRONTS.store(ALL.rest().alive(), SeqCst);
        STEP.store(3, SeqCst);
    }

    let other = thread::spawn(|| {
        wait_for(1);
        drop(Memory::of(&ALL, 64, 8));
        STEP.store(2, SeqCst);
        wait_for(3);
    });
    thread::spawn(|| {
        drop(Memory::of(&ALL, 64, 8));
        let mut key = 0;
        // SAFETY: the key is made before its value is set, which is not null, so that `late` is called.
        unsafe {
            assert_eq!(libc::pthread_key_create(&raw mut key, Some(late)), 0);
            let value = core::ptr::without_provenance(1);
            assert_eq!(libc::pthread_setspecific(key, value), 0);
        }
    })
    .join()
    .unwrap();
    other.join().unwrap();
    assert_eq!(FRONTS.load(SeqCst), 1);
}

/// Memory that goes to another thread.
struct Sent(Memory<'static>);

// SAFETY: nothing else has it, and allocators are `Sync`.
unsafe impl Send for Sent {}

#[test]
fn what_one_thread_allocates_another_frees() {
    const SENT: usize = if cfg!(miri) { 200 } else { 100_000 };
    allocator!(ALL: SMALL [64; 256] LARGE [256; 64]);
    let (send, receive) = mpsc::sync_channel::<Sent>(16);
    let receiver = thread::spawn(move || {
        let received = receive.iter().inspect(|Sent(memory)| {
            assert!(memory.is_full_of(memory.size() as u8, memory.size()));
        });
        received.count()
    });
    for i in 0..SENT {
        let mut memory = Memory::of(&ALL, i % 255 + 1, 8).unwrap();
        memory.fill(memory.size() as u8);
        send.send(Sent(memory)).unwrap();
    }
    drop(send);
    assert_eq!(receiver.join().unwrap(), SENT);
    ALL.flush();
    assert_all_free(&[&SMALL, &LARGE]);
    assert_eq!(
        ALL.profile().served() as usize + ALL.profile().missed() as usize,
        SENT
    );
}

/// Allocates and frees when woken, and keeps a block.
struct Allocates<const N: usize> {
    all: &'static CachedAllocs<Counting, N>,
    kept: Mutex<Vec<Sent>>,
}

impl<const N: usize> Allocates<N> {
    fn run(&self) {
        drop(Memory::of(self.all, 64, 8));
        let kept = Memory::of(self.all, 64, 8).unwrap();
        self.kept.lock().unwrap().push(Sent(kept));
    }
}

impl<const N: usize> Wake for Allocates<N> {
    fn wake(self: Arc<Self>) {
        self.run();
    }
}

#[test]
fn a_waker_that_allocates_is_served_by_the_depot() {
    allocator!(ALL: POOL [64; 8]);
    let held: Vec<_> = (0..8).map(|_| Memory::of(&ALL, 64, 8).unwrap()).collect();
    assert!(held.iter().all(|memory| POOL.contains(memory.at)));
    let woken = Arc::new(Allocates {
        all: &ALL,
        kept: Mutex::default(),
    });
    let waker = Waker::from(woken.clone());
    let mut waiting = pin!(POOL.alloc_async());
    let poll = waiting.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
    drop(held);
    assert!(!woken.kept.lock().unwrap().is_empty(), "woken by a free");
    let Poll::Ready(block) = waiting.as_mut().poll(&mut Context::from_waker(&waker)) else {
        panic!("blocks are free, and no cache may keep them");
    };
    drop(block);
    woken.kept.lock().unwrap().clear();
    ALL.flush();
    assert_all_free(&[&POOL]);
}

#[test]
fn a_low_water_callback_that_allocates_is_served_by_the_depot() {
    allocator!(ALL: POOL [64; 64]);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static COUNTED: AtomicU64 = AtomicU64::new(0);
    fn called(pool: &Pool<'_>) {
        CALLS.fetch_add(1, Relaxed);
        let before = pool.stats().allocations;
        let all: Vec<_> = (0..3).map(|_| Memory::of(&ALL, 64, 8).unwrap()).collect();
        COUNTED.store(pool.stats().allocations - before, Relaxed);
        assert!(all.iter().all(|memory| POOL.contains(memory.at)));
    }
    POOL.on_low_water(32, called);
    let all: Vec<_> = (0..60).map(|_| Memory::of(&ALL, 1, 1).unwrap()).collect();
    assert_eq!(CALLS.load(Relaxed), 1);
    assert_eq!(COUNTED.load(Relaxed), 3, "at once, as a cache does not");
    drop(all);
    ALL.flush();
    assert_all_free(&[&POOL]);
}

#[cfg(all(unix, not(miri)))]
#[test]
fn a_child_of_fork_allocates_while_the_parents_other_threads_were_inside() {
    allocator!(ALL: POOL [64; 4096]);
    static STOP: AtomicUsize = AtomicUsize::new(0);
    let others: Vec<_> = (0..2)
        .map(|_| {
            thread::spawn(|| {
                while STOP.load(Relaxed) == 0 {
                    let all: [_; 100] = std::array::from_fn(|_| Memory::of(&ALL, 64, 8));
                    drop(all);
                }
            })
        })
        .collect();
    drop(Memory::of(&ALL, 64, 8));
    for _ in 0..20 {
        // SAFETY: the child uses this allocator, which takes no lock, and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let all: [_; 200] = std::array::from_fn(|_| Memory::of(&ALL, 64, 8));
            let served = all.iter().flatten().all(|memory| POOL.contains(memory.at));
            drop(all);
            // SAFETY: ends this process at once.
            unsafe { libc::_exit(i32::from(!served)) };
        }
        let mut status = -1;
        // SAFETY: the status is written here.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0);
    }
    STOP.store(1, Relaxed);
    others.into_iter().for_each(|thread| thread.join().unwrap());
    ALL.flush();
    assert_all_free(&[&POOL]);
}
