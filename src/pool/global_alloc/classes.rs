//! A global allocator over pools of several sizes.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;

use super::installed::{InstallError, Installed};
use super::{give_back, global_alloc, moved, moved_into_a_pool, without_unwinding};
use crate::pool::Pool;
use crate::pool::audit::AuditKind;
use crate::pool::by_layout::Fill;
use crate::sync::loom_const;

/// A pool for each size of block.
pub(super) type Pools<const N: usize> = [&'static Pool<'static>; N];

/// A [`GlobalAlloc`] over `N` static pools of different block sizes, and a fallback `F`. A request goes to the pool
/// with the smallest blocks that it fits; if that has no block, to the next larger one; at last to the fallback.
///
/// The pools may be given in any order, when the allocator is made or [later](Self::late). No thread-local, no lock.
///
/// | call | condition | cost |
/// |---|---|---|
/// | `alloc` | a pool that it fits has a block | O(N), one compare-and-swap |
/// | `dealloc` | the address is in a block of a pool | O(N), one compare-and-swap, a division |
/// | `realloc` | in a block, and the new size fits: stays in place | O(N) |
/// | | in a block, and the new size does not fit: moves | O(N + bytes) |
/// | | not in a block: `F` decides, even if the new size fits a block | as `F` |
///
/// The pools count what they served, and in [`Stats::exhaustions`](crate::Stats::exhaustions) what fitted them and
/// found no block. Memory of `F` in a block of a pool is refused, as by [`PoolAlloc`](crate::PoolAlloc). `CachedAllocs`
/// (feature `std`) puts thread caches in front, and counts requests by size.
///
/// ```
/// use framepool::PoolAllocs;
/// use std::alloc::System;
///
/// framepool::pool!(static SMALL: [64; 8192], caches = false);
/// framepool::pool!(static LARGE: [1024; 512], caches = false);
///
/// #[global_allocator]
/// static GLOBAL: PoolAllocs<System, 2> = PoolAllocs::new([&LARGE, &SMALL], System);
///
/// let (name, page) = (String::from("small"), vec![0_u8; 1000]);
/// assert!(SMALL.contains(name.as_ptr()) && LARGE.contains(page.as_ptr()));
/// ```
pub struct PoolAllocs<F, const N: usize> {
    pub(super) pools: Installed<Pools<N>>,
    rest: F,
}

impl<F, const N: usize> PoolAllocs<F, N> {
    loom_const! {
        /// Serves what fits a block from `pools`, in any order, and everything else from the fallback `rest`.
        ///
        /// Addresses tell which of them served a request, so no two of them may share blocks. Of a
        /// [`Reservation`](crate::Reservation) and its parent, blocks of one return to the other, and those of `rest`
        /// are refused.
        pub const fn new(pools: [&'static Pool<'static>; N], rest: F) -> Self {
            Self {
                pools: Installed::with(sorted(pools)),
                rest,
            }
        }
    }

    loom_const! {
        /// Serves everything from the fallback `rest`, until pools are installed: for pools in mappings, which cannot
        /// be made before the program runs.
        ///
        /// ```
        /// use framepool::{Pool, PoolAllocs, PoolConfig};
        /// use std::alloc::System;
        ///
        /// #[global_allocator]
        /// static GLOBAL: PoolAllocs<System, 2> = PoolAllocs::late(System);
        ///
        /// let [small, large] = [(64, 8192), (1024, 512)]
        ///     .map(|(size, count)| Pool::allocate(PoolConfig::new(size, count)).map(Pool::leak));
        /// let [small, large] = GLOBAL.install([small?, large?])?;
        /// assert!(small.contains(String::from("in a block").as_ptr()));
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        pub const fn late(rest: F) -> Self {
            Self {
                pools: Installed::empty(),
                rest,
            }
        }
    }

    /// Serves what fits from `pools`, in any order, from now on: see [`PoolAlloc::install`](crate::PoolAlloc::install).
    /// Returns the pools, the smallest blocks first.
    ///
    /// # Errors
    /// [`InstallError`] with the pools: there are some, or another thread is installing some at this moment; or blocks of
    /// them are raw.
    pub fn install(
        &self,
        pools: [&'static mut Pool<'static>; N],
    ) -> Result<[&'static Pool<'static>; N], InstallError<[&'static mut Pool<'static>; N]>> {
        if pools.iter().any(|pool| pool.outside() > 0) {
            return Err(InstallError::RawBlocks(pools));
        }
        let sorted = |pools: [&'static mut Pool<'static>; N]| sorted(pools.map(|pool| &*pool));
        let installed = self.pools.install(pools, sorted);
        installed.copied().map_err(InstallError::AlreadyInstalled)
    }

    /// The pools, the smallest blocks first. Empty until some are installed.
    pub fn pools(&self) -> &[&'static Pool<'static>] {
        self.pools.get().map_or(&[], |pools| pools)
    }

    /// The fallback.
    pub const fn rest(&self) -> &F {
        &self.rest
    }

    /// A block for the layout, or `None` if the fallback must serve it. Never called for size 0.
    #[inline]
    pub(super) fn serve(&self, layout: Layout, fill: Fill) -> Option<NonNull<u8>> {
        let fitting = self.pools().iter().filter(|pool| pool.fits(layout));
        without_unwinding(|| {
            let kind = AuditKind::AllocatedGlobally;
            let mut served = fitting.map(|pool| pool.take_layout(layout, fill, kind));
            served.find_map(Result::ok)
        })
    }

    /// The pool that served this address, if one did.
    #[inline]
    pub(super) fn served(&self, at: *mut u8) -> Option<&'static Pool<'static>> {
        let mut pools = self.pools().iter();
        pools.find(|pool| pool.spans(at)).copied()
    }
}

/// The smallest blocks first; of blocks of one size, those with the least alignment.
const fn sorted<const N: usize>(mut pools: Pools<N>) -> Pools<N> {
    let mut sorted = 1;
    while sorted < N {
        let mut at = sorted;
        while at > 0 && comes_before(pools[at], pools[at - 1]) {
            pools.swap(at, at - 1);
            at -= 1;
        }
        sorted += 1;
    }
    pools
}

const fn comes_before(a: &Pool<'_>, b: &Pool<'_>) -> bool {
    let (x, y) = (a.block_size(), b.block_size());
    x < y || x == y && a.block_align() < b.block_align()
}

global_alloc!(impl[F: GlobalAlloc, const N: usize] for PoolAllocs<F, N>);

describe!(impl[F, const N: usize] PoolAllocs<F, N> as PoolAllocs { pools });
