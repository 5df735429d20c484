//! Builds of the other packages of this workspace, and what they need.

use std::path::Path;
use std::process::Command;

/// Builds a package of this workspace with `arguments` below `target_dir`.
///
/// # Panics
/// If it does not build.
pub(crate) fn build(package: &str, arguments: &[&str], target_dir: &Path) {
    // Read at run time: a copy of this package may share the target directory.
    let of_cargo = |name| std::env::var_os(name).expect("run by `cargo test`");
    let directory = Path::new(&of_cargo("CARGO_MANIFEST_DIR")).join(package);
    let status = Command::new(of_cargo("CARGO"))
        .current_dir(directory)
        .args(["build", "--quiet", "--locked"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target_dir)
        // The caller's flags would make other images, and override the packages' own flags.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "{package} must build with {arguments:?}: {status}"
    );
}

/// Whether `core` is installed for a target.
pub fn target_is_installed(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .expect("rustc starts");
    let directory = String::from_utf8_lossy(&output.stdout);
    output.status.success() && Path::new(directory.trim()).is_dir()
}
