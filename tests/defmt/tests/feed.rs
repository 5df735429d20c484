//! What `feed` becomes in a log: packets, iterators, builders, trackers.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::feed::fix::{MAX_BODY_LENGTH, Message, Messages};
use framepool::feed::xdp::Delivery;
use framepool::feed::{Arbiter, SequenceTracker, StreamBuffer, Width, itch, moldudp64, pitch, xdp};
use support::render;

#[test]
fn fix_with_any_separator() {
    let log = b"8=FIX.4.2|9=10|35=0|49=A|10=185|";
    let (message, _) = Message::<b'|'>::parse_separated(log).unwrap();
    assert!(render(message).starts_with("Message { body: Section { bytes: ["));
    assert!(render(message.fields()).starts_with("Fields { bytes: ["));
    let messages = Messages::<b'|'>::separated(log, MAX_BODY_LENGTH);
    assert!(render(messages).starts_with("Messages { bytes: ["));
}

#[test]
fn packets_with_their_headers() {
    let mut buffer = [0; 64];
    let mut builder = pitch::Builder::new(&mut buffer, 1, 7).unwrap();
    let clear = pitch::fields::UnitClear { time_offset: 9 };
    builder.push(|out| clear.emit(out)).unwrap();
    assert_eq!(render(&builder), "Builder { count: 1 }");
    let packet = pitch::Packet::parse(builder.finish()).unwrap();
    assert_eq!(
        render(packet),
        "Packet { length: 14, count: 1, unit: 1, sequence: 7 }"
    );
    let mut messages = packet.messages();
    assert_eq!(
        render(&messages),
        "Messages { offset: 8, rest: [6, 151, 9, 0, 0, 0] }"
    );
    assert_eq!(
        render(messages.next_checked().unwrap().unwrap()),
        "Raw { bytes: [6, 151, 9, 0, 0, 0] }"
    );
    let builder = xdp::Builder::new(&mut buffer, Delivery::Heartbeat, 3, (4, 5)).unwrap();
    assert_eq!(
        render(xdp::Packet::parse(builder.finish()).unwrap()),
        "Packet { size: 16, delivery: Heartbeat, count: 0, sequence: 3, send_time: (4, 5) }"
    );
    let heartbeat = moldudp64::heartbeat([b'A'; 10], 8);
    let packet = moldudp64::Packet::parse(&heartbeat).unwrap();
    assert!(render(packet).ends_with("65], sequence: 8, count: 0 }"));
    let messages = itch::Messages::of_packet(&packet);
    assert_eq!(render(&messages), "Messages { offset: 20, rest: [] }");
    assert_eq!(
        render(messages.raw()),
        "RawMessages { offset: 20, rest: [] }"
    );
}

#[test]
fn trackers_and_buffers() {
    let mut tracker = SequenceTracker::<2>::new(Width::Bits32);
    tracker.observe(1, 1);
    assert_eq!(render(tracker.accept(4, 1)), "Runs { at: 4, left: 1 }");
    tracker.observe(4, 1);
    assert!(render(&tracker).starts_with(
        "SequenceTracker { next: Some(5), gaps: [Gap { first: 2, count: 2 }], ended: false, stats: "
    ));
    let arbiter = render(Arbiter::<1, 2>::over(tracker));
    assert!(arbiter.starts_with("Arbiter { tracker: SequenceTracker { next: Some(5)"));
    assert!(
        arbiter.contains("lines: [LineStats { packets: 0"),
        "{arbiter}"
    );
    let mut memory = [0; 8];
    let mut stream = StreamBuffer::new(&mut memory);
    stream.commit(3);
    assert_eq!(render(stream), "StreamBuffer { filled: 3, capacity: 8 }");
}
