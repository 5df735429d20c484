//! framepool's types in the terms of other crates. Each adapter has a feature of the other crate's name.
//!
//! | feature | what it adapts |
//! |---|---|
//! | `metrics` | the statistics of pools, caches, rings and latency trackers, as metrics for Prometheus and others |
//! | `smoltcp` | a [driver](Driver) and packet pools as the device of the TCP/IP stack smoltcp, without a copy |
//! | `xarxa-driver` | the same for xarxa, the stack of embassy-net, with one copy |
//!
//! Adapters that need the private parts of a type lie beside that type: `Allocator` for `&Pool` (feature
//! `allocator-api2`), bursts into a `heapless::Vec` (`heapless`), conversion of histograms (`hdrhistogram`).

#[cfg(any(feature = "smoltcp", feature = "xarxa-driver"))]
#[macro_use]
mod driver;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
#[cfg(feature = "smoltcp")]
#[cfg_attr(docsrs, doc(cfg(feature = "smoltcp")))]
pub mod smoltcp;
#[cfg(feature = "xarxa-driver")]
#[cfg_attr(docsrs, doc(cfg(feature = "xarxa-driver")))]
pub mod xarxa_driver;

#[cfg(any(feature = "smoltcp", feature = "xarxa-driver"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "smoltcp", feature = "xarxa-driver"))))]
pub use driver::{DeviceError, DeviceStats, Driver};
