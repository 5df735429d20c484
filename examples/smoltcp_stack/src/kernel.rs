//! Between a socket of smoltcp and one of the kernel, over a TAP device: to the kernel first, then back.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant as Moment};

use framepool::adapters::smoltcp::Device;
use framepool::packet::{PacketConfig, PacketPool};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium, TunTapInterface};
use smoltcp::socket::tcp::Socket;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use crate::error::Failure;
use crate::namespace::{Namespace, disable_ipv6, ip};
use crate::options::Options;
use crate::report::Row;
use crate::stream::{Stream, add_socket};
use crate::tap::Tap;

const DEVICE: &str = "fp0";
const KERNEL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const STACK: IpAddress = IpAddress::v4(192, 0, 2, 1);
const PORT: u16 = 7;
const BLOCKS: usize = 512;
/// A transfer in which nothing moves for this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Times to the kernel, and back.
type Times = [Duration; 2];

pub fn compare(options: &Options) -> Result<Vec<Row>, Failure> {
    let namespace = Namespace::new()?;
    namespace.run(|| {
        disable_ipv6();
        let mut rows = [Row::new("to the kernel"), Row::new("from the kernel")];
        let pools = || PacketPool::allocate(PacketConfig::new(2048, BLOCKS));
        let (rx, tx) = (pools(), pools());
        let rx = rx.map_err(|e| Failure::failed("the pool", e))?;
        let tx = tx.map_err(|e| Failure::failed("the pool", e))?;
        for _ in 0..options.runs {
            let pool = over_pool(&rx, &tx, options.bytes())?;
            let heap = over_heap(options.bytes())?;
            for (row, (pool, heap)) in rows.iter_mut().zip(pool.into_iter().zip(heap)) {
                row.pool.push(pool);
                row.heap.push(heap);
            }
        }
        Ok(rows.into())
    })
}

fn over_pool(rx: &PacketPool<'_>, tx: &PacketPool<'_>, bytes: usize) -> Result<Times, Failure> {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = 1514;
    let device = Device::new(Tap::new(DEVICE, rx)?, tx.cache(), capabilities);
    let mut device = device.map_err(|refused| Failure::failed("the device", refused))?;
    let fd = device.driver().as_fd().try_clone_to_owned();
    let times = transfer(&mut device, fd, bytes)?;
    drop(device);
    match rx.stats().blocks.in_use + tx.stats().blocks.in_use {
        0 => Ok(times),
        n => Err(Failure::Failed(format!("{n} blocks did not come back"))),
    }
}

/// Over smoltcp's own TAP device, which allocates a buffer for each frame.
fn over_heap(bytes: usize) -> Result<Times, Failure> {
    let device = TunTapInterface::new(DEVICE, Medium::Ethernet);
    let mut device = device.map_err(|e| Failure::cannot_run("no TAP device", e))?;
    // SAFETY: the device has the descriptor open.
    let fd = unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) }.try_clone_to_owned();
    transfer(&mut device, fd, bytes)
}

/// Sends the stream to the kernel and receives it back. `fd` is the device's, to wait for frames.
fn transfer(
    device: &mut impl phy::Device,
    fd: io::Result<OwnedFd>,
    bytes: usize,
) -> Result<Times, Failure> {
    let fd = fd.map_err(|e| Failure::failed(DEVICE, e))?;
    ip(&format!("address add {KERNEL}/24 dev {DEVICE}"))
        .and_then(|()| ip(&format!("link set {DEVICE} up")))
        .map_err(|e| Failure::cannot_run(DEVICE, e))?;
    let listener = TcpListener::bind((KERNEL, PORT)).map_err(|e| Failure::failed("listen", e))?;
    thread::scope(|scope| {
        let kernel = scope.spawn(|| serve(&listener, bytes));
        let stack = connect(device, fd.as_fd(), bytes);
        if stack.is_err() {
            // Wakes the other thread, if it still waits for a connection.
            drop(TcpStream::connect((KERNEL, PORT)));
        }
        let kernel = kernel
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let ((start, end), half) = (stack?, kernel?);
        Ok([half - start, end - half])
    })
}

/// The kernel's end: receives the stream, then sends it back. Returns the moment between.
fn serve(listener: &TcpListener, bytes: usize) -> Result<Moment, Failure> {
    let failed = |e| Failure::failed("the kernel's end", e);
    let (mut socket, _) = listener.accept().map_err(failed)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let (mut received, mut sent) = (Stream::new(bytes), Stream::new(bytes));
    let mut buffer = vec![0; 256 * 1024];
    while !received.is_over() {
        match socket.read(&mut buffer).map_err(failed)? {
            0 => return Err(Failure::Failed("the stream ends early".to_string())),
            n => received.check(&buffer[..n])?,
        }
    }
    let half = Moment::now();
    while !sent.is_over() {
        let n = socket.write(sent.next(usize::MAX)).map_err(failed)?;
        sent.skip(n);
    }
    socket.shutdown(Shutdown::Write).map_err(failed)?;
    Ok(half)
}

/// smoltcp's end: sends the stream, then receives it. Returns the moments before and after.
fn connect(
    device: &mut impl phy::Device,
    fd: BorrowedFd<'_>,
    bytes: usize,
) -> Result<(Moment, Moment), Failure> {
    let config = Config::new(EthernetAddress([2, 0, 0, 0, 0, 1]).into());
    let mut stack = Interface::new(config, device, Instant::now());
    stack.update_ip_addrs(|all| {
        // There is room for one.
        let _ = all.push(IpCidr::new(STACK, 24));
    });
    let mut sockets = SocketSet::new(vec![]);
    let handle = add_socket(&mut sockets);
    let socket = sockets.get_mut::<Socket<'_>>(handle);
    let connecting = socket.connect(stack.context(), (KERNEL, PORT), 49_152);
    connecting.map_err(|e| Failure::failed("connect", e))?;
    let (mut sent, mut received) = (Stream::new(bytes), Stream::new(bytes));
    let start = Moment::now();
    let mut moved = start;
    loop {
        let now = Instant::now();
        if stack.poll(now, device, &mut sockets) == smoltcp::iface::PollResult::SocketStateChanged {
            moved = Moment::now();
        }
        let socket = sockets.get_mut::<Socket<'_>>(handle);
        sent.send(socket)?;
        received.receive(socket)?;
        if received.is_over() {
            break;
        }
        if moved.elapsed() > PATIENCE {
            let what = format!("nothing moves; the socket is in {}", socket.state());
            return Err(Failure::Failed(what));
        }
        match stack.poll_delay(now, &sockets) {
            Some(smoltcp::time::Duration::ZERO) => {}
            delay => wait(fd, delay)?,
        }
    }
    let end = Moment::now();
    // The acknowledgement of the end.
    stack.poll(Instant::now(), device, &mut sockets);
    Ok((start, end))
}

/// Sleeps until a frame has come, or smoltcp has something to do.
fn wait(fd: BorrowedFd<'_>, delay: Option<smoltcp::time::Duration>) -> Result<(), Failure> {
    let micros = delay.map_or(u64::MAX, |delay| delay.total_micros());
    let timeout = Duration::from_micros(micros).min(Duration::from_millis(100));
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(Failure::failed("poll", e)),
    }
}
