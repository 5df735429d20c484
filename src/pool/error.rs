//! What can go wrong, with the facts in it: what was asked, what was there.
//!
//! Nothing in the crate panics on bad input, and a failed operation gives its argument back: the
//! errors that take a value over ([`WrongPool`], [`AllocValueError`], [`PushError`]) return it with
//! `into_inner`.

use core::fmt;
use core::panic::Location;

use crate::pool::BlockId;

/// A pool cannot be laid out as asked, or not in the memory that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigError {
    /// A block of zero bytes was asked for.
    ZeroBlockSize,
    /// A pool of zero blocks was asked for.
    ZeroBlocks,
    /// The block size or stride is more than `max` bytes.
    BlockTooLarge {
        /// Bytes asked for.
        asked: usize,
        /// The most that a pool carries.
        max: usize,
    },
    /// More blocks than the tagged head of the free stack can name on this target.
    TooManyBlocks {
        /// Blocks asked for.
        asked: usize,
        /// The most that a pool carries here.
        max: usize,
    },
    /// The alignment is not a power of two, or is larger than `max`.
    BadAlign {
        /// Bytes asked for.
        asked: usize,
        /// The largest alignment that a pool carries.
        max: usize,
    },
    /// The stride is smaller than a block, or no multiple of the alignment.
    BadStride {
        /// Bytes asked for.
        stride: usize,
        /// Bytes that it must hold.
        block_size: usize,
        /// Bytes that it must be a multiple of.
        align: usize,
    },
    /// A magazine of zero indices, or of more than `max`.
    BadMagazine {
        /// Indices asked for.
        asked: usize,
        /// The most that a magazine carries.
        max: usize,
    },
    /// `count` blocks of `stride` bytes and their metadata exceed the address space.
    Overflow {
        /// Blocks asked for.
        count: usize,
        /// Bytes from one block to the next.
        stride: usize,
    },
    /// The region is too small for the pool.
    RegionTooSmall {
        /// Bytes needed from the region's start, its misalignment included.
        required: usize,
        /// Bytes the region has.
        available: usize,
    },
    /// The allocator has no `size` bytes.
    OutOfMemory {
        /// Bytes asked for.
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
                    "a block of {asked} bytes is larger than the largest, {max}"
                )
            }
            Self::TooManyBlocks { asked, max } => {
                write!(
                    f,
                    "{asked} blocks are more than the {max} a pool can name on this target"
                )
            }
            Self::BadAlign { asked, max } => {
                write!(f, "an alignment of {asked} is no power of two up to {max}")
            }
            Self::BadStride {
                stride,
                block_size,
                align,
            } => write!(
                f,
                "a stride of {stride} bytes does not hold blocks of {block_size} bytes aligned to {align}"
            ),
            Self::BadMagazine { asked, max } => {
                write!(f, "a magazine of {asked} indices is not in 1..={max}")
            }
            Self::Overflow { count, stride } => {
                write!(
                    f,
                    "{count} blocks of {stride} bytes exceed the address space"
                )
            }
            Self::RegionTooSmall {
                required,
                available,
            } => write!(
                f,
                "the pool needs {required} bytes, the region has {available}"
            ),
            Self::OutOfMemory { size } => write!(f, "no {size} bytes could be allocated"),
        }
    }
}

/// The pool has fewer free blocks than were asked for. Nothing was taken.
///
/// Blocks that lie in other workers' [`Cache`](crate::Cache)s are not free to this caller:
/// [`cached`](Self::cached) tells a pool that is in use from one whose caches are full.
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
/// assert_eq!(error.to_string(), "pool exhausted: 1 asked for, 0 free, 0 in caches");
/// # drop(held);
/// # Ok::<(), framepool::AllocManyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Exhausted {
    /// The three numbers, 21 bits each, the first lowest.
    #[cfg(target_pointer_width = "64")]
    packed: u64,
    /// The first two numbers, 16 bits each, and the last.
    #[cfg(target_pointer_width = "32")]
    packed: [u32; 2],
}

impl Exhausted {
    /// The largest number that the methods return: that many, or more. 2,097,151 on 64-bit targets; 65,535
    /// on 32-bit ones, whose pools have fewer blocks.
    pub const MAX: usize = if cfg!(target_pointer_width = "64") {
        (1 << 21) - 1
    } else {
        u16::MAX as usize
    };

