//! TCP between two stacks, over two devices.

use std::time::{Duration, Instant as Moment};

use framepool::adapters::DeviceStats;
use framepool::adapters::smoltcp::Device;
use framepool::packet::{PacketCache, PacketSource};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

use super::*;

const BYTES: usize = if cfg!(debug_assertions) {
    2 << 20
} else {
    64 << 20
};
/// Blocks in each pool. A window of 64 KiB is 45 frames.
const BLOCKS: usize = 128;
const PORT: u16 = 7;

/// The byte of the stream at a position.
fn byte(at: usize) -> u8 {
    ((at as u32).wrapping_mul(0x9E37_79B1) >> 24) as u8
}

fn address(last: u8) -> IpAddress {
    IpAddress::v4(192, 0, 2, last)
}

/// One end: a stack with one socket over a device.
struct End<'p, D, S> {
    device: Device<'p, D, S>,
    stack: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    /// Bytes of the stream that were sent or received.
    position: usize,
}

impl<'p, D: Driver<'p>, S: PacketSource<'p>> End<'p, D, S> {
    fn new(last: u8, medium: Medium, driver: D, tx: S) -> Self {
        let mut device = Device::new(driver, tx, capabilities(medium)).unwrap();
        let hardware = match medium {
            Medium::Ethernet => EthernetAddress([2, 0, 0, 0, 0, last]).into(),
            _ => HardwareAddress::Ip,
        };
        let mut config = Config::new(hardware);
        config.random_seed = last.into();
        let mut stack = Interface::new(config, &mut device, Instant::ZERO);
        stack.update_ip_addrs(|all| all.push(IpCidr::new(address(last), 24)).unwrap());
        let buffer = || tcp::SocketBuffer::new(vec![0; 65_535]);
        let mut sockets = SocketSet::new(vec![]);
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Self {
            device,
            stack,
            sockets,
            socket,
            position: 0,
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    fn connect(&mut self, to: u8) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        let to = (address(to), PORT);
        socket.connect(self.stack.context(), to, 49_152).unwrap();
    }

    fn poll(&mut self, now: Instant) {
        self.stack.poll(now, &mut self.device, &mut self.sockets);
    }

    /// Puts what fits of the stream into the socket, and closes it at the end.
    fn write(&mut self) {
        let from = self.position;
        let socket = self.socket();
        if !socket.may_send() {
            return;
        }
        let n = socket.send(|room| {
            let n = room.len().min(BYTES - from);
            let bytes = room.iter_mut().take(n).enumerate();
            bytes.for_each(|(i, b)| *b = byte(from + i));
            (n, n)
        });
        self.position += n.unwrap();
        if self.position == BYTES {
            self.socket().close();
        }
    }

    /// Takes what is there of the stream, and compares it.
    fn read(&mut self) {
        let from = self.position;
        let socket = self.socket();
        if !socket.can_recv() {
            return;
        }
        let n = socket.recv(|bytes| {
            for (i, b) in bytes.iter().enumerate() {
                assert_eq!(*b, byte(from + i), "byte {}", from + i);
            }
            (bytes.len(), bytes.len())
        });
        self.position += n.unwrap();
    }
}

/// Sends the stream from one end to the other. `carry` moves frames between them. Time passes only when nothing
/// moves, so that a lost frame is sent again soon.
fn transfer<'p, D, S, E, T>(
    from: &mut End<'p, D, S>,
    to: &mut End<'p, E, T>,
    mut carry: impl FnMut(&mut End<'p, D, S>, &mut End<'p, E, T>),
) where
    D: Driver<'p>,
    S: PacketSource<'p>,
    E: Driver<'p>,
    T: PacketSource<'p>,
{
    let mut now = Instant::ZERO;
    let deadline = Moment::now() + Duration::from_secs(120);
    to.socket().listen(PORT).unwrap();
    from.connect(2);
    while to.position < BYTES || from.socket().is_active() {
        let before = (from.position, to.position);
        from.write();
        from.poll(now);
        carry(from, to);
        to.poll(now);
        to.read();
        to.poll(now);
        carry(from, to);
        if to.position == BYTES {
            to.socket().close();
        }
        if before == (from.position, to.position) {
            now += smoltcp::time::Duration::from_millis(20);
        }
        assert!(Moment::now() < deadline, "{} of {BYTES} bytes", to.position);
    }
    assert_eq!((from.position, to.position), (BYTES, BYTES));
}

/// What a cable does: copies frames from the blocks of one card to those of the other, which loses what it has no
/// blocks for.
fn cable<'p>(from: &mut Card<'p>, to: &mut Card<'p>, rx: &'p PacketPool<'p>) {
    for frame in from.to_send.drain(..) {
        to.received.extend(rx.alloc_from(frame.bytes()));
    }
}

/// A transfer between two cards at a cable, with pools of `rx` and `tx` blocks at each end. The counts of the sender
/// and of the receiver.
fn over_a_cable(medium: Medium, rx: usize, tx: usize) -> [DeviceStats; 2] {
    let (rx, tx) = ([pool(rx), pool(rx)], [pool(tx), pool(tx)]);
    let stats = {
        let caches = tx
            .each_ref()
            .map(|tx| PacketCache::<'_, 16>::holding(tx, 4));
        let [one, two] = caches;
        let mut from = End::new(1, medium, Card::new(64), one);
        let mut to = End::new(2, medium, Card::new(64), two);
        transfer(&mut from, &mut to, |from, to| {
            let (from, to) = (from.device.driver_mut(), to.device.driver_mut());
            cable(from, to, &rx[1]);
            cable(to, from, &rx[0]);
        });
        [from.device.stats(), to.device.stats()]
    };
    for pool in rx.iter().chain(&tx) {
        let stats = pool.stats().blocks;
        assert_eq!((stats.in_use, stats.free), (0, stats.capacity), "{stats}");
    }
    stats
}

#[test]
fn a_stream_crosses_ethernet_and_every_block_comes_back() {
    let [from, to] = over_a_cable(Medium::Ethernet, BLOCKS, BLOCKS);
    assert!(from.sent as usize > BYTES / 1460 && to.received == from.sent);
    assert_eq!((from.starved, from.too_long, from.damaged), (0, 0, 0));
}

#[test]
fn a_stream_crosses_a_medium_without_ethernet() {
    let [from, to] = over_a_cable(Medium::Ip, BLOCKS, BLOCKS);
    assert!(from.sent as usize > BYTES / 1460 && to.received == from.sent);
}

/// Frames are lost for want of blocks to receive into, and sockets wait for blocks to send from: neither stops the
/// stream.
#[test]
fn a_stream_crosses_between_pools_that_are_exhausted_again_and_again() {
    let [from, to] = over_a_cable(Medium::Ethernet, 5, 8);
    assert!(from.sent > to.received, "{from:?} {to:?}");
}

#[cfg(feature = "ring")]
#[test]
fn a_stream_crosses_two_rings_in_the_blocks_that_it_was_written_to() {
    use framepool::ring;
    let tx = [pool(BLOCKS), pool(BLOCKS)];
    {
        let (there, there_out) = ring::allocate(BLOCKS).unwrap();
        let (back, back_out) = ring::allocate(BLOCKS).unwrap();
        let mut from = End::new(1, Medium::Ethernet, (back_out, there), &tx[0]);
        let mut to = End::new(2, Medium::Ethernet, (there_out, back), &tx[1]);
        transfer(&mut from, &mut to, |_, _| {});
        assert_eq!(from.device.stats().sent, to.device.stats().received);
    }
    assert_eq!(tx.each_ref().map(in_use), [0, 0]);
}
