//! Compiles an expression into rows of comparisons.
//!
//! A term becomes one comparison or more: a masked word of the summary is within a range. The expression over them is
//! converted to clauses. All clauses have to hold, and a clause holds if one of its comparisons does. Frames are not
//! predictable, so no branch depends on them: the comparisons stand in rows, one for each word of a group as wide as
//! the target's vectors, and a row is evaluated at once. Each comparison that holds settles its clauses.
//!
//! ```text
//!  Summary  | src ×4 | dst ×4                  | ports, lengths, types ×4 | tags, fragment, network ×4 |  16 words
//!  row 0    |        | comp  comp  comp  comp  | comp        comp         | comp  comp            comp |  -> clauses
//!  row 1    |        | comp                    | comp        comp         |                       comp |  -> settled
//!    :                                                                                                    all of them?
//! ```
//!
//! A group without comparisons takes no time. An expression that would need too many comparisons, clauses or rows is
//! evaluated node by node.

use core::net::Ipv6Addr;

use super::comparison::{Comparison, GROUPS, LANES, Row, address_word, word};
use super::error::{FilterError, FilterReason};
use super::term::{Side, Term};
use super::{Filter, MAX_NODES, Node};
use crate::wire::summary::Network;

/// Comparisons that clauses can consist of: one bit each.
const MAX_IN_CLAUSES: usize = 64;
/// One bit each.
const MAX_CLAUSES: usize = 32;

/// Returns the number of an item, which is added unless it is there already.
fn number_of<T: PartialEq>(all: &mut [T], count: &mut usize, item: T) -> Result<u8, FilterError> {
    if let Some(known) = all.iter().take(*count).position(|it| *it == item) {
        return Ok(known as u8);
    }
    let error = FilterError::new(FilterReason::TooLong, 0);
    *all.get_mut(*count).ok_or(error)? = item;
    *count += 1;
    Ok((*count - 1) as u8)
}

impl Filter {
    /// Makes comparisons and clauses of the nodes.
    pub(super) fn compile(mut self) -> Result<Self, FilterError> {
        (self.lowered_count, self.comparison_count) = (0, 0);
        let mut roots = [0_u8; MAX_NODES];
        for index in 0..self.node_count {
            let Some(&node) = self.nodes.get(index) else {
                break;
            };
            let root = |of: u8| roots.get(usize::from(of)).copied().unwrap_or(0);
            let lowered = match node {
                Node::Leaf(term) => self.lower(term)?,
                Node::Not(a) => self.node(Node::Not(root(a)))?,
                Node::And(a, b) => self.node(Node::And(root(a), root(b)))?,
                Node::Or(a, b) => self.node(Node::Or(root(a), root(b)))?,
            };
            if let Some(root) = roots.get_mut(index) {
                *root = lowered;
            }
        }
        self.used = [0; GROUPS];
        self.clauses = Some(0);
        if let Some(last) = self.root() {
            self.root = roots.get(usize::from(last)).copied().unwrap_or(0);
            self.clauses = self
                .clauses_of(self.root, true)
                .and_then(|clauses| self.fill_rows(&clauses));
        }
        Ok(self)
    }

    /// Puts the comparisons of the clauses in rows. `None` if they are too many.
    fn fill_rows(&mut self, clauses: &Clauses) -> Option<u32> {
        let mut all = 0;
        let comparisons = self.comparisons;
        for (index, &comparison) in comparisons.iter().enumerate().take(MAX_IN_CLAUSES) {
            let of = |bits: fn(&Clause) -> u64| {
                let is_in = |c: &Clause| bits(c) >> index & 1 != 0;
                let from_last = clauses.get().iter().rev();
                from_last.fold(0, |set, c| set << 1 | u32::from(is_in(c)))
            };
            for (settles, comparison) in [
                (of(|c| c.set), comparison),
                (of(|c| c.clear), comparison.contrary()),
            ] {
                if settles != 0 {
                    self.add_to_row(&comparison, settles)?;
                    all |= settles;
                }
            }
        }
        // A clause without a comparison could not be settled. There is none.
        Some(all)
    }

    /// Puts a comparison into the first row of its group whose lane is free.
    fn add_to_row(&mut self, comparison: &Comparison, settles: u32) -> Option<()> {
        let group = usize::from(comparison.word) / LANES % GROUPS;
        for (index, row) in self.rows[group].iter_mut().enumerate() {
            let bit = 1 << index;
            if self.used[group] & bit == 0 {
                self.used[group] |= bit;
                *row = Row::NONE;
            }
            if row.put(comparison, settles) {
                return Some(());
            }
        }
        None
    }

    fn node(&mut self, node: Node<u8>) -> Result<u8, FilterError> {
        number_of(&mut self.lowered, &mut self.lowered_count, node)
    }

    fn comparison(&mut self, comparison: Comparison) -> Result<u8, FilterError> {
        let count = &mut self.comparison_count;
        let index = number_of(&mut self.comparisons, count, comparison)?;
        self.node(Node::Leaf(index))
    }

    fn both(&mut self, a: Comparison, b: Comparison) -> Result<u8, FilterError> {
        let (a, b) = (self.comparison(a)?, self.comparison(b)?);
        self.node(Node::And(a, b))
    }

