//! The benches of packets on one core.

use framepool::packet::{
    Chain, PacketBuf, PacketBurst, PacketCache, PacketConfig, PacketFlags, PacketMeta, PacketPool,
    RawBurst,
};
use framepool::ring;
use framepool::wire::Transport;

use crate::contenders::{BLOCK, BLOCKS, Single};
use crate::harness::{Bench, FRAMEPOOL, Group, Row, escape, run_each, shuffled};
use crate::options::Options;
#[cfg(feature = "dpdk")]
use crate::packet::dpdk::Mbufs;
use crate::packet::peers;
use crate::pool::{BURST, LIVE, lifo, random1024};
use crate::wire::frames;

/// Bytes of headroom: framepool's default.
const HEADROOM: usize = 256;
/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of the packets that are extended, or linked.
pub const PAYLOAD: usize = 64;
/// Bytes of a received frame: the longest one with its padding.
pub const FRAME: usize = 512;
/// Segments of a chain.
const SEGMENTS: usize = 4;

const HEADER: [u8; ETHERNET] = *b"\x01\x00\x5E\x01\x02\x03\x02\x00\x00\x00\x00\x01\x08\x00";

/// What a card says of a received packet.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Completion {
    hash: u32,
    len: u16,
    vlan: u16,
}

/// The pools of all contenders, made once.
pub struct Fixtures {
    packets: PacketPool<'static>,
    order: [u16; LIVE],
    #[cfg(feature = "dpdk")]
    dpdk: Vec<(&'static str, Mbufs)>,
    #[cfg(feature = "dpdk")]
    ring: crate::dpdk::Ring,
}

impl Fixtures {
    pub fn new(options: &Options) -> Result<Self, String> {
        let all = Self {
            packets: pool(BLOCKS, options)?,
            order: shuffled(),
            // One less than a power of two: the capacity of an rte_ring.
            #[cfg(feature = "dpdk")]
            dpdk: vec![
                ("dpdk-c256", Mbufs::new(BLOCKS - 1, BLOCK, 256)?),
                ("dpdk-c512", Mbufs::new(BLOCKS - 1, BLOCK, 512)?),
            ],
            #[cfg(feature = "dpdk")]
            ring: crate::dpdk::Ring::new(BURST)?,
        };
        all.fill();
        Ok(all)
    }

    /// Writes a frame to each buffer, where a card would write it.
    fn fill(&self) {
        let padded = |frame: Vec<u8>| {
            let mut bytes = [0; FRAME];
            bytes[..frame.len()].copy_from_slice(&frame);
            bytes
        };
        let frames: Vec<[u8; FRAME]> = frames::plain().into_iter().map(padded).collect();
        let blanks = std::iter::from_fn(|| self.packets.alloc_blank().ok());
        for (mut blank, frame) in blanks
            .collect::<Vec<_>>()
            .into_iter()
            .zip(frames.iter().cycle())
        {
            blank.bytes_mut()[HEADROOM..][..FRAME].copy_from_slice(frame);
        }
        #[cfg(feature = "dpdk")]
        self.dpdk.iter().for_each(|(_, pool)| pool.fill(&frames));
    }
}

/// A pool of packets with room for [`BLOCK`] bytes: in hugepages if DPDK uses them too, otherwise in pages of the
/// global allocator, each touched.
pub fn pool(count: usize, options: &Options) -> Result<PacketPool<'static>, String> {
    let config = PacketConfig::new(HEADROOM + BLOCK, count).headroom(HEADROOM);
    if options.huge_dir.is_some() {
        return PacketPool::map(config).map_err(|e| e.to_string());
    }
    let packets = PacketPool::allocate(config).map_err(|e| e.to_string())?;
    packets.prefault();
    Ok(packets)
}

/// The benches, in the order in which they run.
pub const BENCHES: &[Bench<Fixtures>] = &[
    ("packet/lifo", lifos),
    ("packet/burst32", bursts),
    ("packet/burst32/unshared", unshared_bursts),
    ("packet/burst32/raw", raw_bursts),
    ("packet/random1024", random),
    ("packet/clone_drop", clones),
    ("packet/prepend", prepends),
    ("packet/chain4", chains),
    ("packet/rx_path", receptions),
];

