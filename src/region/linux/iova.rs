//! Where the pages of a region lie in physical memory, for devices that are told so.
//!
//! ```text
//!  virtual    0        2 MiB      4 MiB      6 MiB
//!             ├──────────┼──────────┼──────────┤        the region, hugepages
//!                 │            \         /
//!                 ▼             ▼       ▼
//!  physical  0x1_4020_0000   0x1_5a00_0000   (4 MiB)    ranges(): (0, 2 MiB), (2 MiB, 4 MiB)
//! ```
//!
//! The kernel says it in `/proc/self/pagemap`, to a process with `CAP_SYS_ADMIN`; to any other it
//! says frame 0, which is [`IovaError::NotPermitted`] here and never an address.
//!
//! # How long it holds
//!
//! A physical address is a fact about the past: the kernel may move a page whenever nothing pins it.
//! Base pages and transparent huge pages are swapped, merged and compacted, and a page that was not
//! written yet, or that a forked child shares, is replaced at its first write (refused here:
//! [`IovaError::CopyOnWrite`]). `mlock` keeps a page in memory, not in place: compaction may move it
//! (`vm.compact_unevictable_allowed`). Hugetlb pages are neither swapped nor compacted, and move only
//! when an administrator or the process itself has them moved (memory hot-unplug, move_pages(2)): what
//! user-space drivers without an IOMMU have always relied on. What a promise takes is a driver that
//! pins. [`Iova::recheck`] tells whether the addresses still hold; it cannot tell for how long.
//!
//! **With an IOMMU do without this file.** The device then sees addresses that the program chooses when
//! it maps the region through VFIO (`VFIO_IOMMU_MAP_DMA`), which pins it as well; physical addresses mean
//! nothing to the device, and contiguity of the region is enough.
//!
//! Sources: Documentation/admin-guide/mm/pagemap.rst, Documentation/mm/unevictable-lru.rst and
//! Documentation/driver-api/vfio.rst of the Linux kernel, proc_pid_pagemap(5).

use core::fmt;
use core::ptr::NonNull;
use std::os::fd::OwnedFd;
use std::vec::Vec;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread};

use crate::region::MappedRegion;

/// A physical address: what a device without an IOMMU puts on the bus. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// No physical address can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IovaError {
    /// The kernel tells frames to processes with `CAP_SYS_ADMIN` only, and this is none.
    NotPermitted,
    /// The kernel's page map cannot be read.
    Unavailable {
        /// Why.
        errno: Errno,
    },
    /// No page is there: the memory is not mapped, or was not touched yet.
    NotPresent {
        /// The address.
        addr: usize,
    },
    /// The page is swapped out, or on its way to another place.
    Swapped {
        /// The address.
        addr: usize,
    },
    /// The page is one that the first write replaces: the page of zeros that stands for memory which
    /// was only read, or one that a forked child has as well. A device that wrote to it would write
    /// into somebody else's memory.
    CopyOnWrite {
        /// The address.
        addr: usize,
    },
    /// The address lies outside the table, or where no program has memory.
    Outside {
        /// The address.
        addr: usize,
    },
    /// The bytes do not lie in one piece.
    Split {
        /// Bytes asked for.
        len: usize,
        /// Bytes that follow each other from the start.
        contiguous: usize,
    },
    /// The page has moved since the table was made.
    Moved {
        /// Bytes from the table's start.
        offset: usize,
        /// Where it was.
        was: PhysAddr,
        /// Where it is.
        now: PhysAddr,
    },
}

impl fmt::Display for IovaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotPermitted => write!(f, "physical addresses take CAP_SYS_ADMIN"),
            Self::Unavailable { errno } => write!(f, "{PAGEMAP} cannot be read: {errno}"),
            Self::NotPresent { addr } => write!(f, "no page is there at {addr:#x}"),
            Self::Swapped { addr } => write!(f, "the page at {addr:#x} is swapped out"),
            Self::CopyOnWrite { addr } => {
                write!(f, "the page at {addr:#x} is replaced when it is written to")
            }
            Self::Outside { addr } => write!(f, "address {addr:#x} is outside"),
            Self::Split { len, contiguous } => write!(
                f,
                "of {len} bytes only the first {contiguous} lie in one piece"
            ),
            Self::Moved { offset, was, now } => {
                write!(
                    f,
                    "the page at offset {offset} has moved from {was} to {now}"
                )
            }
        }
    }
}

impl core::error::Error for IovaError {}

