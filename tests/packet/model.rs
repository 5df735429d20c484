//! Random streams of operations on chains against a shadow: vectors of bytes.

use framepool::packet::*;
use proptest::prelude::*;

use crate::in_use;

/// One step. Numbers select among what there is.
#[derive(Debug, Clone)]
enum Op {
    New(Vec<u8>),
    Extend(usize, Vec<u8>),
    PushFront(usize, Vec<u8>),
    Prepend(usize, u8),
    TrimFront(usize, usize),
    TrimBack(usize, usize),
    Split(usize, usize),
    Join(usize, usize),
    PopFront(usize),
    Linearize(usize),
    Fill(usize, u8),
    Share(usize),
    Slice(usize, usize, usize),
    Unshare(usize),
    DropShared(usize),
    Drop(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..1000;
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        3 => bytes().prop_map(Op::New),
        2 => (n.clone(), bytes()).prop_map(|(i, b)| Op::Extend(i, b)),
        2 => (n.clone(), bytes()).prop_map(|(i, b)| Op::PushFront(i, b)),
        1 => (n.clone(), any::<u8>()).prop_map(|(i, k)| Op::Prepend(i, k)),
        2 => (n.clone(), n.clone()).prop_map(|(i, k)| Op::TrimFront(i, k)),
        2 => (n.clone(), n.clone()).prop_map(|(i, k)| Op::TrimBack(i, k)),
        3 => (n.clone(), n.clone()).prop_map(|(i, k)| Op::Split(i, k)),
        2 => (n.clone(), n.clone()).prop_map(|(i, k)| Op::Join(i, k)),
        2 => n.clone().prop_map(Op::PopFront),
        1 => n.clone().prop_map(Op::Linearize),
        2 => (n.clone(), any::<u8>()).prop_map(|(i, k)| Op::Fill(i, k)),
        2 => n.clone().prop_map(Op::Share),
        2 => (n.clone(), n.clone(), n.clone()).prop_map(|(i, a, b)| Op::Slice(i, a, b)),
        2 => n.clone().prop_map(Op::Unshare),
        1 => n.clone().prop_map(Op::DropShared),
        2 => n.prop_map(Op::Drop),
    ]
}

/// Chains and shared packets, each beside its bytes.
struct World<'p> {
    packets: &'p PacketPool<'p>,
    chains: Vec<(Chain<'p>, Vec<u8>)>,
    shared: Vec<(Shared<'p>, Vec<u8>)>,
}

fn pick<T>(from: &mut Vec<T>, i: usize) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(i % from.len()))
}

