//! The driver's loop: completions, received frames, free blocks for the fill ring, a call to the kernel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use framepool::time::{Clock, HostClock};
use framepool::{Burst, Cache, Frame, Pool};

use crate::answer::{Verdict, answer};
use crate::bpf::Redirect;
use crate::device::{Closed, Device, Received};
use crate::error::Failure;
use crate::lent::Handles;
use crate::network;
use crate::options::{Options, Work};
use crate::socket::Socket;

/// Frames and blocks handled at once. The kernel sends at most as many in one call.
const BURST: usize = 32;
/// Empty rounds before the driver sleeps.
const SPINS: u32 = 256;
/// How long it sleeps at most, because completions do not wake it.
const SLEEP: Duration = Duration::from_millis(1);
/// After the peer has stopped: how long nothing must come before the driver stops, and when it stops in any case.
const QUIET: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);
/// A longer round was interrupted: 32 frames with the kernel's part take a quarter of this.
const INTERRUPTED: u64 = 200_000;
const SECOND: u64 = 1_000_000_000;

/// What happened to the frames.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub received: u64,
    pub received_bytes: u64,
    pub udp: u64,
    pub pings: u64,
    pub ignored: u64,
    pub bad_checksum: u64,
    pub malformed: u64,
    pub tx_full: u64,
    pub completed: u64,
    /// Calls to send, and their time.
    pub kicks: u64,
    pub kick_ns: u64,
    /// When the first and the last frame came.
    pub first_ns: u64,
    pub last_ns: u64,
}

/// The time of rounds in which there was something to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    pub packets: u64,
    pub program_ns: u64,
    /// In calls to send.
    pub kick_ns: u64,
    /// Rounds left out, because they took longer than any work: something else had the core.
    pub interrupted: u64,
}

impl Pace {
    fn add(&mut self, elapsed: u64, before: &Counts, after: &Counts) {
        if elapsed > INTERRUPTED {
            self.interrupted += 1;
            return;
        }
        let kick_ns = after.kick_ns - before.kick_ns;
        self.packets += after.received - before.received;
        self.kick_ns += kick_ns;
        self.program_ns += elapsed.saturating_sub(kick_ns);
    }
}

/// What the driver did, and where the blocks were at its end.
pub struct Driven {
    pub mode: &'static str,
    pub counts: Counts,
    pub pace: Pace,
    pub closed: Closed,
    /// Free blocks when the socket was closed.
    pub home: usize,
}

/// Drives the device until `stop` is set and nothing comes any more. Sets `ready` when frames can come. Runs in the
/// driver's namespace.
pub fn drive(
    options: &Options,
    handles: Handles,
    pool: &Pool<'_>,
    ready: &AtomicBool,
    stop: &AtomicBool,
) -> Result<Driven, Failure> {
    let ifindex = network::driver_ifindex()?;
    let redirect = Redirect::attach(ifindex)?;
    let mode = redirect.mode;
    let socket = Socket::open(pool, ifindex, 0, options.ring)?;
    let mut driver = Driver::new(Device::over(pool, socket, handles)?, pool, options.work);
    driver.refill();
    redirect.to(0, &driver.device)?;
    ready.store(true, Ordering::Release);
    driver.run(options.live, stop)?;
    // No frame comes any more: those that did are still in the RX ring.
    drop(redirect);
    while driver.round()? > 0 {}
    driver.close(pool, mode)
}

/// A device and what is done with its frames.
pub struct Driver<'p> {
    device: Device<'p>,
    cache: Cache<'p>,
    clock: HostClock,
    work: Work,
    pub counts: Counts,
    pace: Pace,
}

impl<'p> Driver<'p> {
    /// A driver that has received nothing yet.
    pub fn new(device: Device<'p>, pool: &'p Pool<'_>, work: Work) -> Self {
        Self {
            device,
            cache: Cache::new(pool),
            clock: HostClock::new(),
            work,
            counts: Counts::default(),
            pace: Pace::default(),
        }
    }

