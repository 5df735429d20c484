//! Pools in statics: they lie in `.bss` and need no set-up call.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::num::NonZeroU32;
use core::ptr::NonNull;

use crate::pool::Pool;
use crate::pool::config::{PoolConfig, PoolLayout, Stride};
use crate::pool::depot::Depot;
use crate::pool::error::ConfigError;
use crate::pool::geometry::LINE;
use crate::pool::meta::Header;

/// Alignment as a type: `Align<64>`, for any power of two up to 2 MiB.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Align<const N: usize>;

mod sealed {
    pub trait Sealed {}
}

/// The alignments that [`Align`] can name.
pub trait AlignTo: sealed::Sealed {
    /// A zero-sized type with this alignment.
    #[doc(hidden)]
    type Marker: Copy + fmt::Debug;
}

macro_rules! alignments {
    ($($n:literal)*) => { $(
        const _: () = {
            #[repr(align($n))]
            #[derive(Debug, Clone, Copy)]
            pub struct Marker;
            impl sealed::Sealed for Align<$n> {}
            impl AlignTo for Align<$n> {
                type Marker = Marker;
            }
        };
    )* };
}

alignments!(1 2 4 8 16 32 64 128 256 512 1024 2048 4096 8192 16384 32768 65536
            131072 262144 524288 1048576 2097152);

/// The memory of a pool in a static: blocks and metadata. They are all zeros, and so lie in `.bss`.
///
/// [`pool!`](crate::pool!) declares it for you. It is public for programs that place blocks and descriptor in
/// statics of their own. `SIZE` is the block size in bytes, `COUNT` the number of blocks, `STRIDE` the
/// bytes from one block to the next. `MAGAZINES` is `COUNT`, or 0 to save 4 bytes for each block in a pool
/// without caches.
///
/// ```
/// use framepool::{Pool, StaticPool};
///
/// #[unsafe(link_section = ".bss.rx_blocks")]
/// static MEMORY: StaticPool<1536, 32, 1536, 0> = StaticPool::new();
/// // SAFETY: the only descriptor of MEMORY.
/// static RX: Pool<'static> = unsafe { MEMORY.pool() };
///
/// assert_eq!(RX.capacity(), 32);
/// assert_eq!(RX.alloc()?.len(), 1536);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
#[repr(C)]
pub struct StaticPool<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize = SIZE,
    const MAGAZINES: usize = COUNT,
    A = Align<{ DEFAULT_ALIGN }>,
> where
    A: AlignTo,
{
    blocks: Blocks<STRIDE, COUNT, A>,
    metadata: UnsafeCell<Metadata<COUNT, MAGAZINES>>,
}

/// The default alignment of blocks in a [`StaticPool`]: a cache line.
const DEFAULT_ALIGN: usize = LINE;

#[repr(C)]
struct Blocks<const STRIDE: usize, const COUNT: usize, A: AlignTo> {
    _align: [A::Marker; 0],
    bytes: UnsafeCell<[[MaybeUninit<u8>; STRIDE]; COUNT]>,
}

/// As drawn in `meta`: header, links, magazines, each at the start of a cache line.
#[repr(C)]
struct Metadata<const COUNT: usize, const MAGAZINES: usize> {
    header: Header,
    links: [u32; COUNT],
    magazines: Magazines<MAGAZINES>,
}

#[cfg_attr(target_pointer_width = "64", repr(C, align(64)))]
#[cfg_attr(target_pointer_width = "32", repr(C, align(32)))]
struct Magazines<const N: usize>([u32; N]);

// SAFETY: all of it is accessed through the pool that `pool` makes, and `Pool` is `Sync`.
unsafe impl<const SIZE: usize, const COUNT: usize, const STRIDE: usize, const MAGAZINES: usize, A>
    Sync for StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A>
where
    A: AlignTo,
{
}

impl<const SIZE: usize, const COUNT: usize, const STRIDE: usize, const MAGAZINES: usize, A>
    StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A>
where
    A: AlignTo,
{
    /// Checked at compile time: an invalid shape is a compile error that names the reason.
    pub(crate) const LAYOUT: PoolLayout = {
        let config = PoolConfig::new(SIZE, COUNT)
            .align(align_of::<A::Marker>())
            .stride(Stride::Bytes(STRIDE));
        let config = if MAGAZINES == 0 {
            config.without_caches()
        } else {
            config
        };
        assert!(
            MAGAZINES == 0 || MAGAZINES == COUNT,
            "MAGAZINES is the number of blocks, or 0 for a pool without caches"
        );
        match config.layout() {
            Ok(layout) => layout,
            Err(ConfigError::ZeroBlockSize) => panic!("a block must have at least one byte"),
            Err(ConfigError::ZeroBlocks) => panic!("a pool must have at least one block"),
            Err(ConfigError::TooManyBlocks { .. }) => {
                panic!("more blocks than a pool can have on this target")
            }
            Err(ConfigError::BadStride { .. }) => {
                panic!("the stride must hold a block and be a multiple of the alignment")
            }
            Err(_) => panic!("block size, count or stride is too large"),
        }
    };

    /// All zeros: an empty pool.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let _ = Self::LAYOUT;
        Self {
            blocks: Blocks {
                _align: [],
                bytes: UnsafeCell::new([[MaybeUninit::zeroed(); STRIDE]; COUNT]),
            },
            metadata: UnsafeCell::new(Metadata {
                header: Header::new(0),
                links: [0; COUNT],
                magazines: Magazines([0; MAGAZINES]),
            }),
        }
    }

    /// The descriptor of the pool in this memory.
    ///
    /// # Safety
    /// Called at most once for each `StaticPool`, to initialise a `static`. A second descriptor, or one that can
    /// be borrowed mutably, breaks [`Pool::reset`], which takes `&mut` for exclusive access to the pool.
    pub const unsafe fn pool(&'static self) -> Pool<'static> {
        // SAFETY: references are not null, and cells allow writes.
        let (base, blocks) = unsafe {
            (
                NonNull::new_unchecked(self.metadata.get().cast()),
                NonNull::new_unchecked(self.blocks.bytes.get().cast()),
            )
        };
        Pool {
            depot: Depot {
                base,
                // SAFETY: by the invariant of `PoolLayout`, at least 1.
                capacity: unsafe { NonZeroU32::new_unchecked(Self::LAYOUT.capacity() as u32) },
                magazine: Self::LAYOUT.magazine() as u16,
                align_log2: Self::LAYOUT.block_align().ilog2() as u8,
                shared: false,
            },
            blocks,
            block_size: SIZE as u32,
            stride: STRIDE as u32,
            _memory: PhantomData,
        }
    }
}

