//! Packet filters: expressions and terms, compiled.
//!
//! ```text
//!  "udp and dst net 233.54.0.0/16 and dst portrange 26400-26415"
//!        | parse, at start-up               Filter::any_of(…), all_of(…), from code
//!        v                                        v
//!  Filter: at most MAX_TERMS terms, as comparisons of a summary's words in rows
//!        |                                        |
//!        v matches(&Summary), a few ns            v to_bpf(&mut [BpfInstruction])
//!   yes or no                                  a program for SO_ATTACH_FILTER
//! ```

// `parse.rs` makes nodes of text, `compile.rs` makes comparisons and rows of nodes, `bpf.rs` makes a BPF program of
// them.

mod bpf;
mod comparison;
mod compile;
mod error;
mod parse;
mod term;

pub use bpf::{BpfError, BpfInstruction};
pub use error::{FilterError, FilterReason};
pub use term::{Side, Term};

use super::summary::{Summary, WORDS};
use comparison::{Comparison, GROUPS, LANES, Row};

/// The maximum number of terms in a filter. Fewer IPv6 prefixes longer than 32 bits fit, because each word of the
/// address needs a comparison: 28 hosts, or 14 that may be at either end.
pub const MAX_TERMS: usize = 32;

/// Nodes of an expression: the terms, and what joins them.
const MAX_NODES: usize = 4 * MAX_TERMS;
/// Comparisons of all terms.
const MAX_COMPARISONS: usize = 128;
/// Nodes of the lowered expression. Their numbers are bytes.
const MAX_LOWERED: usize = 255;
/// Rows of a group. With more comparisons of one word, rows are not faster than the expression.
const MAX_ROWS: usize = 8;

/// A node of an expression. Numbers are those of earlier nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Node<L> {
    Leaf(L),
    Not(u8),
    And(u8, u8),
    Or(u8, u8),
}

/// A compiled packet filter, from an expression or from terms.
///
/// Built at start-up; [`matches`](Self::matches) is for every frame. Takes about 11 KiB of memory, and allocates none.
///
/// ```
/// use framepool::wire::{Filter, Side, Term, Transport, summarize};
///
/// # let frame = framepool::wire::EXAMPLE_FRAME;
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
    nodes: [Node<Term>; MAX_NODES],
    node_count: usize,
    /// The same expression over comparisons, by their numbers.
    lowered: [Node<u8>; MAX_LOWERED],
    lowered_count: usize,
    comparisons: [Comparison; MAX_COMPARISONS],
    comparison_count: usize,
    rows: [[Row; MAX_ROWS]; GROUPS],
    /// The rows of each group that are in use, one bit each.
    used: [u32; GROUPS],
    /// All clauses of the rows. `None` if the expression is evaluated node by node.
    clauses: Option<u32>,
    /// A node of `lowered`.
    root: u8,
}

describe!(Filter as Filter { nodes });

impl Filter {
    /// Matches every frame.
    pub fn all() -> Self {
        Self {
            nodes: [Node::Not(0); MAX_NODES],
            node_count: 0,
            lowered: [Node::Not(0); MAX_LOWERED],
            lowered_count: 0,
            comparisons: [Comparison::NEVER; MAX_COMPARISONS],
            comparison_count: 0,
            rows: [[Row::NONE; MAX_ROWS]; GROUPS],
            used: [0; GROUPS],
            clauses: Some(0),
            root: 0,
        }
    }

    /// Matches frames for which the term holds.
    ///
    /// # Errors
    /// None for one term. The signature is that of the other constructors.
    pub fn term(term: Term) -> Result<Self, FilterError> {
        Self::all_of(&[term])
    }

    /// Matches frames for which all terms hold. Without terms, matches every frame.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] for more terms than a filter can hold.
    pub fn all_of(terms: &[Term]) -> Result<Self, FilterError> {
        Self::joined(terms, Node::And)
    }

    /// Matches frames for which at least one term holds. Without terms, matches every frame.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] for more terms than a filter can hold.
    pub fn any_of(terms: &[Term]) -> Result<Self, FilterError> {
        Self::joined(terms, Node::Or)
    }

