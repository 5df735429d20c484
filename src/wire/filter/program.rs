//! Terms joined by and, or, not.
//!
//! A term becomes one test or more: a word of the summary, masked, is within a range. What joins them is
//! brought into clauses, all of which have to hold, each of them if one of its tests does: the tests of a
//! clause are made one after the other without a branch, and the first clause that fails decides. An
//! expression that would take too many clauses is evaluated as it stands.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::super::{Network, Summary, Transport};
use super::term::{Side, Term};
use super::{FilterError, FilterReason, MAX_TERMS};

/// Nodes of an expression: every term, and what joins them.
const MAX_NODES: usize = 4 * MAX_TERMS;
/// Tests of all terms, one bit each.
const MAX_TESTS: usize = 64;
/// More clauses than these are no faster than the expression.
const MAX_CLAUSES: usize = 16;
/// Tests of all clauses, those that are in several counted as often.
const MAX_STEPS: usize = 64;

/// A node of an expression; numbers are of earlier nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(super) enum Node {
    Term(Term),
    Not(u8),
    And(u8, u8),
    Or(u8, u8),
}

/// The same over tests.
#[derive(Clone, Copy)]
enum Bits {
    Test(u8),
    Not(u8),
    And(u8, u8),
    Or(u8, u8),
}

/// Where in the words of a summary to look, and for what: `(word & mask) - low <= span`.
#[derive(Clone, Copy)]
struct Test {
    word: u8,
    mask: u64,
    low: u64,
    span: u64,
}

/// Of these bits one is set, or of those one is clear.
#[derive(Clone, Copy)]
struct Clause {
    set: u64,
    clear: u64,
}

/// Which frames one wants, as compiled from an expression or from terms.
///
/// Built at start-up; [`matches`](Self::matches) is for every frame. No allocation: about 9 KiB of memory.
///
/// ```
/// use framepool::wire::{Filter, Side, Term, Transport, summarize};
///
/// # let frame = framepool::wire::samples::UDP;
/// let feed: Filter = "udp and dst net 233.252.0.0/24 and dst portrange 26400-26415".parse()?;
/// let same = Filter::all_of(&[
///     Term::Transport(Transport::Udp),
///     Term::net_v4(Side::Dst, [233, 252, 0, 0].into(), 24),
///     Term::Port(Side::Dst, 26400, 26415),
/// ])?;
/// let summary = summarize(frame)?;
/// assert!(feed.matches(&summary) && same.matches(&summary));
/// assert!(!feed.negated()?.matches(&summary));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Filter {
    nodes: [Node; MAX_NODES],
    node_count: usize,
    bits: [Bits; MAX_NODES],
    bit_count: usize,
    tests: [Test; MAX_TESTS],
    test_count: usize,
    /// Tests of the clauses, one clause behind the other, and where each one ends.
    steps: [Test; MAX_STEPS],
    ends: [u8; MAX_CLAUSES],
    clause_count: usize,
    has_clauses: bool,
}

#[derive(Clone, Copy)]
struct Clauses {
    all: [Clause; MAX_CLAUSES],
    count: usize,
}

impl Filter {
    /// Every frame.
    pub fn all() -> Self {
        Self {
            nodes: [Node::Not(0); MAX_NODES],
            node_count: 0,
            bits: [Bits::Not(0); MAX_NODES],
            bit_count: 0,
            tests: [Test::NEVER; MAX_TESTS],
            test_count: 0,
            steps: [Test::NEVER; MAX_STEPS],
            ends: [0; MAX_CLAUSES],
            clause_count: 0,
            has_clauses: true,
        }
    }

    /// Frames for which a term holds.
    ///
    /// # Errors
    /// None for one term; it is the form of the others.
    pub fn term(term: Term) -> Result<Self, FilterError> {
        Self::all_of(&[term])
    }

    /// Frames for which all of some terms hold; every frame, if there are none.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] for more terms than a filter can hold.
    pub fn all_of(terms: &[Term]) -> Result<Self, FilterError> {
        Self::joined(terms, Node::And)
    }

    /// Frames for which at least one of some terms holds; every frame, if there are none.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] for more terms than a filter can hold.
    pub fn any_of(terms: &[Term]) -> Result<Self, FilterError> {
        Self::joined(terms, Node::Or)
    }

