//! NUMA nodes: pages are on the requested node, as the kernel confirms.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::{NodeError, NodeRun, online_nodes};
use libc::{EINVAL, EPERM};

const LEN: usize = 10 << 20;

/// The node of every page, if all are on one.
fn only(runs: &[NodeRun], len: usize) -> Option<u32> {
    let [run] = runs else {
        panic!("{runs:?}");
    };
    assert_eq!((run.offset, run.len), (0, len));
    run.node
}

fn affinity() -> Vec<usize> {
    // SAFETY: all zeros is the empty set, which the call fills in.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        set
    };
    // SAFETY: within the set.
    let has = |&cpu: &usize| unsafe { libc::CPU_ISSET(cpu, &set) };
    (0..libc::CPU_SETSIZE as usize).filter(has).collect()
}

#[test]
fn pages_are_placed_on_each_node_and_counted_there() {
    let pages = HugePages::exactly(5 * online_nodes().len());
    let before = affinity();
    for node in online_nodes() {
        for page in ALL.into_iter().filter(|&p| p != Huge2M || pages.is_some()) {
            let builder = forced(LEN, page).node(node).prefault_threads(2);
            let region = match builder.map() {
                Err(MapError::Node(refused)) => {
                    println!("SKIPPED node {node}: {refused}");
                    continue;
                }
                other => other.unwrap(),
            };
            let placed = region.report().placed().unwrap();
            assert_eq!(placed.node, node);
            assert_eq!(placed.bytes, Some(LEN), "{page}");
            assert_eq!(only(&region.page_nodes().unwrap(), LEN), Some(node));
            let text = region.report().to_string();
            assert!(text.contains(&format!(", {LEN} bytes on node {node}")));
        }
    }
    assert_eq!(
        affinity(),
        before,
        "the calling thread stays where it may be"
    );
    if online_nodes().len() == 1 {
        println!("SKIPPED nodes: this machine has one, nothing can be on the wrong one");
    }
}

#[test]
fn pages_that_are_not_there_yet_are_on_no_node() {
    let mut region = forced(LEN, Base).prefault(false).map().unwrap();
    let page = base_page();
    assert_eq!(only(&region.page_nodes().unwrap(), LEN), None);
    region.as_uninit_mut()[5 * page].write(1);
    let runs = region.page_nodes().unwrap();
    let shape: Vec<_> = runs.iter().map(|run| (run.offset, run.len)).collect();
    assert_eq!(
        shape,
        [(0, 5 * page), (5 * page, page), (6 * page, LEN - 6 * page)]
    );
    let there: Vec<_> = runs.iter().map(|run| run.node.is_some()).collect();
    assert_eq!(there, [false, true, false]);
    assert!(online_nodes().contains(&runs[1].node.unwrap()));
    assert_eq!(region.report().placed(), None);
}

#[test]
fn a_node_that_is_not_there_is_an_error_with_those_that_are() {
    let online = online_nodes();
    for node in [online[online.len() - 1] + 1, 1023, u32::MAX] {
        let error = builder(LEN, Huge2M).node(node).map().unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(&format!("there is no node {node}, only [")));
        let online = online.clone();
        assert_eq!(error, MapError::Node(NodeError::Absent { node, online }));
    }
}

#[test]
fn placing_without_prefault_is_an_error() {
    let builder = builder(LEN, Base).node(0).prefault(false);
    let expected = MapError::Node(NodeError::OnDemand { node: 0 });
    assert_eq!(builder.map().unwrap_err(), expected);
}

#[test]
fn a_process_that_may_not_run_on_the_node_is_told() {
    let rule = [Refuse(libc::SYS_sched_setaffinity, &[], EINVAL)];
    let Some(error) = refusing(&rule, || forced(LEN, Base).node(0).map()) else {
        return;
    };
    let error = error.unwrap_err();
    let MapError::Node(NodeError::Refused { node: 0, errno }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(errno.raw_os_error(), EINVAL);
}

#[test]
fn where_the_kernel_does_not_say_one_node_is_still_known() {
    let rule = [Refuse(libc::SYS_move_pages, &[], EPERM)];
    let Some((region, runs)) = refusing(&rule, || {
        let region = forced(LEN, Base).node(0).map().unwrap();
        let runs = region.page_nodes();
        (region, runs)
    }) else {
        return;
    };
    let bytes = region.report().placed().unwrap().bytes;
    if online_nodes().len() == 1 {
        assert_eq!(only(&runs.unwrap(), LEN), Some(0));
        assert_eq!(bytes, Some(LEN));
    } else {
        assert_eq!(runs.unwrap_err().raw_os_error(), EPERM);
        assert_eq!(bytes, None);
    }
}

#[test]
fn pages_go_back_to_their_node_after_a_release() {
    let mut region = forced(LEN, Base).node(0).map().unwrap();
    region.release().unwrap();
    assert_eq!(region.report().placed(), None);
    region.prefault().unwrap();
    assert_eq!(region.report().placed().unwrap().bytes, Some(LEN));
}
