//! Mappings: what is asked for is had, or the report and the errors say why not, and nothing crashes.
//!
//! Real refusals are used where they can be had; the rest (old kernels, pages that run out between
//! `mmap` and the first touch) come from a seccomp filter on the calling thread. What the machine or
//! its permissions leave untested prints a line that starts with `SKIPPED`.
#![cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
#![allow(missing_docs)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use framepool::region::PageSize::{self, Base, Huge2M, Transparent};
use framepool::region::Residency::{self, OnDemand, Unverified, Verified};
use framepool::region::Stage::{self, Advise, Map, Populate};
use framepool::region::{MapBuilder, Step};
use framepool::{MapError, MappedRegion, RegionReport};
use libc::{EACCES, EFAULT, EINVAL, ENOMEM, MADV_HUGEPAGE, MADV_POPULATE_WRITE};

const HUGE: usize = 2 << 20;
const ALL: [PageSize; 3] = [Huge2M, Transparent, Base];

type Refusal = (PageSize, Stage, i32);

fn base_page() -> usize {
    // SAFETY: takes no pointer.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

fn unit(page: PageSize) -> usize {
    if page == Base { base_page() } else { HUGE }
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

// ---- what the kernel says, read without the crate

/// The fields of the `/proc/self/smaps` entry that holds `address`, in bytes, its length as `len`, and
/// each of its `VmFlags` by name.
fn smaps(address: usize) -> HashMap<String, usize> {
    let text = String::from_utf8_lossy(&fs::read("/proc/self/smaps").unwrap()).into_owned();
    let mut fields = HashMap::new();
    let mut inside = false;
    for line in text.lines() {
        let head = line.split_whitespace().next().unwrap_or_default();
        if let Some((from, to)) = head.split_once('-') {
            let hex = |digits| usize::from_str_radix(digits, 16).unwrap();
            inside = (hex(from)..hex(to)).contains(&address);
            if inside {
                fields.insert("len".into(), hex(to) - hex(from));
            }
        } else if let (true, Some((name, value))) = (inside, line.split_once(':')) {
            if let Some(Ok(kib)) = value.trim().strip_suffix(" kB").map(str::parse::<usize>) {
                fields.insert(name.into(), kib * 1024);
            }
            if name == "VmFlags" {
                fields.extend(value.split_whitespace().map(|flag| (flag.into(), 1)));
            }
        }
    }
    fields
}

fn address(region: &MappedRegion) -> usize {
    region.as_ptr().as_ptr() as usize
}

/// Page faults of this thread while one byte of each base page is written: by the kernel, since a
/// sanitizer would have its own faults on the way. Exact only where a test is [`alone`].
fn faults_of_touching(region: &mut MappedRegion) -> usize {
    let faults = || {
        // SAFETY: a plain structure of integers, filled in by the call.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) };
        assert_eq!(failed, 0);
        usize::try_from(usage.ru_minflt + usage.ru_majflt).unwrap()
    };
    let zeros = File::open("/dev/zero").unwrap();
    let touch = |byte: &mut MaybeUninit<u8>| {
        // SAFETY: writes the one byte that is borrowed.
        let read = unsafe { libc::syscall(libc::SYS_read, zeros.as_raw_fd(), byte, 1_usize) };
        assert_eq!(read, 1);
    };
    let page = base_page();
    let pass = |bytes: &mut [MaybeUninit<u8>]| {
        let before = faults();
        bytes.iter_mut().step_by(page).for_each(touch);
        faults() - before
    };
    // The code's own first runs are not to be counted.
    let mut other = vec![MaybeUninit::uninit(); 2 * page];
    for _ in 0..4 {
        pass(&mut other);
    }
    pass(region.as_uninit_mut())
}

/// Bytes of address space of this process.
fn virtual_size() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<usize>().unwrap() * base_page()
}

/// Runs `body` in a process of its own: for what other tests' threads would blur.
fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os("FRAMEPOOL_ALONE").is_some_and(|name| name == test) {
        return body();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("FRAMEPOOL_ALONE", test)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    said.lines()
        .filter(|line| line.contains("SKIPPED"))
        .for_each(|line| println!("{line}"));
    let complained = String::from_utf8_lossy(&child.stderr);
    assert!(
        child.status.success(),
        "{}\n{said}\n{complained}",
        child.status
    );
    assert!(said.contains("1 passed"), "no test is named {test}\n{said}");
}

// ---- the machine's 2 MiB pages

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
static POOL_LOCK: Mutex<()> = Mutex::new(());

/// Holds the machine's 2 MiB pages for one test (other processes of this suite included), and restores
/// their number.
struct HugePages {
    before: [(&'static str, usize); 2],
    _file: Option<File>,
    _guard: MutexGuard<'static, ()>,
}

fn pool_file(name: &str) -> usize {
    let text = fs::read_to_string(format!("{POOL}/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A setting as it was made: pages that are counted only because a mapping outlives their number
/// (surplus: a test that leaks) are not part of it, or restoring it would make them stay.
fn pool_read(name: &str) -> usize {
    match name {
        "nr_hugepages" => pool_file(name).saturating_sub(pool_file("surplus_hugepages")),
        _ => pool_file(name),
    }
}

fn pool_write(name: &str, n: usize) -> bool {
    pool_read(name) == n || fs::write(format!("{POOL}/{name}"), n.to_string()).is_ok()
}

impl HugePages {
    fn lock() -> Self {
        let guard = POOL_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        // A directory of the kernel's, there for every user; nothing to lock where it is not.
        let file = File::open(POOL).ok();
        if let Some(file) = &file {
            // SAFETY: an open file; the lock goes when it is closed.
            assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }, 0);
        }
        let names = ["nr_hugepages", "nr_overcommit_hugepages"];
        Self {
            before: names.map(|name| (name, pool_read(name))),
            _file: file,
            _guard: guard,
        }
    }

    /// Sees to it that exactly `n` pages can be had, or says that it cannot be done.
    fn exactly(n: usize) -> Option<Self> {
        let held = Self::lock();
        let others = || pool_file("nr_hugepages").saturating_sub(held.available());
        let set =
            pool_write("nr_overcommit_hugepages", 0) && pool_write("nr_hugepages", others() + n);
        if set && held.available() == n {
            return Some(held);
        }
        println!("SKIPPED hugetlb: {n} free 2 MiB pages cannot be arranged (root? memory?)");
        None
    }

    fn available(&self) -> usize {
        pool_file("free_hugepages").saturating_sub(pool_file("resv_hugepages"))
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        for (name, n) in self.before {
            if !pool_write(name, n) {
                println!("{POOL}/{name} could not be restored to {n}");
            }
        }
    }
}

// ---- kernels that refuse

/// A system call of this thread that fails with `errno` if its arguments (position, low word) match.
struct Refuse(libc::c_long, &'static [(u32, RangeInclusive<i32>)], i32);

const NO_POPULATE: Refuse = Refuse(
    libc::SYS_madvise,
    &[(2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE)],
    EINVAL,
);

/// Runs `body` on a thread whose kernel refuses what `rules` say.
fn refusing<T: Send>(rules: &[Refuse], body: impl FnOnce() -> T + Send) -> Option<T> {
    let line = |code: u32, jt: usize, jf: usize, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: u8::try_from(jt).unwrap(),
        jf: u8::try_from(jf).unwrap(),
        k,
    };
    let load = |at| line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let if_not = |test, k, skip| line(libc::BPF_JMP | test | libc::BPF_K, 0, skip, k);
    let if_more = |k, skip| line(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, skip, 0, k);
    let ret = |k| line(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let low_word = if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut program = Vec::new();
    for Refuse(call, args, errno) in rules {
        // struct seccomp_data: the call's number at 0, its arguments from 16.
        let call = u32::try_from(*call).unwrap();
        let mut left = 3 * args.len() + 1;
        program.extend([load(0), if_not(libc::BPF_JEQ, call, left)]);
        for (position, values) in *args {
            let (least, most) = (*values.start() as u32, *values.end() as u32);
            left -= 3;
            program.push(load(16 + 8 * position + low_word));
            program.push(if_not(libc::BPF_JGE, least, left + 1));
            program.push(if_more(most, left));
        }
        program.push(ret(libc::SECCOMP_RET_ERRNO | *errno as u32));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    let filter_address = &raw const filter as usize;
    let result = thread::scope(|scope| {
        let run = move || {
            // SAFETY: the program outlives the call; both calls concern this thread alone.
            let refused = unsafe {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                    || libc::prctl(
                        libc::PR_SET_SECCOMP,
                        libc::SECCOMP_MODE_FILTER,
                        filter_address,
                    ) != 0
            };
            (!refused).then(body)
        };
        scope.spawn(run).join().unwrap()
    });
    if result.is_none() {
        println!("SKIPPED seccomp: this kernel takes no filter");
    }
    result
}

// ---- lengths

#[test]
fn a_length_of_zero_is_an_error() {
    for page in ALL {
        for builder in [builder(0, page), forced(0, page)] {
            assert_eq!(builder.map().unwrap_err(), MapError::ZeroLength);
        }
    }
    assert!(
        MapError::ZeroLength
            .to_string()
            .contains("at least one byte")
    );
}

#[test]
fn lengths_that_overflow_are_an_error_with_the_length() {
    let half = usize::MAX / 2;
    for requested in [usize::MAX, usize::MAX - 4095, half + 1, half] {
        for builder in ALL.map(|page| [builder(requested, page), forced(requested, page)]) {
            for builder in builder {
                let error = builder.map().unwrap_err();
                assert_eq!(error, MapError::TooLong { requested });
                assert!(error.to_string().contains(&requested.to_string()));
            }
        }
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn more_than_the_address_space_holds_is_an_error_that_names_every_rung() {
    let _held = HugePages::lock();
    let error = MappedRegion::builder(1 << 48).map().unwrap_err();
    assert_eq!(refusals(&error), ALL.map(no_memory));
    let text = error.to_string();
    let (bytes, rungs) = text.split_once(" bytes cannot be mapped: ").unwrap();
    assert_eq!(bytes, "281474976710656");
    for (rung, page) in rungs.split("; ").zip(ALL) {
        assert!(rung.starts_with(&format!("no {page} (map: ")), "{rung}");
    }
    for page in ALL {
        let error = forced(1 << 48, page).map().unwrap_err();
        assert_eq!(refusals(&error), [no_memory(page)]);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn more_than_the_machine_has_is_an_error() {
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    if overcommit.trim() == "1" {
        println!("SKIPPED 64 TiB: this machine overcommits without limit");
        return;
    }
    let error = builder(1 << 46, Transparent).map().unwrap_err();
    assert_eq!(refusals(&error), [Transparent, Base].map(no_memory));
    assert!(matches!(error, MapError::Unavailable { requested, .. } if requested == 1 << 46));
}

fn assert_rounded(requested: usize, page: PageSize) {
    for prefault in [true, false] {
        let region = forced(requested, page).prefault(prefault).map().unwrap();
        assert_eq!(region.len(), requested.next_multiple_of(unit(page)));
        assert_eq!(region.as_uninit().len(), region.len());
        assert_eq!(address(&region) % unit(page), 0);
        assert_eq!(region.report().requested(), requested);
        assert_eq!(region.report().mapped(), region.len());
    }
}

const ODD: [usize; 7] = [1, 4095, 4096, 4097, HUGE - 1, HUGE, HUGE + 1];

#[test]
fn lengths_are_rounded_up_to_whole_pages() {
    for requested in ODD {
        assert_rounded(requested, Base);
        assert_rounded(requested, Transparent);
    }
}

#[test]
fn lengths_of_2_mib_pages_are_rounded_and_given_back_whole() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    for requested in ODD {
        assert_rounded(requested, Huge2M);
        assert_eq!(pages.available(), 2, "after {requested} bytes");
    }
}

// ---- contents and ownership

/// Whether every byte is `value`. Only for memory that is zeroed or was written.
fn is_all(region: &MappedRegion, value: u8) -> bool {
    let all = region.as_uninit().iter();
    // SAFETY: a mapping is zeroed by the kernel: every byte has a value.
    all.map(|b| unsafe { b.assume_init() }).all(|b| b == value)
}

#[test]
fn memory_is_zeroed_and_keeps_what_is_written() {
    let _held = HugePages::exactly(2);
    for (page, prefault) in ALL.map(|page| [(page, true), (page, false)]).concat() {
        let builder = builder(3_000_000, page).prefault(prefault);
        let mut region = builder.map().unwrap();
        assert!(is_all(&region, 0));
        let (front, back) = region.as_uninit_mut().split_at_mut(2_000_000);
        front.fill(MaybeUninit::new(1));
        back.fill(MaybeUninit::new(2));
        // SAFETY: written just now.
        let at = |i: usize| unsafe { region.as_uninit()[i].assume_init() };
        assert_eq!([at(0), at(1_999_999)], [1, 1]);
        assert_eq!([at(2_000_000), at(region.len() - 1)], [2, 2]);
    }
}

#[test]
fn regions_move_between_threads_and_are_shared_by_them() {
    let mut region = builder(1 << 20, Base).map().unwrap();
    let start = address(&region);
    let writer = thread::spawn(move || {
        region.as_uninit_mut().fill(MaybeUninit::new(9));
        region
    });
    let region = writer.join().unwrap();
    assert_eq!(address(&region), start);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(is_all(&region, 9)));
        }
    });
    thread::spawn(move || drop(region)).join().unwrap();
}

#[test]
fn dropping_unmaps_all_of_it() {
    alone("dropping_unmaps_all_of_it", || {
        let (n, len) = (8, 4 * HUGE);
        // Less than the slack of `n` alignments, more than the tests' own memory.
        let noise = n * HUGE / 2;
        let _held = HugePages::exactly(n * len / HUGE);
        // Allocates nothing, which could be put where the regions were.
        let is_mapped = |at: &usize| {
            let page = std::ptr::without_provenance_mut(at & !(base_page() - 1));
            // SAFETY: asks about a page of anonymous memory, which has nothing to be written back.
            unsafe { libc::msync(page, 1, libc::MS_ASYNC) == 0 }
        };
        for page in ALL {
            let before = virtual_size();
            let map = |_| builder(len, page).map().unwrap();
            let regions: Vec<_> = (0..n).map(map).collect();
            let grown = virtual_size().saturating_sub(before);
            assert!((n * len..n * len + noise).contains(&grown), "{page}");
            let ends = |r: &MappedRegion| [address(r), address(r) + len - 1];
            let ends: Vec<_> = regions.iter().flat_map(ends).collect();
            assert!(ends.iter().all(is_mapped));
            let most = virtual_size();
            drop(regions);
            assert!(!ends.iter().any(is_mapped), "{page}");
            assert!(most - virtual_size() > n * len - noise, "{page}");
        }
    });
}

#[test]
fn failing_leaves_nothing_mapped() {
    alone("failing_leaves_nothing_mapped", || {
        let len = 64 << 20;
        let _held = HugePages::exactly(len / HUGE);
        let populate = &[(2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE)];
        let grown = refusing(&[Refuse(libc::SYS_madvise, populate, ENOMEM)], || {
            let before = virtual_size();
            for _ in 0..8 {
                let error = MappedRegion::builder(len).map().unwrap_err();
                assert_eq!(refusals(&error).len(), 3, "{error}");
            }
            virtual_size().saturating_sub(before)
        });
        assert!(grown.unwrap_or(0) < len, "{grown:?} bytes stay mapped");
    });
}

// ---- rungs

#[test]
fn forced_base_pages_are_base_pages_and_resident() {
    alone("forced_base_pages_are_base_pages_and_resident", || {
        let mut region = forced(4 << 20, Base).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Base, Verified));
        assert_eq!(report.page_bytes(), base_page());
        assert_eq!(report.huge_bytes(), Some(0));
        assert_eq!(report.steps().count(), 0);
        let text = "4194304 bytes in base pages, resident (verified)";
        assert_eq!(report.to_string(), text);
        let entry = smaps(address(&region));
        assert_eq!(entry["KernelPageSize"], base_page());
        assert_eq!(entry["AnonHugePages"], 0);
        // Also where transparent huge pages are always on: "nh", no huge page advice.
        let can_be_huge = Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert_eq!(entry.contains_key("nh"), can_be_huge);
        assert_eq!(faults_of_touching(&mut region), 0);
    });
}

/// The kernel's count for exactly this region.
fn transparent_bytes(region: &MappedRegion) -> Option<usize> {
    let entry = smaps(address(region));
    assert_eq!(entry["len"], region.len(), "merged with a neighbour");
    Some(entry["AnonHugePages"])
}

#[test]
fn transparent_huge_pages_are_reported_as_the_kernel_counts_them() {
    let test = "transparent_huge_pages_are_reported_as_the_kernel_counts_them";
    alone(test, || {
        let mut region = forced(16 << 20, Transparent).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Transparent, Verified));
        assert_eq!(report.page_bytes(), base_page());
        assert_eq!(report.huge_bytes(), transparent_bytes(&region));
        let switch = "/sys/kernel/mm/transparent_hugepage/enabled";
        match fs::read_to_string(switch) {
            Ok(set) if !set.contains("[never]") => assert!(report.huge_bytes() > Some(0)),
            _ => println!("SKIPPED transparent: this kernel has them switched off"),
        }
        assert_eq!(faults_of_touching(&mut region), 0);
    });
}

#[test]
fn advice_that_goes_unheeded_is_not_passed_off_as_huge_pages() {
    alone(
        "advice_that_goes_unheeded_is_not_passed_off_as_huge_pages",
        || {
            // SAFETY: a switch of this process, which is the test's own.
            let off = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
            assert_eq!(off, 0);
            let region = forced(16 << 20, Transparent).map().unwrap();
            assert_eq!(region.report().huge_bytes(), Some(0));
            assert_eq!(transparent_bytes(&region), Some(0));
            let text = region.report().to_string();
            assert!(text.contains(", 0 bytes in huge pages"), "{text}");
        },
    );
}

#[test]
fn forced_2_mib_pages_are_2_mib_pages_and_resident() {
    alone("forced_2_mib_pages_are_2_mib_pages_and_resident", || {
        let Some(pages) = HugePages::exactly(4) else {
            return;
        };
        let mut region = forced(4 * HUGE, Huge2M).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Huge2M, Verified));
        assert_eq!(report.page_bytes(), HUGE);
        assert_eq!(report.huge_bytes(), Some(4 * HUGE));
        assert_eq!(report.steps().count(), 0);
        let text = "8388608 bytes in 2 MiB pages, resident (verified)";
        assert_eq!(report.to_string(), text);
        let entry = smaps(address(&region));
        assert_eq!(entry["KernelPageSize"], HUGE);
        assert_eq!(entry["Private_Hugetlb"], 4 * HUGE);
        assert_eq!(pages.available(), 0);
        assert_eq!(faults_of_touching(&mut region), 0);
        drop(region);
        assert_eq!(pages.available(), 4);
    });
}

