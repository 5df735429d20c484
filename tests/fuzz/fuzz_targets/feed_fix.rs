//! FIX: on arbitrary bytes, and on bytes made a message of, whose fields lie within it.
#![no_main]

use framepool::feed::fix::{DATA_FIELDS, Message, Messages};
use framepool::wire::{ParseError, Reason};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut messages = Messages::new(bytes);
    messages
        .by_ref()
        .filter_map(Result::ok)
        .for_each(|message| read(&message));
    assert_eq!(messages.consumed() + messages.rest().len(), bytes.len());
    let _ = messages.needed();

    let mut framed = format!("8=FIX.4.4\x019={}\x0135=D\x01", bytes.len() + 6).into_bytes();
    framed.extend(bytes);
    framed.push(1);
    let sum = framed.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    framed.extend(format!("10={sum:03}\x01").bytes());
    let (message, len) = Message::parse(&framed).unwrap();
    assert_eq!(len, framed.len());
    read(&message);
});

fn read(message: &Message<'_>) {
    let mut fields = message.fields();
    let mut length = None;
    let mut at = fields.offset();
    while let Some(field) = fields.next() {
        // Only a field that stands where another should is looked at again.
        let is_missing = |e: &ParseError| matches!(e.reason, Reason::Missing { .. });
        assert!(fields.offset() > at || field.as_ref().is_err_and(is_missing));
        at = fields.offset();
        let Ok(field) = field else {
            length = None;
            continue;
        };
        // What ends a value may only be in data, whose length was said.
        let is_data = DATA_FIELDS
            .iter()
            .any(|pair| Some(pair.0) == length && pair.1 == field.tag);
        assert!(is_data || !field.value.contains(&1));
        length = Some(field.tag);
        let _ = (
            field.as_str(),
            field.as_i64(),
            field.as_u64(),
            field.as_bool(),
            field.as_char(),
        );
        if let Some(decimal) = field.as_decimal() {
            let _ = (decimal.to_string(), decimal.rescaled(4));
        }
    }
    if let Ok(Some(group)) = message.group(453, &[448, 447, 452]) {
        group
            .take(100)
            .flatten()
            .for_each(|entry| assert!(!entry.is_empty()));
    }
}
