//! An interpreter of classic BPF, by its paper and by the checks of Linux. It fails on unknown
//! instructions and on reads of memory that was not written.
#![allow(dead_code)]

use framepool::wire::BpfInstruction;

/// Returns the program's result for a frame from which no header was removed.
pub fn run(program: &[BpfInstruction], frame: &[u8]) -> u32 {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [None::<u32>; 16]);
    let mut at = 0;
    loop {
        let BpfInstruction { code, jt, jf, k } = program[at];
        at += 1;
        let load = |start: u32, size: usize| -> Option<u32> {
            let bytes = frame.get(start as usize..start as usize + size)?;
            Some(
                bytes
                    .iter()
                    .fold(0, |all, &byte| all << 8 | u32::from(byte)),
            )
        };
        let loaded = match code {
            // Ancillary data: no VLAN tag was removed.
            0x20 if k >= 0xFFFF_F000 => Some(0),
            0x20 => load(k, 4),
            0x28 => load(k, 2),
            0x30 => load(k, 1),
            0x40 => load(x + k, 4),
            0x48 => load(x + k, 2),
            0x50 => load(x + k, 1),
            0xB1 => load(k, 1),
            _ => Some(a),
        };
        // A load from after the frame's end ends the program.
        let Some(value) = loaded else { return 0 };
        if code == 0xB1 {
            x = (value & 0xF) * 4;
            continue;
        }
        a = value;
        match code {
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => {}
            0x00 => a = k,
            0x01 => x = k,
            0x02 => memory[k as usize] = Some(a),
            0x03 => memory[k as usize] = Some(x),
            0x60 => a = memory[k as usize].expect("memory was written"),
            0x61 => x = memory[k as usize].expect("memory was written"),
            0x04 => a = a.wrapping_add(k),
            0x0C => a = a.wrapping_add(x),
            0x44 => a |= k,
            0x54 => a &= k,
            0x64 => a <<= k,
            0x07 => x = a,
            0x87 => a = x,
            0x45 => at += usize::from(if a & k != 0 { jt } else { jf }),
            0x05 => at += k as usize,
            0x15 => at += usize::from(if a == k { jt } else { jf }),
            0x25 => at += usize::from(if a > k { jt } else { jf }),
            0x35 => at += usize::from(if a >= k { jt } else { jf }),
            0x06 => return k,
            other => panic!("instruction {other:#x}"),
        }
    }
}
