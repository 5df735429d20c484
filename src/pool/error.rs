//! The errors of pools. Each carries the facts: what was requested, and what was available.
//!
//! Bad input never panics. A failed operation gives its argument back: an error that holds a value
//! ([`WrongPool`], [`AllocValueError`], [`PushError`]) returns it with `into_inner`.

use core::fmt;
use core::panic::Location;

use crate::pool::id::BlockId;

/// A [`PoolConfig`](crate::PoolConfig) is invalid, or does not fit the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// The block size is zero.
    ZeroBlockSize,
    /// The number of blocks is zero.
    ZeroBlocks,
    /// The block size or stride is more than `max` bytes.
    BlockTooLarge {
        /// Requested bytes.
        asked: usize,
        /// The largest block size and stride.
        max: usize,
    },
    /// The number of blocks is more than a pool can have on this target.
    TooManyBlocks {
        /// Requested blocks.
        asked: usize,
        /// The maximum on this target.
        max: usize,
    },
    /// The alignment is not a power of two, or is larger than `max`.
    BadAlign {
        /// Requested bytes.
        asked: usize,
        /// The largest alignment.
        max: usize,
    },
    /// The stride is smaller than a block, or not a multiple of the alignment.
    BadStride {
        /// Requested bytes.
        stride: usize,
        /// Bytes of a block. The stride must be at least this.
        block_size: usize,
        /// Bytes of alignment. The stride must be a multiple of this.
        align: usize,
    },
    /// The magazine size is zero, or more than `max`.
    BadMagazine {
        /// Requested indices.
        asked: usize,
        /// The largest magazine.
        max: usize,
    },
    /// `count` blocks of `stride` bytes and their metadata exceed the address space.
    Overflow {
        /// Requested blocks.
        count: usize,
        /// Bytes from one block to the next.
        stride: usize,
    },
    /// The region is too small for the pool.
    RegionTooSmall {
        /// Required bytes, counted from the region's start. Includes the bytes lost to its misalignment.
        required: usize,
        /// Bytes of the region.
        available: usize,
    },
    /// The global allocator could not allocate the memory.
    OutOfMemory {
        /// Requested bytes.
        size: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ZeroBlockSize => write!(f, "a block must have at least one byte"),
            Self::ZeroBlocks => write!(f, "a pool must have at least one block"),
            Self::BlockTooLarge { asked, max } => {
                write!(
                    f,
                    "a block size or stride of {asked} bytes exceeds the maximum, {max}"
                )
            }
            Self::TooManyBlocks { asked, max } => {
                write!(f, "{asked} blocks exceed the maximum on this target, {max}")
            }
            Self::BadAlign { asked, max } => {
                write!(
                    f,
                    "alignment {asked} is not a power of two of at most {max}"
                )
            }
            Self::BadStride {
                stride,
                block_size,
                align,
            } => write!(
                f,
                "stride {stride} is less than the block size {block_size}, or not a multiple of the alignment {align}"
            ),
            Self::BadMagazine { asked, max } => {
                write!(f, "magazine size {asked} is not in 1..={max}")
            }
            Self::Overflow { count, stride } => {
                write!(
                    f,
                    "{count} blocks at a stride of {stride} bytes exceed the address space"
                )
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the pool needs {required} bytes, the region has {available}"
            ),
            Self::OutOfMemory { size } => write!(f, "could not allocate {size} bytes"),
        }
    }
}

/// The pool has fewer free blocks than requested. Nothing was taken.
///
/// Blocks in the [`Cache`](crate::Cache)s of other workers are not available to this caller. If
/// [`cached`](Self::cached) is high, the free blocks are in caches; if it is low, the blocks are in use.
///
/// The three numbers share at most 8 bytes, so that a `Result<Block, Exhausted>` is as small as a `Block` on
/// 64-bit targets. A number larger than [`MAX`](Self::MAX) is returned as `MAX`.
///
/// ```
/// framepool::pool!(static FRAMES: [64; 4]);
///
/// let held = FRAMES.alloc_burst::<4>(4)?;
/// let error = FRAMES.alloc().unwrap_err();
/// assert_eq!((error.requested(), error.available(), error.cached()), (1, 0, 0));
/// assert_eq!(error.to_string(), "pool exhausted: 1 requested, 0 free, 0 in caches");
/// # drop(held);
/// # Ok::<(), framepool::AllocManyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    packed: packed::Packed,
}

