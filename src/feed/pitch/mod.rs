//! Cboe Multicast PITCH: the sequenced unit header and the depth-of-book messages.
//!
//! Specifications: US equities (2.41.29 to 2.41.64), US options (2.39.4 to 2.41.64), the options auction feed
//! (1.1.1 to 1.1.39), and futures (1.1.6 to 1.2.19).
//!
//! ```text
//!  ┌────────┬───────┬──────┬──────────┬─────┬──────┬──────────┬──
//!  │ length │ count │ unit │ sequence │ len │ type │ fields   │ …      integers: least byte first
//!  └────────┴───────┴──────┴──────────┴─────┴──────┴──────────┴──      lengths count themselves
//!      2        1      1        4        1     1      len - 2
//! ```
//!
//! Each unit has its own sequence numbers. A count of 0 is a heartbeat, which carries the sequence number of the
//! next message. A sequence number of 0 means that the messages are not sequenced. Versions may add fields at the
//! end of a message; unknown ones are not an error, and their bytes are in [`tail`](AddOrderLong::tail).
//!
//! ```
//! use framepool::feed::pitch::{self, Builder, Message, Packet};
//! use framepool::feed::{Alpha, LongPrice};
//!
//! let trade = pitch::fields::TradeLong {
//!     side: b'B',
//!     quantity: 700,
//!     symbol: Alpha(*b"SPY   "),
//!     price: LongPrice::new(5_012_300),
//!     trade_condition: None,
//!     ..Default::default()
//! };
//! let mut buffer = [0; 256];
//! let mut packet = Builder::new(&mut buffer, 1, 1000)?;
//! packet.push(|out| trade.emit(out))?;
//!
//! let packet = Packet::parse(packet.finish())?;
//! assert_eq!((packet.unit(), packet.sequence(), packet.count()), (1, 1000, 1));
//! for message in packet.messages() {
//!     if let Message::TradeLong(trade) = message? {
//!         assert_eq!(trade.price().to_string(), "501.2300");
//!     }
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod messages;
mod raw;

pub use messages::*;
pub use raw::{Raw, Values};

use super::bytes::{Le, at, put};
use super::emit::EmitError;
use super::pitch_xdp::{PacketWriter, Parts, Walk, packets};
use crate::wire::error::{Layer, ParseError};
use messages::kind_of;

packets! {
    layer: Pitch;
    kind: u8;
    header: 8;
    count: 2;
    /// A sequenced unit. Its header is checked; its messages are not checked yet.
    Packet;
    /// Writes a sequenced unit into a buffer of the caller. A unit without messages is a heartbeat.
    Builder;
}

describe!(Packet<'_> as Packet { length, count, unit, sequence });

impl Packet<'_> {
    /// The length of the packet in bytes, including its header.
    pub fn length(&self) -> u16 {
        Le::get(at::<0, 2, HEADER>(self.0.header))
    }

    /// The unit. Each unit has its own sequence numbers. 0: the messages belong to no unit.
    pub fn unit(&self) -> u8 {
        Le::get(at::<3, 1, HEADER>(self.0.header))
    }

    /// The sequence number of the first message; in a heartbeat, of the next message to come. 0: the messages
    /// are not sequenced.
    pub fn sequence(&self) -> u32 {
        Le::get(at::<4, 4, HEADER>(self.0.header))
    }

    /// Whether the packet has no messages: it shows that the line is up, and which sequence number is next.
    pub fn is_heartbeat(&self) -> bool {
        self.count() == 0
    }
}

impl<'b> Builder<'b> {
    /// Starts a unit whose first message has this sequence number.
    ///
    /// # Errors
    /// `buffer` is shorter than the header.
    pub fn new(buffer: &'b mut [u8], unit: u8, sequence: u32) -> Result<Self, EmitError> {
        let mut header = [0; HEADER];
        put::<3, 1, HEADER>(&mut header, Le::put(unit));
        put::<4, 4, HEADER>(&mut header, Le::put(sequence));
        PacketWriter::new(Layer::Pitch, buffer, &header).map(Self)
    }
}

impl FuturesInstrument<'_> {
    /// The contract's date as the decimal number YYYYMMDD. Versions from 1.1.12 on have it, in front of the
    /// blocks that `leg_offset` and `variance_offset` point to.
    pub fn contract_date(&self) -> Option<u32> {
        let date = Self::LEN..Self::LEN + 4;
        let is_before = |offset: u8| offset == 0 || usize::from(offset) >= date.end;
        let has_room = is_before(self.leg_offset()) && is_before(self.variance_offset());
        let date = self.tail().first_chunk().filter(|_| has_room)?;
        Some(u32::from_le_bytes(*date))
    }
}
