//! Rules that say which venue sent a packet, by its addresses and ports. Feeds do not name their venue.

use std::net::{IpAddr, Ipv4Addr};

/// A trading venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Venue {
    Nasdaq,
    CboeByx,
    CboeBzx,
    CboeFutures,
    Nyse,
    NyseArca,
}

/// What a packet's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// ITCH 5.0 over MoldUDP64.
    ItchMoldUdp64,
    /// ITCH 5.0 or OUCH over SoupBinTCP.
    SoupBinTcp,
    /// Cboe Multicast PITCH.
    Pitch,
    /// NYSE XDP or Pillar.
    Xdp,
    /// FIX tag=value.
    Fix,
}

/// Where a packet came from and where it went to.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    pub source: IpAddr,
    /// In multicast, the group.
    pub destination: IpAddr,
    pub source_port: u16,
    pub destination_port: u16,
}

/// One rule of a configuration: a packet that matches it is of its venue.
///
/// Network and port must both match one end of the packet: the destination, which is all that multicast has,
/// or the source, as both directions of a session belong to one venue.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub venue: Venue,
    pub protocol: Protocol,
    /// An address and the number of its leading bits that must be the same. `None` matches all addresses.
    pub network: Option<(IpAddr, u8)>,
    /// The first and the last port.
    pub ports: (u16, u16),
}

impl Rule {
    /// A rule for an IPv4 network.
    pub const fn v4(
        venue: Venue,
        protocol: Protocol,
        network: ([u8; 4], u8),
        ports: (u16, u16),
    ) -> Self {
        let ([a, b, c, d], bits) = network;
        Self {
            venue,
            protocol,
            network: Some((IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits)),
            ports,
        }
    }

    /// A rule for ports at any address.
    pub const fn ports(venue: Venue, protocol: Protocol, ports: (u16, u16)) -> Self {
        Self {
            venue,
            protocol,
            network: None,
            ports,
        }
    }

    fn matches(&self, packet: &Endpoint) -> bool {
        self.has(packet.destination, packet.destination_port)
            || self.has(packet.source, packet.source_port)
    }

    fn has(&self, address: IpAddr, port: u16) -> bool {
        let (first, last) = self.ports;
        (first..=last).contains(&port)
            && self
                .network
                .is_none_or(|(network, bits)| is_within(network, bits, address))
    }
}

/// Whether the first `bits` of both addresses are the same.
fn is_within(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = u32::from(a) ^ u32::from(b);
            differ.leading_zeros() >= u32::from(bits.min(32))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = u128::from(a) ^ u128::from(b);
            differ.leading_zeros() >= u32::from(bits.min(128))
        }
        _ => false,
    }
}

/// The first rule that a packet matches. O(rules).
pub fn classify<'r>(rules: &'r [Rule], packet: &Endpoint) -> Option<&'r Rule> {
    rules.iter().find(|rule| rule.matches(packet))
}

/// Groups and ports that some venues have used: an example of a configuration. They change, and they depend
/// on the receiver's line; a real configuration takes them from the venue's notices.
pub const EXAMPLE_RULES: [Rule; 6] = [
    Rule::v4(
        Venue::Nasdaq,
        Protocol::ItchMoldUdp64,
        ([233, 54, 12, 0], 24),
        (26_400, 26_499),
    ),
    Rule::v4(
        Venue::CboeByx,
        Protocol::Pitch,
        ([233, 209, 92, 192], 26),
        (30_200, 30_299),
    ),
    Rule::v4(
        Venue::CboeFutures,
        Protocol::Pitch,
        ([233, 130, 124, 128], 25),
        (30_000, 30_099),
    ),
    Rule::v4(
        Venue::Nyse,
        Protocol::Xdp,
        ([233, 125, 89, 0], 24),
        (11_000, 11_199),
    ),
    Rule::v4(
        Venue::NyseArca,
        Protocol::Xdp,
        ([224, 0, 96, 0], 24),
        (41_000, 41_099),
    ),
    Rule::ports(Venue::Nasdaq, Protocol::SoupBinTcp, (8_000, 8_099)),
];

/// FIX sessions of three venues by their ports, at any address.
pub const PORT_RULES: [Rule; 12] = {
    let venues = [Venue::Nyse, Venue::Nasdaq, Venue::CboeBzx];
    let bases = [4001, 7001, 8001, 9001];
    let mut rules = [Rule::ports(Venue::Nyse, Protocol::Fix, (0, 0)); 12];
    let mut i = 0;
    while i < rules.len() {
        let port = bases[i / 3] + (i % 3) as u16;
        rules[i] = Rule::ports(venues[i % 3], Protocol::Fix, (port, port));
        i += 1;
    }
    rules
};
