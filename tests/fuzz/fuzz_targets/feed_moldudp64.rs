//! Packets and requests of MoldUDP64: what they say lies within the bytes, and builds the same again.
#![no_main]

use framepool::feed::moldudp64::{Builder, Kind, Packet, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = Request::parse(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
    let Ok(packet) = Packet::parse(bytes) else {
        assert!(bytes.len() < 20);
        return;
    };
    let mut messages = packet.messages();
    let whole: Result<Vec<&[u8]>, _> = messages.by_ref().collect();
    assert_eq!(messages.offset() + messages.rest().len(), bytes.len());
    let Ok(whole) = whole else { return };
    assert_eq!(whole.len(), packet.message_count().into());
    if matches!(packet.kind(), Kind::Messages(_)) {
        let mut buffer = vec![0; bytes.len()];
        let mut builder = Builder::new(&mut buffer, packet.session(), packet.sequence()).unwrap();
        whole
            .iter()
            .for_each(|message| builder.push(message).unwrap());
        assert_eq!(
            builder.finish(),
            &bytes[..bytes.len() - messages.rest().len()]
        );
    }
});
