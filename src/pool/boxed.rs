//! A value in a block.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::block::Block;
use crate::pool::cache::Cache;
use crate::pool::error::{AllocValueError, AllocValueReason, FreeError};
use crate::pool::id::BlockId;

/// Owns a `T` in a block of a [`Pool`]. Dropping it runs `T`'s destructor, then frees the block, even if the
/// destructor unwinds.
///
/// ```
/// framepool::pool!(static NAMES: [64; 4]);
///
/// let mut name = NAMES.alloc_value(String::from("ping"))?;
/// name.push_str("-pong");
/// assert_eq!(*name, "ping-pong");
/// assert_eq!(NAMES.stats().in_use, 1);
/// drop(name);
/// assert_eq!(NAMES.stats().in_use, 0);
/// # Ok::<(), framepool::AllocValueError<String>>(())
/// ```
///
/// It is `Send` or `Sync` if its value is:
/// ```compile_fail,E0277
/// framepool::pool!(static POOL: [64; 4]);
/// let boxed = POOL.alloc_value(std::rc::Rc::new(1)).unwrap();
/// std::thread::spawn(move || drop(boxed));
/// ```
pub struct PoolBox<'p, T> {
    /// Invariant: an initialised, aligned `T` lies at the block's start.
    block: ManuallyDrop<Block<'p>>,
    _value: PhantomData<T>,
}

impl Pool<'_> {
    /// Moves a value into a block. One allocation without a cache, and a copy of the value.
    ///
    /// # Errors
    /// [`AllocValueError`] with the value, if no block is free or the value does not fit a block.
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_value<T>(&self, value: T) -> Result<PoolBox<'_, T>, AllocValueError<T>> {
        if let Err(reason) = self.holds::<T>() {
            return Err(AllocValueError { value, reason });
        }
        PoolBox::fill(self.alloc().map_err(AllocValueReason::Exhausted), value)
    }

    /// Checks that a `T` fits a block.
    fn holds<T>(&self) -> Result<(), AllocValueReason> {
        if size_of::<T>() > self.block_size() {
            return Err(AllocValueReason::TooLarge {
                size: size_of::<T>(),
                block_size: self.block_size(),
            });
        }
        if align_of::<T>() > self.block_align() {
            return Err(AllocValueReason::Overaligned {
                align: align_of::<T>(),
                block_align: self.block_align(),
            });
        }
        Ok(())
    }
}

impl<'p, const N: usize> Cache<'p, N> {
    /// Moves a value into a block of this cache.
    ///
    /// # Errors
    /// As for [`Pool::alloc_value`].
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn alloc_value<T>(&mut self, value: T) -> Result<PoolBox<'p, T>, AllocValueError<T>> {
        if let Err(reason) = self.pool().holds::<T>() {
            return Err(AllocValueError { value, reason });
        }
        PoolBox::fill(self.alloc().map_err(AllocValueReason::Exhausted), value)
    }
}

impl<'p, T> PoolBox<'p, T> {
    /// `block`, if there is one, can hold a `T`: `Pool::holds` has checked it.
    fn fill(
        block: Result<Block<'p>, AllocValueReason>,
        value: T,
    ) -> Result<Self, AllocValueError<T>> {
        let block = match block {
            Ok(block) => block,
            Err(reason) => return Err(AllocValueError { value, reason }),
        };
        let boxed = Self {
            block: ManuallyDrop::new(block),
            _value: PhantomData,
        };
        // SAFETY: the block is owned, large enough and aligned for a `T`.
        unsafe { boxed.as_non_null().write(value) };
        Ok(boxed)
    }

    #[inline(always)]
    fn as_non_null(&self) -> NonNull<T> {
        // SAFETY: the block is owned, so its index is in range.
        unsafe { self.block.pool().block_start(self.block.id().0) }.cast()
    }

    /// The name of the block that holds the value.
    pub fn id(&self) -> BlockId {
        self.block.id()
    }

