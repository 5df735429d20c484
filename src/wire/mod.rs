//! Packet parsing and exchange feeds.
#![forbid(unsafe_code)]
