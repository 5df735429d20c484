//! Reservations of packets: nobody else takes them, and they return.

use std::mem::MaybeUninit;

use framepool::packet::*;
use framepool::{ConfigError, ReserveError};

use crate::{in_use, pool};

/// All packets that a pool has left.
fn rest<'p>(packets: &'p PacketPool<'p>) -> Vec<PacketBuf<'p>> {
    std::iter::from_fn(|| packets.alloc().ok()).collect()
}

#[test]
fn reception_cannot_starve_transmission() {
    let packets = pool(256, 32);
    {
        let tx = packets.reserve(4, 2).unwrap();
        assert_eq!((tx.quota(), tx.parent().capacity()), (4, 32));
        let received = rest(&packets);
        assert_eq!(received.len(), 28);
        for _ in 0..3 {
            let sent = rest(&tx);
            assert_eq!((sent.len(), in_use(&tx)), (4, (4, 0)));
            // Packets return to their reservation, on whichever thread they are dropped.
            std::thread::scope(|s| {
                s.spawn(move || drop(sent));
            });
            assert!(packets.alloc().is_err() && tx.available() == 4);
        }
        drop(received);
        assert_eq!(packets.stats().blocks.reserved, 4);
    }
    let stats = packets.stats();
    assert_eq!((stats.blocks.reserved, stats.blocks.free), (0, 32));
    assert_eq!(
        stats.side.map(|side| (side.reserved, side.free)),
        Some((0, 8))
    );
    assert_eq!(rest(&packets).len(), 32);
}

#[test]
fn reserved_packets_are_split_shared_and_chained_like_any_others() {
    let packets = pool(256, 16);
    let tx = packets.reserve(3, 2).unwrap();
    let others = packets.reserve(3, 2).unwrap();
    let mut head = tx.alloc_from(b"head body tail").unwrap();
    let mut body = head.split_off(5).unwrap();
    let tail = body.split_off(5).unwrap().share();
    let no_more = body.split_off(2).unwrap_err();
    assert!(matches!(no_more, SplitError::Exhausted(_)));
    // The side lines of others are free.
    let mut other = others.alloc_from(b"other").unwrap();
    let rest = other.split_off(2).unwrap();
    assert_eq!((other.bytes(), rest.bytes()), (&b"ot"[..], &b"her"[..]));
    let mut chain = Chain::from(head);
    chain.push(body).unwrap();
    let (packet, reason) = chain.push(other).unwrap_err().into_parts();
    assert_eq!(reason, ChainError::WrongPool);
    let packet = packets.free(packet).unwrap_err().into_inner();
    others.free(packet).unwrap();
    let mut bytes = [0; 10];
    assert_eq!(chain.copy_to(0, &mut bytes), 10);
    assert_eq!((&bytes, tail.bytes()), (b"head body ", &b"tail"[..]));
    assert_eq!(
        (in_use(&tx), in_use(&others), in_use(&packets)),
        ((1, 2), (1, 1), (0, 0))
    );
    drop((chain, tail, rest));
    assert_eq!((in_use(&tx), in_use(&others)), ((0, 0), (0, 0)));
    let mut cache = tx.cache();
    let burst = cache.alloc_burst::<4>(3).unwrap();
    cache.free_burst(burst).unwrap();
}

#[test]
fn a_reserved_packet_has_the_place_and_the_line_that_it_has_in_the_parent() {
    let packets = pool(256, 8);
    let mut values = [0u32; 8 + 4];
    let table = PrivateData::new(&packets, &mut values).unwrap();
    let (tx, rx) = (packets.reserve(4, 2).unwrap(), &packets);
    let mut all: Vec<_> = rest(&tx).into_iter().chain(rest(rx)).collect();
    let part = all[0].append(8).map(drop).map(|()| all[0].split_off(4));
    all.push(part.unwrap().unwrap());
    for (i, packet) in all.iter_mut().enumerate() {
        packet.meta_mut().user = i as u64;
        *table.get_mut(packet).unwrap() = i as u32;
    }
    let mut offsets: Vec<_> = all[..8].iter().map(|it| it.offset().unwrap()).collect();
    offsets.sort_unstable();
    let places: Vec<_> = (0..8)
        .map(|i| i * packets.stride() + packets.headroom())
        .collect();
    assert_eq!(offsets, places);
    for (i, packet) in all.iter().enumerate() {
        assert_eq!(
            (packet.meta().user, table.get(packet)),
            (i as u64, Some(&(i as u32)))
        );
    }
    let foreign = pool(256, 8);
    assert!(table.get(&foreign.alloc().unwrap()).is_none());
}

