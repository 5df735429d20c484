//! Functions as graphs of instructions: the functions they reach, and the shortest path through them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::image::{Encoding, Image, Symbol};
use crate::{thumb, x86};

/// The successor of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next one.
    Next,
    /// To the next one; the next `n` instructions are conditional.
    Predicate(u32),
    /// To this address.
    Jump(u64),
    /// To this address or to the next instruction.
    Branch(u64),
    /// To this address, and after its return to the next instruction.
    Call(u64),
    /// As [`Jump`](Self::Jump), to the target in the 64-bit word at this address.
    JumpThrough(u64),
    /// As [`Call`](Self::Call), to the target in the 64-bit word at this address.
    CallThrough(u64),
    /// A return from the function.
    Return,
    /// None: it traps.
    Trap,
    /// To a target from a register or a table.
    Indirect,
}

/// One decoded instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Bytes.
    pub len: u64,
    /// Its successor.
    pub flow: Flow,
}

/// A step after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// To another instruction of the same function.
    To(u64),
    /// To a function, then to another instruction of this one.
    Call(u64, u64),
    /// To a function that returns in place of this one.
    TailCall(u64),
    Return,
    Trap,
    Indirect,
}

/// The instructions of a function that its first one can reach.
#[derive(Debug)]
pub struct Body {
    start: u64,
    edges: BTreeMap<u64, Vec<Edge>>,
}

impl Body {
    /// Walks a function. It never decodes the data between instructions.
    pub fn of(image: &Image, function: &Symbol) -> Self {
        let inside = function.address..function.address + function.size;
        let mut edges = BTreeMap::new();
        let mut open = vec![(function.address, 0)];
        while let Some((at, predicated)) = open.pop() {
            if edges.contains_key(&at) {
                continue;
            }
            let instruction = decode(image, at);
            let next = at + instruction.len;
            let flow = resolve(image, instruction.flow);
            let mut out = follow(flow, next, &inside);
            if predicated > 0 && !out.contains(&Edge::To(next)) {
                out.push(Edge::To(next));
            }
            let predicated_next = match flow {
                Flow::Predicate(n) => n,
                _ => u32::saturating_sub(predicated, 1),
            };
            open.extend(out.iter().filter_map(|edge| match *edge {
                Edge::To(to) | Edge::Call(_, to) if to == next => Some((to, predicated_next)),
                Edge::To(to) => Some((to, 0)),
                _ => None,
            }));
            edges.insert(at, out);
        }
        Self {
            start: function.address,
            edges,
        }
    }

    /// The number of its instructions.
    pub fn instructions(&self) -> usize {
        self.edges.len()
    }

    /// The addresses that it calls.
    pub fn calls(&self) -> BTreeSet<u64> {
        let all = self.edges.values().flatten();
        all.filter_map(|edge| match *edge {
            Edge::Call(to, _) | Edge::TailCall(to) => Some(to),
            _ => None,
        })
        .collect()
    }

    /// Whether a target comes from a register or a table: then the functions it reaches are not known.
    pub fn is_indirect(&self) -> bool {
        self.edges.values().flatten().any(|e| *e == Edge::Indirect)
    }

    /// Whether it holds an instruction that traps.
    pub fn traps(&self) -> bool {
        self.edges.values().flatten().any(|e| *e == Edge::Trap)
    }

    /// The shortest path from the first instruction to a return that calls only functions that `may_call`
    /// allows; `None` if there is none.
    ///
    /// This is the fast path: rare cases and failures are out of line, and calls of them are not allowed.
    pub fn shortest_way(&self, may_call: impl Fn(u64) -> bool) -> Option<Way> {
        let mut seen = BTreeSet::from([self.start]);
        let mut open = VecDeque::from([(self.start, Way::default())]);
        while let Some((at, before)) = open.pop_front() {
            let way = before.step();
            for edge in &self.edges[&at] {
                match *edge {
                    Edge::Return => return Some(way),
                    Edge::TailCall(to) if may_call(to) => return Some(way.call()),
                    Edge::To(next) if seen.insert(next) => open.push_back((next, way)),
                    Edge::Call(to, next) if may_call(to) && seen.insert(next) => {
                        open.push_back((next, way.call()));
                    }
                    _ => {}
                }
            }
        }
        None
    }
}

