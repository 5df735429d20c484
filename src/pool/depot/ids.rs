//! Block indices on their way between the depot and a caller.

use core::mem::MaybeUninit;

/// Indices on their way from the depot to a caller.
pub(crate) type Ids = [MaybeUninit<u32>];

/// The part of `ids` after the first `n`.
#[inline(always)]
pub(crate) fn rest(ids: &mut Ids, n: usize) -> &mut Ids {
    ids.get_mut(n..).unwrap_or_default()
}

/// The indices in `ids`.
///
/// # Safety
/// All of them are written.
pub(crate) unsafe fn assume_init(ids: &Ids) -> &[u32] {
    // SAFETY: the caller's promise; the layouts are the same.
    unsafe { &*(core::ptr::from_ref(ids) as *const [u32]) }
}
