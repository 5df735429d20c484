//! A board with a Cortex-M3 in QEMU.

use std::path::Path;
use std::process::{Command, Stdio};

const QEMU: &str = "qemu-system-arm";

/// Whether QEMU is installed.
pub fn is_installed() -> bool {
    let mut version = Command::new(QEMU);
    version.arg("--version").stdout(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}

/// QEMU with a program, which gets a command line by semihosting.
pub(crate) fn command(program: &Path, words: &[&str]) -> Command {
    let words: String = words.iter().map(|word| format!(",arg={word}")).collect();
    let mut command = Command::new(QEMU);
    command
        .args(["-machine", "mps2-an385", "-nic", "none"])
        .args(["-display", "none", "-monitor", "none", "-serial", "none"])
        .arg("-semihosting-config")
        .arg(format!("enable=on,target=native{words}"))
        .arg("-kernel")
        .arg(program);
    command
}
