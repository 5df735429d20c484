//! Two network namespaces and a veth pair between them.
//!
//! The namespaces have no name: they, and the devices in them, vanish with the process, however it ends.
//!
//! ```text
//!   driver: fp0, 192.0.2.1, 02:00:00:00:00:01 ──── fp1, 192.0.2.2, 02:00:00:00:00:02 :peer
//!           (no address in the kernel: the program answers)
//! ```

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice::name_to_index, socket_with};

use crate::error::Failure;
use crate::namespace::{Namespace, disable_ipv6, ip};

/// The driver's address. No kernel owns it.
pub const DRIVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The peer's address.
pub const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

const DRIVER_DEVICE: &str = "fp0";
const PEER_DEVICE: &str = "fp1";
const DRIVER_HARDWARE: &str = "02:00:00:00:00:01";
const PEER_HARDWARE: &str = "02:00:00:00:00:02";

/// Both ends of the veth pair.
pub struct Network {
    pub driver: Namespace,
    pub peer: Namespace,
}

impl Network {
    /// Makes the namespaces and the devices, and sets both up.
    pub fn new() -> Result<Self, Failure> {
        let (driver, peer) = (Namespace::new()?, Namespace::new()?);
        driver.run(|| {
            disable_ipv6();
            let pair = format!(
                "link add {DRIVER_DEVICE} address {DRIVER_HARDWARE} numrxqueues 1 numtxqueues 1 type veth \
                 peer name {PEER_DEVICE} address {PEER_HARDWARE} numrxqueues 1 numtxqueues 1 netns {}",
                peer.path()
            );
            ip(&pair).map_err(|e| Failure::cannot_run("no veth pair", e))?;
            ip(&format!("link set {DRIVER_DEVICE} up")).map_err(|e| Failure::failed("fp0", e))
        })?;
        peer.run(|| {
            disable_ipv6();
            let set_up = || {
                // Otherwise the kernel leaves UDP checksums to the device, and veth fills in none.
                checksums_in_software(PEER_DEVICE)?;
                ip(&format!("address add {PEER}/24 dev {PEER_DEVICE}"))?;
                ip("link set lo up")?;
                ip(&format!("link set {PEER_DEVICE} up"))?;
                // The program does not answer ARP.
                ip(&format!(
                    "neighbour replace {DRIVER} lladdr {DRIVER_HARDWARE} dev {PEER_DEVICE} nud permanent"
                ))
            };
            set_up().map_err(|e| Failure::failed("the peer's end", e))
        })?;
        Ok(Self { driver, peer })
    }
}

/// The index of the driver's device; in its namespace.
pub fn driver_ifindex() -> Result<u32, Failure> {
    any_socket()
        .and_then(|any| name_to_index(any, DRIVER_DEVICE))
        .map_err(|e| Failure::failed(DRIVER_DEVICE, e))
}

/// A socket to ask for devices of the thread's namespace.
fn any_socket() -> rustix::io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::INET, SocketType::DGRAM);
    socket_with(family, kind, SocketFlags::CLOEXEC, None)
}

#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const SET_TX_CHECKSUM: u32 = 0x17;

/// What `ethtool -K DEVICE tx off` does.
fn checksums_in_software(device: &str) -> io::Result<()> {
    let any = any_socket()?;
    let mut off = EthtoolValue {
        command: SET_TX_CHECKSUM,
        data: 0,
    };
    // SAFETY: all zeros is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut off).cast();
    // SAFETY: the request names a device and points at a value, both alive; the command reads and writes no more.
    match unsafe { libc::ioctl(any.as_raw_fd(), SIOCETHTOOL, &raw mut request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
