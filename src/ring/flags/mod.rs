//! A ring whose slots say whether they are full: for values that come one by one.
//!
//! ```text
//!   ┌──────┬───┬──────┬───┬──────┬───┬──────┬───┐
//!   │  v   │ 1 │  v   │ 1 │      │ 0 │      │ 0 │    value and flag side by side
//!   └──────┴───┴──────┴───┴──────┴───┴──────┴───┘
//!       consumer            producer                each end knows its own position only
//! ```
//!
//! There is no position that both ends read. A push looks at the flag of one slot, writes its value and
//! sets the flag; a pop looks, reads and clears. The slot itself is all that crosses between the cores.
//!
//! | producer | consumer | what holds |
//! |---|---|---|
//! | loads the flag, **acquire**: 0 | | the last value was read before the flag became 0 |
//! | writes the value | | no thread reads it while the flag is 0 |
//! | stores 1, **release** | | |
//! | | loads the flag, **acquire**: 1 | the value was written before |
//! | | reads the value, stores 0, **release** | no thread writes the value while the flag is 1 |
//!
//! As each end goes through the slots in order, the full ones are in one piece, from the consumer's position up to
//! the producer's. So either end can count them with a binary search, as `len` does.
//!
//! An end that is put back leaves its position in the ring for the next one ([`Ring::producer`]). A ring with flags has no
//! [`Observer`](crate::ring::Observer): without the positions, its length is a count of all flags.
//!
//! # Why the consumer clears
//!
//! The consumer would not have to write to the slot if the producer wrote the number of its lap to each slot and
//! sometimes learned the consumer's position. Then the line would cross only once. But when the producer stores, the
//! line would be in the other core's cache, and stores wait for each other. If the consumer has written to the line,
//! the producer's load of the flag fetches it, and loads do not wait: the processor executes many of them ahead.
//! `ring/u64/burst1` and `ring/64B/burst1` of `benches/peers` measure this design.

mod construct;
mod ends;
mod slot;
mod value;

pub use construct::*;
pub use ends::{Consumer, Ends, Producer};
pub use value::Ring;
