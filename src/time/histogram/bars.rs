//! A bar chart of a distribution, in text.

use core::fmt;
use core::ops::Range;

use super::Histogram;
use super::count::Count;
use super::shape::Shape;

/// The maximum number of rows.
const ROWS: usize = 24;
/// The number of characters of the longest bar.
const WIDTH: u128 = 40;
/// One value in this many may be an outlier, above the rows of equal size; outliers share the last row.
const OUTLIERS: u128 = 1000;

/// A bar chart, which `Display` prints: see [`Histogram::bars`].
#[derive(Clone, Copy)]
pub struct Bars<'h, const P: u32, const N: usize, C: Count>(&'h Histogram<P, N, C>);

impl<const P: u32, const N: usize, C: Count> Histogram<P, N, C> {
    /// Returns a bar chart: at most 24 rows from the least to the greatest value, each of the same number of
    /// buckets. A row that is not empty has a bar of at least one character. The chart of an empty histogram is
    /// empty.
    ///
    /// If the greatest thousandth of all values would make the rows coarser, these values share the last row,
    /// and the other rows end before them: a single outlier does not flatten the chart.
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
    /// The used buckets without those that count outliers only.
    fn without_outliers(&self, used: &Range<usize>) -> Range<usize> {
        let total = self.0.total();
        used.start..self.0.index_at(total - total / OUTLIERS) + 1
    }

    /// Rows of the same number of buckets, and one for the outliers if that makes the others finer.
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
}

/// The number of buckets a row, a power of two, with which `rows` rows are enough.
fn each(buckets: &Range<usize>, rows: usize) -> usize {
    let mut each = 1;
    while number(buckets, each) > rows {
        each *= 2;
    }
    each
}

/// The number of rows of `each` buckets, aligned to `each`.
fn number(buckets: &Range<usize>, each: usize) -> usize {
    buckets.end.div_ceil(each) - buckets.start / each
}

impl<const P: u32, const N: usize, C: Count> fmt::Display for Bars<'_, P, N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(used) = self.0.used() else {
            return Ok(());
        };
        let high = Shape::<P, N>::high;
        let rows = self.rows(used.clone());
        let most = rows.clone().map(|row| self.0.sum(row)).max().unwrap_or(1);
        // The last of the equal rows may end above the greatest value.
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
                self.0.sum(row),
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

#[cfg(feature = "defmt")]
impl<const P: u32, const N: usize, C: Count> defmt::Format for Bars<'_, P, N, C> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{}", defmt::Display2Format(self));
    }
}
