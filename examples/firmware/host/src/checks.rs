//! The checks, in the order in which they run.

use std::time::{Duration, Instant};

use framepool::wire::{Arp, ArpHeader, Transport};

use crate::frames::{self, ECHO, ITS_IP, ITS_MAC, LONGEST, OUR_IP, OUR_MAC, OUR_PORT, PAUSE};
use crate::peer::{Peer, Statistics};
use crate::say;

/// Frames of the flood: several times the pool, and few enough for the controller's FIFO.
const FLOOD: u64 = 96;
/// Milliseconds for which the firmware is busy: longer than the flood takes, also on a loaded machine.
const BUSY: &str = "1000";
/// From the answer of the firmware until it is busy; much shorter than `BUSY`.
const SETTLE: Duration = Duration::from_millis(100);
/// Frames of the overload, which are sent without waiting for answers.
const OVERLOAD: u64 = 20_000;
/// Echoes under way at once; less than the pool has blocks.
const WINDOW: u32 = 8;
/// Bytes of each echo of the last check.
const ECHO_LEN: usize = 256;
/// When no frame has come for this long, none will.
const QUIET: Duration = Duration::from_secs(1);

pub fn run(peer: &mut Peer, frames: u32) -> Result<(), String> {
    let in_check = |name: &str, result: Result<String, String>| match result {
        Ok(summary) => {
            say(&format!("{name:<9}{summary}"));
            Ok(())
        }
        Err(message) => Err(format!("{name}: {message}")),
    };
    in_check("arp", arp(peer))?;
    in_check("ping", ping(peer))?;
    in_check("echo", echo(peer))?;
    in_check("refused", refused(peer))?;
    in_check("flood", flood(peer))?;
    in_check("overload", overload(peer))?;
    in_check("echoes", echoes(peer, frames))?;
    in_check("leaks", leaks(peer))
}

fn arp(peer: &mut Peer) -> Result<String, String> {
    let frame = peer.ask(&frames::arp_request(ITS_IP))?;
    let summary = frames::answer(frame)?;
    let reply = Arp::new_checked(&frame[summary.network_offset()..]).map(|arp| arp.header());
    let expected = ArpHeader {
        operation: ArpHeader::REPLY,
        sender_hardware: ITS_MAC,
        sender: ITS_IP,
        target_hardware: OUR_MAC,
        target: OUR_IP,
    };
    if reply != Ok(Some(expected)) || frame.len() != summary.network_offset() + ArpHeader::LEN {
        return Err(format!("wrong reply: {reply:?}"));
    }
    Ok(format!("{ITS_IP} is at {ITS_MAC:02x?}"))
}

/// Lengths from nothing to the longest that a frame holds, around the word and the least frame.
const LENGTHS: [usize; 12] = [0, 1, 2, 3, 4, 17, 18, 19, 56, 1000, LONGEST - 1, LONGEST];

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + len) as u8).collect()
}

fn ping(peer: &mut Peer) -> Result<String, String> {
    for (sequence, len) in (1..).zip(LENGTHS) {
        let request = frames::ping(sequence, &pattern(len));
        let frame = peer.ask(&request)?;
        let summary = frames::answer(frame)?;
        let message = summary.transport_offset();
        let is_reply = summary.transport() == Transport::Icmpv4 && summary.icmp() == Some((0, 0));
        // Identifier, sequence number and data.
        if !is_reply || frame[message + 4..] != request[message + 4..] {
            return Err(format!("wrong reply to {len} bytes of data"));
        }
    }
    Ok(format!(
        "{} pings of 0 to {LONGEST} bytes answered",
        LENGTHS.len()
    ))
}

fn echo(peer: &mut Peer) -> Result<String, String> {
    for len in LENGTHS {
        let payload = pattern(len);
        let frame = peer.ask(&frames::udp(OUR_PORT, ECHO, &payload))?;
        if frames::udp_answer(frame, ECHO)? != payload {
            return Err(format!("wrong echo of {len} bytes"));
        }
    }
    let request = frames::udp_with_more(ECHO, b"inside", b"after");
    let frame = peer.ask(&request)?;
    if frames::udp_answer(frame, ECHO)? != b"inside" || frame.len() != request.len() {
        return Err("wrong echo of a datagram shorter than its IP datagram".into());
    }
    Ok(format!(
        "{} datagrams of 0 to {LONGEST} bytes echoed",
        LENGTHS.len()
    ))
}

/// Frames without an answer, each counted for its reason.
fn refused(peer: &mut Peer) -> Result<String, String> {
    let before = peer.statistics()?;
    let (malformed, ignored) = (frames::malformed(), frames::not_for_it());
    let long = ("a frame longer than a block", frames::too_long());
    for (name, frame) in malformed.iter().chain(&ignored).chain([&long]) {
        // The answer to a ping comes next only if the frame has none.
        peer.send(frame)?;
        let answer = frames::answer(peer.ask(&frames::ping(0, b""))?)?;
        if answer.icmp() != Some((0, 0)) {
            return Err(format!("{name} was answered"));
        }
    }
    let after = peer.statistics()?;
    expect_growth(&before, &after, "malformed", malformed.len() as u64)?;
    expect_growth(&before, &after, "ignored", ignored.len() as u64)?;
    expect_growth(&before, &after, "damaged", 1)?;
    Ok(format!(
        "{} malformed frames, {} for others, 1 too long: none answered, all counted",
        malformed.len(),
        ignored.len()
    ))
}

