//! Filter expressions: any text is a filter or an error. A line feed ends the text; a frame follows.
#![no_main]

use framepool::wire::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (text, frame) = match bytes.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let Ok(text) = core::str::from_utf8(text) else {
        return;
    };
    match text.parse::<Filter>() {
        Ok(filter) => {
            let mut program = [BpfInstruction::default(); 4096];
            let len = filter
                .to_bpf(&mut program)
                .expect("the buffer is long enough");
            jumps_stay_within(&program[..len]);
            let (summary, _) = summarize_lax(frame);
            let wanted = filter.matches(&summary);
            if let Ok(contrary) = filter.negated() {
                assert_ne!(contrary.matches(&summary), wanted);
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.offset)),
    }
});

fn jumps_stay_within(program: &[BpfInstruction]) {
    for (index, i) in program.iter().enumerate() {
        let over = match i.code {
            0x05 => i.k as usize,
            0x15 | 0x25 | 0x35 => i.jt.max(i.jf).into(),
            _ => continue,
        };
        assert!(index + 1 + over < program.len());
    }
    assert_eq!(program.last().map(|i| i.code), Some(0x06));
}
