//! What the handles of packets share: the bytes and the facts of one line.

use core::mem;
use core::ptr::NonNull;

use crate::packet::error::{NoRoom, PastEnd};
use crate::packet::line::{Control, Line};
use crate::packet::meta::PacketMeta;
use crate::packet::pool::PacketPool;

/// A line of a pool, on behalf of a handle.
///
/// Invariant: the line exists, and the handle that made this value lives as long as it is used. Unsafe methods need an
/// exclusive handle.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'p> {
    pub(crate) packets: &'p PacketPool<'p>,
    /// A whole word, so that the compiler moves many handles with vector instructions.
    pub(crate) line: usize,
}

impl<'p> Segment<'p> {
    #[inline(always)]
    pub(crate) fn line(self) -> &'p Line {
        // SAFETY: by the invariant the line exists.
        unsafe { self.packets.line(self.line as u32) }
    }

    #[inline(always)]
    pub(crate) fn control(self) -> Control {
        // SAFETY: by the invariant there is a handle.
        unsafe { self.line().control() }
    }

    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.control().room.data.len()
    }

    #[inline(always)]
    pub(crate) fn headroom(self) -> usize {
        let room = self.control().room;
        (room.data.start - room.window.start) as usize
    }

    #[inline(always)]
    pub(crate) fn tailroom(self) -> usize {
        let room = self.control().room;
        (room.window.end - room.data.end) as usize
    }

    /// Bytes from the pool's first block to the data; `None` for external memory.
    #[inline]
    pub(crate) fn offset(self) -> Option<usize> {
        let control = self.control();
        let start = control.room.data.start as usize;
        (!control.is_external())
            .then(|| control.index() as usize * self.packets.blocks().stride() + start)
    }

    /// A pointer to a byte of the window.
    #[inline(always)]
    pub(crate) fn at(self, control: &Control, offset: u16) -> NonNull<u8> {
        // SAFETY: by the invariant of `Room`, the offset lies in the block, or right after it.
        unsafe { self.packets.base(control).add(offset as usize) }
    }

    /// # Safety
    /// The handle outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn bytes<'a>(self) -> &'a [u8] {
        let control = self.control();
        let start = self.at(&control, control.room.data.start);
        // SAFETY: the data lies in the block, whose bytes are initialised; the handle keeps it, and while it reads,
        // nobody writes.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), control.room.data.len()) }
    }

    /// # Safety
    /// The handle is exclusive, and borrowed exclusively for `'a`. The range lies in the window.
    #[inline(always)]
    unsafe fn window_mut<'a>(self, control: &Control, from: u16, len: usize) -> &'a mut [u8] {
        let start = self.at(control, from);
        // SAFETY: the bytes lie in the window, which is the handle's alone; all bytes of blocks are initialised.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len) }
    }

    /// # Safety
    /// The handle is exclusive, and borrowed exclusively for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn bytes_mut<'a>(self) -> &'a mut [u8] {
        let control = self.control();
        let data = control.room.data;
        // SAFETY: the caller's promise; the data lies in the window.
        unsafe { self.window_mut(&control, data.start, data.len()) }
    }

    /// # Safety
    /// As for [`bytes_mut`](Self::bytes_mut).
    #[inline(always)]
    pub(crate) unsafe fn tailroom_mut<'a>(self) -> &'a mut [u8] {
        let control = self.control();
        let end = control.room.data.end;
        // SAFETY: the caller's promise; the tailroom lies in the window.
        unsafe { self.window_mut(&control, end, self.tailroom()) }
    }

    /// # Safety
    /// As for [`bytes_mut`](Self::bytes_mut).
    #[inline]
    pub(crate) unsafe fn prepend<'a>(self, n: usize) -> Result<&'a mut [u8], NoRoom> {
        NoRoom::check(n, self.headroom())?;
        // SAFETY: the caller's promise; the headroom lies in the window, and `n` is no more than it.
        unsafe {
            let control = self.line().control_mut();
            control.room.data.start -= n as u16;
            let control = *control;
            Ok(self.window_mut(&control, control.room.data.start, n))
        }
    }

    /// # Safety
    /// As for [`bytes_mut`](Self::bytes_mut).
    #[inline]
    pub(crate) unsafe fn append<'a>(self, n: usize) -> Result<&'a mut [u8], NoRoom> {
        NoRoom::check(n, self.tailroom())?;
        // SAFETY: as in `prepend`, for the tailroom.
        unsafe {
            let control = self.line().control_mut();
            let end = control.room.data.end;
            control.room.data.end += n as u16;
            let control = *control;
            Ok(self.window_mut(&control, end, n))
        }
    }

    /// Copies to the end of the packet what its tailroom holds of `bytes`. Returns the others.
    ///
    /// # Safety
    /// The handle is exclusive.
    pub(crate) unsafe fn append_some(self, bytes: &[u8]) -> &[u8] {
        let (here, rest) = (bytes.split_at_checked(self.tailroom())).unwrap_or((bytes, &[]));
        // SAFETY: the caller's promise. There is room.
        if let Ok(place) = unsafe { self.append(here.len()) } {
            copy(here, place);
        }
        rest
    }

    /// # Safety
    /// The handle is exclusive.
    #[inline]
    pub(crate) unsafe fn trim_front(self, n: usize) -> Result<(), PastEnd> {
        PastEnd::check(n, self.len())?;
        // SAFETY: the caller's promise; `n` is at most the length, so the order of the ranges stays.
        unsafe { self.line().control_mut().room.data.start += n as u16 };
        Ok(())
    }

    /// # Safety
    /// The handle is exclusive.
    #[inline]
    pub(crate) unsafe fn trim_back(self, n: usize) -> Result<(), PastEnd> {
        PastEnd::check(n, self.len())?;
        // SAFETY: as in `trim_front`.
        unsafe { self.line().control_mut().room.data.end -= n as u16 };
        Ok(())
    }

    /// Makes the packet empty, with up to the pool's headroom.
    ///
    /// # Safety
    /// The handle is exclusive.
    pub(crate) unsafe fn clear(self) {
        // SAFETY: the caller's promise.
        unsafe { self.clear_for(0) };
    }

    /// Makes the packet empty, with up to the pool's headroom, but less if `n` bytes need the room.
    ///
    /// # Safety
    /// The handle is exclusive.
    pub(crate) unsafe fn clear_for(self, n: usize) {
        let headroom = self.packets.headroom();
        // SAFETY: the caller's promise; the new range lies in the window.
        unsafe {
            let room = &mut self.line().control_mut().room;
            // At most the window, which is a u16.
            let spare = room.window.len().saturating_sub(n);
            let start = room.window.start + headroom.min(spare) as u16;
            room.data.start = start;
            room.data.end = start;
        }
    }

    /// # Safety
    /// The handle outlives the result.
    #[inline(always)]
    pub(crate) unsafe fn meta<'a>(self) -> &'a PacketMeta
    where
        'p: 'a,
    {
        // SAFETY: the caller's promise.
        unsafe { self.line().meta() }
    }

    /// # Safety
    /// As for [`bytes_mut`](Self::bytes_mut).
    #[inline(always)]
    pub(crate) unsafe fn meta_mut<'a>(self) -> &'a mut PacketMeta
    where
        'p: 'a,
    {
        // SAFETY: the caller's promise.
        unsafe { self.line().meta_mut() }
    }
}

