//! Classic BPF, for a packet socket's `SO_ATTACH_FILTER`: McCanne and Jacobson, "The BSD Packet Filter", 1993.
//! Linux's Documentation/networking/filter.rst has what Linux adds.
//!
//! The program first finds the headers and keeps their offsets in BPF's scratch memory, where the terms read them. It
//! is written from its end to its start: all jumps go forward, so their targets are known.

use core::fmt;

use super::term::{Side, Term};
use super::{Filter, Node};
use crate::wire::summary::{Network, Transport};

/// An instruction, with the layout of `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(C)]
pub struct BpfInstruction {
    /// The operation.
    pub code: u16,
    /// Instructions to skip if a comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// The buffer is too short for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BpfError {
    /// The number of instructions that fit in the buffer.
    pub available: usize,
}

impl fmt::Display for BpfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the filter does not fit in {} instructions",
            self.available
        )
    }
}

impl core::error::Error for BpfError {}

mod op {
    pub const LD_IMM: u16 = 0x00;
    pub const LDX_IMM: u16 = 0x01;
    pub const ST: u16 = 0x02;
    pub const STX: u16 = 0x03;
    pub const AND: u16 = 0x54;
    pub const OR: u16 = 0x44;
    pub const LSH: u16 = 0x64;
    pub const ADD: u16 = 0x04;
    pub const ADD_X: u16 = 0x0C;
    pub const JA: u16 = 0x05;
    pub const RET: u16 = 0x06;
    pub const JEQ: u16 = 0x15;
    pub const JGT: u16 = 0x25;
    pub const JGE: u16 = 0x35;
    /// Word, half and byte at a fixed offset.
    pub const LDW: u16 = 0x20;
    pub const LDH: u16 = 0x28;
    pub const LDB: u16 = 0x30;
    /// The same at an offset from X.
    pub const LDW_X: u16 = 0x40;
    pub const LDH_X: u16 = 0x48;
    pub const LDB_X: u16 = 0x50;
    pub const LD_MEM: u16 = 0x60;
    pub const LDX_MEM: u16 = 0x61;
}

/// Cells of scratch memory.
mod mem {
    /// Offset of the network layer.
    pub const NETWORK: u32 = 0;
    /// The type after all tags.
    pub const ETHER_TYPE: u32 = 1;
    /// The outermost tag's identifier and [`TAGGED`](super::TAGGED), or zero.
    pub const TAG: u32 = 2;
    /// The protocol, or [`NO_PROTOCOL`](super::NO_PROTOCOL).
    pub const PROTOCOL: u32 = 3;
    /// Offset of the transport layer, or zero without one.
    pub const TRANSPORT: u32 = 4;
    /// One if it is a fragment.
    pub const FRAGMENT: u32 = 5;
    /// One if it is ARP for IPv4 over Ethernet.
    pub const ARP_V4: u32 = 6;
    /// The second tag's identifier and [`TAGGED`](super::TAGGED), or zero.
    pub const INNER_TAG: u32 = 7;
}

const TAGGED: u32 = 0x10000;
const NO_PROTOCOL: u32 = 0x100;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86DD;
const ARP: u32 = 0x0806;
/// Where Linux keeps the tag that it removed from a frame (`SKF_AD_OFF` plus `SKF_AD_VLAN_TAG` and `_PRESENT`).
const AD_VLAN_TAG: u32 = (-0x1000_i32 + 44) as u32;
const AD_VLAN_TAG_PRESENT: u32 = (-0x1000_i32 + 48) as u32;

/// A place in the program, as the number of instructions after it.
type Label = usize;

/// A program that is written from its end.
struct Backwards<'a> {
    out: &'a mut [BpfInstruction],
    len: usize,
}

