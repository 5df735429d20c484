//! The counters of each end, which cost the other end nothing.

/// The counters of a producer. They are private to it: reading them touches no shared cache line.
///
/// `refused` stays at its maximum. On 32-bit targets `enqueued` is the position, modulo 2^32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ProducerStats {
    /// Number of values published.
    pub enqueued: u64,
    /// Number of operations that found too little room; each counts once, whatever its number of values. `push_iter`
    /// and `reserve_up_to` take the room that there is and count nothing.
    pub refused: u64,
}

/// The counters of a consumer. They are private to it: reading them touches no shared cache line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Number of values taken; on 32-bit targets modulo 2^32.
    pub dequeued: u64,
    /// Number of operations that found too few values; each counts once.
    pub starved: u64,
    /// Maximum number of values that this end found waiting when it looked. It looks when it has taken all values that
    /// it knew of. Between two looks the ring may have held more: at most this number plus the number found at the
    /// look before.
    pub high_water: usize,
}
