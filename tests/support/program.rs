//! Programs that run on a global allocator over pools: tests for each of them. The program has `pools()`, installed by
//! the first call, and `served()`, the number of requests that they served.

use std::collections::{BTreeMap, HashMap};
use std::sync::{RwLock, mpsc};
use std::thread;

use crate::{pools, served};

/// Miri is a thousand times slower.
pub const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };

/// Locked for writing by tests that count blocks or need one, for reading by tests that may take all of them.
pub static ALONE: RwLock<()> = RwLock::new(());

#[test]
fn strings_maps_and_threads_work_as_ever() {
    let _together = ALONE.read();
    pools();
    let (send, receive) = mpsc::channel();
    let workers: Vec<_> = (0..4)
        .map(|who| {
            let send = send.clone();
            let work = move || {
                let mut map = HashMap::new();
                let mut tree = BTreeMap::new();
                for i in 0..ROUNDS / 10 {
                    map.insert(format!("key {who} {i}"), vec![i; i % 64]);
                    tree.insert(i, "x".repeat(i % 300));
                }
                for i in (0..ROUNDS / 10).step_by(2) {
                    let removed = map.remove(&format!("key {who} {i}")).unwrap();
                    assert_eq!(removed, vec![i; i % 64]);
                    assert_eq!(tree.remove(&i).unwrap().len(), i % 300);
                }
                send.send((who, map, tree)).unwrap();
            };
            let named = thread::Builder::new().name(format!("worker {who}"));
            named.spawn(work).unwrap()
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
    assert!(served() as usize > ROUNDS / 4, "{}", served());
}

#[test]
fn a_storm_of_all_sizes_across_threads_keeps_every_byte() {
    const THREADS: usize = 4;
    let _together = ALONE.read();
    pools();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..THREADS).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
    thread::scope(|scope| {
        for (who, receive) in receivers.into_iter().enumerate() {
            let next = senders[(who + 1) % THREADS].clone();
            scope.spawn(move || {
                let mut random = who as u32;
                for i in 0..ROUNDS / 2 {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let most = if i % 2 == 0 { 400 } else { 1500 };
                    let size = (random >> 16) as usize % most + 1;
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
}

#[test]
fn zeroed_memory_is_zeros_in_blocks_that_were_used() {
    pools();
    for size in [64, 100, 200, 1000] {
        for _ in 0..10 {
            drop(std::hint::black_box(vec![0xFF_u8; size]));
            let zeros = std::hint::black_box(vec![0_u8; size]);
            assert!(zeros.iter().all(|byte| *byte == 0));
        }
    }
}

#[cfg(feature = "audit")]
#[test]
#[cfg_attr(miri, ignore = "records of every block take a minute")]
fn the_audit_names_threads_only_outside_of_the_allocator() {
    use framepool::AuditKind;

    let _alone = ALONE.write();
    pools();
    let named = thread::Builder::new().name("hoarder".into());
    let kept = named.spawn(|| {
        framepool::pool!(static OTHER: [64; 4]);
        // A thread's name is known after its first handle.
        drop(OTHER.alloc().unwrap());
        let kept = Box::new([7_u64; 16]);
        // Exchanges with the depot, which the audit records.
        drop((0..3000).map(|i| vec![i; 8]).collect::<Vec<_>>());
        kept
    });
    let kept = kept.unwrap().join().unwrap();
    let at: *const u8 = (&raw const *kept).cast();
    let pool = pools().into_iter().find(|pool| pool.contains(at)).unwrap();
    let id = pool.id_at_offset(at.addr() - pool.blocks_ptr().addr().get());
    let report = pool.report();
    let mut held = report.outstanding();
    let held = held.find(|held| Some(held.id()) == id).unwrap();
    assert_eq!(held.since().kind(), AuditKind::AllocatedGlobally);
    assert_eq!(held.since().caller(), None);
    assert_eq!(held.since().thread().with_name(str::to_owned), "hoarder");
}
