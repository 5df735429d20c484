//! Filters in the kernel: which programs it accepts, and which frames a socket with a filter gets.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use framepool::wire::*;

fn attach(socket: &impl AsRawFd, filter: &Filter) -> io::Result<()> {
    let mut program = [BpfInstruction::default(); 4096];
    let len = filter.to_bpf(&mut program).unwrap();
    let program = libc::sock_fprog {
        len: len as u16,
        filter: program.as_mut_ptr().cast(),
    };
    // SAFETY: the kernel reads `len` instructions, laid out as its own, which live until it returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program) as u32,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A socket that sees every frame of the loopback interface, as soon as it has its filter.
fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_NONBLOCK, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just opened, and no other code has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn bind_to_loopback(socket: &OwnedFd) -> io::Result<()> {
    // SAFETY: plain numbers; the name ends with a zero.
    let (mut address, index) = unsafe {
        let address: libc::sockaddr_ll = std::mem::zeroed();
        (address, libc::if_nametoindex(c"lo".as_ptr()))
    };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = index as i32;
    let len = size_of_val(&address) as u32;
    // SAFETY: reads `len` bytes of `address`.
    match unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn receive(socket: &OwnedFd) -> Option<Vec<u8>> {
    let mut frame = [0_u8; 2048];
    // SAFETY: writes at most `frame.len()` bytes to it.
    let len = unsafe {
        libc::recv(
            socket.as_raw_fd(),
            frame.as_mut_ptr().cast(),
            frame.len(),
            0,
        )
    };
    usize::try_from(len).ok().map(|len| frame[..len].to_vec())
}

const EXPRESSIONS: [&str; 12] = [
    "udp",
    "not udp",
    "ip and udp dst port 9",
    "ip6 and tcp portrange 1-1023",
    "vlan 100 or vlan",
    "multicast and not fragment",
    "group 233.252.0.1 or group ff3e::9",
    "net 10/8 or net 2001:db8::/33",
    "icmp or icmp6 or arp",
    "ether proto 0x88cc or proto 50",
    "not (src host 127.0.0.1 and dst host 127.0.0.1) or host ::1",
    "port 1 or port 2 or port 3 or port 4 or port 5 or port 6 or port 7 or port 8 or host ::2 or host ::3",
];

/// The kernel checks jumps, memory and instructions before it takes a program.
#[test]
fn the_kernel_takes_the_programs() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for expression in EXPRESSIONS {
        attach(&socket, &expression.parse().unwrap())
            .unwrap_or_else(|e| panic!("{expression}: {e}"));
    }
    let long = ["host ::1"; MAX_TERMS / 4].join(" or ");
    attach(&socket, &long.parse().unwrap()).unwrap();
    attach(&socket, &Filter::all()).unwrap();
}

#[test]
fn a_socket_gets_what_its_filter_wants() {
    let socket = match packet_socket() {
        Ok(socket) => socket,
        Err(e) => {
            println!("SKIPPED a_socket_gets_what_its_filter_wants: no packet socket: {e}");
            return;
        }
    };
    let receivers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let ports = receivers.each_ref().map(|r| r.local_addr().unwrap().port());
    let expression = format!(
        "udp dst port {} and src net 127.0.0.0/8 and not vlan",
        ports[0]
    );
    let filter: Filter = expression.parse().unwrap();
    attach(&socket, &filter).unwrap();
    bind_to_loopback(&socket).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    for round in 0..10_u8 {
        for port in ports {
            sender.send_to(&[round; 20], ("127.0.0.1", port)).unwrap();
        }
    }
    let (mut seen, mut buffer) = (Vec::new(), [0; 64]);
    // Loopback delivers before the sender returns.
    while let Some(frame) = receive(&socket) {
        let summary = summarize(&frame).unwrap();
        assert_eq!(summary.ports().map(|p| p.1), Some(ports[0]));
        assert!(filter.matches(&summary));
        seen.push(frame[summary.payload()][0]);
    }
    seen.dedup();
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
    for receiver in &receivers {
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 20);
    }
}
