//! One function for each operation of framepool that a hot path uses. The firmware contains nothing else, so
//! these operations account for everything in the image.
//!
//! A probe is a C function, so it uses the registers of the platform's calling convention. A table that the
//! linker keeps refers to it, so the compiler knows nothing about its arguments.
#![no_std]
#![no_main]
// Nothing calls the probes.
#![allow(improper_ctypes_definitions)]

use core::mem::{self, MaybeUninit};
use core::panic::PanicInfo;

use framepool::{Block, Burst, Cache, Pool};

#[cfg(feature = "control")]
mod control;
#[cfg(feature = "packet")]
mod packet;
#[cfg(feature = "rest")]
mod rest;
#[cfg(feature = "rest")]
mod rest_time;
#[cfg(feature = "ring")]
mod ring;
#[cfg(feature = "critical-section")]
mod single_core;
mod time;

framepool::pool!(static RX: [1536; 64]);

type Front = Cache<'static, 64>;
type Frames = Burst<'static, 16>;

/// Defines probes and their entries in the table.
macro_rules! probes {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? $body:block)*) => { $(
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub extern "C" fn $name($($arg: $type),*) $(-> $out)? $body

        const _: () = {
            #[used]
            #[unsafe(link_section = ".probes")]
            static ENTRY: extern "C" fn($($type),*) $(-> $out)? = $name;
        };
    )* };
}
pub(crate) use probes;

probes! {
    /// [`Cache::alloc`].
    fn cache_alloc(cache: &mut Front) -> Option<Block<'static>> {
        cache.alloc().ok()
    }

    /// [`Cache::free`].
    fn cache_free(cache: &mut Front, block: Block<'static>) -> bool {
        leaving_refused(cache.free(block).map_err(|refused| refused.into_inner()))
    }

    /// [`Cache::alloc_burst`].
    fn cache_alloc_burst(cache: &mut Front, n: usize, out: &mut MaybeUninit<Frames>) -> bool {
        written(out, cache.alloc_burst(n).ok())
    }

    /// [`Cache::free_burst`].
    fn cache_free_burst(cache: &mut Front, burst: &mut MaybeUninit<Frames>) -> bool {
        // SAFETY: the caller passes a burst, and does not use it again.
        let burst = unsafe { burst.assume_init_read() };
        leaving_refused(cache.free_burst(burst).map_err(|refused| refused.into_inner()))
    }

    /// [`Pool::alloc`] of any pool.
    fn pool_alloc(pool: &'static Pool<'static>) -> Option<Block<'static>> {
        pool.alloc().ok()
    }

    /// Drop of a [`Block`].
    fn block_drop(block: Block<'static>) {
        drop(block);
    }

    /// [`Pool::alloc_burst`].
    fn pool_alloc_burst(
        pool: &'static Pool<'static>,
        n: usize,
        out: &mut MaybeUninit<Frames>
    ) -> bool {
        written(out, pool.alloc_burst(n).ok())
    }

    /// Drop of a [`Burst`].
    fn burst_drop(burst: &mut MaybeUninit<Frames>) {
        // SAFETY: the caller passes a burst, and does not use it again.
        unsafe { burst.assume_init_drop() };
    }

    /// [`Pool::alloc`] of a pool whose layout is known at compile time.
    fn static_alloc() -> Option<Block<'static>> {
        RX.alloc().ok()
    }
}

/// Returns a burst through memory, as no register can hold it.
#[inline(always)]
fn written(out: &mut MaybeUninit<Frames>, burst: Option<Frames>) -> bool {
    match burst {
        Some(burst) => {
            out.write(burst);
            true
        }
        None => false,
    }
}

/// Whether a free was accepted. A refused handle is leaked, as its drop would be another operation in the same
/// probe.
#[inline(always)]
fn leaving_refused<T>(freed: Result<(), T>) -> bool {
    freed.map_err(mem::forget).is_ok()
}

/// The entry point of the image. The probes are read, not run.
#[unsafe(no_mangle)]
pub extern "C" fn _start() -> ! {
    stop()
}

/// The linker removes this unless something can panic.
#[panic_handler]
fn on_panic(_: &PanicInfo<'_>) -> ! {
    placement_panicked()
}

/// The test searches for this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn placement_panicked() -> ! {
    stop()
}

fn stop() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
