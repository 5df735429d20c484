//! Handles that share a chain and only read it.

use core::mem;

use crate::packet::chain::{Chain, Segments};
use crate::packet::error::TooManyShares;
use crate::packet::line::refs;
use crate::packet::meta::PacketMeta;
use crate::packet::pool::PacketPool;
use crate::packet::shared::Shared;
use crate::sync::{Ordering::*, section};

/// One of several handles of a [`Chain`], which read it. All segments are freed with the last of them.
///
/// The handles are counted in the first line, for the chain as a whole: a segment has no count of its own that could be
/// forgotten.
///
/// ```
/// use framepool::packet::{Chain, PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// let one = Chain::copy_from(&mut &packets, &[7; 5000])?.share();
/// let two = one.try_clone()?;
/// drop(one);
/// assert_eq!((two.len(), packets.stats().blocks.in_use), (5000, 3));
/// assert!(two.into_unique().is_ok());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping the last handle frees the packets"]
pub struct SharedChain<'p> {
    /// Invariant: this handle is counted in the first line. Nothing of the chain is written while there are others. Not
    /// dropped as a chain, unless this is the last handle.
    chain: mem::ManuallyDrop<Chain<'p>>,
}

const _: () = assert!(size_of::<SharedChain<'_>>() <= 16);

impl<'p> Chain<'p> {
    /// Makes the chain read-only, so that it can have several handles. O(1), no atomic.
    pub fn share(self) -> SharedChain<'p> {
        SharedChain {
            chain: mem::ManuallyDrop::new(self),
        }
    }
}

impl<'p> SharedChain<'p> {
    /// The pool of the packets.
    pub fn pool(&self) -> &'p PacketPool<'p> {
        self.chain.pool()
    }

    /// Returns the number of bytes. O(1).
    pub fn len(&self) -> usize {
        self.chain.len()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.chain.is_empty()
    }

    /// Returns the number of segments. O(1).
    pub fn segments(&self) -> usize {
        self.chain.segments()
    }

    /// The facts of the first segment, which are those of the chain.
    pub fn meta(&self) -> Option<&PacketMeta> {
        self.chain.meta()
    }

    /// The segments, from the first to the last.
    pub fn iter(&self) -> Segments<'_, 'p> {
        self.chain.iter()
    }

    /// Copies bytes from `offset` on: see [`Chain::copy_to`].
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) -> usize {
        self.chain.copy_to(offset, to)
    }

    /// Makes another handle. O(1), one compare-and-swap.
    ///
    /// # Errors
    /// [`TooManyShares`] if there are [`Shared::MAX`].
    pub fn try_clone(&self) -> Result<Self, TooManyShares> {
        if let Some(head) = self.chain.head() {
            let max = refs::MAX_HANDLES;
            if !head.line().add(refs::HANDLE, refs::HANDLES, max, 0) {
                return Err(TooManyShares { max: Shared::MAX });
            }
        }
        // SAFETY: counted just now, or without segments.
        let chain = unsafe { self.chain.another() };
        Ok(chain.share())
    }

    /// Returns the chain for exclusive use, if this is its only handle. O(1), no read-modify-write.
    ///
    /// # Errors
    /// The handle, if there are others.
    pub fn into_unique(self) -> Result<Chain<'p>, Self> {
        // Acquire: pairs with the releases in `remove`: what ended handles read happens before what the caller writes.
        let alone = self
            .chain
            .head()
            .is_none_or(|head| head.line().refs.load(Acquire) & refs::HANDLES == refs::HANDLE);
        if !alone {
            return Err(self);
        }
        let mut this = mem::ManuallyDrop::new(self);
        // SAFETY: taken once, because `this` is not dropped; there is no other handle.
        Ok(unsafe { mem::ManuallyDrop::take(&mut this.chain) })
    }
}

impl Drop for SharedChain<'_> {
    #[cfg_attr(feature = "audit", track_caller)]
    fn drop(&mut self) {
        let Some(head) = self.chain.head() else {
            return;
        };
        // Before this handle ends: afterwards another packet may have the line.
        let control = head.control();
        let before = section(|s| head.line().remove(s, refs::HANDLE));
        if before & refs::HANDLES != refs::HANDLE {
            return;
        }
        // SAFETY: the last handle has ended: the lines after the first are this chain's alone. The first is given up here.
        unsafe {
            let rest = self.chain.without_first(&control);
            // May unwind. The rest is dropped then, too.
            head.packets.ended(head.line as u32, before, &control);
            drop(rest);
        }
    }
}

describe!(SharedChain<'_> as SharedChain { len, segments });
