//! NUMA nodes: the list of them, threads that run on one, and the node of each page.
//!
//! The kernel takes a page from the node of the CPU that first touches it (numa(7)). So extra threads
//! on that node's CPUs touch the pages first, and move_pages(2) without target nodes tells afterwards
//! which node each page is on.

use core::fmt;
use core::ptr;
use std::fs;
use std::io::ErrorKind;
use std::vec::Vec;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::mapping::{Mapping, last_errno};

/// A directory of sysfs: Documentation/ABI/stable/sysfs-devices-node.
const NODES: &str = "/sys/devices/system/node";

/// Pages that one system call asks about.
const BATCH: usize = 512;

/// A zero as wide as an argument of syscall(2).
const ZERO: libc::c_long = 0;

/// Pages cannot be placed on the requested node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeError {
    /// This machine has no such node, or the node is offline.
    Absent {
        /// The requested node.
        node: u32,
        /// The nodes that are online: [`online_nodes`].
        online: Vec<u32>,
    },
    /// The node has memory, but no CPU that could touch it first.
    NoCpus {
        /// The requested node.
        node: u32,
    },
    /// No thread could run on the node's CPUs: the process is confined to other CPUs (cpuset(7)), or is
    /// at its limit of threads.
    Refused {
        /// The requested node.
        node: u32,
        /// The kernel's reason: `EINVAL` for a confined process.
        errno: Errno,
    },
    /// A node was requested without prefault: then the first touch decides where a page is.
    OnDemand {
        /// The requested node.
        node: u32,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { node, online } => {
                write!(f, "there is no node {node}, only {online:?}")
            }
            Self::NoCpus { node } => write!(
                f,
                "node {node} has no CPU, so its memory cannot be touched first"
            ),
            Self::Refused { node, errno } => {
                write!(f, "no thread can run on node {node}: {errno}")
            }
            Self::OnDemand { node } => {
                write!(f, "pages cannot be placed on node {node} without prefault")
            }
        }
    }
}

impl core::error::Error for NodeError {}

/// Returns the NUMA nodes that are online, in order: node 0 alone if the machine or the kernel has no
/// NUMA. Reads one file.
///
/// ```
/// use framepool::MappedRegion;
/// use framepool::region::online_nodes;
///
/// for node in online_nodes() {
///     match MappedRegion::builder(1 << 20).node(node).map() {
///         Ok(region) => println!("{}", region.report()), // …, 2097152 bytes on node 0
///         Err(refused) => println!("{refused}"), // no CPUs, or not allowed
///     }
/// }
/// ```
pub fn online_nodes() -> Vec<u32> {
    let listed = fs::read_to_string(std::format!("{NODES}/online"));
    let nodes = listed.ok().and_then(|text| list(&text));
    nodes
        .filter(|nodes| !nodes.is_empty())
        .unwrap_or_else(|| std::vec![0])
}

/// Parses a set as the kernel prints it, like `0-1,3`. `None` for anything else.
fn list(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        all.extend(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?);
    }
    Some(all)
}

/// A node to place pages on.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: u32,
    /// The CPUs that touch its memory first; `None` if there is only one node.
    cpus: Option<CpuSet>,
}

impl Node {
    /// Finds the node and its CPUs.
    pub(super) fn find(id: u32) -> Result<Self, NodeError> {
        let online = online_nodes();
        if !online.contains(&id) {
            return Err(NodeError::Absent { node: id, online });
        }
        match fs::read_to_string(std::format!("{NODES}/node{id}/cpulist")) {
            Ok(text) => {
                let cpus = list(&text).and_then(|cpus| cpu_set(&cpus));
                let cpus = Some(cpus.ok_or(NodeError::NoCpus { node: id })?);
                Ok(Self { id, cpus })
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Self { id, cpus: None }),
            Err(e) => Err(NodeError::Refused {
                node: id,
                errno: Errno::from_io_error(&e).unwrap_or(Errno::IO),
            }),
        }
    }

    /// Moves the calling thread to the node's CPUs, so that its new pages are on that node. For threads
    /// that do nothing else.
    pub(super) fn enter(&self) -> Result<(), NodeError> {
        let Some(cpus) = &self.cpus else {
            return Ok(());
        };
        let node = self.id;
        sched_setaffinity(None, cpus).map_err(|errno| NodeError::Refused { node, errno })?;
        // Overrides a policy that the process was started under (`numactl --interleave`). If the call is
        // not allowed, the report still counts the pages that are on the node.
        // SAFETY: sets the default policy (0) of this thread; without a mask no memory is read.
        unsafe { libc::syscall(libc::SYS_set_mempolicy, ZERO, ptr::null::<u8>(), ZERO) };
        Ok(())
    }
}