    fn joined(terms: &[Term], join: fn(u8, u8) -> Node) -> Result<Self, FilterError> {
        let mut filter = Self::all();
        let mut left = None;
        for &term in terms {
            let right = filter.push(Node::Term(term))?;
            left = Some(match left {
                Some(left) => filter.push(join(left, right))?,
                None => right,
            });
        }
        filter.compile()
    }

    /// Frames that this one and another want.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] where both together are too many terms.
    pub fn and(&self, other: &Self) -> Result<Self, FilterError> {
        self.join(other, Node::And)
    }

    /// Frames that this one or another want.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] where both together are too many terms.
    pub fn or(&self, other: &Self) -> Result<Self, FilterError> {
        self.join(other, Node::Or)
    }

    /// Frames that this one does not want.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] if it is full, [`FilterReason::Empty`] for that of every frame.
    pub fn negated(&self) -> Result<Self, FilterError> {
        let mut filter = self.clone();
        let root = filter
            .root()
            .ok_or(FilterError::new(FilterReason::Empty, 0))?;
        filter.push(Node::Not(root))?;
        filter.compile()
    }

    fn join(&self, other: &Self, join: fn(u8, u8) -> Node) -> Result<Self, FilterError> {
        let (Some(left), Some(_)) = (self.root(), other.root()) else {
            // One of them is every frame.
            let is_and = matches!(join(0, 0), Node::And(..));
            return Ok(match (is_and, self.root()) {
                (true, None) => other.clone(),
                (true, Some(_)) => self.clone(),
                (false, _) => Self::all(),
            });
        };
        let mut filter = self.clone();
        let shift = left + 1;
        for &node in other.nodes() {
            filter.push(match node {
                Node::Term(term) => Node::Term(term),
                Node::Not(a) => Node::Not(a + shift),
                Node::And(a, b) => Node::And(a + shift, b + shift),
                Node::Or(a, b) => Node::Or(a + shift, b + shift),
            })?;
        }
        if let Some(right) = filter.root() {
            filter.push(join(left, right))?;
        }
        filter.compile()
    }

    /// The nodes, the root last.
    pub(super) fn nodes(&self) -> &[Node] {
        self.nodes.get(..self.node_count).unwrap_or_default()
    }

    pub(super) fn root(&self) -> Option<u8> {
        self.node_count.checked_sub(1).map(|last| last as u8)
    }

    /// Adds a node; its number.
    pub(super) fn push(&mut self, node: Node) -> Result<u8, FilterError> {
        let terms = self.nodes().iter().filter(|n| matches!(n, Node::Term(_)));
        let is_full = matches!(node, Node::Term(_)) && terms.count() >= MAX_TERMS;
        match self.nodes.get_mut(self.node_count) {
            Some(place) if !is_full => *place = node,
            _ => return Err(FilterError::new(FilterReason::TooLong, 0)),
        }
        self.node_count += 1;
        Ok((self.node_count - 1) as u8)
    }

    /// Tests and clauses from the nodes.
    pub(super) fn compile(mut self) -> Result<Self, FilterError> {
        (self.bit_count, self.test_count) = (0, 0);
        let mut roots = [0_u8; MAX_NODES];
        for index in 0..self.node_count {
            let Some(&node) = self.nodes.get(index) else {
                break;
            };
            let root = |of: u8| roots.get(usize::from(of)).copied().unwrap_or(0);
            let bits = match node {
                Node::Term(term) => self.lower(term)?,
                Node::Not(a) => self.bit(Bits::Not(root(a)))?,
                Node::And(a, b) => self.bit(Bits::And(root(a), root(b)))?,
                Node::Or(a, b) => self.bit(Bits::Or(root(a), root(b)))?,
            };
            if let Some(place) = roots.get_mut(index) {
                *place = bits;
            }
        }
        let clauses = match self.bit_count {
            0 => Some(Clauses::NONE),
            count => self.clauses_of((count - 1) as u8, true),
        };
        self.has_clauses = clauses.is_some_and(|clauses| self.line_up(&clauses).is_some());
        Ok(self)
    }

