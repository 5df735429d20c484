//! The instructions of copies, which do not count.
//!
//! The linker puts the functions below in the place of the runtime's (`--wrap`).

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::counter;

/// The timer when the first copy since the last [`taken`] began, when the last one ended, and their number.
static COPIED: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];

/// The instructions of a function below that are not between its reads of the timer.
const AROUND: u32 = 12;

/// The instructions from the first copy since the last call to the end of the last copy: a move may be made in steps.
pub fn taken() -> u32 {
    let [first, last, copies] = COPIED.each_ref().map(|n| n.swap(0, Relaxed));
    match copies {
        0 => 0,
        _ => counter::instructions(first.wrapping_sub(last) & counter::MASK) + AROUND,
    }
}

macro_rules! wrap {
    ($($name:literal)*) => { $(
        global_asm!(
            concat!(".globl __wrap_", $name),
            concat!(".type __wrap_", $name, ", %function"),
            ".thumb_func",
            concat!("__wrap_", $name, ":"),
            "push {{r4, r5, r6, lr}}",
            "ldr r4, =0xE000E018",
            "ldr r5, [r4]",
            concat!("bl __real_", $name),
            "ldr r4, [r4]",
            "ldr r6, ={copied}",
            "str r4, [r6, #4]",
            "ldr r4, [r6, #8]",
            "cmp r4, #0",
            "it eq",
            "streq r5, [r6]",
            "adds r4, r4, #1",
            "str r4, [r6, #8]",
            "pop {{r4, r5, r6, pc}}",
            ".ltorg",
            copied = sym COPIED,
        );
    )* };
}

wrap! {
    "__aeabi_memcpy" "__aeabi_memcpy4" "__aeabi_memcpy8"
    "__aeabi_memmove" "__aeabi_memmove4" "__aeabi_memmove8"
}