/// The methods of handles that read a packet. The type has `segment(&self) -> Segment`.
macro_rules! reading {
    (impl[$($generics:tt)*] $ty:ty) => {
        impl<$($generics)*> $ty {
            /// The bytes of the packet.
            #[inline]
            pub fn bytes(&self) -> &[u8] {
                // SAFETY: `self` is the handle, and borrowed as long as the bytes.
                unsafe { self.segment().bytes() }
            }

            /// Returns the number of bytes of the packet.
            #[inline]
            pub fn len(&self) -> usize {
                self.segment().len()
            }

            /// Whether the packet has no bytes.
            #[inline]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Bytes before the data in the window.
            #[inline]
            pub fn headroom(&self) -> usize {
                self.segment().headroom()
            }

            /// Bytes after the data in the window.
            #[inline]
            pub fn tailroom(&self) -> usize {
                self.segment().tailroom()
            }

            /// Bytes from the pool's first block to the data: in a UMEM that starts with the pool, the address of an
            /// AF_XDP descriptor. `None` for external memory.
            #[inline]
            pub fn offset(&self) -> Option<usize> {
                self.segment().offset()
            }

            /// The physical address of the packet's first byte, in a [table of the pool](crate::packet::PacketPool::iova): the
            /// packet is contiguous there. For an empty packet, the address of the byte at its start. O(log ranges).
            ///
            /// # Errors
            /// [`IovaError::Split`](crate::region::IovaError::Split) if the packet is not contiguous in physical memory.
            /// [`IovaError::Outside`](crate::region::IovaError::Outside) if the table does not contain it: for external memory.
            #[cfg(all(feature = "mmap", target_os = "linux"))]
            pub fn iova(
                &self,
                table: &$crate::region::Iova,
            ) -> Result<$crate::region::PhysAddr, $crate::region::IovaError> {
                table.translate_all(self.bytes().as_ptr(), self.len().max(1))
            }

            /// The facts of the packet.
            #[inline]
            pub fn meta(&self) -> &$crate::packet::PacketMeta {
                // SAFETY: as in `bytes`.
                unsafe { self.segment().meta() }
            }
        }

        impl<$($generics)*> AsRef<[u8]> for $ty {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self.bytes()
            }
        }
    };
}