    /// The comparisons of a term.
    fn lower(&mut self, term: Term) -> Result<u8, FilterError> {
        if let (Some(src), Some(dst)) = (term.at(Side::Src), term.at(Side::Dst)) {
            let (src, dst) = (self.lower(src)?, self.lower(dst)?);
            return self.node(Node::Or(src, dst));
        }
        let of = Comparison::of;
        match term {
            Term::V6(side, value, mask) => self.lower_v6(side, value, mask),
            Term::V4(..) => self.lower_v4(term),
            Term::Port(..) => self.both(Comparison::HAS_PORTS, of(term)),
            // The summary also has a zero there if there is no such field.
            Term::Protocol(0) => self.both(Comparison::IS_IP, of(term)),
            Term::Vlan(0) => self.both(of(Term::Tagged), of(term)),
            Term::InnerVlan(0) => self.both(of(Term::InnerTagged), of(term)),
            Term::Multicast => self.lower_multicast(),
            _ => self.comparison(of(term)),
        }
    }

    /// ARP has IPv4 addresses too.
    fn lower_v4(&mut self, term: Term) -> Result<u8, FilterError> {
        let is_v4 = self.lower(Term::Network(Network::Ipv4))?;
        let is_arp = self.comparison(Comparison::IS_ARP_V4)?;
        let has_v4 = self.node(Node::Or(is_v4, is_arp))?;
        let address = self.comparison(Comparison::of(term))?;
        self.node(Node::And(has_v4, address))
    }

    fn lower_v6(&mut self, side: Side, value: u128, mask: u128) -> Result<u8, FilterError> {
        let mut all = self.lower(Term::Network(Network::Ipv6))?;
        for (word, shift) in (address_word(side)..).zip([96, 64, 32, 0]) {
            let (value, mask) = ((value >> shift) as u32, (mask >> shift) as u32);
            if mask != 0 {
                // In network order, as the summary's words are.
                let (value, mask) = ((value & mask).swap_bytes(), mask.swap_bytes());
                let part = self.comparison(Comparison::at(word, mask, value))?;
                all = self.node(Node::And(all, part))?;
            }
        }
        Ok(all)
    }

    fn lower_multicast(&mut self) -> Result<u8, FilterError> {
        let v4 = self.comparison(Comparison::at(word::DST, 0xF0, 0xE0))?;
        let is_v4 = self.lower(Term::Network(Network::Ipv4))?;
        let v4 = self.node(Node::And(is_v4, v4))?;
        let group = Ipv6Addr::new(0xFF00, 0, 0, 0, 0, 0, 0, 0);
        let v6 = self.lower(Term::net_v6(Side::Dst, group, 8))?;
        let either = self.node(Node::Or(v4, v6))?;
        // Without IP, the link layer decides.
        let is_ip = self.comparison(Comparison::IS_IP)?;
        let no_ip = self.node(Node::Not(is_ip))?;
        let group = self.comparison(Comparison::of(Term::LinkGroup))?;
        let other = self.node(Node::And(no_ip, group))?;
        self.node(Node::Or(either, other))
    }

    /// The clauses of an expression, or of its contrary. `None` if they are too many.
    fn clauses_of(&self, node: u8, wanted: bool) -> Option<Clauses> {
        match (*self.lowered.get(usize::from(node))?, wanted) {
            (Node::Leaf(index), _) if usize::from(index) >= MAX_IN_CLAUSES => None,
            (Node::Leaf(index), true) => Clauses::one(1 << index, 0),
            (Node::Leaf(index), false) => Clauses::one(0, 1 << index),
            (Node::Not(a), _) => self.clauses_of(a, !wanted),
            (Node::And(a, b), true) | (Node::Or(a, b), false) => self
                .clauses_of(a, wanted)?
                .and(&self.clauses_of(b, wanted)?),
            (Node::And(a, b), false) | (Node::Or(a, b), true) => {
                self.clauses_of(a, wanted)?.or(&self.clauses_of(b, wanted)?)
            }
        }
    }
}

/// Holds if one of the comparisons in `set` holds, or one of those in `clear` does not.
#[derive(Clone, Copy)]
struct Clause {
    set: u64,
    clear: u64,
}

#[derive(Clone, Copy)]
struct Clauses {
    all: [Clause; MAX_CLAUSES],
    count: usize,
}

impl Clauses {
    const NONE: Self = Self {
        all: [Clause { set: 0, clear: 0 }; MAX_CLAUSES],
        count: 0,
    };

    fn one(set: u64, clear: u64) -> Option<Self> {
        Self::NONE.with(Clause { set, clear })
    }

    fn push(&mut self, clause: Clause) -> Option<()> {
        *self.all.get_mut(self.count)? = clause;
        self.count += 1;
        Some(())
    }

    /// With another clause, unless the others imply it.
    fn with(self, clause: Clause) -> Option<Self> {
        let is_always = clause.set & clause.clear != 0;
        let implies = |a: &Clause, b: &Clause| a.set & !b.set == 0 && a.clear & !b.clear == 0;
        if is_always || self.get().iter().any(|c| implies(c, &clause)) {
            return Some(self);
        }
        // Clauses that the new one implies are no longer needed.
        let mut kept = Self::NONE;
        for c in self.get().iter().filter(|c| !implies(&clause, c)) {
            kept.push(*c)?;
        }
        kept.push(clause)?;
        Some(kept)
    }

    fn get(&self) -> &[Clause] {
        self.all.get(..self.count).unwrap_or_default()
    }

    fn and(self, other: &Self) -> Option<Self> {
        let mut clauses = other.get().iter();
        clauses.try_fold(self, |all, &clause| all.with(clause))
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
