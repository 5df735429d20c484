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
    let (lax, _) = summarize_ip_lax(frame);
    is_within(&lax, frame);
});

fn is_within(summary: &Summary, frame: &[u8]) {
    assert!(summary.transport_offset() <= summary.payload_offset());
    assert!(frame.get(summary.payload()).is_some());
    let _ = summary.verify(frame);
    let _ = format!("{summary:?}");
}
