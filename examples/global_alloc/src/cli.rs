//! What both programs do with their command line and their output.

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;

use crate::options::{self, Options, Parsed};

/// Parses the options, and runs the program with them or prints the help.
pub fn main(name: &str, help: &str, run: impl FnOnce(&Options) -> Result<(), Failure>) -> ExitCode {
    let done = match options::parse(std::env::args_os()) {
        Ok(Parsed::Run(options)) => run(&options),
        Ok(Parsed::Help) => print(help).map_err(Failure::Run),
        Err(message) => Err(Failure::Usage(message)),
    };
    let (code, message) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(message)) => (1, message),
        Err(Failure::Usage(message)) => (2, format!("{message} (--help lists the options)")),
    };
    eprintln!("{name}: {}", message.replace(char::is_control, "?"));
    ExitCode::from(code)
}

/// Why a program ends without success.
pub enum Failure {
    Usage(String),
    Run(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Run(message)
    }
}

pub fn print(text: &str) -> Result<(), String> {
    // The reader may close the pipe early. That is not an error.
    match stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(format!("output: {e}")),
        _ => Ok(()),
    }
}