#[test]
fn without_prefault_pages_come_with_their_first_touch() {
    let pages = HugePages::exactly(2);
    for page in ALL {
        if page == Huge2M && pages.is_none() {
            continue;
        }
        let mut region = forced(2 * HUGE, page).prefault(false).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (page, OnDemand));
        assert_eq!(report.huge_bytes(), Some(0));
        assert!(report.to_string().contains("on demand"));
        let pages = if page == Base { base_page() } else { HUGE };
        assert!(
            faults_of_touching(&mut region) >= 2 * HUGE / pages,
            "{page}"
        );
    }
}

// ---- refusals

#[test]
fn forced_2_mib_pages_that_are_not_there_are_an_error_with_the_reason() {
    for (there, prefault) in [(0, true), (0, false), (2, true), (2, false)] {
        let Some(_pages) = HugePages::exactly(there) else {
            return;
        };
        let builder = forced(8 * HUGE - 1, Huge2M).prefault(prefault);
        let error = builder.map().unwrap_err();
        assert_eq!(refusals(&error), [no_memory(Huge2M)]);
        let text = error.to_string();
        let start = "16777215 bytes cannot be mapped: no 2 MiB pages (map: ";
        assert!(text.starts_with(start), "{text}");
        let error: Box<dyn std::error::Error> = Box::new(error.clone());
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn falling_back_from_2_mib_pages_names_the_reason() {
    let Some(_pages) = HugePages::exactly(0) else {
        return;
    };
    let builder = MappedRegion::builder(3 * HUGE);
    // Falling back is the default, and the last word counts.
    for builder in [builder.clone(), builder.force().fall_back()] {
        let region = builder.map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Transparent, Verified));
        assert_eq!(facts(report.steps()), [no_memory(Huge2M)]);
        let text = report.to_string();
        assert!(text.contains("; no 2 MiB pages (map: "), "{text}");
    }
}