/// The methods of handles that change a packet: they are exclusive.
macro_rules! writing {
    (impl[$($generics:tt)*] $ty:ty) => {
        impl<$($generics)*> $ty {
            /// The bytes of the packet, to change.
            #[inline]
            pub fn bytes_mut(&mut self) -> &mut [u8] {
                // SAFETY: the handle is exclusive, and borrowed exclusively as long as the bytes.
                unsafe { self.segment().bytes_mut() }
            }

            /// Extends the packet by `n` bytes at its front, and returns them. Their values are arbitrary. O(1).
            ///
            /// # Errors
            /// [`NoRoom`](crate::packet::NoRoom) if the headroom is less.
            #[inline]
            pub fn prepend(&mut self, n: usize) -> Result<&mut [u8], $crate::packet::NoRoom> {
                // SAFETY: as in `bytes_mut`.
                unsafe { self.segment().prepend(n) }
            }

            /// Copies `bytes` in front of the packet. O(their number).
            ///
            /// # Errors
            /// As for [`prepend`](Self::prepend); nothing is written.
            #[inline]
            pub fn prepend_slice(&mut self, bytes: &[u8]) -> Result<(), $crate::packet::NoRoom> {
                self.prepend(bytes.len()).map(|to| $crate::packet::segment::copy(bytes, to))
            }

            /// Extends the packet by `n` bytes at its end, and returns them. Their values are arbitrary: write to
            /// [`tailroom_mut`](Self::tailroom_mut) first, and append the real length. O(1).
            ///
            /// # Errors
            /// [`NoRoom`](crate::packet::NoRoom) if the tailroom is less.
            #[inline]
            pub fn append(&mut self, n: usize) -> Result<&mut [u8], $crate::packet::NoRoom> {
                // SAFETY: as in `bytes_mut`.
                unsafe { self.segment().append(n) }
            }

            /// Copies `bytes` to the end of the packet. O(their number).
            ///
            /// # Errors
            /// As for [`append`](Self::append); nothing is written.
            #[inline]
            pub fn append_slice(&mut self, bytes: &[u8]) -> Result<(), $crate::packet::NoRoom> {
                self.append(bytes.len()).map(|to| $crate::packet::segment::copy(bytes, to))
            }

            /// All bytes after the data, to be filled before [`append`](Self::append). Their values are arbitrary.
            #[inline]
            pub fn tailroom_mut(&mut self) -> &mut [u8] {
                // SAFETY: as in `bytes_mut`.
                unsafe { self.segment().tailroom_mut() }
            }

            /// Removes the first `n` bytes; they become headroom. O(1).
            ///
            /// # Errors
            /// [`PastEnd`](crate::packet::PastEnd) if there are fewer.
            #[inline]
            pub fn trim_front(&mut self, n: usize) -> Result<(), $crate::packet::PastEnd> {
                // SAFETY: the handle is exclusive.
                unsafe { self.segment().trim_front(n) }
            }

            /// Removes the last `n` bytes; they become tailroom. O(1).
            ///
            /// # Errors
            /// [`PastEnd`](crate::packet::PastEnd) if there are fewer.
            #[inline]
            pub fn trim_back(&mut self, n: usize) -> Result<(), $crate::packet::PastEnd> {
                // SAFETY: the handle is exclusive.
                unsafe { self.segment().trim_back(n) }
            }

            /// Removes all bytes. The headroom is that of a new packet, if the window is large enough. O(1).
            #[inline]
            pub fn clear(&mut self) {
                // SAFETY: the handle is exclusive.
                unsafe { self.segment().clear() }
            }

            /// The facts of the packet, to change.
            #[inline]
            pub fn meta_mut(&mut self) -> &mut $crate::packet::PacketMeta {
                // SAFETY: as in `bytes_mut`.
                unsafe { self.segment().meta_mut() }
            }
        }

        impl<$($generics)*> AsMut<[u8]> for $ty {
            #[inline]
            fn as_mut(&mut self) -> &mut [u8] {
                self.bytes_mut()
            }
        }
    };
}

/// Copies bytes to a slice of the same length.
#[inline(always)]
pub(crate) fn copy(from: &[u8], to: &mut [u8]) {
    debug_assert_eq!(from.len(), to.len());
    let n = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..n), to.get_mut(..n)) {
        to.copy_from_slice(from);
    }
}

/// Drops what `next` returns, up to the first `None`. The release of external memory may unwind: the rest is dropped then,
/// too.
pub(crate) fn drop_each<T>(next: impl FnMut() -> Option<T>) {
    struct Rest<T, F: FnMut() -> Option<T>>(F);

    impl<T, F: FnMut() -> Option<T>> Drop for Rest<T, F> {
        fn drop(&mut self) {
            while (self.0)().is_some() {}
        }
    }

    let mut rest = Rest(next);
    while (rest.0)().is_some() {}
    mem::forget(rest);
}
