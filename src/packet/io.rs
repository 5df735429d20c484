//! `std::io` over chains.

use std::io;

use crate::packet::chain::Chain;
use crate::packet::error::ChainError;
use crate::packet::source::PacketSource;

impl io::Read for Chain<'_> {
    /// Takes bytes from the front; segments that become empty are freed, but not the last one. Never fails.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.copy_to(0, to);
        // Succeeds: as many were there.
        let _ = self.trim_front(n);
        Ok(n)
    }
}

impl io::BufRead for Chain<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.front())
    }

    /// Consumes at most the bytes that there are.
    fn consume(&mut self, n: usize) {
        let _ = self.trim_front(n.min(self.len()));
    }
}

/// Writes to the end of a [`Chain`], with packets from a source.
///
/// ```
/// use std::io::{Read, Write};
/// use framepool::packet::{Chain, ChainWriter, PacketConfig, PacketPool};
///
/// let packets = PacketPool::allocate(PacketConfig::new(64, 64))?;
/// let mut cache = packets.cache();
/// let mut chain = Chain::new(&packets);
/// write!(ChainWriter::new(&mut chain, &mut cache), "{:>100}", "right")?;
/// assert_eq!((chain.len(), chain.segments()), (100, 2));
/// let mut text = String::new();
/// chain.read_to_string(&mut text)?;
/// assert_eq!(text.trim_start(), "right");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ChainWriter<'c, 'p, S> {
    chain: &'c mut Chain<'p>,
    source: &'c mut S,
}

impl<'c, 'p, S: PacketSource<'p>> ChainWriter<'c, 'p, S> {
    /// A writer for a chain.
    pub fn new(chain: &'c mut Chain<'p>, source: &'c mut S) -> Self {
        Self { chain, source }
    }
}

impl<'p, S: PacketSource<'p>> io::Write for ChainWriter<'_, 'p, S> {
    /// Writes all bytes or none.
    ///
    /// # Errors
    /// [`ChainError`] inside of an [`io::Error`], of kind [`OutOfMemory`](io::ErrorKind::OutOfMemory) if no block is free.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.chain.extend_from_slice(self.source, bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error @ ChainError::Exhausted(_)) => {
                Err(io::Error::new(io::ErrorKind::OutOfMemory, error))
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidInput, error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
