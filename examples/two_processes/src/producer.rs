//! The parent: produces the values, kills the consumer now and then, and reports.

use std::fmt;
use std::time::{Duration, Instant};

use framepool::ring::{SharedProducer, SharedPushError, Yield};

use crate::child::Consumer;
use crate::memory::{CAPACITY, Memory, Value, value};
use crate::note::Tally;
use crate::options::Options;

/// Values for each look at the ring.
const BURST: u64 = 64;
/// A consumer that takes nothing for so long is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// The figures of a run.
pub struct Report {
    bytes: usize,
    sent: u64,
    sum: u64,
    kills: u64,
    elapsed: Duration,
    /// The last consumer's note.
    tally: Tally,
}

/// Sends all values, through as many consumers as it takes.
pub fn run(options: &Options) -> Result<Report, String> {
    let memory = Memory::create()?;
    let ring = memory.create_ring()?;
    let mut tx = ring.producer().map_err(|e| e.to_string())?;
    let mut consumer = Consumer::start(&memory, ring)?;
    let start = Instant::now();

    let mut sent = 0;
    let mut due = kill_times(options).peekable();
    while sent < options.values {
        if due.next_if(|&at| at <= sent).is_some() {
            consumer.kill()?;
        }
        let burst = sent..options.values.min(sent + BURST);
        let pushed = tx.push_iter(burst.map(value)).map_err(|e| e.to_string())?;
        sent += pushed as u64;
        if pushed == 0 {
            // The value was pushed, or the consumer has died and the value is next for its replacement.
            match push_one(&mut tx, value(sent))? {
                Pushed::Yes => sent += 1,
                Pushed::ConsumerDied => consumer.replace()?,
            }
        }
    }
    // The consumer learns that nothing more comes, takes what is left, and ends.
    drop(tx);
    while !consumer.wait()?.success() {
        consumer.replace()?;
    }
    let elapsed = start.elapsed();
    Ok(Report {
        bytes: memory.bytes(),
        sent,
        sum: (0..sent).fold(0, |sum, number| sum.wrapping_add(value(number)[1])),
        kills: consumer.deaths(),
        elapsed,
        tally: memory.note().read(),
    })
}

/// The numbers of the values at which the consumer is killed.
fn kill_times(options: &Options) -> impl Iterator<Item = u64> {
    let (values, kills) = (u128::from(options.values), u128::from(options.kills));
    (1..=kills).map(move |i| (values * i / (kills + 1)) as u64)
}

enum Pushed {
    Yes,
    ConsumerDied,
}

/// Waits for room. The wait asks the system whether the consumer's process lives.
fn push_one(tx: &mut SharedProducer<'_, Value>, value: Value) -> Result<Pushed, String> {
    match tx.push_wait_for::<Yield>(value, STUCK) {
        Ok(()) => Ok(Pushed::Yes),
        Err(SharedPushError::Died(_)) => Ok(Pushed::ConsumerDied),
        Err(SharedPushError::Full(_)) => Err(format!("the consumer took nothing for {STUCK:?}")),
        Err(error) => Err(error.to_string()),
    }
}

impl Report {
    /// Whether each value was counted exactly once.
    pub fn verdict(&self) -> Result<(), String> {
        let tally = &self.tally;
        let exact = tally.next == self.sent && tally.counted == self.sent;
        if exact && tally.sum == self.sum && tally.gaps == 0 && tally.wrong == 0 {
            return Ok(());
        }
        Err("values were lost, counted twice, or changed".to_string())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let kib = self.bytes / 1024;
        let seconds = self.elapsed.as_secs_f64();
        let rate = self.sent as f64 / seconds;
        let sum = match tally.sum == self.sum {
            true => "as sent",
            false => "NOT AS SENT",
        };
        writeln!(f, "memory    {kib} KiB, a ring of {CAPACITY} slots")?;
        writeln!(f, "values    {} sent, {} counted", self.sent, tally.counted)?;
        writeln!(f, "values/s  {rate:.0}, in {seconds:.3} s with the kills")?;
        writeln!(f, "kills     {}, each consumer replaced", self.kills)?;
        writeln!(
            f,
            "again     {} values seen twice, counted once",
            tally.again
        )?;
        writeln!(f, "gaps      {}", tally.gaps)?;
        writeln!(f, "doubled   {}", tally.counted.saturating_sub(self.sent))?;
        writeln!(f, "wrong     {}, sum {:#x} {sum}", tally.wrong, tally.sum)
    }
}
