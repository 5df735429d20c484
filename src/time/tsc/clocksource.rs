//! Whether Linux has rejected the TSC.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The names of the clocks that Linux would use.
const AVAILABLE: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

/// Whether Linux has rejected the TSC as a clock: the counters of two processors differ, its rate changed against
/// another clock's, or the command line says so (`tsc=unstable`). Linux then removes `tsc` from the list. `false` if
/// there is no list.
pub(super) fn rejects_tsc() -> bool {
    rejects_tsc_in(Path::new(AVAILABLE))
}

fn rejects_tsc_in(path: &Path) -> bool {
    // A file of sysfs is at most a page, and one read returns all of it.
    let mut names = [0; 4096];
    let read = File::open(path).and_then(|mut file| file.read(&mut names));
    let names = names.get(..read.unwrap_or(0)).unwrap_or_default();
    is_without_tsc(names)
}

/// Whether there are names and none of them is `tsc`.
fn is_without_tsc(names: &[u8]) -> bool {
    let names = names.split(u8::is_ascii_whitespace);
    let mut names = names.filter(|name| !name.is_empty()).peekable();
    names.peek().is_some() && names.all(|name| name != b"tsc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_the_tsc_rejects_it() {
        for names in [
            "tsc kvm-clock \n",
            "tsc",
            "kvm-clock tsc acpi_pm\n",
            "",
            "\n",
        ] {
            assert!(!is_without_tsc(names.as_bytes()), "{names}");
        }
        for names in [
            "kvm-clock acpi_pm \n",
            "hpet",
            "hyperv_clocksource_tsc_page\n",
            "tsc-early hpet \n",
        ] {
            assert!(is_without_tsc(names.as_bytes()), "{names}");
        }
    }

    #[cfg(not(miri))]
    #[test]
    fn a_list_that_cannot_be_read_rejects_nothing() {
        assert!(!rejects_tsc_in(Path::new("/no/such/list")));
        assert!(!rejects_tsc_in(Path::new("/")));
    }
}
