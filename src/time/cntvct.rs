//! The generic timer of aarch64.

use core::arch::asm;
use core::fmt;

use super::calibrate::{Calibration, Source};
use super::{Clock, Scale};

/// The virtual count of the generic timer, CNTVCT_EL0: 64 bits, one rate, the same on every core.
///
/// Its rate is in CNTFRQ_EL0: 1 GHz since Armv8.6, some tens of MHz before, so a tick may be 40 ns.
/// Firmware that forgot to write that register calls [`with`](Self::with). At EL0 the system must allow
/// reading it (CNTKCTL_EL1.EL0VCTEN, as Linux does); otherwise the instruction traps.
///
/// [`now`](Clock::now) is `mrs` alone; [`now_fenced`](Clock::now_fenced) has an `isb` before and after
/// it. Source: Arm Architecture Reference Manual, chapter D12.
///
/// ```
/// use framepool::time::{Clock, Cntvct};
///
/// let clock = Cntvct::new().expect("firmware that says the rate");
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
    /// As fast as CNTFRQ_EL0 says.
    ///
    /// # Errors
    /// [`CntvctError`] if that is 0.
    pub fn new() -> Result<Self, CntvctError> {
        let hz: u64;
        // SAFETY: reads a register, touches no memory.
        unsafe {
            asm!("mrs {}, cntfrq_el0", out(reg) hz, options(nomem, nostack, preserves_flags))
        };
        let calibration = Calibration::to_digit(hz, 1, Source::Register).ok_or(CntvctError)?;
        Ok(Self { calibration })
    }

    /// With a rate that is known.
    #[must_use]
    pub const fn with(calibration: Calibration) -> Self {
        Self { calibration }
    }

    /// How fast it runs, and who says so.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.calibration
    }
}

impl Clock for Cntvct {
    #[inline(always)]
    fn now(&self) -> u64 {
        let now: u64;
        // SAFETY: reads a register, touches no memory. It is not `pure`: two readings differ.
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
        // SAFETY: reads a register. Not `nomem`: the compiler keeps accesses on their side of it.
        unsafe {
            asm!("isb", "mrs {}, cntvct_el0", "isb", out(reg) now, options(nostack, preserves_flags));
        }
        now
    }
}