impl Exhausted {
    /// The largest number that the methods return; it means this many or more. 2,097,151 on 64-bit targets;
    /// 65,535 on 32-bit ones, whose pools have fewer blocks.
    pub const MAX: usize = packed::MAX;

    #[inline(always)]
    pub(crate) fn new(requested: usize, available: usize, cached: usize) -> Self {
        Self {
            packed: packed::pack([requested, available, cached]),
        }
    }

    /// Requested blocks; [`MAX`](Self::MAX) means that many or more.
    pub const fn requested(&self) -> usize {
        packed::unpack(self.packed)[0]
    }

    /// Blocks that were available at that moment; [`MAX`](Self::MAX) means that many or more.
    pub const fn available(&self) -> usize {
        packed::unpack(self.packed)[1]
    }

    /// Free blocks in caches, as of each cache's last exchange with the depot (see
    /// [`Stats::cached`](crate::Stats::cached)); [`MAX`](Self::MAX) means that many or more.
    pub const fn cached(&self) -> usize {
        packed::unpack(self.packed)[2]
    }
}

/// The three numbers, 21 bits each, the first lowest.
#[cfg(target_pointer_width = "64")]
mod packed {
    pub(super) type Packed = u64;
    pub(super) const MAX: usize = (1 << 21) - 1;

    #[inline(always)]
    pub(super) fn pack(numbers: [usize; 3]) -> Packed {
        let [requested, available, cached] = numbers.map(|n| n.min(MAX) as u64);
        requested | available << 21 | cached << 42
    }

    pub(super) const fn unpack(packed: Packed) -> [usize; 3] {
        let packed = packed as usize;
        [packed & MAX, packed >> 21 & MAX, packed >> 42 & MAX]
    }
}

/// The first two numbers, 16 bits each, and the last. Those of a pool always fit.
#[cfg(target_pointer_width = "32")]
mod packed {
    pub(super) type Packed = [usize; 2];
    pub(super) const MAX: usize = u16::MAX as usize;

    #[inline(always)]
    pub(super) fn pack([requested, available, cached]: [usize; 3]) -> Packed {
        [requested.min(MAX) | available << 16, cached]
    }

    pub(super) const fn unpack([first, cached]: Packed) -> [usize; 3] {
        [first & MAX, first >> 16, cached & MAX]
    }
}

const _: () = assert!(size_of::<Exhausted>() <= 8);

describe!(Exhausted as Exhausted { requested, available, cached });

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A number, and whether it may be more.
        struct Number(usize);
        impl fmt::Display for Number {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    Exhausted::MAX => write!(f, "{} or more", self.0),
                    n => write!(f, "{n}"),
                }
            }
        }
        let [requested, available, cached] = packed::unpack(self.packed).map(Number);
        write!(
            f,
            "pool exhausted: {requested} requested, {available} free, {cached} in caches"
        )
    }
}

/// Several blocks could not be allocated at once. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AllocManyError {
    /// The pool has fewer free blocks. Counted as an exhaustion.
    Exhausted(Exhausted),
    /// The burst, the vector or the cache has no room for more than `limit` blocks. Counted as a
    /// refusal.
    TooMany {
        /// Requested blocks.
        requested: usize,
        /// The number of blocks that fit.
        limit: usize,
    },
}

impl From<Exhausted> for AllocManyError {
    fn from(e: Exhausted) -> Self {
        Self::Exhausted(e)
    }
}

impl fmt::Display for AllocManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(e) => e.fmt(f),
            Self::TooMany { requested, limit } => {
                write!(
                    f,
                    "{requested} blocks requested at once, at most {limit} fit"
                )
            }
        }
    }
}

