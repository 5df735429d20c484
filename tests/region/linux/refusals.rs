//! Each reason to step down or to fail.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::Residency::{OnDemand, Unverified, Verified};
use framepool::region::Stage::{Advise, Populate};
use libc::{EACCES, EFAULT, EINVAL, MADV_HUGEPAGE, MADV_POPULATE_WRITE};

#[test]
fn forced_2_mib_pages_that_are_not_there_are_an_error_with_the_reason() {
    for (there, prefault) in [(0, true), (0, false), (2, true), (2, false)] {
        let Some(_pages) = HugePages::exactly(there) else {
            return;
        };
        let builder = forced(8 * HUGE - 1, Huge2M).prefault(prefault);
        let error = builder.map().unwrap_err();
        assert_eq!(refusals(&error), [no_memory(Huge2M)]);
        let text = error.to_string();
        let start = "could not map 16777215 bytes: no 2 MiB pages (map: ";
        assert!(text.starts_with(start), "{text}");
        let error: Box<dyn std::error::Error> = Box::new(error.clone());
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn falling_back_from_2_mib_pages_names_the_reason() {
    let Some(_pages) = HugePages::exactly(0) else {
        return;
    };
    let builder = MappedRegion::builder(3 * HUGE);
    // Falling back is the default, and the last call counts.
    for builder in [builder.clone(), builder.force().fall_back()] {
        let region = builder.map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Transparent, Verified));
        assert_eq!(facts(report.steps()), [no_memory(Huge2M)]);
        let text = report.to_string();
        assert!(text.contains("; no 2 MiB pages (map: "), "{text}");
    }
}

#[test]
fn pages_that_run_out_when_populated_are_an_error_or_a_step_down() {
    let Some(pages) = HugePages::exactly(1) else {
        return;
    };
    // Only ranges of 2 MiB are refused: both upper rungs, not the one base page at the bottom.
    let range = &[
        (1, HUGE as i32..=HUGE as i32),
        (2, MADV_POPULATE_WRITE..=MADV_POPULATE_WRITE),
    ];
    let builder = MappedRegion::builder(1);
    for errno in [EFAULT, ENOMEM] {
        let both = || (builder.clone().force().map(), builder.clone().map());
        let Some((error, region)) = refusing(&[Refuse(libc::SYS_madvise, range, errno)], both)
        else {
            return;
        };
        let refused = |page| (page, Populate, errno);
        assert_eq!(refusals(&error.unwrap_err()), [refused(Huge2M)]);
        let region = region.unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Base, Verified));
        assert_eq!(facts(report.steps()), [Huge2M, Transparent].map(refused));
        assert_eq!(region.len(), base_page());
        assert_eq!(pages.available(), 1);
    }
}

#[test]
fn a_kernel_that_cannot_verify_has_its_pages_touched_and_says_so() {
    alone(
        test_name!(a_kernel_that_cannot_verify_has_its_pages_touched_and_says_so),
        || {
            for page in [Base, Transparent] {
                let builder = forced(3 * HUGE, page);
                let Some(region) = refusing(&[NO_POPULATE], || builder.map()) else {
                    return;
                };
                let region = region.unwrap();
                assert_eq!(kind(region.report()), (page, Unverified));
                let text = region.report().to_string();
                assert!(text.contains("touched (unverified)"), "{text}");
                assert!(is_all(&region, 0));
                assert_no_faults("touched", || {
                    let builder = forced(3 * HUGE, page);
                    refusing(&[NO_POPULATE], || builder.map()).unwrap().unwrap()
                });
            }
        },
    );
}

/// A filter that does not know the advice returns `ENOSYS` or `EPERM`; an old kernel returns `EINVAL`.
#[test]
fn a_sandbox_that_refuses_populating_has_base_pages_touched_and_says_so() {
    for errno in NO_SUCH_CALL {
        for page in [Base, Transparent] {
            let mapped = refusing(&[no_populate(errno)], || {
                let mut region = forced(3 * HUGE, page).map().unwrap();
                let kind = kind(region.report());
                region.release().unwrap();
                (kind, region.prefault(), region)
            });
            let Some((kind, again, region)) = mapped else {
                return;
            };
            assert_eq!(kind, (page, Unverified), "errno {errno}");
            assert_eq!(again, Ok(()), "errno {errno}");
            assert_eq!(region.report().residency(), Unverified);
            assert!(is_all(&region, 0));
        }
    }
}

#[test]
fn a_sandbox_that_refuses_populating_has_no_2_mib_page_touched() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    for errno in NO_SUCH_CALL {
        let map = || MappedRegion::builder(2 * HUGE).map();
        let Some(region) = refusing(&[no_populate(errno)], map) else {
            return;
        };
        let region = region.unwrap();
        assert_eq!(kind(region.report()), (Transparent, Unverified));
        let refused = [(Huge2M, Populate, errno)];
        assert_eq!(facts(region.report().steps()), refused);
        assert_eq!(pages.available(), 2);
    }
}

#[test]
fn a_kernel_that_cannot_verify_has_no_2_mib_page_touched() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    let there = MappedRegion::builder(2 * HUGE);
    let both = || (there.clone().force().map(), there.clone().map());
    let Some((error, region)) = refusing(&[NO_POPULATE], both) else {
        return;
    };
    let refused = [(Huge2M, Populate, EINVAL)];
    assert_eq!(refusals(&error.unwrap_err()), refused);
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Transparent, Unverified));
    assert_eq!(facts(region.report().steps()), refused);
    assert_eq!(pages.available(), 2);
    // Pages on demand still work.
    let region = refusing(&[NO_POPULATE], || there.force().prefault(false).map());
    assert_eq!(kind(region.unwrap().unwrap().report()), (Huge2M, OnDemand));
}

#[test]
fn a_kernel_without_transparent_pages_is_an_error_or_a_step_down() {
    let rule = Refuse(
        libc::SYS_madvise,
        &[(2, MADV_HUGEPAGE..=MADV_HUGEPAGE)],
        EINVAL,
    );
    let both = || {
        (
            forced(HUGE, Transparent).map(),
            builder(HUGE, Transparent).map(),
        )
    };
    let Some((error, region)) = refusing(&[rule], both) else {
        return;
    };
    let refused = [(Transparent, Advise, EINVAL)];
    assert_eq!(refusals(&error.unwrap_err()), refused);
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Base, Verified));
    assert_eq!(facts(region.report().steps()), refused);
}

#[test]
fn slack_that_cannot_be_trimmed_is_a_step_down() {
    // 2 MiB of slack: the larger part is at least half of it.
    let rule = Refuse(
        libc::SYS_munmap,
        &[(1, HUGE as i32 / 2..=HUGE as i32)],
        ENOMEM,
    );
    let Some(region) = refusing(&[rule], || builder(HUGE, Transparent).map()) else {
        return;
    };
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Base, Verified));
    assert_eq!(facts(region.report().steps()), [no_memory(Transparent)]);
}

#[test]
fn a_count_that_cannot_be_read_is_none() {
    let rule = Refuse(libc::SYS_openat, &[], EACCES);
    let Some(region) = refusing(&[rule], || forced(HUGE, Transparent).map()) else {
        return;
    };
    let region = region.unwrap();
    assert_eq!(kind(region.report()), (Transparent, Verified));
    assert_eq!(region.report().huge_bytes(), None);
    let text = region.report().to_string();
    assert!(text.ends_with("unknown number in huge pages"), "{text}");
}
