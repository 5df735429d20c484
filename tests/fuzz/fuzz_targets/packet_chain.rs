//! Packets: streams of operations on chains and shared packets, beside vectors of bytes.
#![no_main]

use framepool::packet::{Chain, PacketConfig, PacketPool, Shared};
use libfuzzer_sys::fuzz_target;

type World<'p> = (Vec<(Chain<'p>, Vec<u8>)>, Vec<(Shared<'p>, Vec<u8>)>);

fuzz_target!(|ops: &[u8]| {
    let config = PacketConfig::new(48, 24).headroom(8).side(12);
    let packets = PacketPool::allocate(config).unwrap();
    let mut world: World<'_> = (Vec::new(), Vec::new());
    for op in ops.chunks_exact(3) {
        step(
            &packets,
            &mut world,
            op[0],
            usize::from(op[1]),
            usize::from(op[2]),
        );
        for (chain, bytes) in &world.0 {
            let mut all = vec![0; chain.len()];
            assert_eq!(chain.copy_to(0, &mut all), bytes.len());
            assert!(all == *bytes && chain.iter().count() == chain.segments());
        }
        for (shared, bytes) in &world.1 {
            assert_eq!(shared.bytes(), bytes);
        }
    }
    drop(world);
    let stats = packets.stats();
    assert_eq!((stats.blocks.in_use, stats.side.unwrap().in_use), (0, 0));
});

fn step<'p>(
    packets: &'p PacketPool<'p>,
    (chains, shared): &mut World<'p>,
    op: u8,
    a: usize,
    b: usize,
) {
    let mut source = packets;
    if op % 16 == 0 || chains.is_empty() {
        let bytes = vec![b as u8; a];
        if let Ok(chain) = Chain::copy_from(&mut source, &bytes) {
            chains.push((chain, bytes));
        }
        return;
    }
    if op % 16 > 9 && !shared.is_empty() {
        let (one, bytes) = shared.swap_remove(a % shared.len());
        match op % 16 {
            10 => return,
            11 | 12 => {
                let range = b % (bytes.len() + 1)..bytes.len();
                if let Ok(slice) = one.slice(range.clone()) {
                    shared.push((slice, bytes[range].to_vec()));
                }
            }
            13 => shared.push((one.try_clone().unwrap(), bytes.clone())),
            _ => match one.into_unique() {
                Ok(mut packet) => {
                    packet.bytes_mut().fill(b as u8);
                    packet.tailroom_mut().fill(!b as u8);
                    return chains.push((packet.into(), vec![b as u8; bytes.len()]));
                }
                Err(one) => return shared.push((one, bytes)),
            },
        }
        return shared.push((one, bytes));
    }
    let (mut chain, mut bytes) = chains.swap_remove(a % chains.len());
    match op % 16 {
        1 => return,
        2 => {
            let at = b % (bytes.len() + 2);
            if let Ok(rest) = chain.split_off(at) {
                chains.push((rest, bytes.split_off(at)));
            }
        }
        3 if !chains.is_empty() => {
            let (other, more) = chains.swap_remove(b % chains.len());
            chain.append(other).unwrap();
            bytes.extend(more);
        }
        4 => {
            let n = b % (bytes.len() + 2);
            if chain.trim_front(n).is_ok() {
                bytes.drain(..n);
            }
        }
        5 => {
            let n = b % (bytes.len() + 2);
            if chain.trim_back(n).is_ok() {
                bytes.truncate(bytes.len() - n);
            }
        }
        6 => {
            if chain
                .extend_from_slice(&mut source, &vec![a as u8; b])
                .is_ok()
            {
                bytes.resize(bytes.len() + b, a as u8);
            }
        }
        7 => {
            if let Ok(place) = chain.prepend(b % 16) {
                place.fill(a as u8);
                bytes = [vec![a as u8; b % 16], bytes].concat();
            }
        }
        8 => {
            if let Some(packet) = chain.pop_front() {
                let rest = bytes.split_off(packet.len());
                chains.push((packet.into(), bytes));
                bytes = rest;
            }
        }
        _ => match chain.into_packet() {
            Ok(packet) => return shared.push((packet.share(), bytes)),
            Err(back) => chain = back,
        },
    }
    chains.push((chain, bytes));
}
