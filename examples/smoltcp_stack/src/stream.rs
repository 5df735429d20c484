//! The bytes that are sent, and compared when they are received.

use smoltcp::iface::SocketHandle;
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{Socket, SocketBuffer};

use crate::error::Failure;

/// A prime, so that a part that is missing shows.
const PERIOD: usize = 65_521;

/// A stream that repeats, and a position in it.
pub struct Stream {
    period: Vec<u8>,
    position: usize,
    /// Bytes of the stream.
    len: usize,
}

impl Stream {
    pub fn new(len: usize) -> Self {
        let byte = |i: usize| ((i as u32).wrapping_mul(0x9E37_79B1) >> 24) as u8;
        Self {
            period: (0..PERIOD).map(byte).collect(),
            position: 0,
            len,
        }
    }

    /// Whether all bytes were sent or received.
    pub fn is_over(&self) -> bool {
        self.position == self.len
    }

    /// The next bytes, or a part of them.
    pub fn next(&self, at_most: usize) -> &[u8] {
        let from = self.position % PERIOD;
        let n = at_most.min(self.len - self.position).min(PERIOD - from);
        &self.period[from..from + n]
    }

    /// Goes on after `n` bytes.
    pub fn skip(&mut self, n: usize) {
        self.position += n;
    }

    /// Compares received bytes with the next ones, and goes on after them.
    pub fn check(&mut self, mut received: &[u8]) -> Result<(), Failure> {
        while !received.is_empty() {
            let expected = self.next(received.len());
            let n = expected.len();
            if n == 0 || received[..n] != *expected {
                let what = format!("wrong bytes after {}", self.position);
                return Err(Failure::Failed(what));
            }
            self.position += n;
            received = &received[n..];
        }
        Ok(())
    }

    /// Puts what fits into a socket, and closes it at the end.
    pub fn send(&mut self, socket: &mut Socket<'_>) -> Result<(), Failure> {
        while !self.is_over() && socket.can_send() {
            let sent = socket.send_slice(self.next(usize::MAX));
            self.skip(sent.map_err(|e| Failure::failed("send", e))?);
            if self.is_over() {
                socket.close();
            }
        }
        Ok(())
    }

    /// Takes what is there from a socket, and compares it.
    pub fn receive(&mut self, socket: &mut Socket<'_>) -> Result<(), Failure> {
        while socket.can_recv() {
            let checked = socket.recv(|bytes| (bytes.len(), self.check(bytes)));
            checked.map_err(|e| Failure::failed("receive", e))??;
        }
        Ok(())
    }
}

/// Adds a TCP socket with large buffers.
pub fn add_socket(sockets: &mut SocketSet<'_>) -> SocketHandle {
    let buffer = || SocketBuffer::new(vec![0; 256 * 1024]);
    sockets.add(Socket::new(buffer(), buffer()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_missing_or_extra_byte_is_an_error() {
        let len = 2 * PERIOD + 10;
        let mut sent = Stream::new(len);
        let mut bytes = Vec::new();
        while !sent.is_over() {
            let next = sent.next(1000).to_vec();
            sent.skip(next.len());
            bytes.extend(next);
        }
        let check = |bytes: &[u8]| {
            let mut stream = Stream::new(len);
            bytes.chunks(777).try_for_each(|part| stream.check(part))?;
            Ok::<_, Failure>(stream.is_over())
        };
        assert!(check(&bytes).unwrap());
        assert!(!check(&bytes[..len - 1]).unwrap());
        assert!(check(&[&bytes[..], b"x"].concat()).is_err());
        for at in [0, PERIOD, len - 1] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            assert!(check(&wrong).is_err());
        }
        // A part of the length of a window is missing.
        assert!(check(&bytes[65_536..]).is_err());
    }
}
