//! Identifies the venue of a packet by configured addresses and ports. Feeds do not name it.

use core::net::{IpAddr, Ipv4Addr};

/// A trading venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Venue {
    /// The Nasdaq Stock Market.
    Nasdaq,
    /// Nasdaq BX.
    NasdaqBx,
    /// Nasdaq PSX.
    NasdaqPsx,
    /// Cboe BZX equities.
    CboeBzx,
    /// Cboe BYX equities.
    CboeByx,
    /// Cboe EDGA equities.
    CboeEdga,
    /// Cboe EDGX equities.
    CboeEdgx,
    /// Cboe options exchanges.
    CboeOptions,
    /// Cboe Futures Exchange.
    CboeFutures,
    /// The New York Stock Exchange.
    Nyse,
    /// NYSE American.
    NyseAmerican,
    /// NYSE Arca.
    NyseArca,
    /// NYSE National.
    NyseNational,
    /// One of the caller's own numbering.
    Other(u16),
}

/// What a packet's payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Protocol {
    /// ITCH 5.0 over MoldUDP64.
    ItchMoldUdp64,
    /// ITCH 5.0, or OUCH, over SoupBinTCP.
    SoupBinTcp,
    /// Multicast PITCH.
    Pitch,
    /// NYSE XDP or Pillar.
    Xdp,
    /// FIX tag=value.
    Fix,
    /// One of the caller's own numbering.
    Other(u16),
}

/// Where a packet came from and went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The sender's address.
    pub source: IpAddr,
    /// The receiver's address: the group, in multicast.
    pub destination: IpAddr,
    /// The sender's port.
    pub source_port: u16,
    /// The receiver's port.
    pub destination_port: u16,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Endpoint {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (from, to) = (self.source_port, self.destination_port);
        defmt::write!(
            f,
            "{}:{=u16} -> {}:{=u16}",
            defmt::Display2Format(&self.source),
            from,
            defmt::Display2Format(&self.destination),
            to
        );
    }
}

/// One line of a configuration: whatever matches all that it says is of its venue.
///
/// A port or address matches in either direction, as a session's two directions are of one venue: the
/// destination first, as multicast has only that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The venue.
    pub venue: Venue,
    /// What it sends.
    pub protocol: Protocol,
    /// Addresses or groups that share this number of leading bits. `None` matches all.
    pub network: Option<(IpAddr, u8)>,
    /// Ports, both ends included.
    pub ports: (u16, u16),
}

#[cfg(feature = "defmt")]
impl defmt::Format for Rule {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{} {} ports {}", self.venue, self.protocol, self.ports);
    }
}

impl Rule {
    /// A rule for a group or network, by its IPv4 address, its bits, and ports.
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

    /// Whether a packet is of this venue by this rule.
    pub fn matches(&self, packet: &Endpoint) -> bool {
        self.has(packet.destination, packet.destination_port)
            || self.has(packet.source, packet.source_port)
    }

    fn has(&self, address: IpAddr, port: u16) -> bool {
        let (first, last) = self.ports;
        (first..=last).contains(&port)
            && self
                .network
                .is_none_or(|(network, bits)| within(network, bits, address))
    }
}

/// Whether the first `bits` of both addresses are the same.
fn within(network: IpAddr, bits: u8, address: IpAddr) -> bool {
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

/// Tells venues apart by rules: the first that matches decides. O(rules).
///
/// ```
/// use framepool::feed::{Classifier, EXAMPLE_RULES, Endpoint, Protocol, Venue};
///
/// let classifier = Classifier::new(&EXAMPLE_RULES);
/// let mut packet = Endpoint {
///     source: [206, 200, 43, 73].into(),
///     destination: [233, 54, 12, 111].into(),
///     source_port: 50_000,
///     destination_port: 26_477,
/// };
/// let rule = classifier.classify(&packet).unwrap();
/// assert_eq!((rule.venue, rule.protocol), (Venue::Nasdaq, Protocol::ItchMoldUdp64));
/// packet.destination_port = 53;
/// assert_eq!(classifier.classify(&packet), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Classifier<'r> {
    rules: &'r [Rule],
}

impl<'r> Classifier<'r> {
    /// A classifier by these rules, the more special ones first.
    pub const fn new(rules: &'r [Rule]) -> Self {
        Self { rules }
    }

    /// The rule that a packet matches.
    pub fn classify(&self, packet: &Endpoint) -> Option<&'r Rule> {
        self.rules.iter().find(|rule| rule.matches(packet))
    }
}

/// An example of a configuration, and no more: groups and ports that some venues have used. They
/// change, and what a receiver sees depends on its line; take yours from the venue's notices.
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

/// Another example, without addresses: the ports by which framepool's ancestor told three venues apart, whose
/// sessions it took for FIX.
///
/// ```
/// use framepool::feed::{Classifier, Endpoint, PORT_RULES, Venue};
///
/// let packet = Endpoint {
///     source: [192, 0, 2, 1].into(),
///     destination: [192, 0, 2, 2].into(),
///     source_port: 9002,
///     destination_port: 50_000,
/// };
/// let rule = Classifier::new(&PORT_RULES).classify(&packet).unwrap();
/// assert_eq!(rule.venue, Venue::Nasdaq);
/// ```
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
