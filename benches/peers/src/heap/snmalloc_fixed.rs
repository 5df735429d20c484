//! snmalloc over a region, through a C++ shim (feature `snmalloc-fixed`).

use std::alloc::Layout;
use std::ffi::c_void;
use std::sync::OnceLock;

use crate::heap::contenders::{Heap, REGION, Region};

unsafe extern "C" {
    fn peers_snmalloc_init(start: *mut c_void, length: usize);
    fn peers_snmalloc_alloc(size: usize, align: usize) -> *mut c_void;
    fn peers_snmalloc_free(object: *mut c_void);
}

/// snmalloc over the one region that a process can give it. Each thread has an allocator of its own.
#[derive(Clone, Debug)]
pub struct SnFixed(());

impl SnFixed {
    /// Gives it a region, if it has none yet. A region that was used before is empty again.
    pub fn new() -> Result<Self, String> {
        static GIVEN: OnceLock<Result<(), String>> = OnceLock::new();
        let given = GIVEN.get_or_init(|| {
            let region = Region::new(REGION)?;
            // SAFETY: called once; the memory stays mapped.
            unsafe { peers_snmalloc_init(region.start().cast(), REGION) };
            std::mem::forget(region);
            Ok(())
        });
        given.clone().map(Self)
    }
}

// SAFETY: that is what malloc and free do.
unsafe impl Heap for SnFixed {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the region is given.
        unsafe { peers_snmalloc_alloc(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, _: Layout) {
        // SAFETY: by the contract.
        unsafe { peers_snmalloc_free(object.cast()) };
    }
}
