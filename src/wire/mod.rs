//! Packet parsing and exchange feeds.
#![forbid(unsafe_code)]

mod error;
pub mod feed;

pub use error::{Layer, ParseError, Reason};
