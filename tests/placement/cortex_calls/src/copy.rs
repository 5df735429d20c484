//! The instructions of copies, which do not count.
//!
//! The linker puts the functions below in the place of the runtime's (`--wrap`).

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::counter;

/// Ticks of the copies since the last [`taken`], and their number.
static COPIED: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// The instructions of a function below that are not between its reads of the timer.
const AROUND: u32 = 13;

/// The instructions of the copy that was made since the last call, if one was.
pub fn taken() -> u32 {
    let [ticks, copies] = COPIED.each_ref().map(|n| n.swap(0, Relaxed));
    counter::instructions(ticks) + copies * AROUND
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
            "subs r5, r5, r4",
            "bfc r5, #24, #8",
            "ldr r4, ={copied}",
            "ldr r6, [r4]",
            "adds r6, r6, r5",
            "str r6, [r4]",
            "ldr r6, [r4, #4]",
            "adds r6, r6, #1",
            "str r6, [r4, #4]",
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
