//! The report.

use std::fmt;

use crate::book::ORDERS;
use crate::memory::Figures;
use crate::options::Options;
use crate::program::Outcome;

pub struct Report<'a> {
    /// A line about the memory of each pool.
    pub granted: &'a [String],
    pub options: &'a Options,
    pub outcome: &'a Outcome,
    /// Before the program started, and after its threads ended.
    pub before: Figures,
    pub after: Figures,
}

impl Report<'_> {
    /// Blocks that the program took and did not free.
    fn leaked(&self) -> u64 {
        let pairs = self.before.sizes.iter().zip(&self.after.sizes);
        let left = pairs.map(|(before, after)| after.in_use.saturating_sub(before.in_use));
        left.sum()
    }

    pub fn verdict(&self) -> Result<(), String> {
        match self.leaked() {
            0 => Ok(()),
            leaked => Err(format!("{leaked} blocks were not freed")),
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rounds, outcome) = (self.options.rounds, self.outcome);
        let seconds = outcome.elapsed.as_secs_f64();
        let (start, after) = (&outcome.start, &self.after);
        let requests = after.requests.since(&start.requests);
        let all = requests.served() + requests.missed();

        for granted in self.granted {
            writeln!(f, "memory       {granted}")?;
        }
        writeln!(
            f,
            "rounds       {rounds} of {ORDERS} orders on 2 threads, in {seconds:.3} s"
        )?;
        writeln!(f, "rounds/s     {:.0}", rounds as f64 / seconds)?;
        writeln!(
            f,
            "requests     {all}, {:.0}/s; {} served, {} to the system",
            all as f64 / seconds,
            requests.served(),
            requests.missed()
        )?;
        writeln!(f, "book         {} orders at the end", outcome.orders)?;
        writeln!(f)?;
        writeln!(f, "   size  most in use  of blocks  in use at end")?;
        for (size, most) in after.sizes.iter().zip(outcome.most.0) {
            let (bytes, capacity, left) = (size.block, size.capacity, size.in_use);
            writeln!(f, "{bytes:>7} {most:>12} {capacity:>10} {left:>14}")?;
        }
        writeln!(f)?;
        writeln!(f, "requests by size, after the warm-up:")?;
        writeln!(f, "{requests}")?;
        let [gateway, book] = outcome.faults;
        writeln!(
            f,
            "page faults  {gateway} gateway, {book} book, after the warm-up"
        )?;
        writeln!(f, "leaked       {} blocks", self.leaked())
    }
}
