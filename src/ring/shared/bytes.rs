//! A shared ring of bytes as text and as a byte stream, as `ring/bytes.rs` has it for the other rings.

use core::fmt;
use std::io;

use super::consumer::SharedConsumer;
use super::error::SharedRingError;
use super::producer::SharedProducer;
use crate::ring::bytes::{read, written};

/// What a peer did to the ring is bad data.
fn bad(error: SharedRingError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Each piece of text goes in whole, or not at all.
impl fmt::Write for SharedProducer<'_, u8> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let reserved = self.reserve(text.len()).map_err(|_| fmt::Error)?;
        let mut places = reserved.ok_or(fmt::Error)?;
        for (i, byte) in text.bytes().enumerate() {
            places.write(i, byte).map_err(|_| fmt::Error)?;
        }
        places.commit(text.len());
        Ok(())
    }
}

/// Never blocks. Fails with [`WouldBlock`](io::ErrorKind::WouldBlock) if no byte fits, with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) if the consumer has released its end (a consumer that died has not), and
/// with [`InvalidData`](io::ErrorKind::InvalidData) if the peer's position is impossible. A byte takes a slot of 8: for
/// many bytes, take values of many bytes.
impl io::Write for SharedProducer<'_, u8> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_abandoned() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written(self.push_slice(bytes).map_err(bad)?, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Never blocks. If there is no byte, `read` fails with [`WouldBlock`](io::ErrorKind::WouldBlock), or returns 0 if the
/// producer has released its end (a producer that died has not). Fails with
/// [`InvalidData`](io::ErrorKind::InvalidData) if the peer's position is impossible.
impl io::Read for SharedConsumer<'_, u8> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // In this order: bytes that were pushed before the producer went are read.
        let abandoned = self.is_abandoned();
        read(self.pop_slice(out).map_err(bad)?, out, abandoned)
    }
}
