//! A block and the part of it that holds a frame.

use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::block::Block;
use crate::pool::id::BlockId;

/// A block with an initialised range: a received frame, or one to be sent.
///
/// `Frame` knows where the bytes are, so its reader needs no separate length and no `unsafe`.
/// [`Block::fill`] makes one from bytes. [`Block::assume_init_range`] makes one from bytes that a device or a
/// system call wrote; only this step is `unsafe`. Dropping a frame frees the block.
///
/// ```text
/// block   ┌──────────────┬───────────────────────────┬───────────┐
///         │ unknown      │ the frame, initialised    │ unknown   │
///         └──────────────┴───────────────────────────┴───────────┘
///                        ▲ range().start             ▲ range().end
/// ```
///
/// ```
/// framepool::pool!(static FRAMES: [2048; 8]);
///
/// let mut frame = FRAMES.alloc()?.fill(b"hello")?;
/// frame.extend(b", world")?;
/// frame.bytes_mut()[0] = b'H';
/// assert_eq!(frame.bytes(), b"Hello, world");
/// frame.truncate(5);
/// assert_eq!((frame.bytes(), frame.range()), (&b"Hello"[..], 0..5));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "dropping a frame frees its block"]
pub struct Frame<'p> {
    block: Block<'p>,
    /// Invariant: `start <= end`, at most the block's length, and the bytes in between are initialised.
    start: u32,
    end: u32,
}

impl<'p> Block<'p> {
    /// Copies `bytes` to the front of the block, which becomes a frame of them. O(their length).
    ///
    /// # Errors
    /// [`FrameError`] with the block in it, if the block is shorter; nothing is written.
    #[inline]
    pub fn fill(mut self, bytes: &[u8]) -> Result<Frame<'p>, FrameError<'p>> {
        match self.write(bytes) {
            Ok(written) => {
                let end = written.len() as u32;
                Ok(Frame {
                    block: self,
                    start: 0,
                    end,
                })
            }
            Err(_) => Err(FrameError::new(self, 0..bytes.len())),
        }
    }

    /// Makes a frame of a range that something has written. O(1).
    ///
    /// # Errors
    /// [`FrameError`] with the block in it, if the range ends before it starts, or past the block.
    ///
    /// # Safety
    /// The bytes of the range are initialised: by a device, a system call, or through
    /// [`as_uninit_mut`](Self::as_uninit_mut).
    ///
    /// ```
    /// framepool::pool!(static UMEM: [2048; 8]);
    ///
    /// let mut block = UMEM.alloc()?;
    /// // A device writes 60 bytes after a headroom of 256.
    /// for byte in &mut block.as_uninit_mut()[256..316] {
    ///     byte.write(0xFF);
    /// }
    /// // SAFETY: these bytes were just written.
    /// let frame = unsafe { block.assume_init_range(256..316) }?;
    /// assert_eq!(frame.bytes(), [0xFF; 60]);
    /// assert_eq!(frame.offset(), frame.id().index() * UMEM.stride() + 256);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[inline]
    pub unsafe fn assume_init_range(
        self,
        range: Range<usize>,
    ) -> Result<Frame<'p>, FrameError<'p>> {
        if range.start > range.end || range.end > self.len() {
            return Err(FrameError::new(self, range));
        }
        // Both are at most the block's length, which is a u32.
        Ok(Frame {
            block: self,
            start: range.start as u32,
            end: range.end as u32,
        })
    }
}

