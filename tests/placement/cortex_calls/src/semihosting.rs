//! Arm's semihosting: the command line, the output and the end of the program.

use core::arch::asm;
use core::fmt;

const SYS_OPEN: usize = 0x01;
const SYS_WRITE: usize = 0x05;
const SYS_GET_CMDLINE: usize = 0x15;
const SYS_EXIT: usize = 0x18;
/// The mode "w".
const WRITE: usize = 4;
/// ADP_Stopped_ApplicationExit.
pub const SUCCESS: usize = 0x2_0026;
/// ADP_Stopped_RunTimeErrorUnknown.
pub const FAILURE: usize = 0x2_0023;

/// # Safety
/// The operation accepts the argument.
unsafe fn call(operation: usize, argument: usize) -> usize {
    let result;
    // SAFETY: the caller's promise. The memory that the argument points to may be read and written.
    unsafe { asm!("bkpt #0xab", inout("r0") operation => result, in("r1") argument) };
    result
}

/// Ends QEMU.
pub fn exit(reason: usize) -> ! {
    loop {
        // SAFETY: a reason.
        unsafe { call(SYS_EXIT, reason) };
    }
}

/// Reads the command line into a buffer. Empty if it does not fit.
pub fn command_line(buffer: &mut [u8]) -> &str {
    let block = [buffer.as_mut_ptr().expose_provenance(), buffer.len()];
    // SAFETY: an address and the number of bytes there; the host sets the number to those that it has written.
    let failed = unsafe { call(SYS_GET_CMDLINE, (&raw const block).expose_provenance()) };
    let read = buffer.iter().position(|byte| *byte == 0);
    match read {
        Some(len) if failed == 0 => str::from_utf8(&buffer[..len]).unwrap_or(""),
        _ => "",
    }
}

/// The standard output of QEMU.
pub struct Output(usize);

impl Output {
    pub fn open() -> Self {
        let name = c":tt";
        let block = [name.as_ptr().expose_provenance(), WRITE, name.count_bytes()];
        // SAFETY: a name, a mode and the length of the name.
        Self(unsafe { call(SYS_OPEN, (&raw const block).expose_provenance()) })
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let block = [self.0, text.as_ptr().expose_provenance(), text.len()];
        // SAFETY: a file, an address and the number of bytes there.
        let left = unsafe { call(SYS_WRITE, (&raw const block).expose_provenance()) };
        if left == 0 { Ok(()) } else { Err(fmt::Error) }
    }
}
