//! Traits of others over packets, and the user's own data.

use std::io::{BufRead, Read, Write};

use framepool::packet::*;

use crate::{in_use, pool};

#[test]
fn a_chain_is_read_and_written_as_a_stream() {
    let (packets, other) = (pool(64, 16), pool(64, 1));
    let mut source = &packets;
    let mut chain = Chain::new(&packets);
    for i in 0..10 {
        writeln!(ChainWriter::new(&mut chain, &mut source), "line {i}").unwrap();
    }
    assert_eq!((chain.len(), chain.segments()), (70, 2));
    chain.push_front(packets.alloc().unwrap()).unwrap();
    let mut line = String::new();
    assert_eq!(chain.read_line(&mut line).unwrap(), 7);
    assert_eq!(line, "line 0\n");
    let mut rest = Vec::new();
    assert_eq!(chain.read_to_end(&mut rest).unwrap(), 63);
    assert!(rest.ends_with(b"line 9\n") && chain.is_empty());
    assert!(chain.fill_buf().unwrap().is_empty());
    chain.consume(5);
    let error = ChainWriter::new(&mut chain, &mut source)
        .write(&[1; 2000])
        .unwrap_err();
    assert_eq!(
        (error.kind(), chain.len()),
        (std::io::ErrorKind::OutOfMemory, 0)
    );
    let error = ChainWriter::new(&mut chain, &mut &other)
        .write(&[1])
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    drop(chain);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn private_data_is_found_by_the_handle_and_by_no_other() {
    let packets = PacketPool::allocate(PacketConfig::new(64, 4).side(2)).unwrap();
    let others = pool(64, 4);
    let refused = PrivateData::new(&packets, &mut [0u8; 5]).unwrap_err();
    assert_eq!(
        refused,
        TooFewValues {
            needed: 6,
            available: 5
        }
    );
    let mut values = vec![String::new(); 6];
    let names = PrivateData::new(&packets, &mut values).unwrap();
    let mut packet = packets.alloc_from(b"12").unwrap();
    let mut part = packet.split_off(1).unwrap();
    names.get_mut(&mut packet).unwrap().push_str("head");
    names.get_mut(&mut part).unwrap().push_str("tail");
    let shared = part.share();
    assert_eq!(names.get(&packet).unwrap(), "head");
    assert_eq!(names.get(&shared).unwrap(), "tail");
    assert!(names.get_mut(&mut others.alloc().unwrap()).is_none());
    let mut burst = PacketBurst::<2>::new(&packets);
    burst.push(packet).unwrap();
    names
        .get_mut(&mut burst.get_mut(0).unwrap())
        .unwrap()
        .push('!');
    assert_eq!(names.get(&burst.get(0).unwrap()).unwrap(), "head!");
    std::thread::scope(|s| {
        s.spawn(|| assert_eq!(names.get(&shared).unwrap(), "tail"));
    });
}

#[test]
fn the_facts_lie_as_the_table_says() {
    use std::mem::offset_of;
    // The line has 24 bytes before them.
    let at = [
        offset_of!(PacketMeta, timestamp),
        offset_of!(PacketMeta, user),
        offset_of!(PacketMeta, flags),
        offset_of!(PacketMeta, hash),
        offset_of!(PacketMeta, port),
        offset_of!(PacketMeta, queue),
        offset_of!(PacketMeta, vlan),
        offset_of!(PacketMeta, outer_vlan),
        offset_of!(PacketMeta, packet_type),
        offset_of!(PacketMeta, network_len),
        offset_of!(PacketMeta, segment_size),
        offset_of!(PacketMeta, link_len),
        offset_of!(PacketMeta, transport_len),
    ];
    let table = [24, 32, 40, 44, 48, 50, 52, 54, 56, 58, 60, 62, 63];
    assert_eq!(at.map(|offset| offset + 24), table);
}

#[cfg(feature = "bytes")]
mod with_bytes {
    use bytes::{Buf, BufMut, Bytes};

    use super::*;

    framepool::packet_pool!(static PACKETS: [256; 16]);

    #[test]
    fn a_packet_becomes_bytes_without_a_copy() {
        let packet = PACKETS.alloc_from(b"payload").unwrap();
        let at = packet.bytes().as_ptr();
        let bytes = Bytes::from(packet);
        assert_eq!(bytes.as_ptr(), at);
        let shared = PACKETS.alloc_from(b"more").unwrap().share();
        let more = Bytes::from(shared.try_clone().unwrap());
        drop(bytes);
        assert!(shared.into_unique().is_err());
        drop(more);
        assert_eq!(in_use(&PACKETS), (0, 0));
    }

    #[test]
    fn buffers_advance_no_further_than_they_have_bytes() {
        let packets = pool(64, 8);
        let mut packet = packets.alloc().unwrap();
        packet.put_u32(0x0102_0304);
        packet.put_slice(b"rest");
        assert_eq!((packet.remaining_mut(), packet.remaining()), (40, 8));
        assert_eq!(packet.get_u16(), 0x0102);
        packet.advance(100);
        assert!(!packet.has_remaining());
        let mut chain = Chain::copy_from(&mut &packets, &[7; 100]).unwrap();
        chain.push_front(packets.alloc().unwrap()).unwrap();
        let mut copy = [0; 90];
        chain.copy_to_slice(&mut copy);
        assert_eq!((copy, chain.remaining()), ([7; 90], 10));
        chain.advance(100);
        assert_eq!((chain.remaining(), chain.chunk().len()), (0, 0));
    }
}
