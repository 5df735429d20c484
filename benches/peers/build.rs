//! Tells the program how it is compiled, and compiles the DPDK shim with the feature `dpdk`.

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
}

/// The first line of a program's output.
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

#[cfg(feature = "dpdk")]
mod dpdk {
    use std::process::Command;

    pub fn build() {
        println!("cargo:rerun-if-changed=src/dpdk_shim.c");
        println!(
            "cargo:rustc-env=PEERS_DPDK={}",
            pkg_config("--modversion").join(" ")
        );
        let mut shim = cc::Build::new();
        shim.file("src/dpdk_shim.c").flag("-O3").warnings(true);
        for flag in pkg_config("--cflags") {
            shim.flag(flag);
        }
        // This flag comes last, because pkg-config's flags contain an older -march.
        shim.flag("-march=native");
        shim.compile("dpdk_shim");
        for path in pkg_config("--libs-only-L") {
            println!(
                "cargo:rustc-link-search=native={}",
                path.trim_start_matches("-L")
            );
        }
        for library in ["rte_mempool", "rte_ring", "rte_eal"] {
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
