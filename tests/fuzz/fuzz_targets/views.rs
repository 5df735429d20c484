//! Each protocol's view: what it reads can be written and read again. The first byte selects the protocol.
#![no_main]

use framepool::wire::*;
use libfuzzer_sys::fuzz_target;

macro_rules! again {
    ($bytes:expr, $view:ident, $header:ident) => {
        if let Ok(view) = $view::new_checked($bytes) {
            let _ = format!("{view:?}");
            if let Ok(header) = $header::parse($bytes) {
                let mut written = [0; 3000];
                let len = header
                    .emit(&mut written)
                    .expect("what was read can be written");
                let rest = $bytes.get(len..).unwrap_or_default();
                let whole = [&written[..len], rest].concat();
                assert_eq!($header::parse(&whole), Ok(header));
            }
        }
    };
}

/// A computed checksum verifies.
macro_rules! holds {
    ($bytes:expr, $view:ident, $fill:ident, $verify:ident $(, $address:expr)*) => {
        let mut bytes = $bytes.to_vec();
        if let Ok(mut view) = $view::new_checked(&mut bytes[..]) {
            view.$fill($($address),*);
            assert_eq!(view.$verify($($address),*), Ok(()));
        }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let (v4, v6) = (
        core::net::Ipv4Addr::LOCALHOST,
        core::net::Ipv6Addr::LOCALHOST,
    );
    match choice % 14 {
        0 => again!(bytes, Ethernet, EthernetHeader),
        1 => again!(bytes, Vlan, VlanHeader),
        2 => again!(bytes, Llc, LlcHeader),
        3 => again!(bytes, Mpls, MplsHeader),
        4 => again!(bytes, Arp, ArpHeader),
        5 => {
            again!(bytes, Ipv4, Ipv4Header);
            if let Ok(ip) = Ipv4::new_checked(bytes) {
                assert!(ip.options().count() <= 40);
                let _ = (ip.verify(), ip.payload());
            }
            holds!(bytes, Ipv4, fill_checksum, verify);
        }
        6 => again!(bytes, Ipv6, Ipv6Header),
        7 => {
            again!(bytes, Ipv6Extension, Ipv6ExtensionHeader);
            if let Ok(header) = Ipv6Extension::new_checked(bytes) {
                assert!(header.options(Layer::HopByHop).count() <= header.header_len());
            }
        }
        8 => again!(bytes, Ipv6Fragment, Ipv6FragmentHeader),
        9 => again!(bytes, Authentication, AuthenticationHeader),
        10 => {
            again!(bytes, Icmpv4, Icmpv4Header);
            holds!(bytes, Icmpv4, fill_checksum, verify);
        }
        11 => {
            again!(bytes, Icmpv6, Icmpv6Header);
            holds!(bytes, Icmpv6, fill_checksum, verify, v6, v6);
        }
        12 => {
            again!(bytes, Udp, UdpHeader);
            if let Ok(udp) = Udp::new_checked(bytes) {
                let _ = (udp.verify_v4(v4, v4), udp.payload());
            }
            holds!(bytes, Udp, fill_checksum_v4, verify_v4, v4, v4);
            holds!(bytes, Udp, fill_checksum_v6, verify_v6, v6, v6);
        }
        _ => {
            again!(bytes, Tcp, TcpHeader);
            if let Ok(tcp) = Tcp::new_checked(bytes) {
                assert!(tcp.options().count() <= 40);
                let _ = (tcp.verify_v4(v4, v4), tcp.payload());
            }
            holds!(bytes, Tcp, fill_checksum_v4, verify_v4, v4, v4);
            holds!(bytes, Tcp, fill_checksum_v6, verify_v6, v6, v6);
        }
    }
});
