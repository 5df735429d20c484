//! The report.

use std::fmt;

use crate::book::ORDERS;
use crate::memory::Figures;
use crate::options::Options;
use crate::program::Outcome;

pub struct Report<'a> {
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
        let served = |size: usize| after.sizes[size].served - start.sizes[size].served;
        let all: u64 = (0..after.sizes.len()).map(served).sum();

        writeln!(
            f,
            "rounds       {rounds} of {ORDERS} orders on 2 threads, in {seconds:.3} s"
        )?;
        writeln!(f, "rounds/s     {:.0}", rounds as f64 / seconds)?;
        writeln!(
            f,
            "allocations  {all} served, {:.0}/s",
            all as f64 / seconds
        )?;
        writeln!(f, "book         {} orders at the end", outcome.orders)?;
        writeln!(f)?;
        writeln!(
            f,
            "   size      served  to system  most in use  of blocks  in use at end"
        )?;
        for (i, size) in after.sizes.iter().enumerate() {
            let served = served(i);
            let missed = size.missed - start.sizes[i].missed;
            let (most, capacity, left) = (outcome.most[i], size.capacity, size.in_use);
            let bytes = size.block;
            writeln!(
                f,
                "{bytes:>7} {served:>11} {missed:>10} {most:>12} {capacity:>10} {left:>14}"
            )?;
        }
        let larger = after.larger - start.larger;
        writeln!(
            f,
            " larger           - {larger:>10}            -          -              -"
        )?;
        writeln!(f)?;
        let [gateway, book] = outcome.faults;
        writeln!(
            f,
            "page faults  {gateway} gateway, {book} book, after the warm-up"
        )?;
        writeln!(f, "leaked       {} blocks", self.leaked())
    }
}
