//! Packets of SoupBinTCP, cut anywhere: none is lost, none is made up.
#![no_main]

use framepool::feed::soupbintcp::{Packet, Packets};
use framepool::wire::Reason;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut packets = Packets::new(bytes);
    let (mut buffer, mut at) = (vec![0; 1 << 16 | 3], 0);
    while let Some(packet) = packets.next() {
        let parsed = Packet::parse(&bytes[at..]);
        match packet {
            Ok(packet) => {
                assert_eq!(parsed, Ok((packet, packets.consumed() - at)));
                let len = packet.emit(&mut buffer).unwrap();
                assert_eq!(Packet::parse(&buffer[..len]), Ok((packet, len)));
            }
            Err(error) => {
                assert_eq!(parsed.map_err(|e| e.shifted(at)), Err(error));
                assert!(!matches!(error.reason, Reason::Truncated { .. }));
            }
        }
        at = packets.consumed();
    }
    assert_eq!(packets.consumed() + packets.rest().len(), bytes.len());
    assert!(packets.needed() == 0 || Packet::parse(packets.rest()).is_err());
    // The same in two reads.
    let mut first = Packets::new(&bytes[..bytes.len() / 2]);
    let before = first.by_ref().count();
    let behind = Packets::new(&bytes[first.consumed()..]).count();
    assert!(before + behind >= Packets::new(bytes).count());
});
