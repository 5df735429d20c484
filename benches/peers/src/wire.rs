//! Benches of packet parsing: `wire/…`.
//!
//! | bench | one operation |
//! |---|---|
//! | `wire/summarize/plain`, `…/mixed` | one frame, in random order, of [`frames::plain`] or [`frames::mixed`] |
//! | `wire/summarize/burst32/…` | the same, 32 frames at a time |
//! | `wire/filter/…` | a filter of ten terms on the summary of one frame; `summarize`: the making of that summary |
//! | `wire/checksum/…` | the checksum over this number of bytes |
//!
//! framepool makes the complete summary, and an error with its reason. smoltcp and pnet return addresses, ports
//! and protocol; etherparse returns slices of all headers. The order has 65,536 entries, too many for a branch
//! predictor to learn.

mod contenders;
pub mod frames;

use framepool::wire::{Filter, ParseError, Summary, checksum, summarize, summarize_burst};

use crate::harness::{FRAMEPOOL, Group, Row, escape};
use crate::options::Options;

/// The benches by name.
pub const BENCHES: [&str; 11] = [
    "wire/summarize/plain",
    "wire/summarize/mixed",
    "wire/summarize/burst32/plain",
    "wire/summarize/burst32/mixed",
    "wire/filter/plain",
    "wire/filter/mixed",
    "wire/checksum/64",
    "wire/checksum/256",
    "wire/checksum/576",
    "wire/checksum/1500",
    "wire/checksum/9000",
];

/// The number of frames in a burst.
const BURST: usize = 32;
/// The number of entries in a random order.
const ORDER: usize = 1 << 16;

/// Ten terms. The feed's frames match the first ones, so that several are evaluated.
const TEN_TERMS: &str = "udp and (dst net 233.54.0.0/20 or dst net 233.54.16.0/20 or dst net 224.0.31.0/24 \
                         or dst net ff3e::/32) and (dst port 26400 or dst portrange 26405-26407 \
                         or dst portrange 30000-30100) and not fragment and not vlan 4000";

/// One run of all selected benches.
pub fn run(options: &Options) -> Vec<Row> {
    let wanted: Vec<_> = BENCHES.iter().filter(|name| options.wants(name)).collect();
    let budget = options.budget / wanted.len().max(1) as u32;
    let one = |name: &&&str| {
        let (_, kind) = name.rsplit_once('/').unwrap_or_default();
        let all = match kind {
            "mixed" => frames::mixed(),
            _ => frames::plain(),
        };
        let frames = in_random_order(&all);
        let mut group = Group::default();
        match name.split('/').nth(1) {
            Some("summarize") if name.contains("burst") => bursts(&mut group, name, &frames),
            Some("summarize") => singles(&mut group, name, &frames),
            Some("filter") => filters(&mut group, name, &frames, &all),
            _ => checksums(&mut group, name, kind.parse().unwrap_or(64)),
        }
        group.measure(budget)
    };
    wanted.iter().flat_map(one).collect()
}

/// A random order of `n` things, the same every time.
fn order(count: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % count
    };
    std::iter::repeat_with(next).take(ORDER)
}

/// All frames, in their order. They keep their places in memory.
fn in_random_order(frames: &[Vec<u8>]) -> Vec<&'static [u8]> {
    let frames: Vec<&'static [u8]> = frames.iter().map(|frame| &*frame.clone().leak()).collect();
    order(frames.len()).map(|at| frames[at]).collect()
}

/// Calls `f` for `n` frames. The next call continues after them.
fn each<'a, R>(
    frames: &'a [&'static [u8]],
    mut f: impl FnMut(&'static [u8]) -> R + 'a,
) -> impl FnMut(u64) + 'a {
    let mut at = 0;
    move |n| {
        for _ in 0..n {
            let mut result = f(frames[at % ORDER]);
            escape(&mut result);
            at += 1;
        }
    }
}

fn singles<'a>(group: &mut Group<'a>, name: &str, frames: &'a [&'static [u8]]) {
    group.add(name, FRAMEPOOL, 1, each(frames, summarize));
    group.add(name, "smoltcp", 1, each(frames, contenders::smoltcp_tuple));
    group.add(name, "pnet", 1, each(frames, contenders::pnet_tuple));
    group.add(
        name,
        "etherparse",
        1,
        each(frames, contenders::etherparse_sliced),
    );
    group.add(name, "floor", 1, each(frames, contenders::floor));
}

/// Calls `f` for `n` bursts.
fn each_burst<'a>(
    frames: &'a [&'static [u8]],
    mut f: impl FnMut(&[&'static [u8]]) + 'a,
) -> impl FnMut(u64) + 'a {
    let mut at = 0;
    move |n| {
        for _ in 0..n {
            f(&frames[at..at + BURST]);
            at = (at + BURST) % ORDER;
        }
    }
}

/// One frame after the other, also into an array.
fn one_by_one<R: Copy + Default>(f: impl Fn(&'static [u8]) -> R) -> impl FnMut(&[&'static [u8]]) {
    let mut out = [R::default(); BURST];
    move |frames| {
        for (frame, out) in frames.iter().zip(&mut out) {
            *out = f(frame);
        }
        escape(&mut out);
    }
}

fn bursts<'a>(group: &mut Group<'a>, name: &str, frames: &'a [&'static [u8]]) {
    let ops = BURST as u64;
    let mut out: [Result<Summary, ParseError>; BURST] = [Ok(Summary::default()); BURST];
    let ours = move |frames: &[&'static [u8]]| {
        summarize_burst(frames, &mut out);
        escape(&mut out);
    };
    group.add(name, FRAMEPOOL, ops, each_burst(frames, ours));
    let smoltcp = one_by_one(contenders::smoltcp_tuple);
    group.add(name, "smoltcp", ops, each_burst(frames, smoltcp));
    let pnet = one_by_one(contenders::pnet_tuple);
    group.add(name, "pnet", ops, each_burst(frames, pnet));
    let floor = one_by_one(contenders::floor);
    group.add(name, "floor", ops, each_burst(frames, floor));
}

fn filters<'a>(group: &mut Group<'a>, name: &str, frames: &'a [&'static [u8]], all: &[Vec<u8>]) {
    let filter: Filter = TEN_TERMS.parse().expect("the expression is valid");
    let summarized = |frame: &Vec<u8>| summarize(frame).unwrap_or_default();
    let summaries: Vec<Summary> = all.iter().map(summarized).collect();
    let order: Vec<u16> = order(all.len()).map(|at| at as u16).collect();
    let mut at = 0;
    group.add(name, FRAMEPOOL, 1, move |n| {
        for _ in 0..n {
            let mut wanted = filter.matches(&summaries[usize::from(order[at % ORDER])]);
            escape(&mut wanted);
            at += 1;
        }
    });
    group.add(name, "summarize", 1, each(frames, summarize));
}

fn checksums(group: &mut Group<'_>, name: &str, len: usize) {
    let bytes: Vec<u8> = (0..len).map(|i| (i * 151) as u8).collect();
    let over = |f: fn(&[u8]) -> u16| {
        let mut bytes = bytes.clone();
        move |n| {
            for _ in 0..n {
                escape(&mut bytes);
                let mut sum = f(&bytes);
                escape(&mut sum);
            }
        }
    };
    group.add(name, FRAMEPOOL, 1, over(checksum::checksum));
    group.add(name, "smoltcp", 1, over(contenders::smoltcp_checksum));
    group.add(name, "etherparse", 1, over(contenders::etherparse_checksum));
}
