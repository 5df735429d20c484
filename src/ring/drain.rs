//! The iterator that takes values out of either design.

/// Takes the values that are there: from [`Consumer::drain`](crate::ring::Consumer::drain) and
/// [`flags::Consumer::drain`](crate::ring::flags::Consumer::drain).
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Drain<'a, C>(pub(super) &'a mut C);