    /// Copies the tests of the clauses to where they are made. `None` if they are too many.
    fn line_up(&mut self, clauses: &Clauses) -> Option<()> {
        let mut steps = 0;
        for (clause, end) in clauses.get().iter().zip(&mut self.ends) {
            for (index, &test) in self.tests.iter().enumerate() {
                for (bits, test) in [(clause.set, test), (clause.clear, test.contrary())] {
                    if bits >> index & 1 != 0 {
                        *self.steps.get_mut(steps)? = test;
                        steps += 1;
                    }
                }
            }
            *end = steps as u8;
        }
        self.clause_count = clauses.count;
        Some(())
    }

    fn bit(&mut self, bits: Bits) -> Result<u8, FilterError> {
        let error = FilterError::new(FilterReason::TooLong, 0);
        *self.bits.get_mut(self.bit_count).ok_or(error)? = bits;
        self.bit_count += 1;
        Ok((self.bit_count - 1) as u8)
    }

    fn test(&mut self, test: Test) -> Result<u8, FilterError> {
        let error = FilterError::new(FilterReason::TooLong, 0);
        *self.tests.get_mut(self.test_count).ok_or(error)? = test;
        self.test_count += 1;
        self.bit(Bits::Test((self.test_count - 1) as u8))
    }

    /// The tests of a term.
    fn lower(&mut self, term: Term) -> Result<u8, FilterError> {
        match term {
            Term::V4(Side::Either, value, mask) => {
                let src = self.lower(Term::V4(Side::Src, value, mask))?;
                let dst = self.lower(Term::V4(Side::Dst, value, mask))?;
                self.bit(Bits::Or(src, dst))
            }
            Term::V6(Side::Either, value, mask) => {
                let src = self.lower(Term::V6(Side::Src, value, mask))?;
                let dst = self.lower(Term::V6(Side::Dst, value, mask))?;
                self.bit(Bits::Or(src, dst))
            }
            Term::Port(Side::Either, first, last) => {
                let src = self.lower(Term::Port(Side::Src, first, last))?;
                let dst = self.lower(Term::Port(Side::Dst, first, last))?;
                self.bit(Bits::Or(src, dst))
            }
            Term::V6(side, value, mask) => self.lower_v6(side, value, mask),
            Term::Multicast => self.lower_multicast(),
            _ => self.test(Test::of(term)),
        }
    }

    fn lower_v6(&mut self, side: Side, value: u128, mask: u128) -> Result<u8, FilterError> {
        let mut all = self.lower(Term::Network(Network::Ipv6))?;
        let first = if side == Side::Src {
            word::V6
        } else {
            word::V6 + 2
        };
        for (word, shift) in [(first, 64), (first + 1, 0)] {
            let (value, mask) = ((value >> shift) as u64, (mask >> shift) as u64);
            if mask != 0 {
                // In the order of the wire, as the words are.
                let half = self.test(Test::at(word, mask.to_be(), (value & mask).to_be()))?;
                all = self.bit(Bits::And(all, half))?;
            }
        }
        Ok(all)
    }

    fn lower_multicast(&mut self) -> Result<u8, FilterError> {
        let v4 = self.lower(Term::net_v4(Side::Dst, Ipv4Addr::new(224, 0, 0, 0), 4))?;
        let group = Ipv6Addr::new(0xFF00, 0, 0, 0, 0, 0, 0, 0);
        let v6 = self.lower(Term::net_v6(Side::Dst, group, 8))?;
        let either = self.bit(Bits::Or(v4, v6))?;
        // Without IP, what the link layer says.
        let is_ip = self.test(Test::at(word::KINDS, IS_IP, IS_IP))?;
        let no_ip = self.bit(Bits::Not(is_ip))?;
        let group = self.test(Test::at(word::KINDS, LINK_GROUP, LINK_GROUP))?;
        let other = self.bit(Bits::And(no_ip, group))?;
        self.bit(Bits::Or(either, other))
    }

