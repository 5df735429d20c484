//! Packets at a device, with a model of a data cache; external memory.

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use framepool::packet::*;
use framepool::{FreeErrorKind, PoolConfig, Stride};

use crate::{in_use, pool};

/// A data cache that the device does not see: notes what is done to which range, in order.
#[derive(Default)]
struct Cache {
    log: RefCell<Vec<(&'static str, usize, usize)>>,
}

impl Cache {
    fn note(&self, what: &'static str, start: usize, len: usize) {
        self.log.borrow_mut().push((what, start, len));
    }

    fn take(&self) -> Vec<(&'static str, usize, usize)> {
        self.log.take()
    }
}

impl CacheMaintenance for Cache {
    const GRANULE: usize = 32;

    fn clean(&self, start: NonNull<u8>, len: usize) {
        self.note("clean", start.addr().get(), len);
    }

    fn invalidate(&self, start: NonNull<u8>, len: usize) {
        assert_eq!((start.addr().get() % 32, len % 32), (0, 0), "shares a line");
        self.note("invalidate", start.addr().get(), len);
    }

    fn barrier(&self) {
        self.note("barrier", 0, 0);
    }
}

#[test]
fn a_freed_block_that_is_dirty_in_the_cache_is_discarded_before_and_after() {
    let packets = pool(1536, 4);
    let cache = Cache::default();
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&packets, &cache) }.unwrap();
    let mut dirty = packets.alloc().unwrap();
    dirty.append(1280).unwrap().fill(0xEE);
    drop(dirty);
    let blank = packets.alloc_blank().unwrap();
    let start = packets.blocks_ptr().addr().get() + blank.offset();
    let offset = queue.post(blank).unwrap();
    let around = ("invalidate", start, 1536);
    assert_eq!(cache.take(), [around, ("barrier", 0, 0)]);
    let packet = queue.complete(offset, 100, PacketMeta::default()).unwrap();
    assert_eq!(cache.take(), [around, ("barrier", 0, 0)]);
    assert_eq!((packet.len(), queue.stats().completed), (100, 1));
}

#[test]
fn a_frame_over_three_descriptors_is_a_chain_and_each_block_is_discarded() {
    let config = PacketConfig::of(PoolConfig::new(608, 8).align(32).stride(Stride::Exact));
    let packets = PacketPool::allocate(config.headroom(0)).unwrap();
    let cache = Cache::default();
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&packets, &cache) }.unwrap();
    let mut between = Vec::new();
    let offsets: Vec<_> = (0..3)
        .map(|_| {
            let offset = queue.post(packets.alloc_blank().unwrap()).unwrap();
            // So that the blocks are not neighbours.
            between.push(packets.alloc().unwrap());
            offset
        })
        .collect();
    cache.take();
    // 1,518 bytes: the last descriptor has the length of the frame less that of the others.
    let mut frame = Chain::new(&packets);
    for (i, &offset) in offsets.iter().enumerate() {
        let len = if i < 2 { 608 } else { 1518 - frame.len() };
        frame
            .push(queue.complete(offset, len, PacketMeta::default()).unwrap())
            .unwrap();
    }
    let start = packets.blocks_ptr().addr().get();
    let expected: Vec<_> = offsets
        .iter()
        .flat_map(|o| [("invalidate", start + o, 608), ("barrier", 0, 0)])
        .collect();
    assert_eq!(cache.take(), expected);
    let lengths: Vec<_> = frame.iter().map(|s| s.len()).collect();
    assert_eq!((lengths, frame.len()), (vec![608, 608, 302], 1518));
}

#[test]
fn blocks_that_share_a_line_are_refused() {
    let config = PacketConfig::of(PoolConfig::new(600, 8).align(8).stride(Stride::Exact));
    let packets = PacketPool::allocate(config).unwrap();
    // SAFETY: there is no device.
    let refused = unsafe { RxQueue::new(&packets, Cache::default()) }.unwrap_err();
    assert_eq!(
        refused,
        DmaError::SharesLine {
            granule: 32,
            align: 8
        }
    );
    let cache = Cache::default();
    let mut packet = packets.alloc().unwrap();
    packet.append(64).unwrap();
    let part = packet.split_off(3).unwrap();
    // SAFETY: there is no device.
    let part = unsafe { part.lend_unchecked(Direction::FromDevice, &cache) }.unwrap_err();
    assert!(matches!(
        part.reason(),
        DmaError::SharesLine { granule: 32, .. }
    ));
    let part = part.into_inner();
    // What a device only reads may share lines.
    // SAFETY: as above.
    let at_device = unsafe { part.lend_unchecked(Direction::ToDevice, &cache) }.unwrap();
    assert_eq!((at_device.len(), at_device.offset().is_some()), (61, true));
    // SAFETY: as above.
    let part = unsafe { at_device.complete(&cache) };
    assert_eq!(part.len(), 61);
    assert_eq!(
        cache.take().iter().map(|entry| entry.0).collect::<Vec<_>>(),
        ["clean", "barrier"]
    );
}

