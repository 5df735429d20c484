//! Packet parsing and exchange feeds.
#![forbid(unsafe_code)]

mod error;

pub use error::{Layer, ParseError, Reason};
