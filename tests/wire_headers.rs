//! What is written is read back, and what is read is written back: every header, with any fields.
#![cfg(feature = "wire")]
#![allow(missing_docs)]

use core::net::{Ipv4Addr, Ipv6Addr};

use framepool::wire::*;
use proptest::prelude::*;

/// Written to a buffer with something behind it, and read back; the bytes written again are the same.
/// Written to anything shorter, it is an error and nothing changes.
macro_rules! round_trip {
    ($header:expr, $type:ident) => {
        round_trip!($header, $type, 0)
    };
    ($header:expr, $type:ident, $more:expr) => {{
        let header = $header;
        let mut bytes = [0xA5; 3000];
        let len = header.emit(&mut bytes).unwrap();
        prop_assert_eq!(&bytes[len..], &vec![0xA5; 3000 - len][..]);
        let read = $type::parse(&bytes[..len + $more]).unwrap();
        prop_assert_eq!(read, header);
        let mut again = [0; 3000];
        prop_assert_eq!(read.emit(&mut again), Ok(len));
        prop_assert_eq!(&again[..len], &bytes[..len]);
        let mut short = vec![0x5A; len - 1];
        prop_assert!(header.emit(&mut short).is_err());
        prop_assert_eq!(short, vec![0x5A; len - 1]);
        for cut in 0..len {
            prop_assert!($type::parse(&bytes[..cut]).is_err());
        }
    }};
}

