//! Tests in processes of their own: for what changes or measures a whole process, and for peers.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each room takes what it needs"
)]

use std::process::{Command, Output};

/// The name that the harness has for a test of this module.
macro_rules! test_name {
    ($test:ident) => {{
        let _: fn() = $test;
        let (_room, name) = concat!(module_path!(), "::", stringify!($test))
            .split_once("::")
            .unwrap();
        name
    }};
}
pub(crate) use test_name;

/// This program again, to run one of its tests ([`test_name`]), which finds `role` in `FRAMEPOOL_ROLE`.
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

/// Runs `body` in a process of its own.
pub fn alone(test: &str, body: impl FnOnce()) {
    match role() {
        Some(_) => body(),
        None => assert_passed(&another(test, "alone").output().unwrap()),
    }
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
