//! Handles into and out of a `heapless::Vec`: `alloc_into` and `free_from` for memory that does not grow.
//!
//! A pair generic over `Extend` could not be all or none: that trait does not give the room that is left, and
//! heapless's implementation panics when there is none.

use heapless::LenType;
use heapless::vec::{VecInner, VecStorage};

use super::Cache;
use crate::pool::block::Block;
use crate::pool::error::{AllocManyError, WrongPool};

impl<'p, const N: usize> Cache<'p, N> {
    /// Appends `n` owning handles to a `heapless::Vec` or `VecView`, all or none. O(n), no atomic; an
    /// exchange with the depot if the cache holds fewer.
    ///
    /// # Errors
    /// [`AllocManyError::Exhausted`] if fewer are free, [`AllocManyError::TooMany`] if `n` is greater
    /// than the room in the vector, or than `N`.
    ///
    /// ```
    /// use framepool::Block;
    ///
    /// framepool::pool!(static FRAMES: [1536; 64]);
    ///
    /// let mut cache = FRAMES.cache();
    /// let mut posted: heapless::Vec<Block<'_>, 16> = heapless::Vec::new();
    /// cache.alloc_into_heapless(&mut posted, 16)?;
    /// assert!(cache.alloc_into_heapless(&mut posted, 1).is_err(), "it is full");
    /// drop(posted.swap_remove(7));
    /// assert!(cache.free_from_heapless(&mut posted).is_ok());
    /// assert!(posted.is_empty());
    /// # Ok::<(), framepool::AllocManyError>(())
    /// ```
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_into_heapless<L, S>(
        &mut self,
        blocks: &mut VecInner<Block<'p>, L, S>,
        n: usize,
    ) -> Result<(), AllocManyError>
    where
        L: LenType,
        S: VecStorage<Block<'p>> + ?Sized,
    {
        let room = blocks.capacity() - blocks.len();
        if n > room {
            return Err(self.too_many(n, room));
        }
        self.ensure_len(n)?;
        self.hand_out(n, blocks.spare_capacity_mut());
        // SAFETY: there was room for `n` more, and all of them were written.
        unsafe { blocks.set_len(blocks.len() + n) };
        Ok(())
    }

    /// Frees every handle of a `heapless::Vec` or `VecView`, and leaves it empty. O(number of handles), no
    /// atomic; an exchange with the depot if the cache is full.
    ///
    /// # Errors
    /// [`WrongPool`] with the number of handles that belong to another pool; the vector keeps all handles.
    #[inline]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn free_from_heapless<L, S>(
        &mut self,
        blocks: &mut VecInner<Block<'p>, L, S>,
    ) -> Result<(), WrongPool<usize>>
    where
        L: LenType,
        S: VecStorage<Block<'p>> + ?Sized,
    {
        let slowly = self.take_back_all(blocks)?;
        // SAFETY: the cache owns the blocks now; their handles are not dropped.
        unsafe { blocks.set_len(0) };
        if slowly {
            self.pass_on();
        }
        Ok(())
    }
}