describe!(
    impl[const SIZE: usize, const COUNT: usize, const STRIDE: usize, const MAGAZINES: usize, A: AlignTo]
    StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A> as StaticPool { layout = |_| Self::LAYOUT }
);

/// [`StaticPool::pool`] for [`pool!`](crate::pool!). Code that forbids `unsafe` can use the macro, so this is
/// safe, and may be called several times. Its descriptors record that others may exist: operations that need
/// exclusive access are refused.
#[doc(hidden)]
pub const fn static_pool<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize,
    const MAGAZINES: usize,
    A: AlignTo,
>(
    memory: &'static StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A>,
) -> Pool<'static> {
    // SAFETY: with `shared` set, no descriptor takes `&mut self` for exclusive access to the memory.
    let mut pool = unsafe { memory.pool() };
    pool.depot.shared = true;
    pool
}

/// The stride in bytes, for [`pool!`](crate::pool!).
#[doc(hidden)]
pub const fn static_stride(size: usize, align: usize, stride: Stride) -> usize {
    match PoolConfig::new(size, 1)
        .align(align)
        .stride(stride)
        .layout()
    {
        Ok(layout) => layout.stride(),
        // `StaticPool::LAYOUT` reports the reason.
        Err(_) => size,
    }
}

/// The default alignment in bytes, for [`pool!`](crate::pool!).
#[doc(hidden)]
pub const fn static_align(size: usize) -> usize {
    match PoolConfig::new(size, 1).layout() {
        Ok(layout) => layout.block_align(),
        Err(_) => 1,
    }
}

/// Declares a pool in a static: `[block size; blocks]`. Blocks, links and header are all zeros in
/// `.bss`; the descriptor of 32 bytes (24 on 32-bit targets) is read-only. No set-up call is needed. The
/// pool can be used before `main` and from interrupts.
///
/// ```
/// // 512 blocks of 2048 bytes, aligned to cache lines, spaced for the cache.
/// framepool::pool!(pub static RX: [2048; 512]);
///
/// let block = RX.alloc()?;
/// assert_eq!(block.len(), 2048);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
///
/// Options follow in this order; each may be left out. Attributes apply to the memory, so `link_section` names
/// the section of the blocks and the metadata. That section must be zeroed before the pool is first
/// used, as start-up code zeroes `.bss`: a section that keeps its content from power-on (`NOLOAD`) breaks the
/// pool.
///
/// ```
/// use framepool::Stride;
///
/// framepool::pool! {
///     #[unsafe(link_section = ".bss.dma")]
///     static DESCRIPTORS: [64; 128], align = 128, stride = Stride::Exact, caches = false
/// }
/// assert_eq!(DESCRIPTORS.stride(), 128);
/// assert_eq!(DESCRIPTORS.alloc()?.addr() % 128, 0);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
///
/// An invalid shape is a compile error:
/// ```compile_fail,E0080
/// framepool::pool!(static NOTHING: [0; 4]);
/// NOTHING.alloc();
/// ```
#[macro_export]
macro_rules! pool {
    (
        $(#[$attribute:meta])*
        $vis:vis static $name:ident: [$size:expr; $count:expr]
        $(, align = $align:expr)? $(, stride = $stride:expr)? $(, caches = $caches:expr)? $(,)?
    ) => {
        $vis static $name: $crate::Pool<'static> = {
            const __FRAMEPOOL_SIZE: usize = $size;
            const __FRAMEPOOL_COUNT: usize = $count;
            const __FRAMEPOOL_ALIGN: usize = $crate::pool!(@or $($align)?; $crate::pool::static_align(__FRAMEPOOL_SIZE));
            const __FRAMEPOOL_STRIDE: usize = $crate::pool::static_stride(
                __FRAMEPOOL_SIZE,
                __FRAMEPOOL_ALIGN,
                $crate::pool!(@or $($stride)?; $crate::Stride::Auto),
            );
            const __FRAMEPOOL_CACHES: bool = $crate::pool!(@or $($caches)?; true);
            const __FRAMEPOOL_MAGAZINES: usize = if __FRAMEPOOL_CACHES { __FRAMEPOOL_COUNT } else { 0 };
            $(#[$attribute])*
            static __FRAMEPOOL_MEMORY: $crate::StaticPool<
                __FRAMEPOOL_SIZE, __FRAMEPOOL_COUNT, __FRAMEPOOL_STRIDE, __FRAMEPOOL_MAGAZINES, $crate::Align<__FRAMEPOOL_ALIGN>,
            > = $crate::StaticPool::new();
            $crate::pool::static_pool(&__FRAMEPOOL_MEMORY)
        };
    };
    (@or $given:expr; $default:expr) => { $given };
    (@or ; $default:expr) => { $default };
}
