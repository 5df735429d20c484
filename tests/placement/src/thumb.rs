//! Decodes the control flow of Thumb and Thumb-2 (Armv7-M Architecture Reference Manual, A5 and A7).

use crate::code::{Flow, Instruction};

/// Decodes the first instruction of `bytes`, which lie at `address`. `None` if `bytes` is too short.
pub fn decode(bytes: &[u8], address: u64) -> Option<Instruction> {
    let first = halfword(bytes, 0)?;
    // 0b11101, 0b11110, 0b11111: two halfwords.
    if first >> 11 < 0b11101 {
        let flow = short(first, address);
        return Some(Instruction { len: 2, flow });
    }
    let flow = long(first, halfword(bytes, 2)?, address);
    Some(Instruction { len: 4, flow })
}

fn halfword(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u32::from(bytes[0]) | u32::from(bytes[1]) << 8)
}

fn short(i: u32, address: u64) -> Flow {
    match i {
        // BX LR, MOV PC LR, POP {…, PC}
        0x4770 | 0x46F7 | 0xBD00..=0xBDFF => Flow::Return,
        // IT: the number of instructions is that of the mask's bits above the lowest set one.
        0xBF00..=0xBFFF if i & 0xF != 0 => Flow::Predicate(4 - (i & 0xF).trailing_zeros()),
        // BKPT, UDF
        0xBE00..=0xBEFF | 0xDE00..=0xDEFF => Flow::Trap,
        // B<c>; 0xDF is SVC
        0xD000..=0xDDFF => Flow::Branch(target(address, i << 1, 9)),
        0xE000..=0xE7FF => Flow::Jump(target(address, i << 1, 12)),
        // CBZ, CBNZ: forward only
        _ if i & 0xF500 == 0xB100 => {
            Flow::Branch(address + 4 + u64::from((i >> 9 & 1) << 6 | (i >> 3 & 0x1F) << 1))
        }
        // ADD PC, MOV PC, BX, BLX
        _ if matches!(i & 0xFF87, 0x4487 | 0x4687) || i & 0xFF00 == 0x4700 => Flow::Indirect,
        _ => Flow::Next,
    }
}

fn long(i: u32, j: u32, address: u64) -> Flow {
    let to_pc = j & 0x8000 != 0;
    match i {
        0xF000..=0xF7FF if to_pc => branch(i, j, address),
        // POP.W {…, PC}, LDR PC, [SP], #4
        0xE8BD if to_pc => Flow::Return,
        0xF85D if j == 0xFB04 => Flow::Return,
        // LDMIA and LDMDB of PC, TBB and TBH, LDR PC
        _ if matches!(i & 0xFFD0, 0xE890 | 0xE910) && to_pc => Flow::Indirect,
        _ if i & 0xFFF0 == 0xE8D0 && j & 0xFFE0 == 0xF000 => Flow::Indirect,
        _ if i & 0xFF70 == 0xF850 && j >> 12 == 0xF => Flow::Indirect,
        _ => Flow::Next,
    }
}

/// Branches and miscellaneous control.
fn branch(i: u32, j: u32, address: u64) -> Flow {
    let (s, j1, j2) = (i >> 10 & 1, j >> 13 & 1, j >> 11 & 1);
    let low = (j & 0x7FF) << 1;
    let far = || {
        let (i1, i2) = (j1 ^ s ^ 1, j2 ^ s ^ 1);
        let offset = s << 24 | i1 << 23 | i2 << 22 | (i & 0x3FF) << 12 | low;
        target(address, offset, 25)
    };
    match j & 0x5000 {
        // BL T1, B T4
        0x5000 => Flow::Call(far()),
        0x1000 => Flow::Jump(far()),
        // B<c> T3, where there is a condition
        0x0000 if i >> 7 & 7 != 7 => {
            let offset = s << 20 | j2 << 19 | j1 << 18 | (i & 0x3F) << 12 | low;
            Flow::Branch(target(address, offset, 21))
        }
        // UDF.W; the rest are barriers, hints, and special registers
        0x0000 if i & 0xFFF0 == 0xF7F0 && j & 0xF000 == 0xA000 => Flow::Trap,
        0x0000 => Flow::Next,
        // BLX to Arm code, which M profiles do not have
        _ => Flow::Indirect,
    }
}

/// The target of a branch at `address` by the lowest `bits` of `offset`, signed.
fn target(address: u64, offset: u32, bits: u32) -> u64 {
    let unused = u32::BITS - bits;
    let signed = (offset << unused) as i32 >> unused;
    address.wrapping_add(4).wrapping_add_signed(signed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At 0x1000; encodings from `llvm-mc -triple=thumbv7m -show-encoding`.
    fn expect(assembly: &str, bytes: &[u8], flow: Flow) {
        let len = bytes.len() as u64;
        let decoded = decode(bytes, 0x1000);
        assert_eq!(decoded, Some(Instruction { len, flow }), "{assembly}");
    }

    #[test]
    fn short_branches_lead_where_they_should() {
        expect("b .", &[0xFE, 0xE7], Flow::Jump(0x1000));
        expect("beq .-2", &[0xFD, 0xD0], Flow::Branch(0x0FFE));
        expect("cbz r0, .+6", &[0x08, 0xB1], Flow::Branch(0x1006));
        expect("cbnz r0, .+130", &[0xF8, 0xBB], Flow::Branch(0x1082));
    }

    #[test]
    fn long_branches_lead_where_they_should() {
        expect("bl .", &[0xFF, 0xF7, 0xFE, 0xFF], Flow::Call(0x1000));
        expect("bl .+4", &[0x00, 0xF0, 0x00, 0xF8], Flow::Call(0x1004));
        expect("b.w .+4100", &[0x01, 0xF0, 0x00, 0xB8], Flow::Jump(0x2004));
        expect("beq.w .", &[0x3F, 0xF4, 0xFE, 0xAF], Flow::Branch(0x1000));
    }

    #[test]
    fn returns_traps_and_tables_are_told_from_the_rest() {
        expect("bx lr", &[0x70, 0x47], Flow::Return);
        expect("pop {r4, pc}", &[0x10, 0xBD], Flow::Return);
        expect(
            "pop.w {r4-r11, pc}",
            &[0xBD, 0xE8, 0xF0, 0x8F],
            Flow::Return,
        );
        expect("pop.w {r4-r11, lr}", &[0xBD, 0xE8, 0xF0, 0x4F], Flow::Next);
        expect("udf #254", &[0xFE, 0xDE], Flow::Trap);
        expect("tbb [pc, r0]", &[0xDF, 0xE8, 0x00, 0xF0], Flow::Indirect);
        expect("blx r0", &[0x80, 0x47], Flow::Indirect);
        expect("dmb sy", &[0xBF, 0xF3, 0x5F, 0x8F], Flow::Next);
        expect("it eq", &[0x08, 0xBF], Flow::Predicate(1));
        expect("itt eq", &[0x04, 0xBF], Flow::Predicate(2));
    }
}
