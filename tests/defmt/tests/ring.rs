//! The text of rings, their ends and their errors in a log.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]
#![allow(missing_docs)]

mod support;

use framepool::SharedRegion;
use framepool::ring::{self, Patient, Ring, SharedRing, Spin, flags};
use support::render;

const SENT: &str = "ProducerStats { enqueued: 2, refused: 1 }";
const GOT: &str = "ConsumerStats { dequeued: 1, starved: 0, high_water: 2 }";

#[test]
fn ends_with_their_figures_and_no_value() {
    let (mut tx, mut rx) = ring::allocate(2).unwrap();
    tx.push_slice(&[7_u64; 3]);
    rx.pop();
    let sent = format!("Producer {{ len: 1, capacity: 2, stats: {SENT} }}");
    let got = format!("Consumer {{ len: 1, capacity: 2, stats: {GOT} }}");
    assert_eq!((render(&tx), render(&rx)), (sent.clone(), got.clone()));
    assert_eq!(render(tx.stats()), SENT);
    assert_eq!(render(rx.stats()), GOT);
    assert_eq!(render(rx.drain()), format!("Drain({got})"));
    assert_eq!(render(rx.peek_up_to(9)), "Peeked { len: 1 }");
    let moved = rx.peek_up_to(9).into_iter();
    assert_eq!(render(&moved), "PeekedIntoIter { left: 1 }");
    drop(moved);
    assert_eq!(
        render(tx.observer()),
        "Observer { len: 1, capacity: 2, enqueued: 2, dequeued: 1 }"
    );
    let mut room = tx.reserve_up_to(9);
    room.write(1).unwrap();
    assert_eq!(render(&room), "Reserved { len: 1, written: 1 }");
    drop(room);
    let (mut flag_tx, mut flag_rx) = flags::allocate(2).unwrap();
    flag_tx.push_slice(&[7_u64; 3]);
    assert_eq!(
        render(&flag_tx),
        "Producer { len: 2, capacity: 2, stats: ProducerStats { enqueued: 2, refused: 1 } }"
    );
    flag_rx.pop();
    let flag_got = "Consumer { len: 1, capacity: 2, stats: ConsumerStats { dequeued: 1, starved: 0, high_water: 0 } }";
    assert_eq!(render(flag_rx.drain()), format!("Drain({flag_got})"));
    let (tx, rx) = ring::asynchronous((tx, rx)).unwrap();
    assert_eq!(render(&tx), format!("AsyncProducer {{ producer: {sent} }}"));
    assert_eq!(render(&rx), format!("AsyncConsumer {{ consumer: {got} }}"));
}

#[test]
fn rings_and_waits() {
    assert_eq!(render(Ring::<u8, 4>::new()), "Ring { capacity: 4 }");
    assert_eq!(render(flags::Ring::<u8, 4>::new()), "Ring { capacity: 4 }");
    assert_eq!(render(Spin::default()), "Spin { pauses: 8 }");
    assert_eq!(render(Patient), "Patient");
}

#[test]
fn errors_with_their_facts() {
    let (mut tx, mut rx) = ring::allocate(1).unwrap();
    assert_eq!(
        render(tx.reserve(3).unwrap_err()),
        "NoRoom { requested: 3, available: 1, capacity: 1 }"
    );
    tx.push(7).unwrap();
    assert_eq!(render(tx.push(7).unwrap_err()), "Full");
    assert_eq!(
        render(rx.pop_slice_exact(&mut [0; 3]).unwrap_err()),
        "TooFew { requested: 3, available: 1, capacity: 1 }"
    );
    drop(rx);
    assert_eq!(render(tx.push_wait::<Spin>(7).unwrap_err()), "Abandoned");
    assert_eq!(
        render(ring::allocate::<u8>(3).unwrap_err()),
        "NotPowerOfTwo { asked: 3 }"
    );
    let ring: Ring<u8, 4> = Ring::new();
    let _tx = ring.producer().unwrap();
    assert_eq!(render(ring.producer().unwrap_err()), "ProducerTaken");
}

#[test]
fn rings_of_two_processes() {
    let region = SharedRegion::builder(4096).create().unwrap();
    let ring = SharedRing::<u32>::create(region.words(), 2).unwrap();
    assert_eq!(render(ring), "SharedRing { capacity: 2, element: 4 }");
    let (mut tx, mut rx) = (ring.producer().unwrap(), ring.consumer().unwrap());
    tx.push_slice(&[7; 3]).unwrap();
    rx.pop().unwrap();
    assert_eq!(
        render(&tx),
        format!("SharedProducer {{ len: 1, capacity: 2, stats: {SENT} }}")
    );
    assert_eq!(
        render(&rx),
        format!("SharedConsumer {{ len: 1, capacity: 2, stats: {GOT} }}")
    );
    let room = tx.reserve_up_to(9).unwrap();
    assert_eq!(render(&room), "SharedReserved { len: 1 }");
    assert_eq!(render(rx.peek_up_to(9).unwrap()), "SharedPeeked { len: 1 }");
}
