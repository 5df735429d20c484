//! The other end: the kernel, through a UDP socket or through `ping`. Runs in the peer's namespace.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::error::Failure;
use crate::network::{DRIVER, Network, PEER};
use crate::options::{Options, Sender, Work};

const ECHO_PORT: u16 = 7;
/// Datagrams sent between two looks for answers.
const BATCH: u64 = 32;
/// How long the peer waits for an answer before it sends again.
const NAP: Duration = Duration::from_millis(1);
/// After this time without an answer, those that are missing are not waited for any more.
const STALL: Duration = Duration::from_millis(20);
/// At the end, how long no answer must come before the peer stops waiting for those that are missing.
const LAST: Duration = Duration::from_millis(500);

/// What the peer saw.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub sent: u64,
    /// Right answers.
    pub answered: u64,
    /// Answers that are not what was sent.
    pub wrong: u64,
}

/// Sends for as long as the options say, and counts the answers.
pub fn run(options: &Options, network: &Network) -> Result<Seen, Failure> {
    match options.sender {
        Sender::Udp => Udp::new(options)
            .and_then(|mut udp| udp.run(options))
            .map_err(|e| Failure::failed("the UDP peer", e)),
        Sender::Ping => ping(options),
        Sender::None => {
            eprintln!(
                "to join the peer's namespace: nsenter --net={} ping {DRIVER}",
                network.peer.path()
            );
            thread::sleep(options.duration);
            Ok(Seen::default())
        }
    }
}

struct Udp {
    socket: UdpSocket,
    /// A sequence number, then bytes that stay the same.
    payload: Vec<u8>,
    answer: Vec<u8>,
    seen: Seen,
    /// Datagrams whose answer is waited for.
    under_way: u64,
}

impl Udp {
    fn new(options: &Options) -> std::io::Result<Self> {
        let socket = UdpSocket::bind((PEER, 0))?;
        socket.connect((DRIVER, ECHO_PORT))?;
        socket.set_read_timeout(Some(NAP))?;
        Ok(Self {
            socket,
            payload: (0..options.payload).map(|i| i as u8).collect(),
            answer: vec![0; options.payload + 1],
            seen: Seen::default(),
            under_way: 0,
        })
    }

    fn run(&mut self, options: &Options) -> std::io::Result<Seen> {
        let start = Instant::now();
        let mut last_answer = start;
        loop {
            let now = start.elapsed();
            if now >= options.duration {
                break;
            }
            let batch = BATCH
                .min(due(now, options.rate).saturating_sub(self.seen.sent))
                .min(self.room(options.window));
            for _ in 0..batch {
                self.send()?;
            }
            if options.work == Work::Sink {
                if batch == 0 {
                    thread::sleep(NAP);
                }
                continue;
            }
            if self.collect()? || (batch == 0 && self.wait()?) {
                last_answer = Instant::now();
            } else if last_answer.elapsed() > STALL {
                self.under_way = 0;
            }
        }
        if options.work == Work::Echo {
            self.collect_last()?;
        }
        Ok(self.seen)
    }

    /// Datagrams that may be sent before an answer comes.
    fn room(&self, window: u64) -> u64 {
        match window {
            0 => u64::MAX,
            window => window.saturating_sub(self.under_way),
        }
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.payload[..8].copy_from_slice(&self.seen.sent.to_be_bytes());
        match self.socket.send(&self.payload) {
            Ok(_) => {
                self.seen.sent += 1;
                self.under_way += 1;
            }
            // The queue of the device is full: sent later.
            Err(e) if e.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Takes the answers that are there. Returns whether there was one.
    fn collect(&mut self) -> std::io::Result<bool> {
        let mut any = false;
        loop {
            match recv(&self.socket, &mut self.answer[..], RecvFlags::DONTWAIT) {
                Ok((_, len)) => {
                    self.judge(len);
                    any = true;
                }
                Err(Errno::AGAIN | Errno::INTR) => return Ok(any),
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Waits for an answer. Returns whether one came.
    fn wait(&mut self) -> std::io::Result<bool> {
        match self.socket.recv(&mut self.answer) {
            Ok(len) => {
                self.judge(len);
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    fn collect_last(&mut self) -> std::io::Result<()> {
        let mut last_answer = Instant::now();
        while self.seen.answered < self.seen.sent && last_answer.elapsed() < LAST {
            if self.wait()? {
                last_answer = Instant::now();
            }
        }
        Ok(())
    }

    fn judge(&mut self, len: usize) {
        self.under_way = self.under_way.saturating_sub(1);
        let right = len == self.payload.len()
            && self.answer[8..len] == self.payload[8..]
            && self.answer[..8] < self.seen.sent.to_be_bytes()[..];
        match right {
            true => self.seen.answered += 1,
            false => self.seen.wrong += 1,
        }
    }
}

/// Datagrams that should have been sent after some time.
fn due(after: Duration, rate: u64) -> u64 {
    match rate {
        0 => u64::MAX,
        rate => (after.as_secs_f64() * rate as f64) as u64 + 1,
    }
}

/// Runs `ping` and reads its summary.
fn ping(options: &Options) -> Result<Seen, Failure> {
    let seconds = options.duration.as_secs_f64();
    let mut command = Command::new("ping");
    command.args(["-n", "-q", "-W", "1"]);
    match options.rate {
        0 => command.args(["-f", "-w", &seconds.ceil().to_string()]),
        rate => {
            let count = (seconds * rate as f64).max(1.0) as u64;
            let interval = format!("{:.6}", 1.0 / rate as f64);
            command.args(["-i", &interval, "-c", &count.to_string()])
        }
    };
    let output = command
        .arg(DRIVER.to_string())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Failure::CannotRun("the program 'ping' (iputils-ping) is missing".to_string())
            }
            _ => Failure::failed("ping", e),
        })?;
    let said = String::from_utf8_lossy(&output.stdout);
    summary(&said).ok_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Failure::failed("ping", complaint.trim())
    })
}

/// Reads `5 packets transmitted, 5 received, ...`.
fn summary(said: &str) -> Option<Seen> {
    let line = said.lines().find(|line| line.contains("transmitted"))?;
    let mut numbers = line
        .split(", ")
        .filter_map(|part| part.split(' ').next()?.parse::<u64>().ok());
    Some(Seen {
        sent: numbers.next()?,
        answered: numbers.next()?,
        wrong: 0,
    })
}
