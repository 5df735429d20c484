//! Prefault: threads, progress, and pages that run out in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::Residency::{OnDemand, Unverified, Verified};
use framepool::region::Stage::Populate;
use framepool::region::{NodeError, PrefaultError, Progress};
use libc::{EAGAIN, MADV_POPULATE_WRITE};

const LEN: usize = 26 << 20;
const CHUNK: usize = 2 << 20;

#[test]
fn several_threads_make_every_page_resident() {
    alone(test_name!(several_threads_make_every_page_resident), || {
        let pages = HugePages::exactly(LEN / HUGE);
        for page in ALL.into_iter().filter(|&p| p != Huge2M || pages.is_some()) {
            // No more threads are started than there are pieces of work.
            for (threads, used) in [(0, 1), (1, 1), (2, 2), (3, 3), (100, 13)] {
                let builder = forced(LEN, page).prefault_threads(threads);
                assert_no_faults(&format!("{page}"), || builder.clone().map().unwrap());
                let region = builder.map().unwrap();
                assert_eq!(kind(region.report()), (page, Verified));
                assert_eq!(region.report().prefault_threads(), used, "{page}");
                assert!(is_all(&region, 0));
            }
        }
    });
}

fn assert_told(told: &[Progress], total: usize) {
    assert!(told.iter().all(|at| at.total == total));
    assert_eq!(told[0].done, 0);
    assert_eq!(told[told.len() - 1].done, total);
    assert_eq!(told.len(), 1 + total.div_ceil(CHUNK));
    assert!(told.windows(2).all(|two| two[0].done < two[1].done));
}

#[test]
fn progress_is_told_on_the_calling_thread_from_nothing_to_all() {
    for threads in [1, 2, 4] {
        let (caller, mut told) = (thread::current().id(), Vec::new());
        let progress = |at| {
            assert_eq!(thread::current().id(), caller);
            told.push(at);
        };
        let builder = forced(LEN, Base).prefault_threads(threads);
        let mut region = builder.map_with(progress).unwrap();
        assert_told(&told, LEN);
        told.clear();
        let again = region.prefault_with(threads, |at| told.push(at));
        assert_eq!(again, Ok(()));
        assert_told(&told, LEN);
    }
}

#[test]
fn without_prefault_nothing_is_told() {
    let builder = forced(LEN, Base).prefault(false).prefault_threads(2);
    let region = builder.map_with(|at| panic!("{at:?}")).unwrap();
    assert_eq!(region.report().residency(), OnDemand);
    assert_eq!(region.report().prefault_threads(), 0);
}

#[test]
fn a_progress_that_panics_leaves_nothing_mapped() {
    alone(
        test_name!(a_progress_that_panics_leaves_nothing_mapped),
        || {
            std::panic::set_hook(Box::new(|_| {}));
            let before = virtual_size();
            for threads in [1, 2, 4].repeat(4) {
                let builder = forced(256 << 20, Base).prefault_threads(threads);
                let late = |at: Progress| assert!(at.done < 2 * CHUNK);
                let mapped = catch_unwind(AssertUnwindSafe(|| builder.map_with(late)));
                assert!(mapped.is_err());
            }
            // Threads leave stacks and arenas, smaller than one of the regions.
            let grown = virtual_size().saturating_sub(before);
            assert!(grown < 1 << 30, "{grown} bytes stay mapped");
        },
    );
}

/// Refuses the last, shorter, piece.
const SHORT: &[(u32, std::ops::RangeInclusive<i32>)] = &[
    (1, HUGE as i32..=HUGE as i32),
    (2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE),
];

#[test]
fn pages_that_run_out_under_way_are_an_error_on_any_number_of_threads() {
    for threads in [1, 2, 4] {
        let rule = [Refuse(libc::SYS_madvise, SHORT, ENOMEM)];
        let builder = forced(LEN, Base).prefault_threads(threads);
        let mut region = forced(LEN, Base).prefault(false).map().unwrap();
        let both = || {
            let later = region.prefault_with(threads, |_| {});
            (builder.map().unwrap_err(), later.unwrap_err())
        };
        let Some((error, later)) = refusing(&rule, both) else {
            return;
        };
        assert_eq!(refusals(&error), [(Base, Populate, ENOMEM)]);
        let PrefaultError::Populate { done, total, errno } = later else {
            panic!("{later:?}");
        };
        assert_eq!((total, errno.raw_os_error()), (LEN, ENOMEM));
        assert!(done < LEN && later.to_string().contains(&format!("of {LEN} bytes")));
        assert_eq!(region.report().residency(), OnDemand);
        // The region is still usable.
        region.prefault().unwrap();
        assert_eq!(region.report().residency(), Verified);
    }
}

#[test]
fn a_kernel_that_cannot_verify_has_pages_touched_by_all_threads() {
    alone(
        test_name!(a_kernel_that_cannot_verify_has_pages_touched_by_all_threads),
        || {
            let builder = forced(LEN, Base).prefault_threads(3);
            let Some(region) = refusing(&[NO_POPULATE], || builder.map()) else {
                return;
            };
            let mut region = region.unwrap();
            assert_eq!(kind(region.report()), (Base, Unverified));
            region.as_uninit_mut().fill(std::mem::MaybeUninit::new(7));
            let again = refusing(&[NO_POPULATE], || region.prefault_with(2, |_| {}));
            assert_eq!(again, Some(Ok(())));
            assert!(is_all(&region, 7), "touching keeps what is there");
            assert_no_faults("touched", || {
                let builder = forced(LEN, Base).prefault_threads(3);
                refusing(&[NO_POPULATE], || builder.map()).unwrap().unwrap()
            });
        },
    );
}

#[test]
fn threads_that_cannot_be_had_are_done_without() {
    let no_threads = || {
        let clone = [libc::SYS_clone, libc::SYS_clone3];
        clone.map(|call| Refuse(call, &[], EAGAIN))
    };
    let builder = forced(LEN, Base).prefault_threads(4);
    let Some(region) = refusing(&no_threads(), || builder.clone().map()) else {
        return;
    };
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Base, Verified));
    assert_eq!(region.report().prefault_threads(), 1);
    // But not if a thread must run on a node on which this one may not.
    let error = refusing(&no_threads(), || builder.node(0).map());
    let error = error.unwrap().unwrap_err();
    let MapError::Node(NodeError::Refused { node: 0, errno }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(errno.raw_os_error(), EAGAIN);
}