    #[inline(always)]
    pub(crate) fn new(requested: usize, available: usize, cached: usize) -> Self {
        #[cfg(target_pointer_width = "64")]
        let packed = {
            let [requested, available, cached] =
                [requested, available, cached].map(|n| n.min(Self::MAX) as u64);
            requested | available << 21 | cached << 42
        };
        #[cfg(target_pointer_width = "32")]
        let packed = {
            // What a pool there has fits: it names fewer blocks.
            let requested = requested.min(Self::MAX) as u32;
            [requested | (available as u32) << 16, cached as u32]
        };
        Self { packed }
    }

    const fn unpacked(&self) -> [usize; 3] {
        #[cfg(target_pointer_width = "64")]
        return [
            self.packed as usize & Self::MAX,
            (self.packed >> 21) as usize & Self::MAX,
            (self.packed >> 42) as usize & Self::MAX,
        ];
        #[cfg(target_pointer_width = "32")]
        return [
            self.packed[0] as usize & Self::MAX,
            (self.packed[0] >> 16) as usize,
            self.packed[1] as usize,
        ];
    }

    /// Blocks asked for; [`MAX`](Self::MAX) for that many or more.
    pub const fn requested(&self) -> usize {
        self.unpacked()[0]
    }

    /// Blocks that were there to take at that moment; [`MAX`](Self::MAX) for that many or more.
    pub const fn available(&self) -> usize {
        self.unpacked()[1]
    }

    /// Free blocks in caches, as of each cache's last exchange with the depot (see
    /// [`Stats::cached`](crate::Stats::cached)); [`MAX`](Self::MAX) for that many or more.
    pub const fn cached(&self) -> usize {
        self.unpacked()[2]
    }
}

const _: () = assert!(size_of::<Exhausted>() <= 8);

impl fmt::Debug for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exhausted")
            .field("requested", &self.requested())
            .field("available", &self.available())
            .field("cached", &self.cached())
            .finish()
    }
}

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
        write!(
            f,
            "pool exhausted: {} asked for, {} free, {} in caches",
            Number(self.requested()),
            Number(self.available()),
            Number(self.cached())
        )
    }
}

/// A number of blocks could not be allocated at once. Nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AllocManyError {
    /// The pool has fewer free blocks: counted as an exhaustion.
    Exhausted(Exhausted),
    /// The burst, the vector or the cache holds no more than `limit`, however many blocks are free:
    /// counted as a refusal.
    TooMany {
        /// Blocks asked for.
        requested: usize,
        /// The most that it holds.
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
                    "{requested} blocks asked for at once, at most {limit} fit"
                )
            }
        }
    }
}

/// A handle came back to a pool it was not taken from. It is in here, unharmed.
#[derive(PartialEq, Eq)]
#[must_use = "the handle is in here; dropping this returns it to its own pool"]
pub struct WrongPool<T>(pub(crate) T);

impl<T> WrongPool<T> {
    /// The handle that was refused.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for WrongPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrongPool").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for WrongPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the block belongs to another pool")
    }
}

/// Why a raw return was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FreeErrorKind {
    /// The address is in none of this pool's blocks: it is another pool's, or nobody's.
    ForeignAddress {
        /// The address that was given.
        addr: usize,
    },
    /// The address is inside a block, not at its start.
    Interior {
        /// The block it is in.
        id: BlockId,
        /// Bytes from the block's start.
        offset: usize,
    },
    /// The index is past the pool's last block.
    ForeignId {
        /// The index that was given.
        id: BlockId,
        /// Blocks in the pool.
        capacity: usize,
    },
    /// The block is not out as a raw block: it was freed already, or a handle owns it.
    DoubleFree {
        /// The block.
        id: BlockId,
    },
}

/// A raw return was refused; the pool is unchanged and the refusal is counted.
///
/// Under `debug_assertions` it names the caller that tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeError {
    kind: FreeErrorKind,
    #[cfg(debug_assertions)]
    caller: &'static Location<'static>,
}

impl FreeError {
    #[track_caller]
    pub(crate) fn new(kind: FreeErrorKind) -> Self {
        Self {
            kind,
            #[cfg(debug_assertions)]
            caller: Location::caller(),
        }
    }

