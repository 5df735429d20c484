//! Releases of external memory that unwind: nothing is lost, and nothing is freed twice.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use framepool::packet::*;

use crate::{in_use, pool};

/// More than a dropped chain gathers at once.
const PACKETS: usize = 40;

/// An owner of external memory, whose release is counted, and may unwind.
#[derive(Default)]
struct Owner {
    releases: Cell<usize>,
    unwinds: bool,
}

impl Owner {
    fn attach<'p>(&self, packet: PacketBuf<'p>) -> PacketBuf<'p> {
        unsafe fn release(memory: &ExternalMemory) {
            // SAFETY: the owner outlives the packet.
            let owner = unsafe { &*memory.owner.cast::<Owner>() };
            owner.releases.set(owner.releases.get() + 1);
            assert!(!owner.unwinds, "as intended");
        }
        let memory = ExternalMemory {
            start: NonNull::dangling(),
            len: 0,
            owner: std::ptr::from_ref(self).cast_mut().cast(),
            release,
        };
        // SAFETY: no bytes; the owner outlives the packet, which stays on this thread.
        unsafe { packet.attach(memory) }.unwrap()
    }
}

/// Frees packets of which the one at `bad` has memory whose release unwinds, every third of the others memory whose
/// release does not, and one in five is a part of a block.
fn check(bad: usize, free: impl for<'p> FnOnce(&'p PacketPool<'static>, Vec<PacketBuf<'p>>)) {
    let packets = pool(256, PACKETS);
    let (good, wrong) = (
        Owner::default(),
        Owner {
            unwinds: true,
            ..Owner::default()
        },
    );
    let mut all = Vec::new();
    let mut attached = 0;
    for i in 0..PACKETS {
        let packet = packets.alloc().unwrap();
        if i == bad {
            all.push(wrong.attach(packet));
        } else if i % 3 == 0 {
            attached += 1;
            all.push(good.attach(packet));
        } else {
            let mut packet = packet;
            packet.append(10).unwrap();
            let tail = (i % 5 == 0).then(|| packet.split_off(5).unwrap());
            all.push(packet);
            all.extend(tail);
        }
    }
    let freed = catch_unwind(AssertUnwindSafe(|| free(&packets, all)));
    assert!(freed.is_err(), "{bad}");
    assert_eq!(
        (good.releases.get(), wrong.releases.get()),
        (attached, 1),
        "{bad}"
    );
    assert_eq!(in_use(&packets), (0, 0), "{bad}");
    let stats = packets.stats();
    assert_eq!(stats.blocks.frees, stats.blocks.allocations, "{bad}");
    let again: Vec<_> = std::iter::from_fn(|| packets.alloc().ok()).collect();
    let mut ids: Vec<_> = again.iter().map(|it| it.offset().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((again.len(), ids.len()), (PACKETS, PACKETS), "{bad}");
}

/// The first, the last, and some between.
const BAD: &[usize] = if cfg!(miri) {
    &[0, 17]
} else {
    &[0, 1, 16, 17, PACKETS - 1]
};

fn burst<'p>(packets: &'p PacketPool<'p>, all: Vec<PacketBuf<'p>>) -> PacketBurst<'p, 64> {
    let mut burst = PacketBurst::new(packets);
    for packet in all {
        burst.push(packet).unwrap();
    }
    burst
}

fn chain<'p>(packets: &'p PacketPool<'p>, all: Vec<PacketBuf<'p>>) -> Chain<'p> {
    let mut chain = Chain::new(packets);
    for packet in all {
        chain.push(packet).unwrap();
    }
    chain
}

#[test]
fn a_burst_is_freed_whole() {
    for &bad in BAD {
        check(bad, |packets, all| drop(burst(packets, all)));
        check(bad, |packets, all| drop(burst(packets, all).into_iter()));
        check(bad, |packets, all| {
            drop(packets.cache().free_burst(burst(packets, all)));
        });
    }
}

#[test]
fn a_drained_burst_keeps_what_is_not_freed() {
    check(17, |packets, all| {
        let mut burst = burst(packets, all);
        let mut cache = packets.cache();
        let before = burst.len();
        let first = catch_unwind(AssertUnwindSafe(|| drop(cache.drain_burst(&mut burst))));
        let left = burst.len();
        assert!(first.is_err() && left > 0 && left < before);
        cache.drain_burst(&mut burst).unwrap();
        assert!(burst.is_empty());
        std::panic::resume_unwind(first.unwrap_err());
    });
}

#[test]
fn a_chain_is_freed_whole() {
    for &bad in BAD {
        check(bad, |packets, all| drop(chain(packets, all)));
        check(bad, |packets, all| {
            drop(packets.cache().free_chain(chain(packets, all)));
        });
        if bad > 0 {
            // The first segment stays.
            check(bad, |packets, all| {
                let mut chain = chain(packets, all);
                chain.trim_back(chain.len()).unwrap();
            });
        }
    }
}

#[test]
fn the_last_handle_of_a_shared_chain_frees_it_whole() {
    for &bad in BAD {
        check(bad, |packets, all| {
            let one = chain(packets, all).share();
            let two = one.try_clone().unwrap();
            drop(one);
            assert_eq!(in_use(packets).0, PACKETS as u64);
            drop(two);
        });
    }
}
