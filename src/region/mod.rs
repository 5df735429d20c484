//! Where memory comes from: mappings on Linux, with a report of what the kernel granted, and runs of
//! contiguous pages out of any memory.
//!
//! A pool takes any memory. This module makes memory whose accesses cause no page fault: a
//! [`MappedRegion`]. [`MapBuilder`] tries one page size after another:
//!
//! ```text
//!                      falls back when                                  otherwise you get
//!   ┌─────────────┐
//!   │ 1 GiB       │    only if requested; reasons as for 2 MiB      ──►  1 GiB pages, all resident
//!   ├─────────────┤
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM, fewer pages set aside than needed
//!   │ 2 MiB       │         EINVAL, this machine has no such pages
//!   ├─────────────┤    fork: EINVAL, such pages are never wiped     ──►  2 MiB pages, all resident
//!   │     │       │    populate: ENOMEM, EFAULT, no page is left
//!   │     │       │    populate: EINVAL, ENOSYS, EPERM, not verifiable
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM, out of memory or of addresses
//!   │ transparent │    advise: EINVAL, not in this kernel           ──►  memory aligned to 2 MiB; the
//!   ├─────────────┤    populate: ENOMEM, out of memory                   report counts the huge pages
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM
//!   │ base        │    populate: ENOMEM                             ──►  base pages
//!   └─────────────┘
//!         │
//!         ▼ MapError::Unavailable, with one Step for each rung tried; with `force`, after the first
//! ```
//!
//! A mapping that succeeds guarantees no memory: the kernel overcommits hugepages, and the first touch of
//! a missing one is a SIGBUS. So `MADV_POPULATE_WRITE` (Linux 5.14) makes all pages resident, or fails with
//! an error, before you get the [`MappedRegion`]. The [`RegionReport`] says what is known and what is not.
//!
//! A requested lock that exceeds the limit (ENOMEM) is a step down on every rung, because larger pages
//! round the length up; after the last rung it is [`MapError::Lock`]. A node that does not exist concerns
//! all rungs: it is [`MapError::Node`], before any page is touched.
//!
//! [`SharedRegion`] is memory that several processes map, [`Iova`] has the physical addresses of pages,
//! and [`PageRuns`] hands out contiguous pages for DMA, on any target.
#![cfg_attr(
    not(all(feature = "mmap", target_os = "linux")),
    allow(rustdoc::broken_intra_doc_links, reason = "most of it is not there")
)]

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub(crate) mod linux;
mod runs;

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use linux::*;
pub use runs::{
    PageRun, PageRuns, PageWord, RunCheckError, RunError, RunFreeError, RunRequest, RunStats,
    RunsError,
};
