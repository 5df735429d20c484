//! ferroc over one region that it is given, as functions of C (feature `ferroc` of framepool-peers).
//!
//! No release of ferroc builds with the compilers of today. The last one, 1.0.0-pre.3, has let chains in the edition
//! 2021, which became stable in the edition 2024 only, and calls methods of std that have other names now. So the build
//! script makes a static library of it, by a nightly of its time. It is without std, because the program has one.
#![no_std]
// For what the macro of ferroc expands to.
#![feature(strict_provenance, thread_local)]

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::ptr::NonNull;

use ferroc::base::Static;

/// Words for ferroc's tables, which do not lie in the region: the number that its documentation has.
const TABLES: usize = 4096;
static BASE: Static<TABLES> = Static::new();

// `pthread`: a thread gives its heap back when it ends.
ferroc::config!(Ferroc(&BASE) => &'static Static::<TABLES>: pthread);

/// Gives ferroc a region. Returns whether it took it.
///
/// # Safety
/// The memory is zero, stays mapped, is aligned to 4 MiB, and its length is a multiple of that. Nothing else uses it.
#[no_mangle]
pub unsafe extern "C" fn peers_ferroc_init(start: *mut c_void, length: usize) -> bool {
    let layout = Layout::from_size_align(length, ferroc::arena::SLAB_SIZE);
    let (Some(start), Ok(layout)) = (NonNull::new(start.cast()), layout) else {
        return false;
    };
    // SAFETY: the caller's promise.
    let chunk = unsafe { Chunk::from_static(start, layout) };
    Ferroc.manage(chunk).is_ok()
}

/// The bytes of ferroc's tables.
#[no_mangle]
pub extern "C" fn peers_ferroc_tables() -> usize {
    size_of_val(&BASE) + size_of_val(&ARENAS) + size_of_val(&THREAD_LOCALS)
}

/// Gives back what the calling thread's heap holds without an object in use.
#[no_mangle]
pub extern "C" fn peers_ferroc_collect() {
    Ferroc.collect(true);
}

/// Returns null if there is no memory.
///
/// # Safety
/// The alignment is a power of two, and the size is not zero.
#[no_mangle]
pub unsafe extern "C" fn peers_ferroc_alloc(size: usize, align: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { Ferroc.alloc(Layout::from_size_align_unchecked(size, align)) }.cast()
}

/// Frees an object.
///
/// # Safety
/// The object came from `peers_ferroc_alloc` with this layout, and was not freed.
#[no_mangle]
pub unsafe extern "C" fn peers_ferroc_free(object: *mut c_void, size: usize, align: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        Ferroc.dealloc(
            object.cast(),
            Layout::from_size_align_unchecked(size, align),
        )
    };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: no precondition.
    unsafe { abort() }
}
