//! What children of `fork` and core dumps contain.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::{Fork, HintError};
use libc::{EINVAL, MADV_DONTDUMP};
use std::mem::MaybeUninit;

/// The byte that a child reads at an address, or 256 if there is none.
fn seen_by_a_child(at: usize, expected: u8) -> bool {
    let bytes: *const u8 = std::ptr::with_exposed_provenance(at);
    let mut pipe = [0; 2];
    // SAFETY: between `fork` and `_exit` the child makes system calls alone.
    unsafe {
        assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            // The kernel reads the byte. If there is none, it returns EFAULT.
            let sent = libc::write(pipe[1], bytes.cast(), 1);
            libc::_exit(if sent == 1 { 0 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        let mut byte = !expected;
        let there = libc::WEXITSTATUS(status) == 0;
        if there {
            assert_eq!(libc::read(pipe[0], (&raw mut byte).cast(), 1), 1);
        }
        pipe.into_iter()
            .for_each(|end| assert_eq!(libc::close(end), 0));
        there && byte == expected
    }
}

fn is_there_for_a_child(at: usize) -> bool {
    [0, 7].into_iter().any(|byte| seen_by_a_child(at, byte))
}

#[test]
fn children_find_what_was_asked_for() {
    alone(test_name!(children_find_what_was_asked_for), || {
        for page in [Transparent, Base] {
            for fork in [Fork::Copied, Fork::Absent, Fork::Wiped] {
                let mut region = forced(HUGE, page).fork(fork).map().unwrap();
                region.as_uninit_mut().fill(MaybeUninit::new(7));
                let at = region.as_ptr().as_ptr().expose_provenance();
                let entry = smaps(at);
                assert_eq!(entry.contains_key("dc"), fork == Fork::Absent);
                assert_eq!(entry.contains_key("wf"), fork == Fork::Wiped);
                assert_eq!(seen_by_a_child(at, 7), fork == Fork::Copied);
                assert_eq!(seen_by_a_child(at, 0), fork == Fork::Wiped);
                assert_eq!(is_there_for_a_child(at), fork != Fork::Absent);
                assert!(is_all(&region, 7), "the parent keeps all");
                // And back.
                region.set_fork(Fork::Copied).unwrap();
                assert!(seen_by_a_child(at, 7), "{fork}");
            }
        }
    });
}

#[test]
fn without_a_copy_for_the_child_the_parent_takes_no_fault_after_fork() {
    let test = test_name!(without_a_copy_for_the_child_the_parent_takes_no_fault_after_fork);
    alone(test, || {
        let forked = |fork| {
            let region = forced(HUGE, Base).fork(fork).map().unwrap();
            is_there_for_a_child(address(&region));
            region
        };
        assert!(faults_of_touching(&mut forked(Fork::Copied)) >= HUGE / base_page());
        assert_no_faults("absent in the child", || forked(Fork::Absent));
    });
}

#[test]
fn hugetlb_pages_are_absent_in_a_child_but_never_wiped() {
    let Some(_pages) = HugePages::exactly(1) else {
        return;
    };
    let error = forced(1, Huge2M).fork(Fork::Wiped).map().unwrap_err();
    assert_eq!(refusals(&error), [(Huge2M, Stage::Fork, EINVAL)]);
    let region = builder(1, Huge2M).fork(Fork::Wiped).map().unwrap();
    assert_eq!(region.report().page(), Transparent);
    assert!(smaps(address(&region)).contains_key("wf"));
    let mut region = forced(1, Huge2M).fork(Fork::Absent).map().unwrap();
    assert!(smaps(address(&region)).contains_key("dc"));
    region.set_fork(Fork::Copied).unwrap();
    assert!(!smaps(address(&region)).contains_key("dc"));
    let refused = region.set_fork(Fork::Wiped).unwrap_err();
    assert!(
        matches!(refused, HintError::Fork { fork: Fork::Wiped, errno } if errno.raw_os_error() == EINVAL)
    );
    assert!(refused.to_string().contains("cannot be wiped on fork"));
}

#[test]
fn regions_are_kept_out_of_core_dumps() {
    let pages = HugePages::exactly(1);
    for page in ALL.into_iter().filter(|&p| p != Huge2M || pages.is_some()) {
        let mut region = forced(1, page).dump(false).map().unwrap();
        let dumped = |r: &MappedRegion| !smaps(address(r)).contains_key("dd");
        assert!(!dumped(&region), "{page}");
        region.set_dump(true).unwrap();
        assert!(dumped(&region), "{page}");
        region.set_dump(false).unwrap();
        assert!(!dumped(&region), "{page}");
    }
}

#[test]
fn a_hint_that_is_refused_is_a_step_down() {
    let rule = [Refuse(
        libc::SYS_madvise,
        &[(2, MADV_DONTDUMP..=MADV_DONTDUMP)],
        EINVAL,
    )];
    let Some(error) = refusing(&rule, || builder(1, Transparent).dump(false).map()) else {
        return;
    };
    let refused = [Transparent, Base].map(|page| (page, Stage::Dump, EINVAL));
    assert_eq!(refusals(&error.unwrap_err()), refused);
}
