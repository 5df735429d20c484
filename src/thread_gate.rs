//! The gate of a front: the front's thread goes in and out by plain stores, and another thread may enter while it is
//! outside.
//!
//! | the front's thread | another thread |
//! |---|---|
//! | `inside` = yes | `closed` = yes |
//! | light fence | heavy fence |
//! | in, if `closed` = no | in, if `inside` = no |
//!
//! Each writes its own flag before it reads the other's, so at least one of them sees the other. The fence between the two
//! must order a store before a load, which costs 20 cycles or more. It is asymmetric here: the front's thread only keeps
//! the compiler from reordering, and the other one, which comes when memory is out, has every running thread of the
//! process execute a fence (membarrier(2), `MEMBARRIER_CMD_PRIVATE_EXPEDITED`). Where there is no such call, nobody but
//! its thread enters a front.

use crate::sync::{AtomicU32, Ordering::*, loom_const};

/// The flags of one front.
///
/// Invariant: only the front's thread writes `inside`, and only one thread at a time writes `closed`: the one that holds
/// the heap's lock.
pub struct Gate {
    inside: AtomicU32,
    closed: AtomicU32,
}

impl Gate {
    loom_const! {
        /// Nobody is inside.
        #[allow(clippy::new_without_default)]
        pub const fn new() -> Self {
            Self {
                inside: AtomicU32::new(0),
                closed: AtomicU32::new(0),
            }
        }
    }

    /// The front's thread enters, and must [`leave`](Self::leave). False: another one is inside, or about to be.
    #[inline(always)]
    pub fn enter(&self) -> bool {
        self.inside.store(1, Relaxed);
        light_fence();
        // Acquire: pairs with the release in `open`. What the other thread changed inside happened before.
        if self.closed.load(Acquire) == 0 {
            return true;
        }
        self.leave();
        false
    }

    /// The front's thread leaves.
    #[inline(always)]
    pub fn leave(&self) {
        // Release: pairs with the acquire in `is_empty`.
        self.inside.store(0, Release);
    }

    /// Another thread asks for entry: after a [`heavy_fence`], the front is its own if it [`is_empty`](Self::is_empty).
    /// [`open`](Self::open) follows in any case.
    pub fn close(&self) {
        self.closed.store(1, Relaxed);
    }

    /// Whether the front's thread is outside, and stays there until the gate is opened.
    pub fn is_empty(&self) -> bool {
        // Acquire: pairs with the release in `leave`. What the front's thread did inside happened before.
        self.inside.load(Acquire) == 0
    }

    /// The other thread leaves, or gives up.
    pub fn open(&self) {
        // Release: pairs with the acquire in `enter`.
        self.closed.store(0, Release);
    }
}

impl core::fmt::Debug for Gate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// Between the store and the load of the front's thread.
#[inline(always)]
fn light_fence() {
    #[cfg(not(any(loom, miri)))]
    core::sync::atomic::compiler_fence(SeqCst);
    // Neither knows membarrier(2).
    #[cfg(any(loom, miri))]
    crate::sync::full_fence();
}

/// Between the store and the load of the other thread, for all gates at once. False if there is no such fence: then nobody
/// may enter.
pub fn heavy_fence() -> bool {
    #[cfg(any(loom, miri))]
    {
        crate::sync::full_fence();
        true
    }
    #[cfg(not(any(loom, miri)))]
    barrier::expedited()
}

/// Makes [`heavy_fence`] available to the process, where the kernel has it. A child of a fork inherits that.
#[cfg(not(loom))]
pub(crate) fn register() {
    #[cfg(not(miri))]
    barrier::register();
}

#[cfg(not(any(loom, miri)))]
mod barrier {
    use core::ffi::{c_int, c_long};

    /// The number of membarrier(2).
    const CALL: Option<c_long> = match () {
        () if !cfg!(target_os = "linux") => None,
        () if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) => Some(324),
        () if cfg!(target_arch = "x86") => Some(375),
        () if cfg!(target_arch = "arm") => Some(389),
        () if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) => Some(283),
        () => None,
    };

    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    fn membarrier(command: c_int) -> bool {
        #[cfg(unix)]
        {
            unsafe extern "C" {
                fn syscall(number: c_long, ...) -> c_long;
            }
            let none: c_int = 0;
            // SAFETY: the call has a command, flags and a processor, and touches no memory.
            CALL.is_some_and(|call| unsafe { syscall(call, command, none, none) } == 0)
        }
        #[cfg(not(unix))]
        {
            let _ = (CALL, command);
            false
        }
    }

    pub(super) fn register() {
        // Where it fails, so does the other one.
        membarrier(REGISTER_PRIVATE_EXPEDITED);
    }

    pub(super) fn expedited() -> bool {
        membarrier(PRIVATE_EXPEDITED)
    }
}