/// A handle was returned to a pool that it does not belong to. The error holds the handle.
///
/// It is an [`Error`](core::error::Error), and borrows the handle's pool. So `?` makes it a `Box<dyn Error>` if the pool
/// is in a static or leaked. Other pools need the lifetime in the type:
///
/// ```
/// use core::error::Error;
/// use framepool::{Block, Cache};
///
/// fn of_a_static(cache: &mut Cache<'static>, block: Block<'static>) -> Result<(), Box<dyn Error>> {
///     Ok(cache.free(block)?)
/// }
///
/// fn of_any_pool<'p>(cache: &mut Cache<'p>, block: Block<'p>) -> Result<(), Box<dyn Error + 'p>> {
///     Ok(cache.free(block)?)
/// }
///
/// /// An error that outlives the pool cannot hold the handle. Here it goes back to its own pool.
/// fn to_a_caller_without_it<'p>(cache: &mut Cache<'p>, block: Block<'p>) -> Result<(), Box<dyn Error>> {
///     cache.free(block).map_err(|refused| refused.without_handle())?;
///     Ok(())
/// }
///
/// framepool::pool!(static ONE: [64; 4]);
/// framepool::pool!(static OTHER: [64; 4]);
/// assert!(of_a_static(&mut ONE.cache(), OTHER.alloc()?).is_err());
/// assert!(of_any_pool(&mut ONE.cache(), OTHER.alloc()?).is_err());
/// assert!(to_a_caller_without_it(&mut ONE.cache(), OTHER.alloc()?).is_err());
/// assert_eq!(OTHER.stats().in_use, 0);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
#[derive(PartialEq, Eq)]
#[must_use = "the error holds the handle; dropping it returns the block to its own pool"]
pub struct WrongPool<T>(pub(crate) T);

impl<T> WrongPool<T> {
    /// Returns the handle that was refused.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same error without the handle, which is dropped: its block is freed in its own pool.
    pub fn without_handle(self) -> WrongPool<()> {
        drop(self.0);
        WrongPool(())
    }
}

describe!(impl[T] WrongPool<T> as WrongPool {});

impl<T> fmt::Display for WrongPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block belongs to another pool")
    }
}

/// The reason why the return of a raw block was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeErrorKind {
    /// The address is not in a block of this pool.
    ForeignAddress {
        /// The address.
        addr: usize,
    },
    /// The address is inside a block, not at its start.
    Interior {
        /// The block.
        id: BlockId,
        /// Bytes from the start of the block.
        offset: usize,
    },
    /// The index is not less than the pool's capacity.
    ForeignId {
        /// The index.
        id: BlockId,
        /// Blocks in the pool.
        capacity: usize,
    },
    /// The block is not a raw block: it was freed before, a handle owns it, or it is [posted](crate::Posted).
    DoubleFree {
        /// The block.
        id: BlockId,
    },
}

/// The return of a raw block was refused. The pool is unchanged, and counts the refusal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FreeError {
    kind: FreeErrorKind,
    caller: Option<&'static Location<'static>>,
}

impl FreeError {
    #[track_caller]
    pub(crate) fn new(kind: FreeErrorKind) -> Self {
        Self {
            kind,
            caller: match cfg!(debug_assertions) {
                true => Some(Location::caller()),
                false => None,
            },
        }
    }

    /// The reason.
    pub fn kind(&self) -> FreeErrorKind {
        self.kind
    }

    /// The place in the code that returned the block. `None` without `debug_assertions`.
    pub fn caller(&self) -> Option<&'static Location<'static>> {
        self.caller
    }
}

describe!(FreeError as FreeError {
    kind,
    caller = |it| it.caller.map(|at| (at.file(), at.line())),
});

#[cfg(feature = "defmt")]
impl defmt::Format for FreeErrorKind {
    fn format(&self, f: defmt::Formatter<'_>) {
        match *self {
            // `defmt` cuts a `usize` to 32 bits.
            Self::ForeignAddress { addr } => {
                defmt::write!(f, "ForeignAddress {{ addr: {=u64:#x} }}", addr as u64);
            }
            Self::Interior { id, offset } => {
                defmt::write!(f, "Interior {{ id: {}, offset: {=usize} }}", id, offset);
            }
            Self::ForeignId { id, capacity } => {
                defmt::write!(
                    f,
                    "ForeignId {{ id: {}, capacity: {=usize} }}",
                    id,
                    capacity
                );
            }
            Self::DoubleFree { id } => defmt::write!(f, "DoubleFree {{ id: {} }}", id),
        }
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FreeErrorKind::ForeignAddress { addr } => {
                write!(f, "address {addr:#x} is not in a block of this pool")
            }
            FreeErrorKind::Interior { id, offset } => {
                write!(
                    f,
                    "the address is {offset} bytes into {id}, not at its start"
                )
            }
            FreeErrorKind::ForeignId { id, capacity } => {
                write!(f, "{id} does not exist: the pool has {capacity} blocks")
            }
            FreeErrorKind::DoubleFree { id } => {
                write!(f, "{id} is not a raw block (double free?)")
            }
        }?;
        match self.caller() {
            Some(at) => write!(f, ", at {at}"),
            None => Ok(()),
        }
    }
}