#[test]
fn memory_out_of_reach_is_refused() {
    struct Near;
    impl CacheMaintenance for Near {
        const GRANULE: usize = 1;
        fn clean(&self, _: NonNull<u8>, _: usize) {}
        fn invalidate(&self, _: NonNull<u8>, _: usize) {}
        fn barrier(&self) {}
        fn reaches(&self, _: NonNull<u8>, len: usize) -> bool {
            len < 1000
        }
    }
    let packets = pool(512, 2);
    // SAFETY: there is no device.
    unsafe {
        assert_eq!(
            RxQueue::new(&packets, Near).unwrap_err(),
            DmaError::OutOfReach
        );
        assert_eq!(
            TxQueue::new(&packets, Near).unwrap_err(),
            DmaError::OutOfReach
        );
    }
}

#[test]
fn wrong_completions_are_counted_and_no_block_is_lost() {
    let packets = pool(512, 8);
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&packets, Coherent) }.unwrap();
    let offset = queue.post(packets.alloc_blank().unwrap()).unwrap();
    let facts = PacketMeta::default();
    let refused = queue
        .complete(offset + packets.stride(), 4, facts)
        .unwrap_err();
    assert!(matches!(
        refused.reason(),
        CompletionFault::NotPosted { .. }
    ));
    assert!(refused.into_inner().is_none());
    // A descriptor of length 0 is no packet; its block can be posted again.
    let (blank, reason) = queue.complete(offset, 0, facts).unwrap_err().into_parts();
    assert_eq!(reason, CompletionFault::Empty);
    let offset = queue.post(blank.unwrap()).unwrap();
    let (blank, reason) = queue
        .complete(offset + 500, 13, facts)
        .unwrap_err()
        .into_parts();
    assert_eq!(reason, CompletionFault::TooLong { len: 13, room: 12 });
    let offset = queue.post(blank.unwrap()).unwrap();
    let packet = queue.complete(offset + 500, 12, facts).unwrap();
    assert_eq!((packet.len(), packet.tailroom(), queue.len()), (12, 0, 0));
    drop(packet);
    // Twice, out of range, and some that are right.
    let mut ring = Vec::new();
    let mut raw = packets.alloc_raw_burst::<4>(4).unwrap();
    queue
        .post_burst(&mut raw, |offset| ring.push(offset))
        .unwrap();
    let mut received = PacketBurst::<8>::new(&packets);
    let lengths = [0, 60, 600, 60, 60, 60];
    let offsets = [ring[0], ring[1], ring[2], ring[1], usize::MAX, ring[3]];
    let all = offsets
        .into_iter()
        .zip(lengths)
        .map(|(offset, len)| (offset, len, facts));
    assert_eq!(queue.complete_burst(all, &mut received), 6);
    assert_eq!(
        (
            received.len(),
            queue.stats().faults,
            queue.stats().completed
        ),
        (2, 7, 3)
    );
    drop((received, queue));
    assert_eq!((in_use(&packets), packets.lent()), ((0, 0), 0));
}

