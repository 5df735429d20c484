//! From socket to socket of one stack. A frame that is sent is received in the same block.

use std::collections::VecDeque;
use std::time::{Duration, Instant as Moment};

use framepool::adapters::Driver;
use framepool::adapters::smoltcp::Device;
use framepool::packet::{PacketBuf, PacketConfig, PacketPool};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Loopback, Medium};
use smoltcp::socket::tcp::Socket;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::error::Failure;
use crate::options::Options;
use crate::report::Row;
use crate::stream::{Stream, add_socket};

/// More than the frames of a window.
const BLOCKS: usize = 512;
const ADDRESS: IpAddress = IpAddress::v4(127, 0, 0, 1);
const PORT: u16 = 7;

/// A card that receives what it sends.
struct Queue<'p>(VecDeque<PacketBuf<'p>>);

impl<'p> Driver<'p> for Queue<'p> {
    fn receive(&mut self) -> Option<PacketBuf<'p>> {
        self.0.pop_front()
    }

    fn send(&mut self, frame: PacketBuf<'p>) -> Result<(), PacketBuf<'p>> {
        self.0.push_back(frame);
        Ok(())
    }
}

/// smoltcp's own loopback device, with other capabilities.
struct Heap {
    device: Loopback,
    capabilities: DeviceCapabilities,
}

impl phy::Device for Heap {
    type RxToken<'a> = <Loopback as phy::Device>::RxToken<'a>;
    type TxToken<'a> = <Loopback as phy::Device>::TxToken<'a>;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.device.receive(now)
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        self.device.transmit(now)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

/// Frames of two sizes, with checksums and without.
pub fn compare(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (mtu, is_verified) in [(1514, true), (1514, false), (9014, false)] {
        let checksums = if is_verified {
            "checksums"
        } else {
            "no checksums"
        };
        let mut row = Row::new(format!("frames of up to {mtu} bytes, {checksums}"));
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = mtu;
        if !is_verified {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        let config = PacketConfig::new(mtu + 256, BLOCKS);
        let packets = PacketPool::allocate(config).map_err(|e| Failure::failed("the pool", e))?;
        packets.prefault();
        for _ in 0..options.runs {
            let bytes = options.bytes();
            row.pool
                .push(over_pool(&packets, capabilities.clone(), bytes)?);
            row.heap.push(over_heap(capabilities.clone(), bytes)?);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn over_pool(
    packets: &PacketPool<'_>,
    capabilities: DeviceCapabilities,
    bytes: usize,
) -> Result<Duration, Failure> {
    let queue = Queue(VecDeque::with_capacity(BLOCKS));
    let device = Device::new(queue, packets.cache(), capabilities);
    let mut device = device.map_err(|refused| Failure::failed("the device", refused))?;
    let time = transfer(&mut device, bytes)?;
    drop(device);
    match packets.stats().blocks.in_use {
        0 => Ok(time),
        n => Err(Failure::Failed(format!("{n} blocks did not come back"))),
    }
}

fn over_heap(capabilities: DeviceCapabilities, bytes: usize) -> Result<Duration, Failure> {
    let device = Loopback::new(Medium::Ethernet);
    let mut device = Heap {
        device,
        capabilities,
    };
    transfer(&mut device, bytes)
}

/// Sends the stream from one socket to the other, and returns the time that it took.
fn transfer(device: &mut impl phy::Device, bytes: usize) -> Result<Duration, Failure> {
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    let mut stack = Interface::new(config, device, Instant::now());
    stack.update_ip_addrs(|all| {
        // There is room for one.
        let _ = all.push(IpCidr::new(ADDRESS, 8));
    });
    let mut sockets = SocketSet::new(vec![]);
    let (from, to) = (add_socket(&mut sockets), add_socket(&mut sockets));
    let (mut sent, mut received) = (Stream::new(bytes), Stream::new(bytes));
    let listening = sockets.get_mut::<Socket<'_>>(to).listen(PORT);
    listening.map_err(|e| Failure::failed("listen", e))?;
    let socket = sockets.get_mut::<Socket<'_>>(from);
    let connecting = socket.connect(stack.context(), (ADDRESS, PORT), 49_152);
    connecting.map_err(|e| Failure::failed("connect", e))?;
    let start = Moment::now();
    while !received.is_over() {
        stack.poll(Instant::now(), device, &mut sockets);
        sent.send(sockets.get_mut(from))?;
        received.receive(sockets.get_mut(to))?;
    }
    let time = start.elapsed();
    // Frames in the queue are received.
    stack.poll(Instant::now(), device, &mut sockets);
    Ok(time)
}
