//! The benches of packets on two cores.

use framepool::packet::{PacketBurst, PacketPool};
use framepool::ring::{self, Patient, Spin};

use crate::cross::{Contender, Outcome, run_benches};
use crate::harness::{FRAMEPOOL, escape};
use crate::options::Options;
use crate::packet::single;
use crate::pool::BURST;
use crate::waits::{Named, Once, insist};

const CROSS: &str = "packet/cross/burst32";

/// The benches.
pub const BENCHES: &[&str] = &[CROSS];

/// The number of blocks in each pool.
const PACKETS: usize = 4096;
/// The maximum number of packets in flight.
const IN_FLIGHT: usize = 1024;

struct Pools {
    packets: PacketPool<'static>,
    #[cfg(feature = "dpdk")]
    mbufs: super::dpdk::Mbufs,
    #[cfg(feature = "dpdk")]
    ring: crate::dpdk::Ring,
}

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let pools = Pools {
        packets: single::pool(PACKETS, options)?,
        #[cfg(feature = "dpdk")]
        mbufs: super::dpdk::Mbufs::new(PACKETS - 1, crate::contenders::BLOCK, 512)?,
        #[cfg(feature = "dpdk")]
        ring: crate::dpdk::Ring::new(IN_FLIGHT)?,
    };
    run_benches(BENCHES, options, |_| {
        let mut all = contenders::<Once>(&pools);
        all.extend(contenders::<Spin>(&pools));
        all.extend(contenders::<Patient>(&pools));
        Ok(all)
    })
}

/// The contenders with one wait.
fn contenders<W: Named>(pools: &Pools) -> Vec<Contender<'_>> {
    let ours = hand_over::<W>(pools).waiting(W::NAME);
    vec![
        ours,
        #[cfg(feature = "dpdk")]
        Contender::new(
            (CROSS, "dpdk-c512", 1, BURST),
            |n| pools.mbufs.produce(&pools.ring, n, W::PAUSES),
            |n| pools.mbufs.consume(&pools.ring, n, W::PAUSES),
        )
        .waiting(W::NAME),
    ]
}

/// Packets through framepool's ring, as bursts.
fn hand_over<'a, W: Named>(pools: &'a Pools) -> Contender<'a> {
    let (mut a, mut b) = (pools.packets.cache(), pools.packets.cache());
    let ends = ring::allocate::<PacketBurst<'a, BURST>>(IN_FLIGHT / BURST);
    let (mut sender, mut receiver) = ends.expect("memory for a ring");
    Contender::new(
        (CROSS, FRAMEPOOL, 1, BURST),
        move |packets| {
            for _ in 0..packets / BURST as u64 {
                let mut burst = insist::<Once, _>(|| a.alloc_burst(BURST).ok());
                escape(&mut burst);
                assert!(sender.push_wait::<W>(burst).is_ok());
            }
        },
        move |packets| {
            for _ in 0..packets / BURST as u64 {
                let mut burst = receiver.pop_wait::<W>().expect("a producer");
                escape(&mut burst);
                assert!(b.free_burst(burst).is_ok());
            }
        },
    )
}
