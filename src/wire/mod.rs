//! Packet parsing and exchange feeds.
#![forbid(unsafe_code)]

mod error;
#[doc(hidden)]
pub mod samples;
mod summary;

pub use error::{Layer, ParseError, Reason};
pub use summary::{
    Extensions, FragmentInfo, Link, MAX_EXTENSIONS, MAX_LABELS, MAX_TAGS, Network, Summary,
    Transport, summarize, summarize_burst, summarize_ip, summarize_ip_lax, summarize_lax,
};
