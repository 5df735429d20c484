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
use crate::pool::geometry::LINE;
use crate::pool::meta::Header;
use crate::pool::static_shape::WrongShape;

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
pub(crate) struct Metadata<const COUNT: usize, const MAGAZINES: usize> {
    header: Header,
    links: [u32; COUNT],
    magazines: Magazines<MAGAZINES>,
}

impl<const COUNT: usize, const MAGAZINES: usize> Metadata<COUNT, MAGAZINES> {
    /// The metadata of an empty pool: all zeros.
    pub(crate) const fn new() -> Self {
        Self {
            header: Header::new(0),
            links: [0; COUNT],
            magazines: Magazines([0; MAGAZINES]),
        }
    }
}

/// The descriptor of a pool over parts that lie in statics.
///
/// # Safety
/// `blocks` and `metadata` have the room that the layout states, and its alignment, and they are accessed through
/// descriptors of this pool only. If `shared` is false, this is the only one.
pub(crate) const unsafe fn describe_static(
    blocks: NonNull<u8>,
    metadata: NonNull<u8>,
    layout: PoolLayout,
    shared: bool,
) -> Pool<'static> {
    Pool {
        depot: Depot {
            base: metadata.cast(),
            // SAFETY: by the invariant of `PoolLayout`, at least 1.
            capacity: unsafe { NonZeroU32::new_unchecked(layout.capacity() as u32) },
            magazine: layout.magazine() as u16,
            align_log2: layout.block_align().ilog2() as u8,
            shared,
        },
        blocks,
        block_size: layout.block_size() as u32,
        stride: layout.stride() as u32,
        _memory: PhantomData,
    }
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
            Err(error) => panic!("{}", WrongShape::Config(error).message().text()),
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
            metadata: UnsafeCell::new(Metadata::new()),
        }
    }

    /// The descriptor of the pool in this memory.
    ///
    /// # Safety
    /// Called at most once for each `StaticPool`, to initialise a `static`. A second descriptor, or one that can
    /// be borrowed mutably, breaks [`Pool::reset`], which takes `&mut` for exclusive access to the pool.
    pub const unsafe fn pool(&'static self) -> Pool<'static> {
        // SAFETY: the caller's promise.
        unsafe { self.describe(false) }
    }

    /// # Safety
    /// If `shared` is false, as for [`pool`](Self::pool).
    pub(crate) const unsafe fn describe(&'static self, shared: bool) -> Pool<'static> {
        // SAFETY: references are not null, and cells allow writes; the types have the parts of the layout. If others
        // may exist, no descriptor takes `&mut self` for exclusive access to the memory.
        unsafe {
            let metadata = NonNull::new_unchecked(self.metadata.get().cast());
            let blocks = NonNull::new_unchecked(self.blocks.bytes.get().cast());
            describe_static(blocks, metadata, Self::LAYOUT, shared)
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
    // SAFETY: others may exist.
    unsafe { memory.describe(true) }
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
/// Options follow, each at most once, in any order:
///
/// | option | values | default |
/// |---|---|---|
/// | `align` | bytes, a power of two up to 2 MiB | as in [`PoolConfig::align`](crate::PoolConfig::align) |
/// | `stride` | a [`Stride`](crate::Stride) | [`Stride::Auto`](crate::Stride::Auto) |
/// | `caches` | `false` saves 4 bytes per block in a pool without [`Cache`](crate::Cache)s | `true` |
///
/// Documentation, `cfg` and `allow` apply to the pool. All other attributes apply to the memory, so `link_section` names the section of the blocks and the metadata. That section must be zeroed
/// before the pool is first used, as start-up code zeroes `.bss`: a section that keeps its content from power-on
/// (`NOLOAD`) breaks the pool.
///
/// ```
/// use framepool::Stride;
///
/// framepool::pool! {
///     /// The descriptors of the receive queue.
///     #[unsafe(link_section = ".bss.dma")]
///     pub static DESCRIPTORS: [64; 128], stride = Stride::Exact, align = 128, caches = false
/// }
/// assert_eq!(DESCRIPTORS.stride(), 128);
/// assert_eq!(DESCRIPTORS.alloc()?.addr() % 128, 0);
/// # Ok::<(), framepool::Exhausted>(())
/// ```
///
/// An invalid shape is a compile error at the line of the macro, with the limit: here "a pool must have at least one
/// block", and then "alignment 48 is not a power of two of at most 2097152":
/// ```compile_fail,E0080
/// framepool::pool!(static NOTHING: [64; 0]);
/// ```
/// ```compile_fail,E0080
/// framepool::pool!(static ODD: [64; 4], align = 48);
/// ```
/// So is an option that is given twice ("the option `align` of a pool is given twice"), or that does not exist:
/// ```compile_fail,E0080
/// framepool::pool!(static TWICE: [64; 4], align = 64, caches = false, align = 64);
/// ```
/// ```compile_fail,E0599
/// framepool::pool!(static OTHER: [64; 4], color = 3);
/// ```
#[macro_export]
macro_rules! pool {
    (# $($rest:tt)*) => {
        $crate::static_attributes!(pool [] [] # $($rest)*);
    };
    ($vis:vis static $($rest:tt)*) => {
        $crate::pool!(@static [] [] $vis static $($rest)*);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: [$size:expr; $count:expr] $(, $option:ident = $value:expr)* $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::Pool<'static> = {
            // The other constants come from this one, so that a wrong shape is one error, here.
            const __FRAMEPOOL_LAYOUT: $crate::PoolLayout = {
                let shape = $crate::pool::StaticShape::new($size, $count)$(.$option($value))*;
                match shape.layout() {
                    Ok(layout) => layout,
                    Err(wrong) => ::core::panic!("{}", wrong.message().text()),
                }
            };
            const __FRAMEPOOL_SIZE: usize = __FRAMEPOOL_LAYOUT.block_size();
            const __FRAMEPOOL_COUNT: usize = __FRAMEPOOL_LAYOUT.capacity();
            const __FRAMEPOOL_STRIDE: usize = __FRAMEPOOL_LAYOUT.stride();
            const __FRAMEPOOL_ALIGN: usize = __FRAMEPOOL_LAYOUT.block_align();
            const __FRAMEPOOL_MAGAZINES: usize = match __FRAMEPOOL_LAYOUT.magazine() {
                0 => 0,
                _ => __FRAMEPOOL_COUNT,
            };
            $($memory)*
            static __FRAMEPOOL_MEMORY: $crate::StaticPool<
                __FRAMEPOOL_SIZE, __FRAMEPOOL_COUNT, __FRAMEPOOL_STRIDE, __FRAMEPOOL_MAGAZINES, $crate::Align<__FRAMEPOOL_ALIGN>,
            > = $crate::StaticPool::new();
            $crate::pool::static_pool(&__FRAMEPOOL_MEMORY)
        };
    };
}

/// Divides the attributes of a static in two, those of its own and those of its memory, and passes them on:
/// `to!(@static [its own] [its memory's] the rest)`.
#[doc(hidden)]
#[macro_export]
macro_rules! static_attributes {
    ($to:ident [$($of:tt)*] $memory:tt #[doc $($text:tt)*] $($rest:tt)*) => {
        $crate::static_attributes!($to [$($of)* #[doc $($text)*]] $memory $($rest)*);
    };
    ($to:ident [$($of:tt)*] $memory:tt #[cfg $($condition:tt)*] $($rest:tt)*) => {
        $crate::static_attributes!($to [$($of)* #[cfg $($condition)*]] $memory $($rest)*);
    };
    ($to:ident [$($of:tt)*] $memory:tt #[allow $($lints:tt)*] $($rest:tt)*) => {
        $crate::static_attributes!($to [$($of)* #[allow $($lints)*]] $memory $($rest)*);
    };
    ($to:ident [$($of:tt)*] $memory:tt #[global_allocator] $($rest:tt)*) => {
        $crate::static_attributes!($to [$($of)* #[global_allocator]] $memory $($rest)*);
    };
    ($to:ident [$($of:tt)*] $memory:tt #[cfg_attr($condition:meta, global_allocator)] $($rest:tt)*) => {
        $crate::static_attributes!(
            $to [$($of)* #[cfg_attr($condition, global_allocator)]] $memory $($rest)*
        );
    };
    ($to:ident $of:tt [$($memory:tt)*] #[$($other:tt)*] $($rest:tt)*) => {
        $crate::static_attributes!($to $of [$($memory)* #[$($other)*]] $($rest)*);
    };
    ($to:ident $of:tt $memory:tt $($rest:tt)*) => {
        $crate::$to!(@static $of $memory $($rest)*);
    };
}
