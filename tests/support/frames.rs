//! Frames of every kind that the parsers know, made by the emitters.
#![allow(dead_code)]

use framepool::wire::*;

/// Returns `headers` followed by `payload`.
pub fn join(headers: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    let mut all = headers.concat();
    all.extend(payload);
    all
}

/// Returns the bytes that an emitter writes.
pub fn emitted(emit: impl FnOnce(&mut [u8]) -> Result<usize, ParseError>) -> Vec<u8> {
    let mut bytes = [0; 3000];
    let len = emit(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let header = EthernetHeader {
        dst: [1, 0, 0x5E, 0x7C, 0, 1],
        src: [2, 0, 0, 0, 0, 1],
        ether_type,
    };
    join(&[&emitted(|to| header.emit(to))], payload)
}

pub fn tagged(tpid: u16, id: u16, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let tag = VlanHeader {
        priority: 3,
        drop_eligible: false,
        id,
        ether_type,
    };
    ethernet(tpid, &join(&[&emitted(|to| tag.emit(to))], payload))
}

pub const SRC4: [u8; 4] = [192, 0, 2, 1];
pub const DST4: [u8; 4] = [233, 252, 0, 1];
pub const SRC6: [u8; 16] = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub const DST6: [u8; 16] = [0xFF, 0x3E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

pub fn ipv4_with(header: Ipv4Header<'_>, payload: &[u8]) -> Vec<u8> {
    let len = 20 + header.options.len() + payload.len();
    let header = Ipv4Header {
        total_len: len as u16,
        src: SRC4.into(),
        dst: DST4.into(),
        ..header
    };
    let mut bytes = join(&[&emitted(|to| header.emit(to))], payload);
    Ipv4::new_checked(&mut bytes[..]).unwrap().fill_checksum();
    bytes
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(
        Ipv4Header {
            protocol,
            ..Ipv4Header::default()
        },
        payload,
    )
}

pub fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        payload_len: payload.len() as u16,
        next_header,
        src: SRC6.into(),
        dst: DST6.into(),
        ..Ipv6Header::default()
    };
    join(&[&emitted(|to| header.emit(to))], payload)
}

/// Ports 4660 and 26400.
pub fn udp(payload: &[u8], is_v6: bool) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    let header = UdpHeader {
        src_port: 4660,
        dst_port: 26400,
        len,
        checksum: 0,
    };
    let mut bytes = join(&[&emitted(|to| header.emit(to))], payload);
    let mut view = Udp::new_checked(&mut bytes[..]).unwrap();
    match is_v6 {
        true => view.fill_checksum_v6(SRC6.into(), DST6.into()),
        false => view.fill_checksum_v4(SRC4.into(), DST4.into()),
    }
    bytes
}

/// Ports 49152 and 179, SYN and ACK.
pub fn tcp(options: &[u8], payload: &[u8], is_v6: bool) -> Vec<u8> {
    let header = TcpHeader {
        src_port: 49152,
        dst_port: 179,
        flags: TcpHeader::SYN | TcpHeader::ACK,
        options,
        ..TcpHeader::default()
    };
    let mut bytes = join(&[&emitted(|to| header.emit(to))], payload);
    let mut view = Tcp::new_checked(&mut bytes[..]).unwrap();
    match is_v6 {
        true => view.fill_checksum_v6(SRC6.into(), DST6.into()),
        false => view.fill_checksum_v4(SRC4.into(), DST4.into()),
    }
    bytes
}

pub fn icmpv4() -> Vec<u8> {
    let header = Icmpv4Header {
        kind: 8,
        code: 0,
        checksum: 0,
        rest: [0, 1, 0, 2],
    };
    let mut bytes = join(&[&emitted(|to| header.emit(to))], b"ping");
    Icmpv4::new_checked(&mut bytes[..]).unwrap().fill_checksum();
    bytes
}

pub fn icmpv6() -> Vec<u8> {
    let header = Icmpv6Header {
        kind: 128,
        code: 0,
        checksum: 0,
        rest: [0, 1, 0, 2],
    };
    let mut bytes = join(&[&emitted(|to| header.emit(to))], b"ping");
    let mut view = Icmpv6::new_checked(&mut bytes[..]).unwrap();
    view.fill_checksum(SRC6.into(), DST6.into());
    bytes
}

pub fn extension(next_header: u8, body: &[u8]) -> Vec<u8> {
    emitted(|to| Ipv6ExtensionHeader { next_header, body }.emit(to))
}

pub fn fragment6(next_header: u8, offset: u16, more: bool) -> Vec<u8> {
    let header = Ipv6FragmentHeader {
        reserved: (0, 0),
        next_header,
        offset,
        more,
        id: 0xCAFE_BABE,
    };
    emitted(|to| header.emit(to))
}

pub fn authentication(next_header: u8) -> Vec<u8> {
    let header = AuthenticationHeader {
        reserved: 0,
        next_header,
        spi: 1,
        sequence: 2,
        icv: &[7; 12],
    };
    emitted(|to| header.emit(to))
}

pub fn arp() -> Vec<u8> {
    let header = ArpHeader {
        operation: ArpHeader::REQUEST,
        sender_hardware: [2, 0, 0, 0, 0, 1],
        sender: SRC4.into(),
        target_hardware: [0; 6],
        target: DST4.into(),
    };
    emitted(|to| header.emit(to))
}

