//! The child process: started, killed, replaced.

use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use framepool::ring::SharedRing;

use crate::memory::{Memory, Value};

/// A child that has not taken its end of the ring by then never will.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_micros(100);

/// The consumer: one process, and after its death the next. Dropping it ends the process.
pub struct Consumer<'m> {
    memory: &'m Memory,
    ring: SharedRing<'m, Value>,
    process: Child,
    deaths: u64,
}

impl<'m> Consumer<'m> {
    /// Starts the first process, and waits until it has taken its end of the ring.
    pub fn start(memory: &'m Memory, ring: SharedRing<'m, Value>) -> Result<Self, String> {
        let mut consumer = Self {
            memory,
            ring,
            process: spawn(memory, None)?,
            deaths: 0,
        };
        consumer.settle()?;
        Ok(consumer)
    }

    /// Kills the process, as the system might at any moment.
    pub fn kill(&mut self) -> Result<(), String> {
        self.process.kill().map_err(|e| format!("kill: {e}"))
    }

    /// Waits for the process to end by itself or by a signal.
    pub fn wait(&mut self) -> Result<ExitStatus, String> {
        self.process.wait().map_err(lost)
    }

    /// The number of processes that a signal ended.
    pub fn deaths(&self) -> u64 {
        self.deaths
    }

    /// Starts the process that goes on after this one, which has ended.
    pub fn replace(&mut self) -> Result<(), String> {
        let status = self.wait()?;
        self.succeed(status)?;
        self.settle()
    }

    /// A process that a signal ended has a successor; one that gave up has said why.
    fn succeed(&mut self, status: ExitStatus) -> Result<(), String> {
        if status.signal().is_none() {
            return Err(format!("the consumer gave up: {status}"));
        }
        self.deaths += 1;
        // The owner that the ring names is one of the processes that were waited for.
        self.process = spawn(self.memory, self.ring.consumer_process())?;
        Ok(())
    }

    /// Waits until the process owns its end of the ring, which until then names a dead one, or has done all there was
    /// to do.
    fn settle(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while self.ring.consumer_process() != Some(self.process.id()) {
            match self.process.try_wait().map_err(lost)? {
                Some(status) if status.success() => break,
                Some(status) => self.succeed(status)?,
                None if start.elapsed() > START => {
                    return Err("the consumer does not take its end of the ring".to_string());
                }
                None => sleep(LOOK),
            }
        }
        Ok(())
    }
}

impl Drop for Consumer<'_> {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program as a consumer, with the memory as its standard input.
fn spawn(memory: &Memory, dead: Option<u32>) -> Result<Child, String> {
    let told = |e| format!("the consumer does not start: {e}");
    let stdin = memory.fd().try_clone_to_owned().map_err(told)?;
    Command::new(env::current_exe().map_err(told)?)
        .arg("consumer")
        .args(dead.map(|dead| dead.to_string()))
        .stdin(Stdio::from(stdin))
        .spawn()
        .map_err(told)
}

fn lost(error: io::Error) -> String {
    format!("waiting for the consumer: {error}")
}
