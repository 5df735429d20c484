//! The AF_XDP socket of one queue, with the UMEM and the four rings.

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use framepool::Pool;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{
    set_xdp_rx_ring_size, set_xdp_tx_ring_size, set_xdp_umem_completion_ring_size,
    set_xdp_umem_fill_ring_size, set_xdp_umem_reg, xdp_mmap_offsets, xdp_statistics,
};
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpRingOffset,
    XdpStatistics, XdpUmemReg, XdpUmemRegFlags,
};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with};

use crate::error::Failure;
use crate::rings::{Consumer, Producer};

/// Binding right after another socket of the queue was closed is refused for some milliseconds.
const BIND_TRIES: u32 = 50;
const BIND_PAUSE: Duration = Duration::from_millis(2);

/// Where each ring of a socket is in its file: the page, and the offsets in the mapping.
pub struct Rings {
    pub fill: (u64, XdpRingOffset),
    pub transmit: (u64, XdpRingOffset),
    pub received: (u64, XdpRingOffset),
    pub completed: (u64, XdpRingOffset),
}

/// A bound socket. Fields are dropped in this order: the rings first, since their mappings keep the socket alive;
/// then the socket, which ends the kernel's use of the UMEM; the pool outlives both.
pub struct Socket<'p> {
    pub fill: Producer<u64>,
    pub transmit: Producer<XdpDesc>,
    pub received: Consumer<XdpDesc>,
    pub completed: Consumer<u64>,
    fd: OwnedFd,
    _umem: PhantomData<&'p Pool<'p>>,
}

impl<'p> Socket<'p> {
    /// Opens a socket in copy mode with need_wakeup. The blocks of `pool` are the chunks of its UMEM. Each ring has
    /// `slots` slots, a power of two.
    pub fn open(pool: &'p Pool<'_>, ifindex: u32, queue: u32, slots: u32) -> Result<Self, Failure> {
        let opened = socket_with(
            AddressFamily::XDP,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        );
        let fd = opened.map_err(|e| match e {
            Errno::AFNOSUPPORT => Failure::cannot_run("this kernel has no AF_XDP", e),
            _ => Failure::cannot_run("no AF_XDP socket", e),
        })?;
        let failed = |what: &'static str| move |e: Errno| Failure::failed(what, e);
        set_xdp_umem_reg(&fd, registration(pool)?).map_err(failed("the UMEM (XDP_UMEM_REG)"))?;
        set_xdp_umem_fill_ring_size(&fd, slots).map_err(failed("the fill ring"))?;
        set_xdp_umem_completion_ring_size(&fd, slots).map_err(failed("the completion ring"))?;
        set_xdp_rx_ring_size(&fd, slots).map_err(failed("the RX ring"))?;
        set_xdp_tx_ring_size(&fd, slots).map_err(failed("the TX ring"))?;
        let at = xdp_mmap_offsets(&fd).map_err(failed("XDP_MMAP_OFFSETS"))?;
        let rings = Rings {
            fill: (XDP_UMEM_PGOFF_FILL_RING, at.fr),
            transmit: (XDP_PGOFF_TX_RING, at.tx),
            received: (XDP_PGOFF_RX_RING, at.rx),
            completed: (XDP_UMEM_PGOFF_COMPLETION_RING, at.cr),
        };
        let bound = Self::over(fd, rings, slots).map_err(failed("the mapping of a ring"))?;
        bound.bind(ifindex, queue).map_err(failed("bind"))?;
        Ok(bound)
    }

    /// Maps the rings of a file: a socket with a UMEM.
    pub fn over(fd: OwnedFd, rings: Rings, slots: u32) -> Result<Self, Errno> {
        let Rings {
            fill,
            transmit,
            received,
            completed,
        } = rings;
        Ok(Self {
            fill: Producer::map(&fd, fill.0, fill.1, slots)?,
            transmit: Producer::map(&fd, transmit.0, transmit.1, slots)?,
            received: Consumer::map(&fd, received.0, received.1, slots)?,
            completed: Consumer::map(&fd, completed.0, completed.1, slots)?,
            fd,
            _umem: PhantomData,
        })
    }

    fn bind(&self, ifindex: u32, queue: u32) -> Result<(), Errno> {
        let flags = SocketAddrXdpFlags::XDP_COPY | SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
        let address = SocketAddrXdp::new(flags, ifindex, queue);
        for _ in 1..BIND_TRIES {
            match bind(&self.fd, &address) {
                Err(Errno::BUSY) => thread::sleep(BIND_PAUSE),
                done => return done,
            }
        }
        bind(&self.fd, &address)
    }

    /// Makes the kernel send what is in the TX ring. It sends a part of it at a time: call again while frames are
    /// under way.
    pub fn kick(&self) -> Result<(), Failure> {
        match send(&self.fd, &[], SendFlags::DONTWAIT) {
            // Not all of it, for now: too much at once, no room for completions, or the device was busy.
            Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(e) => Err(Failure::failed("sending", e)),
        }
    }

    /// Sleeps until a frame has come, at most for `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<(), Failure> {
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(Failure::failed("poll", e)),
        }
    }

    /// What the kernel counted for this socket.
    pub fn statistics(&self) -> Result<XdpStatistics, Failure> {
        xdp_statistics(&self.fd).map_err(|e| Failure::failed("XDP_STATISTICS", e))
    }
}

impl AsFd for Socket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The pool's blocks as chunks: offsets in the pool are addresses in the UMEM. The check says what is wrong with a pool
/// that the kernel would refuse.
fn registration(pool: &Pool<'_>) -> Result<XdpUmemReg, Failure> {
    let umem = pool.umem().map_err(|e| Failure::failed("the UMEM", e))?;
    Ok(XdpUmemReg {
        addr: pool.blocks_ptr().as_ptr().expose_provenance() as u64,
        len: umem.len() as u64,
        chunk_size: umem.chunk_size() as u32,
        headroom: umem.headroom() as u32,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    })
}
