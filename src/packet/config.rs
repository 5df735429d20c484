//! The shape of a packet pool, and the layout of its parts in a region.

use crate::packet::error::PacketPoolError;
use crate::packet::line::{LINE_SIZE, MAX_BLOCK, MAX_LINES, Room, Span};
use crate::pool::config::{PoolConfig, PoolLayout, Stride};
use crate::pool::error::ConfigError;
use crate::pool::geometry::align_up;

/// The largest default headroom: that of AF_XDP.
const HEADROOM: usize = 256;

/// The shape of a packet pool: its blocks, the headroom of a new packet, and the number of side lines.
///
/// ```
/// use framepool::packet::PacketConfig;
///
/// let layout = PacketConfig::new(2048, 1024).layout()?;
/// assert_eq!((layout.capacity(), layout.headroom()), (1024, 256));
/// // 72 bytes of metadata for each block, 68 for each side line, and a constant.
/// assert!(layout.size() <= 1024 * (2112 + 72) + layout.side() * 68 + 1024);
/// # Ok::<(), framepool::packet::PacketPoolError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PacketConfig {
    blocks: PoolConfig,
    headroom: Option<usize>,
    side: Option<usize>,
}

impl PacketConfig {
    /// `count` blocks of `block_size` bytes, at most 65,535.
    pub const fn new(block_size: usize, count: usize) -> Self {
        Self::of(PoolConfig::new(block_size, count))
    }

    /// As many blocks of `block_size` bytes as fit the region.
    pub const fn fill(block_size: usize) -> Self {
        Self::of(PoolConfig::fill(block_size))
    }

    /// Blocks of this shape: with another alignment, stride or magazine.
    pub const fn of(blocks: PoolConfig) -> Self {
        Self {
            blocks,
            headroom: None,
            side: None,
        }
    }

    /// Sets the headroom of a new packet, in bytes. Default: 256, or a quarter of a block if that is less.
    pub const fn headroom(mut self, bytes: usize) -> Self {
        self.headroom = Some(bytes);
        self
    }

    /// Sets the number of side lines: one for each part of a split packet but the first, and one for each slice of a
    /// shared one. Default: a quarter of the number of blocks, at least 4. With 0, packets cannot be split.
    pub const fn side(mut self, lines: usize) -> Self {
        self.side = Some(lines);
        self
    }

    /// Checks the shape and returns its layout.
    ///
    /// # Errors
    /// [`PacketPoolError`]. A config made by [`fill`](Self::fill) has no count yet, and returns
    /// [`ConfigError::ZeroBlocks`].
    pub const fn layout(&self) -> Result<PacketLayout, PacketPoolError> {
        match self.blocks.count() {
            Some(count) => self.layout_of(count),
            None => Err(PacketPoolError::Config(ConfigError::ZeroBlocks)),
        }
    }

    /// The configuration of the blocks, with this number of them.
    pub(crate) const fn blocks(&self, count: usize) -> PoolConfig {
        self.blocks.with_count(count)
    }

    /// The configuration of the side lines.
    pub(crate) const fn side_lines(count: usize) -> PoolConfig {
        PoolConfig::new(LINE_SIZE, count)
            .align(LINE_SIZE)
            .stride(Stride::Exact)
            .without_caches()
    }

    /// The alignment of a region's start that loses no bytes.
    pub(crate) const fn region_align(&self) -> Result<usize, PacketPoolError> {
        match self.blocks.region_align() {
            Ok(align) if align > LINE_SIZE => Ok(align),
            Ok(_) => Ok(LINE_SIZE),
            Err(e) => Err(PacketPoolError::Config(e)),
        }
    }

    /// The layout in a region of `available` bytes whose start is aligned.
    pub(crate) const fn layout_in(
        &self,
        available: usize,
    ) -> Result<PacketLayout, PacketPoolError> {
        let layout = match self.blocks.count() {
            Some(count) => self.layout_of(count),
            None => self.layout_filling(available),
        };
        match layout {
            Ok(layout) if layout.size() > available => {
                Err(PacketPoolError::Config(ConfigError::RegionTooSmall {
                    required: layout.size(),
                    available,
                }))
            }
            other => other,
        }
    }

    /// The largest pool in `available` bytes; of one block, if none fits.
    const fn layout_filling(&self, available: usize) -> Result<PacketLayout, PacketPoolError> {
        let one = match self.layout_of(1) {
            Ok(layout) => layout,
            Err(e) => return Err(e),
        };
        // More blocks need more bytes, and are no more often possible: `best` has the most that are known to fit, and
        // `over` do not.
        let mut best = one;
        let mut over = available / (one.blocks.stride() + LINE_SIZE) + 1;
        while over - best.capacity() > 1 {
            let middle = best.capacity() + (over - best.capacity()) / 2;
            match self.layout_of(middle) {
                Ok(layout) if layout.size() <= available => best = layout,
                _ => over = middle,
            }
        }
        Ok(best)
    }

