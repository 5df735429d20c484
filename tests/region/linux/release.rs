//! Release: pages go back, addresses stay, and a new prefault succeeds or is an error.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::Residency::{OnDemand, Verified};
use framepool::region::{Lock, PrefaultError, ReleaseError};
use libc::{EINVAL, MADV_DONTNEED};
use std::mem::MaybeUninit;

const LEN: usize = 4 * HUGE;

#[test]
fn released_pages_are_the_machines_again_and_come_back_as_zeros() {
    let test = test_name!(released_pages_are_the_machines_again_and_come_back_as_zeros);
    alone(test, || {
        for page in [Transparent, Base] {
            let mut region = forced(LEN, page).map().unwrap();
            let start = address(&region);
            region.as_uninit_mut().fill(MaybeUninit::new(7));
            assert_eq!(smaps(start)["Rss"], LEN);
            region.release().unwrap();
            assert_eq!(smaps(start)["Rss"], 0, "{page}");
            assert_eq!(kind(region.report()), (page, OnDemand));
            assert_eq!(region.report().huge_bytes(), Some(0));
            region.prefault_with(2, |_| {}).unwrap();
            assert_eq!(kind(region.report()), (page, Verified));
            assert_eq!((address(&region), smaps(start)["Rss"]), (start, LEN));
            assert!(is_all(&region, 0));
            assert_no_faults("released and prefaulted", || {
                let mut region = forced(LEN, page).map().unwrap();
                region.release().unwrap();
                region.prefault_with(2, |_| {}).unwrap();
                region
            });
        }
    });
}

#[test]
fn prefaulting_again_keeps_what_is_written() {
    let mut region = forced(LEN, Base).prefault(false).map().unwrap();
    region.as_uninit_mut().fill(MaybeUninit::new(7));
    region.prefault().unwrap();
    assert!(is_all(&region, 7));
    assert_eq!(region.report().residency(), Verified);
}

#[test]
fn released_hugetlb_pages_come_back_or_are_an_error_and_no_signal() {
    let Some(pages) = HugePages::exactly(4) else {
        return;
    };
    let mut region = forced(LEN, Huge2M).map().unwrap();
    region.as_uninit_mut().fill(MaybeUninit::new(7));
    if let Err(refused) = region.release() {
        println!("SKIPPED release: {refused}");
        return;
    }
    assert_eq!(kind(region.report()), (Huge2M, OnDemand));
    let other = forced(LEN, Huge2M).map();
    match (pages.available(), other) {
        // The kernel keeps them reserved for the region; no other mapping gets them.
        (0, Err(error)) => assert_eq!(refusals(&error), [no_memory(Huge2M)]),
        (0, Ok(other)) => {
            let refused = region.prefault().unwrap_err();
            assert!(matches!(
                refused,
                PrefaultError::Populate { total: LEN, .. }
            ));
            assert_eq!(kind(region.report()), (Huge2M, OnDemand));
            drop(other);
        }
        (others, other) => panic!("{others} left, {other:?}"),
    }
    region.prefault().unwrap();
    assert_eq!(kind(region.report()), (Huge2M, Verified));
    assert_eq!(region.report().huge_bytes(), Some(LEN));
    assert!(is_all(&region, 0));
    drop(region);
    assert_eq!(pages.available(), 4);
}

#[test]
fn a_locked_region_keeps_its_pages() {
    let mut region = forced(1 << 20, Base).lock_or_report().map().unwrap();
    if region.report().lock() != Lock::Locked {
        println!("SKIPPED lock: {}", region.report());
        return;
    }
    region.as_uninit_mut().fill(MaybeUninit::new(7));
    assert_eq!(region.release(), Err(ReleaseError::Locked));
    assert_eq!(region.report().residency(), Verified);
    assert!(is_all(&region, 7));
    region.unlock().unwrap();
    region.release().unwrap();
    assert!(is_all(&region, 0));
}

#[test]
fn a_kernel_that_gives_nothing_back_says_so() {
    let mut region = forced(LEN, Base).map().unwrap();
    region.as_uninit_mut().fill(MaybeUninit::new(7));
    let rule = [Refuse(
        libc::SYS_madvise,
        &[(2, MADV_DONTNEED..=MADV_DONTNEED)],
        EINVAL,
    )];
    let Some(refused) = refusing(&rule, || region.release()) else {
        return;
    };
    let refused = refused.unwrap_err();
    let ReleaseError::Refused { page: Base, errno } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(errno.raw_os_error(), EINVAL);
    assert_eq!(region.report().residency(), Verified);
    assert!(is_all(&region, 7));
}

#[test]
fn hints_and_guards_outlive_a_release() {
    let builder = forced(LEN, Base).guards(true).dump(false);
    let mut region = builder.map().unwrap();
    region.release().unwrap();
    assert!(smaps(address(&region)).contains_key("dd"));
    assert!(!is_writable(address(&region) - 1));
    region.set_dump(true).unwrap();
    region.prefault().unwrap();
    assert!(!smaps(address(&region)).contains_key("dd"));
}