impl<'p> Frame<'p> {
    /// The bytes of the frame.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let start = self.block.as_ptr().wrapping_add(self.start as usize);
        // SAFETY: by the invariant the range lies in the block and is initialised; this frame owns the block.
        unsafe { core::slice::from_raw_parts(start, self.len()) }
    }

    /// The bytes of the frame, to change.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (start, len) = (self.start as usize, self.len());
        let start = self.block.as_mut_ptr().wrapping_add(start);
        // SAFETY: as in `bytes`, and `&mut self` is the only way to them.
        unsafe { core::slice::from_raw_parts_mut(start, len) }
    }

    /// Returns the number of bytes in the frame.
    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the frame has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The range of the frame in its block, in bytes.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Bytes from the pool's first block to the frame: in a UMEM that starts with the pool, the address of
    /// an AF_XDP descriptor.
    #[inline]
    pub fn offset(&self) -> usize {
        self.block.offset() + self.start as usize
    }

    /// Names the block.
    #[inline]
    pub fn id(&self) -> BlockId {
        self.block.id()
    }

    /// The pool of the block.
    pub fn pool(&self) -> &'p Pool<'p> {
        self.block.pool()
    }

    /// Shortens the frame to its first `len` bytes. Does nothing if it is not longer.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.end = self.start + len as u32;
        }
    }

    /// Removes the first `n` bytes (at most all) from the frame.
    #[inline]
    pub fn trim_front(&mut self, n: usize) {
        self.start += n.min(self.len()) as u32;
    }

    /// Appends `bytes`. O(their length).
    ///
    /// # Errors
    /// [`NoTailroom`] if fewer bytes follow the frame in its block; nothing is written.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), NoTailroom> {
        let tail = self.tail(bytes.len())?;
        // SAFETY: `tail` has room for as many bytes in the block, which this frame owns; a borrowed slice
        // does not overlap them, because `&mut self` is the only way to the block.
        unsafe { tail.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        self.end += bytes.len() as u32;
        Ok(())
    }

    /// Appends `n` zeros. O(n).
    ///
    /// # Errors
    /// As for [`extend`](Self::extend).
    pub fn extend_zeroed(&mut self, n: usize) -> Result<(), NoTailroom> {
        let tail = self.tail(n)?;
        // SAFETY: as in `extend`.
        unsafe { tail.write_bytes(0, n) };
        self.end += n as u32;
        Ok(())
    }

    /// The first byte after the frame, if `n` bytes of the block follow.
    fn tail(&mut self, n: usize) -> Result<NonNull<u8>, NoTailroom> {
        let tailroom = self.tailroom();
        if n > tailroom {
            return Err(NoTailroom {
                wanted: n,
                tailroom,
            });
        }
        let start = self.block.as_uninit_mut();
        let start = NonNull::from(start).cast::<u8>();
        // SAFETY: by the invariant `end` lies in the block, or right after it.
        Ok(unsafe { start.add(self.end as usize) })
    }

    /// Returns the number of bytes in the block after the frame.
    #[inline]
    pub fn tailroom(&self) -> usize {
        self.block.len() - self.end as usize
    }

    /// Gives the block back; its bytes are unknown again.
    #[inline]
    pub fn into_block(self) -> Block<'p> {
        self.block
    }
}

impl AsRef<[u8]> for Frame<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsMut<[u8]> for Frame<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes_mut()
    }
}

describe!(Frame<'_> as Frame { id, len });

/// No frame was made, because a range does not fit a block. The error holds both.
pub struct FrameError<'p> {
    block: Block<'p>,
    start: usize,
    end: usize,
}

impl<'p> FrameError<'p> {
    #[cold]
    fn new(block: Block<'p>, range: Range<usize>) -> Self {
        Self {
            block,
            start: range.start,
            end: range.end,
        }
    }

    /// The range that was to become the frame.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Returns the number of bytes of the block.
    pub fn block_size(&self) -> usize {
        self.block.len()
    }

    /// Gives the block back.
    pub fn into_block(self) -> Block<'p> {
        self.block
    }
}

describe!(FrameError<'_> as FrameError { start = |it| it.start, end = |it| it.end, block_size });

impl fmt::Display for FrameError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, end) = (self.start, self.end);
        if start > end {
            return write!(f, "a range from {start} to {end} ends before it starts");
        }
        write!(
            f,
            "bytes {start} to {end} do not fit a block of {}",
            self.block_size()
        )
    }
}

impl core::error::Error for FrameError<'_> {}

/// Fewer bytes follow the frame in its block than were to be appended. The frame is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoTailroom {
    /// Bytes to append.
    pub wanted: usize,
    /// Bytes of the block after the frame.
    pub tailroom: usize,
}

impl fmt::Display for NoTailroom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes do not fit the {} after the frame",
            self.wanted, self.tailroom
        )
    }
}

impl core::error::Error for NoTailroom {}
