//! The frames of the peer, and what an answer must look like.

use std::net::Ipv4Addr;
use std::ops::Range;

use framepool::wire::{
    ArpHeader, EthernetHeader, Icmpv4, Icmpv4Header, Ipv4, Ipv4Header, Network, Summary, Transport,
    Udp, UdpHeader, summarize,
};

pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub const OUR_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const ITS_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub const ITS_IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The firmware's services.
pub const ECHO: u16 = 7;
pub const STATISTICS: u16 = 7001;
pub const PAUSE: u16 = 7002;
/// The port that the peer sends from.
pub const OUR_PORT: u16 = 40_000;

/// The longest payloads in an Ethernet frame of 1514 bytes.
pub const LONGEST: usize = 1472;

const ETHERNET: usize = EthernetHeader::LEN;
const IP: usize = ETHERNET + Ipv4Header::LEN;
const PAYLOAD: usize = IP + 8;

/// An ARP request for `target`, padded as Ethernet requires it.
pub fn arp_request(target: Ipv4Addr) -> Vec<u8> {
    let mut frame = vec![0; 60];
    put_ethernet(&mut frame, [0xFF; 6], 0x0806);
    let request = ArpHeader {
        operation: ArpHeader::REQUEST,
        sender_hardware: OUR_MAC,
        sender: OUR_IP,
        target_hardware: [0; 6],
        target,
    };
    request.emit(&mut frame[ETHERNET..]).expect("60 bytes");
    frame
}

/// An ICMP echo request.
pub fn ping(sequence: u16, data: &[u8]) -> Vec<u8> {
    let mut frame = ipv4(1, data);
    let [a, b] = sequence.to_be_bytes();
    let header = Icmpv4Header {
        kind: 8,
        rest: [0x12, 0x34, a, b],
        ..Icmpv4Header::default()
    };
    header.emit(&mut frame[IP..]).expect("room for 8 bytes");
    Icmpv4::new_checked(&mut frame[IP..])
        .expect("a whole message")
        .fill_checksum();
    frame
}

/// A UDP datagram.
pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = ipv4(17, payload);
    let header = UdpHeader {
        src_port: from,
        dst_port: to,
        len: (payload.len() + 8) as u16,
        checksum: 0,
    };
    header.emit(&mut frame[IP..]).expect("room for 8 bytes");
    Udp::new_checked(&mut frame[IP..])
        .expect("a whole datagram")
        .fill_checksum_v4(OUR_IP, ITS_IP);
    frame
}

/// A frame with `payload` after eight bytes of a transport header, which are zero.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; PAYLOAD + payload.len()];
    frame[PAYLOAD..].copy_from_slice(payload);
    put_ethernet(&mut frame, ITS_MAC, 0x0800);
    let header = Ipv4Header {
        total_len: (frame.len() - ETHERNET) as u16,
        ttl: 3,
        protocol,
        src: OUR_IP,
        dst: ITS_IP,
        ..Ipv4Header::default()
    };
    header.emit(&mut frame[ETHERNET..]).expect("a whole header");
    refill_ip_checksum(&mut frame);
    frame
}

fn put_ethernet(frame: &mut [u8], dst: [u8; 6], ether_type: u16) {
    let header = EthernetHeader {
        dst,
        src: OUR_MAC,
        ether_type,
    };
    header.emit(frame).expect("a whole header");
}

/// A UDP datagram after whose end the IP datagram goes on, as RFC 768 permits.
pub fn udp_with_more(to: u16, payload: &[u8], more: &[u8]) -> Vec<u8> {
    let mut frame = udp(OUR_PORT, to, &[payload, more].concat());
    let mut datagram = Udp::new_checked(&mut frame[IP..]).expect("a whole datagram");
    datagram.set_len((payload.len() + 8) as u16);
    datagram.fill_checksum_v4(OUR_IP, ITS_IP);
    frame
}

/// Makes the header's checksum right again after a change.
pub fn refill_ip_checksum(frame: &mut [u8]) {
    Ipv4::new_checked(&mut frame[ETHERNET..])
        .expect("a whole datagram")
        .fill_checksum();
}

