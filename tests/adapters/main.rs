//! framepool's types in the terms of other crates.
#![allow(missing_docs)]

#[cfg(all(feature = "std", any(feature = "smoltcp", feature = "xarxa-driver")))]
mod card;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(all(feature = "metrics", feature = "packet"))]
mod packet;
#[cfg(feature = "metrics")]
mod recorder;
#[cfg(all(feature = "smoltcp", feature = "std"))]
mod smoltcp;
#[cfg(all(feature = "xarxa-driver", feature = "std"))]
mod xarxa_driver;
