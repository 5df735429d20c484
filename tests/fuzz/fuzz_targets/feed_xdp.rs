//! Packets of XDP: what they say lies within the bytes, and messages are emitted as they were.
#![no_main]

use framepool::feed::xdp::{Message, Packet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(packet) = Packet::parse(rest) {
        assert_eq!(usize::from(packet.size()) + packet.rest().len(), rest.len());
        let mut messages = packet.messages();
        while let Some(Ok((kind, bytes))) = messages.next_raw() {
            let Ok(message) = Message::parse(bytes) else {
                continue;
            };
            assert_eq!(message.kind(), kind);
            let mut out = [0; 256];
            let len = message.emit(&mut out).unwrap();
            assert_eq!(&out[2..len], &bytes[2..len]);
            let _ = format!("{message:?}");
        }
        assert!(packet.messages().count() <= packet.count().into());
        rest = packet.rest();
    }
});
