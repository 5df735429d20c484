//! The real-time counter of RISC-V.

use core::arch::asm;

use super::calibrate::Calibration;
use super::{Clock, Scale};

/// The counter that `rdtime` reads: 64 bits, one rate, the same value on every hart. It needs Zicntr; without
/// it firmware usually emulates the instruction, otherwise it traps.
///
/// No register has its rate. The device tree (`timebase-frequency`) or the chip's manual states it. On
/// 32-bit processors the two halves are read until the upper one does not change between two reads.
/// [`now_fenced`](Clock::now_fenced) adds a `fence` before and after the reading. Source: RISC-V unprivileged
/// specification, Zicntr.
///
/// ```
/// use framepool::time::{Calibration, Clock, Rdtime};
///
/// let clock = Rdtime::with(Calibration::from_hz(10_000_000).unwrap());
/// let span = clock.span();
/// println!("{} ns", span.stop_ns());
/// ```
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rdtime {
    calibration: Calibration,
}

impl Rdtime {
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

#[cfg(not(target_arch = "riscv32"))]
#[inline(always)]
fn now() -> u64 {
    let now: u64;
    // SAFETY: reads a counter and no memory. Not `pure`: two readings differ.
    unsafe { asm!("rdtime {}", out(reg) now, options(nomem, nostack, preserves_flags)) };
    now
}

#[cfg(target_arch = "riscv32")]
#[inline(always)]
fn now() -> u64 {
    loop {
        let (before, low, after): (u32, u32, u32);
        // SAFETY: reads a counter and no memory. Not `pure`: two readings differ.
        unsafe {
            asm!(
                "rdtimeh {}", "rdtime {}", "rdtimeh {}",
                out(reg) before, out(reg) low, out(reg) after,
                options(nomem, nostack, preserves_flags)
            );
        }
        if before == after {
            return u64::from(after) << 32 | u64::from(low);
        }
    }
}

#[inline(always)]
fn fence() {
    // SAFETY: orders memory accesses and has no other effect.
    unsafe { asm!("fence", options(nostack, preserves_flags)) };
}

impl Clock for Rdtime {
    #[inline(always)]
    fn now(&self) -> u64 {
        now()
    }

    #[inline(always)]
    fn scale(&self) -> Scale {
        self.calibration.scale
    }

    #[inline(always)]
    fn now_fenced(&self) -> u64 {
        fence();
        let now = now();
        fence();
        now
    }
}
