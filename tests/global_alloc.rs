//! `PoolAlloc` as the global allocator of this whole program, its harness included.
#![allow(missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{RwLock, mpsc};
use std::thread;

use framepool::PoolAlloc;

framepool::pool!(static SMALL: [128; 4096], caches = false);

/// [`System`], and how many of its allocations are alive.
struct Counting;

static PASSED_ON: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls go to `System`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PASSED_ON.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        assert!(!SMALL.contains(at), "a block was passed on");
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static GLOBAL: PoolAlloc<Counting> = PoolAlloc::new(&SMALL, Counting);

/// Miri is a thousand times slower.
const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };

/// Locked for writing by tests that count blocks or need one, for reading by tests that hold many.
static ALONE: RwLock<()> = RwLock::new(());

fn in_pool<T>(at: *const T) -> bool {
    SMALL.contains(at.cast())
}

#[test]
fn what_fits_is_a_block_and_what_does_not_is_passed_on() {
    let _alone = ALONE.write();
    assert!(in_pool(&*Box::new(1_u8)));
    assert!(in_pool(&*Box::new([0_u64; 16])));
    assert!(!in_pool(&*Box::new([0_u64; 17])));

    #[repr(align(256))]
    struct Strict(#[expect(dead_code)] u8);
    assert!(!in_pool(&*Box::new(Strict(0))));
}

#[test]
fn a_vector_stays_in_its_block_then_moves_out_and_keeps_its_bytes() {
    let _alone = ALONE.write();
    let mut bytes = Vec::with_capacity(1);
    bytes.push(0_u8);
    let at = bytes.as_ptr();
    while bytes.len() < 128 {
        bytes.push(bytes.len() as u8);
    }
    assert_eq!(bytes.as_ptr(), at, "grown in place");
    bytes.extend(128..=255);
    assert!(!in_pool(bytes.as_ptr()));
    assert!(bytes.iter().copied().eq(0..=255));
    bytes.truncate(100);
    bytes.shrink_to_fit();
    assert!(bytes.iter().copied().eq(0..100));
}

#[test]
fn zeroed_memory_is_zeros_in_blocks_that_were_used() {
    for _ in 0..100 {
        drop(std::hint::black_box(vec![0xFF_u8; 128]));
        let zeros = std::hint::black_box(vec![0_u8; 100]);
        assert_eq!(zeros, [0; 100]);
    }
}

#[test]
fn an_allocator_of_its_own_serves_from_a_size_on_and_overflows() {
    framepool::pool!(static FEW: [64; 2]);
    static OVER: PoolAlloc<System> = PoolAlloc::new(&FEW, System).at_least(16);
    let [tiny, fits, large] = [8, 16, 65].map(|size| Layout::from_size_align(size, 8).unwrap());
    // SAFETY: layouts are not empty; each address is freed once, with its layout.
    unsafe {
        let small = OVER.alloc(tiny);
        assert!(!FEW.contains(small));
        let [a, b, c] = [
            OVER.alloc(fits),
            OVER.alloc_zeroed(fits),
            OVER.alloc_zeroed(fits),
        ];
        assert_eq!([a, b, c].map(|at| FEW.contains(at)), [true, true, false]);
        assert_eq!(FEW.stats().exhaustions, 1);
        c.write_bytes(3, 16);
        let c = OVER.realloc(c, fits, 65);
        assert_eq!(c.cast::<[u8; 16]>().read(), [3; 16]);
        OVER.dealloc(c, large);
        a.write_bytes(5, 16);
        assert_eq!(OVER.realloc(a, fits, 64), a);
        assert_eq!(
            OVER.realloc(a, Layout::from_size_align(64, 8).unwrap(), 8),
            a
        );
        let moved = OVER.realloc(a, tiny, 65);
        assert!(!FEW.contains(moved));
        assert_eq!(moved.cast::<[u8; 8]>().read(), [5; 8]);
        OVER.dealloc(moved, large);
        OVER.dealloc(b, fits);
        OVER.dealloc(small, tiny);
    }
    assert_eq!(FEW.stats().in_use, 0);
}

#[test]
fn strings_maps_and_threads_work_as_ever() {
    let _together = ALONE.read();
    let (send, receive) = mpsc::channel();
    let workers: Vec<_> = (0..4)
        .map(|who| {
            let send = send.clone();
            thread::Builder::new()
                .name(format!("worker {who}"))
                .spawn(move || {
                    let mut map = HashMap::new();
                    let mut tree = BTreeMap::new();
                    for i in 0..ROUNDS / 10 {
                        map.insert(format!("key {who} {i}"), vec![i; i % 64]);
                        tree.insert(i, "x".repeat(i % 300));
                    }
                    for i in (0..ROUNDS / 10).step_by(2) {
                        assert_eq!(
                            map.remove(&format!("key {who} {i}")).unwrap(),
                            vec![i; i % 64]
                        );
                        assert_eq!(tree.remove(&i).unwrap().len(), i % 300);
                    }
                    send.send((who, map, tree)).unwrap();
                })
                .unwrap()
        })
        .collect();
    drop(send);
    for (who, map, tree) in receive {
        assert_eq!((map.len(), tree.len()), (ROUNDS / 20, ROUNDS / 20));
        assert!(map.keys().all(|key| key.starts_with(&format!("key {who}"))));
    }
    workers
        .into_iter()
        .for_each(|worker| worker.join().unwrap());
}

#[test]
fn a_storm_of_all_sizes_across_threads_keeps_every_byte() {
    let _together = ALONE.read();
    const THREADS: usize = 4;
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
    thread::scope(|scope| {
        for (who, receive) in receivers.into_iter().enumerate() {
            let next = senders[(who + 1) % THREADS].clone();
            scope.spawn(move || {
                let mut random = who as u32;
                for i in 0..ROUNDS {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let size = (random >> 16) as usize % 400 + 1;
                    let mut bytes = vec![size as u8; size];
                    bytes.resize(size * (random as usize % 3 + 1), size as u8);
                    bytes.shrink_to_fit();
                    let _ = next.send(bytes);
                    // What another thread allocated is checked and freed here.
                    for bytes in receive.try_iter().take(i % 4) {
                        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                    }
                }
            });
        }
        drop(senders);
    });
    assert!(PASSED_ON.load(Relaxed) > 0);
    let stats = SMALL.stats();
    assert!(stats.allocations > 0, "{stats}");
}

#[test]
fn threads_that_come_and_go_leave_no_block_behind() {
    let _alone = ALONE.write();
    let spawn = || {
        thread::spawn(|| {
            let text = "local".repeat(5);
            text.len()
        })
        .join()
        .unwrap()
    };
    spawn();
    let before = SMALL.stats().in_use;
    for _ in 0..ROUNDS / 20 {
        assert_eq!(spawn(), 25);
    }
    let after = SMALL.stats().in_use;
    // The harness also allocates, but less than a block per thread.
    assert!(
        after < before + ROUNDS as u64 / 40 + 16,
        "{before} then {after}"
    );
}

#[cfg(feature = "audit")]
#[test]
fn the_audit_names_who_holds_memory_and_allocates_none_of_it_here() {
    let _alone = ALONE.write();
    use framepool::AuditKind;

    let named = thread::Builder::new().name("hoarder".into());
    let kept = named.spawn(|| {
        framepool::pool!(static OTHER: [64; 4]);
        // A thread's name is known after its first handle.
        drop(OTHER.alloc().unwrap());
        Box::new([7_u64; 16])
    });
    let kept = kept.unwrap().join().unwrap();
    let report = SMALL.report();
    let mut held = report.outstanding();
    let place = (&raw const *kept).addr() - SMALL.blocks_ptr().addr().get();
    let id = SMALL.id_at_offset(place).unwrap();
    let held = held.find(|held| held.id() == id).unwrap();
    assert_eq!(held.since().kind(), AuditKind::AllocatedGlobally);
    assert_eq!(held.since().caller(), None);
    assert_eq!(held.since().thread().with_name(str::to_owned), "hoarder");
}
