//! The physical addresses of a region's pages: `/proc/self/pagemap`, proc_pid_pagemap(5),
//! Documentation/admin-guide/mm/pagemap.rst and Documentation/mm/unevictable-lru.rst of the Linux kernel.

use core::fmt;
use core::ptr::NonNull;
use std::os::fd::OwnedFd;
use std::vec::Vec;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread};

/// A physical address, as a device without an IOMMU uses it. Never 0. [`Iova`] says how long it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// Returns the physical address of one byte. Opens the kernel's page map and reads two entries: four
    /// system calls. For more than a few addresses use [`Iova::of`]. The memory is not accessed.
    ///
    /// # Errors
    /// [`IovaError`], except `Split` and `Moved`.
    ///
    /// ```
    /// use framepool::MappedRegion;
    /// use framepool::region::{IovaError, PhysAddr};
    ///
    /// let region = MappedRegion::builder(1 << 20).map()?;
    /// match PhysAddr::of(region.as_ptr().as_ptr()) {
    ///     Ok(address) => println!("the device's descriptor gets {address}"),
    ///     Err(IovaError::NotPermitted) => println!("this process lacks CAP_SYS_ADMIN"),
    ///     Err(other) => println!("{other}"),
    /// }
    /// # Ok::<(), framepool::MapError>(())
    /// ```
    pub fn of(ptr: *const u8) -> Result<Self, IovaError> {
        Pagemap::open()?.translate(ptr.addr())
    }
}

impl fmt::Display for PhysAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The physical address is not available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IovaError {
    /// The kernel tells physical addresses only to processes with `CAP_SYS_ADMIN`, and this one lacks it.
    NotPermitted,
    /// The kernel's page map is not readable.
    Unavailable {
        /// The kernel's reason.
        errno: Errno,
    },
    /// There is no page: the memory is not mapped, or was not touched yet.
    NotPresent {
        /// The address.
        addr: usize,
    },
    /// The page is swapped out, or is being moved.
    Swapped {
        /// The address.
        addr: usize,
    },
    /// The next write replaces the page: it is the page of zeros that the kernel maps for memory that was
    /// only read, or a forked child shares it. A device that wrote to it would write to memory of other
    /// processes.
    CopyOnWrite {
        /// The address.
        addr: usize,
    },
    /// The address is outside the table, or outside the memory that a program can have.
    Outside {
        /// The address.
        addr: usize,
    },
    /// The bytes are not physically contiguous.
    Split {
        /// Bytes requested.
        len: usize,
        /// Bytes from the start that are contiguous.
        contiguous: usize,
    },
    /// The page has moved since the table was made.
    Moved {
        /// Bytes from the table's start.
        offset: usize,
        /// Its address in the table.
        was: PhysAddr,
        /// Its address now.
        now: PhysAddr,
    },
}

impl fmt::Display for IovaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotPermitted => write!(f, "physical addresses require CAP_SYS_ADMIN"),
            Self::Unavailable { errno } => write!(f, "could not read {PAGEMAP}: {errno}"),
            Self::NotPresent { addr } => write!(f, "there is no page at {addr:#x}"),
            Self::Swapped { addr } => write!(f, "the page at {addr:#x} is swapped out"),
            Self::CopyOnWrite { addr } => {
                write!(f, "the next write replaces the page at {addr:#x}")
            }
            Self::Outside { addr } => write!(
                f,
                "address {addr:#x} is outside the table or the address space"
            ),
            Self::Split { len, contiguous } => write!(
                f,
                "only the first {contiguous} of {len} bytes are contiguous"
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

/// Bytes of a region that are contiguous in physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IovaRange {
    /// Bytes from the region's start.
    pub offset: usize,
    /// The physical address of the first.
    pub phys: PhysAddr,
    /// Number of bytes. Never 0.
    pub len: usize,
}

impl IovaRange {
    fn end(&self) -> u64 {
        self.phys.0.wrapping_add(self.len as u64)
    }
}

