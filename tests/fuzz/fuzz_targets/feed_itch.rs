//! Messages of ITCH: by type and by table the same, and emitted as they were.
#![no_main]

use framepool::feed::itch::{Message, Messages, Raw};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let typed = Messages::new(bytes);
    let raw = typed.clone().raw();
    for (typed, raw) in typed.clone().zip(raw.clone()) {
        assert_eq!(typed.as_ref().err(), raw.as_ref().err());
        if let (Ok(typed), Ok(raw)) = (typed, raw) {
            assert_eq!(raw.typed(), Some(typed));
            let mut out = [0; 64];
            let len = typed.emit(&mut out).unwrap();
            assert_eq!(&out[..len], raw.as_bytes());
            let _ = (
                raw.order_reference(),
                raw.new_reference(),
                raw.side(),
                raw.shares(),
            );
            let _ = (
                raw.stock(),
                raw.price(),
                raw.match_number(),
                raw.printable(),
            );
            let _ = format!("{typed:?} {:?}", raw.attribution());
        }
    }
    assert_eq!(typed.count(), raw.count());
    assert_eq!(Message::parse(bytes).err(), Raw::parse(bytes).err());
});
