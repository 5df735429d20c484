//! A ring whose slots say for themselves whether they are full: for values that come one by one.
//!
//! ```text
//!   ┌──────┬───┬──────┬───┬──────┬───┬──────┬───┐
//!   │  v   │ 1 │  v   │ 1 │      │ 0 │      │ 0 │    value and flag side by side
//!   └──────┴───┴──────┴───┴──────┴───┴──────┴───┘
//!       consumer            producer                each knows its own place only
//! ```
//!
//! There is no position that both ends read. A push looks at the flag of one slot, writes its value and
//! sets the flag; a pop looks, reads and clears. What crosses between the cores is the slot itself.
//!
//! | producer | consumer | what holds |
//! |---|---|---|
//! | loads the flag, **acquire**: 0 | | the last value was read before it became 0 |
//! | writes the value | | nobody reads it while the flag is 0 |
//! | stores 1, **release** | | |
//! | | loads the flag, **acquire**: 1 | the write came before |
//! | | reads the value, stores 0, **release** | nobody writes it while the flag is 1 |
//!
//! As each end goes through the slots in order, the full ones are in one piece, from the consumer's place
//! up to the producer's. So either end can count them by bisection, which is what `len` does.
//!
//! # Why the consumer clears
//!
//! It could leave the slot alone: let the producer stamp each slot with its lap, and tell it now and then
//! how far the consumer is. Then the line crosses only once. But the producer would find the line in
//! the other core's cache when it *stores*, and stores wait for each other. When the consumer has
//! written to the line, the producer's *look* brings it over, and looks do not wait: the processor makes
//! many of them ahead. `ring/u64/burst1` and `ring/64B/burst1` of `benches/peers` measure what is here.
//!
//! | file | what is in it |
//! |---|---|
//! | `slot.rs` | a slot, and what both ends know |
//! | `ends.rs` | the ends |
//! | `construct.rs` | where the memory comes from |

mod construct;
mod ends;
mod slot;

pub use construct::FlagEnds;
#[cfg(not(loom))]
pub use construct::FlagRing;
#[cfg(any(feature = "std", loom))]
pub use construct::allocate_flagged;
#[cfg(not(loom))]
pub use construct::{
    flagged_in_memory, flagged_in_raw_memory, flagged_region_align, flagged_region_size,
};
pub use ends::{FlagConsumer, FlagDrain, FlagProducer};