/// The physical address of one byte. Opens the kernel's page map and reads two entries: four system
/// calls; for more than a few, [`Iova::of`]. The memory is not accessed. For how long the answer
/// holds, see the [module](self).
///
/// # Errors
/// [`IovaError`], but for `Split` and `Moved`.
///
/// ```
/// use framepool::MappedRegion;
/// use framepool::region::{IovaError, iova};
///
/// let region = MappedRegion::builder(1 << 20).map()?;
/// match iova::translate(region.as_ptr().as_ptr()) {
///     Ok(address) => println!("the device may be told {address}"),
///     Err(IovaError::NotPermitted) => println!("not without CAP_SYS_ADMIN"),
///     Err(other) => println!("{other}"),
/// }
/// # Ok::<(), framepool::MapError>(())
/// ```
pub fn translate(ptr: *const u8) -> Result<PhysAddr, IovaError> {
    PageMap::open()?.translate(ptr.addr())
}

/// Bytes of a region that follow each other in physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IovaRange {
    /// Bytes from the region's start.
    pub offset: usize,
    /// Where the first of them is.
    pub phys: PhysAddr,
    /// How many there are. Never 0.
    pub len: usize,
}

impl IovaRange {
    fn end(&self) -> u64 {
        self.phys.0.wrapping_add(self.len as u64)
    }
}

/// The physical addresses of a whole region, as they were when it was made: see the [module](self) for
/// how long they hold.
///
/// ```
/// use framepool::MappedRegion;
/// use framepool::region::IovaError;
///
/// let region = MappedRegion::builder(4 << 20).map()?;
/// match region.iova() {
///     Ok(table) => {
///         for range in table.ranges() {
///             println!("{} bytes at {} are at {}", range.len, range.offset, range.phys);
///         }
///         assert_eq!(table.ranges().map(|range| range.len).sum::<usize>(), region.len());
///     }
///     Err(error) => println!("{error}"),
/// }
/// # Ok::<(), framepool::MapError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Iova {
    start: usize,
    len: usize,
    /// In order of their offsets, without gaps; merged where they could be.
    ranges: Vec<IovaRange>,
}

impl Iova {
    /// The addresses of `len` bytes from `start` on. The memory is not accessed. O(pages).
    ///
    /// # Errors
    /// [`IovaError`], but for `Split` and `Moved`; the address is that of the first page that is not
    /// as it should be.
    pub fn of(start: NonNull<u8>, len: usize) -> Result<Self, IovaError> {
        let start = start.addr().get();
        let ranges = ranges(&PageMap::open()?, start, len)?;
        Ok(Self { start, len, ranges })
    }

    /// The physical address of a byte of the region. O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Outside`].
    pub fn translate(&self, ptr: *const u8) -> Result<PhysAddr, IovaError> {
        self.at(ptr.addr().wrapping_sub(self.start))
    }

    /// The physical address of the byte at an offset, for example
    /// [`Block::offset`](crate::Block::offset). O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Outside`].
    pub fn at(&self, offset: usize) -> Result<PhysAddr, IovaError> {
        self.contiguous(offset, 1)
    }

    /// The physical address of `len` bytes (at least one) from an offset on, all in one piece.
    /// O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Split`] if they are not in one piece, [`IovaError::Outside`] if they are not all in
    /// the region.
    pub fn contiguous(&self, offset: usize, len: usize) -> Result<PhysAddr, IovaError> {
        let outside = IovaError::Outside {
            addr: self.start.wrapping_add(offset),
        };
        if offset >= self.len || len > self.len - offset {
            return Err(outside);
        }
        let after = self.ranges.partition_point(|range| range.offset <= offset);
        let range = after.checked_sub(1).and_then(|i| self.ranges.get(i));
        let range = range.ok_or(outside)?;
        let within = offset - range.offset;
        match range.len - within {
            contiguous if contiguous < len => Err(IovaError::Split { len, contiguous }),
            _ => Ok(PhysAddr(range.phys.0.wrapping_add(within as u64))),
        }
    }

