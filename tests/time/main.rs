//! Clocks, histograms and latency by channel.
#![allow(missing_docs)]

mod clock;
mod counts;
mod hdr;
mod histogram;
#[path = "../support/process.rs"]
mod process;
mod tracker;