impl Filter {
    /// Writes the filter as a classic BPF program to the start of `out` and returns its number of instructions. Linux
    /// accepts at most 4096; 1024 are enough for any filter.
    ///
    /// The program is for frames as a packet socket sees them (`AF_PACKET`, `SOCK_RAW`): from the Ethernet header on.
    /// The kernel may have removed the outermost tag. It accepts the same frames as [`matches`](Self::matches), with
    /// these differences. It does not parse MPLS, SNAP, more than two tags, the authentication header, or IPv6
    /// extension headers other than one fragment header, so no jumbograms. It checks no lengths. It rejects a frame
    /// that ends before a field that the filter needs.
    ///
    /// # Errors
    /// [`BpfError`] if `out` is too short. Its contents are then unspecified.
    ///
    /// ```
    /// use framepool::wire::{BpfInstruction, Filter};
    ///
    /// let mut program = [BpfInstruction::default(); 1024];
    /// let len = "udp dst port 26400".parse::<Filter>()?.to_bpf(&mut program)?;
    /// // As `struct sock_fprog` for setsockopt(SOL_SOCKET, SO_ATTACH_FILTER).
    /// assert!(program[..len].len() < 200);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    pub fn to_bpf(&self, out: &mut [BpfInstruction]) -> Result<usize, BpfError> {
        let mut program = Backwards { out, len: 0 };
        let refuse = program.put(op::RET, 0)?;
        let accept = program.put(op::RET, u32::MAX)?;
        let mut next = accept;
        if let Some(root) = self.root() {
            next = program.node(self.nodes(), root, accept, refuse)?;
        }
        program.find_headers(next)?;
        let (available, len) = (program.out.len(), program.len);
        program.out.copy_within(available - len.., 0);
        Ok(len)
    }
}

type Written = Result<Label, BpfError>;