    /// The pieces, in order of their offsets: they cover the region, and no two that follow each other
    /// in both kinds of memory are apart.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = IovaRange> {
        self.ranges.iter().copied()
    }

    /// Whether every page is still where it was. O(pages).
    ///
    /// # Errors
    /// [`IovaError::Moved`] with the first that is not, or whatever [`of`](Self::of) would say.
    pub fn recheck(&self) -> Result<(), IovaError> {
        let mut now = self.clone();
        now.ranges = ranges(&PageMap::open()?, self.start, self.len)?;
        // Where the two begin to differ, a piece of one of them begins.
        let starts = self.ranges().chain(now.ranges()).map(|range| range.offset);
        let places = |offset| Some((offset, self.at(offset).ok()?, now.at(offset).ok()?));
        let moved = starts.filter_map(places).filter(|(_, was, now)| was != now);
        match moved.min() {
            Some((offset, was, now)) => Err(IovaError::Moved { offset, was, now }),
            None => Ok(()),
        }
    }
}

impl MappedRegion {
    /// The physical addresses of all pages: [`Iova::of`].
    ///
    /// # Errors
    /// As for [`Iova::of`].
    pub fn iova(&self) -> Result<Iova, IovaError> {
        Iova::of(self.as_ptr(), self.len())
    }
}

#[cfg(target_has_atomic = "64")]
impl crate::region::SharedRegion {
    /// The physical addresses of all pages: [`Iova::of`]. They are the same for every process that has
    /// the region attached.
    ///
    /// # Errors
    /// As for [`Iova::of`].
    pub fn iova(&self) -> Result<Iova, IovaError> {
        Iova::of(self.as_ptr(), self.len())
    }
}

/// The pieces of `len` bytes from `start` on.
fn ranges(map: &PageMap, start: usize, len: usize) -> Result<Vec<IovaRange>, IovaError> {
    let mut ranges: Vec<IovaRange> = Vec::new();
    let end = start.checked_add(len);
    let end = end.ok_or(IovaError::Outside { addr: start })?;
    let mut addr = start;
    let mut entries = Entries::default();
    while addr < end {
        let (entry, page_end) = entries.at(map, addr, end)?;
        let piece = IovaRange {
            offset: addr - start,
            phys: map.phys(entry, addr)?,
            len: page_end.min(end) - addr,
        };
        match ranges.last_mut() {
            Some(last) if last.end() == piece.phys.0 => last.len += piece.len,
            _ => ranges.push(piece),
        }
        addr = page_end.min(end);
    }
    Ok(ranges)
}

const PAGEMAP: &str = "/proc/self/pagemap";

/// Bytes of an entry.
const ENTRY: usize = 8;
/// Bits 0–54: the frame, if the page is present.
const FRAME: u64 = (1 << 55) - 1;
/// Bit 56: mapped here and nowhere else.
const EXCLUSIVE: u64 = 1 << 56;
/// Bit 61: of a file or of shared memory.
const FILE: u64 = 1 << 61;
/// Bit 62.
const SWAPPED: u64 = 1 << 62;
/// Bit 63.
const PRESENT: u64 = 1 << 63;

/// The kernel's table: one entry for each base page of the address space.
struct PageMap {
    file: OwnedFd,
    page: usize,
}

impl PageMap {
    /// Opens it, and finds out whether it tells frames.
    fn open() -> Result<Self, IovaError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let map = Self {
            file: open(PAGEMAP, flags, Mode::empty()).map_err(refused)?,
            page: rustix::param::page_size(),
        };
        // A page that is there: the one under this variable.
        let probe = 1_u8;
        match map.translate(core::ptr::from_ref(core::hint::black_box(&probe)).addr()) {
            Err(e @ (IovaError::NotPermitted | IovaError::Unavailable { .. })) => Err(e),
            _ => Ok(map),
        }
    }

    fn translate(&self, addr: usize) -> Result<PhysAddr, IovaError> {
        let (entry, _) = Entries::default().at(self, addr, addr)?;
        self.phys(entry, addr)
    }

    /// What an entry says about the address that it is for.
    fn phys(&self, entry: u64, addr: usize) -> Result<PhysAddr, IovaError> {
        if entry & PRESENT == 0 {
            return Err(match entry & SWAPPED {
                0 => IovaError::NotPresent { addr },
                _ => IovaError::Swapped { addr },
            });
        }
        match entry & FRAME {
            // No page of a program is there: the frame is withheld.
            0 => Err(IovaError::NotPermitted),
            _ if entry & (FILE | EXCLUSIVE) == 0 => Err(IovaError::CopyOnWrite { addr }),
            frame => {
                let start = frame.wrapping_mul(self.page as u64);
                Ok(PhysAddr(start.wrapping_add((addr % self.page) as u64)))
            }
        }
    }
}

/// Entries of neighbouring pages, as many as one read brings.
struct Entries {
    first_page: usize,
    bytes: [u8; 512 * ENTRY],
    len: usize,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            first_page: 0,
            bytes: [0; 512 * ENTRY],
            len: 0,
        }
    }
}

