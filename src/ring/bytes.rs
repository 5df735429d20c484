//! Rings of bytes as text and byte streams: `core::fmt::Write`, and with `std` its `io::Read` and `io::Write`.

use core::fmt;
#[cfg(feature = "std")]
use std::io;

#[cfg(feature = "std")]
use crate::ring::consumer;
use crate::ring::{flags, producer};

/// The ends of one design as streams.
macro_rules! streams {
    ($producer:ty, $consumer:ty) => {
        /// Each piece of text goes in whole, or not at all: no character is cut. `write!` of several pieces stops at the
        /// first that does not fit, and those before it stay in the ring.
        impl fmt::Write for $producer {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                let pushed = self.push_slice_exact(text.as_bytes());
                pushed.map_err(|_| fmt::Error)
            }
        }

        /// Never blocks. Bytes can be read as soon as `write` returns; `flush` does nothing.
        ///
        /// `write` pushes the bytes that fit. It fails with [`WouldBlock`](io::ErrorKind::WouldBlock) if none fits, and
        /// with [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the consumer is gone, as a pipe does: also while there is
        /// room.
        #[cfg(feature = "std")]
        impl io::Write for $producer {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if self.is_abandoned() {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                written(self.push_slice(bytes), bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        /// Never blocks. `read` takes the bytes that are there. If there are none, it fails with
        /// [`WouldBlock`](io::ErrorKind::WouldBlock), or returns 0, the end of the stream, if the producer is gone.
        #[cfg(feature = "std")]
        impl io::Read for $consumer {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                // In this order: bytes that were pushed before the producer went are read.
                let abandoned = self.is_abandoned();
                read(self.pop_slice(out), out, abandoned)
            }
        }
    };
}

streams!(producer::Producer<'_, u8>, consumer::Consumer<'_, u8>);
streams!(flags::Producer<'_, u8>, flags::Consumer<'_, u8>);

/// The result of a write that pushed `n` of these bytes.
#[cfg(feature = "std")]
pub(super) fn written(n: usize, bytes: &[u8]) -> io::Result<usize> {
    match n {
        0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
        n => Ok(n),
    }
}

/// The result of a read that took `n` bytes.
#[cfg(feature = "std")]
pub(super) fn read(n: usize, out: &[u8], abandoned: bool) -> io::Result<usize> {
    match n {
        0 if !out.is_empty() && !abandoned => Err(io::ErrorKind::WouldBlock.into()),
        n => Ok(n),
    }
}
