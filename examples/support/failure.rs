//! Why a run ends without a report, and the exit code for it.

use std::fmt;

#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// This machine or this user cannot run the example.
    CannotRun(String),
    /// Anything else.
    Failed(String),
}

impl Failure {
    /// What failed, and why.
    pub fn failed(what: &str, why: impl fmt::Display) -> Self {
        Self::Failed(format!("{what}: {why}"))
    }

    /// What this machine or this user lacks, and how the kernel said so.
    pub fn cannot_run(what: &str, why: impl fmt::Display) -> Self {
        Self::CannotRun(format!("{what}: {why}"))
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::CannotRun(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => write!(f, "{message} (--help lists the options)"),
            Self::CannotRun(message) => write!(f, "cannot run here: {message}"),
            Self::Failed(message) => f.write_str(message),
        }
    }
}
