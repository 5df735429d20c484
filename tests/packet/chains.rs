//! Packets of several blocks.

use std::ptr::NonNull;

use framepool::packet::*;

use crate::{in_use, pool};

fn bytes(chain: &Chain<'_>) -> Vec<u8> {
    chain
        .iter()
        .flat_map(|segment| segment.bytes().to_vec())
        .collect()
}

#[test]
fn a_segment_trimmed_to_nothing_and_freed_leaves_the_others() {
    let packets = pool(256, 8);
    let mut chain = Chain::new(&packets);
    for text in [b"one", b"two", b"three".first_chunk().unwrap()] {
        chain.push(packets.alloc_from(text).unwrap()).unwrap();
    }
    let mut first = chain.pop_front().unwrap();
    first.trim_front(3).unwrap();
    drop(first);
    assert_eq!(in_use(&packets), (2, 0));
    assert_eq!(
        (bytes(&chain), chain.segments(), chain.len()),
        (b"twothr".to_vec(), 2, 6)
    );
    drop(chain);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn bytes_that_do_not_fit_the_free_blocks_take_none() {
    let packets = pool(2048, 4);
    let held = (packets.alloc().unwrap(), packets.alloc().unwrap());
    let error = Chain::copy_from(&mut &packets, &[1; 5000]).unwrap_err();
    assert!(matches!(error, ChainError::Exhausted(_)));
    assert_eq!(in_use(&packets), (2, 0));
    let mut chain = Chain::copy_from(&mut &packets, &[1; 10]).unwrap();
    assert!(chain.extend_from_slice(&mut &packets, &[2; 5000]).is_err());
    assert_eq!((chain.len(), in_use(&packets)), (10, (3, 0)));
    drop((held, chain));
}

#[test]
fn a_packet_without_headroom_gets_its_header_as_a_segment_of_its_own() {
    let packets = PacketPool::allocate(PacketConfig::new(256, 4).headroom(0)).unwrap();
    let mut chain = Chain::from(packets.alloc_from(&[7; 256]).unwrap());
    let none = NoRoom {
        needed: 14,
        available: 0,
    };
    assert_eq!(chain.prepend(14).unwrap_err(), ChainError::NoRoom(none));
    let mut header = packets.alloc().unwrap();
    header.append(14).unwrap().fill(1);
    chain.push_front(header).unwrap();
    assert_eq!((chain.len(), chain.segments()), (270, 2));
    let segments: Vec<_> = chain.iter().map(|s| s.len()).collect();
    assert_eq!(segments, [14, 256]);
    assert!(bytes(&chain)[14..].iter().all(|&b| b == 7));
}

#[test]
fn chains_are_cut_and_joined_at_every_byte() {
    let packets = PacketPool::allocate(PacketConfig::new(8, 64).headroom(2).side(32)).unwrap();
    let text: Vec<u8> = (0..40).collect();
    // Under Miri, every fifth.
    for at in (0..=40).step_by(if cfg!(miri) { 5 } else { 1 }) {
        let mut head = Chain::copy_from(&mut &packets, &text).unwrap();
        let tail = head.split_off(at).unwrap();
        assert_eq!(
            (bytes(&head), bytes(&tail)),
            (text[..at].to_vec(), text[at..].to_vec())
        );
        assert_eq!((head.len(), tail.len()), (at, 40 - at));
        assert_eq!(head.iter().count(), head.segments());
        assert_eq!(tail.iter().count(), tail.segments());
        head.append(tail).unwrap();
        assert_eq!(
            (bytes(&head), head.iter().count()),
            (text.clone(), head.segments())
        );
        head.trim_front(at).unwrap();
        assert_eq!((bytes(&head), head.len()), (text[at..].to_vec(), 40 - at));
        head.trim_back(40 - at).unwrap();
        assert_eq!((head.len(), head.segments()), (0, 1));
        let mut head = Chain::copy_from(&mut &packets, &text).unwrap();
        head.trim_back(at).unwrap();
        assert_eq!(bytes(&head), text[..40 - at]);
        let mut part = [0xFF; 10];
        assert_eq!(
            head.copy_to(at, &mut part),
            (40 - at).saturating_sub(at).min(10)
        );
        assert!(head.split_off(41 - at).is_err() && head.trim_front(41 - at).is_err());
        assert_eq!(
            head.trim_back(41 - at).unwrap_err(),
            PastEnd {
                asked: 41 - at,
                len: 40 - at
            }
        );
    }
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn the_facts_stay_with_the_front() {
    let packets = pool(64, 16);
    let mut chain = Chain::copy_from(&mut &packets, &[1; 200]).unwrap();
    chain.meta_mut().unwrap().port = 3;
    chain.trim_front(150).unwrap();
    assert_eq!(chain.meta().unwrap().port, 3);
    for part in chain.iter_mut() {
        part.fill(9);
    }
    let large = pool(512, 2);
    let linear = chain.linearize(&mut &large).unwrap();
    assert_eq!((linear.bytes(), linear.meta().port), (&[9; 50][..], 3));
    let mut chain = Chain::from(linear);
    assert_eq!(chain.prepend(4).unwrap().len(), 4);
    assert_eq!(chain.len(), 54);
    assert!(chain.prepend(usize::MAX).is_err());
    let packet = chain.into_packet().unwrap();
    assert_eq!(packet.len(), 54);
    assert!(Chain::new(&large).into_packet().is_err());
    assert!(Chain::new(&large).pop_front().is_none());
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_chain_that_fits_no_block_is_given_back() {
    let packets = pool(64, 16);
    let chain = Chain::copy_from(&mut &packets, &[1; 200]).unwrap();
    let refused = chain.linearize(&mut &packets).unwrap_err();
    assert!(matches!(
        refused.reason(),
        FromBytesError::NoRoom(NoRoom { needed: 200, .. })
    ));
    let chain = refused.into_inner();
    assert_eq!(chain.len(), 200);
    let others = pool(64, 2);
    let mut other = Chain::from(others.alloc().unwrap());
    let refused = other.append(chain).unwrap_err();
    assert_eq!(*refused.reason(), ChainError::WrongPool);
    let chain = refused.into_inner();
    assert!(other.push(packets.alloc().unwrap()).is_err());
    let mut cache = others.cache();
    let chain = cache.free_chain(chain).unwrap_err().into_inner();
    packets.cache().free_chain(chain).unwrap();
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_chain_is_not_longer_than_its_count_of_bytes() {
    if cfg!(miri) {
        return;
    }
    unsafe fn nothing(_: &ExternalMemory) {}
    // 65,537 segments of 65,535 bytes are 4,294,967,295. All of them are the same bytes, which nobody touches.
    let mut memory = vec![0u8; 65_535];
    let external = ExternalMemory {
        start: NonNull::from(&mut memory[..]).cast(),
        len: memory.len(),
        owner: std::ptr::null_mut(),
        release: nothing,
    };
    // On 32-bit targets a pool has fewer blocks.
    let Ok(packets) = PacketPool::allocate(PacketConfig::new(32, 65_539).side(0)) else {
        return;
    };
    let mut chain = Chain::new(&packets);
    for _ in 0..65_537 {
        // SAFETY: the memory is not accessed.
        let packet = unsafe { packets.alloc().unwrap().attach(external) }.unwrap();
        chain.push(packet).unwrap();
    }
    assert_eq!((chain.len(), chain.segments()), (u32::MAX as usize, 65_537));
    let mut packet = packets.alloc().unwrap();
    packet.append(1).unwrap();
    let too_long = ChainError::TooLong {
        len: u32::MAX as usize,
        more: 1,
    };
    let (packet, reason) = chain.push(packet).unwrap_err().into_parts();
    assert_eq!(reason, too_long);
    let (packet, reason) = chain.push_front(packet).unwrap_err().into_parts();
    assert_eq!(reason, too_long);
    assert_eq!(
        chain.extend_from_slice(&mut &packets, &[1]).unwrap_err(),
        too_long
    );
    drop(packet);
    // With headroom, it is the length alone that is at fault.
    chain.push_front(packets.alloc().unwrap()).unwrap();
    assert_eq!(chain.prepend(1).unwrap_err(), too_long);
    let first = chain.pop_front().unwrap();
    assert_eq!((first.headroom(), chain.len()), (8, u32::MAX as usize));
    chain.push(first).unwrap();
    assert_eq!((chain.len(), chain.segments()), (u32::MAX as usize, 65_538));
}

#[test]
fn a_chain_crosses_cores_whole() {
    let packets = pool(256, 64);
    let (to, from) = std::sync::mpsc::channel::<Chain<'_>>();
    std::thread::scope(|s| {
        s.spawn(move || {
            for chain in from {
                assert_eq!(bytes(&chain), [chain.meta().unwrap().user as u8; 700]);
            }
        });
        let rounds = if cfg!(miri) { 3 } else { 300 };
        for i in 0..rounds {
            let Ok(mut chain) = Chain::copy_from(&mut &packets, &[i as u8; 700]) else {
                std::thread::yield_now();
                continue;
            };
            chain.meta_mut().unwrap().user = u64::from(i as u8);
            to.send(chain).unwrap();
        }
        drop(to);
    });
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_shared_chain_is_freed_whole_with_its_last_handle() {
    let packets = pool(256, 16);
    let one = Chain::copy_from(&mut &packets, &[5; 700]).unwrap().share();
    let two = one.try_clone().unwrap();
    assert_eq!((one.segments(), in_use(&packets)), (3, (3, 0)));
    let one = one.into_unique().unwrap_err();
    drop(two);
    let mut chain = one.into_unique().unwrap();
    chain.iter_mut().for_each(|part| part.fill(6));
    // The first segment shares its block with another packet.
    let mut whole = packets.alloc_from(b"head, tail").unwrap();
    let tail = whole.split_off(4).unwrap();
    chain.push_front(whole).unwrap();
    let one = chain.share();
    let two = one.try_clone().unwrap();
    drop(one);
    let mut start = [0; 6];
    assert_eq!((two.copy_to(0, &mut start), &start), (6, b"head\x06\x06"));
    drop(two);
    assert_eq!((in_use(&packets), tail.bytes()), ((1, 1), &b", tail"[..]));
    drop(tail);
    let single = Chain::from(packets.alloc_from(b"x").unwrap()).share();
    drop((single.try_clone().unwrap(), single));
    let empty = Chain::new(&packets).share();
    assert!(empty.try_clone().unwrap().is_empty());
    assert!(empty.into_unique().is_ok());
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_shared_chain_ends_on_any_thread() {
    let packets = pool(64, 64);
    let rounds = if cfg!(miri) { 3 } else { 300 };
    for i in 0..rounds {
        let one = Chain::copy_from(&mut &packets, &[i as u8; 200])
            .unwrap()
            .share();
        let two = one.try_clone().unwrap();
        std::thread::scope(|s| {
            for chain in [one, two] {
                s.spawn(move || {
                    assert!(
                        chain
                            .iter()
                            .all(|part| part.bytes().iter().all(|&b| b == i as u8))
                    );
                    if let Ok(mut chain) = chain.into_unique() {
                        chain.iter_mut().for_each(|part| part.fill(!i as u8));
                    }
                });
            }
        });
        assert_eq!(in_use(&packets), (0, 0));
    }
}
