//! Packet pools in statics: they lie in `.bss` and need no set-up call.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use crate::packet::config::{PacketConfig, PacketLayout};
use crate::packet::line::Line;
use crate::packet::pool::PacketPool;
use crate::packet::static_shape::WrongPackets;
use crate::pool::AlignTo;
use crate::pool::config::{PoolConfig, Stride};
use crate::pool::statics::{Metadata, StaticPool, describe_static};

/// The memory of a packet pool in a static: blocks, lines and metadata. They are all zeros, and so lie in `.bss`.
///
/// [`packet_pool!`](crate::packet_pool!) declares it for you.
#[repr(C)]
pub struct StaticPacketPool<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize,
    const HEADROOM: usize,
    const SIDE: usize,
    const MAGAZINES: usize,
    A: AlignTo,
> {
    blocks: StaticPool<SIZE, COUNT, STRIDE, MAGAZINES, A>,
    lines: Lines<COUNT, SIDE>,
    side: UnsafeCell<Metadata<SIDE, 0>>,
}

/// Side lines follow those of the blocks.
#[repr(C)]
struct Lines<const COUNT: usize, const SIDE: usize> {
    own: [Line; COUNT],
    side: [Line; SIDE],
}

// SAFETY: all of it is accessed through the pool that `static_packet_pool` makes, and `PacketPool` is `Sync`.
unsafe impl<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize,
    const HEADROOM: usize,
    const SIDE: usize,
    const MAGAZINES: usize,
    A: AlignTo,
> Sync for StaticPacketPool<SIZE, COUNT, STRIDE, HEADROOM, SIDE, MAGAZINES, A>
{
}

impl<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize,
    const HEADROOM: usize,
    const SIDE: usize,
    const MAGAZINES: usize,
    A: AlignTo,
> StaticPacketPool<SIZE, COUNT, STRIDE, HEADROOM, SIDE, MAGAZINES, A>
{
    /// Checked at compile time: an invalid shape is a compile error that names the reason.
    const LAYOUT: PacketLayout = {
        let blocks = PoolConfig::new(SIZE, COUNT)
            .align(align_of::<A::Marker>())
            .stride(Stride::Bytes(STRIDE));
        let config = PacketConfig::of(blocks).headroom(HEADROOM).side(SIDE);
        match config.layout() {
            Ok(layout) => layout,
            Err(error) => panic!("{}", WrongPackets::Packets(error).message().text()),
        }
    };

    /// All zeros: an empty pool.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        let _ = Self::LAYOUT;
        Self {
            blocks: StaticPool::new(),
            lines: Lines {
                own: [const { Line::new() }; COUNT],
                side: [const { Line::new() }; SIDE],
            },
            side: UnsafeCell::new(Metadata::new()),
        }
    }
}

describe!(
    impl[
        const SIZE: usize, const COUNT: usize, const STRIDE: usize, const HEADROOM: usize, const SIDE: usize,
        const MAGAZINES: usize, A: AlignTo
    ]
    StaticPacketPool<SIZE, COUNT, STRIDE, HEADROOM, SIDE, MAGAZINES, A> as StaticPacketPool {
        layout = |_| Self::LAYOUT
    }
);

/// The descriptor of a pool in a static, for [`packet_pool!`](crate::packet_pool!). Code that forbids `unsafe` can use
/// the macro, so this is safe, and may be called several times.
#[doc(hidden)]
pub const fn static_packet_pool<
    const SIZE: usize,
    const COUNT: usize,
    const STRIDE: usize,
    const HEADROOM: usize,
    const SIDE: usize,
    const MAGAZINES: usize,
    A: AlignTo,
>(
    memory: &'static StaticPacketPool<SIZE, COUNT, STRIDE, HEADROOM, SIDE, MAGAZINES, A>,
) -> PacketPool<'static> {
    let layout = StaticPacketPool::<SIZE, COUNT, STRIDE, HEADROOM, SIDE, MAGAZINES, A>::LAYOUT;
    // SAFETY: the static has lines for all blocks, followed by the side lines, whose metadata it has as well; its bytes
    // are zeros at first. Lines are cells, which allow writes. Others may exist: no descriptor has exclusive access.
    unsafe {
        let blocks = memory.blocks.describe(true);
        // Of all lines, not of the first array alone.
        let lines = core::ptr::from_ref(&memory.lines).cast_mut().cast::<Line>();
        let lines = NonNull::new_unchecked(lines);
        let side = match layout.side {
            Some(layout) => {
                let metadata = NonNull::new_unchecked(memory.side.get().cast());
                let lines = lines.add(COUNT).cast();
                Some(describe_static(lines, metadata, layout, true))
            }
            None => None,
        };
        PacketPool::assemble(blocks, side, lines, layout.room())
    }
}

