//! The origin of results: processor, kernel, compiler, build, peers.

use std::fs;
use std::process::Command;

/// A processor, as results distinguish it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processor {
    pub vendor: String,
    pub family: u32,
    pub model: u32,
}

/// Names of families and models in `/proc/cpuinfo`.
const NAMES: &[(&str, u32, std::ops::RangeInclusive<u32>, &str)] = &[
    ("AuthenticAMD", 25, 0..=15, "AMD Zen 3"),
    ("AuthenticAMD", 25, 33..=95, "AMD Zen 3"),
    ("AuthenticAMD", 25, 16..=31, "AMD Zen 4"),
    ("AuthenticAMD", 25, 96..=175, "AMD Zen 4"),
    ("AuthenticAMD", 26, 0..=255, "AMD Zen 5"),
    ("GenuineIntel", 6, 106..=108, "Intel Ice Lake"),
    ("GenuineIntel", 6, 143..=143, "Intel Sapphire Rapids"),
    ("GenuineIntel", 6, 207..=207, "Intel Emerald Rapids"),
    ("GenuineIntel", 6, 173..=174, "Intel Granite Rapids"),
];

impl Processor {
    /// The processor that runs this program.
    pub fn this() -> Self {
        let number = |name| cpuinfo(name).parse().unwrap_or_default();
        Self {
            vendor: cpuinfo("vendor_id"),
            family: number("cpu family"),
            model: number("model"),
        }
    }

    /// Its name in file names.
    pub fn slug(&self) -> String {
        let vendor = match self.vendor.as_str() {
            "AuthenticAMD" => "amd",
            "GenuineIntel" => "intel",
            other => other,
        };
        format!("{vendor}-{}-{}", self.family, self.model)
    }

    /// Its name in texts.
    pub fn name(&self) -> String {
        let known = NAMES.iter().find(|(vendor, family, models, _)| {
            *vendor == self.vendor && *family == self.family && models.contains(&self.model)
        });
        known.map_or_else(|| self.slug(), |(.., name)| (*name).to_owned())
    }
}

/// The first value of this name in `/proc/cpuinfo`, or an empty string.
fn cpuinfo(name: &str) -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_default()
}

/// The flags that this program was compiled with: `native`, `x86-64`, or the flags themselves.
pub fn build() -> String {
    let flags = env!("PEERS_RUSTFLAGS");
    match flags.split_once("target-cpu=") {
        Some((_, cpu)) => cpu.split(' ').next().unwrap_or_default().to_owned(),
        None if flags.is_empty() => "x86-64".to_owned(),
        None => flags.replace([' ', '/'], "_"),
    }
}

/// One line for the head of a table.
pub fn line() -> String {
    format!("{}, build {}", Processor::this().name(), build())
}

/// Facts of this machine and of this program, each with its name.
pub fn facts() -> Vec<(String, String)> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut facts = vec![
        ("model", cpuinfo("model name")),
        ("family, model, stepping", {
            let of = |name| cpuinfo(name);
            format!("{}, {}, {}", of("cpu family"), of("model"), of("stepping"))
        }),
        ("microcode", cpuinfo("microcode")),
        ("kernel", kernel.trim().to_owned()),
        ("compiler", env!("PEERS_RUSTC").to_owned()),
        ("flags", env!("PEERS_RUSTFLAGS").to_owned()),
        ("peers", peers()),
    ];
    if cfg!(feature = "dpdk") {
        facts.push((
            "DPDK",
            option_env!("PEERS_DPDK").unwrap_or_default().to_owned(),
        ));
    }
    facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The peers that this is built with, from the lock file.
fn peers() -> String {
    let manifest = include_str!("../Cargo.toml");
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or_default();
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let lock = include_str!("../Cargo.lock");
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        rest.split('"')
            .next()
            .map(|version| format!("{name} {version}"))
    };
    let names = dependencies
        .lines()
        .filter_map(|line| line.split_once(" = "));
    let names = names
        .map(|(name, _)| name)
        .filter(|name| !["framepool", "libc", "cc"].contains(name));
    names.filter_map(version).collect::<Vec<_>>().join(", ")
}

/// The output of git; empty if it fails.
pub fn git(arguments: &[&str]) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output();
    let output = output.ok().filter(|output| output.status.success());
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_default()
}
