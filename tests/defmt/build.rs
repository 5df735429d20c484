//! Gives the linker the section with `defmt`'s strings, for a hosted program.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-arg-tests=-T{directory}/hosted.x");
    // An index is the low 16 bits of a symbol's address, so the program must not be relocated.
    println!("cargo::rustc-link-arg-tests=-no-pie");
    println!("cargo::rerun-if-changed=hosted.x");
}
