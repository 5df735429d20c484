//! The shape of a pool, and the layout of its parts in a region.

use crate::pool::error::ConfigError;
use crate::pool::geometry::{LINE, MAX_BLOCKS, MAX_MAGAZINE, align_up};
use crate::pool::meta;

/// The largest block, stride and alignment in bytes.
const MAX_BYTES: usize = 1 << 31;

/// The distance from one block to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Stride {
    /// [`Stride::Padded`] on 64-bit targets, [`Stride::Exact`] on 32-bit ones, where memory is scarcer than
    /// cache sets.
    #[default]
    Auto,
    /// The block size, rounded up to an odd number of cache lines if that costs a sixteenth of the memory or
    /// less: 2048 becomes 2112.
    ///
    /// With a power-of-two stride, the first lines of all blocks fall into the same few sets of the
    /// L1 cache, and a burst of packets evicts its own headers.
    Padded,
    /// The block size, rounded up to the alignment.
    Exact,
    /// This many bytes: at least the block size, and a multiple of the alignment.
    Bytes(usize),
}

/// The shape of a pool: size, number, alignment and spacing of its blocks.
///
/// Every constructor of a pool takes one. It is a plain value, and can be built in `const`. It is checked by
/// [`layout`](Self::layout) and by the constructors.
///
/// ```
/// use framepool::{PoolConfig, Stride};
///
/// let config = PoolConfig::new(2048, 4096).align(2048).stride(Stride::Exact);
/// let layout = config.layout()?;
/// assert_eq!(layout.stride(), 2048);
/// assert_eq!(layout.capacity(), 4096);
/// // 8 bytes of metadata per block, and a constant.
/// assert!(layout.size() - 4096 * 2048 <= 8 * 4096 + 512);
/// # Ok::<(), framepool::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PoolConfig {
    block_size: usize,
    /// `None`: as many as fit the region.
    count: Option<usize>,
    /// `None`: [`default_align`].
    align: Option<usize>,
    stride: Stride,
    magazine: MagazineSize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum MagazineSize {
    FromCapacity,
    Of(usize),
    None,
}

impl PoolConfig {
    /// `count` blocks of `block_size` bytes.
    pub const fn new(block_size: usize, count: usize) -> Self {
        Self {
            block_size,
            count: Some(count),
            align: None,
            stride: Stride::Auto,
            magazine: MagazineSize::FromCapacity,
        }
    }

    /// As many blocks of `block_size` bytes as fit the region.
    pub const fn fill(block_size: usize) -> Self {
        let mut config = Self::new(block_size, 0);
        config.count = None;
        config
    }

    /// The shape of a UMEM for AF_XDP in aligned mode: `count` chunks of `chunk` bytes, which touch each other.
    ///
    /// `chunk` is 2048 or 4096 on machines with pages of 4 KiB: a power of two from 2048 to a page. The first block must
    /// start at a page, so take a mapping (`Pool::map`). `Pool::umem` (feature `mmap`) checks all of it.
    ///
    /// ```
    /// use framepool::PoolConfig;
    ///
    /// let layout = PoolConfig::umem(2048, 4096).layout()?;
    /// assert_eq!((layout.stride(), layout.blocks_size()), (2048, 4096 * 2048));
    /// # Ok::<(), framepool::ConfigError>(())
    /// ```
    pub const fn umem(chunk: usize, count: usize) -> Self {
        Self::new(chunk, count).align(chunk).stride(Stride::Exact)
    }

    /// Aligns every block to `align` bytes, a power of two.
    ///
    /// Default: a cache line (64 bytes; 32 on 32-bit targets), or for smaller blocks the block size rounded up
    /// to a power of two.
    pub const fn align(mut self, align: usize) -> Self {
        self.align = Some(align);
        self
    }

    /// Sets the distance from one block to the next. Default: [`Stride::Auto`].
    pub const fn stride(mut self, stride: Stride) -> Self {
        self.stride = stride;
        self
    }

