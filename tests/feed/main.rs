//! Exchange feeds: framing, messages, sequence numbers, FIX.
#![allow(missing_docs)]

#[cfg(not(miri))]
#[path = "../support/captures.rs"]
mod captures;
#[cfg(not(miri))]
mod exchanges;
mod fix;
#[cfg(not(miri))]
#[path = "../support/frames.rs"]
mod frames;
mod framing;
#[path = "../support/itch_beside.rs"]
mod itch_beside;
#[cfg(not(miri))]
#[path = "../support/made.rs"]
mod made;
mod messages;
#[cfg(not(miri))]
mod oracle;
#[cfg(not(miri))]
mod seeds;
mod sequence;
#[cfg(not(miri))]
#[path = "../support/tshark.rs"]
mod tshark;
