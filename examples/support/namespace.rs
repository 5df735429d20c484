//! Network namespaces without a name: they, and the devices in them, vanish with the process, however it ends.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::error::Failure;

/// A network namespace without a name.
pub struct Namespace(File);

impl Namespace {
    pub fn new() -> Result<Self, Failure> {
        let made = on_a_thread(|| {
            // SAFETY: file descriptors stay shared; only this thread, which ends below, changes its namespace.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
            File::open("/proc/thread-self/ns/net")
        });
        made.map(Self).map_err(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => {
                Failure::CannotRun("network namespaces need root; run it with sudo".to_string())
            }
            _ => Failure::cannot_run("no network namespace", e),
        })
    }

    /// Moves the current thread, and the programs that it starts, into the namespace.
    pub fn enter(&self) -> Result<(), Failure> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| Failure::failed("setns", e))
    }

    /// Runs a function on a thread of its own in the namespace.
    pub fn run<R: Send>(
        &self,
        f: impl FnOnce() -> Result<R, Failure> + Send,
    ) -> Result<R, Failure> {
        on_a_thread(|| self.enter().and_then(|()| f()))
    }

    /// A path by which other programs reach the namespace while this one runs.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

fn on_a_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(f).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Keeps router solicitations and the like off the wire. A kernel without IPv6 sends none.
pub fn disable_ipv6() {
    for scope in ["all", "default"] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"), "1");
    }
}

/// Runs `ip` of iproute2 in the thread's namespace.
pub fn ip(args: &str) -> io::Result<()> {
    let output = Command::new("ip")
        .args(args.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => io::Error::other("the program 'ip' (iproute2) is missing"),
            _ => e,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {args}: {}", said.trim())))
}
