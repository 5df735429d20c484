//! Compiles the DPDK shim, only where the feature `dpdk` asks for it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "dpdk")]
    dpdk::build();
}

#[cfg(feature = "dpdk")]
mod dpdk {
    use std::process::Command;

    pub fn build() {
        println!("cargo:rerun-if-changed=src/dpdk_shim.c");
        let mut shim = cc::Build::new();
        shim.file("src/dpdk_shim.c").flag("-O3").warnings(true);
        for flag in pkg_config("--cflags") {
            shim.flag(flag);
        }
        // Last: pkg-config's flags hold an older -march.
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
