//! Several threads.

use framepool::packet::*;

use crate::{in_use, pool};

const ROUNDS: usize = if cfg!(miri) { 8 } else { 2000 };

#[test]
fn shared_packets_end_on_any_thread() {
    let packets = pool(256, 16);
    std::thread::scope(|s| {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..2)
            .map(|_| std::sync::mpsc::channel::<Shared<'_>>())
            .unzip();
        for receiver in receivers {
            s.spawn(move || {
                for shared in receiver {
                    let first = shared.bytes()[0];
                    assert!(shared.bytes().iter().all(|&b| b == first));
                    if let Ok(mut packet) = shared.into_unique() {
                        packet.bytes_mut().fill(0xEE);
                    }
                }
            });
        }
        for i in 0..ROUNDS {
            let Ok(packet) = packets.alloc_from(&[i as u8; 32]) else {
                std::thread::yield_now();
                continue;
            };
            let shared = packet.share();
            senders[0].send(shared.try_clone().unwrap()).unwrap();
            senders[1].send(shared).unwrap();
        }
    });
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn parts_of_a_packet_are_written_on_two_threads() {
    let packets = pool(256, 16);
    std::thread::scope(|s| {
        let (to, from) = std::sync::mpsc::channel::<PacketBuf<'_>>();
        s.spawn(move || {
            for mut part in from {
                part.bytes_mut().fill(2);
                part.tailroom_mut().fill(3);
            }
        });
        for _ in 0..ROUNDS {
            let Ok(mut packet) = packets.alloc_from(&[1; 64]) else {
                std::thread::yield_now();
                continue;
            };
            let Ok(part) = packet.split_off(33) else {
                continue;
            };
            to.send(part).unwrap();
            packet.bytes_mut().fill(4);
            assert!(packet.bytes().iter().all(|&b| b == 4));
        }
        drop(to);
    });
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn caches_of_two_threads_exchange_packets() {
    let packets = pool(64, 512);
    let (to, from) = std::sync::mpsc::sync_channel::<PacketBurst<'_, 32>>(4);
    std::thread::scope(|s| {
        let packets = &packets;
        s.spawn(move || {
            let mut cache: PacketCache<'_, 64> = PacketCache::new(packets);
            for burst in from {
                assert!(burst.iter().all(|p| p.bytes() == *b"ping"));
                cache.free_burst(burst).unwrap();
            }
        });
        let mut cache: PacketCache<'_, 64> = PacketCache::holding(packets, 40);
        for _ in 0..ROUNDS {
            let mut burst = cache.alloc_up_to::<32>(32);
            for mut packet in burst.iter_mut() {
                packet.append_slice(b"ping").unwrap();
            }
            to.send(burst).unwrap();
        }
        drop(to);
    });
    assert_eq!(in_use(&packets), (0, 0));
}
