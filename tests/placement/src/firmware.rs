//! Builds the firmware as a user would: with cargo, for a target, linked, without unreachable code.

use std::path::{Path, PathBuf};

use crate::cargo;

/// One image: a target, its optimisation, and the contents of the firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The target's triple.
    pub target: &'static str,
    /// The profile: `release` or `small`.
    pub profile: &'static str,
    /// Features of the firmware, separated by commas.
    pub features: String,
}

impl Build {
    /// Its name in the tables.
    pub fn name(&self) -> String {
        let target = self.target.split('-').next().unwrap_or(self.target);
        format!("{target} {}", self.profile)
    }

    /// Builds the image below `target_dir`, and returns its path.
    ///
    /// # Panics
    /// If it does not build.
    pub fn run(&self, target_dir: &Path) -> PathBuf {
        let (profile, target, features) = (self.profile, self.target, &*self.features);
        let arguments = [
            "--profile",
            profile,
            "--target",
            target,
            "--features",
            features,
        ];
        cargo::build("firmware", &arguments, target_dir);
        target_dir.join(target).join(profile).join("firmware")
    }

    /// Whether `core` is installed for the target.
    pub fn target_is_installed(&self) -> bool {
        cargo::target_is_installed(self.target)
    }
}
