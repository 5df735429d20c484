//! Critical sections on one Cortex-M core.

use core::arch::asm;
use critical_section::RawRestoreState;

struct SingleCore;
critical_section::set_impl!(SingleCore);

// SAFETY: with interrupts masked nothing else runs on the only core, and a nested section restores the state
// that it found.
unsafe impl critical_section::Impl for SingleCore {
    unsafe fn acquire() -> RawRestoreState {
        let masked: u32;
        // SAFETY: reads and sets PRIMASK. It is a compiler barrier (no `nomem`), which keeps accesses
        // inside the section.
        unsafe { asm!("mrs {}, PRIMASK", "cpsid i", out(reg) masked, options(nostack)) };
        masked & 1 == 0
    }

    unsafe fn release(was_enabled: RawRestoreState) {
        if was_enabled {
            // SAFETY: interrupts were enabled when the outermost section was entered.
            unsafe { asm!("cpsie i", options(nostack)) };
        }
    }
}
