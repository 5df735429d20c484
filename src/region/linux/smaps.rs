//! The number of bytes in huge pages, as the kernel counts them: `/proc/self/smaps`, proc_pid_smaps(5).

use core::ops::Range;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::vec::Vec;

/// Bytes in huge pages, transparent or hugetlb, in `start..start + len`. `None`: the file is not readable,
/// or the count includes a neighbour that the kernel merged this range with.
///
/// The kernel walks the page tables of all mappings up to this one: O(memory of the process).
pub(super) fn huge_bytes(start: usize, len: usize) -> Option<usize> {
    let smaps = BufReader::new(File::open("/proc/self/smaps").ok()?);
    count(smaps, start..start.checked_add(len)?)
}

/// The sum over the entries that overlap `ours`, if they cover it and the share of each is certain.
fn count(mut smaps: impl BufRead, ours: Range<usize>) -> Option<usize> {
    let (mut covered, mut huge) = (0, 0);
    let mut entry: Option<Entry> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let ended = smaps.read_until(b'\n', &mut line).ok()? == 0;
        let text = utf8_part(&line);
        let next = range(text);
        if ended || next.is_some() {
            if let Some(done) = entry.take() {
                covered += done.overlap(&ours);
                huge += done.huge_within(&ours)?;
            }
        }
        match next {
            // Entries are sorted by address.
            Some(all) if all.start >= ours.end => break,
            Some(all) => entry = (all.end > ours.start).then_some(Entry { all, huge: None }),
            None if ended => break,
            None => entry = entry.map(|entry| entry.with(text)),
        }
    }
    (covered == ours.len()).then_some(huge)
}

/// One mapping in the kernel's list.
struct Entry {
    all: Range<usize>,
    huge: Option<usize>,
}

impl Entry {
    fn with(mut self, line: &str) -> Self {
        for field in ["AnonHugePages:", "Private_Hugetlb:"] {
            if let Some(bytes) = line.strip_prefix(field).and_then(bytes) {
                self.huge = Some(self.huge.unwrap_or(0).saturating_add(bytes));
            }
        }
        self
    }

    fn overlap(&self, ours: &Range<usize>) -> usize {
        let end = self.all.end.min(ours.end);
        end.saturating_sub(self.all.start.max(ours.start))
    }

    /// The bytes in huge pages that are ours: at least those for which the rest of the entry has no room,
    /// at most the whole overlap. `None` if these two differ.
    fn huge_within(&self, ours: &Range<usize>) -> Option<usize> {
        let (huge, overlap) = (self.huge?, self.overlap(ours));
        let least = huge.saturating_sub(self.all.len().saturating_sub(overlap));
        (least == huge.min(overlap)).then_some(least)
    }
}

/// The line, up to a file name that is not UTF-8.
fn utf8_part(line: &[u8]) -> &str {
    let valid = match core::str::from_utf8(line) {
        Ok(text) => return text,
        Err(e) => line.get(..e.valid_up_to()).unwrap_or_default(),
    };
    core::str::from_utf8(valid).unwrap_or_default()
}

/// `7f00c0000000-7f00c0200000 rw-p 00000000 00:00 0`
fn range(line: &str) -> Option<Range<usize>> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let hex = |digits| usize::from_str_radix(digits, 16).ok();
    Some(hex(from)?..hex(to)?)
}

/// `      2048 kB`
fn bytes(value: &str) -> Option<usize> {
    let kib: usize = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_smaps_are_read_and_others_are_not() {
        assert_eq!(
            range("00400000-00452000 r-xp 0 08:02 1 /bin/x"),
            Some(0x40_0000..0x45_2000)
        );
        assert_eq!(range("Rss:                 892 kB"), None);
        assert_eq!(range(""), None);
        assert_eq!(bytes("              2048 kB"), Some(2 << 20));
        assert_eq!(bytes("rd wr mr"), None);
        assert_eq!(bytes("99999999999999999999 kB"), None);
        assert_eq!(bytes("18446744073709551615 kB"), None);
    }

    const SMAPS: &str = "\
00001000-00002000 rw-p 00000000 00:00 0
Rss:                   4 kB
00100000-00300000 rw-p 00000000 00:00 0
Rss:                2048 kB
AnonHugePages:      2048 kB
Private_Hugetlb:       0 kB
VmFlags: rd wr mr
00400000-00c00000 rw-p 00000000 00:00 0
AnonHugePages:      4096 kB
Private_Hugetlb:       0 kB
00c00000-00e00000 rw-p 00000000 00:0f 12  /anon_hugepage (deleted)
AnonHugePages:         0 kB
Private_Hugetlb:    2048 kB
00e00000-01000000 rw-p 00000000 00:00 0
Rss:                2048 kB
";

    fn counted(ours: Range<usize>) -> Option<usize> {
        count(SMAPS.as_bytes(), ours)
    }

    #[test]
    fn huge_bytes_of_whole_entries_are_counted() {
        assert_eq!(counted(0x10_0000..0x30_0000), Some(2 << 20));
        assert_eq!(counted(0x40_0000..0xc0_0000), Some(4 << 20));
        assert_eq!(counted(0xc0_0000..0xe0_0000), Some(2 << 20));
        assert_eq!(counted(0x40_0000..0xe0_0000), Some(6 << 20));
    }

    #[test]
    fn a_neighbours_share_is_not_claimed() {
        // 4 of 8 MiB are huge: any 6 MiB contain 2 of them, but where the others are is unknown.
        assert_eq!(counted(0x40_0000..0x80_0000), None);
        assert_eq!(counted(0x40_0000..0xa0_0000), None);
        // All of the entry is huge, so any part of it is.
        assert_eq!(counted(0x10_0000..0x20_0000), Some(1 << 20));
    }

    #[test]
    fn what_is_not_listed_is_not_counted() {
        assert_eq!(counted(0x30_0000..0x40_0000), None);
        assert_eq!(counted(0x20_0000..0x50_0000), None);
        assert_eq!(counted(0xe0_0000..0x100_0000), None);
        assert_eq!(counted(0x200_0000..0x300_0000), None);
        assert_eq!(count(&b""[..], 0x1000..0x2000), None);
    }

    #[test]
    fn a_file_name_in_another_encoding_still_starts_an_entry() {
        let smaps = b"00100000-00300000 rw-p 00000000 00:00 0\nAnonHugePages: 0 kB\n\
            00300000-00500000 r--p 0 08:02 1 /tmp/\xff\xfe\nAnonHugePages: 2048 kB\n";
        assert_eq!(count(&smaps[..], 0x10_0000..0x30_0000), Some(0));
        assert_eq!(count(&smaps[..], 0x30_0000..0x50_0000), Some(2 << 20));
    }
}