/// One run of the benches that the options select.
pub fn run(fixtures: &Fixtures, options: &Options) -> Vec<Row> {
    run_each(BENCHES, fixtures, options)
}

/// Adds DPDK's pools.
#[cfg(feature = "dpdk")]
fn dpdk<'a>(
    f: &'a Fixtures,
    group: &mut Group<'a>,
    (bench, ops): (&str, u64),
    run: impl Fn(&'a Mbufs, u64) + Copy + 'a,
) {
    for (name, mbufs) in &f.dpdk {
        group.add(bench, name, ops, move |n| run(mbufs, n));
    }
}

/// framepool through a worker's cache.
struct Packets<'p>(PacketCache<'p>);

impl<'p> Single for Packets<'p> {
    type Handle = PacketBuf<'p>;

    #[inline]
    fn take(&mut self) -> PacketBuf<'p> {
        self.0.alloc().expect("a free block")
    }

    #[inline]
    fn give(&mut self, handle: PacketBuf<'p>) {
        assert!(self.0.free(handle).is_ok());
    }

    #[inline]
    fn start(&mut self, handle: &mut PacketBuf<'p>) -> *mut u8 {
        handle.tailroom_mut().as_mut_ptr()
    }
}

fn lifos<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    fn add<'a>(group: &mut Group<'a>, name: &str, mut s: impl Single + 'a) {
        group.add("packet/lifo", name, 1, move |n| lifo(&mut s, n));
    }
    add(group, FRAMEPOOL, Packets(f.packets.cache()));
    add(group, "bytes", peers::Heap);
    add(group, "smoltcp", peers::Ring::new(BURST));
    #[cfg(feature = "dpdk")]
    dpdk(f, group, ("packet/lifo", 1), Mbufs::lifo);
}

fn random<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    fn add<'a>(f: &'a Fixtures, group: &mut Group<'a>, name: &str, mut s: impl Single + 'a) {
        group.add("packet/random1024", name, LIVE as u64, move |n| {
            random1024(&mut s, n, &f.order);
        });
    }
    add(f, group, FRAMEPOOL, Packets(f.packets.cache()));
    add(f, group, "bytes", peers::Heap);
    #[cfg(feature = "dpdk")]
    dpdk(f, group, ("packet/random1024", LIVE as u64), |pool, n| {
        pool.random1024(n, &f.order);
    });
}

fn bursts<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("packet/burst32", BURST as u64);
    let mut cache = f.packets.cache();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        for _ in 0..n {
            let mut burst: PacketBurst<'_, BURST> = cache.alloc_burst(BURST).expect("32 packets");
            escape(&mut burst);
            assert!(cache.drain_burst(&mut burst).is_ok());
        }
    });
    let mut cache = f.packets.cache();
    group.add(bench, "framepool-moved", ops, move |n| {
        for _ in 0..n {
            let mut burst: PacketBurst<'_, BURST> = cache.alloc_burst(BURST).expect("32 packets");
            escape(&mut burst);
            assert!(cache.free_burst(burst).is_ok());
        }
    });
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, ops), Mbufs::burst32);
}

fn unshared_bursts<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("packet/burst32/unshared", BURST as u64);
    let mut cache = f.packets.cache();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        for _ in 0..n {
            let mut burst: PacketBurst<'_, BURST> = cache.alloc_burst(BURST).expect("32 packets");
            escape(&mut burst);
            // SAFETY: the packets are new, and none was split or has external memory.
            assert!(unsafe { cache.drain_burst_unshared(&mut burst) }.is_ok());
        }
    });
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, ops), Mbufs::burst32_unshared);
}

fn raw_bursts<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("packet/burst32/raw", BURST as u64);
    let mut cache = f.packets.cache();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        for _ in 0..n {
            let mut burst: RawBurst<'_, BURST> = cache.alloc_raw_burst(BURST).expect("32 blocks");
            escape(&mut burst);
            assert!(cache.drain_raw_burst(&mut burst).is_ok());
        }
    });
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, ops), Mbufs::burst32_raw);
}