/// The instructions from a function's first one to its return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// Instructions of the function itself.
    pub instructions: usize,
    /// The number of calls; the instructions of the called functions are not counted.
    pub calls: usize,
}

impl Way {
    fn step(self) -> Self {
        Self {
            instructions: self.instructions + 1,
            ..self
        }
    }

    fn call(self) -> Self {
        Self {
            calls: self.calls + 1,
            ..self
        }
    }
}

fn decode(image: &Image, at: u64) -> Instruction {
    let bytes = image.bytes_at(at).unwrap_or_default();
    let decoded = match image.encoding {
        Encoding::Thumb => thumb::decode(bytes, at),
        Encoding::X86 => x86::decode(bytes, at),
    };
    decoded.unwrap_or_else(|| panic!("no instruction at {at:#x}"))
}

/// A target that is a constant in the image. The linker's table of addresses is constant in an image that is
/// not relocated.
fn resolve(image: &Image, flow: Flow) -> Flow {
    match flow {
        Flow::JumpThrough(at) => image.word_at(at).map_or(Flow::Indirect, Flow::Jump),
        Flow::CallThrough(at) => image.word_at(at).map_or(Flow::Indirect, Flow::Call),
        known => known,
    }
}

fn follow(flow: Flow, next: u64, inside: &std::ops::Range<u64>) -> Vec<Edge> {
    let to = |target| match inside.contains(&target) {
        true => Edge::To(target),
        false => Edge::TailCall(target),
    };
    match flow {
        Flow::Next | Flow::Predicate(_) => vec![Edge::To(next)],
        Flow::Jump(target) => vec![to(target)],
        Flow::Branch(target) => vec![Edge::To(next), to(target)],
        Flow::Call(target) => vec![Edge::Call(target, next)],
        Flow::Return => vec![Edge::Return],
        Flow::Trap => vec![Edge::Trap],
        Flow::Indirect | Flow::JumpThrough(_) | Flow::CallThrough(_) => vec![Edge::Indirect],
    }
}

/// The functions that a function reaches by calls, and the function itself.
#[derive(Debug)]
pub struct Reach<'a> {
    /// Each function, and the name of its first caller that was found.
    found: BTreeMap<&'a str, (Body, &'a str)>,
}

impl<'a> Reach<'a> {
    /// Walks the calls from `root`.
    ///
    /// # Panics
    /// If a call does not lead to a function.
    pub fn of(image: &'a Image, root: &'a Symbol) -> Self {
        let mut found = BTreeMap::new();
        let mut open = vec![(root, &*root.name)];
        while let Some((function, caller)) = open.pop() {
            if found.contains_key(&*function.name) {
                continue;
            }
            let body = Body::of(image, function);
            open.extend(body.calls().into_iter().map(|address| {
                let callee = image.function_at(address);
                let callee = callee.unwrap_or_else(|| panic!("no function at {address:#x}"));
                (callee, &*function.name)
            }));
            found.insert(&*function.name, (body, caller));
        }
        Self { found }
    }

    /// All functions.
    pub fn functions(&self) -> impl Iterator<Item = (&'a str, &Body)> {
        self.found.iter().map(|(name, (body, _))| (*name, body))
    }

    /// The chain of calls to `name`, as `root > … > name`.
    pub fn chain_to(&self, name: &'a str) -> String {
        let mut chain = vec![name];
        let mut at = name;
        while let Some((_, caller)) = self.found.get(at)
            && *caller != at
        {
            chain.push(caller);
            at = caller;
        }
        chain.reverse();
        chain.join(" > ")
    }
}
