//! The machine's own hugetlb pages.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One page size.
struct Size {
    name: &'static str,
    directory: &'static str,
    lock: Mutex<()>,
}

static TWO_MIB: Size = Size {
    name: "2 MiB",
    directory: "/sys/kernel/mm/hugepages/hugepages-2048kB",
    lock: Mutex::new(()),
};
static ONE_GIB: Size = Size {
    name: "1 GiB",
    directory: "/sys/kernel/mm/hugepages/hugepages-1048576kB",
    lock: Mutex::new(()),
};

impl Size {
    fn file(&self, name: &str) -> usize {
        let text = fs::read_to_string(format!("{}/{name}", self.directory)).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// The setting as it was made. Surplus pages, which exist only because a mapping outlives a lowered
    /// setting (in a test that leaks), are not part of it: restoring them would keep them.
    fn read(&self, name: &str) -> usize {
        match name {
            "nr_hugepages" => self
                .file(name)
                .saturating_sub(self.file("surplus_hugepages")),
            _ => self.file(name),
        }
    }

    fn write(&self, name: &str, n: usize) -> bool {
        self.read(name) == n
            || fs::write(format!("{}/{name}", self.directory), n.to_string()).is_ok()
    }
}

/// Locks the machine's pages of one size for one test, also against other processes of this suite, and
/// restores their number. A test that locks both sizes takes 1 GiB first.
pub struct HugePages {
    size: &'static Size,
    before: [(&'static str, usize); 2],
    _file: Option<File>,
    _guard: MutexGuard<'static, ()>,
}

impl HugePages {
    pub fn lock() -> Self {
        Self::hold(&TWO_MIB)
    }

    /// Makes exactly `n` pages of 2 MiB available, or prints that this is impossible.
    pub fn exactly(n: usize) -> Option<Self> {
        Self::arrange(&TWO_MIB, n)
    }

    /// The same of 1 GiB.
    pub fn exactly_giant(n: usize) -> Option<Self> {
        Self::arrange(&ONE_GIB, n)
    }

    fn hold(size: &'static Size) -> Self {
        let guard = size.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // A directory of the kernel that every user can open. If it does not exist, there is nothing to
        // lock.
        let file = File::open(size.directory).ok();
        if let Some(file) = &file {
            // SAFETY: an open file; the lock goes when it is closed.
            assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }, 0);
        }
        let names = ["nr_hugepages", "nr_overcommit_hugepages"];
        Self {
            size,
            before: names.map(|name| (name, size.read(name))),
            _file: file,
            _guard: guard,
        }
    }

    fn arrange(size: &'static Size, n: usize) -> Option<Self> {
        let held = Self::hold(size);
        let others = || size.file("nr_hugepages").saturating_sub(held.available());
        let set =
            size.write("nr_overcommit_hugepages", 0) && size.write("nr_hugepages", others() + n);
        if set && held.available() == n {
            return Some(held);
        }
        let name = size.name;
        println!("SKIPPED hugetlb: {n} free {name} pages cannot be arranged (root? memory?)");
        None
    }

    pub fn available(&self) -> usize {
        let reserved = self.size.file("resv_hugepages");
        self.size.file("free_hugepages").saturating_sub(reserved)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        for (name, n) in self.before {
            if !self.size.write(name, n) {
                println!(
                    "{}/{name} could not be restored to {n}",
                    self.size.directory
                );
            }
        }
    }
}
