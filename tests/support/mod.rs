//! What tests of mappings share: processes of their own, and the machine's 2 MiB pages.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

pub const HUGE: usize = 2 << 20;

pub fn base_page() -> usize {
    // SAFETY: takes no pointer.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
}

/// This program again, to run one of its tests, which finds `role` in `FRAMEPOOL_ROLE`.
pub fn another(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("FRAMEPOOL_ROLE", role);
    command
}

/// What this process was started for, if by [`another`].
pub fn role() -> Option<String> {
    std::env::var("FRAMEPOOL_ROLE").ok()
}

/// That it ended well and ran the one test, whose `SKIPPED` lines are passed on.
pub fn assert_passed(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let skipped = said.lines().filter(|line| line.contains("SKIPPED"));
    skipped.for_each(|line| println!("{line}"));
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{}\n{said}\n{complained}",
        output.status
    );
}

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";
static POOL_LOCK: Mutex<()> = Mutex::new(());

/// Holds the machine's 2 MiB pages for one test (other processes of this suite included), and restores
/// their number.
pub struct HugePages {
    before: [(&'static str, usize); 2],
    _file: Option<File>,
    _guard: MutexGuard<'static, ()>,
}

fn pool_file(name: &str) -> usize {
    let text = fs::read_to_string(format!("{POOL}/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A setting as it was made: without the pages that are counted only because a mapping outlives them.
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
    pub fn exactly(test: &str, n: usize) -> Option<Self> {
        let held = Self::lock();
        let others = || pool_file("nr_hugepages").saturating_sub(held.available());
        let set =
            pool_write("nr_overcommit_hugepages", 0) && pool_write("nr_hugepages", others() + n);
        if set && held.available() == n {
            return Some(held);
        }
        println!("SKIPPED {test}: {n} free 2 MiB pages cannot be arranged (root? memory?)");
        None
    }

    pub fn available(&self) -> usize {
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

/// A system call of this thread that fails with `errno` if one of its arguments (position, low word)
/// is in a range.
pub struct Refuse(pub libc::c_long, pub (u32, RangeInclusive<u32>), pub i32);

/// Runs `body` on a thread whose kernel refuses what `rules` say, by a seccomp filter.
pub fn refusing<T: Send>(
    test: &str,
    rules: &[Refuse],
    body: impl FnOnce() -> T + Send,
) -> Option<T> {
    let line = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let load = |at| line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let jump = |test, k, jt, jf| line(libc::BPF_JMP | test | libc::BPF_K, jt, jf, k);
    let ret = |k| line(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let low_word = if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut program = Vec::new();
    for Refuse(call, (position, values), errno) in rules {
        // struct seccomp_data: the call's number at 0, its arguments from 16.
        program.extend([
            load(0),
            jump(libc::BPF_JEQ, u32::try_from(*call).unwrap(), 0, 4),
            load(16 + 8 * position + low_word),
            jump(libc::BPF_JGE, *values.start(), 0, 2),
            jump(libc::BPF_JGT, *values.end(), 1, 0),
            ret(libc::SECCOMP_RET_ERRNO | *errno as u32),
        ]);
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
        println!("SKIPPED {test}: this kernel takes no seccomp filter");
    }
    result
}
