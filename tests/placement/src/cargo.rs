//! Builds the neighbouring packages.

use std::path::Path;
use std::process::Command;

/// Builds a package of this workspace with `arguments`, below `target_dir`.
///
/// # Panics
/// If it does not build, because the test cannot continue.
pub(crate) fn build(package: &str, arguments: &[&str], target_dir: &Path) {
    // Read at run time: a target directory may be shared with a copy of this package.
    let of_cargo = |name| std::env::var_os(name).expect("run by `cargo test`");
    let directory = Path::new(&of_cargo("CARGO_MANIFEST_DIR")).join(package);
    let status = Command::new(of_cargo("CARGO"))
        .current_dir(directory)
        .args(["build", "--quiet", "--locked"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target_dir)
        // The caller's flags would make other images, and override those of the packages.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("cargo starts");
    assert!(
        status.success(),
        "{package} must build with {arguments:?}: {status}"
    );
}
