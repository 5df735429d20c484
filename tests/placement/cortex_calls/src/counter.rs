//! The number of instructions, by the timer SysTick.
//!
//! With `-icount shift=7` QEMU's clock advances by 2^7 ns for each instruction, whatever the instruction is. The timer
//! counts at 25 MHz, one in 40 ns: a number of its ticks tells the number of instructions without a doubt, as two
//! neighbours are more than three ticks apart.

use core::arch::asm;
use core::hint::black_box;
use core::ptr;

use crate::copy;

const CONTROL: *mut u32 = ptr::without_provenance_mut(0xE000_E010);
const RELOAD: *mut u32 = ptr::without_provenance_mut(0xE000_E014);
const CURRENT: *const u32 = ptr::without_provenance(0xE000_E018);

const NS_PER_TICK: u32 = 40;
const NS_PER_INSTRUCTION: u32 = 1 << 7;
/// The timer has 24 bits, and counts down.
pub const MASK: u32 = 0xFF_FFFF;

/// Starts the timer, on the processor's clock and without an interrupt.
pub fn start() {
    // SAFETY: the registers of the timer, which nothing else uses.
    unsafe {
        RELOAD.write_volatile(MASK);
        CONTROL.write_volatile(0b101);
    }
}

/// Ticks of the timer between its reads before and after a call. Fewer than 2^24: about 5 million instructions.
#[inline(always)]
fn ticks_of<T>(call: impl FnOnce() -> T) -> (T, u32) {
    // SAFETY: reads the timer. The empty instructions keep the accesses of the call between the reads.
    unsafe {
        let before = CURRENT.read_volatile();
        asm!("");
        let result = call();
        asm!("");
        let after = CURRENT.read_volatile();
        (result, before.wrapping_sub(after) & MASK)
    }
}

/// Runs a call. Returns its result and its instructions, without those from its first copy to its last.
#[inline(always)]
pub fn count<T>(call: impl FnOnce() -> T) -> (T, u32) {
    // Forgets the copies outside of calls.
    copy::taken();
    let (result, ticks) = ticks_of(call);
    (result, instructions(ticks) - copy::taken())
}

/// The instructions in a number of ticks.
pub fn instructions(ticks: u32) -> u32 {
    (ticks * NS_PER_TICK + NS_PER_INSTRUCTION / 2) / NS_PER_INSTRUCTION
}

/// Counts pieces of code whose numbers of instructions are known: tells each number and the count.
pub fn prove(mut tell: impl FnMut(u32, u32)) {
    // One piece of assembly with the reads: a compiler may put instructions of its own between two.
    macro_rules! counted {
        ($($code:literal),*) => {{
            let (before, after): (u32, u32);
            // SAFETY: reads the timer. Changes no register but those named, and the flags.
            unsafe {
                asm!(
                    "ldr {before}, [{timer}]", $($code,)* "ldr {after}, [{timer}]",
                    timer = in(reg) CURRENT, before = out(reg) before, after = out(reg) after,
                    out("r0") _, out("r1") _, out("r2") _,
                );
            }
            instructions(before.wrapping_sub(after) & MASK)
        }};
    }
    macro_rules! prove {
        ($($known:literal: $($code:literal),*;)*) => { $(
            tell($known, counted!($($code),*));
        )* };
    }
    // The second read counts, too.
    prove! {
        1: "";
        2: "nop";
        3: "movs r0, #7", "nop";
        // Each division takes several cycles, and is one instruction.
        4: "movs r0, #7", "udiv r1, r0, r0", "udiv r2, r0, r1";
        // A skipped instruction counts.
        5: "movs r0, #7", "cmp r0, #8", "it eq", "moveq r0, #0";
        10: "nop", "nop", "nop", "nop", "nop", "nop", "nop", "nop", "nop";
        // Branches, loads and stores.
        22: "movs r0, #10", "2:", "subs r0, #1", "bne 2b";
        42: "movs r0, #10", "2:", "push {{r1}}", "pop {{r1}}", "subs r0, #1", "bne 2b";
        2002: "movw r0, #1000", "2:", "subs r0, #1", "bne 2b";
        100002: "movw r0, #50000", "2:", "subs r0, #1", "bne 2b";
    }
    // A copy counts as much as any other.
    let mut bytes = [0_u8; 4096];
    let mut copy = |len: usize| {
        let (from, to) = bytes.split_at_mut(2048);
        let (from, to, len) = black_box((from.as_ptr(), to.as_mut_ptr(), len));
        // SAFETY: both have 2048 bytes.
        count(|| unsafe { from.copy_to(to, len) }).1
    };
    let least = copy(1);
    for len in [3, 64, 2048] {
        tell(least, copy(len));
    }
    // As does a move in steps.
    let in_steps = || {
        let (at, step) = black_box((bytes.as_mut_ptr(), 24));
        // SAFETY: within the bytes; a step is not longer than it is far.
        let copied = |n: usize| unsafe {
            at.add(step * (n + 1))
                .copy_to_nonoverlapping(at.add(step * n), step)
        };
        (0..100).for_each(copied);
    };
    let many = count(in_steps).1;
    tell(u32::from(many < 100), 1);
}