#[test]
fn a_queue_that_is_dropped_leaves_its_blocks_until_they_are_reclaimed() {
    let mut packets = pool(512, 8);
    // SAFETY: there is no device, and the pool lives to the end of the test.
    let mut rx = unsafe { RxQueue::new(&packets, Coherent) }.unwrap();
    // SAFETY: as above.
    let mut tx = unsafe { TxQueue::new(&packets, Coherent) }.unwrap();
    for _ in 0..3 {
        rx.post(packets.alloc_blank().unwrap()).unwrap();
    }
    tx.post(packets.alloc_from(b"one").unwrap()).unwrap();
    drop((rx, tx));
    let mut packet = packets.alloc_from(b"head, tail").unwrap();
    let tail = packet.split_off(4).unwrap();
    // SAFETY: as above.
    drop(unsafe { tail.lend_unchecked(Direction::ToDevice, &Coherent) });
    // SAFETY: as above.
    drop(unsafe { packet.lend_unchecked(Direction::ToDevice, &Coherent) });
    assert_eq!((packets.lent(), in_use(&packets)), (6, (5, 1)));
    assert_eq!(packets.reset().unwrap_err().outstanding, 6);
    // SAFETY: as above.
    assert_eq!(unsafe { packets.reclaim() }, 6);
    assert_eq!((packets.lent(), in_use(&packets)), (0, (0, 0)));
    packets.reset().unwrap();
    // SAFETY: as above. All 64 numbers are free again.
    let queues: Vec<_> = (0..65)
        .map(|_| unsafe { TxQueue::new(&packets, Coherent) })
        .collect();
    let most = usize::BITS as usize;
    assert!(queues.iter().take(most).all(Result::is_ok));
    assert!(matches!(queues[most], Err(DmaError::TooManyQueues { max }) if max == most));
}

#[test]
fn a_transmit_queue_returns_the_packets_themselves() {
    let (packets, others) = (pool(512, 8), pool(512, 1));
    // SAFETY: there is no device.
    let mut queue = unsafe { TxQueue::new(&packets, Coherent) }.unwrap();
    let mut whole = packets.alloc_from(b"head, tail").unwrap();
    let tail = whole.split_off(4).unwrap();
    let whole = queue.post(whole).unwrap_err();
    assert_eq!(*whole.reason(), DmaError::NotWhole);
    drop(tail);
    let mut whole = whole.into_inner();
    whole.meta_mut().user = 77;
    let descriptor = queue.post(whole).unwrap();
    assert_eq!(
        (descriptor.len, queue.len(), packets.lent() > 0),
        (4, 1, true)
    );
    assert!(
        queue
            .complete(descriptor.offset + packets.stride())
            .is_none()
    );
    let whole = queue.complete(descriptor.offset).unwrap();
    assert_eq!((whole.bytes(), whole.meta().user), (&b"head"[..], 77));
    assert!(queue.complete(descriptor.offset).is_none(), "sent twice");
    // No request, no time.
    let descriptor = queue.post(whole).unwrap();
    let whole = queue.complete_at(descriptor.offset, 5).unwrap();
    assert_eq!((whole.meta().timestamp, queue.stats().faults), (0, 2));
    // An empty packet at the end of its block.
    let mut whole = whole;
    whole.clear();
    let room = whole.tailroom();
    whole.append(room).unwrap();
    whole.trim_front(room).unwrap();
    let descriptor = queue.post(whole).unwrap();
    assert_eq!(descriptor.len, 0);
    let mut sent = PacketBurst::<2>::new(&packets);
    assert_eq!(queue.complete_burst([descriptor.offset, 0], &mut sent), 2);
    assert_eq!(sent.len(), 1);
    let refused = queue.post(others.alloc().unwrap()).unwrap_err();
    assert_eq!(*refused.reason(), DmaError::WrongPool);
    queue.post(packets.alloc().unwrap()).unwrap();
    // SAFETY: there is no device.
    assert_eq!(unsafe { queue.stopped() }, 1);
    drop(sent);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn ten_thousand_tokens_half_of_them_dropped_leave_the_queue_full() {
    let packets = pool(256, 16);
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&packets, Coherent) }.unwrap();
    let mut ring = std::collections::VecDeque::new();
    let rounds = if cfg!(miri) { 50 } else { 10_000 };
    for i in 0..rounds {
        while let Ok(blank) = packets.alloc_blank() {
            ring.push_back(queue.post(blank).unwrap());
        }
        assert_eq!(queue.len(), 16);
        let token = queue
            .complete(ring.pop_front().unwrap(), 60, PacketMeta::default())
            .unwrap();
        if i % 2 == 0 {
            assert_eq!(token.len(), 60);
        }
    }
    // SAFETY: there is no device.
    assert_eq!(unsafe { queue.stopped() }, 15);
}

