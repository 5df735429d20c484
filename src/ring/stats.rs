//! What each end counts, for itself and at no cost to the other.

/// What a producer has counted. All of it is private to it: reading costs no shared line.
///
/// Both counters stay at their maximum rather than start again, but for `enqueued` on targets of 32
/// bits, which is the position: modulo 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ProducerStats {
    /// Values published.
    pub enqueued: u64,
    /// Operations that found too little room: each counts once, however many values it had. `push_iter` and
    /// `reserve_up_to`, which take what room there is, refuse nothing.
    pub refused: u64,
}

/// What a consumer has counted. All of it is private to it: reading costs no shared line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Values taken; on targets of 32 bits modulo 2^32.
    pub dequeued: u64,
    /// Operations that found too little to take: each counts once.
    pub starved: u64,
    /// The most values that were found waiting when this end looked. It looks when it has taken what it
    /// knew of, so between two looks the ring may have held more: at most this and what it had
    /// found the time before.
    pub high_water: usize,
}
