//! Where memory comes from: mappings on Linux, with the pages they got and the reasons why.
//!
//! A pool takes any memory. This layer makes memory that never faults once it is there:
//!
//! ```text
//!   asked for           refused because …                       got
//!   ┌────────────┐  mmap: ENOMEM, none reserved        ┐
//!   │ 2 MiB      │  populate: ENOMEM, overcommitted    ├──►   a step down, or with `force` an error
//!   ├────────────┤                                     │
//!   │ transparent│  madvise: EINVAL, not configured    ┘
//!   ├────────────┤
//!   │ base       │  mmap, populate: the machine is out of memory
//!   └────────────┘
//! ```
//!
//! A mapping that succeeds promises nothing: hugepages are overcommitted, and the first touch of one
//! that is not there is a SIGBUS. So residency is established with `MADV_POPULATE_WRITE` (Linux 5.14),
//! which answers with an error instead, before a [`MappedRegion`] is handed out, and the
//! [`RegionReport`] says what is known and what is not.
//!
//! Sources: mmap(2), madvise(2), proc_pid_smaps(5), Documentation/admin-guide/mm/hugetlbpage.rst and
//! transhuge.rst of the Linux kernel.

mod mapped;
mod report;
mod smaps;

pub use mapped::{MapBuilder, MapError, MappedRegion, Refused};
pub use report::{PageSize, RegionReport, Residency, Stage, Step};
