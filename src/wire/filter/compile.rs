//! Terms joined by and, or, not.
//!
//! A term becomes one test or more: a word of the summary, masked, is within a range. What joins them is
//! brought into clauses, all of which have to hold, each of them if one of its tests does. What a frame is
//! cannot be foreseen, so no branch depends on it: tests stand in rows, one for each word of a group as wide as
//! the target's vectors, and a row is made at once. Each test that holds says which clauses that settles.
//!
//! ```text
//!  Summary  | src ×4 | dst ×4                  | ports, lengths, types ×4 | tags, fragment, network ×4 |  16 words
//!  row 0    |        | test  test  test  test  | test        test         | test  test            test |  -> clauses
//!  row 1    |        | test                    | test        test         |                       test |  -> settled
//!    :                                                                                                    all of them?
//! ```
//!
//! A group without tests takes no time. An expression that would take too many tests, clauses or rows is evaluated as
//! it stands.

use core::net::Ipv6Addr;

use super::super::{Network, Summary};
use super::comparison::{GROUPS, LANES, Row, Test, WORDS, address_word, word};
use super::term::{Side, Term};
use super::{FilterError, FilterReason, MAX_TERMS};

/// Nodes of an expression: every term, and what joins them.
const MAX_NODES: usize = 4 * MAX_TERMS;
/// Tests of all terms.
const MAX_TESTS: usize = 128;
/// Tests that clauses can be made of: one bit each.
const CLAUSE_TESTS: usize = 64;
/// What joins tests, the tests included; numbers are bytes.
const MAX_BITS: usize = 255;
/// One bit each.
const MAX_CLAUSES: usize = 32;
/// More tests of one word than these are no faster than the expression.
const MAX_ROWS: usize = 8;

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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bits {
    Test(u8),
    Not(u8),
    And(u8, u8),
    Or(u8, u8),
}

/// Of these bits one is set, or of those one is clear.
#[derive(Clone, Copy)]
struct Clause {
    set: u64,
    clear: u64,
}