fn clones<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "packet/clone_drop";
    let shared = f.packets.alloc().expect("a free block").share();
    group.add(bench, FRAMEPOOL, 1, move |n| {
        for _ in 0..n {
            let mut other = shared.try_clone().expect("few handles");
            escape(&mut other);
            drop(other);
        }
    });
    group.add(bench, "bytes", 1, |n| peers::clone_drop(n, &[7; PAYLOAD]));
    #[cfg(feature = "dpdk")]
    {
        dpdk(f, group, (bench, 1), Mbufs::clone_drop);
        let (_, mbufs) = &f.dpdk[0];
        group.add(bench, "dpdk-count", 1, |n| mbufs.count_drop(n));
    }
}

fn prepends<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "packet/prepend";
    let payload = [7; PAYLOAD];
    let mut packet = f.packets.alloc_from(&payload).expect("a free block");
    group.add(bench, FRAMEPOOL, 1, move |n| {
        let mut header = HEADER;
        escape(&mut header);
        for _ in 0..n {
            packet.prepend_slice(&header).expect("headroom");
            escape(&mut packet);
            packet.trim_front(ETHERNET).expect("a header");
            escape(&mut packet);
        }
    });
    group.add(bench, "bytes-copy", 1, move |n| {
        peers::prepend(n, &HEADER, &payload);
    });
    let mut ring = peers::Ring::new(BURST);
    group.add(bench, "smoltcp-copy", 1, move |n| {
        ring.prepend(n, &HEADER, &payload);
    });
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, 1), |pool, n| pool.prepend(n, &HEADER));
}

fn chains<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let bench = "packet/chain4";
    let payload = [7; PAYLOAD];
    let mut cache = f.packets.cache();
    group.add(bench, FRAMEPOOL, 1, move |n| {
        for _ in 0..n {
            let mut chain = Chain::new(cache.pool());
            for _ in 0..SEGMENTS {
                let mut packet = cache.alloc().expect("a free block");
                packet.append_slice(&payload).expect("room");
                assert!(chain.push(packet).is_ok());
            }
            escape(&mut chain);
            assert!(cache.free_chain(chain).is_ok());
        }
    });
    group.add(bench, "bytes", 1, move |n| peers::chain4(n, &payload));
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, 1), move |pool, n| {
        pool.chain4(n, &payload)
    });
}

/// The completions of a burst, as a card would write them.
fn completions() -> [Completion; BURST] {
    std::array::from_fn(|i| Completion {
        hash: 0x9E37_79B9_u32.wrapping_mul(i as u32 + 1),
        len: FRAME as u16,
        vlan: i as u16,
    })
}

fn receptions<'a>(f: &'a Fixtures, group: &mut Group<'a>) {
    let (bench, ops) = ("packet/rx_path", BURST as u64);
    let mut cache = f.packets.cache();
    let ends = ring::allocate::<PacketBurst<'a, BURST>>(1);
    let (mut sender, mut receiver) = ends.expect("memory for a ring");
    let mut completions = completions();
    group.add(bench, FRAMEPOOL, ops, move |n| {
        let mut sum = 0;
        for _ in 0..n {
            let raw: RawBurst<'_, BURST> = cache.alloc_raw_burst(BURST).expect("32 blocks");
            escape(&mut completions);
            let mut burst = raw.receive(|i, _| {
                let completion = &completions[i];
                let mut facts = PacketMeta::default();
                facts.flags = PacketFlags::HASH | PacketFlags::VLAN;
                facts.hash = completion.hash;
                facts.vlan = completion.vlan;
                (HEADROOM..HEADROOM + usize::from(completion.len), facts)
            });
            burst.summarize();
            assert!(sender.push(burst).is_ok());
            let mut burst = receiver.pop().expect("a burst");
            for packet in burst.iter() {
                let facts = packet.meta();
                if facts.packet_type.transport() == Transport::Udp {
                    sum += packet.len() - facts.transport_offset();
                }
            }
            escape(&mut sum);
            assert!(cache.drain_burst(&mut burst).is_ok());
        }
    });
    #[cfg(feature = "dpdk")]
    dpdk(f, group, (bench, ops), |pool, n| {
        let mut sum = pool.rx_path(&f.ring, &self::completions(), n);
        escape(&mut sum);
    });
}
