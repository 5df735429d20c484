//! Builds the firmware with cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// Builds the firmware for `target` and returns the path of the image.
pub fn build(target: &str) -> Result<PathBuf, Failure> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or_else(|| "the firmware's folder is gone".to_owned())?;
    need_target(target)?;
    let output = directory.join("target");
    // The cargo that runs this program, if there is one.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--target",
            target,
        ])
        .arg("--target-dir")
        .arg(&output)
        .current_dir(directory)
        .status()
        .map_err(|e| format!("cannot start cargo: {e}"))?;
    if !status.success() {
        return Err(format!("cargo could not build the firmware for {target}").into());
    }
    Ok(output.join(target).join("release/firmware"))
}

/// A missing target would make cargo print many errors; this makes one.
fn need_target(target: &str) -> Result<(), Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .map_err(|e| format!("cannot start rustc: {e}"))?;
    let directory = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && Path::new(directory.trim()).is_dir() {
        return Ok(());
    }
    Err(Failure::Missing(format!(
        "the target {target} is not installed: rustup target add {target}"
    )))
}