/// `None` if an affinity can name none of the CPUs.
fn cpu_set(cpus: &[u32]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    let named = cpus.iter().filter_map(|&cpu| usize::try_from(cpu).ok());
    for cpu in named.filter(|&cpu| cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    (set.count() > 0).then_some(set)
}

/// Neighbouring pages of a region that are on the same node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeRun {
    /// Bytes from the start of the region.
    pub offset: usize,
    /// Bytes, whole pages.
    pub len: usize,
    /// The node of the pages; `None`: they are not resident yet, or swapped out.
    pub node: Option<u32>,
}

/// The nodes of all pages of `page` bytes.
pub(super) fn page_nodes(mapping: &Mapping, page: usize) -> Result<Vec<NodeRun>, Errno> {
    let mut runs: Vec<NodeRun> = Vec::new();
    let mut status = [0; BATCH];
    let mut offset = 0;
    while offset < mapping.len() {
        let count = (mapping.len() - offset).div_ceil(page).min(BATCH);
        let status = status.get_mut(..count).unwrap_or_default();
        if let Err(errno) = query(mapping, offset, page, status) {
            return only_node(mapping.len()).ok_or(errno);
        }
        for &node in status.iter() {
            let node = u32::try_from(node).ok();
            match runs.last_mut() {
                Some(run) if run.node == node => run.len += page,
                _ => runs.push(NodeRun {
                    offset,
                    len: page,
                    node,
                }),
            }
            offset += page;
        }
    }
    Ok(runs)
}

/// On a machine with one node all pages are on it, even if the kernel does not tell.
fn only_node(len: usize) -> Option<Vec<NodeRun>> {
    let nodes = online_nodes();
    let [only] = nodes.as_slice() else {
        return None;
    };
    Some(std::vec![NodeRun {
        offset: 0,
        len,
        node: Some(*only),
    }])
}

/// Writes the node of each page from `offset` on to `status`, or a negative number.
fn query(
    mapping: &Mapping,
    offset: usize,
    page: usize,
    status: &mut [libc::c_int],
) -> Result<(), Errno> {
    let mut pages = [ptr::null::<u8>(); BATCH];
    let start = mapping.start().as_ptr().cast_const();
    for (i, at) in pages.iter_mut().take(status.len()).enumerate() {
        *at = start.wrapping_add(offset + i * page);
    }
    let count = status.len().min(BATCH);
    // SAFETY: the call reads `count` addresses and writes `count` numbers, and both arrays are that long;
    // without target nodes no page moves.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            ZERO,
            count,
            pages.as_ptr(),
            ptr::null::<libc::c_int>(),
            status.as_mut_ptr(),
            ZERO,
        )
    };
    if failed < 0 {
        Err(last_errno())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    #[test]
    fn the_kernels_sets_are_read_and_others_are_not() {
        assert_eq!(list("0\n"), Some(vec![0]));
        assert_eq!(list("0-3\n"), Some(vec![0, 1, 2, 3]));
        assert_eq!(list("0,2-3,8"), Some(vec![0, 2, 3, 8]));
        assert_eq!(list("\n"), Some(vec![]));
        for other in ["a", "0-", "-1", "0-x", "99999999999"] {
            assert_eq!(list(other), None, "{other}");
        }
    }

    #[test]
    fn cpus_beyond_an_affinity_are_left_out() {
        let most = u32::try_from(CpuSet::MAX_CPU).unwrap();
        let set = cpu_set(&[0, most - 1, most, u32::MAX]).unwrap();
        assert_eq!(set.count(), 2);
        assert!(set.is_set(0) && set.is_set(CpuSet::MAX_CPU - 1));
        assert!(cpu_set(&[most]).is_none());
        assert!(cpu_set(&[]).is_none());
    }

    #[test]
    fn a_node_without_cpus_is_told_from_one_that_is_not_there() {
        let absent = Node::find(u32::MAX).unwrap_err();
        let online = online_nodes();
        let expected = NodeError::Absent {
            node: u32::MAX,
            online,
        };
        assert_eq!(absent, expected);
        let text = NodeError::NoCpus { node: 2 }.to_string();
        assert!(text.contains("node 2 has no CPU"), "{text}");
    }
}
