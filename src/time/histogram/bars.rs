//! The picture of a distribution, in characters.

use core::fmt;
use core::ops::Range;

use super::Histogram;
use super::count::Count;
use super::shape::Shape;

/// The most rows of a picture.
const ROWS: usize = 24;
/// The characters of its longest bar.
const WIDTH: u128 = 40;
/// One value in so many may be above the rows of one size, and share the last row.
const OUTLIERS: u128 = 1000;

/// A bar for each range of values: what [`Histogram::bars`] prints.
#[derive(Clone, Copy)]
pub struct Bars<'h, const P: u32, const N: usize, C: Count>(&'h Histogram<P, N, C>);

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// A picture: at most 24 rows from the least to the greatest value, each of as many buckets. Where
    /// anything came the bar has a character. Nothing is printed where nothing was recorded.
    ///
    /// If the greatest value in a thousand would make the rows coarser, then they end where those values
    /// begin, and the last row is all of these: a single outlier does not flatten the picture.
    ///
    /// ```
    /// use framepool::time::Histogram1;
    ///
    /// let mut h = Histogram1::new();
    /// h.extend([10, 11, 11, 12]);
    /// let lines = ["10..=10 1 ####################", "11..=11 2 ########################################"];
    /// for line in lines {
    ///     assert!(h.bars().to_string().contains(line));
    /// }
    /// ```
    pub const fn bars(&self) -> Bars<'_, P, N, C> {
        Bars(self)
    }
}

impl<const P: u32, const N: usize, C: Count> Bars<'_, P, N, C> {
    /// From the first bucket that counts something to the last.
    fn used(&self) -> Option<Range<usize>> {
        let is_used = |count: &C| count.get() > 0;
        let first = self.0.counts.iter().position(is_used)?;
        let last = self.0.counts.iter().rposition(is_used)?;
        Some(first..last + 1)
    }

    /// Of the used buckets, those before the greatest values: one in [`OUTLIERS`] at most.
    fn without_outliers(&self, used: &Range<usize>) -> Range<usize> {
        let total = self.sum(used.clone());
        let (wanted, mut seen) = (total - total / OUTLIERS, 0);
        let mut counts = self.0.counts.iter().map(|count| u128::from(count.get()));
        let last = counts.position(|count| {
            seen += count;
            seen >= wanted
        });
        used.start..last.map_or(used.end, |last| last + 1)
    }

    /// Rows of as many buckets, and one of the rest if that makes them finer.
    fn rows(&self, used: Range<usize>) -> impl Iterator<Item = Range<usize>> + Clone {
        let most = self.without_outliers(&used);
        let each = each(&most, ROWS - 1);
        let end = match number(&used, each) {
            ..=ROWS => used.end,
            _ => most.end.next_multiple_of(each),
        };
        let first = used.start - used.start % each;
        let same = (first..end).step_by(each);
        let rest = (end < used.end).then_some(end..used.end);
        { same }
            .map(move |start| start..(start + each).min(N))
            .chain(rest)
    }

    fn sum(&self, buckets: Range<usize>) -> u128 {
        let counts = self.0.counts.get(buckets).unwrap_or_default();
        counts.iter().map(|count| u128::from(count.get())).sum()
    }
}

/// The power of two of buckets of which `rows` rows are enough.
fn each(buckets: &Range<usize>, rows: usize) -> usize {
    let mut each = 1;
    while number(buckets, each) > rows {
        each *= 2;
    }
    each
}

/// How many rows of `each` buckets, aligned to as many, there are.
fn number(buckets: &Range<usize>, each: usize) -> usize {
    buckets.end.div_ceil(each) - buckets.start / each
}

impl<const P: u32, const N: usize, C: Count> fmt::Display for Bars<'_, P, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(used) = self.used() else {
            return Ok(());
        };
        let high = Shape::<P, N>::high;
        let rows = self.rows(used.clone());
        let most = rows.clone().map(|row| self.sum(row)).max().unwrap_or(1);
        // The last row may end behind the greatest value.
        let value = digits(
            rows.clone()
                .map(|row| high(row.end - 1))
                .max()
                .unwrap_or(0)
                .into(),
        );
        for (i, row) in rows.enumerate() {
            let (low, high, count) = (
                Shape::<P, N>::low(row.start),
                high(row.end - 1),
                self.sum(row),
            );
            let bar = (count * WIDTH).div_ceil(most.max(1)) as usize;
            let (newline, width) = (if i == 0 { "" } else { "\n" }, digits(most));
            write!(f, "{newline}{low:>value$}..={high:<value$} {count:>width$}")?;
            if bar > 0 {
                write!(f, " {:#<bar$}", "")?;
            }
        }
        Ok(())
    }
}

fn digits(number: u128) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

impl<const P: u32, const N: usize, C: Count> fmt::Debug for Bars<'_, P, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bars").field(self.0).finish()
    }
}