impl<'p> World<'p> {
    fn step(&mut self, op: Op) {
        let packets = self.packets;
        let mut source = packets;
        match op {
            Op::New(bytes) => match Chain::copy_from(&mut source, &bytes) {
                Ok(chain) => self.chains.push((chain, bytes)),
                Err(error) => assert!(matches!(error, ChainError::Exhausted(_))),
            },
            Op::Extend(i, more) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    if chain.extend_from_slice(&mut source, &more).is_ok() {
                        bytes.extend(more);
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::PushFront(i, front) => {
                let packet = packets.alloc_from(&front);
                if let (Some((mut chain, bytes)), Ok(packet)) = (pick(&mut self.chains, i), packet)
                {
                    chain.push_front(packet).unwrap();
                    self.chains.push((chain, [front, bytes].concat()));
                }
            }
            Op::Prepend(i, k) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    let n = usize::from(k % 16);
                    if let Ok(place) = chain.prepend(n) {
                        place.fill(k);
                        bytes = [vec![k; n], bytes].concat();
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::TrimFront(i, k) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    let n = k % (bytes.len() + 2);
                    match chain.trim_front(n) {
                        Ok(()) => drop(bytes.drain(..n)),
                        Err(e) => assert_eq!((e.asked, e.len), (n, bytes.len())),
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::TrimBack(i, k) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    let n = k % (bytes.len() + 2);
                    match chain.trim_back(n) {
                        Ok(()) => bytes.truncate(bytes.len() - n),
                        Err(e) => assert_eq!((e.asked, e.len), (n, bytes.len())),
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::Split(i, k) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    let at = k % (bytes.len() + 2);
                    match chain.split_off(at) {
                        Ok(rest) => self.chains.push((rest, bytes.split_off(at))),
                        Err(SplitError::PastEnd(_)) => assert!(at > bytes.len()),
                        Err(error) => assert!(matches!(error, SplitError::Exhausted(_))),
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::Join(i, k) => {
                if self.chains.len() >= 2 {
                    let (mut one, mut bytes) = pick(&mut self.chains, i).unwrap();
                    let (two, more) = pick(&mut self.chains, k).unwrap();
                    one.append(two).unwrap();
                    bytes.extend(more);
                    self.chains.push((one, bytes));
                }
            }
            Op::PopFront(i) => {
                if let Some((mut chain, mut bytes)) = pick(&mut self.chains, i) {
                    if let Some(packet) = chain.pop_front() {
                        let rest = bytes.split_off(packet.len());
                        assert_eq!(packet.bytes(), bytes);
                        self.chains.push((packet.into(), bytes));
                        bytes = rest;
                    }
                    self.chains.push((chain, bytes));
                }
            }
            Op::Linearize(i) => {
                if let Some((chain, bytes)) = pick(&mut self.chains, i) {
                    let chain = match chain.linearize(&mut source) {
                        Ok(packet) => packet.into(),
                        Err(refused) => refused.into_inner(),
                    };
                    self.chains.push((chain, bytes));
                }
            }
            Op::Fill(i, k) => {
                if let Some((chain, bytes)) = pick(&mut self.chains, i).as_mut() {
                    chain.iter_mut().for_each(|part| part.fill(k));
                    bytes.fill(k);
                    assert_eq!(chain.iter().map(|s| s.len()).sum::<usize>(), bytes.len());
                }
            }
            Op::Share(i) => {
                if let Some((chain, bytes)) = pick(&mut self.chains, i) {
                    match chain.into_packet() {
                        Ok(packet) => self.shared.push((packet.share(), bytes)),
                        Err(chain) => self.chains.push((chain, bytes)),
                    }
                }
            }
            Op::Slice(i, a, b) => {
                if let Some((shared, bytes)) = pick(&mut self.shared, i) {
                    let (a, b) = (a % (bytes.len() + 1), b % (bytes.len() + 1));
                    let range = a.min(b)..a.max(b);
                    if let Ok(slice) = shared.slice(range.clone()) {
                        self.shared.push((slice, bytes[range].to_vec()));
                    }
                    self.shared
                        .push((shared.try_clone().unwrap(), bytes.clone()));
                    self.shared.push((shared, bytes));
                }
            }
            Op::Unshare(i) => {
                if let Some((shared, mut bytes)) = pick(&mut self.shared, i) {
                    match shared.into_unique() {
                        Ok(mut packet) => {
                            // Who wrote to the bytes of another would be found below.
                            packet.bytes_mut().iter_mut().for_each(|b| *b = !*b);
                            bytes.iter_mut().for_each(|b| *b = !*b);
                            packet.tailroom_mut().fill(0xA5);
                            self.chains.push((packet.into(), bytes));
                        }
                        Err(shared) => self.shared.push((shared, bytes)),
                    }
                }
            }
            Op::DropShared(i) => drop(pick(&mut self.shared, i)),
            Op::Drop(i) => drop(pick(&mut self.chains, i)),
        }
        self.compare();
    }

    fn compare(&self) {
        for (chain, bytes) in &self.chains {
            let mut all = vec![0; chain.len()];
            assert_eq!(chain.copy_to(0, &mut all), bytes.len());
            assert_eq!(&all, bytes);
            assert_eq!(chain.iter().count(), chain.segments());
        }
        for (shared, bytes) in &self.shared {
            assert_eq!(shared.bytes(), bytes);
        }
    }
}

proptest! {
    #[test]
    fn chains_hold_what_the_shadow_holds(ops in prop::collection::vec(op(), 1..80)) {
        let config = PacketConfig::new(48, 40).headroom(8).side(24);
        let packets = PacketPool::allocate(config).unwrap();
        let mut world = World { packets: &packets, chains: Vec::new(), shared: Vec::new() };
        for op in ops {
            world.step(op);
        }
        drop(world);
        prop_assert_eq!(in_use(&packets), (0, 0));
    }
}
