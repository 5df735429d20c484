//! Rings. Each end publishes its part; give both the same name.

use super::{Publish, Sink};
use crate::ring::{Consumer, ConsumerStats, Producer, ProducerStats, flags};
#[cfg(all(
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(loom)
))]
use crate::ring::{Plain, SharedConsumer, SharedProducer};

/// `framepool_ring_values_enqueued_total` and `framepool_ring_pushes_refused_total`.
impl Publish for ProducerStats {
    const LABEL: &'static str = "ring";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        sink.counters([
            (
                "framepool_ring_values_enqueued_total",
                "Values published.",
                self.enqueued,
            ),
            (
                "framepool_ring_pushes_refused_total",
                "Operations that found too little room.",
                self.refused,
            ),
        ]);
    }
}

/// `framepool_ring_values_dequeued_total`, `framepool_ring_pops_starved_total` and
/// `framepool_ring_values_high_water`.
impl Publish for ConsumerStats {
    const LABEL: &'static str = "ring";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        sink.counters([
            (
                "framepool_ring_values_dequeued_total",
                "Values taken.",
                self.dequeued,
            ),
            (
                "framepool_ring_pops_starved_total",
                "Operations that found too few values.",
                self.starved,
            ),
        ]);
        sink.numbers([(
            "framepool_ring_values_high_water",
            "The largest number of values that the consumer found waiting.",
            self.high_water as u64,
        )]);
    }
}

/// Implements the trait for the ends of one kind of ring. The consumer publishes what belongs to both.
macro_rules! ends {
    ($(#[$cfg:meta])* [$($bound:tt)*] $producer:ty, $consumer:ty) => {
        /// Its statistics.
        $(#[$cfg])*
        impl<T: $($bound)*> Publish for $producer {
            const LABEL: &'static str = ProducerStats::LABEL;

            fn publish_to(&self, sink: &mut Sink<'_>) {
                self.stats().publish_to(sink);
            }
        }

        /// Its statistics, `framepool_ring_values_waiting` and `framepool_ring_values_capacity`.
        $(#[$cfg])*
        impl<T: $($bound)*> Publish for $consumer {
            const LABEL: &'static str = ConsumerStats::LABEL;

            fn publish_to(&self, sink: &mut Sink<'_>) {
                self.stats().publish_to(sink);
                sink.numbers([
                    (
                        "framepool_ring_values_waiting",
                        "Values in the ring, as the consumer sees it.",
                        self.len() as u64,
                    ),
                    (
                        "framepool_ring_values_capacity",
                        "Values that the ring can hold.",
                        self.capacity() as u64,
                    ),
                ]);
            }
        }
    };
}

ends!([] Producer<'_, T>, Consumer<'_, T>);
ends!([] flags::Producer<'_, T>, flags::Consumer<'_, T>);
ends!(
    #[cfg(all(
        feature = "mmap",
        target_os = "linux",
        target_has_atomic = "64",
        not(loom)
    ))]
    [Plain] SharedProducer<'_, T>, SharedConsumer<'_, T>
);
