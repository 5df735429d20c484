//! The values that were not measured because an earlier one took too long ("coordinated omission").

use super::shape::Shape;
use crate::time::saturated;

/// Calls `record` with `value - interval`, `value - 2 interval` and so on, down to `interval`, each with the number of
/// times. All values of one bucket come in one call. An `interval` of 0 adds no values.
pub(super) fn missing<const P: u32, const N: usize>(
    value: u64,
    interval: u64,
    mut record: impl FnMut(u64, u64),
) {
    if interval == 0 {
        return;
    }
    let mut missing = value.saturating_sub(interval);
    while missing >= interval {
        // `n` values share the bucket of `missing`, and the last of them is at least `least`. As `least` is at least
        // `interval`, the subtraction of `n` intervals does not underflow.
        let least = Shape::<P, N>::bottom(missing).max(interval);
        let n = (missing - least) / interval + 1;
        record(missing, n);
        missing -= n * interval;
    }
}

/// Calls `record` with `n * times`, in two parts if that has more than 64 bits. No third part is needed: the first
/// fills the counter, and the second the number of lost values, if they are as large as they can be.
pub(super) fn product(n: u64, times: u64, mut record: impl FnMut(u64)) {
    let product = u128::from(n) * u128::from(times);
    let first = saturated(product);
    record(first);
    let second = saturated(product - u128::from(first));
    if second > 0 {
        record(second);
    }
}
