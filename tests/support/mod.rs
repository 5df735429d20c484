//! Shared by the tests of mappings: separate processes, and the machine's 2 MiB pages.
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

/// Runs one test of this program in another process. The test finds `role` in `FRAMEPOOL_ROLE`.
pub fn another(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("FRAMEPOOL_ROLE", role);
    command
}

/// The role of this process, if [`another`] started it.
pub fn role() -> Option<String> {
    std::env::var("FRAMEPOOL_ROLE").ok()
}

/// Asserts that the process succeeded and ran one test, and prints its `SKIPPED` lines.
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
