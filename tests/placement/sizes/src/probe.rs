//! What can be allocated from a heap whose objects are all freed.

use alloc::alloc::{Layout, alloc, dealloc};
use core::fmt::Write;
use core::hint::black_box;

use crate::LEN;
use crate::semihosting::{FAILURE, Output, SUCCESS, exit};

/// Bytes of a small object.
const SMALL: usize = 24;

/// Allocates. A compiler may leave out an allocation that nothing sees, as if it had succeeded.
fn allocated(layout: Layout) -> *mut u8 {
    // SAFETY: no layout here has size 0.
    black_box(unsafe { alloc(layout) })
}

/// Prints the size of the largest object and the number of small ones that the heap has memory for. Ends QEMU.
pub fn tell() -> ! {
    let (mut fits, mut fails) = (0, LEN + 1);
    while fits + 1 < fails {
        let size = (fits + fails) / 2;
        let layout = Layout::from_size_align(size, 4).unwrap_or(Layout::new::<u32>());
        let at = allocated(layout);
        if at.is_null() {
            fails = size;
        } else {
            fits = size;
            // SAFETY: allocated with this layout, and not used.
            unsafe { dealloc(at, layout) };
        }
    }
    let mut small = 0;
    while !allocated(Layout::new::<[u32; SMALL / 4]>()).is_null() {
        small += 1;
    }
    match writeln!(Output::open(), "{fits} {small}") {
        Ok(()) => exit(SUCCESS),
        Err(_) => exit(FAILURE),
    }
}
