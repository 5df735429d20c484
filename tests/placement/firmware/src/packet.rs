//! Packets: the operations of a receive path, and the whole of one.

use core::mem::MaybeUninit;

use framepool::packet::{
    Coherent, PacketBuf, PacketBurst, PacketCache, PacketMeta, RawBurst, RxQueue,
};
use framepool::wire::Transport;

framepool::packet_pool!(static PACKETS: [1536; 32], side = 8);

type Front = PacketCache<'static, 64>;
type Packet = PacketBuf<'static>;
type Packets = PacketBurst<'static, 16>;
type Raw = RawBurst<'static, 16>;

crate::probes! {
    /// [`PacketCache::alloc`].
    fn packet_alloc(cache: &mut Front) -> Option<Packet> {
        cache.alloc().ok()
    }

    /// [`PacketCache::free`].
    fn packet_free(cache: &mut Front, packet: Packet) -> bool {
        crate::leaving_refused(cache.free(packet).map_err(|refused| refused.into_inner()))
    }

    /// [`PacketCache::alloc_burst`].
    fn packet_alloc_burst(cache: &mut Front, n: usize, out: &mut MaybeUninit<Packets>) -> bool {
        cache.alloc_burst(n).map(|burst| out.write(burst)).is_ok()
    }

    /// [`PacketCache::drain_burst`].
    fn packet_drain_burst(cache: &mut Front, burst: &mut Packets) -> bool {
        cache.drain_burst(burst).is_ok()
    }

    /// [`PacketCache::alloc_raw_burst`].
    fn packet_alloc_raw(cache: &mut Front, n: usize, out: &mut MaybeUninit<Raw>) -> bool {
        cache.alloc_raw_burst(n).map(|burst| out.write(burst)).is_ok()
    }

    /// [`PacketBuf::prepend`].
    fn packet_prepend(packet: &mut Packet, n: usize) -> Option<&mut u8> {
        packet.prepend(n).ok()?.first_mut()
    }

    /// [`PacketBuf::append`].
    fn packet_append(packet: &mut Packet, n: usize) -> Option<&mut u8> {
        packet.append(n).ok()?.first_mut()
    }

    /// A receive path: a block comes from the device, is summarized, and is handed over if it is UDP; the device gets
    /// another one.
    fn packet_receive(queue: &mut RxQueue<'static, Coherent>, offset: usize, len: usize) -> Option<Packet> {
        if let Ok(blank) = PACKETS.alloc_blank() {
            let _ = queue.post(blank);
        }
        let mut packet = queue.complete(offset, len, PacketMeta::default()).ok()?;
        let summary = framepool::wire::summarize(packet.bytes()).ok()?;
        packet.meta_mut().set_layers(&summary);
        (summary.transport() == Transport::Udp).then_some(packet)
    }
}
