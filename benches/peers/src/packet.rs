//! Benches of packet buffers: `packet/…`.
//!
//! | bench | one iteration | operations counted |
//! |---|---|---|
//! | `packet/lifo` | allocates one packet, frees it | 1 |
//! | `packet/burst32` | allocates 32 at once, frees them at once | 32 |
//! | `packet/burst32/unshared` | the same, but frees them without a look at their metadata | 32 |
//! | `packet/burst32/raw` | the same, without a look at metadata at all: what a driver posts for reception | 32 |
//! | `packet/random1024` | allocates 1024 one by one, frees them one by one in random order | 1024 |
//! | `packet/clone_drop` | makes another handle of a packet, drops it | 1 |
//! | `packet/prepend` | writes a header of 14 bytes in front of a packet, removes it | 1 |
//! | `packet/chain4` | allocates four packets, writes 64 bytes to each, links them, frees the chain | 1 |
//! | `packet/rx_path` | takes 32 blocks with frames in them, writes what a card says and the layers of each, passes them through a ring, reads length and layers, frees them | 32 |
//! | `packet/cross/burst32` | two cores: allocates 32 at once and sends them; receives and frees them | packets sent |
//!
//! An allocation initialises the metadata as each contender does: framepool writes 64 bytes for each packet, DPDK
//! the fields that `rte_pktmbuf_reset` names. No byte of a packet is written, except where the table says so.
//!
//! | file | contents |
//! |---|---|
//! | `single.rs`, `two.rs` | the benches on one core and on two |
//! | `peers.rs` | `bytes` and smoltcp |
//! | `dpdk.rs`, `dpdk.c` | DPDK's mbufs (feature `dpdk`) |

#[cfg(feature = "dpdk")]
mod dpdk;
mod peers;
mod single;
mod two;

use crate::cross::Outcome;
use crate::options::Options;

/// The names of the benches, in the order in which they run.
pub fn benches() -> impl Iterator<Item = &'static str> {
    let single = single::BENCHES.iter().map(|bench| bench.0);
    single.chain(two::BENCHES.iter().copied())
}

/// Runs the benches that the options select.
pub fn run(options: &Options) -> Result<Outcome, String> {
    let fixtures = single::Fixtures::new(options)?;
    let runs: Vec<_> = (0..options.runs)
        .map(|_| single::run(&fixtures, options))
        .collect();
    let outcome = match two::BENCHES.iter().any(|bench| options.wants(bench)) {
        true => two::run(options)?,
        false => Outcome::default(),
    };
    Ok(outcome.after(runs))
}