/// A table of the physical addresses of a whole region, for devices without an IOMMU.
///
/// ```text
///  virtual    0        2 MiB      4 MiB      6 MiB
///             ├──────────┼──────────┼──────────┤        the region, hugepages
///                 │            \         /
///                 ▼             ▼       ▼
///  physical  0x1_4020_0000   0x1_5a00_0000   (4 MiB)    ranges(): (0, 2 MiB), (2 MiB, 4 MiB)
/// ```
///
/// The kernel tells the addresses in `/proc/self/pagemap`, proc_pid_pagemap(5), to a process with
/// `CAP_SYS_ADMIN`. To other processes it tells frame 0; that is [`IovaError::NotPermitted`] here, and
/// never an address.
///
/// # How long the addresses hold
///
/// The kernel may move a page at any time, unless the page is pinned. Base pages and transparent huge
/// pages are swapped, merged and compacted. The first write replaces a page that was never written, or
/// that a forked child shares; such pages are refused ([`IovaError::CopyOnWrite`]). `mlock` keeps a page
/// in memory, but compaction may still move it (`vm.compact_unevictable_allowed`). Hugetlb pages are
/// neither swapped nor compacted. They move only on request of an administrator or of the process itself
/// (memory hot-unplug, move_pages(2)); user-space drivers without an IOMMU rely on that. Only a kernel
/// driver that pins the pages gives a guarantee. [`recheck`](Self::recheck) tells whether the addresses
/// still hold now.
///
/// **With an IOMMU you need no physical addresses.** The program maps the region through VFIO
/// (`VFIO_IOMMU_MAP_DMA`, Documentation/driver-api/vfio.rst of the Linux kernel), which also pins it, and
/// chooses the addresses that the device sees. It is enough that the region is contiguous.
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
    /// Sorted by offset, without gaps; contiguous neighbours are merged.
    ranges: Vec<IovaRange>,
}

impl Iova {
    /// Reads the addresses of `len` bytes from `start` on. The memory is not accessed. O(pages).
    ///
    /// # Errors
    /// [`IovaError`], except `Split` and `Moved`, with the address of the first page that has no usable
    /// physical address.
    pub fn of(start: NonNull<u8>, len: usize) -> Result<Self, IovaError> {
        let start = start.addr().get();
        let ranges = ranges(&Pagemap::open()?, start, len)?;
        Ok(Self { start, len, ranges })
    }

    /// Returns the physical address of a byte of the region. O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Outside`].
    pub fn translate(&self, ptr: *const u8) -> Result<PhysAddr, IovaError> {
        self.translate_all(ptr, 1)
    }

    /// Returns the physical address of `len` contiguous bytes (at least one) of the region. O(log ranges).
    ///
    /// # Errors
    /// As for [`contiguous`](Self::contiguous).
    pub fn translate_all(&self, ptr: *const u8, len: usize) -> Result<PhysAddr, IovaError> {
        self.contiguous(ptr.addr().wrapping_sub(self.start), len)
    }

    /// Returns the physical address of the byte at an offset, for example
    /// [`Block::offset`](crate::Block::offset). O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Outside`].
    pub fn at(&self, offset: usize) -> Result<PhysAddr, IovaError> {
        self.contiguous(offset, 1)
    }

    /// Returns the physical address of `len` contiguous bytes (at least one) from an offset on.
    /// O(log ranges).
    ///
    /// # Errors
    /// [`IovaError::Split`] if they are not contiguous, [`IovaError::Outside`] if they are not all in the
    /// region.
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

    /// Returns the contiguous ranges, sorted by offset. They cover the region; neighbours that are also
    /// physically contiguous are merged.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = IovaRange> {
        self.ranges.iter().copied()
    }

    /// Checks that every page still has the address in the table. O(pages).
    ///
    /// # Errors
    /// [`IovaError::Moved`] with the first page that has moved, or an error of [`of`](Self::of).
    pub fn recheck(&self) -> Result<(), IovaError> {
        let mut now = self.clone();
        now.ranges = ranges(&Pagemap::open()?, self.start, self.len)?;
        // At the first difference a range of one of the two tables starts.
        let starts = self.ranges().chain(now.ranges()).map(|range| range.offset);
        let both = |offset| Some((offset, self.at(offset).ok()?, now.at(offset).ok()?));
        let moved = starts.filter_map(both).filter(|(_, was, now)| was != now);
        match moved.min() {
            Some((offset, was, now)) => Err(IovaError::Moved { offset, was, now }),
            None => Ok(()),
        }
    }
}

