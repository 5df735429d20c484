//! Which frames one wants.
//!
//! ```text
//!  "udp and dst net 233.54.0.0/16 and dst portrange 26400-26415"
//!        | parse, at start-up               Filter::any_of(…), all_of(…), from code
//!        v                                        v
//!  Filter: at most MAX_TERMS terms, as tests of a summary's words in rows
//!        |                                        |
//!        v matches(&Summary), a few ns            v to_bpf(&mut [BpfInstruction])
//!   yes or no                                  a program for SO_ATTACH_FILTER
//! ```
//!
//! | file | what is in it |
//! |---|---|
//! | `term.rs` | what can be asked of a frame |
//! | `compile.rs` | terms joined by and, or, not: rows of tests |
//! | `comparison.rs` | what is asked of the words of a summary |
//! | `parse.rs` | expressions |
//! | `bpf.rs` | classic BPF |

mod bpf;
mod comparison;
mod parse;
mod compile;
mod term;

pub use bpf::{BpfError, BpfInstruction};
pub use parse::{FilterError, FilterReason};
pub use compile::Filter;
pub use term::{Side, Term};

/// The most terms in a filter. Of IPv6 prefixes longer than 32 bits there may be fewer, as each word of the address
/// is a test: 28 hosts, or 14 that may be at either end.
pub const MAX_TERMS: usize = 32;
