//! Answers: a request becomes its reply in the block in which it arrived. Nothing here touches the hardware.

use core::fmt::{self, Write};
use core::net::{IpAddr, Ipv4Addr};

use framepool::Frame;
use framepool::wire::{
    Arp, ArpHeader, Ethernet, Ipv4, Link, Network, ParseError, Summary, Transport, Udp, summarize,
};

/// The port of the echo service (RFC 862).
const ECHO: u16 = 7;
/// The port that answers with statistics, as text.
const STATISTICS: u16 = 7001;
/// The port that pauses the main loop for a number of milliseconds, given in digits.
const PAUSE: u16 = 7002;

const ICMP_ECHO_REQUEST: (u8, u8) = (8, 0);
const TTL: u8 = 64;

/// This end's addresses.
pub struct Host {
    pub mac: [u8; 6],
    pub ip: Ipv4Addr,
}

/// What to do with a frame.
pub enum Verdict {
    /// Send it: it is the answer now.
    Reply,
    /// Send it, after the text has been put into it with [`put_text`].
    Statistics(Summary),
    /// Send it, then pause for this many milliseconds.
    Pause(u32),
    /// Nothing: it is for another host or service.
    Ignore,
    /// Nothing: a header, a length or a checksum is wrong.
    Malformed,
}

impl Host {
    /// Reads a frame and turns it into its answer, if it is a request for this host.
    pub fn answer(&self, frame: &mut Frame<'_>) -> Verdict {
        let checked = summarize(frame.bytes())
            .and_then(|summary| summary.verify(frame.bytes()).map(|()| summary));
        let Ok(summary) = checked else {
            return Verdict::Malformed;
        };
        let verdict = match summary.network() {
            _ if summary.link() != Link::Ethernet => Ok(Verdict::Ignore),
            Network::Arp => self.answer_arp(frame, &summary),
            Network::Ipv4 if self.is_for_us(&summary) => self.answer_ipv4(frame, &summary),
            _ => Ok(Verdict::Ignore),
        };
        verdict.unwrap_or(Verdict::Malformed)
    }

    /// Whether it is a whole datagram from one host to this one, without options.
    fn is_for_us(&self, summary: &Summary) -> bool {
        let from_one_host = match summary.src() {
            Some(IpAddr::V4(src)) => {
                !(src.is_multicast() || src.is_broadcast() || src.is_unspecified())
            }
            _ => false,
        };
        from_one_host
            && summary.dst() == Some(IpAddr::V4(self.ip))
            && !summary.is_link_group()
            && !summary.is_fragment()
            && summary.network_header_len() == 20
    }

    fn answer_arp(&self, frame: &mut Frame<'_>, summary: &Summary) -> Result<Verdict, ParseError> {
        let start = summary.network_offset();
        let request = match Arp::new_checked(&frame.bytes()[start..])?.header() {
            Some(arp) if arp.operation == ArpHeader::REQUEST && arp.target == self.ip => arp,
            _ => return Ok(Verdict::Ignore),
        };
        request
            .reply(self.mac)
            .emit(&mut frame.bytes_mut()[start..])?;
        // The request was a broadcast.
        let mut ethernet = Ethernet::new_checked(frame.bytes_mut())?;
        ethernet.set_dst(request.sender_hardware);
        ethernet.set_src(self.mac);
        frame.truncate(start + ArpHeader::LEN);
        Ok(Verdict::Reply)
    }

    fn answer_ipv4(&self, frame: &mut Frame<'_>, summary: &Summary) -> Result<Verdict, ParseError> {
        let verdict = match summary.transport() {
            Transport::Icmpv4 if summary.icmp() == Some(ICMP_ECHO_REQUEST) => Verdict::Reply,
            Transport::Udp => match summary.ports() {
                // Two echo services would answer each other for ever.
                Some((ECHO | STATISTICS | PAUSE, _)) => Verdict::Ignore,
                Some((_, ECHO)) => Verdict::Reply,
                Some((_, STATISTICS)) => Verdict::Statistics(*summary),
                Some((_, PAUSE)) => milliseconds(&frame.bytes()[summary.payload()])
                    .map_or(Verdict::Ignore, Verdict::Pause),
                _ => Verdict::Ignore,
            },
            _ => Verdict::Ignore,
        };
        if !matches!(verdict, Verdict::Ignore) {
            turn_around(frame, summary)?;
        }
        Ok(verdict)
    }
}

/// Turns a ping into its reply, and another datagram around. Ethernet's padding is cut off.
fn turn_around(frame: &mut Frame<'_>, summary: &Summary) -> Result<(), ParseError> {
    let (start, mut answer, bytes) = (summary.network_offset(), *summary, frame.bytes_mut());
    match summary.transport() {
        Transport::Icmpv4 => answer.echo_reply(bytes)?,
        _ => answer.swap_ends(bytes)?,
    }
    let mut ip = Ipv4::new_checked(&mut bytes[start..])?;
    ip.change_ttl(TTL);
    let end = start + usize::from(ip.total_len());
    frame.truncate(end);
    Ok(())
}

/// Replaces the payload of a UDP datagram by text.
pub fn put_text(
    frame: &mut Frame<'_>,
    summary: &Summary,
    text: fmt::Arguments<'_>,
) -> Result<(), fmt::Error> {
    frame.truncate(summary.payload_offset());
    Tail(frame).write_fmt(text)?;
    set_lengths(frame, summary).map_err(|_| fmt::Error)
}

/// Appends text to a frame. It is an error if the block has no room for it.
struct Tail<'f, 'p>(&'f mut Frame<'p>);

impl Write for Tail<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

fn set_lengths(frame: &mut Frame<'_>, summary: &Summary) -> Result<(), ParseError> {
    let bytes = frame.bytes_mut();
    let datagram = &mut bytes[summary.network_offset()..];
    let header = summary.network_header_len();
    // A block is shorter than 65,536 bytes.
    let len = datagram.len() as u16;
    // The lengths come first: a view checks them against the bytes that are there.
    datagram[2..4].copy_from_slice(&len.to_be_bytes());
    datagram[header + 4..header + 6].copy_from_slice(&(len - header as u16).to_be_bytes());
    let mut ip = Ipv4::new_checked(datagram)?;
    ip.fill_checksum();
    let (src, dst) = (ip.src(), ip.dst());
    Udp::new_checked(ip.payload_mut())?.fill_checksum_v4(src, dst);
    Ok(())
}

/// A number of milliseconds, at most ten seconds.
fn milliseconds(digits: &[u8]) -> Option<u32> {
    let digits = core::str::from_utf8(digits).ok()?;
    digits.parse().ok().filter(|&ms| ms <= 10_000)
}
