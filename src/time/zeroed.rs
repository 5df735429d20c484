//! Large things on the heap, without passing through the stack.

use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
use std::boxed::Box;
use std::ptr::NonNull;

/// A box full of zeros. Fresh pages of the system are that already, so a large one costs little until it is
/// written to.
///
/// # Safety
/// All zeros must be a valid value of `T`.
pub(super) unsafe fn zeroed<T>() -> Box<T> {
    let layout = Layout::new::<T>();
    let new = match layout.size() {
        0 => NonNull::dangling().as_ptr(),
        // SAFETY: it is more than no bytes.
        _ => unsafe { alloc_zeroed(layout) }.cast::<T>(),
    };
    if new.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: of the global allocator and of that layout, which is how `Box` frees it (or of no size, and aligned);
    // nobody else has it, and the caller says that zeros are a value.
    unsafe { Box::from_raw(new) }
}