    /// Gives up the handle for a pointer to the value. The block stays in use as a raw block until
    /// [`from_raw`](Self::from_raw).
    ///
    /// ```
    /// use framepool::PoolBox;
    ///
    /// framepool::pool!(static NAMES: [64; 4]);
    ///
    /// let raw = NAMES.alloc_value(7_u32)?.into_raw();
    /// // SAFETY: the pointer came from `into_raw` of the same pool, and is used nowhere else.
    /// let boxed = unsafe { PoolBox::from_raw(&NAMES, raw) }?;
    /// assert_eq!(*boxed, 7);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use = "the value leaks unless the pointer is returned to the pool"]
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn into_raw(self) -> NonNull<T> {
        let value = self.as_non_null();
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is never used or dropped again.
        let block = unsafe { ManuallyDrop::take(&mut this.block) };
        let _ = block.into_id();
        value
    }

    /// Makes a pointer from [`into_raw`](Self::into_raw) a handle again.
    ///
    /// # Errors
    /// As for [`Pool::free_raw`]: the address is not that of a raw block of this pool.
    ///
    /// # Safety
    /// The block holds a `T`, which passes to the handle: nothing else uses or returns it.
    #[track_caller]
    pub unsafe fn from_raw(pool: &'p Pool<'p>, value: NonNull<T>) -> Result<Self, FreeError> {
        // SAFETY: the caller's promise.
        let block = unsafe { pool.block_from_raw(value.cast()) }?;
        Ok(Self {
            block: ManuallyDrop::new(block),
            _value: PhantomData,
        })
    }

    /// Gives up the handle for a borrow of the value that may last as long as the pool. The block is never freed.
    pub fn leak<'a>(self) -> &'a mut T
    where
        'p: 'a,
    {
        let this = ManuallyDrop::new(self);
        // SAFETY: by the invariant there is a `T`; the handle is gone, so this is the only way to it.
        unsafe { this.as_non_null().as_mut() }
    }

    /// A copy of the value in another block of the pool.
    ///
    /// # Errors
    /// As for [`Pool::alloc_value`].
    #[cfg_attr(feature = "audit", track_caller)]
    pub fn try_clone(&self) -> Result<Self, AllocValueError<T>>
    where
        T: Clone,
    {
        self.block.pool().alloc_value((**self).clone())
    }

    /// Frees the block and returns the value.
    pub fn into_inner(self) -> T {
        let (value, block) = self.take_apart();
        drop(block);
        value
    }

    /// The value, and the block without it.
    fn take_apart(self) -> (T, Block<'p>) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: by the invariant there is a `T`, and `this` is never used or dropped again.
        unsafe {
            (
                this.as_non_null().read(),
                ManuallyDrop::take(&mut this.block),
            )
        }
    }
}

impl<T> Deref for PoolBox<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: by the invariant there is a `T`; only this box accesses the block.
        unsafe { self.as_non_null().as_ref() }
    }
}

impl<T> DerefMut for PoolBox<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` is exclusive.
        unsafe { self.as_non_null().as_mut() }
    }
}

impl<T> Drop for PoolBox<'_, T> {
    fn drop(&mut self) {
        let value = self.as_non_null();
        // SAFETY: `self.block` is not used after this. `_block` is dropped, and the block freed, even if the
        // destructor below unwinds.
        let _block = unsafe { ManuallyDrop::take(&mut self.block) };
        // SAFETY: by the invariant there is a `T`, dropped only here; the block is still owned.
        unsafe { value.drop_in_place() };
    }
}

// SAFETY: the box is its value and a handle; the handle is `Send`.
unsafe impl<T: Send> Send for PoolBox<'_, T> {}
// SAFETY: as above; `&PoolBox` gives access to `&T` and the block's name.
unsafe impl<T: Sync> Sync for PoolBox<'_, T> {}

impl<T: PartialEq> PartialEq for PoolBox<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for PoolBox<'_, T> {}

impl<T: PartialOrd> PartialOrd for PoolBox<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Ord> Ord for PoolBox<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Hash> Hash for PoolBox<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for PoolBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<T: defmt::Format> defmt::Format for PoolBox<'_, T> {
    fn format(&self, f: defmt::Formatter<'_>) {
        (**self).format(f);
    }
}
