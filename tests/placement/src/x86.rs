//! x86-64, decoded by iced.

use iced_x86::{Decoder, DecoderOptions, FlowControl};

use crate::code::{Flow, Instruction};

/// Decodes the first instruction of `bytes`, which lie at `address`. `None` if there is none.
pub fn decode(bytes: &[u8], address: u64) -> Option<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let target = instruction.near_branch_target();
    let slot = instruction.memory_displacement64();
    let is_constant = instruction.is_ip_rel_memory_operand();
    let flow = match instruction.flow_control() {
        FlowControl::Next => Flow::Next,
        FlowControl::UnconditionalBranch => Flow::Jump(target),
        FlowControl::ConditionalBranch => Flow::Branch(target),
        FlowControl::Call => Flow::Call(target),
        FlowControl::Return => Flow::Return,
        FlowControl::Interrupt | FlowControl::Exception => Flow::Trap,
        FlowControl::IndirectBranch if is_constant => Flow::JumpThrough(slot),
        FlowControl::IndirectCall if is_constant => Flow::CallThrough(slot),
        FlowControl::IndirectBranch | FlowControl::IndirectCall | FlowControl::XbeginXabortXend => {
            Flow::Indirect
        }
    };
    let len = u64::try_from(instruction.len()).ok()?;
    (!instruction.is_invalid()).then_some(Instruction { len, flow })
}
