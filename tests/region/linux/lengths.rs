//! Lengths: whole pages, or an error.

use super::hugepages::HugePages;
use super::machine::address;
use super::*;
use std::fs;

#[test]
fn a_length_of_zero_is_an_error() {
    for page in ALL {
        for builder in [builder(0, page), forced(0, page)] {
            assert_eq!(builder.map().unwrap_err(), MapError::ZeroLength);
        }
    }
    assert!(
        MapError::ZeroLength
            .to_string()
            .contains("at least one byte")
    );
}

#[test]
fn lengths_that_overflow_are_an_error_with_the_length() {
    let half = usize::MAX / 2;
    for requested in [usize::MAX, usize::MAX - 4095, half + 1, half] {
        for builder in ALL.map(|page| [builder(requested, page), forced(requested, page)]) {
            for builder in builder {
                let error = builder.map().unwrap_err();
                assert_eq!(error, MapError::TooLong { requested });
                assert!(error.to_string().contains(&requested.to_string()));
            }
        }
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn a_length_that_overflows_in_large_pages_is_a_step_down() {
    let _held = HugePages::lock();
    // Rounded up to 1 GiB it is too long for an object, rounded up to 2 MiB it is not.
    let len = isize::MAX as usize - 4 * HUGE;
    let error = builder(len, PageSize::Huge1G).map().unwrap_err();
    let rungs = [PageSize::Huge1G, Huge2M, Transparent, Base];
    assert_eq!(refusals(&error), rungs.map(no_memory));
    let error = forced(len, PageSize::Huge1G).map().unwrap_err();
    assert_eq!(error, MapError::TooLong { requested: len });
}

#[test]
#[cfg(target_pointer_width = "64")]
fn more_than_the_address_space_holds_is_an_error_that_names_every_rung() {
    let _held = HugePages::lock();
    let error = MappedRegion::builder(1 << 48).map().unwrap_err();
    assert_eq!(refusals(&error), ALL.map(no_memory));
    let text = error.to_string();
    let rungs = text.strip_prefix("could not map 281474976710656 bytes: ");
    let rungs = rungs.unwrap();
    for (rung, page) in rungs.split("; ").zip(ALL) {
        assert!(rung.starts_with(&format!("no {page} (map: ")), "{rung}");
    }
    for page in ALL {
        let error = forced(1 << 48, page).map().unwrap_err();
        assert_eq!(refusals(&error), [no_memory(page)]);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn more_than_the_machine_has_is_an_error() {
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    if overcommit.trim() == "1" {
        println!("SKIPPED 64 TiB: this machine overcommits without limit");
        return;
    }
    let error = builder(1 << 46, Transparent).map().unwrap_err();
    assert_eq!(refusals(&error), [Transparent, Base].map(no_memory));
    assert!(matches!(error, MapError::Unavailable { requested, .. } if requested == 1 << 46));
}

fn assert_rounded(requested: usize, page: PageSize) {
    for prefault in [true, false] {
        let region = forced(requested, page).prefault(prefault).map().unwrap();
        assert_eq!(region.len(), requested.next_multiple_of(unit(page)));
        assert_eq!(region.as_uninit().len(), region.len());
        assert_eq!(address(&region) % unit(page), 0);
        assert_eq!(region.report().requested(), requested);
        assert_eq!(region.report().mapped(), region.len());
    }
}

const ODD: [usize; 7] = [1, 4095, 4096, 4097, HUGE - 1, HUGE, HUGE + 1];

#[test]
fn lengths_are_rounded_up_to_whole_pages() {
    for requested in ODD {
        assert_rounded(requested, Base);
        assert_rounded(requested, Transparent);
    }
}

#[test]
fn lengths_of_2_mib_pages_are_rounded_and_given_back_whole() {
    let Some(pages) = HugePages::exactly(2) else {
        return;
    };
    for requested in ODD {
        assert_rounded(requested, Huge2M);
        assert_eq!(pages.available(), 2, "after {requested} bytes");
    }
}
