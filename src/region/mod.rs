//! Where memory comes from: mappings on Linux, with the pages they got and the reasons why; and runs of
//! pages out of any memory.
//!
//! A pool takes any memory. This layer makes memory that never faults once it is there:
//!
//! ```text
//!                      refused at: by what                              else
//!   ┌─────────────┐
//!   │ 1 GiB       │    only for who asks: as 2 MiB below            ──►  1 GiB pages, each there
//!   ├─────────────┤
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM, fewer set aside than asked for
//!   │ 2 MiB       │         EINVAL, not on this machine
//!   ├─────────────┤    fork: EINVAL, never wiped                    ──►  2 MiB pages, each there
//!   │     │       │    populate: ENOMEM, EFAULT, they ran out
//!   │     │       │    populate: EINVAL, ENOSYS, EPERM, cannot be verified
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM, out of memory or of addresses
//!   │ transparent │    advise: EINVAL, not in this kernel           ──►  aligned to 2 MiB; the report
//!   ├─────────────┤    populate: ENOMEM, out of memory                   counts the huge ones
//!   │     │ fall_back
//!   │     ▼       │    map: ENOMEM
//!   │ base        │    populate: ENOMEM                             ──►  base pages
//!   └─────────────┘
//!         │
//!         ▼ MapError::Unavailable, with one Step for each rung tried; `force` comes here at once
//! ```
//!
//! A mapping that succeeds promises nothing: hugepages are overcommitted, and the first touch of one
//! that is not there is a SIGBUS. So residency is established with `MADV_POPULATE_WRITE` (Linux 5.14),
//! which answers with an error instead, before a [`MappedRegion`] is handed out, and the
//! [`RegionReport`] says what is known and what is not.
//!
//! A lock that was asked for and is over the limit (ENOMEM) is a step down on every rung, as larger pages
//! round the length up; after the last rung it is [`MapError::Lock`]. A node that does not exist does not
//! depend on the rung: it is [`MapError::Node`], before any page is touched.
//!
//! | File | Holds |
//! |---|---|
//! | `builder.rs` | [`MapBuilder`]: what can be asked for, and the ladder |
//! | `mapped.rs` | [`MappedRegion`]: the safe face |
//! | `mapping.rs` | the owner of the address range, and the unsafe calls about it |
//! | `prefault.rs` | making pages resident, on one thread or several |
//! | `lock.rs`, `hints.rs` | pages that stay; children and core dumps |
//! | `numa.rs` | the nodes of the machine, and of each page |
//! | `report.rs`, `error.rs` | what became of it, and why not |
//! | `smaps.rs` | how many bytes are in huge pages, as the kernel counts them |
//! | `iova.rs` | [`Iova`]: where pages lie in physical memory |
//! | `shared/` | [`SharedRegion`]: a sealed memfd that several processes map |
//! | `runs/` | [`PageRuns`]: runs of contiguous pages out of any region, on any target |
//!
//! Sources: mmap(2), madvise(2), mlock2(2), move_pages(2), numa(7), proc_pid_smaps(5),
//! Documentation/admin-guide/mm/hugetlbpage.rst and transhuge.rst of the Linux kernel.
#![cfg_attr(
    not(all(feature = "mmap", target_os = "linux")),
    allow(rustdoc::broken_intra_doc_links, reason = "most of it is not there")
)]

#[cfg(all(feature = "mmap", target_os = "linux"))]
mod linux;
pub mod runs;

#[cfg(all(feature = "mmap", target_os = "linux"))]
pub use linux::*;
pub use runs::{
    PageRun, PageRuns, PageWord, RunCheckError, RunError, RunFreeError, RunRequest, RunStats,
    RunsError,
};