#[test]
fn pages_that_run_out_when_populated_are_an_error_or_a_step_down() {
    let Some(pages) = HugePages::exactly(1) else {
        return;
    };
    // Only ranges of 2 MiB are refused: both upper rungs, not the one base page at the bottom.
    let range = &[
        (1, HUGE as i32..=HUGE as i32),
        (2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE),
    ];
    let builder = MappedRegion::builder(1);
    for errno in [EFAULT, ENOMEM] {
        let both = || (builder.clone().force().map(), builder.clone().map());
        let Some((error, region)) = refusing(&[Refuse(libc::SYS_madvise, range, errno)], both)
        else {
            return;
        };
        let refused = |page| (page, Populate, errno);
        assert_eq!(refusals(&error.unwrap_err()), [refused(Huge2M)]);
        let region = region.unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Base, Verified));
        assert_eq!(facts(report.steps()), [Huge2M, Transparent].map(refused));
        assert_eq!(region.len(), base_page());
        assert_eq!(pages.available(), 1);
    }
}

#[test]
fn a_kernel_that_cannot_verify_has_its_pages_touched_and_says_so() {
    alone(
        "a_kernel_that_cannot_verify_has_its_pages_touched_and_says_so",
        || {
            for page in [Base, Transparent] {
                let builder = forced(3 * HUGE, page);
                let Some(region) = refusing(&[NO_POPULATE], || builder.map()) else {
                    return;
                };
                let mut region = region.unwrap();
                assert_eq!(kind(region.report()), (page, Unverified));
                let text = region.report().to_string();
                assert!(text.contains("touched (unverified)"), "{text}");
                assert!(is_all(&region, 0));
                assert_eq!(faults_of_touching(&mut region), 0);
            }
        },
    );
}

