//! One interface over a packet pool and a cache.

use crate::packet::buf::PacketBuf;
use crate::packet::burst::PacketBurst;
use crate::packet::cache::PacketCache;
use crate::packet::pool::PacketPool;
use crate::packet::raw::Blank;
#[cfg(not(loom))]
use crate::packet::reserve::PacketReservation;
use crate::pool::error::{AllocManyError, Exhausted, WrongPool};
use crate::pool::source::sources;

/// Gives packets out and takes them back: a pool, a reservation, or a worker's cache.
///
/// For code that works with either, such as a driver that leaves the choice to its caller.
///
/// ```
/// use framepool::Exhausted;
/// use framepool::packet::{PacketConfig, PacketPool, PacketSource};
///
/// fn round<'p>(source: &mut impl PacketSource<'p>) -> Result<usize, Exhausted> {
///     let packet = source.alloc()?;
///     let headroom = packet.headroom();
///     drop(source.free(packet));
///     Ok(headroom)
/// }
///
/// let packets = PacketPool::allocate(PacketConfig::new(2048, 64))?;
/// assert_eq!(round(&mut &packets)?, 256);
/// assert_eq!(round(&mut packets.cache())?, 256);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub trait PacketSource<'p> {
    /// The pool of the packets.
    fn packets(&self) -> &'p PacketPool<'p>;

    /// Takes one packet: empty, with the pool's headroom.
    ///
    /// # Errors
    /// [`Exhausted`] if there is none.
    fn alloc(&mut self) -> Result<PacketBuf<'p>, Exhausted>;

    /// Gives a packet back.
    ///
    /// # Errors
    /// [`WrongPool`] with the packet, if it belongs to another pool.
    fn free(&mut self, packet: PacketBuf<'p>) -> Result<(), WrongPool<PacketBuf<'p>>>;

    /// Takes one block without writing its line.
    ///
    /// # Errors
    /// [`Exhausted`] if there is none.
    fn alloc_blank(&mut self) -> Result<Blank<'p>, Exhausted>;

    /// Takes `n` packets, all or none.
    ///
    /// # Errors
    /// [`AllocManyError`]: fewer are free, or `n` is greater than `N`.
    fn alloc_burst<const N: usize>(
        &mut self,
        n: usize,
    ) -> Result<PacketBurst<'p, N>, AllocManyError>;

    /// Gives a burst back.
    ///
    /// # Errors
    /// [`WrongPool`] with the burst, if it belongs to another pool.
    fn free_burst<const N: usize>(
        &mut self,
        burst: PacketBurst<'p, N>,
    ) -> Result<(), WrongPool<PacketBurst<'p, N>>>;
}

sources! {
    [
        PacketSource: packets -> PacketPool, free: PacketBuf, burst: PacketBurst,
        alloc -> PacketBuf, alloc_blank -> Blank
    ]
    impl[] &'p PacketPool<'p>, it => (*it), it;
    #[cfg(not(loom))]
    impl[] &'p PacketReservation<'p>, it => (**it), it;
    impl[const N: usize] PacketCache<'p, N>, it => it, PacketCache::pool(it);
    impl[S: PacketSource<'p>] &mut S, it => (**it), (**it).packets();
}
