//! ferroc over a region, through the library of `ferroc/` (feature `ferroc`).

use std::alloc::Layout;
use std::ffi::c_void;
use std::sync::OnceLock;

use crate::heap::contenders::{Heap, REGION, Region};

unsafe extern "C" {
    fn peers_ferroc_init(start: *mut c_void, length: usize) -> bool;
    safe fn peers_ferroc_tables() -> usize;
    safe fn peers_ferroc_collect();
    fn peers_ferroc_alloc(size: usize, align: usize) -> *mut c_void;
    fn peers_ferroc_free(object: *mut c_void, size: usize, align: usize);
}

/// ferroc over a region, one for the process: it takes regions, and gives none back. Each thread has a heap of its own.
#[derive(Clone, Debug)]
pub struct Ferroc(());

impl Ferroc {
    /// Gives it a region, if it has none yet. What the calling thread's heap holds is given back.
    pub fn new() -> Result<Self, String> {
        static GIVEN: OnceLock<Result<(), String>> = OnceLock::new();
        let given = GIVEN.get_or_init(|| {
            let region = Region::new(REGION)?;
            // SAFETY: the memory is zero, aligned to its length, and stays mapped.
            let taken = unsafe { peers_ferroc_init(region.start().cast(), REGION) };
            std::mem::forget(region);
            match taken {
                true => Ok(()),
                false => Err("ferroc refuses the region".to_owned()),
            }
        });
        peers_ferroc_collect();
        given.clone().map(Self)
    }
}

// SAFETY: that is what its documentation promises.
unsafe impl Heap for Ferroc {
    fn outside(&self) -> usize {
        peers_ferroc_tables()
    }

    #[inline]
    fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the alignment is a layout's, and no bench asks for 0 bytes.
        unsafe { peers_ferroc_alloc(layout.size(), layout.align()) }.cast()
    }

    #[inline]
    unsafe fn free(&mut self, object: *mut u8, layout: Layout) {
        // SAFETY: by the contract.
        unsafe { peers_ferroc_free(object.cast(), layout.size(), layout.align()) };
    }
}
