//! Ends of blocks, of bursts and of slices.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use framepool::packet::*;
use framepool::{PoolConfig, Stride};

use crate::{in_use, pool};

#[test]
fn the_address_of_an_empty_packet_at_the_end_of_its_block_names_that_block() {
    let config = PacketConfig::of(PoolConfig::new(256, 4).stride(Stride::Exact)).headroom(256);
    let packets = PacketPool::allocate(config).unwrap();
    let mut all: Vec<_> = (0..4).map(|_| packets.alloc().unwrap()).collect();
    for (i, packet) in all.iter_mut().enumerate() {
        packet.meta_mut().user = i as u64;
    }
    let raw: Vec<_> = all.into_iter().map(|it| it.into_raw().unwrap()).collect();
    for (i, &address) in raw.iter().enumerate() {
        // SAFETY: the address came from this pool, and nothing uses it.
        let packet = unsafe { packets.packet_from_raw(address) }.unwrap();
        assert_eq!((packet.meta().user, packet.len()), (i as u64, 0));
    }
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn an_iterator_whose_drop_unwinds_does_not_free_what_it_gave_away() {
    unsafe fn panics(_: &ExternalMemory) {
        panic!("as intended");
    }
    let packets = pool(256, 4);
    let external = ExternalMemory {
        start: NonNull::dangling(),
        len: 0,
        owner: std::ptr::null_mut(),
        release: panics,
    };
    let mut burst = PacketBurst::<4>::new(&packets);
    burst.push(packets.alloc_from(b"mine").unwrap()).unwrap();
    // SAFETY: no bytes.
    let bad = unsafe { packets.alloc().unwrap().attach(external) }.unwrap();
    burst.push(bad).unwrap();
    burst.push(packets.alloc().unwrap()).unwrap();
    let mut iter = burst.into_iter();
    let mine = iter.next().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(iter))).is_err());
    let taken: Vec<_> = std::iter::from_fn(|| packets.alloc_from(b"other").ok()).collect();
    assert_eq!((mine.bytes(), taken.len()), (&b"mine"[..], 3));
    drop((mine, taken));
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_packet_that_was_sliced_is_whole_again() {
    let packets = pool(256, 4);
    let shared = packets.alloc_from(b"header body").unwrap().share();
    drop(shared.slice(7..11).unwrap());
    let packet = shared.into_unique().unwrap();
    assert!(packet.is_whole());
    // SAFETY: there is no device.
    let mut queue = unsafe { TxQueue::new(&packets, Coherent) }.unwrap();
    let at = queue.post(packet).unwrap().offset;
    drop(queue.complete(at).unwrap());
    // The only slice that is left: what is split from it does not hold it up.
    let whole = packets.alloc_from(b"header body").unwrap().share();
    let part = whole.slice(7..11).unwrap();
    drop(whole);
    let mut part = part.into_unique().unwrap();
    let rest = part.split_off(2).unwrap();
    assert!(part.share().into_unique().is_ok());
    drop(rest);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_copy_may_use_the_headroom() {
    let packets = pool(512, 4);
    let full = packets
        .alloc_blank()
        .unwrap()
        .receive(0..512, PacketMeta::default());
    let one = full.unwrap().share();
    let two = one.try_clone().unwrap();
    let copy = two.make_unique(&mut &packets).unwrap();
    assert_eq!((copy.bytes(), copy.headroom()), (one.bytes(), 0));
    let mut chain = Chain::new(&packets);
    for range in [0..200, 0..300] {
        let part = packets.alloc_blank().unwrap();
        chain
            .push(part.receive(range, PacketMeta::default()).unwrap())
            .unwrap();
    }
    drop((one, copy));
    assert_eq!(chain.linearize(&mut &packets).unwrap().headroom(), 12);
}

#[test]
fn the_discarded_lines_of_a_completion_are_waited_for() {
    #[derive(Default)]
    struct Log(RefCell<Vec<&'static str>>);
    impl CacheMaintenance for Log {
        const GRANULE: usize = 32;
        fn clean(&self, _: NonNull<u8>, _: usize) {
            self.0.borrow_mut().push("clean");
        }
        fn invalidate(&self, _: NonNull<u8>, _: usize) {
            self.0.borrow_mut().push("invalidate");
        }
        fn barrier(&self) {
            self.0.borrow_mut().push("barrier");
        }
    }
    let (packets, log) = (pool(512, 4), Log::default());
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&packets, &log) }.unwrap();
    let at = queue.post(packets.alloc_blank().unwrap()).unwrap();
    log.0.take();
    drop(queue.complete(at, 60, PacketMeta::default()));
    assert_eq!(log.0.take(), ["invalidate", "barrier"]);
}

