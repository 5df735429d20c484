//! Builds the firmware, runs it in QEMU, and is its peer on the network: sends requests, checks the answers, floods
//! it until its pool is exhausted, and asks for its statistics to see that no block was lost.
//!
//! ```text
//!  this program ◄──── UDP on loopback, one Ethernet frame per datagram ────► QEMU: LAN9118, firmware
//!               ◄──── standard output: the firmware's log (semihosting) ────
//! ```
//!
//! `cargo run -p firmware-host -- --help` lists the options.

mod checks;
mod frames;
mod image;
mod machine;
mod options;
mod peer;

use std::io::Write;
use std::process::ExitCode;

use crate::options::{Options, Parsed};

/// Why the run ended early.
pub enum Failure {
    /// Something that it needs is missing.
    Missing(String),
    /// Something did not work, or a check failed.
    Failed(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// The exit code if QEMU or a target is missing.
const MISSING: u8 = 3;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args_os()) {
        Ok(Parsed::Run(options)) => options,
        Ok(Parsed::Help) => {
            say(options::HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            complain(&format!("{message} (--help lists the options)"));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Missing(message)) => {
            complain(&message);
            ExitCode::from(MISSING)
        }
        Err(Failure::Failed(message)) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    machine::find(&options.qemu)?;
    let image = image::build(&options.target)?;
    let (machine, mut peer) = machine::start(&options.qemu, &image)?;
    say(&format!("{}, {}", options.target, machine.ready));
    let verdict = checks::run(&mut peer, options.frames);
    // After a failed check the log may say why.
    for line in machine.stop() {
        say(&format!("log      {line}"));
    }
    verdict?;
    say("ok");
    Ok(())
}

/// Prints a line. A closed standard output is no reason to stop.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Writes one line to standard error, even if a file name or an option contains control characters.
fn complain(message: &str) {
    eprintln!("firmware-host: {}", message.replace(char::is_control, "?"));
}