    /// Sets the number of indices that move between a [`Cache`](crate::Cache) and the depot at once.
    ///
    /// Default: an eighth of the capacity, at least 4 and at most 512. With larger magazines, a block that
    /// crosses cores costs fewer cache lines. With smaller ones, caches hide fewer blocks: frees fill a cache
    /// up to two magazines. A new cache draws little whatever the magazine size, and a whole magazine only
    /// after it has handed out eight: see [`Cache`](crate::Cache).
    pub const fn magazine(mut self, indices: usize) -> Self {
        self.magazine = MagazineSize::Of(indices);
        self
    }

    /// Leaves out the magazines: 4 bytes of metadata per block instead of 8. A
    /// [`Cache`](crate::Cache) still works, but its exchanges with the depot cost more.
    pub const fn without_caches(mut self) -> Self {
        self.magazine = MagazineSize::None;
        self
    }

    /// The same shape with another number of blocks.
    #[cfg(feature = "packet")]
    pub(crate) const fn with_count(mut self, count: usize) -> Self {
        self.count = Some(count);
        self
    }

    /// The number of blocks; `None` for as many as fit.
    #[cfg(feature = "packet")]
    pub(crate) const fn count(&self) -> Option<usize> {
        self.count
    }

    /// Bytes of a block.
    #[cfg(feature = "packet")]
    pub(crate) const fn block_size(&self) -> usize {
        self.block_size
    }

    /// Checks the shape and returns its layout.
    ///
    /// # Errors
    /// Any [`ConfigError`] except `RegionTooSmall` and `OutOfMemory`. A config made by [`fill`](Self::fill) has no
    /// count yet, and returns [`ConfigError::ZeroBlocks`].
    pub const fn layout(&self) -> Result<PoolLayout, ConfigError> {
        match self.count {
            Some(count) => self.layout_of(count),
            None => Err(ConfigError::ZeroBlocks),
        }
    }

    /// The alignment of a region's start that loses no bytes.
    pub(crate) const fn region_align(&self) -> Result<usize, ConfigError> {
        match self.spacing() {
            Ok((_, align)) if align > LINE => Ok(align),
            Ok(_) => Ok(LINE),
            Err(e) => Err(e),
        }
    }

    /// The layout in a region of `available` bytes whose start is aligned.
    pub(crate) const fn layout_in(&self, available: usize) -> Result<PoolLayout, ConfigError> {
        let layout = match self.count {
            Some(count) => self.layout_of(count),
            None => self.layout_filling(available),
        };
        match layout {
            Ok(layout) if layout.size() > available => Err(ConfigError::RegionTooSmall {
                required: layout.size(),
                available,
            }),
            other => other,
        }
    }

    const fn layout_of(&self, count: usize) -> Result<PoolLayout, ConfigError> {
        if count == 0 {
            return Err(ConfigError::ZeroBlocks);
        }
        if count > MAX_BLOCKS {
            return Err(ConfigError::TooManyBlocks {
                asked: count,
                max: MAX_BLOCKS,
            });
        }
        let (stride, align) = match self.spacing() {
            Ok(spacing) => spacing,
            Err(e) => return Err(e),
        };
        let magazine = match self.magazine {
            MagazineSize::FromCapacity => default_magazine(count),
            MagazineSize::Of(n) if n == 0 || n > MAX_MAGAZINE => {
                return Err(ConfigError::BadMagazine {
                    asked: n,
                    max: MAX_MAGAZINE,
                });
            }
            MagazineSize::Of(n) => n,
            MagazineSize::None => 0,
        };
        let layout = PoolLayout {
            block_size: self.block_size,
            stride,
            align,
            capacity: count,
            magazine,
        };
        match layout.checked_size() {
            Some(_) => Ok(layout),
            None => Err(ConfigError::Overflow { count, stride }),
        }
    }