impl Backwards<'_> {
    fn add(&mut self, instruction: BpfInstruction) -> Written {
        let available = self.out.len();
        let place = available.checked_sub(self.len + 1);
        let place = place.and_then(|place| self.out.get_mut(place));
        *place.ok_or(BpfError { available })? = instruction;
        self.len += 1;
        Ok(self.len)
    }

    /// An instruction that continues with the next one.
    fn put(&mut self, code: u16, k: u32) -> Written {
        self.add(BpfInstruction {
            code,
            jt: 0,
            jf: 0,
            k,
        })
    }

    /// Several instructions, in the order in which they run.
    fn put_all(&mut self, all: &[(u16, u32)]) -> Written {
        for &(code, k) in all.iter().rev() {
            self.put(code, k)?;
        }
        Ok(self.len)
    }

    /// Continues at `to`.
    fn go(&mut self, to: Label) -> Written {
        match self.len - to {
            0 => Ok(self.len),
            over => self.put(op::JA, over as u32),
        }
    }

    /// Continues at `yes` if the comparison holds, else at `no`.
    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Written {
        // A target that is too far for a branch is reached by a jump right after it.
        let yes = self.reach(yes)?;
        let no = self.reach(no)?;
        // The second jump may have moved the first target out of reach by one.
        let yes = self.reach(yes)?;
        let (jt, jf) = ((self.len - yes) as u8, (self.len - no) as u8);
        self.add(BpfInstruction { code, jt, jf, k })
    }

    fn reach(&mut self, to: Label) -> Written {
        if self.len - to <= 250 {
            Ok(to)
        } else {
            self.go(to)
        }
    }

    fn node(&mut self, nodes: &[Node<Term>], index: u8, yes: Label, no: Label) -> Written {
        match nodes.get(usize::from(index)) {
            Some(&Node::Leaf(term)) => self.term(term, yes, no),
            Some(&Node::Not(a)) => self.node(nodes, a, no, yes),
            Some(&Node::And(a, b)) => {
                let then = self.node(nodes, b, yes, no)?;
                self.node(nodes, a, then, no)
            }
            Some(&Node::Or(a, b)) => {
                let otherwise = self.node(nodes, b, yes, no)?;
                self.node(nodes, a, yes, otherwise)
            }
            None => self.go(yes),
        }
    }

    /// Compares a cell of scratch memory with a number.
    fn mem_is(&mut self, cell: u32, value: u32, yes: Label, no: Label) -> Written {
        self.branch(op::JEQ, value, yes, no)?;
        self.put(op::LD_MEM, cell)
    }

    fn term(&mut self, term: Term, yes: Label, no: Label) -> Written {
        match term {
            Term::Network(Network::Ipv4) => self.mem_is(mem::ETHER_TYPE, IPV4, yes, no),
            Term::Network(Network::Ipv6) => self.mem_is(mem::ETHER_TYPE, IPV6, yes, no),
            Term::Network(Network::Arp) => self.mem_is(mem::ETHER_TYPE, ARP, yes, no),
            Term::Network(Network::Unknown) => {
                let no_ip = self.branch(op::JEQ, ARP, no, yes)?;
                let no_v4 = self.branch(op::JEQ, IPV6, no, no_ip)?;
                self.mem_is(mem::ETHER_TYPE, IPV4, no, no_v4)
            }
            Term::Transport(transport) => self.transport(transport, yes, no),
            Term::Protocol(protocol) => self.mem_is(mem::PROTOCOL, protocol.into(), yes, no),
            Term::EtherType(ether_type) => self.mem_is(mem::ETHER_TYPE, ether_type.into(), yes, no),
            Term::V4(side, value, mask) => self.v4(side, value, mask, yes, no),
            Term::V6(side, value, mask) => self.v6(side, value, mask, yes, no),
            Term::Port(side, first, last) => self.port(side, first, last, yes, no),
            Term::Tagged => self.mem_is(mem::TAG, 0, no, yes),
            Term::Vlan(id) => self.mem_is(mem::TAG, TAGGED | u32::from(id), yes, no),
            Term::InnerTagged => self.mem_is(mem::INNER_TAG, 0, no, yes),
            Term::InnerVlan(id) => self.mem_is(mem::INNER_TAG, TAGGED | u32::from(id), yes, no),
            Term::Multicast => self.multicast(yes, no),
            Term::LinkGroup => self.link_group(yes, no),
            Term::Fragment => self.mem_is(mem::FRAGMENT, 1, yes, no),
        }
    }

    /// There is a transport header, and it is that of the protocol.
    fn header_of(&mut self, protocol: u32, yes: Label, no: Label) -> Written {
        let there = self.mem_is(mem::PROTOCOL, protocol, yes, no)?;
        self.mem_is(mem::TRANSPORT, 0, no, there)
    }

    fn transport(&mut self, transport: Transport, yes: Label, no: Label) -> Written {
        match transport {
            Transport::Udp => self.header_of(17, yes, no),
            Transport::Tcp => self.header_of(6, yes, no),
            Transport::Icmpv4 => {
                let is_v4 = self.header_of(1, yes, no)?;
                self.mem_is(mem::ETHER_TYPE, IPV4, is_v4, no)
            }
            Transport::Icmpv6 => {
                let is_v6 = self.header_of(58, yes, no)?;
                self.mem_is(mem::ETHER_TYPE, IPV6, is_v6, no)
            }
            Transport::Fragment => {
                let is_part = self.mem_is(mem::TRANSPORT, 0, yes, no)?;
                self.mem_is(mem::FRAGMENT, 1, is_part, no)
            }
            Transport::Unknown => self.unknown_transport(yes, no),
        }
    }

    fn unknown_transport(&mut self, yes: Label, no: Label) -> Written {
        let fragment = self.transport(Transport::Fragment, no, yes)?;
        let icmpv6 = self.transport(Transport::Icmpv6, no, fragment)?;
        let icmpv4 = self.transport(Transport::Icmpv4, no, icmpv6)?;
        let tcp = self.transport(Transport::Tcp, no, icmpv4)?;
        self.transport(Transport::Udp, no, tcp)
    }

    /// For [`Side::Either`], tries one side, then the other.
    fn sides(
        &mut self,
        side: Side,
        no: Label,
        mut one: impl FnMut(&mut Self, Side, Label) -> Written,
    ) -> Written {
        match side {
            Side::Either => {
                let dst = one(self, Side::Dst, no)?;
                one(self, Side::Src, dst)
            }
            side => one(self, side, no),
        }
    }

    fn v4(&mut self, side: Side, value: u32, mask: u32, yes: Label, no: Label) -> Written {
        self.sides(side, no, |program, side, no| {
            let (ip, arp) = if side == Side::Src {
                (12, 14)
            } else {
                (16, 24)
            };
            let in_arp = program.masked(arp, value, mask, yes, no)?;
            let is_arp = program.mem_is(mem::ARP_V4, 1, in_arp, no)?;
            let in_ip = program.masked(ip, value, mask, yes, no)?;
            program.mem_is(mem::ETHER_TYPE, IPV4, in_ip, is_arp)
        })
    }

    /// Compares a masked word of the network layer.
    fn masked(&mut self, at: u32, value: u32, mask: u32, yes: Label, no: Label) -> Written {
        self.branch(op::JEQ, value & mask, yes, no)?;
        self.put_all(&[
            (op::LDX_MEM, mem::NETWORK),
            (op::LDW_X, at),
            (op::AND, mask),
        ])
    }

    fn v6(&mut self, side: Side, value: u128, mask: u128, yes: Label, no: Label) -> Written {
        self.sides(side, no, |program, side, no| {
            let start = if side == Side::Src { 8 } else { 24 };
            let mut next = yes;
            for word in (0..4).rev() {
                let shift = 96 - 32 * word;
                let (value, mask) = ((value >> shift) as u32, (mask >> shift) as u32);
                if mask != 0 {
                    next = program.masked(start + 4 * word, value, mask, next, no)?;
                }
            }
            program.mem_is(mem::ETHER_TYPE, IPV6, next, no)
        })
    }

    fn port(&mut self, side: Side, first: u16, last: u16, yes: Label, no: Label) -> Written {
        let at_side = self.sides(side, no, |program, side, no| {
            let at = if side == Side::Src { 0 } else { 2 };
            let above = program.branch(op::JGT, last.into(), no, yes)?;
            program.branch(op::JGE, first.into(), above, no)?;
            program.put_all(&[(op::LDX_MEM, mem::TRANSPORT), (op::LDH_X, at)])
        })?;
        let tcp = self.header_of(6, at_side, no)?;
        self.header_of(17, at_side, tcp)
    }

    fn multicast(&mut self, yes: Label, no: Label) -> Written {
        let link = self.link_group(yes, no)?;
        self.branch(op::JEQ, 0xFF, yes, no)?;
        let v6 = self.put_all(&[(op::LDX_MEM, mem::NETWORK), (op::LDB_X, 24)])?;
        let is_v6 = self.mem_is(mem::ETHER_TYPE, IPV6, v6, link)?;
        let v4 = self.masked(16, 0xE000_0000, 0xF000_0000, yes, no)?;
        self.mem_is(mem::ETHER_TYPE, IPV4, v4, is_v6)
    }

    fn link_group(&mut self, yes: Label, no: Label) -> Written {
        self.branch(op::JEQ, 1, yes, no)?;
        self.put_all(&[(op::LDB, 0), (op::AND, 1)])
    }

    /// Fills the scratch memory, then continues at `next`.
    fn find_headers(&mut self, next: Label) -> Written {
        let v6 = self.find_ipv6(next)?;
        let arp = self.find_arp(next)?;
        let is_arp = self.mem_is(mem::ETHER_TYPE, ARP, arp, next)?;
        let is_v6 = self.mem_is(mem::ETHER_TYPE, IPV6, v6, is_arp)?;
        let v4 = self.find_ipv4(next)?;
        let network = self.mem_is(mem::ETHER_TYPE, IPV4, v4, is_v6)?;
        let second = self.find_tag(18, network)?;
        let first = self.find_tag(14, second)?;
        let found = self.go(first)?;
        let taken = self.put_all(&[
            (op::LDW, AD_VLAN_TAG),
            (op::AND, 0xFFF),
            (op::OR, TAGGED),
            (op::ST, mem::TAG),
        ])?;
        self.branch(op::JEQ, 0, found, taken)?;
        self.put_all(&[
            (op::LD_IMM, 0),
            (op::ST, mem::TAG),
            (op::ST, mem::INNER_TAG),
            (op::ST, mem::TRANSPORT),
            (op::ST, mem::FRAGMENT),
            (op::ST, mem::ARP_V4),
            (op::LD_IMM, NO_PROTOCOL),
            (op::ST, mem::PROTOCOL),
            (op::LDX_IMM, 14),
            (op::STX, mem::NETWORK),
            (op::LDH, 12),
            (op::ST, mem::ETHER_TYPE),
            (op::LDW, AD_VLAN_TAG_PRESENT),
        ])
    }

    /// Reads a tag at an offset in the frame, if the type announces one.
    fn find_tag(&mut self, at: u32, next: Label) -> Written {
        self.go(next)?;
        let past = self.put_all(&[
            (op::LDX_IMM, at + 4),
            (op::STX, mem::NETWORK),
            (op::LDH, at + 2),
            (op::ST, mem::ETHER_TYPE),
        ])?;
        let keep = |program: &mut Self, cell| {
            program.go(past)?;
            program.put_all(&[
                (op::LDH, at),
                (op::AND, 0xFFF),
                (op::OR, TAGGED),
                (op::ST, cell),
            ])
        };
        let inner = keep(self, mem::INNER_TAG)?;
        let outer = keep(self, mem::TAG)?;
        // The kernel may have removed one.
        let is_second = self.mem_is(mem::INNER_TAG, 0, inner, past)?;
        let tag = self.mem_is(mem::TAG, 0, outer, is_second)?;
        let old = self.branch(op::JEQ, 0x9100, tag, next)?;
        let service = self.branch(op::JEQ, 0x88A8, tag, old)?;
        self.mem_is(mem::ETHER_TYPE, 0x8100, tag, service)
    }

    fn find_arp(&mut self, next: Label) -> Written {
        self.go(next)?;
        let is_v4 = self.put_all(&[(op::LD_IMM, 1), (op::ST, mem::ARP_V4)])?;
        self.branch(op::JEQ, 0x0604, is_v4, next)?;
        let lengths = self.put_all(&[(op::LDH_X, 4)])?;
        self.branch(op::JEQ, 0x1_0800, lengths, next)?;
        self.put_all(&[(op::LDX_MEM, mem::NETWORK), (op::LDW_X, 0)])
    }

    fn find_ipv4(&mut self, next: Label) -> Written {
        self.go(next)?;
        let header = self.put_all(&[
            (op::LDB_X, 0),
            (op::AND, 0xF),
            (op::LSH, 2),
            (op::ADD_X, 0),
            (op::ST, mem::TRANSPORT),
        ])?;
        self.branch(op::JEQ, 0, header, next)?;
        let part = self.put_all(&[(op::LDH_X, 6), (op::AND, 0x1FFF)])?;
        let fragment = self.put_all(&[(op::LD_IMM, 1), (op::ST, mem::FRAGMENT)])?;
        self.branch(op::JEQ, 0, part, fragment)?;
        self.put_all(&[
            (op::LDX_MEM, mem::NETWORK),
            (op::LDB_X, 9),
            (op::ST, mem::PROTOCOL),
            (op::LDH_X, 6),
            (op::AND, 0x3FFF),
        ])
    }

    fn find_ipv6(&mut self, next: Label) -> Written {
        self.go(next)?;
        let found = self.put_all(&[
            (op::LD_MEM, mem::NETWORK),
            (op::ADD, 48),
            (op::ST, mem::TRANSPORT),
        ])?;
        self.branch(op::JEQ, 0, found, next)?;
        let offset = self.put_all(&[(op::LDH_X, 42), (op::AND, 0xFFF8)])?;
        let fragment = self.put_all(&[(op::LD_IMM, 1), (op::ST, mem::FRAGMENT)])?;
        self.branch(op::JEQ, 0, offset, fragment)?;
        let header = self.put_all(&[
            (op::LDB_X, 40),
            (op::ST, mem::PROTOCOL),
            (op::LDH_X, 42),
            (op::AND, 0xFFF9),
        ])?;
        self.go(next)?;
        let plain = self.put_all(&[
            (op::LD_MEM, mem::NETWORK),
            (op::ADD, 40),
            (op::ST, mem::TRANSPORT),
        ])?;
        self.branch(op::JEQ, 44, header, plain)?;
        self.put_all(&[
            (op::LDX_MEM, mem::NETWORK),
            (op::LDB_X, 6),
            (op::ST, mem::PROTOCOL),
        ])
    }
}