#[test]
fn a_packet_is_found_by_any_address_in_its_block() {
    let packets = pool(256, 4);
    let packet = packets.alloc_from(b"frame").unwrap();
    let address = packet.into_raw().unwrap();
    assert_eq!(packets.lent(), 1);
    // SAFETY: the address is of this pool, and nothing else uses it.
    let packet = unsafe { packets.packet_from_raw(address.add(100)) }.unwrap();
    assert_eq!(packet.bytes(), b"frame");
    // SAFETY: as above.
    let error = unsafe { packets.packet_from_raw(address) }.unwrap_err();
    assert!(matches!(error.kind(), FreeErrorKind::DoubleFree { .. }));
    let elsewhere = NonNull::from(&error).cast();
    // SAFETY: as above.
    let error = unsafe { packets.packet_from_raw(elsewhere) }.unwrap_err();
    assert!(matches!(error.kind(), FreeErrorKind::ForeignAddress { .. }));
    let mut packet = packet;
    let part = packet.split_off(2).unwrap();
    assert_eq!(*part.into_raw().unwrap_err().reason(), DmaError::NotWhole);
    drop(packet);
    assert_eq!(in_use(&packets), (0, 0));
}

static RELEASED: AtomicUsize = AtomicUsize::new(0);

unsafe fn count(memory: &ExternalMemory) {
    RELEASED.fetch_add(memory.len, Ordering::Relaxed);
}

#[test]
fn external_memory_is_released_once_with_the_last_handle() {
    let packets = pool(256, 4);
    let mut memory = vec![7u8; 1000];
    let external = ExternalMemory {
        start: NonNull::from(&mut memory[..]).cast(),
        len: 1000,
        owner: std::ptr::null_mut(),
        release: count,
    };
    // SAFETY: the vector outlives the packets, and is not used before.
    let mut packet = unsafe { packets.alloc().unwrap().attach(external) }.unwrap();
    assert_eq!(
        (packet.len(), packet.headroom(), packet.offset()),
        (1000, 0, None)
    );
    assert!(packet.is_external() && !packet.is_whole());
    packet.bytes_mut()[0] = 1;
    let tail = packet.split_off(600).unwrap();
    assert_eq!(tail.bytes(), [7; 400]);
    let head = packet.share();
    let clone = head.try_clone().unwrap();
    let slice = clone.slice(1..3).unwrap();
    drop((head, clone, tail));
    assert_eq!(
        (slice.bytes(), RELEASED.load(Ordering::Relaxed)),
        (&[7, 7][..], 0)
    );
    drop(slice);
    assert_eq!(
        (RELEASED.load(Ordering::Relaxed), in_use(&packets)),
        (1000, (0, 0))
    );
    // Its addresses are not left in the block.
    let mut packet = packets.alloc_blank().unwrap();
    assert!(packet.bytes_mut()[..32].iter().all(|&b| b == 0));
    assert_eq!(memory[0], 1);
}

#[test]
fn external_memory_that_does_not_fit_comes_back() {
    let packets = pool(256, 4);
    let refused = packets
        .alloc()
        .unwrap()
        .attach_box(vec![1; 65_536].into())
        .unwrap_err();
    assert_eq!(
        *refused.reason(),
        AttachError::TooLong {
            len: 65_536,
            max: 65_535
        }
    );
    let (packet, slice) = refused.into_inner();
    assert_eq!((packet.len(), slice.len()), (0, 65_536));
    let mut packet = packet.attach_box(vec![2; 10].into()).unwrap();
    let refused = packet.attach_box(vec![1; 5].into()).unwrap_err();
    assert_eq!(*refused.reason(), AttachError::NotWhole);
    packet = refused.into_inner().0;
    packet.trim_front(2).unwrap();
    packet.prepend(1).unwrap()[0] = 9;
    assert_eq!(packet.bytes(), [9, 2, 2, 2, 2, 2, 2, 2, 2]);
    let mut cache = packets.cache();
    cache.free(packet).unwrap();
    let tiny = pool(4, 2);
    let refused = tiny
        .alloc()
        .unwrap()
        .attach_box(vec![1; 5].into())
        .unwrap_err();
    assert!(matches!(
        refused.reason(),
        AttachError::BlockTooSmall { block_size: 4, .. }
    ));
    drop(refused);
    assert_eq!((in_use(&packets), in_use(&tiny)), ((0, 0), (0, 0)));
}

#[test]
fn a_release_that_unwinds_frees_the_block() {
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
    // SAFETY: no bytes.
    let packet = unsafe { packets.alloc().unwrap().attach(external) }.unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(packet)));
    assert!(result.is_err());
    assert_eq!(in_use(&packets), (0, 0));
}
