//! The instructions of single calls, counted in a trace by valgrind's lackey.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;

/// The kinds of calls, in the order of [`Longest::of`].
pub const KINDS: [&str; 3] = ["alloc", "free", "realloc"];

/// The longest call of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its instructions.
    pub instructions: u64,
    /// Its number among the calls of all kinds, from 0.
    pub number: u64,
    /// The instructions of all calls of the kind, and their number.
    pub sum: u64,
    /// The number of calls of the kind.
    pub calls: u64,
}

/// The longest calls of a heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// By kind, as [`KINDS`].
    pub of: [Call; 3],
}

/// Builds the program that makes the calls below `target_dir`, and returns its path.
///
/// # Panics
/// If it does not build.
pub fn build(target_dir: &Path) -> PathBuf {
    cargo::build("calls", &["--release"], target_dir);
    target_dir.join("release/calls")
}

/// Makes `calls` calls of a heap. Instructions of the C library, which copies and fills memory, do not count.
///
/// # Panics
/// If the program or valgrind fails.
pub fn run(program: &Path, heap: &str, len: usize, calls: u64) -> Longest {
    let mut child = Command::new("valgrind")
        .args(["--tool=lackey", "--trace-mem=yes", "--basic-counts=no"])
        // Both to one pipe: the program's one line, and the trace.
        .arg("--log-fd=1")
        .arg(program)
        .args([heap, &len.to_string(), &calls.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("valgrind starts");
    let output = child.stdout.take().expect("a pipe");
    let longest = count(BufReader::with_capacity(1 << 16, output));
    assert!(
        child.wait().is_ok_and(|status| status.success()),
        "{heap} failed"
    );
    longest
}

/// Prints what a call is.
///
/// # Panics
/// If the program fails.
pub fn describe(program: &Path, heap: &str, len: usize, number: u64) -> String {
    let [len, calls, shown] = [len as u64, number + 1, number].map(|n| n.to_string());
    let arguments = [heap, &len, &calls, &shown];
    let output = Command::new(program).args(arguments).output();
    let output = output.expect("the program starts");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Where the markers and the program's code are.
struct Places {
    markers: u64,
    code: std::ops::Range<u64>,
}

/// Counts a trace: lines `I  address,size` of instructions, ` S address,size` of stores, and others.
fn count(mut trace: impl BufRead) -> Longest {
    let mut longest = Longest::default();
    let mut places = None;
    let (mut now, mut number, mut empty) = (None, 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        if trace.read_until(b'\n', &mut line).expect("a trace") == 0 {
            return longest;
        }
        let Some(Places { markers, code }) = &places else {
            places = told(&line);
            continue;
        };
        match (line.first(), line.get(1)) {
            (Some(b'I'), _) => {
                if let Some((_, instructions)) = &mut now
                    && code.contains(&address(&line))
                {
                    *instructions += 1;
                }
            }
            (Some(b' '), Some(b'S')) => {
                let at = address(&line).wrapping_sub(*markers);
                match (at, now) {
                    (0 | 4 | 8 | 12, None) => now = Some((at as usize / 4, 0)),
                    (16, Some((3, instructions))) => (empty, now) = (instructions, None),
                    (16, Some((kind, instructions))) => {
                        longest.of[kind].add(number, u64::saturating_sub(instructions, empty));
                        number += 1;
                        now = None;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

impl Call {
    fn add(&mut self, number: u64, instructions: u64) {
        self.sum += instructions;
        self.calls += 1;
        if instructions > self.instructions {
            (self.instructions, self.number) = (instructions, number);
        }
    }
}

/// The program's line: three addresses.
fn told(line: &[u8]) -> Option<Places> {
    let line = str::from_utf8(line).ok()?;
    let mut numbers = line.split_whitespace().map(|n| u64::from_str_radix(n, 16));
    let (markers, start, end) = (numbers.next()?, numbers.next()?, numbers.next()?);
    Some(Places {
        markers: markers.ok()?,
        code: start.ok()?..end.ok()?,
    })
}

/// The address in a line: hexadecimal digits after two or three characters, up to a comma.
fn address(line: &[u8]) -> u64 {
    let digits = line.iter().skip(3).take_while(|byte| **byte != b',');
    digits.fold(0, |address, byte| {
        address << 4 | u64::from(char::from(*byte).to_digit(16).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_between_markers_count() {
        let trace = "==1== Lackey\n1000 4000 5000\nI  00004000,3\n S 0000100c,4\nI  00004003,7\n S 00001010,4\n\
                     I  00004010,3\n S 00001000,4\nI  00004020,2\n L 00003000,8\nI  00009000,5\nI  00004022,4\n\
                     I  00004026,1\n S 00001010,4\nI  00004030,1\n";
        let longest = count(trace.as_bytes());
        let [alloc, free, _] = longest.of;
        assert_eq!((alloc.instructions, alloc.calls), (2, 1));
        assert_eq!(free.calls, 0);
    }
}
