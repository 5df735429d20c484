//! Parses filter expressions like those of tcpdump (pcap-filter(7)).

use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

use super::error::{FilterError, FilterReason};
use super::term::{Side, Term};
use super::{Filter, Node};
use crate::wire::summary::Network;

/// Maximum nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

/// Parses an expression of tcpdump (pcap-filter(7)). It supports:
///
/// ```text
/// ip  ip6  arp  udp  tcp  icmp  icmp6  proto N  ether proto N
/// [src|dst] host A    [src|dst] net A/N    group A
/// multicast  ip multicast  ip6 multicast  ether multicast
/// [tcp|udp] [src|dst] port N    [tcp|udp] [src|dst] portrange N-N
/// vlan [N]    fragment    not X  ! X    X and Y  X && Y    X or Y  X || Y    ( X )
/// ```
///
/// `and` and `or` have the same precedence and group from left to right; `not` binds more tightly. Numbers are
/// decimal, or hexadecimal after `0x`. A network address has no bits set after its prefix. `udp` and `tcp` are the
/// protocol of IP, also in a later fragment.
///
/// A `vlan` is about the outermost tag; a second one joined to it by `and` is about the next tag. `vlan 100 and vlan
/// 200` matches frames with tag 100 outside and tag 200 inside. `multicast` is a group address of the link layer,
/// broadcast included; `ip multicast` and `ip6 multicast` are group addresses of IP.
///
/// # Differences from tcpdump
/// | expression | here | tcpdump |
/// |---|---|---|
/// | `port`, `portrange` | UDP and TCP | SCTP too |
/// | `portrange 80-70` | an error | the same as `70-80` |
/// | `host`, `net` | IP and ARP | RARP too |
/// | `ip multicast` | 224.0.0.0/4 | every address from 224.0.0.0 on |
/// | `ether proto N` | the type after all tags; the types of tags match nothing | the type after the addresses |
/// | any term on a tagged frame | finds its header after any tag | only after one `vlan` for each tag |
/// | `vlan 1 or vlan 2` | the outermost tag, twice | the outermost tag, then the next |
/// | a third `vlan` joined by `and` | an error | the third tag |
/// | `udp`, `tcp`, `proto N`, `port` over IPv6 | found after all extension headers | only after a fragment header, ports after no header |
/// | `udp`, `tcp`, `proto N`, `port` over IPv4 | found after authentication headers too | not found there |
/// | MPLS and SNAP | parsed | not parsed |
/// | `group`, `fragment` | terms | unknown |
impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            tags: 0,
            filter: Filter::all(),
        };
        if parser.peek().is_none() {
            return Err(FilterError::new(FilterReason::Empty, 0));
        }
        parser.expression()?;
        match parser.peek() {
            Some(_) => Err(parser.error(FilterReason::Unexpected)),
            None => parser.filter.compile(),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    /// The number of VLAN terms so far that are joined by `and` with the next word.
    tags: usize,
    filter: Filter,
}

type Parsed = Result<u8, FilterError>;

impl<'a> Parser<'a> {
    /// The next word, its start and its end.
    fn look(&self) -> Option<(&'a str, usize, usize)> {
        let rest = self.text.get(self.at..)?;
        let word = rest.trim_start();
        let start = self.at + (rest.len() - word.len());
        let first = word.chars().next()?;
        let len = match first {
            '(' | ')' | '!' => 1,
            '&' | '|' => word.len() - word.trim_start_matches(first).len(),
            _ => word
                .find(|c: char| c.is_whitespace() || "()!&|".contains(c))
                .unwrap_or(word.len()),
        };
        Some((word.get(..len)?, start, start + len))
    }

