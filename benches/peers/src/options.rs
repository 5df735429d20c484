//! The command line.

use std::time::Duration;

use crate::harness::{MAX_ROUNDS, MIN_ROUNDS};

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// One core.
    Pool,
    /// Two cores.
    Cross,
    /// Mappings.
    Region,
    /// Clocks and histograms.
    Time,
    /// Rings between two cores.
    Ring,
    /// Packet parsing.
    Wire,
    /// All of them, kept and written down.
    Report,
}

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    pub command: Command,
    /// Part of the names of the benches to run.
    pub only: Option<String>,
    /// For all benches of one run together.
    pub budget: Duration,
    pub runs: usize,
    pub cores: [usize; 2],
    /// Where a hugetlbfs is mounted, for DPDK; framepool then maps hugepages as well.
    pub huge_dir: Option<String>,
    pub json: bool,
    pub check: bool,
    /// Keep the figures under `results/`.
    pub keep: bool,
    /// Only write the report again.
    pub render: bool,
}

/// What came of reading the command line.
pub enum Parsed {
    Run(Options),
    Help,
}

impl Options {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Parsed, String> {
        let mut args = args.peekable();
        let command = match args.next().as_deref() {
            Some("pool") => Command::Pool,
            Some("cross") => Command::Cross,
            Some("region") => Command::Region,
            Some("ring") => Command::Ring,
            Some("time") => Command::Time,
            Some("wire") => Command::Wire,
            Some("report") => Command::Report,
            Some("help" | "--help" | "-h") => return Ok(Parsed::Help),
            Some(other) => {
                return Err(format!(
                    "`{other}` is none of `pool`, `cross`, `region`, `ring`, `time`, `wire` and `report`"
                ));
            }
            None => {
                return Err(
                    "one of `pool`, `cross`, `region`, `ring`, `time`, `wire` and `report` is missing; see --help"
                        .to_owned(),
                );
            }
        };
        let mut options = Self {
            command,
            only: None,
            budget: Duration::from_secs(10),
            runs: 1,
            cores: [0, 1],
            huge_dir: None,
            json: false,
            check: false,
            keep: false,
            render: false,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("`{arg}` needs a value"));
            match arg.as_str() {
                "--only" => options.only = Some(value()?),
                "--seconds" => options.budget = seconds(&value()?)?,
                "--runs" => options.runs = positive(&value()?)?,
                "--cores" => options.cores = two_cores(&value()?)?,
                "--huge-dir" => options.huge_dir = Some(value()?),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--keep" => options.keep = true,
                "--render" => options.render = true,
                "--help" | "-h" => return Ok(Parsed::Help),
                _ => return Err(format!("unknown argument `{arg}`; see --help")),
            }
        }
        Ok(Parsed::Run(options))
    }

    /// Whether a bench of this name is to run.
    pub fn wants(&self, bench: &str) -> bool {
        self.only.as_ref().is_none_or(|part| bench.contains(part))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or(format!("`{text}` is no number of seconds"))
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{text}` is no number of runs")),
    }
}

fn two_cores(text: &str) -> Result<[usize; 2], String> {
    let cores = text.split_once(',');
    let cores = cores.and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    match cores {
        Some([a, b]) if a != b => Ok([a, b]),
        _ => Err(format!("`{text}` does not name two cores, as in `0,1`")),
    }
}

/// The text of `--help`.
pub fn help() -> String {
    format!(
        "\
framepool beside its peers: contenders take turns within one run, on pinned threads.

usage: framepool-peers pool|cross|region|ring|time|wire|report [options]

  pool    one core: single blocks, bursts, random order, pools without a cache, pools of three sizes,
          and the latency of single operations
  cross   two cores: blocks allocated on one and freed on the other; both on one pool
  region  mappings: pages made resident by one thread, and by one on each core
  time    one core: readings of a clock, values recorded in a histogram, and both as a span
  ring    two cores: messages of 8 and 64 bytes through a ring of 1024 places, one by one and 32 at
          once; a message there and one back, and beside it bare cache lines
  wire    packet parsing: summaries, filters, checksums; exchange feeds: FIX, ITCH
  report  all of these, or those that --only names; keeps the figures under results/ and writes RESULTS.md,
          charts, and the tables of the README

  --only PART      only benches with PART in their names
  --seconds S      about how long all benches of one run take together, default 10; each contender
                   gets at least {MIN_ROUNDS} and at most {MAX_ROUNDS} samples, whatever it takes
  --runs N         repeat all of it; prints the median of the runs' medians and ratios, default 1
  --cores A,B      the cores to run on, default 0,1; `pool` and `time` run on A
  --huge-dir DIR   a mounted hugetlbfs: DPDK runs on hugepages, and so do framepool's pools; without
                   it both run on base pages
  --json           one object a line instead of a table
  --check          exit with 1 if a ratio is below its bar, or could not be measured
  --keep           keep the figures under results/, as `report` does
  --render         with `report`: measure nothing, only write the pages again
  --help           this text

A ratio is the contender's median divided by framepool's, in ring/… by that of the fastest of framepool's
rings: above 1, framepool is the faster. Figures
are ns per block taken and given back, all of 2 KiB; in region/… ns per 4 KiB mapped and made resident,
64 MiB at a time, in region/prefault/… unmapped as well.

contenders
  framepool        Cache::alloc and Cache::free of owning handles; bursts as a Burst<32> that stays
                   where it is (`ids`) or a Vec<Block> (`handles`); in shared/… Pool::alloc and drop,
                   without a cache
  opool            LocalPool of boxes, for one thread: get, and drop of the guard
  slab             insert and remove by key, without moving bytes; for one thread
  heapless         box_pool! of [u8; 2048]: alloc moves a zeroed value in, drop
  heapless-uninit  box_pool! of MaybeUninit<[u8; 2048]>: nothing is moved in
  arrayqueue       crossbeam's ArrayQueue of pointers as a free list
  mimalloc, snmalloc, jemalloc
                   called through GlobalAlloc for 2048 bytes aligned to 64
  malloc           the C library's malloc(2048) and free
  dpdk-c256, dpdk-c512
                   rte_mempool with a cache per lcore, by rte_mempool_get and rte_mempool_put, and by
                   their _bulk forms in bursts; all of DPDK's loops are in C, natively optimised
  dpdk-c512-own    the same with a cache that the caller owns (rte_mempool_generic_get)
  dpdk-nocache     the same without one
  framepool-moved  a Burst<32> that is moved into free_burst
  framepool-array  [Block; 32], by Cache::alloc_array and free_array
  framepool        ring/…: Ring, by push_slice and pop_slice in bursts; in ring/…/burst1 and cross/burst1
                   flags::Ring, which waits as Spin does
  framepool-index, framepool-flags
                   Ring in ring/…/burst1; flags::Ring in ring/…/burst32 and ring/pingpong
  rtrb, omango, ringbuf, gil, bbqueue, heapless, arrayqueue, dpdk
                   ring/…: rings of 1024 places; omango backs off within its calls, the others pause
                   once between two tries; dpdk is an rte_ring of elements of 8 or 64 bytes
  line, two lines  ring/pingpong: one cache line that both cores write, and one line each way: the least
                   that two rings can take
  mmap-populate    region/prefault/…: mmap with MAP_POPULATE and munmap, for the same length and kind of
                   pages; framepool maps, verifies on one thread, and drops the region
  framepool-serial region/threads/…: framepool on one thread, beside framepool on two
  floor            time/…: the instruction alone, or a histogram that checks nothing
  quanta, minstant, std
                   time/…: quanta's Clock::raw and Clock::now, minstant's Instant::now and
                   elapsed, std's Instant
  histogram, hdrhistogram
                   time/…: the crates, at three significant digits (a grouping power of 10), by
                   increment, record and saturating_record
Between two cores blocks travel through a ring of 1024 places: framepool's through its own, those of
most others through rtrb, DPDK's through an rte_ring for one producer and one
consumer, at most 1024 at a time; DPDK has caches of 512 that the threads own. Samples are sorted by
the round trip of a cache line between the cores, measured before and after each: below 250 ns they
are near, else far; those where it changed are left out and counted. In pool/size/… the ratio is to
framepool's pool of 1k blocks, near 1 where cost does not grow. Benches of 2 MiB pages need 32 of them
set aside (/proc/sys/vm/nr_hugepages); transparent huge pages are switched off for region/….

not alike
  The crate histogram branches on whether a value is below 2048, where its buckets are exact: it gains
  where all values are (time/record/narrow, time/span), and loses where they vary (time/record).
  DPDK's loops are compiled for this processor (-march=native), and so is all Rust here
  (.cargo/config.toml; RUSTFLAGS override it); allocators in C are as their build scripts make them.
  DPDK starts threads of its own, after which the C library's malloc takes its locks: its figures
  without the feature `dpdk` are lower. heapless finds its double-word atomic at run time. opool,
  arrayqueue and dpdk-nocache are first in, first out: where bytes are written they go round all of
  their 2048 blocks, while the others use those again that are in the cache. The contenders of
  DPDK need the feature `dpdk`.
"
    )
}