    /// The clauses of an expression, or of its contrary. `None` if they are too many.
    fn clauses_of(&self, of: u8, wanted: bool) -> Option<Clauses> {
        match (*self.bits.get(usize::from(of))?, wanted) {
            (Bits::Test(test), true) => Clauses::one(1 << test, 0),
            (Bits::Test(test), false) => Clauses::one(0, 1 << test),
            (Bits::Not(a), _) => self.clauses_of(a, !wanted),
            (Bits::And(a, b), true) | (Bits::Or(a, b), false) => self
                .clauses_of(a, wanted)?
                .and(&self.clauses_of(b, wanted)?),
            (Bits::And(a, b), false) | (Bits::Or(a, b), true) => {
                self.clauses_of(a, wanted)?.or(&self.clauses_of(b, wanted)?)
            }
        }
    }

    /// Whether a frame is wanted.
    ///
    /// # Cost
    /// O(terms): some ns for ten, less where an early one decides.
    #[inline]
    pub fn matches(&self, summary: &Summary) -> bool {
        let words = words(summary);
        if !self.has_clauses {
            return self.holds(self.bit_count.saturating_sub(1) as u8, &words);
        }
        let mut start = 0;
        for &end in self.ends.iter().take(self.clause_count) {
            let steps = self.steps.get(start..usize::from(end)).unwrap_or_default();
            if !steps
                .iter()
                .fold(false, |any, test| any | test.holds(&words))
            {
                return false;
            }
            start = usize::from(end);
        }
        true
    }

    fn holds(&self, of: u8, words: &[u64; WORDS]) -> bool {
        match self.bits.get(usize::from(of)) {
            Some(&Bits::Test(test)) => {
                let test = self.tests.get(usize::from(test));
                test.is_some_and(|test| test.holds(words))
            }
            Some(&Bits::Not(a)) => !self.holds(a, words),
            Some(&Bits::And(a, b)) => self.holds(a, words) && self.holds(b, words),
            Some(&Bits::Or(a, b)) => self.holds(a, words) || self.holds(b, words),
            None => true,
        }
    }
}

impl Clauses {
    const NONE: Self = Self {
        all: [Clause { set: 0, clear: 0 }; MAX_CLAUSES],
        count: 0,
    };

    fn one(set: u64, clear: u64) -> Option<Self> {
        Self::NONE.with(Clause { set, clear })
    }

    /// With a clause more, unless that says nothing new.
    fn with(mut self, clause: Clause) -> Option<Self> {
        let is_always = clause.set & clause.clear != 0;
        let is_said = |c: &Clause| c.set & !clause.set == 0 && c.clear & !clause.clear == 0;
        if is_always || self.get().iter().any(is_said) {
            return Some(self);
        }
        *self.all.get_mut(self.count)? = clause;
        self.count += 1;
        Some(self)
    }

    fn get(&self) -> &[Clause] {
        self.all.get(..self.count).unwrap_or_default()
    }

    fn and(self, other: &Self) -> Option<Self> {
        other
            .get()
            .iter()
            .try_fold(self, |all, &clause| all.with(clause))
    }

    fn or(self, other: &Self) -> Option<Self> {
        let mut all = Self::NONE;
        for a in self.get() {
            for b in other.get() {
                all = all.with(Clause {
                    set: a.set | b.set,
                    clear: a.clear | b.clear,
                })?;
            }
        }
        Some(all)
    }
}

/// How many words a summary is seen as.
const WORDS: usize = 16;

/// What is in which word.
mod word {
    /// Sender and receiver of IPv4 or ARP in the order of the wire, with [`PRESENT`](super::PRESENT).
    pub const V4: u8 = 0;
    /// Ports, with [`PRESENT`](super::PRESENT).
    pub const PORT: u8 = 2;
    /// Sender and receiver of IPv6, two words each, in the order of the wire.
    pub const V6: u8 = 4;
    /// Network, transport, protocol and what else is small.
    pub const KINDS: u8 = 8;
    /// Type of the frame and outermost tag, with [`PRESENT`](super::PRESENT).
    pub const LINK: u8 = 9;
}

/// Set in words whose fields are there.
const PRESENT: u64 = 1 << 32;
/// The bit of [`Network`] that both versions of IP have, and no other.
const IS_IP: u64 = 2;
const _: () = {
    assert!(Network::Ipv4 as u64 & IS_IP != 0 && Network::Ipv6 as u64 & IS_IP != 0);
    assert!(Network::Unknown as u64 & IS_IP == 0 && Network::Arp as u64 & IS_IP == 0);
};
/// The flag of a summary, among the kinds.
const LINK_GROUP: u64 = 1 << 24;
/// Where among the kinds the fragment field is.
const FRAGMENT: u32 = 48;