/// The contiguous ranges of `len` bytes from `start` on.
fn ranges(map: &Pagemap, start: usize, len: usize) -> Result<Vec<IovaRange>, IovaError> {
    let mut ranges: Vec<IovaRange> = Vec::new();
    let end = start.checked_add(len);
    let end = end.ok_or(IovaError::Outside { addr: start })?;
    let mut addr = start;
    let mut entries = Entries::none();
    while addr < end {
        let (entry, page_end) = entries.at(map, addr, end)?;
        let next = IovaRange {
            offset: addr - start,
            phys: map.phys(entry, addr)?,
            len: page_end.min(end) - addr,
        };
        match ranges.last_mut() {
            Some(last) if last.end() == next.phys.0 => last.len += next.len,
            _ => ranges.push(next),
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
/// Bit 56: no other process maps the page.
const EXCLUSIVE: u64 = 1 << 56;
/// Bit 61: a page of a file or of shared memory.
const FILE: u64 = 1 << 61;
/// Bit 62: swapped out.
const SWAPPED: u64 = 1 << 62;
/// Bit 63: resident.
const PRESENT: u64 = 1 << 63;

/// The kernel's table: one entry for each base page of the address space.
struct Pagemap {
    file: OwnedFd,
    page: usize,
}

impl Pagemap {
    /// Opens the table, and checks that it tells frames.
    fn open() -> Result<Self, IovaError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let map = Self {
            file: open(PAGEMAP, flags, Mode::empty()).map_err(refused)?,
            page: rustix::param::page_size(),
        };
        // The page of this variable is resident.
        let probe = 1_u8;
        match map.translate(core::ptr::from_ref(core::hint::black_box(&probe)).addr()) {
            Err(e @ (IovaError::NotPermitted | IovaError::Unavailable { .. })) => Err(e),
            _ => Ok(map),
        }
    }

    fn translate(&self, addr: usize) -> Result<PhysAddr, IovaError> {
        let (entry, _) = Entries::none().at(self, addr, addr)?;
        self.phys(entry, addr)
    }

    /// The physical address of `addr`, from its entry.
    fn phys(&self, entry: u64, addr: usize) -> Result<PhysAddr, IovaError> {
        if entry & PRESENT == 0 {
            return Err(match entry & SWAPPED {
                0 => IovaError::NotPresent { addr },
                _ => IovaError::Swapped { addr },
            });
        }
        match entry & FRAME {
            // No page of a program has frame 0: the kernel withholds the number.
            0 => Err(IovaError::NotPermitted),
            _ if entry & (FILE | EXCLUSIVE) == 0 => Err(IovaError::CopyOnWrite { addr }),
            frame => {
                let start = frame.wrapping_mul(self.page as u64);
                Ok(PhysAddr(start.wrapping_add((addr % self.page) as u64)))
            }
        }
    }
}

/// Entries of neighbouring pages, from one read.
struct Entries {
    first_page: usize,
    bytes: [u8; 512 * ENTRY],
    len: usize,
}

impl Entries {
    fn none() -> Self {
        Self {
            first_page: 0,
            bytes: [0; 512 * ENTRY],
            len: 0,
        }
    }

    /// The entry for `addr`, and the address after its page. Reads it if necessary, together with the
    /// entries that follow it, up to `end`.
    fn at(&mut self, map: &Pagemap, addr: usize, end: usize) -> Result<(u64, usize), IovaError> {
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
        // The read returns nothing for addresses that no program can have.
        let entry = self.get(page).ok_or(outside)?;
        let page_end = (page + 1).checked_mul(map.page).ok_or(outside)?;
        Ok((entry, page_end))
    }

    fn get(&self, page: usize) -> Option<u64> {
        let from = page.checked_sub(self.first_page)?.checked_mul(ENTRY)?;
        let read = self.bytes.get(..self.len)?;
        let entry = read.get(from..from.checked_add(ENTRY)?)?;
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
        let map = Pagemap {
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
    fn offsets_and_contiguous_pieces_are_found() {
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
