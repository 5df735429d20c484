//! The XDP program: it redirects every packet of a queue to the socket bound to that queue.
//!
//! Five instructions, written by hand and loaded by bpf(2), so that no compiler for BPF and no ELF loader is
//! needed. Packets of a queue without a socket go on to the kernel's stack.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use crate::error::Failure;

/// Entries of the map from a queue to its socket.
const QUEUES: u32 = 64;

const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;

const MAP_TYPE_XSKMAP: u32 = 17;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
/// Run by the driver of the device, or on the generic path of the kernel.
const MODES: [(u32, &str); 2] = [(4, "native"), (2, "generic")];

/// The program at work on a device. Dropping it detaches the program.
pub struct Redirect {
    map: OwnedFd,
    _program: OwnedFd,
    _link: OwnedFd,
    /// How the program runs: native or generic.
    pub mode: &'static str,
}

impl Redirect {
    /// Loads the program and attaches it to a device.
    pub fn attach(ifindex: u32) -> Result<Self, Failure> {
        let map = new_map().map_err(|e| Failure::cannot_run("no XSKMAP (bpf)", e))?;
        let program = load(&map).map_err(|e| Failure::cannot_run("no XDP program (bpf)", e))?;
        let mut last = None;
        for (flags, mode) in MODES {
            match link(&program, ifindex, flags) {
                Ok(link) => {
                    return Ok(Self {
                        map,
                        _program: program,
                        _link: link,
                        mode,
                    });
                }
                Err(e) => last = Some(e),
            }
        }
        let why = last.map_or_else(String::new, |e| e.to_string());
        Err(Failure::cannot_run("no XDP on the veth device", why))
    }

    /// Sends the packets of a queue to a socket that is bound to it.
    pub fn to(&self, queue: u32, socket: impl AsFd) -> Result<(), Failure> {
        let socket = socket.as_fd().as_raw_fd();
        let mut update = Update {
            map: self.map.as_raw_fd(),
            _pad: 0,
            key: (&raw const queue).expose_provenance() as u64,
            value: (&raw const socket).expose_provenance() as u64,
            flags: 0,
        };
        // SAFETY: the attributes are those of the command; key and value are alive and have the map's sizes.
        unsafe { bpf(MAP_UPDATE, &mut update) }
            .map(drop)
            .map_err(|e| Failure::failed("the socket does not fit the XSKMAP", e))
    }
}

/// One instruction: operation, registers (source in the upper half), offset, immediate.
#[repr(C)]
struct Instruction(u8, u8, i16, i32);

/// The program for a map.
fn program(map: &OwnedFd) -> [Instruction; 6] {
    [
        // r2 = context.rx_queue_index
        Instruction(0x61, 0x12, 16, 0),
        // r1 = the map: a load of 64 bits, which takes two places
        Instruction(0x18, 0x11, 0, map.as_raw_fd()),
        Instruction(0, 0, 0, 0),
        // r3 = XDP_PASS, the result if the queue has no socket
        Instruction(0xB7, 0x03, 0, 2),
        // r0 = bpf_redirect_map(r1, r2, r3)
        Instruction(0x85, 0, 0, 51),
        Instruction(0x95, 0, 0, 0),
    ]
}

#[repr(C)]
struct NewMap {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
}

fn new_map() -> io::Result<OwnedFd> {
    let mut attributes = NewMap {
        kind: MAP_TYPE_XSKMAP,
        key_size: 4,
        value_size: 4,
        entries: QUEUES,
        flags: 0,
    };
    // SAFETY: the attributes are those of the command, and hold no address.
    unsafe { new_fd(MAP_CREATE, &mut attributes) }
}

#[repr(C)]
struct Load {
    kind: u32,
    instructions_len: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}

fn load(map: &OwnedFd) -> io::Result<OwnedFd> {
    let instructions = program(map);
    let license = c"MIT";
    let mut attributes = Load {
        kind: PROG_TYPE_XDP,
        instructions_len: instructions.len() as u32,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"framepool_xsk\0\0\0",
        ifindex: 0,
        attach_type: ATTACH_XDP,
    };
    // SAFETY: the attributes are those of the command; instructions and licence are alive.
    unsafe { new_fd(PROG_LOAD, &mut attributes) }
}

#[repr(C)]
struct Link {
    program: i32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

fn link(program: &OwnedFd, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attributes = Link {
        program: program.as_raw_fd(),
        ifindex,
        attach_type: ATTACH_XDP,
        flags,
    };
    // SAFETY: the attributes are those of the command, and hold no address.
    unsafe { new_fd(LINK_CREATE, &mut attributes) }
}

#[repr(C)]
struct Update {
    map: i32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// # Safety
/// As for [`bpf`]. The command returns a new file descriptor.
unsafe fn new_fd<A>(command: libc::c_long, attributes: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: by the caller's promise.
    let fd = unsafe { bpf(command, attributes) }?;
    // SAFETY: new, and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// # Safety
/// `A` is the layout that the command expects, and the addresses in it are those of live memory.
unsafe fn bpf<A>(command: libc::c_long, attributes: &mut A) -> io::Result<libc::c_long> {
    // SAFETY: by the caller's promise; the kernel reads as many bytes as it is told.
    match unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<A>(),
        )
    } {
        n if n < 0 => Err(io::Error::last_os_error()),
        n => Ok(n),
    }
}

const _: () = assert!(size_of::<Instruction>() == 8);
const _: () = assert!(std::mem::offset_of!(Load, attach_type) == 68);
