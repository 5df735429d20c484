//! Parsing, emitting and filtering of frames.
#![allow(missing_docs)]

#[path = "../support/bpf.rs"]
mod bpf;
#[path = "../support/captures.rs"]
mod captures;
mod checksums;
mod filter;
#[path = "../support/frames.rs"]
mod frames;
mod headers;
#[path = "../support/made.rs"]
mod made;
mod oracle;
#[cfg(all(target_os = "linux", not(miri)))]
mod socket;
mod summary;
mod swap;
#[path = "../support/tshark.rs"]
mod tshark;