    fn run(&mut self, live: bool, stop: &AtomicBool) -> Result<(), Failure> {
        let mut idle = 0;
        let mut last_work = self.clock.now_ns();
        let mut next_line = last_work + SECOND;
        let mut stopped_at = None;
        loop {
            let (began, before) = (self.clock.now_ns(), self.counts);
            if self.round()? > 0 {
                last_work = self.clock.now_ns();
                let elapsed = last_work.saturating_sub(began);
                self.pace.add(elapsed, &before, &self.counts);
                idle = 0;
            } else if idle < SPINS {
                idle += 1;
                std::hint::spin_loop();
            } else {
                self.device.wait(SLEEP)?;
            }
            if live && began >= next_line {
                next_line += SECOND;
                self.print_counters();
            }
            if stop.load(Ordering::Relaxed) {
                let since = *stopped_at.get_or_insert(began);
                let quiet = began.saturating_sub(last_work.max(since));
                let done = self.device.under_way() == 0 && quiet > ns(QUIET);
                if done || began - since > ns(PATIENCE) {
                    return Ok(());
                }
            }
        }
    }

    /// One round over all rings. Returns the number of completions and frames.
    pub fn round(&mut self) -> Result<usize, Failure> {
        let cache = &mut self.cache;
        let completed = self.device.completed(BURST, |block| {
            // The cache is of the same pool.
            let _ = cache.free(block);
        });
        self.counts.completed += completed as u64;
        let received = self.receive();
        if completed + received > 0 {
            self.refill();
        }
        self.kick()?;
        Ok(completed + received)
    }

    fn receive(&mut self) -> usize {
        let mut received = 0;
        while received < BURST {
            match self.device.receive() {
                None => break,
                Some(Received::Frame(frame)) => self.handle(frame),
                Some(Received::Malformed(block)) => {
                    self.counts.malformed += 1;
                    let _ = self.cache.free(block);
                }
                // Counted by the device.
                Some(Received::Foreign) => {}
            }
            received += 1;
        }
        if received > 0 {
            self.device.release_received();
            self.device.flush();
            self.counts.received += received as u64;
            self.counts.last_ns = self.clock.now_ns();
            if self.counts.first_ns == 0 {
                self.counts.first_ns = self.counts.last_ns;
            }
        }
        received
    }

    fn handle(&mut self, mut frame: Frame<'p>) {
        let bytes = frame.bytes_mut();
        self.counts.received_bytes += bytes.len() as u64;
        let verdict = match self.work {
            Work::Echo => answer(bytes),
            Work::Sink => Verdict::Ignored,
        };
        let rest = match verdict {
            Verdict::Udp | Verdict::Ping => self.device.transmit(frame),
            Verdict::Ignored | Verdict::BadChecksum => Err(frame),
        };
        let counts = &mut self.counts;
        *match (verdict, &rest) {
            (Verdict::Udp, Ok(())) => &mut counts.udp,
            (Verdict::Ping, Ok(())) => &mut counts.pings,
            (Verdict::Udp | Verdict::Ping, Err(_)) => &mut counts.tx_full,
            (Verdict::BadChecksum, _) => &mut counts.bad_checksum,
            (Verdict::Ignored, _) => &mut counts.ignored,
        } += 1;
        if let Err(frame) = rest {
            let _ = self.cache.free(frame.into_block());
        }
    }

    /// Fills the fill ring, as far as there are blocks.
    pub fn refill(&mut self) {
        loop {
            let wanted = self.device.wanted(BURST);
            let mut burst: Burst<'p, BURST> = self.cache.alloc_up_to(wanted);
            if burst.is_empty() {
                return;
            }
            self.device.post(std::iter::from_fn(|| burst.pop()));
        }
    }

    fn kick(&mut self) -> Result<(), Failure> {
        if self.device.under_way() == 0 {
            return Ok(());
        }
        let began = self.clock.now_ns();
        if self.device.kick()? {
            self.counts.kicks += 1;
            self.counts.kick_ns += self.clock.now_ns().saturating_sub(began);
        }
        Ok(())
    }

    fn print_counters(&self) {
        let c = &self.counts;
        eprintln!(
            "received {}, answered {}, completed {}, under way {}, in the cache {}",
            c.received,
            c.udp + c.pings,
            c.completed,
            self.device.under_way(),
            self.cache.len(),
        );
    }

    fn close(self, pool: &Pool<'_>, mode: &'static str) -> Result<Driven, Failure> {
        let Self {
            device,
            cache,
            counts,
            pace,
            ..
        } = self;
        drop(cache);
        let home = pool.available();
        Ok(Driven {
            mode,
            counts,
            pace,
            closed: device.close()?,
            home,
        })
    }
}

fn ns(time: Duration) -> u64 {
    time.as_nanos() as u64
}
