//! Builds of the packages beside this one.

use std::path::Path;
use std::process::Command;

/// Builds a package of this workspace with `arguments`, everything below `target_dir`.
///
/// # Panics
/// If it does not build: a test cannot go on.
pub(crate) fn build(package: &str, arguments: &[&str], target_dir: &Path) {
    // Asked for when it runs: a target directory may be shared with a copy of this one.
    let of_cargo = |name| std::env::var_os(name).expect("run by `cargo test`");
    let directory = Path::new(&of_cargo("CARGO_MANIFEST_DIR")).join(package);
    let status = Command::new(of_cargo("CARGO"))
        .current_dir(directory)
        .args(["build", "--quiet", "--locked"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target_dir)
        // Flags of whoever runs the tests would make other images, and override the packages' own.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "{package} must build with {arguments:?}: {status}"
    );
}
