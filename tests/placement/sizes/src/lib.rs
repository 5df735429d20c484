//! Firmware that allocates, reallocates and frees a `Box` and a `Vec`. Each program of this package has a global allocator
//! of its own over the same memory, with the same lock.
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::hint::black_box;
use core::panic::PanicInfo;

#[cfg(feature = "probe")]
mod probe;
#[cfg(feature = "probe")]
#[path = "../../cortex_calls/src/semihosting.rs"]
#[expect(dead_code, reason = "no command line")]
mod semihosting;
#[path = "../../firmware/src/single_core.rs"]
mod single_core;

/// Bytes of the heap's memory.
pub const LEN: usize = 64 << 10;

/// The memory of a heap that does not bring its own.
#[repr(align(16))]
pub struct Memory(UnsafeCell<[u8; LEN]>);

// SAFETY: one heap uses it.
unsafe impl Sync for Memory {}

impl Memory {
    /// All zeros.
    #[expect(clippy::new_without_default, reason = "for a static")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; LEN]))
    }

    /// The first byte.
    pub const fn start(&self) -> *mut u8 {
        self.0.get().cast()
    }
}

/// What each program does.
#[inline(always)]
pub fn run() -> ! {
    let number = Box::new(black_box(7_u32));
    let mut numbers = Vec::new();
    for i in 0..black_box(1000) {
        numbers.push(i + *number);
    }
    // The compiler may leave out what nothing sees.
    black_box((&number, &numbers));
    drop((number, numbers));
    stop()
}

/// The end: of a program that is measured, a loop.
#[inline(always)]
pub fn stop() -> ! {
    #[cfg(feature = "probe")]
    probe::tell();
    #[cfg(not(feature = "probe"))]
    loop {
        core::hint::spin_loop();
    }
}

/// Defines the entry point of a program: sets the heap up, then runs.
#[macro_export]
macro_rules! program {
    ($set_up:block) => {
        $crate::entry!({
            $set_up
            $crate::run()
        });
    };
}

/// Defines the entry point of a program.
#[macro_export]
macro_rules! entry {
    ($body:block) => {
        #[unsafe(link_section = ".vectors")]
        #[used]
        static RESET: extern "C" fn() -> ! = _start;

        /// The entry point.
        #[unsafe(no_mangle)]
        pub extern "C" fn _start() -> ! {
            $body
        }
    };
}

#[panic_handler]
fn on_panic(_: &PanicInfo<'_>) -> ! {
    #[cfg(feature = "probe")]
    semihosting::exit(semihosting::FAILURE);
    #[cfg(not(feature = "probe"))]
    loop {
        core::hint::spin_loop();
    }
}
