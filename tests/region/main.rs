//! Where memory comes from: runs of pages anywhere, and what Linux maps.
#![allow(missing_docs)]

#[cfg(all(feature = "mmap", target_os = "linux", not(miri)))]
mod linux;
mod runs;
