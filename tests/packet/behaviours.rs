//! One packet: room, facts, ends; bursts and blanks.

use framepool::packet::*;
use framepool::{AllocManyError, ConfigError, PushError, Stride};

use crate::{in_use, pool};

framepool::packet_pool!(static STATIC: [512; 16], headroom = 64, side = 4);
framepool::packet_pool!(static NO_SIDE: [512; 4], side = 0, stride = Stride::Exact);

#[test]
fn handles_are_two_words() {
    let word = size_of::<usize>();
    assert_eq!(size_of::<PacketBuf<'_>>(), 2 * word);
    assert_eq!(size_of::<Shared<'_>>(), 2 * word);
    assert!(size_of::<Chain<'_>>() <= 16);
    assert_eq!(size_of::<Option<PacketBuf<'_>>>(), 2 * word);
    assert_eq!(size_of::<PacketMeta>(), 40);
}

#[test]
fn too_little_headroom_is_refused_and_the_packet_stays() {
    let packets = PacketPool::allocate(PacketConfig::new(512, 4).headroom(20)).unwrap();
    let mut packet = packets.alloc_from(b"payload").unwrap();
    let error = packet.prepend(40).unwrap_err();
    assert_eq!((error.needed, error.available), (40, 20));
    assert_eq!((packet.bytes(), packet.headroom()), (&b"payload"[..], 20));
    drop(packet);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn room_is_used_up_to_the_last_byte_and_not_beyond() {
    let packets = PacketPool::allocate(PacketConfig::new(64, 4).headroom(16)).unwrap();
    let mut packet = packets.alloc().unwrap();
    assert_eq!(
        (packet.len(), packet.headroom(), packet.tailroom()),
        (0, 16, 48)
    );
    packet.append(48).unwrap().fill(2);
    assert_eq!(
        packet.append(1).unwrap_err(),
        NoRoom {
            needed: 1,
            available: 0
        }
    );
    assert_eq!(packet.append_slice(&[1]).unwrap_err().needed, 1);
    packet.prepend(16).unwrap().fill(1);
    assert!(packet.prepend(1).is_err() && packet.prepend(usize::MAX).is_err());
    assert_eq!(packet.len(), 64);
    assert!(packet.bytes()[..16].iter().all(|&b| b == 1));
    assert!(packet.bytes()[16..].iter().all(|&b| b == 2));
    assert_eq!(
        packet.trim_front(65).unwrap_err(),
        PastEnd { asked: 65, len: 64 }
    );
    assert_eq!(packet.trim_back(usize::MAX).unwrap_err().len, 64);
    packet.trim_front(64).unwrap();
    assert!(packet.is_empty() && packet.headroom() == 64);
    packet.clear();
    assert_eq!((packet.headroom(), packet.tailroom()), (16, 48));
    packet.append(10).unwrap();
    packet.truncate(11);
    assert_eq!(packet.len(), 10);
    packet.truncate(3);
    assert_eq!(packet.len(), 3);
}

#[test]
fn a_length_is_committed_after_the_bytes_are_written() {
    let packets = pool(256, 2);
    let mut packet = packets.alloc().unwrap();
    packet.tailroom_mut()[..4].copy_from_slice(b"data");
    assert!(packet.is_empty());
    packet.append(4).unwrap();
    assert_eq!(packet.bytes(), b"data");
}

#[test]
fn a_new_packet_has_new_facts() {
    let packets = pool(256, 1);
    let mut packet = packets.alloc().unwrap();
    packet.meta_mut().user = 7;
    packet.meta_mut().timestamp = 8;
    packet.meta_mut().transport_len = 9;
    packet.meta_mut().flags = PacketFlags::all();
    drop(packet);
    assert_eq!(*packets.alloc().unwrap().meta(), PacketMeta::default());
}

#[test]
fn the_windows_of_a_split_packet_do_not_meet() {
    let packets = pool(256, 2);
    let mut head = packets.alloc_from(&[1; 100]).unwrap();
    head.meta_mut().port = 5;
    let headroom = head.headroom();
    let mut tail = head.split_off(60).unwrap();
    assert_eq!((head.len(), tail.len()), (60, 40));
    assert_eq!((head.headroom(), head.tailroom()), (headroom, 0));
    assert_eq!(
        (tail.headroom(), tail.tailroom()),
        (0, 256 - headroom - 100)
    );
    assert_eq!(tail.meta().port, 5);
    assert!(head.append(1).is_err() && tail.prepend(1).is_err());
    head.bytes_mut().fill(2);
    tail.clear();
    assert_eq!(tail.headroom(), headroom.min(256 - headroom - 60));
    tail.tailroom_mut().fill(3);
    assert!(head.bytes().iter().all(|&b| b == 2));
    assert!(!head.is_whole() && !tail.is_whole());
    assert_eq!(in_use(&packets), (1, 1));
    // In either order.
    drop(head);
    assert_eq!(in_use(&packets), (1, 1));
    drop(tail);
    assert_eq!(in_use(&packets), (0, 0));
    let mut head = packets.alloc_from(&[1; 100]).unwrap();
    drop(head.split_off(0).unwrap());
    assert_eq!((in_use(&packets), head.len()), ((1, 0), 0));
    assert!(head.is_whole(), "the block is this packet's alone again");
}

#[test]
fn a_split_without_a_side_line_leaves_the_packet() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 4).side(2)).unwrap();
    let mut packet = packets.alloc_from(&[9; 30]).unwrap();
    assert!(matches!(
        packet.split_off(31),
        Err(SplitError::PastEnd(PastEnd { asked: 31, len: 30 }))
    ));
    let second = packet.split_off(20).unwrap();
    let third = packet.split_off(10).unwrap();
    assert!(matches!(packet.split_off(5), Err(SplitError::Exhausted(_))));
    assert_eq!((packet.len(), second.len(), third.len()), (10, 10, 10));
    drop((packet, second, third));
    assert_eq!(in_use(&packets), (0, 0));
    let mut packet = NO_SIDE.alloc_from(&[1; 4]).unwrap();
    assert_eq!(packet.split_off(2).unwrap_err(), SplitError::NoSideLines);
    assert_eq!(packet.len(), 4);
}

#[test]
fn a_pool_in_a_static_works_as_any_other() {
    let mut all: Vec<_> = (0..16)
        .map(|i| STATIC.alloc_from(&[i; 100]).unwrap())
        .collect();
    assert!(matches!(
        STATIC.alloc_from(b""),
        Err(FromBytesError::Exhausted(_))
    ));
    let parts: Vec<_> = all[..4]
        .iter_mut()
        .map(|p| p.split_off(50).unwrap())
        .collect();
    assert!(matches!(all[4].split_off(1), Err(SplitError::Exhausted(_))));
    assert!(
        all.iter()
            .enumerate()
            .all(|(i, p)| p.bytes().iter().all(|&b| b == i as u8))
    );
    assert!(
        parts
            .iter()
            .enumerate()
            .all(|(i, p)| p.bytes() == [i as u8; 50])
    );
    drop((all, parts));
    assert_eq!(in_use(&STATIC), (0, 0));
    assert!(matches!(
        STATIC.alloc_from(&[0; 449]),
        Err(FromBytesError::NoRoom(_))
    ));
    assert_eq!(in_use(&STATIC), (0, 0));
}

#[test]
fn a_packet_of_another_pool_is_refused_and_given_back() {
    let (one, two) = (pool(256, 2), pool(256, 2));
    let mut cache = one.cache();
    let packet = two.alloc_from(b"two").unwrap();
    let packet = cache.free(packet).unwrap_err().into_inner();
    let packet = one.free(packet).unwrap_err().into_inner();
    assert_eq!(packet.bytes(), b"two");
    let mut burst = PacketBurst::<4>::new(&one);
    let Err(PushError::WrongPool(packet)) = burst.push(packet) else {
        panic!("it is of another pool");
    };
    two.free(packet).unwrap();
    let burst = two.alloc_burst::<2>(2).unwrap();
    let burst = cache.free_burst(burst).unwrap_err().into_inner();
    let mut burst = one.free_burst(burst).unwrap_err().into_inner();
    assert!(cache.drain_burst(&mut burst).is_err());
    assert_eq!(burst.len(), 2);
    drop(burst);
    let blank = two.alloc_blank().unwrap();
    let blank = cache.free_blank(blank).unwrap_err().into_inner();
    let mut raw = RawBurst::<4>::empty(&one);
    assert!(matches!(raw.push(blank), Err(PushError::WrongPool(_))));
    let raw = two.alloc_raw_burst::<2>(2).unwrap();
    let mut raw = cache.free_raw_burst(raw).unwrap_err().into_inner();
    assert!(cache.drain_raw_burst(&mut raw).is_err() && raw.len() == 2);
    drop(raw);
    assert_eq!((in_use(&one), in_use(&two)), ((0, 0), (0, 0)));
}

#[test]
fn bursts_free_what_shares_a_block_and_what_does_not() {
    let packets = pool(256, 64);
    let mut cache = packets.cache();
    let mut burst = cache.alloc_burst::<8>(6).unwrap();
    let mut packet = burst.pop().unwrap();
    packet.append(20).unwrap();
    let part = packet.split_off(10).unwrap();
    burst.push(packet).unwrap();
    burst.push(part).unwrap();
    assert_eq!(
        (burst.len(), burst.bytes(6).map(<[u8]>::len)),
        (7, Some(10))
    );
    cache.drain_burst(&mut burst).unwrap();
    assert!(burst.is_empty());
    cache.flush();
    assert_eq!(in_use(&packets), (0, 0));
    let mut burst = packets.alloc_burst::<8>(8).unwrap();
    assert!(matches!(
        burst.push(packets.alloc().unwrap()),
        Err(PushError::Full(_))
    ));
    let mut some = burst.into_iter();
    assert_eq!(some.len(), 8);
    drop(some.next());
    drop(some);
    assert_eq!(in_use(&packets), (0, 0));
    let mut burst = packets.alloc_up_to::<8>(20);
    assert_eq!(burst.len(), 8);
    // SAFETY: new packets have their blocks to themselves.
    unsafe { cache.drain_burst_unshared(&mut burst) }.unwrap();
    drop(burst);
    assert!(matches!(
        cache.alloc_burst::<8>(9),
        Err(AllocManyError::TooMany {
            requested: 9,
            limit: 8
        })
    ));
    cache.flush();
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_blank_becomes_a_packet_where_the_device_wrote() {
    let packets = pool(512, 4);
    let mut blank = packets.alloc_blank().unwrap();
    blank.bytes_mut()[256..260].copy_from_slice(b"ping");
    let past = blank.receive(510..513, PacketMeta::default()).unwrap_err();
    let end = PastEnd {
        asked: 513,
        len: 512,
    };
    assert_eq!(*past.reason(), RangeError::PastEnd(end));
    #[allow(clippy::reversed_empty_ranges)]
    let backwards = (past.into_inner())
        .receive(5..4, PacketMeta::default())
        .unwrap_err();
    assert_eq!(
        *backwards.reason(),
        RangeError::Reversed { start: 5, end: 4 }
    );
    assert_eq!(backwards.to_string(), "the range starts at 5 and ends at 4");
    let mut packet = backwards
        .into_inner()
        .receive(256..260, PacketMeta::default())
        .unwrap();
    assert_eq!(
        (packet.bytes(), packet.headroom(), packet.tailroom()),
        (&b"ping"[..], 256, 252)
    );
    packet.prepend_slice(b"14 bytes more ").unwrap();
    assert_eq!(packet.offset().unwrap() % packets.stride(), 242);
    assert!(
        packets
            .find(packet.bytes().as_ptr())
            .is_some_and(|(_, at)| at == 242)
    );
    let empty = packets.alloc_blank().unwrap().into_packet();
    assert_eq!((empty.len(), empty.headroom()), (0, 128));
    drop((packet, empty));
    let raw = packets.alloc_raw_burst::<4>(4).unwrap();
    let ids: Vec<_> = raw.ids().collect();
    // A device that returns lengths past the block is cut.
    let burst = raw.receive(|i, id| {
        assert_eq!(id, ids[i]);
        (i * 200..i * 200 + 100, PacketMeta::default())
    });
    let lengths: Vec<_> = burst.iter().map(|p| p.len()).collect();
    assert_eq!(lengths, [100, 100, 100, 0]);
    drop(burst);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn shapes_that_cannot_be_are_refused_with_the_facts() {
    let refused = |config: PacketConfig| PacketPool::allocate(config).unwrap_err();
    assert_eq!(
        refused(PacketConfig::new(65_536, 4)),
        PacketPoolError::Config(ConfigError::BlockTooLarge {
            asked: 65_536,
            max: 65_535
        })
    );
    assert_eq!(
        refused(PacketConfig::new(64, 4).headroom(65)),
        PacketPoolError::Headroom {
            headroom: 65,
            block_size: 64
        }
    );
    assert!(matches!(
        refused(PacketConfig::new(64, 4).side(usize::MAX)),
        PacketPoolError::TooManyLines { .. } | PacketPoolError::Config(_)
    ));
    assert_eq!(
        refused(PacketConfig::new(0, 4)),
        PacketPoolError::Config(ConfigError::ZeroBlockSize)
    );
    assert_eq!(
        refused(PacketConfig::fill(64)),
        PacketPoolError::Config(ConfigError::ZeroBlocks)
    );
    let mut memory = [std::mem::MaybeUninit::uninit(); 1000];
    let error = PacketPool::new(&mut memory, PacketConfig::new(512, 4)).unwrap_err();
    assert!(matches!(
        error,
        PacketPoolError::Config(ConfigError::RegionTooSmall {
            required: 2048..,
            available: 1000
        })
    ));
    let largest = PacketPool::allocate(PacketConfig::new(65_535, 2).headroom(65_535)).unwrap();
    let mut packet = largest.alloc().unwrap();
    packet.prepend(65_535).unwrap().fill(1);
    assert_eq!(
        (packet.len(), packet.headroom(), packet.tailroom()),
        (65_535, 0, 0)
    );
}

#[test]
fn regions_are_filled_and_aligned() {
    // Under Miri, every byte that is zeroed takes long.
    let (skips, size): (&[usize], _) = if cfg!(miri) {
        (&[1], 4000)
    } else {
        (&[0, 1, 63, 64], 40_000)
    };
    for &skip in skips {
        let mut memory = Box::new_uninit_slice(size);
        let packets = PacketPool::new(&mut memory[skip..], PacketConfig::fill(512)).unwrap();
        // 512 bytes of block, 72 of metadata, a quarter of 68, and the headers.
        let least = (size - 1200) / 640;
        assert!(packets.capacity() >= least, "{}", packets.capacity());
        let all: Vec<_> = std::iter::from_fn(|| packets.alloc().ok()).collect();
        assert_eq!(all.len(), packets.capacity());
        assert!(
            all.iter()
                .all(|p| (p.bytes().as_ptr().addr() - 128) % 64 == 0)
        );
        packets.prefault();
    }
}

#[test]
fn a_packet_that_is_replaced_is_freed_once() {
    let packets = pool(256, 4);
    let mut held = packets.alloc_from(b"one").unwrap();
    let frees = packets.stats().blocks.frees;
    let old = std::mem::replace(&mut held, packets.alloc_from(b"two").unwrap());
    assert_eq!((old.bytes(), held.bytes()), (&b"one"[..], &b"two"[..]));
    held = old;
    assert_eq!(
        (held.bytes(), packets.stats().blocks.frees),
        (&b"one"[..], frees + 1)
    );
    assert_eq!(in_use(&packets), (1, 0));
    drop(held);
    assert_eq!(packets.stats().blocks.frees, frees + 2);
}

#[test]
fn writes_to_all_of_a_packet_leave_its_neighbours() {
    let packets = pool(256, 3);
    let mut all: Vec<_> = (0..3)
        .map(|i| packets.alloc_from(&[i; 150]).unwrap())
        .collect();
    let middle = &mut all[1];
    let (front, back) = (middle.headroom(), middle.tailroom());
    middle.prepend(front).unwrap().fill(0xFF);
    middle.append(back).unwrap().fill(0xFF);
    assert_eq!(middle.len(), 256);
    assert!(all[0].bytes().iter().all(|&b| b == 0) && all[2].bytes().iter().all(|&b| b == 2));
}
