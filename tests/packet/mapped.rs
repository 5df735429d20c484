//! Packets in mappings: UMEMs, and physical addresses.
#![cfg(all(feature = "mmap", target_os = "linux"))]

use framepool::PoolConfig;
use framepool::packet::*;
use framepool::region::{IovaError, PhysAddr};

#[test]
fn a_packet_pool_is_a_umem_or_says_why_not() {
    let packets = PacketPool::map(PacketConfig::of(PoolConfig::umem(2048, 16))).unwrap();
    let umem = packets.umem().unwrap();
    assert_eq!(
        (umem.chunk_size(), umem.len()),
        (2048, packets.blocks_len())
    );
    let packet = packets.alloc_from(b"frame").unwrap();
    let address = packet.offset().unwrap() as u64;
    assert_eq!(umem.offset_of(address), packet.offset());
    let padded = PacketPool::map(PacketConfig::new(2048, 16)).unwrap();
    assert!(padded.umem().is_err() && padded.unaligned_umem().is_ok());
}

#[test]
fn the_physical_address_of_a_packet_is_that_of_its_first_byte() {
    let packets = PacketPool::map(PacketConfig::of(PoolConfig::umem(2048, 16))).unwrap();
    let table = match packets.iova() {
        Err(IovaError::NotPermitted) => {
            println!("SKIPPED the_physical_address_of_a_packet_is_that_of_its_first_byte");
            return;
        }
        table => table.unwrap(),
    };
    let expected = |packet: &[u8]| PhysAddr::of(packet.as_ptr());
    let mut packet = packets.alloc_from(b"header body").unwrap();
    packet.trim_front(7).unwrap();
    assert_eq!(packet.iova(&table), expected(packet.bytes()));
    let mut chain = Chain::from(packet);
    chain.push(packets.alloc().unwrap()).unwrap();
    for segment in &chain {
        assert_eq!(segment.iova(&table), expected(segment.bytes()));
    }
    let packet = chain.pop_front().unwrap();
    let there = packet.iova(&table);
    // SAFETY: there is no device.
    let lent = unsafe { packet.lend_unchecked(Direction::ToDevice, &Coherent) }.unwrap();
    assert_eq!(lent.iova(&table), there);
    // SAFETY: as above.
    drop(unsafe { lent.complete(&Coherent) });
    let external = packets.alloc().unwrap().attach_box(vec![1; 8].into());
    let error = external.unwrap().iova(&table).unwrap_err();
    assert!(matches!(error, IovaError::Outside { .. }), "{error}");
}
