//! The generic timer of aarch64.

use core::arch::asm;
use core::fmt;

use super::calibrate::{Calibration, Source};
use super::{Clock, Scale};

/// The virtual count of the generic timer, CNTVCT_EL0: 64 bits, one rate, the same value on every core.
///
/// CNTFRQ_EL0 has its rate: 1 GHz since Armv8.6, some tens of MHz before, so a tick may be 40 ns. If
/// firmware has not written that register, use [`with`](Self::with). At EL0 the system must allow reads of
/// the counter (CNTKCTL_EL1.EL0VCTEN; Linux sets it); otherwise the instruction traps.
///
/// [`now`](Clock::now) is a single `mrs`; [`now_fenced`](Clock::now_fenced) adds an `isb` before and after
/// it. Source: Arm Architecture Reference Manual, chapter D12.
///
/// ```
/// use framepool::time::{Clock, Cntvct};
///
/// let clock = Cntvct::new().expect("firmware has written the rate");
/// let span = clock.span();
/// println!("{} ns", span.stop_ns());
/// ```
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cntvct {
    calibration: Calibration,
}

/// CNTFRQ_EL0 is 0: firmware has not written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CntvctError;

impl fmt::Display for CntvctError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("firmware has not written the timer's frequency (CNTFRQ_EL0)")
    }
}

impl core::error::Error for CntvctError {}

impl Cntvct {
    /// Takes the rate from CNTFRQ_EL0.
    ///
    /// # Errors
    /// [`CntvctError`] if that is 0, and under Miri, which lacks the register.
    pub fn new() -> Result<Self, CntvctError> {
        if cfg!(miri) {
            return Err(CntvctError);
        }
        let hz: u64;
        // SAFETY: reads a register and no memory.
        unsafe {
            asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack, preserves_flags))
        };
        let calibration = Calibration::to_digit(hz, 1, Source::Register).ok_or(CntvctError)?;
        Ok(Self { calibration })
    }

    /// Uses a rate that the caller knows.
    #[must_use]
    pub const fn with(calibration: Calibration) -> Self {
        Self { calibration }
    }

    /// Returns the rate and its source.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.calibration
    }
}

impl Clock for Cntvct {
    #[inline(always)]
    fn now(&self) -> u64 {
        let now: u64;
        // SAFETY: reads a register and no memory. Not `pure`: two readings differ.
        unsafe {
            asm!("mrs {}, cntvct_el0", out(reg) now, options(nomem, nostack, preserves_flags))
        };
        now
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.calibration.scale
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        let now: u64;
        // SAFETY: reads a register. Without `nomem` the compiler moves no memory access across it.
        unsafe {
            asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) now, options(nostack, preserves_flags));
        }
        now
    }
}
