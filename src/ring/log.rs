//! What a `defmt` log shows of the types that cannot derive it: their figures, never a value.

use defmt::{Format, Formatter, write};

use crate::ring::{
    Abandoned, AsyncConsumer, AsyncProducer, Consumer, Drain, FlagConsumer, FlagDrain,
    FlagProducer, Full, Peeked, Producer, Reserved,
};

impl<T> Format for Producer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Producer {{ len: {=usize}, capacity: {=usize}, stats: {} }}",
            self.len(),
            self.capacity(),
            self.stats()
        );
    }
}

impl<T> Format for Consumer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Consumer {{ len: {=usize}, capacity: {=usize}, stats: {} }}",
            self.len(),
            self.capacity(),
            self.stats()
        );
    }
}

impl<T> Format for AsyncProducer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "AsyncProducer({})", self.as_producer());
    }
}

impl<T> Format for AsyncConsumer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "AsyncConsumer({})", self.as_consumer());
    }
}

impl<T> Format for Drain<'_, '_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Drain({})", self.consumer());
    }
}

impl<T> Format for Reserved<'_, '_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Reserved {{ len: {=usize}, written: {=usize} }}",
            self.len(),
            self.written()
        );
    }
}

impl<T> Format for Peeked<'_, '_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Peeked {{ len: {=usize} }}", self.len());
    }
}

impl<T> Format for FlagProducer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "FlagProducer {{ capacity: {=usize}, stats: {} }}",
            self.capacity(),
            self.stats()
        );
    }
}

impl<T> Format for FlagConsumer<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "FlagConsumer {{ capacity: {=usize}, stats: {} }}",
            self.capacity(),
            self.stats()
        );
    }
}

impl<T> Format for FlagDrain<'_, '_, T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "FlagDrain({})", self.consumer());
    }
}

#[cfg(not(loom))]
impl<T, const N: usize> Format for crate::ring::FlagRing<T, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "FlagRing {{ capacity: {=usize} }}", N);
    }
}

#[cfg(not(loom))]
impl<T, const N: usize> Format for crate::ring::Ring<T, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Ring {{ capacity: {=usize} }}", N);
    }
}

impl<T> Format for Full<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Full");
    }
}

impl<T> Format for Abandoned<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Abandoned");
    }
}

#[cfg(all(
    feature = "mmap",
    target_os = "linux",
    target_has_atomic = "64",
    not(loom)
))]
mod shared {
    use defmt::{Format, Formatter, write};

    use crate::ring::{
        Plain, SharedConsumer, SharedDrain, SharedPeeked, SharedProducer, SharedReserved,
        SharedRing,
    };

    impl<T: Plain> Format for SharedRing<'_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "SharedRing {{ capacity: {=usize} }}", self.capacity());
        }
    }

    impl<T: Plain> Format for SharedProducer<'_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "SharedProducer {{ len: {=usize}, capacity: {=usize}, stats: {} }}",
                self.len(),
                self.capacity(),
                self.stats()
            );
        }
    }

    impl<T: Plain> Format for SharedConsumer<'_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "SharedConsumer {{ len: {=usize}, capacity: {=usize}, stats: {} }}",
                self.len(),
                self.capacity(),
                self.stats()
            );
        }
    }

    impl<T: Plain> Format for SharedDrain<'_, '_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "SharedDrain {{ left: {=usize} }}", self.len());
        }
    }

    impl<T: Plain> Format for SharedReserved<'_, '_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "SharedReserved {{ len: {=usize} }}", self.len());
        }
    }

    impl<T: Plain> Format for SharedPeeked<'_, '_, T> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "SharedPeeked {{ len: {=usize} }}", self.len());
        }
    }
}
