//! The instructions that run with interrupts off on a target without compare-and-swap, as QEMU logs them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::image::Image;
use crate::{cargo, qemu};

const CPSIE_I: [u8; 2] = [0x62, 0xB6];
const CPSID_I: [u8; 2] = [0x72, 0xB6];
/// The function after which the operations of the next pool come.
const NEXT_POOL: &str = "next_pool";

/// The longest section of each operation, by the name of its function, in each of the program's pools.
pub type Longest = BTreeMap<String, [usize; 3]>;

/// Builds the program for thumbv6m below `target_dir`, and returns its path.
///
/// # Panics
/// If it does not build.
pub fn build(target_dir: &Path) -> PathBuf {
    let target = "thumbv6m-none-eabi";
    cargo::build("masked", &["--release", "--target", target], target_dir);
    target_dir.join(target).join("release/masked")
}

/// Runs the program in QEMU, which writes a line for each instruction to `log`. Counts the instructions after `cpsid i`
/// up to `cpsie i`, this one included. A section in a section belongs to the outer one.
///
/// # Panics
/// If QEMU or the program fails.
pub fn run(program: &Path, log: &Path) -> Longest {
    let status = qemu::command(program, &[])
        .args(["-singlestep", "-d", "exec,nochain", "-D"])
        .arg(log)
        .status()
        .expect("QEMU starts");
    assert!(status.success(), "the program failed in QEMU: {status}");
    let lines = BufReader::new(std::fs::File::open(log).expect("QEMU wrote a log")).lines();
    let addresses = lines
        .map_while(Result::ok)
        .filter_map(|line| address(&line));
    let longest = longest(&Image::read(program), addresses);
    // It has hundreds of megabytes.
    let _ = std::fs::remove_file(log);
    longest
}

/// The address in a line like `Trace 0: 0x7f… [00000000/0000013c/00000110/ff000201] name`.
fn address(line: &str) -> Option<u64> {
    let (_, fields) = line.strip_prefix("Trace ")?.split_once('[')?;
    u64::from_str_radix(fields.split('/').nth(1)?, 16).ok()
}

fn longest(image: &Image, addresses: impl Iterator<Item = u64>) -> Longest {
    let operations: BTreeMap<u64, &str> =
        image.functions().map(|f| (f.address, &*f.name)).collect();
    let mut longest = Longest::new();
    let (mut operation, mut pools, mut masked) = ("", 0_usize, None::<usize>);
    for at in addresses {
        if let Some(count) = masked.as_mut() {
            *count += 1;
        }
        // Names with a path are inner functions.
        if let Some(name) = operations.get(&at).filter(|name| !name.contains("::")) {
            match *name {
                NEXT_POOL => pools += 1,
                name if masked.is_none() && !name.starts_with("__") => operation = name,
                _ => {}
            }
        }
        if masked.is_none() && image.starts_with(at, CPSID_I) {
            masked = Some(0);
        } else if image.starts_with(at, CPSIE_I)
            && let Some(count) = masked.take()
        {
            let all = longest.entry(operation.to_owned()).or_default();
            let pool = pools.saturating_sub(1);
            all[pool] = count.max(all[pool]);
        }
    }
    longest
}
