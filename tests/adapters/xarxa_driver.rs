//! Packet pools under xarxa.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use framepool::adapters::xarxa_driver::Device;
use framepool::adapters::{DeviceError, Driver};
use framepool::packet::{ChecksumState, PacketBuf, PacketConfig, PacketFlags, PacketPool};
use xarxa_driver::config::{PACKET_BUF_COUNT, PACKET_BUF_SIZE};
use xarxa_driver::{
    Capabilities, ChecksumOffload, Driver as _, HardwareAddress, LinkState, Medium, NotSupported,
    PacketBuf as Buffer,
};

use crate::card::{Card, in_use, pool};

const ADDRESS: HardwareAddress = HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1]);

/// xarxa's buffers come from one pool: tests that need them take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn device<'p>(tx: &'p PacketPool<'p>, room: usize) -> Device<'p, Card<'p>, &'p PacketPool<'p>> {
    Device::new(Card::new(room), tx, Capabilities::default(), ADDRESS).unwrap()
}

/// A buffer of xarxa's with these bytes.
fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::try_new().unwrap();
    buffer.set_len(bytes.len());
    buffer.copy_from_slice(bytes);
    buffer
}

#[test]
fn frames_cross_between_two_devices_and_every_block_comes_back() {
    let _alone = alone();
    let (rx, tx) = (pool(8), pool(8));
    let (mut from, mut to) = (device(&tx, 8), device(&tx, 8));
    for n in 0..1000_usize {
        let bytes: Vec<u8> = (0..n + 14).map(|i| (i * n) as u8).collect();
        assert!(from.can_transmit());
        from.transmit(buffer(&bytes)).unwrap();
        let sent = from.driver_mut().to_send.pop_front().unwrap();
        assert_eq!(sent.headroom(), tx.headroom());
        let received = rx.alloc_from(sent.bytes()).unwrap();
        to.driver_mut().received.push_back(received);
        drop(sent);
        assert_eq!(to.receive().unwrap()[..], bytes);
        assert!(to.receive().is_none());
        assert_eq!(in_use(&rx), 0);
    }
    assert_eq!((from.stats().sent, to.stats().received), (1000, 1000));
    drop((from, to));
    assert_eq!(in_use(&tx), 0);
}

#[test]
fn without_a_buffer_frames_wait_in_the_driver() {
    let _alone = alone();
    let (rx, tx) = (pool(4), pool(4));
    let mut device = device(&tx, 4);
    let all: Vec<_> = std::iter::from_fn(Buffer::try_new).collect();
    assert_eq!(all.len(), PACKET_BUF_COUNT);
    device
        .driver_mut()
        .received
        .push_back(rx.alloc_from(b"frame").unwrap());
    assert!(device.receive().is_none());
    assert_eq!(device.driver().received.len(), 1);
    drop(all);
    assert_eq!(device.receive().unwrap()[..], b"frame"[..]);
}

#[test]
fn a_frame_that_cannot_be_sent_comes_back_and_one_that_can_is_sent() {
    let _alone = alone();
    let tx = pool(3);
    let mut device = device(&tx, 2);
    for _ in 0..2 {
        assert!(device.can_transmit());
        // The block is there already.
        let others: Vec<_> = std::iter::from_fn(|| tx.alloc().ok()).collect();
        device.transmit(buffer(b"sent")).unwrap();
        drop(others);
    }
    // The driver is full.
    assert!(!device.can_transmit());
    let refused = device.transmit(buffer(b"frame")).unwrap_err();
    assert_eq!(refused[..], b"frame"[..]);
    // No block is free.
    device.driver_mut().room = 100;
    device.transmit(buffer(b"third")).unwrap();
    assert!(!device.can_transmit());
    let refused = device.transmit(refused).unwrap_err();
    assert_eq!(refused[..], b"frame"[..]);
    device.driver_mut().to_send.pop_front();
    assert!(device.can_transmit());
    device.transmit(refused).unwrap();
    let sent = device.driver().to_send.iter().map(|frame| frame.bytes());
    assert!(sent.eq([&b"sent"[..], b"third", b"frame"]));
    assert_eq!((device.stats().sent, in_use(&tx)), (4, 3));
}

/// A driver that says it takes frames, but refuses the first ones.
struct Hasty<'p> {
    refusals: usize,
    sent: Option<PacketBuf<'p>>,
}

impl<'p> Driver<'p> for Hasty<'p> {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        None
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        if self.refusals > 0 {
            self.refusals -= 1;
            return Err(frame);
        }
        self.sent = Some(frame);
        Ok(())
    }
}

#[test]
fn a_driver_that_does_not_keep_its_word_loses_nothing() {
    let _alone = alone();
    let tx = pool(1);
    let (refusals, sent) = (3, None);
    let driver = Hasty { refusals, sent };
    let mut device = Device::new(driver, &tx, Capabilities::default(), ADDRESS).unwrap();
    for _ in 0..3 {
        assert!(device.can_transmit());
        let refused = device.transmit(buffer(b"frame")).unwrap_err();
        assert_eq!(refused[..], b"frame"[..]);
        assert_eq!((device.stats().sent, in_use(&tx)), (0, 1));
    }
    device.transmit(buffer(b"fourth")).unwrap();
    assert_eq!(device.driver().sent.as_ref().unwrap().bytes(), b"fourth");
    assert_eq!(device.link_state(), LinkState::Up);
    assert_eq!(device.register_waker(Waker::noop()), Err(NotSupported));
}