impl Entries {
    /// The entry for `addr`, and the address behind its page. If it is not here, it is read, with those
    /// that follow it up to `end`.
    fn at(&mut self, map: &PageMap, addr: usize, end: usize) -> Result<(u64, usize), IovaError> {
        let page = addr / map.page;
        let outside = IovaError::Outside { addr };
        if self.get(page).is_none() {
            let wanted = end.div_ceil(map.page).saturating_sub(page).max(1);
            let wanted = wanted.saturating_mul(ENTRY).min(self.bytes.len());
            let into = self.bytes.get_mut(..wanted).unwrap_or_default();
            let from = page as u64 * ENTRY as u64;
            self.len = pread(&map.file, into, from).map_err(refused)?;
            self.first_page = page;
        }
        // Nothing is read where no program has memory.
        let entry = self.get(page).ok_or(outside)?;
        let page_end = (page + 1).checked_mul(map.page).ok_or(outside)?;
        Ok((entry, page_end))
    }

    fn get(&self, page: usize) -> Option<u64> {
        let from = page.checked_sub(self.first_page)?.checked_mul(ENTRY)?;
        let there = self.bytes.get(..self.len)?;
        let entry = there.get(from..from.checked_add(ENTRY)?)?;
        entry.try_into().ok().map(u64::from_ne_bytes)
    }
}

fn refused(errno: Errno) -> IovaError {
    match errno {
        Errno::PERM | Errno::ACCESS => IovaError::NotPermitted,
        errno => IovaError::Unavailable { errno },
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    fn phys(entry: u64) -> Result<u64, IovaError> {
        let map = PageMap {
            file: open("/dev/null", OFlags::RDONLY, Mode::empty()).unwrap(),
            page: 4096,
        };
        map.phys(entry, 0x5123).map(|p| p.0)
    }

    #[test]
    fn entries_say_where_a_page_is_or_why_not() {
        let addr = 0x5123;
        assert_eq!(phys(0), Err(IovaError::NotPresent { addr }));
        assert_eq!(phys(SWAPPED | 77), Err(IovaError::Swapped { addr }));
        assert_eq!(phys(PRESENT | EXCLUSIVE), Err(IovaError::NotPermitted));
        assert_eq!(phys(PRESENT | 7), Err(IovaError::CopyOnWrite { addr }));
        assert_eq!(phys(PRESENT | FILE | 7), Ok(0x7123));
        assert_eq!(phys(PRESENT | EXCLUSIVE | 1 << 55 | 7), Ok(0x7123));
    }

    fn table(pieces: &[(u64, usize)]) -> Iova {
        let mut len = 0;
        let piece = |&(phys, bytes): &(u64, usize)| {
            len += bytes;
            IovaRange {
                offset: len - bytes,
                phys: PhysAddr(phys),
                len: bytes,
            }
        };
        let ranges = pieces.iter().map(piece).collect();
        Iova {
            start: 0x1000,
            len,
            ranges,
        }
    }

    #[test]
    fn offsets_and_pieces_are_found() {
        let table = table(&[(0x9000, 0x2000), (0x4000, 0x1000), (0x8000, 0x1000)]);
        let at = |offset| table.at(offset).map(|p| p.0);
        assert_eq!(at(0), Ok(0x9000));
        assert_eq!(at(0x1fff), Ok(0xafff));
        assert_eq!(at(0x2000), Ok(0x4000));
        assert_eq!(at(0x3fff), Ok(0x8fff));
        let outside = |addr| Err(IovaError::Outside { addr });
        assert_eq!(at(0x4000), outside(0x5000));
        let ptr = core::ptr::without_provenance(0x1008);
        assert_eq!(table.translate(ptr), Ok(PhysAddr(0x9008)));
        let below = table.translate(core::ptr::without_provenance(0xfff));
        assert_eq!(below.map(|p| p.0), outside(0xfff));
        let piece = |offset, len| table.contiguous(offset, len).map(|p| p.0);
        assert_eq!(piece(0x800, 0x1800), Ok(0x9800));
        let (len, contiguous) = (0x1801, 0x1800);
        assert_eq!(piece(0x800, len), Err(IovaError::Split { len, contiguous }));
        assert_eq!(piece(0x3000, 0x1001), outside(0x4000));
        assert_eq!(piece(1, usize::MAX), outside(0x1001));
    }
}
