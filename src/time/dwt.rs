//! The cycle counter of Cortex-M.

use core::fmt;
use core::sync::atomic::{Ordering, compiler_fence};

use super::calibrate::Calibration;
use super::{Clock, Scale};

/// Debug exception and monitor control: bit 24 enables the trace units.
const DEMCR: *mut u32 = 0xe000_edfc as *mut u32;
/// The DWT's control: bit 0 starts the counter; bit 25 is set if there is none.
const CONTROL: *mut u32 = 0xe000_1000 as *mut u32;
/// The counter.
const COUNT: *mut u32 = 0xe000_1004 as *mut u32;
/// The lock of a DWT that has one (Cortex-M7); [`KEY`] opens it.
const LOCK: *mut u32 = 0xe000_1fb0 as *mut u32;
const KEY: u32 = 0xc5ac_ce55;

/// CYCCNT, the processor's cycle counter: 32 bits at the core clock's rate, read with one load.
///
/// It wraps after 2³² cycles, 25 s at 168 MHz. Differences of up to half of that are correct;
/// [`Widened`](super::Widened) makes a clock of 62 bits of it. It stands still while the core sleeps with its
/// clock off, and its rate changes with the core clock.
///
/// Cortex-M3 and later may have it; the chip's maker decides. Cortex-M0, M0+ and M1 do not have it, and
/// [`enable`](Self::enable) returns an error: implement [`Clock`] for a timer of the chip instead. Source:
/// Armv7-M Architecture Reference Manual, C1.8.
///
/// ```no_run
/// use framepool::time::{Calibration, Clock, Dwt, Widened};
///
/// // SAFETY: start-up code; no debugger owns the DWT.
/// let cycles = unsafe { Dwt::enable(Calibration::from_hz(168_000_000).unwrap()) }?;
/// let span = cycles.span();
/// let clock = Widened::new(cycles);
/// # Ok::<(), framepool::time::DwtError>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Dwt {
    calibration: Calibration,
}

/// The processor has no cycle counter, or it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DwtError {
    /// The DWT has no cycle counter (DWT_CTRL.NOCYCCNT).
    Absent,
    /// The counter was started and stands still: the core has none, or it is emulated.
    Stopped,
}

impl fmt::Display for DwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "this processor has no cycle counter (DWT_CTRL.NOCYCCNT)",
            Self::Stopped => "the cycle counter (DWT_CYCCNT) does not run",
        })
    }
}

impl core::error::Error for DwtError {}

impl Dwt {
    /// Starts the counter and keeps its value. The caller gives the core clock's rate. Further calls are
    /// allowed and not needed.
    ///
    /// # Safety
    /// The caller runs privileged on a Cortex-M, and nothing else (a debugger's agent, another core, an
    /// interrupt) changes DEMCR or DWT_CTRL at the same time: both are read, changed and written.
    ///
    /// # Errors
    /// [`DwtError`] if there is no counter, or if it does not run.
    pub unsafe fn enable(calibration: Calibration) -> Result<Self, DwtError> {
        // SAFETY: every Cortex-M has these registers (reserved and zero where the unit is missing). They are
        // word-sized and aligned, and by the contract nothing else changes them now.
        unsafe {
            DEMCR.write_volatile(DEMCR.read_volatile() | 1 << 24);
            LOCK.write_volatile(KEY);
            let control = CONTROL.read_volatile();
            if control & 1 << 25 != 0 {
                return Err(DwtError::Absent);
            }
            CONTROL.write_volatile(control | 1);
        }
        let first = count();
        match (0..8).any(|_| count() != first) {
            true => Ok(Self { calibration }),
            false => Err(DwtError::Stopped),
        }
    }

    /// Returns the rate that the caller gave.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.calibration
    }
}

#[inline(always)]
fn count() -> u32 {
    // SAFETY: a word-sized and aligned register, which a read does not change.
    unsafe { COUNT.read_volatile() }
}

impl Clock for Dwt {
    #[inline(always)]
    fn now(&self) -> u64 {
        count().into()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.calibration.scale
    }

    /// Reads between barriers: Cortex-M3 and M4 execute in order, but the M7 may not.
    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        barrier();
        let now = count();
        barrier();
        now.into()
    }

    #[inline(always)]
    fn bits(&self) -> u32 {
        32
    }
}

/// Everything before it is complete before anything after it begins.
#[inline(always)]
fn barrier() {
    compiler_fence(Ordering::SeqCst);
    // SAFETY: every Cortex-M has these barriers, and they change no state.
    unsafe { core::arch::asm!("dsb", "isb", options(nostack, preserves_flags)) };
}