#[test]
fn what_cannot_be_reserved_changes_nothing() {
    let packets = pool(256, 8);
    let refused = |n, side| packets.reserve(n, side).unwrap_err();
    let none = PacketReserveError::Blocks(ReserveError::Config(ConfigError::ZeroBlocks));
    assert_eq!(refused(0, 1), none);
    for (blocks, lines) in [(9, 0), (8, 5)] {
        let error = match refused(blocks, lines) {
            PacketReserveError::Blocks(error) if blocks > 8 => error,
            PacketReserveError::SideLines(error) => error,
            other => panic!("{other}"),
        };
        assert!(matches!(error, ReserveError::Exhausted(_)));
    }
    let config = PacketConfig::new(256, 4).side(0);
    let unsplit = PacketPool::allocate(config).unwrap();
    let error = unsplit.reserve(1, 1).unwrap_err();
    assert_eq!(error, PacketReserveError::NoSideLines);
    let tx = unsplit.reserve(4, 0).unwrap();
    let mut packet = tx.alloc_from(b"whole").unwrap();
    assert_eq!(packet.split_off(1).unwrap_err(), SplitError::NoSideLines);
    // Too little memory for the metadata of the blocks, and then for that of the side lines.
    let mut metadata = [MaybeUninit::uninit(); 4096];
    let size = packets.reservation_size();
    let mut failed = [false; 2];
    let step = if cfg!(miri) { 97 } else { 1 };
    for len in (0..size).step_by(step).chain([size]) {
        match packets.reserve_in(&mut metadata[..len], 3, 3) {
            Ok(tx) => assert_eq!((tx.quota(), rest(&tx).len()), (3, 3)),
            Err(PacketReserveError::Blocks(_)) if len < size => failed[0] = true,
            Err(PacketReserveError::SideLines(_)) if len < size => failed[1] = true,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(failed, [true; 2]);
    let stats = packets.stats();
    assert_eq!(
        (stats.blocks.free, stats.side.map(|side| side.free)),
        (8, Some(4))
    );
}

framepool::packet_pool!(static PACKETS: [256; 16]);

#[test]
fn what_devices_have_of_a_reservation_that_ended_is_the_parents_to_reclaim() {
    let packets = &PACKETS;
    let mut metadata = [MaybeUninit::uninit(); 2048];
    let tx = packets.reserve_in(&mut metadata, 4, 2).unwrap();
    let mut head = tx.alloc_from(b"head body").unwrap();
    let body = head.split_off(5).unwrap();
    // SAFETY: there is no device.
    unsafe {
        drop(head.lend_unchecked(Direction::ToDevice, &Coherent).unwrap());
        drop(body.lend_unchecked(Direction::ToDevice, &Coherent).unwrap());
    }
    // SAFETY: there is no device.
    let mut queue = unsafe { RxQueue::new(&tx, Coherent) }.unwrap();
    let mut raw = tx.alloc_raw_burst::<4>(2).unwrap();
    queue.post_burst(&mut raw, |_| ()).unwrap();
    assert_eq!((tx.available(), packets.lent()), (1, 0));
    drop((raw, queue));
    drop(tx);
    assert_eq!(in_use(packets), (3, 1));
    // SAFETY: there is no device.
    assert_eq!(unsafe { packets.reclaim() }, 4);
    assert_eq!(
        (in_use(packets), packets.lent(), rest(packets).len()),
        ((0, 0), 0, 16)
    );
}

#[test]
fn a_reservation_of_a_reservation_returns_to_it() {
    let packets = pool(256, 8);
    let half = packets.reserve(4, 4).unwrap();
    {
        let quarter = half.reserve(2, 1).unwrap();
        assert_eq!((rest(&half).len(), rest(&packets).len()), (2, 4));
        let mut packet = quarter.alloc_from(b"data").unwrap();
        assert_eq!(packet.split_off(1).unwrap().bytes(), b"ata");
    }
    assert_eq!((rest(&half).len(), rest(&packets).len()), (4, 4));
    drop(half);
    assert_eq!(rest(&packets).len(), 8);
}
