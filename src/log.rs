//! What a `defmt` log shows of the types that cannot derive it: those with a pool, a pointer or a guest in
//! them. As with `Debug`: what the thing is, and the facts in it, never a block's bytes.
//!
//! Addresses are shown as 64 bits wide on every target; `defmt` cuts a `usize` to 32.

#[cfg(all(feature = "mmap", target_os = "linux"))]
macro_rules! as_displayed {
    ($($name:ty),*) => { $(
        impl Format for $name {
            fn format(&self, f: Formatter<'_>) {
                write!(f, "{}", defmt::Display2Format(self));
            }
        }
    )* };
}

macro_rules! as_debugged {
    ($($name:ty),*) => { $(
        impl Format for $name {
            fn format(&self, f: Formatter<'_>) {
                write!(f, "{}", defmt::Debug2Format(self));
            }
        }
    )* };
}

mod runs {
    use defmt::{Format, Formatter, write};

    use crate::region::{PageRun, PageRuns, PageWord};

    as_debugged!(PageRuns<'_>, PageRun<'_>, PageWord);
}

#[cfg(all(feature = "mmap", target_os = "linux"))]
mod region {
    use defmt::{Format, Formatter, write};

    use crate::region::{
        HintError, Iova, IovaError, IovaRange, LockError, MapBuilder, MapError, MappedRegion,
        NodeError, NodeRun, PhysAddr, PrefaultError, Refused, RegionReport, ReleaseError, Step,
    };

    // What only a hosted program has is formatted there: its words cost no flash.
    as_displayed!(
        MapError,
        LockError,
        NodeError,
        PrefaultError,
        HintError,
        ReleaseError,
        IovaError
    );
    as_debugged!(MapBuilder, NodeRun, Iova, IovaRange, PhysAddr);

    #[cfg(target_has_atomic = "64")]
    mod shared {
        use defmt::{Format, Formatter, write};

        use crate::region::{
            AccessError, AttachError, Seal, SharedBuilder, SharedError, SharedRegion, SharedStage,
        };

        as_displayed!(AccessError, AttachError, Seal, SharedError, SharedStage);
        as_debugged!(SharedBuilder, SharedRegion);
    }

    impl Format for Refused {
        fn format(&self, f: Formatter<'_>) {
            for (i, step) in self.iter().enumerate() {
                write!(f, "{=str}{}", if i == 0 { "" } else { "; " }, step);
            }
        }
    }

    /// The kernel's reason is its number: names are a table that firmware would carry.
    impl Format for Step {
        fn format(&self, f: Formatter<'_>) {
            let errno = self.errno.raw_os_error();
            write!(f, "no {} ({}: errno {=i32})", self.page, self.stage, errno);
        }
    }

    impl Format for RegionReport {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "RegionReport {{ requested: {=u64}, mapped: {=u64}, page: {}, huge_bytes: {}, residency: {}",
                self.requested() as u64,
                self.mapped() as u64,
                self.page(),
                self.huge_bytes().map(|bytes| bytes as u64),
                self.residency()
            );
            for step in self.steps() {
                write!(f, "; {}", step);
            }
            write!(f, " }}");
        }
    }

    impl Format for MappedRegion {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "MappedRegion {{ start: {=u64:#x}, report: {} }}",
                self.as_ptr().addr().get() as u64,
                self.report()
            );
        }
    }
}
