//! Makes the frames that the contenders parse, the same in every run.

/// Number of frames of each kind.
pub const FRAMES: usize = 1000;

/// A generator of numbers (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// UDP and TCP over IPv4 over Ethernet, half of each, with a payload of 18 to 400 bytes.
pub fn plain() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let frame = |i: usize| {
        let transport = if i.is_multiple_of(2) {
            udp(&mut numbers, 0)
        } else {
            tcp(&mut numbers, 0)
        };
        ethernet(
            &[],
            0x0800,
            &ipv4(&mut numbers, transport.0, &transport.1, &[], 0x4000),
        )
    };
    (0..FRAMES).map(frame).collect()
}

/// The mixed traffic of a port: 50 % as in [`plain`]; VLAN tags, IPv6, ICMP, ARP, options, fragments,
/// extension headers; 8 % malformed.
pub fn mixed() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
    (0..FRAMES)
        .map(|i| one_of_many(&mut numbers, i % 50))
        .collect()
}

fn one_of_many(n: &mut Numbers, kind: usize) -> Vec<u8> {
    let options = n.below(3) as usize;
    let (p, t) = match kind % 5 {
        0..=2 => udp(n, 0),
        _ => tcp(n, options),
    };
    let tags: &[u16] = match kind {
        25..=28 => &[0x8100],
        29 => &[0x88A8, 0x8100],
        _ => &[],
    };
    match kind {
        0..=24 => ethernet(&[], 0x0800, &ipv4(n, p, &t, &[], 0x4000)),
        25..=29 => ethernet(tags, 0x0800, &ipv4(n, p, &t, &[], 0)),
        30..=36 => ethernet(&[], 0x86DD, &ipv6(n, p, &t)),
        37 => ethernet(
            &[],
            0x0800,
            &ipv4(n, 1, &[8, 0, 0, 0, 0, 1, 0, 2, 9, 9], &[], 0),
        ),
        38 => ethernet(&[], 0x86DD, &ipv6(n, 58, &[135, 0, 0, 0, 0, 0, 0, 0])),
        39 => ethernet(&[], 0x0806, &arp(n)),
        40 => ethernet(&[], 0x0800, &ipv4(n, p, &t, &[148, 4, 0, 0], 0)),
        41 => ethernet(&[], 0x0800, &ipv4(n, p, &t, &[], 0x2000)),
        42 => ethernet(&[], 0x0800, &ipv4(n, p, &t, &[], 0x00B9)),
        43 => ethernet(
            &[],
            0x86DD,
            &ipv6(n, 0, &[&[p, 0, 5, 2, 0, 0, 1, 0][..], &t].concat()),
        ),
        44 => ethernet(
            &[],
            0x86DD,
            &ipv6(n, 44, &[&[p, 0, 0, 1, 0, 0, 0, 9][..], &t].concat()),
        ),
        45 => ethernet(&[], 0x88CC, &t),
        _ => malformed(n, kind, &t, p),
    }
}

fn malformed(n: &mut Numbers, kind: usize, t: &[u8], p: u8) -> Vec<u8> {
    let mut frame = ethernet(&[], 0x0800, &ipv4(n, p, t, &[], 0));
    match kind {
        46 => frame.truncate(n.below(frame.len() as u64) as usize),
        47 => frame[17] = frame[17].wrapping_add(1 + n.below(60) as u8),
        48 => frame[14] = n.next() as u8,
        _ if p == 17 => frame[38] = 0xFF,
        _ => frame[46] = 0xF0,
    }
    frame
}

fn ethernet(tags: &[u16], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0x5E, 1, 2, 3, 2, 0, 0, 0, 0, 1];
    for (i, tag) in tags.iter().enumerate() {
        frame.extend(tag.to_be_bytes());
        frame.extend([0x60, 10 + i as u8]);
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn ipv4(n: &mut Numbers, protocol: u8, payload: &[u8], options: &[u8], fragment: u16) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = vec![0x40 | (header / 4) as u8, 0];
    packet.extend(((header + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([16, protocol, 0, 0, 192, 0, 2]);
    packet.extend([n.next() as u8, 233, 54, 12, n.next() as u8]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

fn ipv6(n: &mut Numbers, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for _ in 0..2 {
        packet.extend([
            0x20,
            1,
            0xD,
            0xB8,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            n.next() as u8,
        ]);
    }
    packet.extend(payload);
    packet
}

fn udp(n: &mut Numbers, _: usize) -> (u8, Vec<u8>) {
    let len = 18 + n.below(383);
    let mut datagram = ports(n);
    datagram.extend((8 + len as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend((0..len).map(|i| i as u8));
    (17, datagram)
}

fn tcp(n: &mut Numbers, options: usize) -> (u8, Vec<u8>) {
    let len = 18 + n.below(383);
    let mut segment = ports(n);
    segment.extend([
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2,
        (5 + 3 * options as u8) << 4,
        0x18,
        0xFF,
        0xFF,
        0,
        0,
        0,
        0,
    ]);
    for _ in 0..options {
        segment.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
    segment.extend((0..len).map(|i| i as u8));
    (6, segment)
}

fn ports(n: &mut Numbers) -> Vec<u8> {
    let mut ports = ((1024 + n.below(60000)) as u16).to_be_bytes().to_vec();
    ports.extend((26400 + n.below(16) as u16).to_be_bytes());
    ports
}

fn arp(n: &mut Numbers) -> Vec<u8> {
    let mut packet = vec![
        0,
        1,
        8,
        0,
        6,
        4,
        0,
        1,
        2,
        0,
        0,
        0,
        0,
        1,
        192,
        0,
        2,
        n.next() as u8,
    ];
    packet.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, n.next() as u8]);
    packet
}
