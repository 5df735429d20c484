//! The threads, and what connects them.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use framepool::packet::PacketPool;
use framepool::ring;
use framepool::time::HostClock;

use crate::capture::{Capture, Replayed};
use crate::options::Options;
use crate::publisher::{self, Published};
use crate::receiver::{self, Producer, Received, Signals};
use crate::sys;
use crate::worker::{self, Consumed, Consumer};

/// The result of a run.
pub struct Outcome {
    pub source: Source,
    pub consumed: Consumed,
    pub elapsed: Duration,
    pub clock: HostClock,
}

pub enum Source {
    Live {
        published: Published,
        received: Box<Received>,
        /// Why the kernel gives no timestamps.
        no_stamps: Option<String>,
    },
    Replay(Box<Replayed>),
}

/// Publishes, receives and consumes for the duration in the options.
pub fn live(pool: &PacketPool<'_>, options: &Options) -> Result<Outcome, String> {
    let (here, there) = sockets()?;
    let no_stamps = sys::ask_for_stamps(&here).err().map(|e| e.to_string());
    let signals = Signals::new(options.metrics.is_some());
    let (producer, consumer) = ring(pool)?;
    let clock = HostClock::new();
    let target = options.target_ns;
    let start = Instant::now();
    let warm_at = start + (options.duration / 4).min(Duration::from_millis(250));
    let deadline = start + options.duration + Duration::from_secs(2);
    thread::scope(|scope| {
        // If a thread cannot be started, those that already run still end: at a ring without a producer,
        // or at the deadline.
        let consume = start_thread(scope, || {
            worker::consume(pool, consumer, &clock, target, &signals)
        })?;
        let publish = start_thread(scope, || {
            publisher::publish(&there, options.rate, options.duration)
        })?;
        let receive = start_thread(scope, || {
            receiver::receive(pool, &here, producer, &clock, &signals, warm_at, deadline)
        })?;
        show_progress(&signals, options, start, &receive);
        let received = join(receive)??;
        let elapsed = start.elapsed();
        let consumed = join(consume)?;
        let published = join(publish)??;
        let source = Source::Live {
            published,
            received: Box::new(received),
            no_stamps,
        };
        Ok(Outcome {
            source,
            consumed,
            elapsed,
            clock,
        })
    })
}

/// Copies a capture's frames into blocks and sends them to the worker.
pub fn replay(
    pool: &PacketPool<'_>,
    capture: Capture,
    options: &Options,
) -> Result<Outcome, String> {
    let (producer, consumer) = ring(pool)?;
    let clock = HostClock::new();
    let target = options.target_ns;
    let signals = Signals::new(options.metrics.is_some());
    let start = Instant::now();
    thread::scope(|scope| {
        let consume = start_thread(scope, || {
            worker::consume(pool, consumer, &clock, target, &signals)
        })?;
        let replayed = capture.replay(
            pool,
            producer,
            &clock,
            options.filter.as_deref(),
            signals.publishers("replay"),
        );
        let consumed = join(consume)?;
        Ok(Outcome {
            source: Source::Replay(Box::new(replayed?)),
            consumed,
            elapsed: start.elapsed(),
            clock,
        })
    })
}

/// A ring with a place for every block of the pool. Every place is touched.
fn ring<'p>(pool: &'p PacketPool<'_>) -> Result<(Producer<'p>, Consumer<'p>), String> {
    let places = pool.capacity().next_power_of_two();
    let (mut producer, mut consumer) = ring::allocate(places).map_err(|e| e.to_string())?;
    while producer.push(None).is_ok() {}
    consumer.drain().for_each(drop);
    Ok((producer, consumer))
}

fn sockets() -> Result<(UdpSocket, UdpSocket), String> {
    let make = || -> std::io::Result<_> {
        let here = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        here.set_read_timeout(Some(Duration::from_millis(20)))?;
        sys::enlarge_buffer(&here, 32 << 20);
        let there = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        there.connect(here.local_addr()?)?;
        // Packets from other senders are not received.
        here.connect(there.local_addr()?)?;
        Ok((here, there))
    };
    make().map_err(|e| format!("sockets: {e}"))
}

/// Updates a progress line while the receiver runs, if standard error is a terminal.
fn show_progress<T>(
    signals: &Signals,
    options: &Options,
    start: Instant,
    receive: &ScopedJoinHandle<'_, T>,
) {
    let mut stderr = std::io::stderr();
    if options.json || !stderr.is_terminal() {
        return;
    }
    while !receive.is_finished() {
        thread::sleep(Duration::from_millis(100));
        let (packets, messages) = (
            signals.packets.load(Relaxed),
            signals.messages.load(Relaxed),
        );
        let seconds = start.elapsed().as_secs_f64();
        let rate = messages as f64 / seconds / 1e6;
        let _ = write!(
            stderr,
            "\r{seconds:5.1} s  {packets} packets  {messages} messages  {rate:.2} M messages/s "
        );
    }
    let _ = writeln!(stderr);
}

fn start_thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, String> {
    let started = thread::Builder::new().spawn_scoped(scope, work);
    started.map_err(|e| format!("cannot start a thread: {e}"))
}

fn join<T>(thread: ScopedJoinHandle<'_, T>) -> Result<T, String> {
    thread.join().map_err(|_| "a thread panicked".to_string())
}
