//! The kernel's own figures, read without the crate.

use std::collections::HashMap;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use framepool::MappedRegion;

pub fn base_page() -> usize {
    // SAFETY: takes no pointer.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// The fields of the `/proc/self/smaps` entry that holds `address`, in bytes, its length as `len`, and
/// each of its `VmFlags` by name.
pub fn smaps(address: usize) -> HashMap<String, usize> {
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

pub fn address(region: &MappedRegion) -> usize {
    region.as_ptr().as_ptr() as usize
}

/// Page faults of this thread while one byte of each base page is written. The kernel writes, because a
/// sanitizer would cause faults of its own. Exact only if a test is [`alone`].
pub fn faults_of_touching(region: &mut MappedRegion) -> usize {
    // Made once, and compared without a reference: a sanitizer puts referenced locals into its own pages,
    // new ones for each call. SAFETY: a plain structure of integers, filled in by the call.
    let mut usage: Box<libc::rusage> = Box::new(unsafe { std::mem::zeroed() });
    let mut faults = || {
        // SAFETY: as above.
        let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut *usage) };
        assert!(failed == 0);
        usize::try_from(usage.ru_minflt + usage.ru_majflt).unwrap()
    };
    let zeros = File::open("/dev/zero").unwrap();
    let touch = |byte: &mut MaybeUninit<u8>| {
        // SAFETY: writes the one byte that is borrowed.
        let read = unsafe { libc::syscall(libc::SYS_read, zeros.as_raw_fd(), byte, 1_usize) };
        assert!(read == 1);
    };
    let page = base_page();
    let mut pass = |bytes: &mut [MaybeUninit<u8>]| {
        let before = faults();
        bytes.iter_mut().step_by(page).for_each(touch);
        faults() - before
    };
    // The first runs of the code itself are not counted.
    let mut other = vec![MaybeUninit::uninit(); 2 * page];
    for _ in 0..4 {
        pass(&mut other);
    }
    pass(region.as_uninit_mut())
}

/// Asserts that touching a region causes no fault. The process may have a fault of its own if the machine
/// has dropped a page of its code. A fault of the region itself happens again with a new region.
pub fn assert_no_faults(what: &str, mut region: impl FnMut() -> MappedRegion) {
    let mut faults = || faults_of_touching(&mut region());
    assert!((0..3).any(|_| faults() == 0), "{what}");
}

/// Bytes of address space of this process.
pub fn virtual_size() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<usize>().unwrap() * base_page()
}

/// Whether every byte is `value`. Only for memory that is zeroed or was written.
pub fn is_all(region: &MappedRegion, value: u8) -> bool {
    let all = region.as_uninit().iter();
    // SAFETY: a mapping is zeroed by the kernel: every byte has a value.
    all.map(|b| unsafe { b.assume_init() }).all(|b| b == value)
}

/// The kernel's count for exactly this region.
pub fn transparent_bytes(region: &MappedRegion) -> Option<usize> {
    let entry = smaps(address(region));
    assert_eq!(entry["len"], region.len(), "merged with a neighbour");
    Some(entry["AnonHugePages"])
}

/// Whether there is a mapping at this address. Allocates nothing, because an allocation could be placed
/// there.
pub fn is_mapped(at: usize) -> bool {
    let page = std::ptr::without_provenance_mut(at & !(base_page() - 1));
    // SAFETY: a query about a page of anonymous memory, which has no contents to write back.
    unsafe { libc::msync(page, 1, libc::MS_ASYNC) == 0 }
}

/// Whether the kernel can write a byte: it writes a zero.
pub fn is_writable(at: usize) -> bool {
    let zeros = File::open("/dev/zero").unwrap();
    // SAFETY: the tests pass addresses in a region, in its guards, or in no mapping.
    unsafe { libc::syscall(libc::SYS_read, zeros.as_raw_fd(), at, 1_usize) == 1 }
}
