//! `--metrics`: answers scrapes of Prometheus over HTTP/1.0, from a thread of its own.
//!
//! ```text
//!  receiver ──► its cache, its end of the ring, its counts ──┐ every 100 ms
//!  worker ────► its cache, its end of the ring, latencies ───┤
//!                                                            ▼
//!  exporter ──► the pool, at each scrape ──► handles ──► registry ──► text
//! ```

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use framepool::adapters::metrics::{Publish, Publisher};
use framepool::packet::PacketPool;

use crate::prometheus::Registry;

/// The name of the pool and of the ring.
const FRAMES: &str = "frames";
/// Between two publications of a hot thread. Each takes the worker some 6 µs for a venue with latencies.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a client may keep the exporter waiting.
const PATIENCE: Duration = Duration::from_secs(1);
/// Maximum bytes of a request.
const REQUEST: usize = 8192;

/// The service, and its end.
pub struct Exporter {
    listener: TcpListener,
    registry: Arc<Registry>,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Running,
    /// All values are final and nobody has seen them yet.
    Final,
    /// A scrape got the final values.
    Seen,
    Stopped,
}

/// Listens at the address, installs the recorder, and says on standard error where the metrics are.
pub fn bind(address: SocketAddr) -> Result<Exporter, String> {
    let listener = TcpListener::bind(address).map_err(|e| format!("--metrics {address}: {e}"))?;
    let registry = Arc::new(Registry::default());
    metrics::set_global_recorder(registry.clone()).map_err(|e| format!("--metrics: {e}"))?;
    let exporter = Exporter {
        listener,
        registry,
        phase: Mutex::new(Phase::Running),
        changed: Condvar::new(),
    };
    let address = exporter.address().map_err(|e| format!("--metrics: {e}"))?;
    eprintln!("metrics: http://{address}/metrics");
    Ok(exporter)
}

impl Exporter {
    /// Answers scrapes while `work` runs. Then waits for a scrape of the final values, at most as long as
    /// `wait`. (Not if the work failed.)
    pub fn during<T>(
        &self,
        pool: &PacketPool<'_>,
        wait: Duration,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        thread::scope(|scope| {
            thread::Builder::new()
                .spawn_scoped(scope, || self.serve(pool))
                .map_err(|e| format!("cannot start a thread: {e}"))?;
            let _stop = Stop(self);
            let done = work()?;
            self.wait_for_scrape(wait);
            Ok(done)
        })
    }

    fn serve(&self, pool: &PacketPool<'_>) {
        let mut frames = Publisher::new(FRAMES);
        loop {
            let client = self.listener.accept();
            let phase = *self.phase();
            if phase == Phase::Stopped {
                return;
            }
            let Ok((client, _)) = client else {
                // Too many open files, or a client that left before it was accepted.
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            // A client that does not read its answer, or leaves, does not matter to the others.
            let seen = answer(client, || {
                frames.publish(pool);
                self.registry.show()
            });
            if phase == Phase::Final && seen.unwrap_or(false) {
                self.enter(Phase::Seen);
            }
        }
    }

    fn wait_for_scrape(&self, wait: Duration) {
        self.enter(Phase::Final);
        let unseen = |phase: &mut Phase| *phase == Phase::Final;
        drop(self.changed.wait_timeout_while(self.phase(), wait, unseen));
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        *self.phase() = phase;
        self.changed.notify_all();
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Ends the service.
struct Stop<'e>(&'e Exporter);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.enter(Phase::Stopped);
        // Wakes the thread that accepts connections.
        drop(self.0.address().and_then(TcpStream::connect));
    }
}

/// Answers one request. Returns whether it was a scrape.
fn answer(mut client: TcpStream, metrics: impl FnOnce() -> String) -> io::Result<bool> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let request = request(&mut client)?;
    let mut words = request.split_ascii_whitespace();
    let (status, body) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => ("200 OK", metrics()),
        (Some("GET"), Some(_)) => ("404 Not Found", "see /metrics\n".to_string()),
        (Some(_), Some(_)) => ("405 Method Not Allowed", "GET only\n".to_string()),
        _ => ("400 Bad Request", "not HTTP\n".to_string()),
    };
    let length = body.len();
    write!(
        client,
        "HTTP/1.0 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    Ok(status == "200 OK")
}

/// Reads up to the empty line that ends a request, and returns the first line.
fn request(client: &mut TcpStream) -> io::Result<String> {
    let start = Instant::now();
    let mut bytes = Vec::new();
    let mut more = [0; 1024];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = client.read(&mut more)?;
        bytes.extend(more.iter().take(n));
        if n == 0 || bytes.len() > REQUEST || start.elapsed() > PATIENCE {
            break;
        }
    }
    let line = bytes.split(|&b| b == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// The publishers of a hot thread, which publishes what it owns. The first publication registers and allocates;
/// later ones write atomic words.
pub struct Publishers {
    cache: Publisher,
    ring: Publisher,
    own: Publisher,
    next: Instant,
}

impl Publishers {
    /// For the thread of this name. Due at once.
    pub fn new(thread: &'static str) -> Self {
        Self {
            cache: Publisher::new(thread),
            ring: Publisher::new(FRAMES),
            own: Publisher::new(thread),
            next: Instant::now(),
        }
    }

    /// Whether the time for another publication has come.
    pub fn due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// Publishes the thread's cache, its end of the ring, and its own counts.
    pub fn publish(&mut self, cache: &impl Publish, ring: &impl Publish, own: &impl Publish) {
        self.cache.publish(cache);
        self.ring.publish(ring);
        self.own.publish(own);
        self.next = Instant::now() + INTERVAL;
    }
}
