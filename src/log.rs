//! What a `defmt` log shows of the types that cannot derive it: those with a pool, a pointer or a guest in
//! them. As with `Debug`: what the thing is, and the facts in it, never a block's bytes.
//!
//! Addresses are shown as 64 bits wide on every target; `defmt` cuts a `usize` to 32.

use defmt::{Format, Formatter, write};

use crate::error::{AllocValueError, Exhausted, FreeError, FreeErrorKind, PushError, WrongPool};
use crate::pool::{AllocAsync, Burst, IntoIter, PoolAlloc, PoolBox, Reservation};

impl<const N: usize> Format for Burst<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "Burst({})", self.as_ids());
    }
}

impl<const N: usize> Format for IntoIter<'_, N> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "IntoIter({})", self.as_burst());
    }
}

/// As its value.
impl Format for Reservation<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Reservation {{ quota: {=usize}, stats: {} }}",
            self.quota(),
            self.stats()
        );
    }
}

impl Format for AllocAsync<'_> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "AllocAsync {{ waiting: {=bool} }}", self.is_waiting());
    }
}

impl<T: Format> Format for PoolBox<'_, T> {
    fn format(&self, f: Formatter<'_>) {
        (**self).format(f);
    }
}

impl<F> Format for PoolAlloc<F> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "PoolAlloc {{ pool: {} }}", self.pool());
    }
}

impl Format for Exhausted {
    fn format(&self, f: Formatter<'_>) {
        write!(
            f,
            "Exhausted {{ requested: {=usize}, available: {=usize}, cached: {=usize} }}",
            self.requested(),
            self.available(),
            self.cached()
        );
    }
}

/// Without the value, which may be any.
impl<T> Format for WrongPool<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "WrongPool");
    }
}

/// Without the value, which may be any.
impl<T> Format for AllocValueError<T> {
    fn format(&self, f: Formatter<'_>) {
        write!(f, "AllocValueError {{ reason: {} }}", self.reason());
    }
}

/// Without the value, which may be any.
impl<T> Format for PushError<T> {
    fn format(&self, f: Formatter<'_>) {
        match self {
            Self::Full(_) => write!(f, "Full"),
            Self::WrongPool(_) => write!(f, "WrongPool"),
        }
    }
}

impl Format for FreeErrorKind {
    fn format(&self, f: Formatter<'_>) {
        match *self {
            Self::ForeignAddress { addr } => {
                write!(f, "ForeignAddress {{ addr: {=u64:#x} }}", addr as u64);
            }
            Self::Interior { id, offset } => {
                write!(f, "Interior {{ id: {}, offset: {=usize} }}", id, offset);
            }
            Self::ForeignId { id, capacity } => {
                write!(
                    f,
                    "ForeignId {{ id: {}, capacity: {=usize} }}",
                    id, capacity
                );
            }
            Self::DoubleFree { id } => write!(f, "DoubleFree {{ id: {} }}", id),
        }
    }
}

impl Format for FreeError {
    fn format(&self, f: Formatter<'_>) {
        match self.caller() {
            Some(at) => write!(
                f,
                "FreeError {{ kind: {}, caller: {=str}:{=u32} }}",
                self.kind(),
                at.file(),
                at.line()
            ),
            None => write!(f, "FreeError {{ kind: {} }}", self.kind()),
        }
    }
}

#[cfg(not(loom))]
mod statics {
    use defmt::{Format, Formatter, write};

    use crate::pool::{Align, AlignTo, StaticPool};

    impl<const N: usize> Format for Align<N> {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "Align({=usize})", N);
        }
    }

    impl<const SIZE: usize, const COUNT: usize, const STRIDE: usize, const MAGAZINES: usize, A>
        Format for StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A>
    where
        A: AlignTo,
    {
        fn format(&self, f: Formatter<'_>) {
            write!(f, "StaticPool {{ layout: {} }}", Self::LAYOUT);
        }
    }
}

#[cfg(feature = "audit")]
mod audit {
    use defmt::{Format, Formatter, write};

    use crate::pool::{AuditEvent, AuditHistory, AuditReport, AuditThread, Holding};

    impl Format for AuditThread {
        fn format(&self, f: Formatter<'_>) {
            self.with_name(|name| write!(f, "thread {=u64} ({=str})", self.number() as u64, name));
        }
    }

    impl Format for AuditEvent {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "#{=u64} {} by {}",
                self.sequence() as u64,
                self.kind(),
                self.thread()
            );
            if let Some(at) = self.caller() {
                write!(f, " at {=str}:{=u32}", at.file(), at.line());
            }
        }
    }

    impl Format for AuditHistory {
        fn format(&self, f: Formatter<'_>) {
            for (i, event) in self.iter().enumerate() {
                write!(f, "{=str}{}", if i == 0 { "" } else { "; " }, event);
            }
        }
    }

    impl Format for Holding {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "{}: {}, {=u64} events ago",
                self.id(),
                self.since(),
                self.age() as u64
            );
        }
    }

    impl Format for AuditReport<'_> {
        fn format(&self, f: Formatter<'_>) {
            write!(
                f,
                "{=usize} blocks are out, {=usize} in caches",
                self.outstanding().count(),
                self.cached().count()
            );
            for holding in self.outstanding() {
                write!(f, "; {}", holding);
            }
        }
    }
}
