//! This end of the network: frames out, frames in.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use crate::frames::{self, OUR_PORT, STATISTICS};

/// How long an answer may take; a loaded machine may stop QEMU for long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest frame that QEMU sends.
const LONGEST: usize = 2048;

/// The socket to QEMU; a datagram is a frame.
pub struct Peer {
    socket: UdpSocket,
    frame: [u8; LONGEST],
}

impl Peer {
    pub fn new(socket: UdpSocket, there: SocketAddr) -> io::Result<Self> {
        socket.connect(there)?;
        Ok(Self {
            socket,
            frame: [0; LONGEST],
        })
    }

    pub fn send(&self, frame: &[u8]) -> Result<(), String> {
        let sent = self.socket.send(frame);
        sent.map(drop).map_err(|e| format!("cannot send: {e}"))
    }

    /// The next frame, or `None` if none comes within `time`.
    pub fn receive_within(&mut self, time: Duration) -> Result<Option<&[u8]>, String> {
        self.socket
            .set_read_timeout(Some(time))
            .map_err(|e| format!("cannot wait: {e}"))?;
        loop {
            match self.socket.recv(&mut self.frame) {
                Ok(len) => return Ok(Some(&self.frame[..len])),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => (),
                Err(e) => return Err(format!("cannot receive: {e}")),
            }
        }
    }

    /// The next frame.
    pub fn receive(&mut self) -> Result<&[u8], String> {
        let none = || format!("no answer within {} s", PATIENCE.as_secs());
        self.receive_within(PATIENCE)?.ok_or_else(none)
    }

    /// Sends a frame and returns the answer.
    pub fn ask(&mut self, frame: &[u8]) -> Result<&[u8], String> {
        self.send(frame)?;
        self.receive()
    }

    /// Asks for the firmware's statistics.
    pub fn statistics(&mut self) -> Result<Statistics, String> {
        let answer = self.ask(&frames::udp(OUR_PORT, STATISTICS, b""))?;
        Statistics::parse(frames::udp_answer(answer, STATISTICS)?)
    }
}

/// The firmware's statistics, by name.
pub struct Statistics(HashMap<String, u64>);

impl Statistics {
    fn parse(text: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(text);
        let pairs = text.split_whitespace().map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        let all = pairs.collect::<Option<_>>();
        all.map(Self)
            .ok_or_else(|| format!("cannot read the statistics {text:?}"))
    }

    pub fn get(&self, name: &str) -> Result<u64, String> {
        let value = self.0.get(name).copied();
        value.ok_or_else(|| format!("the statistics lack {name}"))
    }

    /// How much a counter has grown since `before`. The firmware's counters wrap at 2^32.
    pub fn since(&self, before: &Self, name: &str) -> Result<u64, String> {
        let (now, then) = (self.get(name)? as u32, before.get(name)? as u32);
        Ok(now.wrapping_sub(then).into())
    }
}
