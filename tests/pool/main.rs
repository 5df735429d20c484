//! The pool: blocks, caches, reservations, waiting, and the allocators over it.
#![allow(missing_docs)]
#![cfg_attr(framepool_nightly, feature(allocator_api, btreemap_alloc))]

#[cfg(any(feature = "allocator-api2", framepool_nightly))]
mod allocator;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "std")]
mod bad_input;
#[cfg(feature = "std")]
mod behaviours;
#[cfg(feature = "heapless")]
mod heapless;
#[cfg(feature = "std")]
mod leaked;
#[cfg(feature = "std")]
mod lent;
#[cfg(feature = "std")]
mod local;
#[cfg(feature = "defmt")]
mod log;
#[cfg(feature = "std")]
mod magazines;
#[cfg(feature = "std")]
mod model;
#[cfg(feature = "std")]
mod pressure;
#[path = "../support/process.rs"]
mod process;
#[cfg(feature = "std")]
mod reserve;
#[cfg(feature = "std")]
mod shares;
#[cfg(feature = "std")]
mod sources;
#[cfg(feature = "std")]
mod threads;
#[cfg(feature = "std")]
mod waiting;