#[test]
fn a_kernel_that_cannot_verify_has_no_2_mib_page_touched() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    let there = MappedRegion::builder(2 * HUGE);
    let both = || (there.clone().force().map(), there.clone().map());
    let Some((error, region)) = refusing(&[NO_POPULATE], both) else {
        return;
    };
    let refused = [(Huge2M, Populate, EINVAL)];
    assert_eq!(refusals(&error.unwrap_err()), refused);
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Transparent, Unverified));
    assert_eq!(facts(region.report().steps()), refused);
    assert_eq!(pages.available(), 2);
    // Who takes them as they come still can.
    let region = refusing(&[NO_POPULATE], || there.force().prefault(false).map());
    assert_eq!(kind(region.unwrap().unwrap().report()), (Huge2M, OnDemand));
}

#[test]
fn a_kernel_without_transparent_pages_is_an_error_or_a_step_down() {
    let rule = Refuse(
        libc::SYS_madvise,
        &[(2, MADV_HUGEPAGE..=MADV_HUGEPAGE)],
        EINVAL,
    );
    let both = || {
        (
            forced(HUGE, Transparent).map(),
            builder(HUGE, Transparent).map(),
        )
    };
    let Some((error, region)) = refusing(&[rule], both) else {
        return;
    };
    let refused = [(Transparent, Advise, EINVAL)];
    assert_eq!(refusals(&error.unwrap_err()), refused);
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Base, Verified));
    assert_eq!(facts(region.report().steps()), refused);
}

#[test]
fn slack_that_cannot_be_trimmed_is_a_step_down() {
    // 2 MiB of slack: the larger part is at least half of it.
    let rule = Refuse(
        libc::SYS_munmap,
        &[(1, HUGE as i32 / 2..=HUGE as i32)],
        ENOMEM,
    );
    let Some(region) = refusing(&[rule], || builder(HUGE, Transparent).map()) else {
        return;
    };
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Base, Verified));
    assert_eq!(facts(region.report().steps()), [no_memory(Transparent)]);
}

#[test]
fn a_count_that_cannot_be_read_is_none() {
    let rule = Refuse(libc::SYS_openat, &[], EACCES);
    let Some(region) = refusing(&[rule], || forced(HUGE, Transparent).map()) else {
        return;
    };
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Transparent, Verified));
    assert_eq!(region.report().huge_bytes(), None);
    let text = region.report().to_string();
    assert!(text.ends_with("unknown how many in huge pages"), "{text}");
}
