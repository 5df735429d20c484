//! The tokens of a device: what they read and write, and where their blocks go.

use std::panic::{AssertUnwindSafe, catch_unwind};

use framepool::adapters::smoltcp::{RxToken, TxToken};
use framepool::adapters::{DeviceError, Driver, smoltcp::Device};
use framepool::packet::{ChecksumState, PacketBuf, PacketCache, PacketFlags, PacketSource};
use smoltcp::phy::{
    Checksum, ChecksumCapabilities, Device as _, Medium, RxToken as _, TxToken as _,
};
use smoltcp::time::Instant;

use super::*;

type OverPool<'p> = Device<'p, Card<'p>, &'p PacketPool<'p>>;

/// A device that sends from `tx`, with a card that takes `room` frames.
fn device<'p>(tx: &'p PacketPool<'p>, room: usize) -> OverPool<'p> {
    Device::new(Card::new(room), tx, capabilities(Medium::Ethernet)).unwrap()
}

/// Lets the card receive a frame, and returns its tokens.
fn receive<'a, 'p>(
    device: &'a mut OverPool<'p>,
    frame: PacketBuf<'p>,
) -> (RxToken<'p>, TxToken<'a, 'p, Card<'p>, &'p PacketPool<'p>>) {
    device.driver_mut().received.push_back(frame);
    device.receive(Instant::ZERO).expect("tokens for the frame")
}

/// Writes a frame of one byte value.
fn fill(value: u8) -> impl FnOnce(&mut [u8]) {
    move |bytes| bytes.fill(value)
}

#[test]
fn a_received_frame_is_read_in_its_block_which_is_free_then() {
    let (rx, tx) = (pool(4), pool(4));
    let mut device = device(&tx, 4);
    let frame = rx.alloc_from(b"frame").unwrap();
    let at = frame.bytes().as_ptr();
    let (token, _) = receive(&mut device, frame);
    assert_eq!(in_use(&rx), 1);
    token.consume(|bytes| assert_eq!((bytes, bytes.as_ptr()), (&b"frame"[..], at)));
    assert_eq!(in_use(&rx), 0);
    assert_eq!(device.stats().received, 1);
}

#[test]
fn a_frame_is_written_in_the_block_that_the_driver_gets() {
    let tx = pool(4);
    let mut device = device(&tx, 4);
    let token = device.transmit(Instant::ZERO).unwrap();
    let at = token.consume(60, |bytes| {
        bytes.fill(7);
        bytes.as_ptr()
    });
    let sent = device.driver_mut().to_send.pop_front().unwrap();
    assert_eq!((sent.bytes(), sent.bytes().as_ptr()), (&[7; 60][..], at));
    assert!(tx.find(at).is_some());
    assert_eq!(sent.headroom(), tx.headroom());
    assert_eq!(device.stats().sent, 1);
}

#[test]
fn tokens_that_are_dropped_unused_keep_no_block() {
    let (rx, tx) = (pool(4), pool(8));
    let mut device = device(&tx, 4);
    for _ in 0..100 {
        drop(receive(&mut device, rx.alloc_from(b"frame").unwrap()));
        drop(device.transmit(Instant::ZERO).unwrap());
        assert_eq!((in_use(&rx), in_use(&tx)), (0, 3));
    }
    assert_eq!(device.stats().sent, 0);
    drop(device);
    assert_eq!(in_use(&tx), 0);
}

