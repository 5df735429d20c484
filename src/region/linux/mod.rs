//! Mappings of Linux: private ones with a choice of pages, and shared ones over a memfd.

// | file | holds |
// |---|---|
// | `builder.rs` | the requests for a mapping, and the ladder of page sizes |
// | `mapped.rs` | `MappedRegion`, the safe owner |
// | `mapping.rs` | the owner of the address range, and the unsafe calls about it |
// | `prefault.rs` | making pages resident, on one thread or several |
// | `page.rs` | the page sizes |
// | `lock.rs`, `hints.rs` | locked pages; child processes and core dumps |
// | `numa.rs` | the nodes of the machine, and of each page |
// | `report.rs`, `error.rs` | what the kernel granted, and why not |
// | `smaps.rs` | the number of bytes in huge pages, as the kernel counts them |
// | `iova.rs` | the physical addresses of pages |
// | `faults.rs` | the page faults of a thread |
// | `shared/` | a sealed memfd that several processes map |
//
// Sources: mmap(2), madvise(2), getrusage(2), mlock2(2), move_pages(2), numa(7), proc_pid_smaps(5),
// Documentation/admin-guide/mm/hugetlbpage.rst and transhuge.rst of the Linux kernel.

mod builder;
pub(crate) mod error;
mod faults;
mod hints;
mod iova;
mod lock;
pub(crate) mod mapped;
mod mapping;
mod numa;
mod page;
mod prefault;
pub(crate) mod report;
#[cfg(target_has_atomic = "64")]
mod shared;
mod smaps;

pub use builder::MapBuilder;
pub use error::{MapError, ReleaseError};
pub use faults::{FaultCounter, PageFaults};
pub use hints::{Fork, HintError};
pub use iova::{Iova, IovaError, IovaRange, PhysAddr};
pub use lock::{Lock, LockError};
pub use mapped::MappedRegion;
pub use numa::{NodeError, NodeRun, online_nodes};
pub use page::PageSize;
pub use prefault::{PrefaultError, Progress};
pub use report::{Placed, Refused, RegionReport, Residency, Stage, Step};
#[cfg(target_has_atomic = "64")]
pub use shared::{
    AccessError, AttachError, Seal, SharedBuilder, SharedError, SharedRegion, SharedStage,
};