    /// The largest pool in `available` bytes.
    const fn layout_filling(&self, available: usize) -> Result<PoolLayout, ConfigError> {
        let (stride, _) = match self.spacing() {
            Ok(spacing) => spacing,
            Err(e) => return Err(e),
        };
        // Too many by the size of the header and the gaps: a few blocks, for a region of any size.
        let per_block = match self.magazine {
            MagazineSize::None => stride + 4,
            _ => stride + 8,
        };
        let mut count = match available.checked_div(per_block) {
            Some(count) => count,
            None => 0,
        };
        if count > MAX_BLOCKS {
            count = MAX_BLOCKS;
        }
        loop {
            let layout = match self.layout_of(if count == 0 { 1 } else { count }) {
                Ok(layout) => layout,
                Err(e) => return Err(e),
            };
            if layout.size() <= available || count <= 1 {
                return Ok(layout);
            }
            count -= 1;
        }
    }

    /// Stride and alignment, checked.
    const fn spacing(&self) -> Result<(usize, usize), ConfigError> {
        let block_size = self.block_size;
        if block_size == 0 {
            return Err(ConfigError::ZeroBlockSize);
        }
        if block_size > MAX_BYTES {
            return Err(ConfigError::BlockTooLarge {
                asked: block_size,
                max: MAX_BYTES,
            });
        }
        let align = match self.align {
            Some(align) => align,
            None => default_align(block_size),
        };
        if !align.is_power_of_two() || align > MAX_BYTES {
            return Err(ConfigError::BadAlign {
                asked: align,
                max: MAX_BYTES,
            });
        }
        let stride = match self.stride {
            Stride::Auto if cfg!(target_pointer_width = "64") => padded_stride(block_size, align),
            Stride::Padded => padded_stride(block_size, align),
            Stride::Auto | Stride::Exact => align_up(block_size, align),
            Stride::Bytes(bytes) => bytes,
        };
        if stride > MAX_BYTES {
            return Err(ConfigError::BlockTooLarge {
                asked: stride,
                max: MAX_BYTES,
            });
        }
        if stride < block_size || stride & (align - 1) != 0 {
            return Err(ConfigError::BadStride {
                stride,
                block_size,
                align,
            });
        }
        Ok((stride, align))
    }
}

/// A checked shape, and the sizes of its parts.
///
/// The blocks lie at the region's start, so that offsets in the pool are offsets in the region. The metadata
/// follows: header, links, magazines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PoolLayout {
    block_size: usize,
    stride: usize,
    align: usize,
    /// Invariant: from 1 to `MAX_BLOCKS`. `layout_of` alone makes layouts.
    capacity: usize,
    /// Indices in a magazine; 0 without caches.
    magazine: usize,
}

impl PoolLayout {
    /// Bytes of the blocks and the metadata, from an aligned start.
    pub const fn size(&self) -> usize {
        match self.checked_size() {
            Some(size) => size,
            // A layout exists only after `layout_of` found a size.
            None => usize::MAX,
        }
    }

