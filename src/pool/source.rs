//! One interface over a pool and a cache.

use crate::pool::Pool;
use crate::pool::block::Block;
use crate::pool::burst::Burst;
use crate::pool::cache::Cache;
use crate::pool::error::{AllocManyError, Exhausted, WrongPool};
use crate::pool::reserve::Reservation;

/// Gives blocks out and takes them back: a pool, a reservation, or a worker's cache.
///
/// For code that works with any of them, such as a driver that leaves the choice to its caller.
///
/// ```
/// use framepool::{BlockSource, Exhausted};
///
/// fn receive<'p>(source: &mut impl BlockSource<'p>) -> Result<usize, Exhausted> {
///     let block = source.alloc()?;
///     let offset = block.offset();
///     drop(source.free(block));
///     Ok(offset)
/// }
///
/// framepool::pool!(static FRAMES: [2048; 64]);
///
/// receive(&mut &FRAMES)?;
/// receive(&mut FRAMES.cache())?;
/// # Ok::<(), Exhausted>(())
/// ```
pub trait BlockSource<'p> {
    /// The pool of the blocks.
    fn pool(&self) -> &'p Pool<'p>;

    /// Takes one block.
    ///
    /// # Errors
    /// [`Exhausted`] if there is none.
    fn alloc(&mut self) -> Result<Block<'p>, Exhausted>;

    /// Gives a block back.
    ///
    /// # Errors
    /// [`WrongPool`] with the block, if it belongs to another pool.
    fn free(&mut self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>>;

    /// Takes `n` blocks, all or none.
    ///
    /// # Errors
    /// [`AllocManyError`]: fewer are free, or `n` is greater than `N`.
    fn alloc_burst<const N: usize>(&mut self, n: usize) -> Result<Burst<'p, N>, AllocManyError>;

    /// Gives a burst back.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    fn free_burst<const N: usize>(
        &mut self,
        burst: Burst<'p, N>,
    ) -> Result<(), WrongPool<Burst<'p, N>>>;
}

macro_rules! delegate {
    ($(impl[$($generics:tt)*] $ty:ty, $of:ident => $to:expr, $pool:expr;)*) => { $(
        impl<'p, $($generics)*> BlockSource<'p> for $ty {
            #[inline]
            fn pool(&self) -> &'p Pool<'p> {
                let $of = self;
                $pool
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn alloc(&mut self) -> Result<Block<'p>, Exhausted> {
                let $of = self;
                $to.alloc()
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn free(&mut self, block: Block<'p>) -> Result<(), WrongPool<Block<'p>>> {
                let $of = self;
                $to.free(block)
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn alloc_burst<const M: usize>(
                &mut self,
                n: usize,
            ) -> Result<Burst<'p, M>, AllocManyError> {
                let $of = self;
                $to.alloc_burst(n)
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn free_burst<const M: usize>(
                &mut self,
                burst: Burst<'p, M>,
            ) -> Result<(), WrongPool<Burst<'p, M>>> {
                let $of = self;
                $to.free_burst(burst)
            }
        }
    )* };
}

delegate! {
    impl[] &'p Pool<'p>, it => (*it), it;
    impl[] &'p Reservation<'p>, it => (**it), it;
    impl[const N: usize] Cache<'p, N>, it => it, Cache::pool(it);
    impl[S: BlockSource<'p>] &mut S, it => (**it), (**it).pool();
}
