//! All ways to summarize a frame agree, and all offsets lie within the frame.
#![no_main]

use framepool::wire::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let one = summarize(frame);
    let (lax, error) = summarize_lax(frame);
    assert_eq!(one, error.map_or(Ok(lax), Err));
    let mut burst = [Ok(Summary::default()); 40];
    summarize_burst(&[frame; 40], &mut burst);
    assert!(burst.iter().all(|result| *result == one));
    is_within(&lax, frame);
    is_swapped(lax, frame, summarize_lax);
    let (lax, _) = summarize_ip_lax(frame);
    is_within(&lax, frame);
    is_swapped(lax, frame, summarize_ip_lax);
});

/// The summary stays that of the frame, and a second swap restores both. A refused frame is unchanged.
fn is_swapped(before: Summary, frame: &[u8], lax: fn(&[u8]) -> (Summary, Option<ParseError>)) {
    let (mut summary, mut bytes) = (before, frame.to_vec());
    if summary.swap_ends(&mut bytes).is_ok() {
        assert_eq!(summary, lax(&bytes).0);
        assert_eq!(summary.verify(&bytes), before.verify(frame));
        summary.swap_ends(&mut bytes).unwrap();
    }
    assert_eq!((summary, &bytes[..]), (before, frame));
    let is_answered = summary.echo_reply(&mut bytes).is_ok();
    assert_eq!(summary, lax(&bytes).0);
    assert!(is_answered || bytes == frame);
}

fn is_within(summary: &Summary, frame: &[u8]) {
    assert!(summary.transport_offset() <= summary.payload_offset());
    assert!(frame.get(summary.payload()).is_some());
    assert!(summary.network_offset() <= summary.transport_offset());
    let _ = summary.verify(frame);
    let _ = format!("{summary:?}");
}
