//! The instructions of single calls of heaps on a Cortex-M3, as the program counts them by a timer of QEMU.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::calls::KINDS;
use crate::{cargo, qemu};

/// The target of the program.
pub const TARGET: &str = "thumbv7m-none-eabi";

/// The calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// The instructions of the longest call.
    pub longest: u64,
    /// The instructions of all calls, and their number.
    pub sum: u64,
    /// The number of calls.
    pub calls: u64,
    /// What the longest call was.
    pub text: String,
}

/// What the program found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Numbers of instructions that are known, and what was counted.
    pub known: Vec<(u64, u64)>,
    /// By kind, as [`KINDS`].
    pub of: [Calls; 3],
}

/// Builds the program below `target_dir`, and returns its path.
///
/// # Panics
/// If it does not build.
pub fn build(target_dir: &Path) -> PathBuf {
    cargo::build(
        "cortex_calls",
        &["--release", "--target", TARGET],
        target_dir,
    );
    target_dir.join(TARGET).join("release/cortex_calls")
}

/// Makes `calls` calls of a heap over `len` bytes. Instructions that copy do not count.
///
/// # Panics
/// If QEMU or the program fails.
pub fn run(program: &Path, heap: &str, calls: u64, len: usize) -> Counts {
    let output = qemu::command(program, &[heap, &calls.to_string(), &len.to_string()])
        // The clock advances by 128 ns an instruction, as the program expects.
        .args(["-icount", "shift=7,sleep=off"])
        .output()
        .expect("QEMU starts");
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let errors = String::from_utf8_lossy(&stderr);
    assert!(
        status.success(),
        "{heap} failed in QEMU: {status}, {errors}"
    );
    read(&String::from_utf8_lossy(&stdout))
}

/// Reads the lines of the program.
fn read(lines: &str) -> Counts {
    let mut counts = Counts::default();
    for line in lines.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or_default();
        let mut words = rest.splitn(4, ' ');
        let mut number = || words.next().and_then(|word| word.parse().ok());
        if kind == "known" {
            counts.known.extend(number().zip(number()));
        } else if let Some(i) = KINDS.iter().position(|name| *name == kind)
            && let (Some(longest), Some(sum), Some(calls)) = (number(), number(), number())
        {
            counts.of[i] = Calls {
                longest,
                sum,
                calls,
                text: words.next().unwrap_or_default().to_owned(),
            };
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_program_are_read() {
        let counts = read("known 2 3\nempty 1\nfree 117 350 3 call 38 in `random`: 17801 bytes\n");
        assert_eq!(counts.known, [(2, 3)]);
        let free = &counts.of[1];
        assert_eq!((free.longest, free.sum, free.calls), (117, 350, 3));
        assert_eq!(free.text, "call 38 in `random`: 17801 bytes");
        assert_eq!(counts.of[0], Calls::default());
    }
}
