//! Passes the compiler's version and flags to the program, and compiles the shims of the features `dpdk`,
//! `snmalloc-fixed` and `ferroc`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    println!(
        "cargo:rustc-env=PEERS_RUSTFLAGS={}",
        flags.replace('\u{1f}', " ")
    );
    println!(
        "cargo:rustc-env=PEERS_RUSTC={}",
        output(&env::var("RUSTC").unwrap_or_default(), "--version")
    );
    #[cfg(feature = "dpdk")]
    dpdk::build();
    #[cfg(feature = "snmalloc-fixed")]
    snmalloc::build();
    #[cfg(feature = "ferroc")]
    ferroc::build();
}

/// The first line that a program prints.
fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    output
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(feature = "snmalloc-fixed")]
mod snmalloc {
    use std::env;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    pub fn build() {
        let shim = "src/heap/snmalloc_fixed.cc";
        println!("cargo:rerun-if-changed={shim}");
        let mut build = cc::Build::new();
        build.cpp(true).std("c++20").opt_level(3).warnings(false);
        build.file(shim).include(sources().join("upstream/src"));
        // As the build script of snmalloc-sys does.
        for flag in [
            "-fno-exceptions",
            "-fno-rtti",
            "-mcx16",
            "-ftls-model=initial-exec",
        ] {
            build.flag(flag);
        }
        for name in [
            "NDEBUG",
            "SNMALLOC_HAS_LINUX_FUTEX_H",
            "SNMALLOC_HAS_LINUX_RANDOM_H",
            "SNMALLOC_PLATFORM_HAS_GETENTROPY",
        ] {
            build.define(name, None);
        }
        build.define("SNMALLOC_USE_WAIT_ON_ADDRESS", "1");
        build.compile("snmalloc_fixed");
    }

    /// Where cargo has the sources of the crate snmalloc-sys.
    fn sources() -> PathBuf {
        let manifest = format!("{}/Cargo.toml", env::var("CARGO_MANIFEST_DIR").unwrap());
        let metadata = Command::new(env::var("CARGO").unwrap())
            .args([
                "metadata",
                "--format-version",
                "1",
                "--offline",
                // Crates for other platforms may not have been downloaded.
                "--filter-platform",
            ])
            .arg(env::var("TARGET").unwrap())
            .arg("--manifest-path")
            .arg(manifest)
            .output()
            .expect("cargo runs this script");
        let metadata = String::from_utf8_lossy(&metadata.stdout);
        let mut manifests = metadata
            .split("\"manifest_path\":\"")
            .filter_map(|rest| rest.split('"').next());
        let found = manifests.find(|path| path.contains("/snmalloc-sys-"));
        let found = found.expect("the crate snmalloc-sys is a dependency");
        Path::new(found).parent().unwrap().to_owned()
    }
}

#[cfg(feature = "ferroc")]
mod ferroc {
    use std::env;
    use std::process::Command;

    /// A toolchain of the time of ferroc's last release. rustup installs it:
    /// `rustup toolchain install nightly-2024-10-01 --profile minimal`.
    const TOOLCHAIN: &str = "nightly-2024-10-01";

    pub fn build() {
        let shim = "src/heap/ferroc";
        for source in ["lib.rs", "Cargo.toml", "Cargo.lock"] {
            println!("cargo:rerun-if-changed={shim}/{source}");
        }
        let target = format!("{}/ferroc", env::var("OUT_DIR").unwrap());
        let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
        // As for snmalloc: the library is part of a program.
        let flags = format!("{flags}\u{1f}-Ztls-model=initial-exec");
        let mut cargo = Command::new("rustup");
        cargo
            .args(["run", TOOLCHAIN, "cargo", "build", "--release", "--locked"])
            .args(["--target-dir", &target])
            .current_dir(shim)
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                flags.trim_start_matches('\u{1f}'),
            );
        // What this build has set for its own compiler.
        for variable in [
            "CARGO",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTDOC",
            "RUSTUP_TOOLCHAIN",
        ] {
            cargo.env_remove(variable);
        }
        let status = cargo.status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "feature `ferroc` needs `rustup toolchain install {TOOLCHAIN} --profile minimal`"
        );
        println!("cargo:rustc-link-search=native={target}/release");
        println!("cargo:rustc-link-lib=static=peers_ferroc");
    }
}

#[cfg(feature = "dpdk")]
mod dpdk {
    use std::process::Command;

    const SOURCES: &[&str] = &["src/dpdk_shim.c", "src/packet/dpdk.c"];

    pub fn build() {
        for source in SOURCES.iter().chain(&["src/dpdk_loops.h"]) {
            println!("cargo:rerun-if-changed={source}");
        }
        println!(
            "cargo:rustc-env=PEERS_DPDK={}",
            pkg_config("--modversion").join(" ")
        );
        let mut shim = cc::Build::new();
        shim.files(SOURCES).flag("-O3").warnings(true);
        for flag in pkg_config("--cflags") {
            shim.flag(flag);
        }
        // Last, as pkg-config's flags contain an older -march.
        shim.flag("-march=native");
        shim.compile("dpdk_shim");
        for path in pkg_config("--libs-only-L") {
            println!(
                "cargo:rustc-link-search=native={}",
                path.trim_start_matches("-L")
            );
        }
        for library in ["rte_net", "rte_mbuf", "rte_mempool", "rte_ring", "rte_eal"] {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
    }

    fn pkg_config(what: &str) -> Vec<String> {
        let out = Command::new("pkg-config")
            .args([what, "libdpdk"])
            .output()
            .expect("feature `dpdk` needs pkg-config");
        assert!(
            out.status.success(),
            "feature `dpdk` needs libdpdk (Debian: libdpdk-dev): {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout)
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }
}