#[inline(always)]
fn words(summary: &Summary) -> [u64; WORDS] {
    let raw = summary.raw();
    let network = summary.network() as u64;
    let is_v4 = (network == Network::Ipv4 as u64) | (network == Network::Arp as u64);
    let present = u64::from(is_v4) << 32;
    let transport = summary.transport() as u64;
    let is_udp = transport == Transport::Udp as u64;
    let ports = u64::from(is_udp | (transport == Transport::Tcp as u64)) << 32;
    let kinds = network
        | (transport << 8)
        | (u64::from(summary.protocol()) << 16)
        | (u64::from(summary.is_link_group()) << 24)
        | (u64::from(raw.fragment) << FRAGMENT);
    // The tag is zero where there is none.
    let tagged = u64::from(summary.tag_count() > 0) << 32;
    let link = u64::from(summary.ether_type()) | (u64::from(raw.tag & 0xFFF) << 16) | tagged;
    [
        present | u64::from(raw.v4[0]),
        present | u64::from(raw.v4[1]),
        ports | u64::from(raw.ports >> 16),
        ports | u64::from(raw.ports & 0xFFFF),
        raw.v6[0],
        raw.v6[1],
        raw.v6[2],
        raw.v6[3],
        kinds,
        link,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
}

impl Test {
    /// No masked word is as large.
    const NEVER: Self = Self {
        word: 0,
        mask: 0,
        low: 1,
        span: 0,
    };

    const fn at(word: u8, mask: u64, low: u64) -> Self {
        Self {
            word,
            mask,
            low,
            span: 0,
        }
    }

    #[inline(always)]
    fn holds(&self, words: &[u64; WORDS]) -> bool {
        let word = words[usize::from(self.word) % WORDS];
        (word & self.mask).wrapping_sub(self.low) <= self.span
    }

    /// All that is not within the range is the range behind it, all the way round.
    const fn contrary(self) -> Self {
        Self {
            low: self.low.wrapping_add(self.span).wrapping_add(1),
            span: (u64::MAX - self.span).wrapping_sub(1),
            ..self
        }
    }

    fn of(term: Term) -> Self {
        let at = Self::at;
        match term {
            Term::Network(network) => at(word::KINDS, 0xFF, network as u64),
            Term::Transport(transport) => at(word::KINDS, 0xFF00, (transport as u64) << 8),
            Term::Protocol(protocol) => {
                let value = (u64::from(protocol) << 16) | IS_IP;
                at(word::KINDS, 0xFF_0000 | IS_IP, value)
            }
            Term::EtherType(ether_type) => at(word::LINK, 0xFFFF, ether_type.into()),
            Term::V4(side, value, mask) => {
                let (value, mask) = ((value & mask).to_be(), mask.to_be());
                let word = word::V4 + u8::from(side == Side::Dst);
                at(word, u64::from(mask) | PRESENT, u64::from(value) | PRESENT)
            }
            Term::Port(side, first, last) if first <= last => Self {
                word: word::PORT + u8::from(side == Side::Dst),
                mask: PRESENT | 0xFFFF,
                low: PRESENT | u64::from(first),
                span: u64::from(last - first),
            },
            Term::Tagged => at(word::LINK, PRESENT, PRESENT),
            Term::Vlan(id) if id < 4096 => {
                let value = PRESENT | (u64::from(id) << 16);
                at(word::LINK, PRESENT | 0xFFF_0000, value)
            }
            Term::Fragment => {
                let (mask, low) = (0xFFF9 << FRAGMENT, 1 << FRAGMENT);
                Self {
                    word: word::KINDS,
                    mask,
                    low,
                    span: mask - low,
                }
            }
            // A range or identifier that nothing is in; the others are lowered before.
            Term::Port(..) | Term::Vlan(_) | Term::V6(..) | Term::Multicast => Self::NEVER,
        }
    }
}

impl core::fmt::Debug for Filter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.nodes()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Filter {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Filter {}", self.nodes());
    }
}
