//! The cycle counter of Cortex-M.

use core::fmt;
use core::sync::atomic::{Ordering, compiler_fence};

use super::calibrate::Calibration;
use super::{Clock, Scale};

/// Debug exception and monitor control: bit 24 switches trace units on.
const DEMCR: *mut u32 = 0xe000_edfc as *mut u32;
/// The DWT's control: bit 0 starts the counter, bit 25 says that there is none.
const CONTROL: *mut u32 = 0xe000_1000 as *mut u32;
/// The counter.
const COUNT: *mut u32 = 0xe000_1004 as *mut u32;
/// Where a DWT has a lock (Cortex-M7), this word opens it.
const LOCK: *mut u32 = 0xe000_1fb0 as *mut u32;
const KEY: u32 = 0xc5ac_ce55;

/// CYCCNT, the processor's cycle counter: 32 bits at the core clock, one load to read.
///
/// It begins again after 2³² cycles, 25 s at 168 MHz: differences of up to half of that come out
/// right, and [`Widened`](super::Widened) makes a clock of 62 bits of it. It stands still while the core
/// sleeps with its clock off, and follows a core clock that is changed.
///
/// Cortex-M3 and later have it, if the chip's maker put it in. Cortex-M0, M0+ and M1 have none, which
/// [`enable`](Self::enable) finds out: there a timer of the chip is the clock, by a
/// [`Clock`] of your own. Source: Armv7-M Architecture Reference Manual, C1.8.
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

/// This processor has no cycle counter, or it does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DwtError {
    /// The DWT says that it has none (DWT_CTRL.NOCYCCNT).
    Absent,
    /// It was started and stands still: a core without one, or an emulator.
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
    /// Switches the counter on, from whatever it shows, at the core clock's rate as the caller knows it. Once
    /// is enough; again does no harm.
    ///
    /// # Safety
    /// It runs privileged on a Cortex-M, and nothing else (a debugger's agent, another core's or an
    /// interrupt's code) changes DEMCR or DWT_CTRL at the same time: both are read, changed and written.
    ///
    /// # Errors
    /// [`DwtError`] where there is none.
    pub unsafe fn enable(calibration: Calibration) -> Result<Self, DwtError> {
        // SAFETY: these are registers of every Cortex-M (reserved and zero where the unit is missing), word-sized
        // and aligned, and the caller keeps others off them.
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

    /// How fast it runs, as the caller said.
    #[must_use]
    pub const fn calibration(&self) -> Calibration {
        self.calibration
    }
}

#[inline(always)]
fn count() -> u32 {
    // SAFETY: a register that reading does not change, word-sized and aligned.
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

    /// Cortex-M3 and M4 execute in order; the M7 may not, and gets its barriers.
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
    // SAFETY: barriers, which every Cortex-M has, and which change nothing.
    unsafe { core::arch::asm!("dsb", "isb", options(nostack, preserves_flags)) };
}
