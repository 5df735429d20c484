//! The command line.

use std::time::Duration;

use crate::harness::{MAX_ROUNDS, MIN_ROUNDS};

/// The benches to run.
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
    /// Allocators of any size.
    Heap,
    /// Packet buffers.
    Packet,
    /// All of them, stored and written as pages.
    Report,
}

/// The parsed command line.
#[derive(Debug)]
pub struct Options {
    pub command: Command,
    /// A part of the names of the benches to run.
    pub only: Option<String>,
    /// The time for all benches of one run together.
    pub budget: Duration,
    pub runs: usize,
    pub cores: [usize; 2],
    /// The mount point of a hugetlbfs for DPDK; framepool then maps hugepages too.
    pub huge_dir: Option<String>,
    pub json: bool,
    pub check: bool,
    /// Store the results under `results/`.
    pub keep: bool,
    /// Only write the pages again.
    pub render: bool,
}

/// The result of parsing the command line.
pub enum Parsed {
    Run(Options),
    Help,
}

impl Options {
    /// Parses the arguments after the program's name.
    ///
    /// # Errors
    /// One line that describes the error.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Parsed, String> {
        let mut args = args.peekable();
        let command = match args.next().as_deref() {
            Some("pool") => Command::Pool,
            Some("cross") => Command::Cross,
            Some("region") => Command::Region,
            Some("ring") => Command::Ring,
            Some("time") => Command::Time,
            Some("wire") => Command::Wire,
            Some("heap") => Command::Heap,
            Some("packet") => Command::Packet,
            Some("report") => Command::Report,
            Some("help" | "--help" | "-h") => return Ok(Parsed::Help),
            Some(other) => {
                return Err(format!(
                    "unknown command `{other}`: use `pool`, `cross`, `region`, `ring`, `time`, `wire`, `heap`, `packet` or `report`"
                ));
            }
            None => {
                return Err(
                    "no command: use `pool`, `cross`, `region`, `ring`, `time`, `wire`, `heap`, `packet` or `report`; see --help"
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

    /// Whether the options select a bench of this name.
    pub fn wants(&self, bench: &str) -> bool {
        self.only.as_ref().is_none_or(|part| bench.contains(part))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok();
    seconds
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .ok_or(format!("`{text}` is not a number of seconds"))
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("`{text}` is not a number of runs")),
    }
}

fn two_cores(text: &str) -> Result<[usize; 2], String> {
    let cores = text.split_once(',');
    let cores = cores.and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    match cores {
        Some([a, b]) if a != b => Ok([a, b]),
        _ => Err(format!(
            "`{text}` does not name two different cores, such as `0,1`"
        )),
    }
}

/// The text of `--help`.
pub fn help() -> String {
    format!(
        "\
framepool and its peers, measured: contenders take turns within one run, on pinned threads.

usage: framepool-peers pool|cross|region|ring|time|wire|heap|packet|report [options]

  pool    one core: single blocks, bursts, random order, pools without a cache, pools of three sizes,
          and the latency of single operations
  cross   two cores: blocks allocated on one and freed on the other; both cores on one pool
  region  mappings: pages made resident by one thread, and by one thread on each core
  time    one core: readings of a clock, values recorded in a histogram, and both as a span
  ring    two cores: messages of 8 and 64 bytes through a ring of 1024 places, one by one and 32 at
          once; a message there and one back, and the same with bare cache lines
  wire    packet parsing: summaries, filters, checksums; exchange feeds: FIX, ITCH
  heap    allocators of any size on one core and on two: times, latency of single calls, how much of a region
          they serve, instructions of single calls, whole programs (built by `cargo build --release`)
  packet  packet buffers on one core and on two: allocation, bursts, clones, headers, chains, a receive path
  report  all of these, or those that --only selects; stores the results under results/ and writes
          RESULTS.md, charts, and the tables of the README

  --only PART      only benches with PART in their names
  --seconds S      the approximate time of all benches of one run together. Default: 10. Each contender
                   gets at least {MIN_ROUNDS} and at most {MAX_ROUNDS} samples
  --runs N         the number of runs; prints the median of their medians and ratios. Default: 1
  --cores A,B      the cores to run on. Default: 0,1. `pool` and `time` run on A
  --huge-dir DIR   a mounted hugetlbfs: DPDK and framepool's pools use hugepages; without it both use
                   base pages
  --json           print one object a line instead of a table
  --check          exit with 1 if a ratio is below its bar, or could not be measured
  --keep           store the results under results/, as `report` does
  --render         with `report`: measure nothing and only write the pages again
  --help           print this text

A ratio is the contender's median divided by framepool's, in ring/… by that of the fastest of framepool's
rings: above 1, framepool is faster. Times are ns per block taken and given back, of 2 KiB each. In
region/… they are ns per 4 KiB mapped and made resident, 64 MiB at a time; region/prefault/… includes the
unmapping.

contenders
  framepool        Cache::alloc and Cache::free of owning handles; bursts as a Burst<32> that is not
                   moved (`ids`) or a Vec<Block> (`handles`); in shared/… Pool::alloc and drop, without
                   a cache
  opool            LocalPool of boxes, for one thread: get, and drop of the guard
  slab             insert and remove by key, without moving bytes; for one thread
  heapless         box_pool! of [u8; 2048]: alloc moves a zeroed value in, drop
  heapless-uninit  box_pool! of MaybeUninit<[u8; 2048]>: no value is moved in
  arrayqueue       crossbeam's ArrayQueue of pointers as a free list
  mimalloc, snmalloc, jemalloc
                   called through GlobalAlloc for 2048 bytes aligned to 64
  malloc           the C library's malloc(2048) and free
  dpdk-c256, dpdk-c512
                   rte_mempool with a cache per lcore, by rte_mempool_get and rte_mempool_put, and by
                   their _bulk forms in bursts; all of DPDK's loops are in C, optimised for this processor
  dpdk-c512-own    the same with a cache that the caller owns (rte_mempool_generic_get)
  dpdk-nocache     the same without a cache
  framepool-moved  a Burst<32> that is moved into free_burst
  framepool-array  [Block; 32], by Cache::alloc_array and free_array
  framepool        ring/…: Ring, by push_slice and pop_slice in bursts; in ring/…/burst1 and cross/burst1
                   flags::Ring, which waits as Spin does
  framepool-index, framepool-flags
                   Ring in ring/…/burst1; flags::Ring in ring/…/burst32 and ring/pingpong
  rtrb, omango, ringbuf, gil, bbqueue, heapless, arrayqueue, dpdk
                   ring/…: rings of 1024 places; omango backs off within its calls, the others pause
                   once between two attempts; dpdk is an rte_ring of elements of 8 or 64 bytes
  line, two lines  ring/pingpong: one cache line that both cores write, and one line in each direction:
                   the minimum for two rings
  mmap-populate    region/prefault/…: mmap with MAP_POPULATE and munmap, for the same length and kind of
                   pages; framepool maps, verifies on one thread, and drops the region
  framepool-serial region/threads/…: framepool on one thread, compared with framepool on two
  floor            time/…: a single instruction, or a histogram without checks
  quanta, minstant, std
                   time/…: quanta's Clock::raw and Clock::now, minstant's Instant::now and
                   elapsed, std's Instant
  histogram, hdrhistogram
                   time/…: the crates, at three significant digits (a grouping power of 10), by
                   increment, record and saturating_record
  talc, rlsf, embedded-alloc, buddy_system_allocator, dlmalloc
                   heap/…: over a mapping of 64 MiB that is resident, without a lock on one core (embedded-alloc
                   in a critical section), in a spin lock on two
  mimalloc-arena   heap/…: a heap of mimalloc in an exclusive arena, which is such a mapping
  snmalloc-fixed   heap/…: snmalloc over such a mapping (feature `snmalloc-fixed`)
  framepool        packet/…: PacketCache::alloc and free; PacketBurst<32> and RawBurst<32> that are not moved
                   (`framepool-moved`: that are moved into free_burst); Shared, Chain
  dpdk-c256, dpdk-c512
                   packet/…: mbufs, by rte_pktmbuf_alloc and rte_pktmbuf_free, by their _bulk forms in bursts
                   (raw: rte_mempool_get_bulk and _put_bulk), by rte_pktmbuf_clone, _prepend and _adj, _chain;
                   rte_net_get_ptype in packet/rx_path
  dpdk-count       packet/clone_drop: rte_pktmbuf_refcnt_update, where both holders have one mbuf
  bytes            packet/…: BytesMut in memory of malloc, Bytes::clone, Buf::chain; bytes-copy: a new BytesMut
                   of header and payload
  smoltcp          packet/…: PacketBuffer, enqueue and dequeue; smoltcp-copy: header and payload are copied in
  … (own mapping)  heap/…: allocators that map memory themselves, called through GlobalAlloc
Between two cores blocks go through a ring of 1024 places, at most 1024 at a time: framepool's through its
own ring, those of most others through rtrb, DPDK's through an rte_ring for one producer and one consumer.
DPDK has caches of 512 that the threads own. Samples are sorted by the round trip of a cache line between
the cores, measured before and after each: below 250 ns the cores are near, otherwise far. Samples in which
it changed are counted and left out. In pool/size/… the ratio is to framepool's pool of 1k blocks: near 1 if
the cost does not grow. Benches of 2 MiB pages need 32 reserved pages (/proc/sys/vm/nr_hugepages);
transparent huge pages are disabled for region/….

differences between contenders
  The crate histogram branches on whether a value is below 2048, where its buckets are exact: it is faster
  if all values are (time/record/narrow, time/span), and slower if they vary (time/record).
  DPDK's loops are compiled for this processor (-march=native), and so is all Rust here
  (.cargo/config.toml; RUSTFLAGS override it), but not DPDK's libraries, which have rte_pktmbuf_clone,
  rte_pktmbuf_free_bulk and rte_net_get_ptype; allocators in C are compiled as their build scripts do.
  DPDK starts threads of its own, after which the C library's malloc takes its locks: malloc is faster
  without the feature `dpdk`. heapless finds its double-word atomic at run time. opool,
  arrayqueue and dpdk-nocache are first in, first out: if bytes are written they use all of their 2048
  blocks in turn, while the others use blocks again that are in the processor's cache. The contenders of
  DPDK need the feature `dpdk`.
  heap/…: a region is resident before anything is measured; allocators with mappings of their own fault their
  pages in at first use, and keep or return them as they choose. mimalloc is version 3; the crate rpmalloc
  wraps rpmalloc 1.4. rlsf has 22 times 32 lists (12 times 16 for 64 KiB), embedded-alloc 64 times 64 and a
  critical section that is a mutex on hosts. buddy_system_allocator is not churned at 64 MiB: its frees walk
  lists. ferroc's last release, 1.0.0-pre.3, builds by a nightly of 2024 only: with the feature `ferroc` that one
  makes a library of it, which is called as one in C. Not measured: rusty_alloc's fixed region (needs a target
  without an operating system); without the features `snmalloc-fixed` and `ferroc` snmalloc over a fixed range,
  and ferroc. heap/program/… depends on where the code lies: its differences of a few percent mean nothing.
"
    )
}