    /// The best alignment of the region's start, in bytes. A misaligned start loses the bytes up to the next
    /// multiple.
    pub const fn align(&self) -> usize {
        if self.align > LINE { self.align } else { LINE }
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> usize {
        self.block_size
    }

    /// Bytes that every block is aligned to.
    pub const fn block_align(&self) -> usize {
        self.align
    }

    /// Bytes from one block to the next.
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// Number of blocks.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Indices that move between a cache and the depot at once; 0 without magazines.
    pub const fn magazine(&self) -> usize {
        self.magazine
    }

    /// Bytes from the start of the first block to the end of the last.
    pub const fn blocks_size(&self) -> usize {
        self.stride * (self.capacity - 1) + self.block_size
    }

    /// Bytes of metadata: 8 per block (4 without magazines) and a constant.
    pub const fn metadata_size(&self) -> usize {
        meta::size_of_parts(self.capacity, self.magazine != 0)
    }

    /// Bytes from the start of the first block to the metadata.
    pub(crate) const fn metadata_offset(&self) -> usize {
        align_up(self.stride * self.capacity, LINE)
    }

    const fn checked_size(&self) -> Option<usize> {
        // The metadata is at most 8 bytes per block and a header: if this does not overflow, it does not.
        let per_block = match self.stride.checked_add(16) {
            Some(bytes) => bytes,
            None => return None,
        };
        match per_block.checked_mul(self.capacity) {
            // An object is at most `isize::MAX` bytes long.
            Some(bytes) if bytes < (isize::MAX as usize - 4096).saturating_sub(self.align) => {
                Some(self.metadata_offset() + self.metadata_size())
            }
            _ => None,
        }
    }
}

/// The stride of [`Stride::Padded`], in bytes.
const fn padded_stride(block_size: usize, align: usize) -> usize {
    let exact = align_up(block_size, align);
    let lines = exact / LINE;
    if align <= LINE && exact % LINE == 0 && lines >= 16 && lines % 2 == 0 {
        exact + LINE
    } else {
        exact
    }
}

/// A cache line; for a smaller block, its size rounded up to a power of two.
const fn default_align(block_size: usize) -> usize {
    if block_size >= LINE {
        LINE
    } else {
        block_size.next_power_of_two()
    }
}

/// An eighth of the capacity, rounded down to a power of two, in 4..=512.
pub(crate) const fn default_magazine(capacity: usize) -> usize {
    let share = capacity / 8;
    if share < 4 {
        4
    } else if share > 512 {
        512
    } else {
        1 << (usize::BITS - 1 - share.leading_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_block_at_the_largest_alignment_has_a_layout_or_an_error() {
        for stride in [Stride::Auto, Stride::Padded, Stride::Exact] {
            let config = PoolConfig::new(MAX_BYTES, 1)
                .align(MAX_BYTES)
                .stride(stride);
            match config.layout() {
                Ok(layout) => assert_eq!(layout.stride(), MAX_BYTES),
                Err(e) => assert!(
                    usize::BITS == 32 && matches!(e, ConfigError::Overflow { count: 1, .. }),
                    "{e}"
                ),
            }
        }
    }

    #[test]
    fn powers_of_two_are_padded_to_an_odd_number_of_lines() {
        if LINE != 64 {
            return;
        }
        assert_eq!(padded_stride(2048, 64), 2112);
        assert_eq!(padded_stride(1500, 64), 1600);
        assert_eq!(padded_stride(1536, 64), 1600);
        assert_eq!(
            padded_stride(128, 64),
            128,
            "padding would cost half the memory"
        );
        assert_eq!(
            padded_stride(4096, 4096),
            4096,
            "the alignment forbids padding"
        );
    }

    #[test]
    fn filling_uses_all_but_less_than_one_block() {
        for block_size in [1, 8, 60, 64, 2048, 4096] {
            for available in [4096, 10_000, 65_536, 1 << 20] {
                let config = PoolConfig::fill(block_size).stride(Stride::Exact);
                let Ok(layout) = config.layout_in(available) else {
                    continue;
                };
                assert!(layout.size() <= available);
                if layout.capacity() == MAX_BLOCKS {
                    continue;
                }
                let one_more = PoolConfig::new(block_size, layout.capacity() + 1)
                    .stride(Stride::Exact)
                    .layout()
                    .unwrap();
                assert!(
                    one_more.size() > available,
                    "{block_size} in {available}: {} of {}",
                    layout.size(),
                    available
                );
            }
        }
    }

    #[test]
    fn metadata_stays_in_its_budget() {
        for count in [1, 3, 16, 1000, 32_767, 65_535, 65_536, 1 << 20] {
            if count > MAX_BLOCKS {
                continue;
            }
            let with = PoolConfig::new(64, count).layout().unwrap();
            assert!(with.metadata_size() <= 8 * count + 512, "{count}");
            let without = PoolConfig::new(64, count)
                .without_caches()
                .layout()
                .unwrap();
            assert!(without.metadata_size() <= 4 * count + 512, "{count}");
        }
    }
}
