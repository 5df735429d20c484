//! Where the labels of a plot's axes are, and what they say: several on each axis, no two the same.

/// Labels that an axis of latencies has at least, where its range has room for them.
const FEW: usize = 4;
/// Labels that an axis of percentages has at most.
const MANY: usize = 10;

/// Tenths of a power of ten that are labelled, the sparsest first. The last has one at least at every
/// tenth part of the value below 2, at every twelfth above.
const MANTISSAS: [&[u32]; 4] = [
    &[10],
    &[10, 20, 50],
    &[10, 15, 20, 30, 40, 50, 70],
    &[
        10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90,
        95,
    ],
];

/// Nanoseconds to label between `least` and `most`, on a logarithmic axis.
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

/// Percentages to label between 0 and `top`, at even steps.
pub fn linear(top: f64) -> Vec<f64> {
    let step = step(top);
    let labels = (0u32..).map(|i| f64::from(i) * step);
    labels.take_while(|share| *share <= top).collect()
}

/// The smallest of 1, 2 and 5 times a power of ten that makes few enough labels.
fn step(top: f64) -> f64 {
    let power = 10f64.powi((top / MANY as f64).log10().floor() as i32);
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = |step: &f64| top / step < MANY as f64;
    steps.into_iter().find(fits).unwrap_or(top)
}

/// A percentage on an axis up to `top`, with the decimals that tell it from its neighbours.
pub fn percent(share: f64, top: f64) -> String {
    let decimals = (-step(top).log10().floor()).max(0.0) as usize;
    format!("{share:.decimals$}")
}

/// A latency in the largest unit that leaves it at least 1.
pub fn duration(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    // A little less: 1e3 may have come out as 999.9999.
    let fits = |(unit, _): &(f64, &str)| ns >= unit * 0.999_999;
    let (unit, name) = units.into_iter().find(fits).unwrap_or((1.0, "ns"));
    let rounded = (ns / unit * 100.0).round() / 100.0;
    format!("{rounded} {name}")
}
