//! Objects by size class, without headers up to 4 KiB: spans under the lock, magazines between threads, a front for each
//! thread. Objects of larger classes are blocks of the core.
//!
//! ```text
//!   thread 1               thread 2
//!   ┌─────────────────┐    ┌─────────────────┐
//!   │ front: an array │    │ front           │    no atomics
//!   │ for each class  │    │                 │
//!   └───────┬─▲───────┘    └───────┬─▲───────┘
//!     batch │ │                    │ │
//!   ┌───────▼─┴────────────────────▼─┴───────┐
//!   │ depots: magazines for each class       │    two compare-and-swaps a batch
//!   └───────┬─▲────────────────────┬─▲───────┘
//!   ┌───────▼─┴────────────────────▼─┴───────┐
//!   │ centre: spans for classes up to 4 KiB  │    under the heap's lock
//!   │ core: two-level segregated fit         │
//!   └────────────────────────────────────────┘
//! ```
//!
//! An object is named by its distance from the region's start in granules of 16 bytes, in 4 bytes. It travels in
//! arrays, never by a link inside of it: a free object's bytes are not read.

mod centre;
mod class;
mod depots;
mod front;
mod spans;

pub(super) use centre::Centre;
pub(super) use class::{Class, Origin};
pub(super) use depots::{BATCH, Depots};
pub(super) use front::Front;
pub(super) use spans::{Record, Runs, Spans};
