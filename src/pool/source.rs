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

/// Implements a trait of sources for types that have its methods, or refer to something that has:
/// `impl[generics] type, it => what has them, its pool`. The list names the trait, its types, and the methods that
/// allocate one.
macro_rules! sources {
    ($trait:tt $($(#[$cfg:meta])? impl[$($generics:tt)*] $ty:ty, $it:ident => $to:expr, $home:expr;)*) => { $(
        $(#[$cfg])?
        $crate::pool::source::sources!(@one $trait impl[$($generics)*] $ty, $it => $to, $home);
    )* };
    (
        @one
        [$trait:ident: $pool:ident -> $Pool:ident, free: $One:ident, burst: $Many:ident, $($alloc:ident -> $Own:ident),*]
        impl[$($generics:tt)*] $ty:ty, $it:ident => $to:expr, $home:expr
    ) => {
        impl<'p, $($generics)*> $trait<'p> for $ty {
            #[inline]
            fn $pool(&self) -> &'p $Pool<'p> {
                let $it = self;
                $home
            }

            $(
                #[inline]
                #[cfg_attr(feature = "audit", track_caller)]
                fn $alloc(&mut self) -> Result<$Own<'p>, Exhausted> {
                    let $it = self;
                    $to.$alloc()
                }
            )*

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn free(&mut self, handle: $One<'p>) -> Result<(), WrongPool<$One<'p>>> {
                let $it = self;
                $to.free(handle)
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn alloc_burst<const M: usize>(
                &mut self,
                n: usize,
            ) -> Result<$Many<'p, M>, AllocManyError> {
                let $it = self;
                $to.alloc_burst(n)
            }

            #[inline]
            #[cfg_attr(feature = "audit", track_caller)]
            fn free_burst<const M: usize>(
                &mut self,
                burst: $Many<'p, M>,
            ) -> Result<(), WrongPool<$Many<'p, M>>> {
                let $it = self;
                $to.free_burst(burst)
            }
        }
    };
}
pub(crate) use sources;

sources! {
    [BlockSource: pool -> Pool, free: Block, burst: Burst, alloc -> Block]
    impl[] &'p Pool<'p>, it => (*it), it;
    impl[] &'p Reservation<'p>, it => (**it), it;
    impl[const N: usize] Cache<'p, N>, it => it, Cache::pool(it);
    impl[S: BlockSource<'p>] &mut S, it => (**it), (**it).pool();
}
