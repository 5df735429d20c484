//! Pages of 1 GiB: only if requested.

use super::hugepages::HugePages;
use super::machine::*;
use super::*;
use framepool::region::PageSize::Huge1G;
use framepool::region::Residency::{OnDemand, Verified};

#[test]
fn pages_of_1_gib_are_had_whole_and_given_back() {
    alone(
        test_name!(pages_of_1_gib_are_had_whole_and_given_back),
        || {
            let Some(pages) = HugePages::exactly_giant(1) else {
                return;
            };
            for guards in [false, true] {
                let mut told = Vec::new();
                let builder = forced(3_000_000, Huge1G).guards(guards);
                let mut region = builder.map_with(|at| told.push(at.done)).unwrap();
                let report = region.report();
                assert_eq!(kind(report), (Huge1G, Verified));
                assert_eq!((region.len(), report.page_bytes()), (GIANT, GIANT));
                assert_eq!(report.huge_bytes(), Some(GIANT));
                assert_eq!(address(&region) % GIANT, 0);
                let text = report.to_string();
                assert!(text.starts_with("1073741824 bytes in 1 GiB pages, resident (verified)"));
                assert_eq!(told, [0, GIANT]);
                assert_eq!(smaps(address(&region))["KernelPageSize"], GIANT);
                assert_eq!(pages.available(), 0);
                assert_eq!(faults_of_touching(&mut region), 0);
                drop(region);
                assert_eq!(pages.available(), 1);
            }
        },
    );
}

#[test]
fn pages_of_1_gib_that_are_not_there_are_an_error_or_a_step_down() {
    let Some(_giant) = HugePages::exactly_giant(0) else {
        return;
    };
    let Some(_pages) = HugePages::exactly(0) else {
        return;
    };
    for prefault in [true, false] {
        let error = forced(1, Huge1G).prefault(prefault).map().unwrap_err();
        assert_eq!(refusals(&error), [no_memory(Huge1G)]);
        let region = builder(1, Huge1G).prefault(prefault).map().unwrap();
        let residency = if prefault { Verified } else { OnDemand };
        assert_eq!(kind(region.report()), (Transparent, residency));
        // Without pages of 1 GiB, lengths are not rounded up to them.
        assert_eq!(region.len(), HUGE);
        let steps = [Huge1G, Huge2M].map(no_memory);
        assert_eq!(facts(region.report().steps()), steps);
    }
}

#[test]
fn nobody_gets_1_gib_who_did_not_ask() {
    let Some(pages) = HugePages::exactly_giant(1) else {
        return;
    };
    let _held = HugePages::exactly(1);
    let region = MappedRegion::builder(1).map().unwrap();
    assert!(region.len() <= HUGE);
    assert_eq!(pages.available(), 1);
}