    const fn layout_of(&self, count: usize) -> Result<PacketLayout, PacketPoolError> {
        let block_size = self.blocks.block_size();
        if block_size > MAX_BLOCK {
            return Err(PacketPoolError::Config(ConfigError::BlockTooLarge {
                asked: block_size,
                max: MAX_BLOCK,
            }));
        }
        let headroom = match self.headroom {
            Some(bytes) => bytes,
            None if block_size / 4 < HEADROOM => block_size / 4,
            None => HEADROOM,
        };
        if headroom > block_size {
            return Err(PacketPoolError::Headroom {
                headroom,
                block_size,
            });
        }
        let blocks = match self.blocks(count).layout() {
            Ok(layout) => layout,
            Err(e) => return Err(PacketPoolError::Config(e)),
        };
        let side = match self.side {
            Some(lines) => lines,
            None if count / 4 < 4 => 4,
            None => count / 4,
        };
        if side > MAX_LINES || count + side > MAX_LINES {
            return Err(PacketPoolError::TooManyLines {
                blocks: count,
                side,
                max: MAX_LINES,
            });
        }
        let side = match side {
            0 => None,
            lines => match Self::side_lines(lines).layout() {
                Ok(layout) => Some(layout),
                Err(e) => return Err(PacketPoolError::Config(e)),
            },
        };
        let layout = PacketLayout {
            blocks,
            side,
            headroom: headroom as u16,
        };
        match layout.checked_size() {
            Some(_) => Ok(layout),
            None => Err(PacketPoolError::Config(ConfigError::Overflow {
                count,
                stride: blocks.stride(),
            })),
        }
    }
}

/// A checked shape of a packet pool, and the sizes of its parts.
///
/// ```text
/// ┌────────┬────────────────┬────────────────────┬─────────────────────┬─────────────────┐
/// │ blocks │ their metadata │ lines, one a block │ side lines          │ their metadata  │
/// └────────┴────────────────┴────────────────────┴─────────────────────┴─────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PacketLayout {
    pub(crate) blocks: PoolLayout,
    pub(crate) side: Option<PoolLayout>,
    /// Invariant: at most the block size.
    headroom: u16,
}

impl PacketLayout {
    /// Bytes of everything, from an aligned start.
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
        if self.blocks.align() > LINE_SIZE {
            self.blocks.align()
        } else {
            LINE_SIZE
        }
    }

    /// The layout of the blocks and their metadata.
    pub const fn blocks(&self) -> &PoolLayout {
        &self.blocks
    }

    /// Number of blocks.
    pub const fn capacity(&self) -> usize {
        self.blocks.capacity()
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> usize {
        self.blocks.block_size()
    }

    /// Bytes from one block to the next.
    pub const fn stride(&self) -> usize {
        self.blocks.stride()
    }

    /// Bytes of headroom in a new packet.
    pub const fn headroom(&self) -> usize {
        self.headroom as usize
    }

    /// Number of side lines.
    pub const fn side(&self) -> usize {
        match &self.side {
            Some(side) => side.capacity(),
            None => 0,
        }
    }

    /// The place of a new packet in its block.
    pub(crate) const fn room(&self) -> Room {
        Room {
            window: Span {
                start: 0,
                // `layout_of` checked it.
                end: self.blocks.block_size() as u16,
            },
            data: Span {
                start: self.headroom,
                end: self.headroom,
            },
        }
    }

    /// Bytes from the start to the lines.
    pub(crate) const fn lines_offset(&self) -> usize {
        align_up(self.blocks.size(), LINE_SIZE)
    }

    /// Bytes from the start to the side lines.
    pub(crate) const fn side_offset(&self) -> usize {
        self.lines_offset() + self.capacity() * LINE_SIZE
    }

    const fn checked_size(&self) -> Option<usize> {
        let side = match &self.side {
            Some(side) => side.size(),
            None => 0,
        };
        // The blocks' layout is at most `isize::MAX` bytes, so that rounding up does not overflow.
        let lines = match self.capacity().checked_mul(LINE_SIZE) {
            Some(lines) => lines,
            None => return None,
        };
        let sum = match self.lines_offset().checked_add(lines) {
            Some(sum) => sum,
            None => return None,
        };
        match sum.checked_add(side) {
            Some(size) if size < isize::MAX as usize => Some(size),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest number of blocks that fits, of all that may.
    fn counted(config: &PacketConfig, available: usize) -> Option<usize> {
        let fits = |count: &usize| {
            let layout = config.layout_of(*count);
            layout.is_ok_and(|layout| layout.size() <= available)
        };
        (1..=available / LINE_SIZE).rev().find(fits)
    }

    #[test]
    fn a_region_is_filled_with_as_many_blocks_as_fit() {
        let shapes = [1, 60, 64, 1500, 2048].map(PacketConfig::fill);
        let more = [
            PacketConfig::fill(256).side(0),
            PacketConfig::fill(256).side(9),
            PacketConfig::fill(256).side(1000),
            PacketConfig::of(PoolConfig::fill(100).stride(Stride::Exact).without_caches()),
            PacketConfig::of(PoolConfig::fill(64).align(4096)),
        ];
        for config in shapes.iter().chain(&more) {
            for available in (0..40_000).step_by(if cfg!(miri) { 9_999 } else { 61 }) {
                let layout = config.layout_in(available);
                match counted(config, available) {
                    Some(count) => assert_eq!(layout.unwrap().capacity(), count, "{config:?}"),
                    None => {
                        let PacketPoolError::Config(ConfigError::RegionTooSmall {
                            required, ..
                        }) = layout.unwrap_err()
                        else {
                            panic!("{config:?}")
                        };
                        assert_eq!(config.layout_of(1).unwrap().size(), required);
                    }
                }
            }
        }
    }

    #[test]
    fn a_huge_region_has_as_many_blocks_as_a_pool_can_have() {
        for config in [PacketConfig::fill(1), PacketConfig::fill(2048).side(0)] {
            let layout = config.layout_in(isize::MAX as usize).unwrap();
            let one_more = config.layout_of(layout.capacity() + 1);
            assert!(one_more.is_err(), "{layout:?}");
            assert!(layout.capacity() + layout.side() <= MAX_LINES);
        }
        let lines = PacketConfig::fill(64).side(MAX_LINES).layout_in(1 << 20);
        assert!(matches!(lines, Err(PacketPoolError::TooManyLines { .. })));
    }
}