    fn peek(&self) -> Option<&'a str> {
        self.look().map(|(word, ..)| word)
    }

    fn next(&mut self) -> Result<&'a str, FilterError> {
        let (word, _, end) = self
            .look()
            .ok_or(FilterError::new(FilterReason::Incomplete, self.text.len()))?;
        self.at = end;
        Ok(word)
    }

    /// Consumes the next word if it is one of `words`.
    fn take(&mut self, words: &[&str]) -> Option<&'a str> {
        let (word, _, end) = self.look()?;
        words.contains(&word).then(|| {
            self.at = end;
            word
        })
    }

    /// An error at the next word.
    fn error(&self, reason: FilterReason) -> FilterError {
        let at = self.look().map_or(self.text.len(), |(_, start, _)| start);
        FilterError::new(reason, at)
    }

    /// Adds a node. An error is at the next word.
    fn push(&mut self, node: Node<Term>) -> Parsed {
        let offset = self.at;
        let push = self.filter.push(node);
        push.map_err(|e| FilterError::new(e.reason, offset))
    }

    fn expression(&mut self) -> Parsed {
        let before = self.tags;
        let mut left = self.operand()?;
        loop {
            if self.take(&["and", "&&"]).is_some() {
                let right = self.operand()?;
                left = self.push(Node::And(left, right))?;
            } else if self.take(&["or", "||"]).is_some() {
                let of_left = core::mem::replace(&mut self.tags, before);
                let right = self.operand()?;
                self.tags = self.tags.max(of_left);
                left = self.push(Node::Or(left, right))?;
            } else {
                return Ok(left);
            }
        }
    }

    fn operand(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(FilterReason::TooDeep));
        }
        let node = if self.take(&["not", "!"]).is_some() {
            let inner = self.operand()?;
            self.push(Node::Not(inner))?
        } else if self.take(&["("]).is_some() {
            let inner = self.expression()?;
            if self.take(&[")"]).is_none() {
                let is_end = self.peek().is_none();
                let reason = if is_end {
                    FilterReason::Incomplete
                } else {
                    FilterReason::Unexpected
                };
                return Err(self.error(reason));
            }
            inner
        } else {
            self.primitive()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn term(&mut self, term: Term) -> Parsed {
        self.push(Node::Leaf(term))
    }

    fn primitive(&mut self) -> Parsed {
        let error = self.error(FilterReason::Unexpected);
        let before = self.at;
        match self.next()? {
            "ip" if self.take(&["multicast"]).is_some() => {
                self.both(Term::Network(Network::Ipv4), Term::Multicast)
            }
            "ip6" if self.take(&["multicast"]).is_some() => {
                self.both(Term::Network(Network::Ipv6), Term::Multicast)
            }
            "ether" if self.take(&["multicast"]).is_some() => self.term(Term::LinkGroup),
            "ip" => self.term(Term::Network(Network::Ipv4)),
            "ip6" => self.term(Term::Network(Network::Ipv6)),
            "arp" => self.term(Term::Network(Network::Arp)),
            "udp" => self.protocol(17),
            "tcp" => self.protocol(6),
            "icmp" => self.both(Term::Network(Network::Ipv4), Term::Protocol(1)),
            "icmp6" => self.both(Term::Network(Network::Ipv6), Term::Protocol(58)),
            "proto" => {
                let number = self.number(0xFF)?;
                self.term(Term::Protocol(number as u8))
            }
            "ether" if self.take(&["proto"]).is_some() => {
                let number = self.number(0xFFFF)?;
                self.term(Term::EtherType(number))
            }
            "vlan" => self.vlan(error.offset),
            "fragment" => self.term(Term::Fragment),
            "multicast" => self.term(Term::LinkGroup),
            "group" => self.host(Side::Dst),
            "src" => self.sided(Side::Src),
            "dst" => self.sided(Side::Dst),
            "host" | "net" | "port" | "portrange" => {
                self.at = before;
                self.sided(Side::Either)
            }
            _ => Err(error),
        }
    }

    fn both(&mut self, a: Term, b: Term) -> Parsed {
        let (a, b) = (self.term(a)?, self.term(b)?);
        self.push(Node::And(a, b))
    }

    /// `udp`, or `udp dst port 53`.
    fn protocol(&mut self, protocol: u8) -> Parsed {
        let left = self.term(Term::Protocol(protocol))?;
        let right = match self.peek() {
            Some(word @ ("src" | "dst")) => {
                let side = if word == "src" { Side::Src } else { Side::Dst };
                self.next()?;
                self.port_of(side)?
            }
            Some("port" | "portrange") => self.port_of(Side::Either)?,
            _ => return Ok(left),
        };
        self.push(Node::And(left, right))
    }

    /// The first is about the outermost tag, a second one joined to it by `and` about the next.
    fn vlan(&mut self, start: usize) -> Parsed {
        let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let is_inner = match self.tags {
            0 => false,
            1 => true,
            _ => return Err(FilterError::new(FilterReason::TooManyTags, start)),
        };
        self.tags += 1;
        let term = match (self.peek().is_some_and(is_number), is_inner) {
            (true, false) => Term::Vlan(self.number(0xFFF)?),
            (true, true) => Term::InnerVlan(self.number(0xFFF)?),
            (false, false) => Term::Tagged,
            (false, true) => Term::InnerTagged,
        };
        self.term(term)
    }

    fn sided(&mut self, side: Side) -> Parsed {
        let error = self.error(FilterReason::Unexpected);
        let before = self.at;
        match self.next()? {
            "host" => self.host(side),
            "net" => self.net(side),
            "port" | "portrange" => {
                self.at = before;
                self.port_of(side)
            }
            _ => Err(error),
        }
    }

    fn port_of(&mut self, side: Side) -> Parsed {
        let error = self.error(FilterReason::Unexpected);
        match self.next()? {
            "port" => {
                let port = self.number(u16::MAX)?;
                self.term(Term::Port(side, port, port))
            }
            "portrange" => self.port_range(side),
            _ => Err(error),
        }
    }

    fn host(&mut self, side: Side) -> Parsed {
        let error = self.error(FilterReason::BadAddress);
        match self.next()?.parse().map_err(|_| error)? {
            IpAddr::V4(address) => self.term(Term::host_v4(side, address)),
            IpAddr::V6(address) => self.term(Term::host_v6(side, address)),
        }
    }

    fn net(&mut self, side: Side) -> Parsed {
        let error = self.error(FilterReason::BadAddress);
        let word = self.next()?;
        let (address, bits) = match word.split_once('/') {
            Some((address, bits)) => {
                let bits: u8 = decimal(bits).ok_or(error)?;
                (whole_bytes(address).ok_or(error)?.0, bits)
            }
            None => whole_bytes(word).ok_or(error)?,
        };
        if has_host_bits(address, bits) {
            return Err(FilterError::new(FilterReason::HostBits, error.offset));
        }
        match address {
            IpAddr::V4(address) if bits <= 32 => self.term(Term::net_v4(side, address, bits)),
            IpAddr::V6(address) if bits <= 128 => self.term(Term::net_v6(side, address, bits)),
            _ => Err(error),
        }
    }

    fn port_range(&mut self, side: Side) -> Parsed {
        let error = self.error(FilterReason::BadNumber);
        let range = self.next()?.split_once('-');
        let parsed = range.and_then(|(a, b)| Some((decimal(a)?, decimal(b)?)));
        match parsed {
            Some((first, last)) if first <= last => self.term(Term::Port(side, first, last)),
            Some(_) => Err(FilterError::new(FilterReason::BackwardRange, error.offset)),
            _ => Err(error),
        }
    }

    fn number(&mut self, most: u16) -> Result<u16, FilterError> {
        let error = self.error(FilterReason::BadNumber);
        let word = self.next()?;
        let number = match word.strip_prefix("0x") {
            Some(digits) if !digits.starts_with('+') => u16::from_str_radix(digits, 16).ok(),
            _ => decimal(word),
        };
        number.filter(|&n| n <= most).ok_or(error)
    }
}

/// Whether bits are set after the first `bits`.
fn has_host_bits(address: IpAddr, bits: u8) -> bool {
    let from_the_top = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    from_the_top.checked_shl(bits.into()).unwrap_or(0) != 0
}

/// Only digits: a sign is not part of a number here.
fn decimal<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok().filter(|_| !word.starts_with('+'))
}

/// An address and the bits of its prefix: eight for each number in `10`, `10.1`, `10.1.2` or `10.1.2.3`, all of an
/// IPv6 address.
fn whole_bytes(word: &str) -> Option<(IpAddr, u8)> {
    if word.contains(':') {
        return Some((IpAddr::V6(word.parse().ok()?), 128));
    }
    let mut octets = [0; 4];
    let mut count = 0;
    for part in word.split('.') {
        *octets.get_mut(count)? = decimal(part)?;
        count += 1;
    }
    Some((IpAddr::V4(Ipv4Addr::from(octets)), 8 * count as u8))
}