#[test]
fn without_blocks_to_send_from_sockets_wait_and_reception_goes_on() {
    let (rx, tx) = (pool(4), pool(5));
    let mut device = device(&tx, 100);
    let mut sent = 0;
    while let Some(token) = device.transmit(Instant::ZERO) {
        token.consume(60, fill(1));
        sent += 1;
    }
    // One block is for replies, and one never leaves the device.
    assert_eq!(sent, 3);
    for n in 1..=10 {
        let (token, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
        token.consume(|bytes| reply.consume(bytes.len(), |to| to.copy_from_slice(bytes)));
        assert_eq!((device.stats().received, in_use(&rx)), (n, 0));
    }
    let stats = device.stats();
    assert_eq!((stats.sent, stats.starved, stats.refused), (4, 9, 0));
    assert_eq!(device.driver().to_send[3].bytes(), b"frame");
    // The first block that comes back is for the next reply, the second for a socket.
    drop(device.driver_mut().to_send.pop_front());
    assert!(device.transmit(Instant::ZERO).is_none());
    drop(device.driver_mut().to_send.pop_front());
    assert!(device.transmit(Instant::ZERO).is_some());
    let (_, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
    reply.consume(60, fill(2));
    assert_eq!((device.stats().sent, device.stats().starved), (5, 9));
    // Replies go on while no socket sends.
    for sent in 6..16 {
        device.driver_mut().to_send.clear();
        let (_, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
        reply.consume(60, fill(3));
        assert_eq!((device.stats().sent, device.stats().starved), (sent, 9));
    }
    drop(device);
    assert_eq!(in_use(&tx), 0);
}

#[test]
fn without_blocks_to_receive_into_frames_are_sent_all_the_same() {
    let (rx, tx) = (pool(4), pool(4));
    let mut device = device(&tx, 100);
    let all: Vec<_> = std::iter::from_fn(|| rx.alloc().ok()).collect();
    device.driver_mut().received.extend(all);
    for n in 1..=100 {
        let token = device
            .transmit(Instant::ZERO)
            .expect("a block to send from");
        token.consume(60, fill(1));
        device.driver_mut().to_send.clear();
        assert_eq!(device.stats().sent, n);
    }
    assert_eq!(in_use(&rx), 4);
}

#[test]
fn a_driver_that_takes_no_more_stops_sockets_and_loses_replies() {
    let (rx, tx) = (pool(4), pool(8));
    let mut device = device(&tx, 1);
    device.transmit(Instant::ZERO).unwrap().consume(60, fill(1));
    assert!(device.transmit(Instant::ZERO).is_none());
    let (token, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
    token.consume(|_| reply.consume(60, fill(2)));
    let stats = device.stats();
    assert_eq!((stats.sent, stats.refused, stats.starved), (1, 1, 0));
    // The reply's block is free: in use are the one to send, and the one that never leaves the device.
    assert_eq!(in_use(&tx), 2);
    device.driver_mut().to_send.clear();
    assert!(device.transmit(Instant::ZERO).is_some());
}

#[test]
fn a_frame_that_exceeds_the_block_is_not_sent() {
    let (rx, tx) = (pool(4), pool(4));
    let mut device = device(&tx, 4);
    let room = tx.block_size() - tx.headroom();
    for (len, got) in [(room, room), (room + 1, room), (usize::MAX, room)] {
        let token = device.transmit(Instant::ZERO).unwrap();
        assert_eq!(token.consume(len, |bytes| bytes.len()), got);
    }
    assert_eq!((device.stats().sent, device.stats().too_long), (1, 2));
    // Without a block for it, too.
    while let Some(token) = device.transmit(Instant::ZERO) {
        token.consume(60, fill(1));
    }
    for (len, got) in [(60, 60), (60, 60), (room + 1, room), (60, 60)] {
        let (_, reply) = receive(&mut device, rx.alloc().unwrap());
        assert_eq!(reply.consume(len, |bytes| bytes.len()), got);
    }
    drop(device);
    assert_eq!(in_use(&tx), 0);
}

#[test]
fn a_received_frame_may_be_longer_than_one_that_is_sent() {
    let (rx, tx) = (pool(4), pool(4));
    let mut device = device(&tx, 4);
    let long = vec![5; MTU + 200];
    let (token, _) = receive(&mut device, rx.alloc_from(&long).unwrap());
    token.consume(|bytes| assert_eq!(bytes, long));
}

#[test]
fn a_panic_of_the_stack_frees_the_blocks() {
    let (rx, tx) = (pool(4), pool(8));
    let mut device = device(&tx, 4);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let (token, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
        token.consume(|_| reply.consume(60, |_| panic!("the stack's")));
    }));
    assert!(panicked.is_err());
    assert_eq!((in_use(&rx), in_use(&tx), device.stats().sent), (0, 2, 0));
    let (_, reply) = receive(&mut device, rx.alloc_from(b"frame").unwrap());
    reply.consume(60, fill(1));
    assert_eq!(device.stats().sent, 1);
}

#[test]
fn frames_that_the_card_found_damaged_do_not_reach_the_stack() {
    use ChecksumState::*;
    let (rx, tx) = (pool(16), pool(4));
    let mut device = device(&tx, 4);
    let (all, fine) = ([Unknown, Good, Bad, None], [Unknown, Good, None]);
    for (ip, transport) in all.iter().flat_map(|ip| all.map(|l4| (*ip, l4))) {
        let mut frame = rx.alloc_from(&[ip as u8, transport as u8]).unwrap();
        frame.meta_mut().set_ip_checksum(ip);
        frame.meta_mut().set_transport_checksum(transport);
        device.driver_mut().received.push_back(frame);
    }
    for (ip, transport) in fine.iter().flat_map(|ip| fine.map(|l4| (*ip, l4))) {
        let (token, _) = device.receive(Instant::ZERO).unwrap();
        token.consume(|bytes| assert_eq!(bytes, [ip as u8, transport as u8]));
    }
    assert!(device.receive(Instant::ZERO).is_none());
    let mut cut = rx.alloc_from(b"fra").unwrap();
    cut.meta_mut().flags |= PacketFlags::DAMAGED;
    device.driver_mut().received.push_back(cut);
    assert!(device.receive(Instant::ZERO).is_none());
    assert_eq!((device.stats().received, device.stats().damaged), (9, 8));
    assert_eq!(in_use(&rx), 0);
}

#[test]
fn checksums_that_the_stack_leaves_out_are_asked_of_the_card() {
    let tx = pool(16);
    let (ip, transport) = (
        PacketFlags::SEND_IP_CHECKSUM,
        PacketFlags::SEND_TRANSPORT_CHECKSUM,
    );
    use Checksum::{Both, None, Rx, Tx};
    let none = PacketFlags::empty();
    for (ipv4, tcp, udp, asked) in [
        (Both, Both, Tx, none),
        (Rx, Both, Both, ip),
        (Tx, None, Rx, transport),
        (Both, Both, None, none),
        (Both, None, Both, none),
        (None, None, None, ip | transport),
    ] {
        let mut checksum = ChecksumCapabilities::default();
        (checksum.ipv4, checksum.tcp, checksum.udp) = (ipv4, tcp, udp);
        let mut capabilities = capabilities(Medium::Ethernet);
        capabilities.checksum = checksum;
        let mut device = Device::new(Card::new(4), &tx, capabilities).unwrap();
        let shown = device.capabilities().checksum;
        let shown = [shown.ipv4, shown.tcp, shown.udp].map(|c| (c.rx(), c.tx()));
        assert_eq!(shown, [ipv4, tcp, udp].map(|c| (c.rx(), c.tx())));
        device.transmit(Instant::ZERO).unwrap().consume(60, fill(1));
        assert_eq!(device.driver().to_send[0].meta().flags, asked);
    }
}

#[test]
fn the_stack_is_told_the_medium_and_the_sizes_and_segments_itself() {
    let tx = pool(16);
    for medium in [Medium::Ethernet, Medium::Ip] {
        let mut capabilities = capabilities(medium);
        capabilities.max_burst_size = Some(7);
        capabilities.segmentation.tcpv4 = std::num::NonZero::new(65_535);
        let shown = Device::new(Card::new(1), &tx, capabilities).unwrap();
        let shown = shown.capabilities();
        assert_eq!((shown.medium, shown.ip_mtu()), (medium, 1500));
        assert_eq!(shown.max_burst_size, Some(7));
        // A frame that the card is to segment would not fit a block.
        assert_eq!(shown.segmentation.tcpv4, None);
    }
}

#[test]
fn a_device_that_cannot_be_made_gives_driver_and_blocks_back() {
    let tx = pool(3);
    let max = tx.block_size() - tx.headroom();
    let try_new = |mtu| {
        let mut capabilities = capabilities(Medium::Ethernet);
        capabilities.max_transmission_unit = mtu;
        Device::new(Card::new(77), &tx, capabilities)
    };
    for mtu in [0, 81, max + 1, usize::MAX] {
        let refused = try_new(mtu).map(drop).unwrap_err();
        assert_eq!(*refused.reason(), DeviceError::Mtu { mtu, min: 82, max });
        let (card, source) = refused.into_inner();
        assert_eq!((card.room, source.packets().capacity()), (77, 3));
    }
    for mtu in [82, max] {
        assert_eq!(
            try_new(mtu).unwrap().capabilities().max_transmission_unit,
            mtu
        );
    }
    let held = tx.alloc().unwrap();
    let refused = try_new(MTU).map(drop).unwrap_err();
    let DeviceError::Exhausted(error) = refused.reason() else {
        panic!("{refused}");
    };
    assert_eq!(error.requested(), 1);
    assert_eq!((refused.into_inner().0.room, in_use(&tx)), (77, 1));
    drop(held);
    assert_eq!(in_use(&tx), 0);
}

#[test]
fn the_blocks_may_come_from_a_cache_and_the_driver_be_borrowed() {
    let tx = pool(64);
    let mut card = Card::new(8);
    let mut cache: PacketCache<'_, 16> = PacketCache::new(&tx);
    let mut device = Device::new(&mut card, &mut cache, capabilities(Medium::Ip)).unwrap();
    for _ in 0..8 {
        device.transmit(Instant::ZERO).unwrap().consume(60, fill(1));
    }
    assert!(device.transmit(Instant::ZERO).is_none());
    // Those of the new device, one of which was sent, and one for each other frame.
    assert_eq!(device.tx().stats().allocations, 3 + 7);
    let (driver, _) = device.into_parts();
    assert!(!driver.can_send());
    assert_eq!(card.to_send.len(), 8);
    drop(card);
    cache.flush();
    assert_eq!(in_use(&tx), 0);
}

#[cfg(feature = "ring")]
#[test]
fn two_rings_are_a_driver() {
    use framepool::ring;
    let (rx, tx) = (pool(4), pool(8));
    let (mut card_rx, stack_rx) = ring::allocate(2).unwrap();
    let (stack_tx, mut card_tx) = ring::allocate(2).unwrap();
    let rings = (stack_rx, stack_tx);
    let mut device = Device::new(rings, &tx, capabilities(Medium::Ethernet)).unwrap();
    assert!(card_rx.push(rx.alloc_from(b"frame").unwrap()).is_ok());
    let (token, reply) = device.receive(Instant::ZERO).unwrap();
    token.consume(|bytes| reply.consume(bytes.len(), |to| to.copy_from_slice(bytes)));
    assert!(device.receive(Instant::ZERO).is_none());
    device.transmit(Instant::ZERO).unwrap().consume(60, fill(1));
    assert!(device.transmit(Instant::ZERO).is_none());
    assert_eq!(card_tx.pop().unwrap().bytes(), b"frame");
    assert!(device.transmit(Instant::ZERO).is_some());
    let frame = tx.alloc().unwrap();
    let (mut rings, _) = device.into_parts();
    assert!(rings.send(frame).is_ok());
    let refused = rings.send(tx.alloc_from(b"third").unwrap()).unwrap_err();
    assert_eq!(refused.bytes(), b"third");
}
