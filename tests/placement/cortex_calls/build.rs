//! Gives the linker the memory map, and the functions that `src/copy.rs` has others for.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-arg-bins=-T{directory}/../masked/link.x");
    println!("cargo::rustc-link-arg-bins=--gc-sections");
    for name in ["memcpy", "memmove"] {
        for alignment in ["", "4", "8"] {
            println!("cargo::rustc-link-arg-bins=--wrap=__aeabi_{name}{alignment}");
        }
    }
    println!("cargo::rerun-if-changed=../masked/link.x");
}