/// Frames that the firmware must leave unanswered because something in them is wrong.
pub fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let echo = udp(OUR_PORT, ECHO, b"malformed");
    let changed = |at: usize, to: u8| {
        let mut frame = echo.clone();
        frame[at] ^= to;
        frame
    };
    let mut long = changed(ETHERNET + 2, 0x40);
    refill_ip_checksum_only(&mut long);
    vec![
        ("a frame that ends in the IP header", echo[..30].to_vec()),
        (
            "a frame that ends in the payload",
            echo[..echo.len() - 3].to_vec(),
        ),
        ("a wrong IP checksum", changed(ETHERNET + 10, 1)),
        ("a wrong UDP checksum", changed(IP + 6, 1)),
        ("a changed payload", changed(PAYLOAD, 1)),
        ("an IP length beyond the frame", long),
        ("a wrong ICMP checksum", {
            let mut frame = ping(1, b"malformed");
            frame[IP + 2] ^= 1;
            frame
        }),
        (
            "an ARP packet that is cut off",
            arp_request(ITS_IP)[..30].to_vec(),
        ),
    ]
}

/// The header's checksum, of a datagram whose length is wrong on purpose.
fn refill_ip_checksum_only(frame: &mut [u8]) {
    let header = &mut frame[ETHERNET..IP];
    header[10..12].fill(0);
    let sum = framepool::wire::checksum::checksum(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Frames that the firmware must leave unanswered because they are not for it.
pub fn not_for_it() -> Vec<(&'static str, Vec<u8>)> {
    let echo = udp(OUR_PORT, ECHO, b"ignored");
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = echo.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        // UDP over IPv4 may come without a checksum.
        frame[IP + 6..IP + 8].fill(0);
        refill_ip_checksum(&mut frame);
        frame
    };
    let mut unknown = echo.clone();
    unknown[12..14].copy_from_slice(&[0x88, 0xB5]);
    vec![
        (
            "ARP for another host",
            arp_request(Ipv4Addr::new(192, 0, 2, 9)),
        ),
        (
            "a datagram for another host",
            with(ETHERNET + 16, &[192, 0, 2, 9]),
        ),
        ("a datagram in a broadcast frame", with(0, &[0xFF; 6])),
        (
            "a datagram from a group",
            with(ETHERNET + 12, &[224, 0, 0, 1]),
        ),
        ("a fragment", with(ETHERNET + 6, &[0x20, 0])),
        ("a port without a service", udp(OUR_PORT, 9, b"ignored")),
        ("an echo from an echo service", udp(ECHO, ECHO, b"ignored")),
        ("a pause that is not a number", udp(OUR_PORT, PAUSE, b"x")),
        ("a type that it does not know", unknown),
    ]
}

/// A frame longer than a block of the firmware.
pub fn too_long() -> Vec<u8> {
    udp(OUR_PORT, ECHO, &[0; 1600])
}

/// Checks that a frame is an answer of the firmware, with correct checksums, and returns what it is.
pub fn answer(frame: &[u8]) -> Result<Summary, String> {
    let summary = summarize(frame).map_err(|e| format!("malformed answer: {e}"))?;
    summary
        .verify(frame)
        .map_err(|e| format!("wrong checksum in an answer: {e}"))?;
    if frame[..12] != [OUR_MAC, ITS_MAC].concat() {
        return Err(format!("wrong Ethernet addresses: {:x?}", &frame[..12]));
    }
    let ends = (summary.src(), summary.dst());
    if summary.network() == Network::Ipv4 && ends != (Some(ITS_IP.into()), Some(OUR_IP.into())) {
        return Err(format!("wrong IP addresses in an answer: {ends:?}"));
    }
    Ok(summary)
}

/// The payload of a UDP answer from `port`.
pub fn udp_answer(frame: &[u8], port: u16) -> Result<&[u8], String> {
    let summary = answer(frame)?;
    let range: Range<usize> = summary.payload();
    match (summary.transport(), summary.ports()) {
        (Transport::Udp, Some((from, OUR_PORT))) if from == port => Ok(&frame[range]),
        (transport, ports) => Err(format!(
            "expected UDP from port {port}, got {transport:?} with ports {ports:?}"
        )),
    }
}