/// Which frames one wants, as compiled from an expression or from terms.
///
/// Built at start-up; [`matches`](Self::matches) is for every frame. No allocation: about 11 KiB of memory.
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
    bits: [Bits; MAX_BITS],
    bit_count: usize,
    tests: [Test; MAX_TESTS],
    test_count: usize,
    rows: [[Row; MAX_ROWS]; GROUPS],
    /// One bit for each row that is used, of each group.
    used: [u32; GROUPS],
    /// All clauses of the rows. `None` if the expression is evaluated as it stands.
    clauses: Option<u32>,
    root: u8,
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
            bits: [Bits::Not(0); MAX_BITS],
            bit_count: 0,
            tests: [Test::NEVER; MAX_TESTS],
            test_count: 0,
            rows: [[Row::NONE; MAX_ROWS]; GROUPS],
            used: [0; GROUPS],
            clauses: Some(0),
            root: 0,
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
        self.used = [0; GROUPS];
        self.clauses = Some(0);
        if let Some(last) = self.root() {
            self.root = roots.get(usize::from(last)).copied().unwrap_or(0);
            self.clauses = self
                .clauses_of(self.root, true)
                .and_then(|clauses| self.line_up(&clauses));
        }
        Ok(self)
    }

    /// Puts the tests of the clauses in rows. `None` if they are too many.
    fn line_up(&mut self, clauses: &Clauses) -> Option<u32> {
        let mut all = 0;
        let tests = self.tests;
        for (index, &test) in tests.iter().enumerate().take(CLAUSE_TESTS) {
            let of = |bits: fn(&Clause) -> u64| {
                let is_in = |c: &Clause| bits(c) >> index & 1 != 0;
                clauses
                    .get()
                    .iter()
                    .rev()
                    .fold(0, |set, c| set << 1 | u32::from(is_in(c)))
            };
            for (settles, test) in [(of(|c| c.set), test), (of(|c| c.clear), test.contrary())] {
                if settles != 0 {
                    self.place(&test, settles)?;
                    all |= settles;
                }
            }
        }
        // A clause without a test cannot be settled; there is none.
        Some(all)
    }

    /// Puts a test into the first row of its group that has its lane free.
    fn place(&mut self, test: &Test, settles: u32) -> Option<()> {
        let group = usize::from(test.word) / LANES % GROUPS;
        for (index, row) in self.rows[group].iter_mut().enumerate() {
            let bit = 1 << index;
            if self.used[group] & bit == 0 {
                self.used[group] |= bit;
                *row = Row::NONE;
            }
            if row.put(test, settles) {
                return Some(());
            }
        }
        None
    }

    /// What is there already is not added once more.
    fn bit(&mut self, bits: Bits) -> Result<u8, FilterError> {
        let known = self.bits.iter().take(self.bit_count);
        if let Some(known) = known.into_iter().position(|&b| b == bits) {
            return Ok(known as u8);
        }
        let error = FilterError::new(FilterReason::TooLong, 0);
        *self.bits.get_mut(self.bit_count).ok_or(error)? = bits;
        self.bit_count += 1;
        Ok((self.bit_count - 1) as u8)
    }

    fn test(&mut self, test: Test) -> Result<u8, FilterError> {
        let known = self.tests.iter().take(self.test_count);
        if let Some(known) = known.into_iter().position(|&t| t == test) {
            return self.bit(Bits::Test(known as u8));
        }
        let error = FilterError::new(FilterReason::TooLong, 0);
        *self.tests.get_mut(self.test_count).ok_or(error)? = test;
        self.test_count += 1;
        self.bit(Bits::Test((self.test_count - 1) as u8))
    }

    fn both(&mut self, a: Test, b: Test) -> Result<u8, FilterError> {
        let (a, b) = (self.test(a)?, self.test(b)?);
        self.bit(Bits::And(a, b))
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
            Term::V4(..) => self.lower_v4(term),
            Term::Port(..) => self.both(Test::HAS_PORTS, Test::of(term)),
            // Zero is also what stands there if there is none.
            Term::Protocol(0) => self.both(Test::IS_IP, Test::of(term)),
            Term::Vlan(0) => self.both(Test::of(Term::Tagged), Test::of(term)),
            Term::InnerVlan(0) => self.both(Test::of(Term::InnerTagged), Test::of(term)),
            Term::Multicast => self.lower_multicast(),
            _ => self.test(Test::of(term)),
        }
    }

    /// ARP has addresses of IPv4 as well.
    fn lower_v4(&mut self, term: Term) -> Result<u8, FilterError> {
        let is_v4 = self.lower(Term::Network(Network::Ipv4))?;
        let is_arp = self.test(Test::IS_ARP_V4)?;
        let has_v4 = self.bit(Bits::Or(is_v4, is_arp))?;
        let address = self.test(Test::of(term))?;
        self.bit(Bits::And(has_v4, address))
    }

    fn lower_v6(&mut self, side: Side, value: u128, mask: u128) -> Result<u8, FilterError> {
        let mut all = self.lower(Term::Network(Network::Ipv6))?;
        let first = address_word(side);
        for (word, shift) in [
            (first, 96),
            (first + 1, 64),
            (first + 2, 32),
            (first + 3, 0),
        ] {
            let (value, mask) = ((value >> shift) as u32, (mask >> shift) as u32);
            if mask != 0 {
                // In the order of the wire, as the words are.
                let (value, mask) = ((value & mask).swap_bytes(), mask.swap_bytes());
                let part = self.test(Test::at(word, mask, value))?;
                all = self.bit(Bits::And(all, part))?;
            }
        }
        Ok(all)
    }

    fn lower_multicast(&mut self) -> Result<u8, FilterError> {
        let v4 = self.test(Test::at(word::DST, 0xF0, 0xE0))?;
        let is_v4 = self.lower(Term::Network(Network::Ipv4))?;
        let v4 = self.bit(Bits::And(is_v4, v4))?;
        let group = Ipv6Addr::new(0xFF00, 0, 0, 0, 0, 0, 0, 0);
        let v6 = self.lower(Term::net_v6(Side::Dst, group, 8))?;
        let either = self.bit(Bits::Or(v4, v6))?;
        // Without IP, what the link layer says.
        let is_ip = self.test(Test::IS_IP)?;
        let no_ip = self.bit(Bits::Not(is_ip))?;
        let group = self.test(Test::of(Term::LinkGroup))?;
        let other = self.bit(Bits::And(no_ip, group))?;
        self.bit(Bits::Or(either, other))
    }

    /// The clauses of an expression, or of its contrary. `None` if they are too many.
    fn clauses_of(&self, of: u8, wanted: bool) -> Option<Clauses> {
        match (*self.bits.get(usize::from(of))?, wanted) {
            (Bits::Test(test), _) if usize::from(test) >= CLAUSE_TESTS => None,
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
    /// O(terms), without a branch on what the frame is: a few ns for ten. Where terms are too many for that, or joined
    /// in too many ways, they are asked one after the other. It reads the summary in whole vectors, which
    /// a processor cannot forward out of the stores of a summary that was made just before: over a burst, sum up all
    /// of it, then filter.
    // Where vectors are wide, a call takes as long as all of the rows.
    #[inline]
    pub fn matches(&self, summary: &Summary) -> bool {
        let Some(clauses) = self.clauses else {
            return self.as_it_stands(summary);
        };
        let words = summary.words();
        let mut settled = [0_u32; LANES];
        for group in 0..GROUPS {
            for (index, row) in self.rows[group].iter().enumerate() {
                // Not counted: rows are not to be made into the lanes of a vector.
                if self.used[group] & (1 << index) == 0 {
                    break;
                }
                row.settled(&words[group * LANES..], &mut settled);
            }
        }
        settled.iter().fold(0, |all, lane| all | lane) == clauses
    }

    /// An expression of too many clauses.
    #[cold]
    #[inline(never)]
    fn as_it_stands(&self, summary: &Summary) -> bool {
        self.holds(self.root, &summary.words())
    }

    fn holds(&self, of: u8, words: &[u32; WORDS]) -> bool {
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
    fn with(self, clause: Clause) -> Option<Self> {
        let is_always = clause.set & clause.clear != 0;
        let is_said = |c: &Clause| c.set & !clause.set == 0 && c.clear & !clause.clear == 0;
        if is_always || self.get().iter().any(is_said) {
            return Some(self);
        }
        // Those that say less are not needed any more.
        let mut kept = Self::NONE;
        for &c in self.get() {
            if clause.set & !c.set != 0 || clause.clear & !c.clear != 0 {
                *kept.all.get_mut(kept.count)? = c;
                kept.count += 1;
            }
        }
        *kept.all.get_mut(kept.count)? = clause;
        kept.count += 1;
        Some(kept)
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
