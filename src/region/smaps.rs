//! What the kernel says about the pages of a mapping: `/proc/self/smaps`.

use std::fs::File;
use std::io::{BufRead, BufReader};

/// Bytes in huge pages, transparent or hugetlb, of the mappings that lie in `start..start + len`.
/// `None` if the kernel does not say.
pub(super) fn huge_bytes(start: usize, len: usize) -> Option<usize> {
    let smaps = BufReader::new(File::open("/proc/self/smaps").ok()?);
    let mut inside = false;
    let mut found = None;
    for line in smaps.lines() {
        let line = line.ok()?;
        if let Some((from, to)) = range(&line) {
            inside = from < start + len && start < to;
        } else if inside {
            for field in ["AnonHugePages:", "Private_Hugetlb:"] {
                if let Some(value) = line.strip_prefix(field) {
                    found = Some(found.unwrap_or(0) + kib(value)? * 1024);
                }
            }
        }
    }
    // Neighbouring mappings with the same flags are merged, and counted whole.
    found.map(|bytes| bytes.min(len))
}

/// `7f00c0000000-7f00c0200000 rw-p 00000000 00:00 0`
fn range(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some((
        usize::from_str_radix(from, 16).ok()?,
        usize::from_str_radix(to, 16).ok()?,
    ))
}

/// `      2048 kB`
fn kib(value: &str) -> Option<usize> {
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_smaps_are_read_and_others_are_not() {
        assert_eq!(
            range("00400000-00452000 r-xp 0 08:02 1 /bin/x"),
            Some((0x40_0000, 0x45_2000))
        );
        assert_eq!(range("Rss:                 892 kB"), None);
        assert_eq!(range(""), None);
        assert_eq!(kib("              2048 kB"), Some(2048));
        assert_eq!(kib("rd wr mr"), None);
    }
}