    /// Why it was refused.
    pub fn kind(&self) -> FreeErrorKind {
        self.kind
    }

    /// Who tried: known under `debug_assertions`, `None` without.
    pub fn caller(&self) -> Option<&'static Location<'static>> {
        #[cfg(debug_assertions)]
        return Some(self.caller);
        #[cfg(not(debug_assertions))]
        return None;
    }
}

impl fmt::Display for FreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FreeErrorKind::ForeignAddress { addr } => {
                write!(f, "address {addr:#x} is in no block of this pool")
            }
            FreeErrorKind::Interior { id, offset } => {
                write!(
                    f,
                    "the address is {offset} bytes into {id}, not at its start"
                )
            }
            FreeErrorKind::ForeignId { id, capacity } => {
                write!(f, "{id} does not exist in a pool of {capacity} blocks")
            }
            FreeErrorKind::DoubleFree { id } => {
                write!(f, "{id} is not out as a raw block (double free?)")
            }
        }?;
        match self.caller() {
            Some(at) => write!(f, ", at {at}"),
            None => Ok(()),
        }
    }
}

/// Why a value could not be boxed.
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

/// A value could not be boxed. It is in here.
pub struct AllocValueError<T> {
    pub(crate) value: T,
    pub(crate) reason: AllocValueReason,
}

impl<T> AllocValueError<T> {
    /// Why not.
    pub fn reason(&self) -> AllocValueReason {
        self.reason
    }

    /// The value that was not boxed.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for AllocValueError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllocValueError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for AllocValueError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

/// A block could not join a burst. It is in here.
#[derive(Debug)]
pub enum PushError<T> {
    /// The burst holds as many blocks as it can.
    Full(T),
    /// The block belongs to another pool than the burst's.
    WrongPool(T),
}

impl<T> PushError<T> {
    /// The block that did not join.
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
            Self::WrongPool(_) => write!(f, "the block belongs to another pool than the burst"),
        }
    }
}

/// More bytes than a block holds. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooLong {
    /// Bytes that were to be written.
    pub len: usize,
    /// Bytes of a block.
    pub block_size: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes do not fit a block of {}",
            self.len, self.block_size
        )
    }
}

/// Blocks could not be reserved. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReserveError {
    /// Fewer blocks are free.
    Exhausted(Exhausted),
    /// None was asked for, or there is no memory for the reservation's books.
    Config(ConfigError),
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(e) => write!(f, "nothing was reserved: {e}"),
            Self::Config(e) => write!(f, "nothing was reserved: {e}"),
        }
    }
}

/// A pool was not reset, since blocks of it are still named somewhere. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ResetError {
    /// Blocks still out: raw ones for the exclusive form; raw, owned and cached ones for the shared.
    pub outstanding: usize,
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} blocks are still out", self.outstanding)
    }
}

/// The books of a pool do not balance: memory that the pool trusts was overwritten.
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
        /// What the metadata says.
        found: u32,
        /// The least value that would be out of range.
        limit: u32,
    },
    /// The pool is a static of [`pool!`](crate::pool!), which nobody can have to himself.
    Shared,
    /// A counter and the count behind it differ.
    Miscount {
        /// Blocks or magazines that were found.
        found: usize,
        /// What the counter says.
        counted: usize,
    },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => write!(f, "the pool may be in use: nothing was checked"),
            Self::Duplicate { id } => write!(f, "{id} is in two places at once"),
            Self::BadIndex { found, limit } => {
                write!(f, "metadata holds {found}, the limit is {limit}")
            }
            Self::Miscount { found, counted } => {
                write!(f, "{found} found where the counter says {counted}")
            }
        }
    }
}

/// A pool could not be made in a mapping of its own.
#[cfg(all(feature = "mmap", target_os = "linux"))]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MapPoolError {
    /// The shape is wrong.
    Config(ConfigError),
    /// The memory cannot be had.
    Map(crate::region::MapError),
}

#[cfg(all(feature = "mmap", target_os = "linux"))]
impl fmt::Display for MapPoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(e) => e.fmt(f),
            Self::Map(e) => e.fmt(f),
        }
    }
}

#[cfg(all(feature = "mmap", target_os = "linux"))]
impl core::error::Error for MapPoolError {}
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