fn words(most: usize, unit: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most / unit * unit).prop_map(move |mut bytes| {
        bytes.truncate(bytes.len() / unit * unit);
        bytes
    })
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 256 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn link_headers(dst: [u8; 6], src: [u8; 6], ether_type in 0x600_u16.., tag: u16, label in 0..1_u32 << 20, ttl: u8) {
        round_trip!(EthernetHeader { dst, src, ether_type }, EthernetHeader);
        let (priority, drop_eligible, id) = ((tag >> 13) as u8, tag & 0x1000 != 0, tag & 0xFFF);
        round_trip!(VlanHeader { priority, drop_eligible, id, ether_type }, VlanHeader);
        round_trip!(MplsHeader { label, traffic_class: priority, is_bottom: drop_eligible, ttl }, MplsHeader);
    }

    #[test]
    fn llc_headers(dsap in 0..0xAA_u8, ssap: u8, control: u16, oui: [u8; 3], protocol: u16) {
        let control = if control & 3 == 3 { control & 0xFF } else { control };
        round_trip!(LlcHeader { dsap, ssap, control, snap: None }, LlcHeader);
        round_trip!(LlcHeader::snap(SnapHeader { oui, protocol }), LlcHeader);
    }

    #[test]
    fn arp_packets(operation: u16, sender_hardware: [u8; 6], sender: [u8; 4], target_hardware: [u8; 6], target: [u8; 4]) {
        let (sender, target) = (sender.into(), target.into());
        round_trip!(ArpHeader { operation, sender_hardware, sender, target_hardware, target }, ArpHeader);
    }

    #[test]
    fn ipv4_headers(dscp in 0..64_u8, ecn in 0..4_u8, id: u16, flags: [bool; 3], offset: u16, ttl: u8,
                    protocol: u8, checksum: u16, src: [u8; 4], dst: [u8; 4], options in words(40, 4), more in 0..100_usize) {
        let header = Ipv4Header {
            dscp, ecn, id, ttl, protocol, checksum,
            total_len: (20 + options.len() + more) as u16,
            dont_fragment: flags[0],
            more_fragments: flags[1],
            reserved_flag: flags[2],
            fragment_offset: offset & !7,
            src: src.into(),
            dst: dst.into(),
            options: &options,
        };
        round_trip!(header, Ipv4Header, more);
    }

    #[test]
    fn ipv6_headers(traffic_class: u8, flow_label in 0..1_u32 << 20, next_header: u8, hop_limit: u8,
                    src: [u8; 16], dst: [u8; 16], more in 0..100_usize) {
        let (src, dst) = (src.into(), dst.into());
        let payload_len = more as u16;
        round_trip!(Ipv6Header { traffic_class, flow_label, payload_len, next_header, hop_limit, src, dst }, Ipv6Header, more);
    }

    #[test]
    fn extension_headers(next_header: u8, body in words(2040, 8), id: u32, offset: u16, more: bool, sequence: u32) {
        let icv = &body[..body.len().min(1016)];
        let padded = [&body[..], &[0; 6]].concat();
        round_trip!(Ipv6ExtensionHeader { next_header, body: &padded }, Ipv6ExtensionHeader);
        let offset = offset & !7;
        let reserved = (sequence as u8, (sequence >> 8) as u8 & 3);
        round_trip!(Ipv6FragmentHeader { next_header, offset, more, reserved, id }, Ipv6FragmentHeader);
        let reserved = id as u16;
        round_trip!(AuthenticationHeader { next_header, reserved, spi: id, sequence, icv }, AuthenticationHeader);
    }

    #[test]
    fn transport_headers(src_port: u16, dst_port: u16, sequence: u32, acknowledgement: u32, flags in 0..0x200_u16, window: u16,
                         checksum: u16, urgent: u16, options in words(40, 4), more in 0..100_usize, kind: u8, rest: [u8; 4]) {
        round_trip!(UdpHeader { src_port, dst_port, len: (8 + more) as u16, checksum }, UdpHeader, more);
        let options = &options[..];
        let (reserved, code) = (rest[0] & 7, flags as u8);
        round_trip!(TcpHeader { src_port, dst_port, sequence, acknowledgement, flags, reserved, window, checksum, urgent, options }, TcpHeader);
        round_trip!(Icmpv4Header { kind, code, checksum, rest }, Icmpv4Header);
        round_trip!(Icmpv6Header { kind, code, checksum, rest }, Icmpv6Header);
    }

    #[test]
    fn tcp_options(mss: u16, shift: u8, value: u32, echo: u32, blocks in 1..=3_usize, bytes: [u8; 24], other in 9..=255_u8) {
        let sack = SackBlocks::new(&bytes[..8 * blocks]).unwrap();
        let options = [
            TcpOption::Mss(mss),
            TcpOption::WindowScale(WindowScale::new(shift)),
            TcpOption::SackPermitted,
            TcpOption::Other(RawOption { kind: other, data: &bytes[..2] }),
            TcpOption::Timestamps { value, echo },
        ];
        for set in [&options[..], &[TcpOption::Sack(sack), TcpOption::Timestamps { value, echo }]] {
            let mut area = [1; 40];
            let mut len = 0;
            for option in set {
                len += option.emit(&mut area[len..]).unwrap();
            }
            let mut bytes = [0; 60];
            let header = TcpHeader { options: &area, ..TcpHeader::default() };
            header.emit(&mut bytes).unwrap();
            let tcp = Tcp::new_checked(&bytes).unwrap();
            let read: Result<Vec<_>, _> = tcp.options().collect();
            prop_assert_eq!(read.unwrap(), set);
        }
    }

    #[test]
    fn every_field_that_is_set_is_read(bytes: [u8; 60], port: u16, number: u32, v4: [u8; 4], v6: [u8; 16]) {
        let mut bytes = bytes;
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&60_u16.to_be_bytes());
        let mut ip = Ipv4::new_checked(&mut bytes[..]).unwrap();
        ip.set_src(v4.into());
        ip.set_dst(Ipv4Addr::from_bits(number));
        ip.set_id(port);
        ip.set_protocol(v6[0]);
        ip.set_ecn(v6[1]);
        prop_assert_eq!((ip.src(), ip.dst()), (Ipv4Addr::from(v4), Ipv4Addr::from_bits(number)));
        prop_assert_eq!((ip.id(), ip.protocol(), ip.ecn()), (port, v6[0], v6[1] & 3));
        ip.fill_checksum();
        prop_assert!(ip.verify().is_ok());
        ip.decrement_ttl();
        prop_assert!(ip.verify().is_ok());

        bytes[0] = 0x60;
        bytes[4..6].copy_from_slice(&20_u16.to_be_bytes());
        let mut ip = Ipv6::new_checked(&mut bytes[..]).unwrap();
        ip.set_src(v6.into());
        ip.set_dst(Ipv6Addr::LOCALHOST);
        ip.set_hop_limit(v4[0]);
        ip.set_next_header(v4[1]);
        prop_assert_eq!((ip.src(), ip.dst()), (Ipv6Addr::from(v6), Ipv6Addr::LOCALHOST));
        prop_assert_eq!((ip.hop_limit(), ip.next_header()), (v4[0], v4[1]));

        bytes[12] = 0x50;
        let mut tcp = Tcp::new_checked(&mut bytes[..]).unwrap();
        tcp.set_sequence(number);
        tcp.set_window(port);
        tcp.set_flags(port);
        tcp.fill_checksum_v6(v6.into(), v6.into());
        prop_assert_eq!((tcp.sequence(), tcp.window(), tcp.flags()), (number, port, port & 0x1FF));
        prop_assert!(tcp.verify_v6(v6.into(), v6.into()).is_ok());
        tcp.payload_mut()[0] ^= 1;
        prop_assert!(tcp.verify_v6(v6.into(), v6.into()).is_err());
    }

    /// A header whose fields were all set over another is the header with these fields. Lengths stay.
    #[test]
    fn setters_make_the_header(
        (dst, src, tag, label, ttl) in any::<([u8; 6], [u8; 6], u16, u32, u8)>(),
        (operation, oui, numbers) in any::<(u16, [u8; 3], [u32; 3])>(),
        (v4, v6, flags, port) in any::<([u8; 4], [u8; 16], [bool; 3], u16)>(),
        old in any::<[u8; 64]>(),
    ) {
        /// The view over old bytes, after these calls, has the fields of the header given.
        macro_rules! set {
            ($view:ident over $old:expr; $($set:ident($($value:expr),*)),*; $header:expr $(,)?) => {{
                let mut bytes = $old;
                let mut view = $view::new_checked(&mut bytes[..]).unwrap();
                $( view.$set($($value),*); )*
                let header = $header;
                prop_assert_eq!(view.header(), header);
                let mut emitted = [0; 64];
                let len = header.emit(&mut emitted).unwrap();
                prop_assert_eq!(&bytes[..len], &emitted[..len], "{}", stringify!($view));
            }};
        }
        let ether_type = port | 0x0600;
        let mut ethernet = old;
        ethernet[12] |= 8;
        set!(Ethernet over ethernet; set_dst(dst), set_src(src), set_ether_type(ether_type);
            EthernetHeader { dst, src, ether_type });
        let (priority, drop_eligible, id) = ((tag >> 13) as u8, flags[0], tag & 0xFFF);
        set!(Vlan over old; set_tci(!tag), set_priority(priority), set_drop_eligible(drop_eligible),
            set_id(tag), set_ether_type(port); VlanHeader { priority, drop_eligible, id, ether_type: port });
        set!(Mpls over old; set_label(label), set_traffic_class(priority), set_bottom(flags[1]), set_ttl(ttl);
            MplsHeader { label: label & 0xF_FFFF, traffic_class: priority, is_bottom: flags[1], ttl });

        let mut unnumbered = old;
        unnumbered[..3].copy_from_slice(&[0, 0, 3]);
        let (dsap, ssap) = (ttl & 0x7F, v4[0]);
        set!(Llc over unnumbered; set_dsap(dsap), set_ssap(ssap), set_snap(SnapHeader { oui, protocol: port });
            LlcHeader { dsap, ssap, control: 3, snap: None });
        unnumbered[..2].copy_from_slice(&[0xAA; 2]);
        let snap = SnapHeader { oui, protocol: port };
        set!(Llc over unnumbered; set_snap(snap); LlcHeader::snap(snap));

        let mut arp = old;
        arp[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]);
        let mut view = Arp::new_checked(&mut arp[..]).unwrap();
        view.set_operation(operation);
        view.sender_hardware_mut().copy_from_slice(&src);
        view.sender_protocol_mut().copy_from_slice(&v4);
        view.target_hardware_mut().copy_from_slice(&dst);
        view.target_protocol_mut().copy_from_slice(&v6[..4]);
        let target = Ipv4Addr::new(v6[0], v6[1], v6[2], v6[3]);
        let header = ArpHeader { operation, sender_hardware: src, sender: v4.into(), target_hardware: dst, target };
        prop_assert_eq!(view.header(), Some(header));

        let mut ip = old;
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&64_u16.to_be_bytes());
        let (dscp, ecn, total_len) = (ttl & 0x3F, v4[1] & 3, 20 + port % 45);
        set!(Ipv4 over ip; set_dscp(ttl), set_ecn(v4[1]), set_total_len(total_len), set_id(tag), set_ttl(ttl),
            set_reserved_flag(flags[2]), set_dont_fragment(flags[0]), set_fragment(port, flags[1]), set_protocol(v6[0]), set_checksum(operation),
            set_src(v4.into()), set_dst(target);
            Ipv4Header {
                dscp, ecn, total_len, id: tag, reserved_flag: flags[2], dont_fragment: flags[0], more_fragments: flags[1],
                fragment_offset: port & !7, ttl, protocol: v6[0], checksum: operation, src: v4.into(), dst: target,
                options: &[],
            });

        ip[0] = 0x60;
        ip[4..6].copy_from_slice(&24_u16.to_be_bytes());
        let payload_len = port % 25;
        set!(Ipv6 over ip; set_traffic_class(ttl), set_flow_label(label), set_payload_len(payload_len),
            set_next_header(v4[0]), set_hop_limit(v4[1]), set_src(v6.into()), set_dst(Ipv6Addr::LOCALHOST);
            Ipv6Header {
                traffic_class: ttl, flow_label: label & 0xF_FFFF, payload_len, next_header: v4[0], hop_limit: v4[1],
                src: v6.into(), dst: Ipv6Addr::LOCALHOST,
            });

        let mut extension = old;
        extension[1] = 1;
        let body = [&[old[2], ttl][..], &old[4..16]].concat();
        set!(Ipv6Extension over extension; set_next_header(v4[0]), set_segments_left(ttl);
            Ipv6ExtensionHeader { next_header: v4[0], body: &body });
        let reserved = (ttl, v4[2] & 3);
        set!(Ipv6Fragment over old; set_next_header(v4[0]), set_reserved((ttl, v4[2])), set_fragment(port, flags[2]),
            set_id(numbers[0]);
            Ipv6FragmentHeader { next_header: v4[0], offset: port & !7, more: flags[2], reserved, id: numbers[0] });
        let mut authentication = old;
        authentication[1] = 4;
        set!(Authentication over authentication; set_next_header(v4[0]), set_reserved(tag), set_spi(numbers[0]),
            set_sequence(numbers[1]);
            AuthenticationHeader {
                next_header: v4[0], reserved: tag, spi: numbers[0], sequence: numbers[1], icv: &old[12..24],
            });

        let (kind, code, rest) = (v4[2], v4[3], numbers[2].to_be_bytes());
        set!(Icmpv4 over old; set_kind(kind), set_code(code), set_checksum(port), set_rest(rest);
            Icmpv4Header { kind, code, checksum: port, rest });
        set!(Icmpv6 over old; set_kind(kind), set_code(code), set_checksum(port), set_rest(rest);
            Icmpv6Header { kind, code, checksum: port, rest });
        let mut udp = old;
        udp[4..6].copy_from_slice(&64_u16.to_be_bytes());
        let len = 8 + tag % 57;
        set!(Udp over udp; set_src_port(port), set_dst_port(tag), set_len(len), set_checksum(operation);
            UdpHeader { src_port: port, dst_port: tag, len, checksum: operation });
        let mut tcp = old;
        tcp[12] = 0x60;
        set!(Tcp over tcp; set_src_port(port), set_dst_port(tag), set_sequence(numbers[0]),
            set_acknowledgement(numbers[1]), set_reserved(v4[0]), set_flags(tag), set_window(operation), set_checksum(!port),
            set_urgent(!tag);
            TcpHeader {
                src_port: port, dst_port: tag, sequence: numbers[0], acknowledgement: numbers[1],
                flags: tag & 0x1FF, reserved: v4[0] & 7, window: operation, checksum: !port, urgent: !tag, options: &old[20..24],
            });
    }

    /// What was read is written as it was, whatever bits are set: of every header that any bytes are. Lengths and
    /// versions are made right now and then, as few of the others would be headers.
    #[test]
    fn parse_and_emit_is_the_identity_on_header_bytes(
        bytes in prop::collection::vec(any::<u8>(), 60..140), lens in any::<[u8; 3]>(), kind in 0..8_u8,
    ) {
        let mut bytes = bytes;
        match kind {
            0 => bytes[0] = 0x45 + lens[0] % 11,
            1 => (bytes[0], bytes[4], bytes[5]) = (0x60 | lens[0] & 0xF, 0, lens[1] % 21),
            2 => bytes[12] = (0x50 + (lens[0] % 11) * 16) | (bytes[12] & 0xF),
            3 => bytes[..6].copy_from_slice(&[0, 1, 8, 0, 6, 4]),
            4 => bytes[..3].copy_from_slice(&[0xAA, 0xAA, 3]),
            5 => bytes[1] = lens[0] % 7,
            6 => bytes[2] = lens[0],
            _ => (bytes[4], bytes[5]) = (0, 8 + lens[1] % 52),
        }
        if kind == 0 {
            (bytes[2], bytes[3]) = (0, 60);
        }
        macro_rules! same {
            ($($header:ident),*) => { $(
                if let Ok(header) = $header::parse(&bytes) {
                    let mut emitted = [0xA5; 140];
                    let len = header.emit(&mut emitted).unwrap();
                    prop_assert_eq!(&emitted[..len], &bytes[..len], "{}", stringify!($header));
                }
            )* };
        }
        same!(EthernetHeader, VlanHeader, MplsHeader, LlcHeader, ArpHeader, Ipv4Header, Ipv6Header);
        same!(Ipv6ExtensionHeader, Ipv6FragmentHeader, AuthenticationHeader);
        same!(Icmpv4Header, Icmpv6Header, UdpHeader, TcpHeader);
        if let Ok(tcp) = Tcp::new_checked(&bytes[..]) {
            let raw = tcp.option_bytes();
            for option in tcp.options().flatten() {
                let mut emitted = [0; 255];
                let len = option.emit(&mut emitted).unwrap();
                prop_assert!(raw.windows(len).any(|bytes| bytes == &emitted[..len]), "{option:?}");
            }
        }
    }

    /// Of any datagram with a checksum, whatever changes: it has one afterwards, which is right.
    #[test]
    fn an_updated_udp_checksum_is_right_and_there(bytes in prop::collection::vec(any::<u8>(), 8..60), ports: [u16; 2], address: [u8; 4]) {
        let mut bytes = bytes;
        let len = bytes.len() as u16;
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        let [src, dst, new] = [[192, 0, 2, 1], [192, 0, 2, 2], address].map(Ipv4Addr::from);
        let mut udp = Udp::new_checked(&mut bytes[..]).unwrap();
        udp.fill_checksum_v4(src, dst);
        udp.change_src_port(ports[0]);
        udp.change_dst_port(ports[1]);
        udp.update_checksum32(src.into(), new.into());
        prop_assert_eq!((udp.src_port(), udp.dst_port()), (ports[0], ports[1]));
        prop_assert!(udp.checksum() != 0 && udp.verify_v4(new, dst).is_ok());
        // A port that makes the sum come out as ones: the checksum would be zero.
        udp.set_checksum(0xFFFF);
        udp.update_checksum(ports[0], ports[0]);
        prop_assert_eq!(udp.checksum(), 0xFFFF);
        udp.set_checksum(0);
        udp.change_src_port(!ports[0]);
        udp.update_checksum32(new.into(), src.into());
        prop_assert_eq!(udp.checksum(), 0);
    }

    /// No view panics on anything, nor does what a view gives out.
    #[test]
    fn views_of_anything(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        macro_rules! look {
            ($($view:ident),*) => { $(
                if let Ok(view) = $view::new_checked(&bytes[..]) {
                    let shown = format!("{view:?}");
                    prop_assert!(shown.contains("Header") || shown == "None");
                    prop_assert_eq!(view.as_bytes(), &bytes[..]);
                }
            )* };
        }
        look!(Ethernet, Vlan, Llc, Mpls, Arp, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, Authentication, Icmpv4, Icmpv6, Udp, Tcp);
        if let Ok(tcp) = Tcp::new_checked(&bytes[..]) {
            prop_assert!(tcp.options().count() <= 41);
            prop_assert_eq!(tcp.header_len() + tcp.payload().len(), bytes.len());
        }
        if let Ok(ip) = Ipv4::new_checked(&bytes[..]) {
            prop_assert!(ip.options().count() <= 41);
            prop_assert_eq!(ip.header_len() + ip.payload().len(), usize::from(ip.total_len()));
        }
        if let Ok(header) = Ipv6Extension::new_checked(&bytes[..]) {
            prop_assert!(header.options(Layer::HopByHop).count() <= header.header_len());
        }
        if let Ok(arp) = Arp::new_checked(&bytes[..]) {
            prop_assert_eq!(arp.sender_protocol().len(), arp.target_protocol().len());
        }
    }

    #[test]
    fn updates_are_what_a_new_checksum_would_be(bytes in words(120, 2), at: prop::sample::Index, new: u16) {
        prop_assume!(bytes.len() >= 4);
        // Of nothing but zeros no packet has a checksum: the two forms of zero would differ.
        prop_assume!(bytes.iter().any(|&b| b != 0) && new != 0);
        let at = at.index(bytes.len() / 2) * 2;
        let before = checksum::checksum(&bytes);
        let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let mut changed = bytes.clone();
        changed[at..at + 2].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(checksum::update(before, old, new), checksum::checksum(&changed));
    }
}

/// A buffer that is not as long every time it is asked for.
struct Shrinking([u8; 60], core::cell::Cell<usize>);

impl AsRef<[u8]> for Shrinking {
    fn as_ref(&self) -> &[u8] {
        let len = self.1.get();
        self.1.set(len.saturating_sub(7));
        &self.0[..len]
    }
}

#[test]
fn a_buffer_that_shrinks_is_read_without_harm() {
    let mut bytes = [0; 60];
    bytes[0] = 0x4F;
    bytes[3] = 60;
    let ip = Ipv4::new_checked(Shrinking(bytes, 60.into())).unwrap();
    let read: Vec<usize> = (0..10).map(|_| ip.option_bytes().len()).collect();
    assert_eq!(read.last(), Some(&0));
    assert_eq!((ip.ttl(), ip.payload()), (0, &[][..]));
}