#[test]
fn frames_that_do_not_fit_are_dropped_and_counted() {
    let _alone = alone();
    let (rx, tx) = (pool(4), PacketPool::allocate(PacketConfig::new(512, 4)));
    let tx = tx.unwrap();
    let room = tx.block_size() - tx.headroom();
    let mut capabilities = Capabilities::default();
    capabilities.max_transmission_unit = room;
    let mut device = Device::new(Card::new(4), &tx, capabilities, ADDRESS).unwrap();
    let longest = vec![3; PACKET_BUF_SIZE];
    for bytes in [&[2; PACKET_BUF_SIZE + 1][..], &longest] {
        let frame = rx.alloc_from(bytes).unwrap();
        device.driver_mut().received.push_back(frame);
    }
    assert_eq!(device.receive().unwrap()[..], longest);
    assert_eq!((device.stats().received, device.stats().too_long), (1, 1));
    device.transmit(buffer(&longest[..=room])).unwrap();
    assert_eq!((device.stats().sent, device.stats().too_long), (0, 2));
    device.transmit(buffer(&longest[..room])).unwrap();
    assert_eq!(device.driver().to_send[0].bytes(), &longest[..room]);
    assert_eq!((in_use(&rx), in_use(&tx)), (0, 1));
}

#[test]
fn the_card_finds_damage_and_is_asked_for_checksums() {
    let _alone = alone();
    let (rx, tx) = (pool(4), pool(16));
    let (on, off) = (ChecksumOffload::BOTH, ChecksumOffload::NONE);
    let (ip, transport) = (
        PacketFlags::SEND_IP_CHECKSUM,
        PacketFlags::SEND_TRANSPORT_CHECKSUM,
    );
    for (ipv4, tcp, udp, asked) in [
        (off, off, on, PacketFlags::empty()),
        (off, on, off, PacketFlags::empty()),
        (on, off, off, ip),
        (off, on, on, transport),
    ] {
        let mut capabilities = Capabilities::default();
        let checksum = &mut capabilities.checksum;
        (checksum.ipv4, checksum.tcp, checksum.udp) = (ipv4, tcp, udp);
        let mut device = Device::new(Card::new(4), &tx, capabilities, ADDRESS).unwrap();
        assert_eq!(device.capabilities().checksum.udp, udp);
        device.transmit(buffer(b"frame")).unwrap();
        assert_eq!(device.driver().to_send[0].meta().flags, asked);
        let mut frame = rx.alloc_from(b"frame").unwrap();
        frame.meta_mut().set_transport_checksum(ChecksumState::Bad);
        device.driver_mut().received.push_back(frame);
        assert!(device.receive().is_none());
        assert_eq!((device.stats().damaged, device.stats().received), (1, 0));
    }
}

/// A driver whose link can be unplugged.
#[derive(Default)]
struct Link {
    is_up: bool,
    waker: Option<Waker>,
}

impl<'p> Driver<'p> for Link {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        None
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        Err(frame)
    }

    fn is_link_up(&mut self) -> bool {
        self.is_up
    }

    fn register_waker(&mut self, waker: &Waker) -> bool {
        self.waker = Some(waker.clone());
        true
    }
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn the_stack_learns_of_the_link_and_is_woken() {
    let tx = pool(1);
    let mut link = Link::default();
    let mut device = Device::new(&mut link, &tx, Capabilities::default(), ADDRESS).unwrap();
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    assert_eq!(device.register_waker(&woken.clone().into()), Ok(()));
    assert_eq!(device.link_state(), LinkState::Down);
    device.driver_mut().is_up = true;
    device.driver_mut().waker.take().unwrap().wake();
    assert_eq!(device.link_state(), LinkState::Up);
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(device.hardware_address(), ADDRESS);
}

#[test]
fn a_device_that_cannot_be_made_gives_driver_and_blocks_back() {
    let tx = pool(1);
    let try_new = |mtu| {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = mtu;
        Device::new(Card::new(77), &tx, capabilities, ADDRESS)
    };
    let max = PACKET_BUF_SIZE;
    for mtu in [81, max + 1] {
        let refused = try_new(mtu).map(drop).unwrap_err();
        assert_eq!(*refused.reason(), DeviceError::Mtu { mtu, min: 82, max });
        assert_eq!(refused.into_inner().0.room, 77);
    }
    for (medium, address) in [
        (Medium::Ip, ADDRESS),
        (Medium::Ethernet, HardwareAddress::Ip),
    ] {
        let mut capabilities = Capabilities::default();
        capabilities.medium = medium;
        let refused = Device::new(Card::new(77), &tx, capabilities, address);
        let refused = refused.map(drop).unwrap_err();
        assert_eq!(*refused.reason(), DeviceError::Address);
        assert_eq!(refused.into_inner().0.room, 77);
    }
    let device = try_new(max).unwrap();
    assert_eq!(device.capabilities().max_transmission_unit, max);
    let refused = try_new(max).map(drop).unwrap_err();
    assert!(matches!(refused.reason(), DeviceError::Exhausted(_)));
    let (card, _) = device.into_parts();
    assert_eq!((card.room, in_use(&tx)), (77, 0));
}
