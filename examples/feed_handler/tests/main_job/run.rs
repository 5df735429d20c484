//! Runs the program as a user would.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::json::Report;

/// The directory of the package.
pub const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// Longer than any run here takes on the slowest machine. A longer run is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// The output and exit status of a run.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program to its end.
pub fn feed_handler<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Finished {
    start(args).finish()
}

/// The program, running.
pub struct Running(Child);

/// Starts the program; `finish` waits for it.
pub fn start<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Running {
    let child = Command::new(program())
        .args(args)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    Running(child)
}

impl Running {
    /// Stops the whole program for some time, as a busy machine does.
    pub fn stall(&self, pause: Duration) {
        let pid = self.0.id() as libc::pid_t;
        // SAFETY: the child was not waited for yet, so the process number is still its own.
        let signal = |signal| assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
        signal(libc::SIGSTOP);
        thread::sleep(pause);
        signal(libc::SIGCONT);
    }

    /// The first line on standard error, or what there is of it when the program ends.
    pub fn line(&mut self) -> String {
        let stderr = self.0.stderr.as_mut().expect("standard error is a pipe");
        // Byte by byte: the rest of the output is for `finish`.
        let (mut line, mut byte) = (Vec::new(), [0]);
        while line.last() != Some(&b'\n') && stderr.read(&mut byte).is_ok_and(|n| n == 1) {
            line.extend(byte);
        }
        String::from_utf8_lossy(&line).into_owned()
    }

    /// Waits for the program's end.
    pub fn finish(mut self) -> Finished {
        let status = wait(&mut self.0);
        // A run prints far less than a pipe holds, so the pipe need not be read before the end.
        Finished {
            status,
            stdout: all(self.0.stdout.take()),
            stderr: all(self.0.stderr.take()),
        }
    }
}

/// Replays a capture with a few options.
pub fn replay(capture: &Path, options: &[&str]) -> Finished {
    let mut args = vec![OsStr::new("--json"), OsStr::new("--pcap"), capture.as_ref()];
    args.extend(options.iter().map(OsStr::new));
    feed_handler(args)
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status;
        }
        if start.elapsed() > STUCK {
            let _ = child.kill();
            let _ = child.wait();
            panic!("stuck: {}", all(child.stderr.take()));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn all(pipe: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    let read = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    assert!(read.is_some_and(|n| n.is_ok()), "the output can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Finished {
    /// The report of a successful run: one line of JSON and nothing else.
    #[track_caller]
    pub fn report(&self) -> Report {
        assert!(self.status.success(), "{self:?}");
        assert_eq!(self.stderr, "");
        self.json()
    }

    /// The report of a capture without a known feed. An error line says so.
    #[track_caller]
    pub fn report_without_feed(&self) -> Report {
        assert_eq!(self.status.code(), Some(3), "{self:?}");
        assert!(self.stderr.contains(": no known feed in "), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.json()
    }

    #[track_caller]
    fn json(&self) -> Report {
        assert_eq!(self.stdout.lines().count(), 1, "{self:?}");
        assert!(self.stdout.ends_with('\n'));
        Report::parse(self.stdout.trim_end()).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The complaint of a run that was refused: one line on standard error, nothing else.
    #[track_caller]
    pub fn complaint(&self) -> &str {
        // Neither success nor a signal: an exit code.
        assert!(self.status.code().is_some_and(|code| code > 0), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self.stderr.trim_end()
    }

    /// Whatever the input was: a report without a leak, or a complaint.
    #[track_caller]
    pub fn holds_up(&self) {
        let report = match self.status.code() {
            Some(0) => self.report(),
            Some(3) => self.report_without_feed(),
            _ => {
                self.complaint();
                return;
            }
        };
        assert_eq!(report.number("leaked"), 0.0, "{self:?}");
    }
}

/// The program under test.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| crate::program::program("feed_handler", PACKAGE))
}