fn expect_growth(
    before: &Statistics,
    after: &Statistics,
    name: &str,
    expected: u64,
) -> Result<(), String> {
    let grown = after.since(before, name)?;
    if grown != expected {
        return Err(format!("{name} grew by {grown} instead of {expected}"));
    }
    Ok(())
}

/// Frames arrive while the main loop is busy: the pool's blocks are filled, the other frames are dropped and
/// counted, and afterwards every frame that got a block is answered.
fn flood(peer: &mut Peer) -> Result<String, String> {
    let before = peer.statistics()?;
    let frame = peer.ask(&frames::udp(OUR_PORT, PAUSE, BUSY.as_bytes()))?;
    frames::udp_answer(frame, PAUSE)?;
    // The firmware frees the answer's block just after it has sent it.
    std::thread::sleep(SETTLE);
    for number in 0..FLOOD {
        peer.send(&frames::udp(OUR_PORT, ECHO, &number.to_be_bytes()))?;
    }
    let capacity = before.get("capacity")?;
    for number in 0..capacity {
        let frame = peer.receive()?;
        if frames::udp_answer(frame, ECHO)? != number.to_be_bytes() {
            return Err(format!("wrong echo of frame {number}"));
        }
    }
    let after = peer.statistics()?;
    expect_growth(&before, &after, "exhaustions", FLOOD - capacity)?;
    expect_growth(&before, &after, "no_block", FLOOD - capacity)?;
    if after.get("peak")? != capacity {
        return Err("the pool was not exhausted".into());
    }
    Ok(format!(
        "{FLOOD} frames at once: {capacity} blocks filled and answered, {} frames dropped and counted",
        FLOOD - capacity
    ))
}

/// As many frames as QEMU takes. It drops some without notice, if its FIFO is full; all others are accounted for.
fn overload(peer: &mut Peer) -> Result<String, String> {
    let before = peer.statistics()?;
    let frame = frames::udp(OUR_PORT, ECHO, &pattern(ECHO_LEN));
    for _ in 0..OVERLOAD {
        peer.send(&frame)?;
    }
    while peer.receive_within(QUIET)?.is_some() {}
    let after = peer.statistics()?;
    check_accounts(&after)?;
    // The request for the statistics is one of them.
    let received = after.since(&before, "received")? - 1;
    Ok(format!(
        "{OVERLOAD} frames unpaced: {received} received, {} dropped for want of a block, all accounted for",
        after.since(&before, "no_block")?
    ))
}

/// Every frame that was received was answered, or was dropped for a reason that is counted. The frame that asks
/// was received, but not yet answered.
fn check_accounts(statistics: &Statistics) -> Result<(), String> {
    let fates = [
        "damaged",
        "no_block",
        "ring_full",
        "answered",
        "ignored",
        "malformed",
        "unsent",
    ];
    let mut sum = 1;
    for name in fates {
        sum += statistics.get(name)?;
    }
    let received = statistics.get("received")?;
    if received != sum {
        return Err(format!("{received} frames received, {sum} accounted for"));
    }
    Ok(())
}

/// Many echoes, a few at a time. None may be lost.
fn echoes(peer: &mut Peer, frames: u32) -> Result<String, String> {
    let before = peer.statistics()?;
    let payload = |number: u32| {
        let mut payload = [0; ECHO_LEN];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        payload
    };
    let send = |peer: &Peer, number| peer.send(&frames::udp(OUR_PORT, ECHO, &payload(number)));
    let began = Instant::now();
    for number in 0..WINDOW.min(frames) {
        send(peer, number)?;
    }
    for number in 0..frames {
        let frame = peer.receive()?;
        if frames::udp_answer(frame, ECHO)? != payload(number) {
            return Err(format!("wrong echo of frame {number}"));
        }
        if let Some(next) = number.checked_add(WINDOW).filter(|&next| next < frames) {
            send(peer, next)?;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = peer.statistics()?;
    expect_growth(&before, &after, "no_block", 0)?;
    Ok(format!(
        "{frames} of {frames} frames echoed, {WINDOW} at a time, {:.0} a second",
        f64::from(frames) / seconds
    ))
}

fn leaks(peer: &mut Peer) -> Result<String, String> {
    let end = peer.statistics()?;
    check_accounts(&end)?;
    // One block holds the frame that asks.
    let leaked = end.get("in_use")? - 1;
    let refusals = end.get("refusals")?;
    if leaked != 0 || refusals != 0 {
        return Err(format!("{leaked} blocks lost, {refusals} returns refused"));
    }
    Ok(format!(
        "0 blocks lost in {} frames; peak {} of {}, {} exhaustions, 0 refusals",
        end.get("received")?,
        end.get("peak")?,
        end.get("capacity")?,
        end.get("exhaustions")?
    ))
}
