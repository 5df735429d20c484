//! What tests of mappings share: processes of their own, and the machine's 2 MiB pages.
#![allow(dead_code, reason = "each test takes what it needs")]

mod hugepages;
mod refusing;

use std::process::{Command, Output};

#[allow(unused_imports, reason = "each test takes what it needs")]
pub use hugepages::HugePages;
#[allow(unused_imports, reason = "each test takes what it needs")]
pub use refusing::{NO_POPULATE, NO_SUCH_CALL, Refuse, no_populate, refusing};

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
