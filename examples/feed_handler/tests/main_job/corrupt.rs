//! Captures that are broken, and captures that others made: a report or one line of complaint, never
//! a panic.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::run::{PACKAGE, replay};
use crate::wire::*;

/// Replays the bytes, which are refused, and gives the reason.
#[track_caller]
fn refused(scratch: &Scratch, capture: &[u8]) -> String {
    let run = replay(&scratch.file("capture", capture), &["--pool-blocks", "4"]);
    run.complaint().to_string()
}

fn usual_captures() -> [Vec<u8>; 2] {
    let frames = [(1, 2), (3, 1)].map(|(sequence, n)| frame(&mold(SESSION, sequence, n)));
    [usual_pcap(&frames), usual_pcapng(&frames)]
}

#[test]
fn what_is_no_file_or_no_capture_is_refused_with_the_reason() {
    let scratch = Scratch::new("refused");
    assert!(refused(&scratch, b"").contains("empty"));
    for no_capture in [&b"\xD4"[..], b"GIF89a", &[0; 4096], &[0xFF; 4096]] {
        assert!(refused(&scratch, no_capture).contains("neither"));
    }
    let directory = replay(scratch.path(), &[]);
    assert!(directory.complaint().contains("directory"), "{directory:?}");
    let missing = replay(&scratch.path().join("missing.pcap"), &[]);
    assert!(missing.complaint().contains("missing.pcap"), "{missing:?}");
}

#[test]
fn a_capture_that_ends_inside_a_record_is_refused_after_what_was_whole() {
    let scratch = Scratch::new("ends");
    for capture in usual_captures() {
        let complaint = refused(&scratch, &capture[..capture.len() - 5]);
        assert!(complaint.contains("after 1 frames"), "{complaint}");
        assert!(complaint.contains("ends inside a record"), "{complaint}");
    }
}

#[test]
fn a_capture_cut_anywhere_is_reported_or_refused() {
    let scratch = Scratch::new("cut-anywhere");
    for capture in usual_captures() {
        for len in (0..capture.len()).step_by(11) {
            let file = scratch.file("capture", &capture[..len]);
            replay(&file, &["--pool-blocks", "4"]).holds_up();
        }
    }
}

#[test]
fn a_capture_with_any_field_at_its_extreme_is_reported_or_refused() {
    let scratch = Scratch::new("extremes");
    for capture in usual_captures() {
        // Every header of the file and of the first frame's stack, field by field.
        for at in (0..capture.len().min(160)).step_by(4) {
            let mut broken = capture.clone();
            broken[at..at + 4].fill(0xFF);
            let file = scratch.file("capture", &broken);
            replay(&file, &["--pool-blocks", "4"]).holds_up();
        }
    }
}

#[test]
fn absurd_record_lengths_are_refused() {
    let scratch = Scratch::new("absurd");
    let [pcap, pcapng] = usual_captures();
    // The length of the first record of a pcap, and of the first interface block of a pcapng.
    for (capture, at) in [(pcap, 24 + 8), (pcapng, 28 + 4)] {
        for len in [u32::MAX, u32::MAX - 3, 1 << 31, 1 << 24, 1 << 20] {
            let mut broken = capture.clone();
            broken[at..at + 4].copy_from_slice(&len.to_le_bytes());
            let complaint = refused(&scratch, &broken);
            assert!(complaint.contains("corrupt after 0 frames"), "{complaint}");
        }
    }
}

#[test]
fn captures_of_others_are_reported_or_refused() {
    let captures = captures_of_others();
    // From small to large, at most about sixty.
    for capture in captures.iter().step_by(captures.len().div_ceil(60).max(1)) {
        replay(capture, &["--pool-blocks", "4"]).holds_up();
    }
}

#[test]
fn the_messages_of_real_nasdaq_captures_are_found() {
    let totalview = |path: &&PathBuf| path.to_string_lossy().contains("TotalView.Itch.v5.0");
    for capture in captures_of_others().iter().filter(totalview) {
        let report = replay(capture, &[]).report();
        assert!(report.number("messages") > 0.0, "{capture:?}: {report:?}");
        report.assert(&[("malformed", 0), ("leaked", 0)]);
    }
}

/// The capture files that this machine has, the smallest first; none that would take long.
fn captures_of_others() -> Vec<PathBuf> {
    let root = data();
    let mut captures = Vec::new();
    collect(&root, 64 << 10, &mut captures);
    if captures.is_empty() {
        // Not by `eprintln`, which is not shown for a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED captures: none in {}",
            root.display()
        );
    }
    captures.sort();
    captures.into_iter().map(|(_, path)| path).collect()
}

/// The folder of captures, which need not exist.
pub fn data() -> PathBuf {
    let beside = || Path::new(PACKAGE).join("../../../shared/data");
    env::var_os("FRAMEPOOL_DATA").map_or_else(beside, PathBuf::from)
}

/// Adds the captures of at most `most` bytes below a directory, with their sizes.
pub fn collect(directory: &Path, most: u64, captures: &mut Vec<(u64, PathBuf)>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let capture = path
            .extension()
            .is_some_and(|e| e == "pcap" || e == "pcapng");
        match fs::metadata(&path) {
            Ok(data) if data.is_dir() => collect(&path, most, captures),
            Ok(data) if capture && data.len() <= most => captures.push((data.len(), path)),
            _ => {}
        }
    }
}
