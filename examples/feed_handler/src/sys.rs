//! System calls. All unsafe code of the example is here.

use std::io;
use std::mem;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use framepool::packet::Blank;

/// Datagrams per system call.
pub const BATCH: usize = 32;
/// Bytes of the scratch buffer for packets without a block: more than a header.
const SCRATCH: usize = 2048;

pub const RECEIVER_CORE: usize = 0;
pub const WORKER_CORE: usize = 1;

/// A flag that one thread sets and others read.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    pub fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Room for the control data of a datagram: the timestamp takes 32 bytes on 64-bit systems.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; 64]);

/// The arguments of `recvmmsg`, used for every call.
pub struct Batch {
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    controls: Box<[Control; BATCH]>,
    scratch: Box<[u8; SCRATCH]>,
    scratch_len: usize,
}

impl Batch {
    pub fn new() -> Self {
        // SAFETY: all zeros is a valid value of both: null pointers and lengths of zero.
        let (vectors, headers) = unsafe { (mem::zeroed(), mem::zeroed()) };
        Self {
            vectors: Box::new(vectors),
            headers: Box::new(headers),
            controls: Box::new([Control([0; 64]); BATCH]),
            scratch: Box::new([0; SCRATCH]),
            scratch_len: 0,
        }
    }

    /// Waits for datagrams, at most for the socket's time-out. The kernel writes one into each of the
    /// first blocks, after its headroom, or, without blocks, one into the scratch buffer. Returns the number of datagrams.
    pub fn receive(&mut self, socket: &UdpSocket, blocks: &mut [Blank<'_>]) -> io::Result<usize> {
        let mut places = 0;
        for block in blocks.iter_mut().take(BATCH) {
            let headroom = block.pool().headroom();
            let room = block.bytes_mut().get_mut(headroom..).unwrap_or_default();
            self.place(places, room.as_mut_ptr(), room.len());
            places += 1;
        }
        if places == 0 {
            let (start, len) = (self.scratch.as_mut_ptr(), self.scratch.len());
            self.place(0, start, len);
            places = 1;
        }
        // SAFETY: the first `places` headers point at one vector and one control buffer each. These buffers, and the
        // memory at which the vectors point, are exclusively borrowed until the call returns.
        let n = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                places as libc::c_uint,
                libc::MSG_WAITFORONE as _,
                std::ptr::null_mut(),
            )
        };
        let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        self.scratch_len = self.len(0).min(SCRATCH);
        Ok(n)
    }

    fn place(&mut self, i: usize, start: *mut u8, len: usize) {
        self.vectors[i] = libc::iovec {
            iov_base: start.cast(),
            iov_len: len,
        };
        let header = &mut self.headers[i].msg_hdr;
        header.msg_iov = &mut self.vectors[i];
        header.msg_iovlen = 1;
        let control = &mut self.controls[i].0;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len() as _;
        header.msg_flags = 0;
    }

    /// Bytes that the last call wrote for datagram `i`.
    pub fn len(&self, i: usize) -> usize {
        self.headers[i].msg_len as usize
    }

    /// Whether datagram `i` was longer than its block.
    pub fn truncated(&self, i: usize) -> bool {
        self.headers[i].msg_hdr.msg_flags & libc::MSG_TRUNC != 0
    }

    /// When the kernel received datagram `i` of the last call, in ns of CLOCK_REALTIME, if it says so.
    pub fn stamp(&self, i: usize) -> Option<u64> {
        let header = &self.headers[i].msg_hdr;
        // SAFETY: the header points at control data of the length that it states: after the call the kernel's, or what
        // was in the buffer before. Both are initialised, and all steps are compared with that length. A message of
        // this type contains a `timespec`.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while let Some(head) = message.as_ref() {
                if (head.cmsg_level, head.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                    let time: libc::timespec = libc::CMSG_DATA(message)
                        .cast::<libc::timespec>()
                        .read_unaligned();
                    return nanoseconds(&time);
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        None
    }

    /// The datagram for which there was no block.
    pub fn scratch(&self) -> &[u8] {
        &self.scratch[..self.scratch_len]
    }
}

/// Sends every packet to the socket's peer, in as few calls as the kernel allows.
pub fn send(socket: &UdpSocket, packets: &[Vec<u8>]) -> io::Result<()> {
    let mut vectors: Vec<libc::iovec> = packets
        .iter()
        .map(|packet| libc::iovec {
            iov_base: packet.as_ptr().cast_mut().cast(),
            iov_len: packet.len(),
        })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = vectors
        .iter_mut()
        .map(|vector| {
            // SAFETY: all zeros is a valid header.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect();
    let mut sent = 0;
    while sent < headers.len() {
        let rest = &mut headers[sent..];
        // SAFETY: every header points at one vector, and that at a packet; all outlive the call,
        // which only reads the packets.
        let n =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as _, 0) };
        match usize::try_from(n) {
            Ok(n) => sent += n,
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted || is_timeout(&e) => {}
                // The receiver has closed its socket, so nothing more can be sent.
                e if e.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
                e => return Err(e),
            },
        }
    }
    Ok(())
}

/// Asks for a large receive buffer, as far as the system allows.
pub fn enlarge_buffer(socket: &UdpSocket, bytes: usize) {
    let bytes = bytes as libc::c_int;
    for option in [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF] {
        // SAFETY: the option takes an int, and the pointer is to an int.
        let done = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                option,
                std::ptr::from_ref(&bytes).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if done == 0 {
            return;
        }
    }
}

/// Asks the kernel to stamp received datagrams.
pub fn ask_for_stamps(socket: &UdpSocket) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: the option takes an int, and the pointer is to an int.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            std::ptr::from_ref(&yes).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads CLOCK_REALTIME in ns: the clock of the kernel's timestamps.
pub fn real_ns() -> u64 {
    // SAFETY: all zeros is a valid value, and the call writes one.
    let time = unsafe {
        let mut time: libc::timespec = mem::zeroed();
        libc::clock_gettime(libc::CLOCK_REALTIME, &mut time);
        time
    };
    // No time before 1970 comes from a running system.
    nanoseconds(&time).unwrap_or_default()
}

/// A time since 1970 in ns.
#[allow(
    clippy::useless_conversion,
    reason = "the fields are shorter on some systems"
)]
fn nanoseconds(time: &libc::timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest = u64::try_from(time.tv_nsec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

pub fn is_timeout(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// Page faults of this thread so far, minor and major.
pub fn thread_faults() -> u64 {
    // SAFETY: all zeros is a valid value, and the call writes one.
    let usage = unsafe {
        let mut usage: libc::rusage = mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    (usage.ru_minflt + usage.ru_majflt) as u64
}

/// Binds this thread to a core, if the core exists.
pub fn pin(core: usize) {
    if std::thread::available_parallelism().is_ok_and(|n| core >= n.get()) {
        return;
    }
    // SAFETY: all zeros is the empty set, and `core` is below the number of cores.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, mem::size_of_val(&set), &set);
    }
}

/// Waits without sleeping, because waking up takes longer than a packet may. After a while other threads
/// may use the core.
pub fn back_off(idle: u32) {
    match idle {
        0..=1_000 => std::hint::spin_loop(),
        _ => std::thread::yield_now(),
    }
}