/// Declares a packet pool in a static: `[block size; blocks]`. All of it is zeros in `.bss`, except a read-only
/// descriptor. No set-up call is needed. The pool can be used before `main` and from interrupts.
///
/// ```
/// framepool::packet_pool!(pub static RX: [2048; 64]);
///
/// let packet = RX.alloc_from(b"frame")?;
/// assert_eq!((packet.bytes(), packet.headroom()), (&b"frame"[..], 256));
/// # Ok::<(), framepool::packet::FromBytesError>(())
/// ```
///
/// Options follow, each at most once, in any order: `headroom` in bytes and `side` lines as in
/// [`PacketConfig`](crate::packet::PacketConfig); `align`, `stride` and `caches` as in [`pool!`](crate::pool!), as are
/// attributes: documentation, `cfg` and `allow` apply to the pool, all others to the memory. So `link_section` names its
/// section, which must be zeroed before the pool is first used.
///
/// ```
/// use framepool::Stride;
///
/// framepool::packet_pool! {
///     /// The packets of the card.
///     #[unsafe(link_section = ".bss.dma")]
///     static DMA: [1536; 16], headroom = 64, side = 0, align = 32, stride = Stride::Exact, caches = false
/// }
/// assert_eq!((DMA.headroom(), DMA.side(), DMA.stride()), (64, 0, 1536));
/// ```
///
/// An invalid shape is a compile error that has the limit: here "a headroom of 300 bytes does not fit a block of 256". So is
/// an option that is given twice, or that does not exist:
/// ```compile_fail,E0080
/// framepool::packet_pool!(static TOO_LARGE: [256; 4], headroom = 300);
/// ```
/// ```compile_fail,E0080
/// framepool::packet_pool!(static TWICE: [256; 4], side = 0, headroom = 64, side = 0);
/// ```
/// ```compile_fail,E0599
/// framepool::packet_pool!(static OTHER: [256; 4], color = 3);
/// ```
#[macro_export]
macro_rules! packet_pool {
    (# $($rest:tt)*) => {
        $crate::static_attributes!(packet_pool [] [] # $($rest)*);
    };
    ($vis:vis static $($rest:tt)*) => {
        $crate::packet_pool!(@static [] [] $vis static $($rest)*);
    };
    (
        @static [$($of:tt)*] [$($memory:tt)*]
        $vis:vis static $name:ident: [$size:expr; $count:expr] $(, $option:ident = $value:expr)* $(,)?
    ) => {
        $($of)*
        $vis static $name: $crate::packet::PacketPool<'static> = {
            // The other constants come from this one, so that a wrong shape is one error, here.
            const __FRAMEPOOL_LAYOUT: $crate::packet::PacketLayout = {
                let options = $crate::packet::PacketPoolOptions::new($size, $count)$(.$option($value))*;
                match options.layout() {
                    Ok(layout) => layout,
                    Err(wrong) => ::core::panic!("{}", wrong.message().text()),
                }
            };
            const __FRAMEPOOL_SIZE: usize = __FRAMEPOOL_LAYOUT.block_size();
            const __FRAMEPOOL_COUNT: usize = __FRAMEPOOL_LAYOUT.capacity();
            const __FRAMEPOOL_STRIDE: usize = __FRAMEPOOL_LAYOUT.stride();
            const __FRAMEPOOL_ALIGN: usize = __FRAMEPOOL_LAYOUT.blocks().block_align();
            const __FRAMEPOOL_HEADROOM: usize = __FRAMEPOOL_LAYOUT.headroom();
            const __FRAMEPOOL_SIDE: usize = __FRAMEPOOL_LAYOUT.side();
            const __FRAMEPOOL_MAGAZINES: usize = match __FRAMEPOOL_LAYOUT.blocks().magazine() {
                0 => 0,
                _ => __FRAMEPOOL_COUNT,
            };
            $($memory)*
            static __FRAMEPOOL_MEMORY: $crate::packet::StaticPacketPool<
                __FRAMEPOOL_SIZE, __FRAMEPOOL_COUNT, __FRAMEPOOL_STRIDE, __FRAMEPOOL_HEADROOM, __FRAMEPOOL_SIDE,
                __FRAMEPOOL_MAGAZINES, $crate::Align<__FRAMEPOOL_ALIGN>,
            > = $crate::packet::StaticPacketPool::new();
            $crate::packet::static_packet_pool(&__FRAMEPOOL_MEMORY)
        };
    };
}
