//! Mappings: what is asked for is had, or the report and the errors say why not, and nothing crashes.
//!
//! | file | what is promised |
//! |---|---|
//! | `lengths.rs`, `contents.rs` | whole pages, zeroed, ours alone, given back |
//! | `rungs.rs`, `refusals.rs` | the page ladder: each rung, and each reason to step down |
//! | `giant.rs` | pages of 1 GiB |
//! | `prefault.rs` | threads, progress, pages that run out |
//! | `locks.rs`, `nodes.rs`, `guards.rs`, `hints.rs`, `release.rs` | what else can be asked for |
//! | `limits.rs` | what a machine, a user or a cgroup does not grant |
//! | `iova.rs`, `faults.rs` | physical addresses; page faults |
//! | `shared.rs` | memory of two processes |
//! | `machine.rs`, `hugepages.rs`, `refusing.rs` | the kernel's own word, its pages, kernels that refuse |
//!
//! Real refusals are used where a test can cause them; the rest (old kernels, pages that run out between
//! `mmap` and the first touch) come from a seccomp filter on the calling thread. What the machine or
//! its permissions leave untested prints a line that starts with `SKIPPED`.

mod contents;
mod faults;
mod giant;
mod guards;
mod hints;
#[path = "../../support/hugepages.rs"]
mod hugepages;
mod iova;
mod lengths;
mod limits;
mod locks;
mod machine;
mod nodes;
mod prefault;
#[path = "../../support/process.rs"]
mod process;
mod refusals;
#[path = "../../support/refusing.rs"]
mod refusing;
mod release;
mod rungs;
#[cfg(target_has_atomic = "64")]
mod shared;

use Stage::Map;
use framepool::region::PageSize::{self, Base, Huge2M, Transparent};
use framepool::region::{MapBuilder, Residency, Stage, Step};
use framepool::{MapError, MappedRegion, RegionReport};
use libc::ENOMEM;
use machine::base_page;
use process::{alone, test_name};

const HUGE: usize = 2 << 20;
const GIANT: usize = 1 << 30;
const ALL: [PageSize; 3] = [Huge2M, Transparent, Base];

type Refusal = (PageSize, Stage, i32);

fn unit(page: PageSize) -> usize {
    match page {
        Base => base_page(),
        PageSize::Huge1G => GIANT,
        _ => HUGE,
    }
}

fn builder(len: usize, page: PageSize) -> MapBuilder {
    MappedRegion::builder(len).page(page)
}

fn forced(len: usize, page: PageSize) -> MapBuilder {
    builder(len, page).force()
}

fn kind(report: &RegionReport) -> (PageSize, Residency) {
    (report.page(), report.residency())
}

fn facts<'a>(steps: impl Iterator<Item = &'a Step>) -> Vec<Refusal> {
    let fact = |s: &Step| (s.page, s.stage, s.errno.raw_os_error());
    steps.map(fact).collect()
}

fn refusals(error: &MapError) -> Vec<Refusal> {
    match error {
        MapError::Unavailable { refused, .. } => facts(refused.iter()),
        other => panic!("{other:?}"),
    }
}

fn no_memory(page: PageSize) -> Refusal {
    (page, Map, ENOMEM)
}