    fn joined(terms: &[Term], join: fn(u8, u8) -> Node<Term>) -> Result<Self, FilterError> {
        let mut filter = Self::all();
        let mut left = None;
        for &term in terms {
            let right = filter.push(Node::Leaf(term))?;
            left = Some(match left {
                Some(left) => filter.push(join(left, right))?,
                None => right,
            });
        }
        filter.compile()
    }

    /// Matches frames that both filters match.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] if both together have too many terms.
    pub fn and(&self, other: &Self) -> Result<Self, FilterError> {
        self.join(other, Node::And)
    }

    /// Matches frames that at least one of both filters matches.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] if both together have too many terms.
    pub fn or(&self, other: &Self) -> Result<Self, FilterError> {
        self.join(other, Node::Or)
    }

    /// Matches frames that this filter does not match.
    ///
    /// # Errors
    /// [`FilterReason::TooLong`] if the filter is full, [`FilterReason::Empty`] if it matches every frame.
    pub fn negated(&self) -> Result<Self, FilterError> {
        let mut filter = self.clone();
        let empty = FilterError::new(FilterReason::Empty, 0);
        let root = filter.root().ok_or(empty)?;
        filter.push(Node::Not(root))?;
        filter.compile()
    }

    fn join(&self, other: &Self, join: fn(u8, u8) -> Node<Term>) -> Result<Self, FilterError> {
        let (Some(left), Some(_)) = (self.root(), other.root()) else {
            // One of them matches every frame.
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
                Node::Leaf(term) => Node::Leaf(term),
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
    fn nodes(&self) -> &[Node<Term>] {
        self.nodes.get(..self.node_count).unwrap_or_default()
    }

    fn root(&self) -> Option<u8> {
        self.node_count.checked_sub(1).map(|last| last as u8)
    }

    /// Adds a node and returns its number.
    fn push(&mut self, node: Node<Term>) -> Result<u8, FilterError> {
        let terms = self.nodes().iter().filter(|n| matches!(n, Node::Leaf(_)));
        let is_full = matches!(node, Node::Leaf(_)) && terms.count() >= MAX_TERMS;
        match self.nodes.get_mut(self.node_count) {
            Some(free) if !is_full => *free = node,
            _ => return Err(FilterError::new(FilterReason::TooLong, 0)),
        }
        self.node_count += 1;
        Ok((self.node_count - 1) as u8)
    }

    /// Whether the filter matches the frame of this summary.
    ///
    /// # Cost
    /// O(terms), without a branch that depends on the frame: a few ns for ten terms. An expression with too many
    /// terms or too many ways to join them is evaluated node by node. The filter reads the summary as whole vectors,
    /// and a processor cannot forward the stores of a summary that was just made to such reads: for a burst,
    /// summarize all frames, then filter them.
    // On targets with wide vectors a call would take as long as all of the rows.
    #[inline]
    pub fn matches(&self, summary: &Summary) -> bool {
        let Some(clauses) = self.clauses else {
            return self.matches_by_node(summary);
        };
        let words = summary.words();
        let mut settled = [0_u32; LANES];
        for group in 0..GROUPS {
            for (index, row) in self.rows[group].iter().enumerate() {
                // A count would let the compiler make lanes of a vector out of rows.
                if self.used[group] & (1 << index) == 0 {
                    break;
                }
                row.settled(&words[group * LANES..], &mut settled);
            }
        }
        settled.iter().fold(0, |all, lane| all | lane) == clauses
    }

    /// For an expression with too many clauses.
    #[cold]
    #[inline(never)]
    fn matches_by_node(&self, summary: &Summary) -> bool {
        self.holds(self.root, &summary.words())
    }

    fn holds(&self, node: u8, words: &[u32; WORDS]) -> bool {
        match self.lowered.get(usize::from(node)) {
            Some(&Node::Leaf(index)) => {
                let comparison = self.comparisons.get(usize::from(index));
                comparison.is_some_and(|comparison| comparison.holds(words))
            }
            Some(&Node::Not(a)) => !self.holds(a, words),
            Some(&Node::And(a, b)) => self.holds(a, words) && self.holds(b, words),
            Some(&Node::Or(a, b)) => self.holds(a, words) || self.holds(b, words),
            None => true,
        }
    }
}