#[test]
fn a_burst_of_another_pool_completes_nothing() {
    let (packets, others) = (pool(256, 4), pool(256, 4));
    // SAFETY: there is no device.
    let (mut rx, mut tx) = unsafe {
        let rx = RxQueue::new(&packets, Coherent).unwrap();
        (rx, TxQueue::new(&packets, Coherent).unwrap())
    };
    let received = rx.post(packets.alloc_blank().unwrap()).unwrap();
    let sent = tx.post(packets.alloc().unwrap()).unwrap().offset;
    let mut wrong = PacketBurst::<4>::new(&others);
    let facts = PacketMeta::default();
    assert_eq!(rx.complete_burst([(received, 60, facts)], &mut wrong), 0);
    assert_eq!(tx.complete_burst([sent], &mut wrong), 0);
    assert_eq!((rx.len(), tx.len()), (1, 1));
    assert!(rx.complete(received, 60, facts).is_ok() && tx.complete(sent).is_some());
}

#[test]
fn a_cache_counts_packets_that_it_refuses() {
    let (packets, others) = (pool(256, 4), pool(256, 4));
    let mut cache = packets.cache();
    let packet = cache
        .free(others.alloc().unwrap())
        .unwrap_err()
        .into_inner();
    let chain = cache
        .free_chain(Chain::from(packet))
        .unwrap_err()
        .into_inner();
    let mut burst = others.alloc_burst::<4>(2).unwrap();
    assert!(cache.drain_burst(&mut burst).is_err());
    assert_eq!(cache.stats().refusals, 3);
    drop((chain, burst));
}

#[test]
fn queues_count_what_they_refuse() {
    let (packets, others) = (pool(256, 4), pool(256, 4));
    // SAFETY: there is no device.
    let (mut rx, mut tx) = unsafe {
        let rx = RxQueue::new(&packets, Coherent).unwrap();
        (rx, TxQueue::new(&packets, Coherent).unwrap())
    };
    let refusals = || packets.stats().blocks.refusals;
    let blank = rx.post(others.alloc_blank().unwrap()).unwrap_err();
    assert_eq!(refusals(), 1);
    let mut burst = others.alloc_raw_burst::<4>(2).unwrap();
    assert!(rx.post_burst(&mut burst, |_| ()).is_err());
    assert_eq!((refusals(), burst.len()), (2, 2));
    let packet = tx.post(others.alloc().unwrap()).unwrap_err();
    assert_eq!(refusals(), 3);
    let mut wrong = PacketBurst::<4>::new(&others);
    assert_eq!(tx.complete_burst([0], &mut wrong), 0);
    assert_eq!((refusals(), others.stats().blocks.refusals), (4, 0));
    drop((blank, burst, packet));
    assert_eq!((in_use(&others), rx.len() + tx.len()), ((0, 0), 0));
}

#[test]
fn a_burst_is_sent_in_order_or_not_at_all() {
    let (packets, others) = (pool(256, 8), pool(256, 8));
    // SAFETY: there is no device.
    let mut queue = unsafe { TxQueue::new(&packets, Coherent) }.unwrap();
    let mut burst = PacketBurst::<8>::new(&packets);
    for len in 1..=4 {
        burst
            .push(packets.alloc_from(&vec![7; len]).unwrap())
            .unwrap();
    }
    let places: Vec<_> = burst
        .iter()
        .map(|it| (it.offset().unwrap(), it.len()))
        .collect();
    let mut ring = Vec::new();
    let mut write = |it: Descriptor| ring.push((it.offset, it.len));
    // One packet that does not have its block to itself keeps all of them.
    let mut split = packets.alloc_from(b"two parts").unwrap();
    let part = split.split_off(4).unwrap();
    burst.push(split).unwrap();
    assert_eq!(
        queue.post_burst(&mut burst, &mut write),
        Err(DmaError::NotWhole)
    );
    assert_eq!((burst.len(), queue.len()), (5, 0));
    drop((burst.pop(), part));
    let mut foreign = others.alloc_burst::<8>(2).unwrap();
    assert_eq!(
        queue.post_burst(&mut foreign, &mut write),
        Err(DmaError::WrongPool)
    );
    assert_eq!((foreign.len(), packets.stats().blocks.refusals), (2, 1));
    assert_eq!(queue.post_burst(&mut burst, &mut write), Ok(()));
    assert_eq!((burst.len(), queue.len(), queue.stats().posted), (0, 4, 4));
    assert_eq!(ring, places);
    let mut sent = PacketBurst::<8>::new(&packets);
    assert_eq!(
        queue.complete_burst(ring.iter().map(|it| it.0), &mut sent),
        4
    );
    assert_eq!(sent.bytes(3), Some(&[7; 4][..]));
}
