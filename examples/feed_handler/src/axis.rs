//! Positions and texts of a plot's axis labels: several on each axis, all different.

/// Minimum number of labels on an axis of latencies, if its range has room for them.
const FEW: usize = 4;
/// Maximum number of labels on an axis of percentages.
const MANY: usize = 10;

/// Label positions in a decade, in tenths of its power of ten; the sparsest set first. In the last set,
/// neighbours differ by at most a fifth.
const MANTISSAS: [&[u32]; 4] = [
    &[10],
    &[10, 20, 50],
    &[10, 15, 20, 30, 40, 50, 70],
    &[
        10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90,
        95,
    ],
];

/// Returns the nanoseconds to label between `least` and `most`, on a logarithmic axis.
pub fn logarithmic(least: f64, most: f64) -> Vec<f64> {
    let labels = |mantissas: &[u32]| -> Vec<f64> {
        let decades = least.log10().floor() as i32..=most.log10().floor() as i32;
        decades
            .flat_map(|decade| {
                mantissas
                    .iter()
                    .map(move |tenths| f64::from(*tenths) * 10f64.powi(decade) / 10.0)
            })
            .filter(|ns| (least..=most).contains(ns))
            .collect()
    };
    let mut all = MANTISSAS.into_iter().map(labels);
    let enough = all.find(|labels| labels.len() >= FEW);
    enough.unwrap_or_else(|| MANTISSAS.last().map_or_else(Vec::new, |last| labels(last)))
}

/// Returns the percentages to label between 0 and `top`, at even steps.
pub fn linear(top: f64) -> Vec<f64> {
    let step = step(top);
    let labels = (0u32..).map(|i| f64::from(i) * step);
    labels.take_while(|share| *share <= top).collect()
}

/// The smallest of 1, 2 and 5 times a power of ten that makes at most [`MANY`] labels.
fn step(top: f64) -> f64 {
    let power = 10f64.powi((top / MANY as f64).log10().floor() as i32);
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = |step: &f64| top / step < MANY as f64;
    steps.into_iter().find(fits).unwrap_or(top)
}

/// Formats a percentage on an axis up to `top`, with enough decimals to differ from its neighbours.
pub fn percent(share: f64, top: f64) -> String {
    let decimals = (-step(top).log10().floor()).max(0.0) as usize;
    format!("{share:.decimals$}")
}

/// Formats a latency in the largest unit in which it is at least 1.
pub fn duration(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    // Allows for rounding: 1e3 may be 999.9999.
    let fits = |(unit, _): &(f64, &str)| ns >= unit * 0.999_999;
    let (unit, name) = units.into_iter().find(fits).unwrap_or((1.0, "ns"));
    let rounded = (ns / unit * 100.0).round() / 100.0;
    format!("{rounded} {name}")
}
