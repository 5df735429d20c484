//! Link types of captures: where in a frame the IP packet starts. The numbers and layouts are those of
//! <https://www.tcpdump.org/linktypes.html>; `tcpdump -i any` writes the cooked ones.
//!
//! ```text
//!  LINUX_SLL    packet type 2 │ ARPHRD 2 │ address length 2 │ address 8 │ protocol 2 │ packet from 16
//!  LINUX_SLL2   protocol 2 │ reserved 2 │ interface 4 │ ARPHRD 2 │ types 2 │ address 8 │ packet from 20
//!  NULL, LOOP   address family 4 │ packet from 4
//! ```

use std::collections::BTreeMap;
use std::fmt;

use pcap_parser::Linktype;

/// The link type of a frame whose interface the capture has not declared.
pub const UNDECLARED: Linktype = Linktype(-1);

/// What a frame starts with.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    Ethernet,
    /// An IP packet at this offset.
    Ip(usize),
    /// A header that announces something other than IP.
    Other,
    /// The frame ends inside this header.
    Cut(&'static str),
    /// A link type that is not supported.
    Unknown,
}

/// Reads a frame's first bytes and finds the IP packet.
pub fn start(link: Linktype, frame: &[u8]) -> Start {
    let cooked = |name, header: Option<(u16, u16, usize)>| match header {
        Some((hardware, protocol, end)) => network(name, frame, hardware, protocol, end),
        None => Start::Cut(name),
    };
    match link {
        Linktype::ETHERNET => Start::Ethernet,
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => Start::Ip(0),
        Linktype::LINUX_SLL => cooked("Linux SLL", sll(frame)),
        Linktype::LINUX_SLL2 => cooked("Linux SLL2", sll2(frame)),
        Linktype::NULL => family("BSD NULL", frame, true),
        Linktype::LOOP => family("BSD LOOP", frame, false),
        _ => Start::Unknown,
    }
}

/// The big-endian number at `at`.
fn word(frame: &[u8], at: usize) -> Option<u16> {
    let bytes = frame.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// Hardware type, protocol, and the offset at which the header ends.
fn sll(frame: &[u8]) -> Option<(u16, u16, usize)> {
    Some((word(frame, 2)?, word(frame, 14)?, 16))
}

fn sll2(frame: &[u8]) -> Option<(u16, u16, usize)> {
    let whole = frame.len() >= 20;
    whole.then_some((word(frame, 8)?, word(frame, 0)?, 20))
}

/// Hardware types whose protocol field is not an Ethernet type: frame relay, 802.11 radiotap, netlink.
const WITHOUT_ETHERTYPE: [u16; 3] = [770, 803, 824];

/// What follows a cooked header: IP, perhaps after VLAN tags.
fn network(
    name: &'static str,
    frame: &[u8],
    hardware: u16,
    mut protocol: u16,
    mut at: usize,
) -> Start {
    if WITHOUT_ETHERTYPE.contains(&hardware) {
        return Start::Other;
    }
    while let 0x8100 | 0x88A8 | 0x9100 = protocol {
        protocol = match word(frame, at + 2) {
            Some(next) => next,
            None => return Start::Cut(name),
        };
        at += 4;
    }
    match protocol {
        0x0800 | 0x86DD => Start::Ip(at),
        _ => Start::Other,
    }
}

/// What follows an address family. NULL writes it in the byte order of the machine that captured, LOOP
/// in network order.
fn family(name: &'static str, frame: &[u8], host_order: bool) -> Start {
    let Some(bytes) = frame.first_chunk::<4>() else {
        return Start::Cut(name);
    };
    let number = u32::from_be_bytes(*bytes);
    // IPv4 is 2 everywhere; IPv6 is 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on Darwin.
    let is_ip = |number| matches!(number, 2 | 10 | 24 | 28 | 30);
    if is_ip(number) || (host_order && is_ip(number.swap_bytes())) {
        Start::Ip(4)
    } else {
        Start::Other
    }
}

/// Frames of link types that are not supported, by link type.
#[derive(Debug, Default)]
pub struct Unsupported(BTreeMap<i32, u64>);

impl Unsupported {
    pub fn count(&mut self, link: Linktype) {
        *self.0.entry(link.0).or_default() += 1;
    }

    /// The number of such frames.
    pub fn frames(&self) -> u64 {
        self.0.values().sum()
    }

    /// Number and name of each link type, and its frames. Frames without a declared link type have
    /// neither; a link type that is not in [`NAMES`] has no name.
    pub fn iter(&self) -> impl Iterator<Item = (Option<i32>, Option<&'static str>, u64)> {
        let number = |&link: &i32| (link != UNDECLARED.0).then_some(link);
        self.0
            .iter()
            .map(move |(link, &frames)| (number(link), name(*link), frames))
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (number, name, frames) in self.iter() {
            write!(f, "{before}{frames} of ")?;
            match (number, name) {
                (Some(number), Some(name)) => write!(f, "link type {number} ({name})")?,
                (Some(number), None) => write!(f, "link type {number}")?,
                (None, _) => write!(f, "an undeclared interface")?,
            }
            before = ", ";
        }
        Ok(())
    }
}

fn name(link: i32) -> Option<&'static str> {
    let named = NAMES.iter().find(|(number, _)| *number == link);
    named.map(|(_, name)| *name)
}

/// Names of link types that are not supported, without the prefix `LINKTYPE_`.
const NAMES: [(i32, &str); 23] = [
    (3, "AX25"),
    (6, "IEEE802_5"),
    (8, "SLIP"),
    (9, "PPP"),
    (10, "FDDI"),
    (50, "PPP_HDLC"),
    (51, "PPP_ETHER"),
    (104, "C_HDLC"),
    (105, "IEEE802_11"),
    (107, "FRELAY"),
    (117, "PFLOG"),
    (127, "IEEE802_11_RADIOTAP"),
    (147, "USER0"),
    (148, "USER1"),
    (187, "BLUETOOTH_HCI_H4"),
    (192, "PPI"),
    (195, "IEEE802_15_4_WITHFCS"),
    (220, "USB_LINUX_MMAPPED"),
    (227, "CAN_SOCKETCAN"),
    (239, "NFLOG"),
    (240, "NETANALYZER"),
    (249, "USBPCAP"),
    (253, "NETLINK"),
];
