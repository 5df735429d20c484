//! Each rung of the ladder, as the kernel reports it.

use super::hugepages::HugePages;
use super::machine::*;
use super::refusing::*;
use super::*;
use framepool::region::Residency::{OnDemand, Verified};
use libc::MADV_HUGEPAGE;
use std::fs;
use std::path::Path;

#[test]
fn forced_base_pages_are_base_pages_and_resident() {
    alone(
        test_name!(forced_base_pages_are_base_pages_and_resident),
        || {
            let mut region = forced(4 << 20, Base).map().unwrap();
            let report = region.report();
            assert_eq!(kind(report), (Base, Verified));
            assert_eq!(report.page_bytes(), base_page());
            assert_eq!(report.huge_bytes(), Some(0));
            assert_eq!(report.steps().count(), 0);
            let text = "4194304 bytes in base pages, resident (verified)";
            assert_eq!(report.to_string(), text);
            let entry = smaps(address(&region));
            assert_eq!(entry["KernelPageSize"], base_page());
            assert_eq!(entry["AnonHugePages"], 0);
            // Also where transparent huge pages are always on: "nh", no huge page advice.
            let can_be_huge = Path::new("/sys/kernel/mm/transparent_hugepage").exists();
            assert_eq!(entry.contains_key("nh"), can_be_huge);
            assert_eq!(faults_of_touching(&mut region), 0);
        },
    );
}

#[test]
fn transparent_huge_pages_are_reported_as_the_kernel_counts_them() {
    let test = test_name!(transparent_huge_pages_are_reported_as_the_kernel_counts_them);
    alone(test, || {
        let mut region = forced(16 << 20, Transparent).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (Transparent, Verified));
        assert_eq!(report.page_bytes(), base_page());
        assert_eq!(report.huge_bytes(), transparent_bytes(&region));
        let switch = "/sys/kernel/mm/transparent_hugepage/enabled";
        match fs::read_to_string(switch) {
            Ok(set) if !set.contains("[never]") => assert!(report.huge_bytes() > Some(0)),
            _ => println!("SKIPPED transparent: this kernel has them switched off"),
        }
        assert_eq!(faults_of_touching(&mut region), 0);
    });
}

#[test]
fn advice_that_goes_unheeded_is_not_passed_off_as_huge_pages() {
    alone(
        test_name!(advice_that_goes_unheeded_is_not_passed_off_as_huge_pages),
        || {
            // SAFETY: a setting of this process, which is the test's own.
            let off = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
            assert_eq!(off, 0);
            let region = forced(16 << 20, Transparent).map().unwrap();
            assert_eq!(region.report().huge_bytes(), Some(0));
            assert_eq!(transparent_bytes(&region), Some(0));
            let text = region.report().to_string();
            let start = "16777216 bytes in base pages, resident (verified), huge pages requested, \
                         none granted (collapse: ";
            assert!(text.starts_with(start), "{text}");
            let refused = region.report().collapse_refused().unwrap();
            assert!(text.ends_with(&format!("{start}{refused})")), "{text}");
            // None can be resident before the first touch.
            let later = forced(16 << 20, Transparent).prefault(false).map();
            let text = later.unwrap().report().to_string();
            let asked = "16777216 bytes in transparent huge pages, on demand";
            assert_eq!(text, asked);
        },
    );
}

#[test]
fn forced_2_mib_pages_are_2_mib_pages_and_resident() {
    alone(
        test_name!(forced_2_mib_pages_are_2_mib_pages_and_resident),
        || {
            let Some(pages) = HugePages::exactly(4) else {
                return;
            };
            let mut region = forced(4 * HUGE, Huge2M).map().unwrap();
            let report = region.report();
            assert_eq!(kind(report), (Huge2M, Verified));
            assert_eq!(report.page_bytes(), HUGE);
            assert_eq!(report.huge_bytes(), Some(4 * HUGE));
            assert_eq!(report.steps().count(), 0);
            let text = "8388608 bytes in 2 MiB pages, resident (verified)";
            assert_eq!(report.to_string(), text);
            let entry = smaps(address(&region));
            assert_eq!(entry["KernelPageSize"], HUGE);
            assert_eq!(entry["Private_Hugetlb"], 4 * HUGE);
            assert_eq!(pages.available(), 0);
            assert_eq!(faults_of_touching(&mut region), 0);
            drop(region);
            assert_eq!(pages.available(), 4);
        },
    );
}

#[test]
fn without_prefault_pages_come_with_their_first_touch() {
    let pages = HugePages::exactly(2);
    for page in ALL {
        if page == Huge2M && pages.is_none() {
            continue;
        }
        let mut region = forced(2 * HUGE, page).prefault(false).map().unwrap();
        let report = region.report();
        assert_eq!(kind(report), (page, OnDemand));
        assert_eq!(report.huge_bytes(), Some(0));
        assert!(report.to_string().contains("on demand"));
        let pages = if page == Base { base_page() } else { HUGE };
        assert!(
            faults_of_touching(&mut region) >= 2 * HUGE / pages,
            "{page}"
        );
    }
}

#[test]
fn base_pages_that_come_in_place_of_huge_ones_are_merged() {
    let test = test_name!(base_pages_that_come_in_place_of_huge_ones_are_merged);
    alone(test, || {
        let set = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        if !set.is_ok_and(|set| set.contains("[madvise]")) {
            println!("SKIPPED collapse: huge pages come unasked, or not at all");
            return;
        }
        // The advice is ignored, so the region gets base pages.
        let lost = || Refuse(libc::SYS_madvise, &[(2, MADV_HUGEPAGE..=MADV_HUGEPAGE)], 0);
        let builder = forced(16 << 20, Transparent);
        let Some(region) = refusing(&[lost()], || builder.clone().map()) else {
            return;
        };
        let region = region.unwrap();
        assert_eq!(region.report().huge_bytes(), transparent_bytes(&region));
        match region.report().collapse_refused() {
            None => assert_eq!(region.report().huge_bytes(), Some(16 << 20)),
            Some(errno) => println!("SKIPPED collapse: this kernel answers {errno}"),
        }
        let no_collapse = Refuse(libc::SYS_madvise, &[(2, 25..=25)], libc::EINVAL);
        let region = refusing(&[lost(), no_collapse], || builder.map());
        let region = region.unwrap().unwrap();
        let refused = region.report().collapse_refused().unwrap();
        assert_eq!(refused.raw_os_error(), libc::EINVAL);
        assert_eq!(region.report().huge_bytes(), Some(0));
    });
}