/// ARP for CHAOSnet, with addresses of two bytes.
pub fn arp_for_others() -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 4, 6, 2, 0, 1];
    bytes.extend([0xC0; 16]);
    bytes
}

pub fn label(label: u32, is_bottom: bool) -> Vec<u8> {
    let header = MplsHeader {
        label,
        traffic_class: 0,
        is_bottom,
        ttl: 64,
    };
    emitted(|to| header.emit(to))
}

const SYN_OPTIONS: [u8; 20] = [
    2, 4, 5, 0xB4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7,
];

/// A jumbogram (RFC 2675): `stated` is the length in its option.
pub fn jumbogram(next_header: u8, stated: u32, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = stated.to_be_bytes();
    let options = extension(next_header, &[0xC2, 4, a, b, c, d]);
    let mut bytes = ipv6(0, &[options, payload.to_vec()].concat());
    bytes[4..6].copy_from_slice(&[0, 0]);
    ethernet(0x86DD, &bytes)
}

/// One well-formed frame of each kind, named.
pub fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let (udp4, udp6) = (udp(b"tick", false), udp(b"tick", true));
    let (tcp4, tcp6) = (tcp(&SYN_OPTIONS, b"", false), tcp(&[], b"bgp", true));
    let snap = |protocol| {
        LlcHeader::snap(SnapHeader {
            oui: [0; 3],
            protocol,
        })
    };
    let alert = [148, 4, 0, 0];
    let alerted = Ipv4Header {
        protocol: 17,
        options: &alert,
        ..Ipv4Header::default()
    };
    let part = |fragment_offset, more_fragments| Ipv4Header {
        protocol: 17,
        id: 77,
        fragment_offset,
        more_fragments,
        ..Ipv4Header::default()
    };
    let hop = extension(60, &[5, 2, 0, 0, 1, 0]);
    let options = extension(43, &[1, 4, 0, 0, 0, 0]);
    let routing = extension(17, &[0; 22]);
    let authenticated = [authentication(17), udp4.clone()].concat();
    let authenticated6 = [authentication(17), udp6.clone()].concat();
    let llc = |payload: &[u8]| ethernet(payload.len() as u16, payload);
    let in_snap = join(&[&emitted(|to| snap(0x0800).emit(to))], &ipv4(17, &udp4));
    let two_tags = |inner: &[u8]| {
        let tag = VlanHeader {
            priority: 0,
            drop_eligible: false,
            id: 20,
            ether_type: 0x0800,
        };
        tagged(
            0x88A8,
            10,
            0x8100,
            &join(&[&emitted(|to| tag.emit(to))], inner),
        )
    };
    let labelled = [label(16, false), label(17, true), ipv6(6, &tcp6)].concat();
    vec![
        ("udp4", ethernet(0x0800, &ipv4(17, &udp4))),
        ("tcp4 with options", ethernet(0x0800, &ipv4(6, &tcp4))),
        ("icmpv4", ethernet(0x0800, &ipv4(1, &icmpv4()))),
        ("udp6", ethernet(0x86DD, &ipv6(17, &udp6))),
        ("tcp6", ethernet(0x86DD, &ipv6(6, &tcp6))),
        ("icmpv6", ethernet(0x86DD, &ipv6(58, &icmpv6()))),
        (
            "padded",
            join(&[&ethernet(0x0800, &ipv4(17, &udp4))], &[0; 14]),
        ),
        ("one tag", tagged(0x8100, 100, 0x0800, &ipv4(17, &udp4))),
        ("one tag, v6", tagged(0x8100, 100, 0x86DD, &ipv6(6, &tcp6))),
        ("two tags", two_tags(&ipv4(6, &tcp4))),
        ("arp", ethernet(0x0806, &arp())),
        ("arp for others", ethernet(0x0806, &arp_for_others())),
        ("options", ethernet(0x0800, &ipv4_with(alerted, &udp4))),
        (
            "first fragment",
            ethernet(0x0800, &ipv4_with(part(0, true), &udp4)),
        ),
        (
            "later fragment",
            ethernet(0x0800, &ipv4_with(part(1480, false), &udp4)),
        ),
        (
            "extensions",
            ethernet(
                0x86DD,
                &ipv6(0, &[hop, options, routing, udp6.clone()].concat()),
            ),
        ),
        (
            "first fragment, v6",
            ethernet(
                0x86DD,
                &ipv6(44, &[fragment6(17, 0, true), udp6.clone()].concat()),
            ),
        ),
        (
            "later fragment, v6",
            ethernet(
                0x86DD,
                &ipv6(44, &[fragment6(17, 1480, false), udp6].concat()),
            ),
        ),
        (
            "authentication",
            ethernet(0x0800, &ipv4(51, &authenticated)),
        ),
        (
            "authentication, v6",
            ethernet(0x86DD, &ipv6(51, &authenticated6)),
        ),
        ("esp", ethernet(0x0800, &ipv4(50, &[9; 16]))),
        ("no next header", ethernet(0x86DD, &ipv6(59, &[]))),
        ("unknown protocol", ethernet(0x0800, &ipv4(89, &[2; 24]))),
        ("unknown type", ethernet(0x88CC, &[2; 30])),
        ("mpls", ethernet(0x8847, &labelled)),
        ("snap", llc(&in_snap)),
        ("llc", llc(&[0x42, 0x42, 3, 0, 0, 0, 0])),
    ]
}