/// The reason why a value could not be moved into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AllocValueReason {
    /// No block is free.
    Exhausted(Exhausted),
    /// The value is larger than a block.
    TooLarge {
        /// Bytes of the value.
        size: usize,
        /// Bytes of a block.
        block_size: usize,
    },
    /// The value needs a stricter alignment than the pool's blocks have.
    Overaligned {
        /// Alignment of the value.
        align: usize,
        /// Alignment of a block.
        block_align: usize,
    },
}

impl fmt::Display for AllocValueReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(e) => e.fmt(f),
            Self::TooLarge { size, block_size } => {
                write!(
                    f,
                    "a value of {size} bytes does not fit a block of {block_size}"
                )
            }
            Self::Overaligned { align, block_align } => {
                write!(
                    f,
                    "a value aligned to {align} does not fit blocks aligned to {block_align}"
                )
            }
        }
    }
}

/// A value could not be moved into a block. The error holds the value.
pub struct AllocValueError<T> {
    pub(crate) value: T,
    pub(crate) reason: AllocValueReason,
}

impl<T> AllocValueError<T> {
    /// The reason.
    pub fn reason(&self) -> AllocValueReason {
        self.reason
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

describe!(impl[T] AllocValueError<T> as AllocValueError { reason });

impl<T> fmt::Display for AllocValueError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// A block could not be added to a burst. The error holds the block.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PushError<T> {
    /// The burst is full.
    Full(T),
    /// The block and the burst belong to different pools.
    WrongPool(T),
}

impl<T> PushError<T> {
    /// Returns the block.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(block) | Self::WrongPool(block) => block,
        }
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => write!(f, "the burst is full"),
            Self::WrongPool(_) => write!(f, "the block and the burst belong to different pools"),
        }
    }
}

/// The bytes do not fit the block. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooLong {
    /// Bytes to write.
    pub len: usize,
    /// Bytes of a block.
    pub block_size: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, block_size } = self;
        write!(f, "{len} bytes do not fit a block of {block_size}")
    }
}

/// Blocks could not be reserved. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReserveError {
    /// Fewer blocks are free.
    Exhausted(Exhausted),
    /// The number requested is zero, or the memory for the metadata is missing.
    Config(ConfigError),
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(e) => write!(f, "no blocks were reserved: {e}"),
            Self::Config(e) => write!(f, "no blocks were reserved: {e}"),
        }
    }
}

/// A pool was not reset, because some of its blocks are not free. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ResetError {
    /// Blocks that are not free. [`Pool::reset`](crate::Pool::reset) counts raw blocks and blocks of
    /// forgotten reservations; [`Pool::reset_static`](crate::Pool::reset_static) also counts blocks in
    /// handles and in caches.
    pub outstanding: usize,
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks are not free", self.outstanding)
    }
}

/// The metadata of a pool is corrupt: a stray write has changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum CheckError {
    /// A block is in two places at once.
    Duplicate {
        /// The block.
        id: BlockId,
    },
    /// An index or length in the metadata is out of range.
    BadIndex {
        /// The value in the metadata.
        found: u32,
        /// Valid values are less than this.
        limit: u32,
    },
    /// The pool is a static of [`pool!`](crate::pool!), which cannot be borrowed exclusively.
    Shared,
    /// A counter differs from the number that was counted.
    Miscount {
        /// Blocks or magazines that were found.
        found: usize,
        /// The value of the counter.
        counted: usize,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => write!(f, "a pool in a static cannot be borrowed exclusively"),
            Self::Duplicate { id } => write!(f, "{id} is in two places at once"),
            Self::BadIndex { found, limit } => {
                write!(
                    f,
                    "the metadata holds {found}, which is not less than {limit}"
                )
            }
            Self::Miscount { found, counted } => {
                write!(f, "{found} were found, but the counter is {counted}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}
impl core::error::Error for Exhausted {}
impl core::error::Error for AllocManyError {}
impl<T> core::error::Error for WrongPool<T> {}
impl core::error::Error for FreeError {}
impl<T> core::error::Error for AllocValueError<T> {}
impl<T: fmt::Debug> core::error::Error for PushError<T> {}
impl core::error::Error for TooLong {}
impl core::error::Error for ReserveError {}
impl core::error::Error for ResetError {}
impl core::error::Error for CheckError {}
