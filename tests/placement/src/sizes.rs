//! The same firmware with different global allocators: its sizes, and what it can allocate.

use std::path::{Path, PathBuf};

use crate::image::Image;
use crate::{cargo, qemu};

/// The target of the programs.
pub const TARGET: &str = "thumbv7m-none-eabi";

/// Bytes that each heap has.
pub const LEN: u64 = 64 << 10;

/// The sizes of an image in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Code and constants.
    pub code: u64,
    /// Initialised statics.
    pub data: u64,
    /// Zeroed statics, the heap's memory included.
    pub bss: u64,
}

impl Sizes {
    /// The sizes of an image.
    pub fn of(image: &Image) -> Self {
        let [text, rodata, data, bss] =
            [".text", ".rodata", ".data", ".bss"].map(|section| image.size_of(section));
        Self {
            code: text + rodata,
            data,
            bss,
        }
    }

    /// Bytes of RAM beyond the heap's memory.
    pub fn beyond(self) -> u64 {
        (self.data + self.bss).saturating_sub(LEN)
    }
}

/// What can be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of the largest object.
    pub largest: u64,
    /// The number of objects of 24 bytes.
    pub small: u64,
}

/// Builds the programs with a profile below `target_dir`. Those for QEMU tell what they can allocate.
///
/// # Panics
/// If they do not build.
pub fn build(profile: &str, for_qemu: bool, target_dir: &Path) -> PathBuf {
    let mut arguments = vec!["--bins", "--profile", profile, "--target", TARGET];
    if for_qemu {
        arguments.extend(["--features", "probe"]);
    }
    cargo::build("sizes", &arguments, target_dir);
    target_dir.join(TARGET).join(profile)
}

/// Runs a program that was built for QEMU.
///
/// # Panics
/// If QEMU or the program fails.
pub fn room(program: &Path) -> Room {
    let output = qemu::command(program, &[]).output().expect("QEMU starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let mut numbers = said.split_whitespace().map_while(|n| n.parse().ok());
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(largest), Some(small)) => Room { largest, small },
        _ => panic!("{} failed in QEMU: {output:?}", program.display()),
    }
}
