//! NYSE XDP and Pillar: the packet header, the control messages, and the messages of the integrated feed, versions
//! 2.1g to 2.5g; the quote of the BBO feed, versions 2.3a to 2.5d.
//!
//! ```text
//!  ┌──────┬──────┬───────┬──────────┬─────────┬─────────────┬──────┬──────┬──────────┬──
//!  │ size │ flag │ count │ sequence │ seconds │ nanoseconds │ size │ type │ fields   │ …
//!  └──────┴──────┴───────┴──────────┴─────────┴─────────────┴──────┴──────┴──────────┴──
//!     2      1       1        4          4           4          2      2    size - 4
//! ```
//!
//! Integers have their least byte first; sizes count themselves. Prices are integers in the scale of their symbol:
//! see [`SymbolIndexMapping::price_scale`]. Versions may add fields at the end of a message; unknown ones are not
//! an error, and their bytes are in [`tail`](AddOrder::tail).
//!
//! ```
//! use framepool::feed::xdp::{self, Builder, Delivery, Message, Packet};
//!
//! let delete = xdp::fields::DeleteOrder { symbol_index: 7, order_id: 42, ..Default::default() };
//! let mut buffer = [0; 128];
//! let mut packet = Builder::new(&mut buffer, Delivery::Original, 9, (1_500_000_000, 5))?;
//! packet.push(|out| delete.emit(out))?;
//!
//! let packet = Packet::parse(packet.finish())?;
//! assert_eq!((packet.sequence(), packet.count()), (9, 1));
//! let message = packet.messages().next().unwrap()?;
//! assert!(matches!(message, Message::DeleteOrder(delete) if delete.order_id() == 42));
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
    layer: NyseXdp;
    kind: u16;
    header: 16;
    count: 3;
    /// A packet. Its header is checked; its messages are not checked yet.
    Packet;
    /// Writes a packet into a buffer of the caller.
    Builder;
}

describe!(Packet<'_> as Packet { size, delivery, count, sequence, send_time });

impl Packet<'_> {
    /// The length of the packet in bytes, including its header.
    pub fn size(&self) -> u16 {
        Le::get(at::<0, 2, HEADER>(self.0.header))
    }

    /// Why the packet was sent.
    pub fn delivery(&self) -> Delivery {
        Delivery::from_flag(Le::get(at::<2, 1, HEADER>(self.0.header)))
    }

    /// The sequence number of the first message; in a heartbeat, of the next message to come.
    pub fn sequence(&self) -> u32 {
        Le::get(at::<4, 4, HEADER>(self.0.header))
    }

    /// The time of sending: seconds since 1970, and nanoseconds.
    pub fn send_time(&self) -> (u32, u32) {
        let seconds = Le::get(at::<8, 4, HEADER>(self.0.header));
        (seconds, Le::get(at::<12, 4, HEADER>(self.0.header)))
    }
}

impl<'b> Builder<'b> {
    /// Starts a packet whose first message has this sequence number. `time` is in seconds since 1970 and
    /// nanoseconds.
    ///
    /// # Errors
    /// `buffer` is shorter than the header.
    pub fn new(
        buffer: &'b mut [u8],
        delivery: Delivery,
        sequence: u32,
        time: (u32, u32),
    ) -> Result<Self, EmitError> {
        let mut header = [0; HEADER];
        put::<2, 1, HEADER>(&mut header, Le::put(delivery.flag()));
        put::<4, 4, HEADER>(&mut header, Le::put(sequence));
        put::<8, 4, HEADER>(&mut header, Le::put(time.0));
        put::<12, 4, HEADER>(&mut header, Le::put(time.1));
        PacketWriter::new(Layer::NyseXdp, buffer, &header).map(Self)
    }
}

/// Why a packet was sent: the delivery flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Delivery {
    /// It shows that the line is up, and which sequence number is next.
    Heartbeat,
    /// The publisher failed over.
    Failover,
    /// New messages.
    Original,
    /// Sequence numbers restart.
    SequenceReset,
    /// The only packet of a retransmission.
    Retransmission,
    /// A part of a retransmission.
    RetransmissionPart,
    /// The only packet of a refresh.
    Refresh,
    /// The first packet of a refresh.
    RefreshStart,
    /// A part of a refresh.
    RefreshPart,
    /// The last packet of a refresh.
    RefreshEnd,
    /// Messages are not available.
    Unavailable,
    /// A flag that is not in the specification.
    Other(u8),
}

impl Delivery {
    /// The reason with this flag in the header.
    pub const fn from_flag(flag: u8) -> Self {
        match flag {
            1 => Self::Heartbeat,
            10 => Self::Failover,
            11 => Self::Original,
            12 => Self::SequenceReset,
            13 => Self::Retransmission,
            15 => Self::RetransmissionPart,
            17 => Self::Refresh,
            18 => Self::RefreshStart,
            19 => Self::RefreshPart,
            20 => Self::RefreshEnd,
            21 => Self::Unavailable,
            other => Self::Other(other),
        }
    }

    /// The flag in the header.
    pub const fn flag(self) -> u8 {
        match self {
            Self::Heartbeat => 1,
            Self::Failover => 10,
            Self::Original => 11,
            Self::SequenceReset => 12,
            Self::Retransmission => 13,
            Self::RetransmissionPart => 15,
            Self::Refresh => 17,
            Self::RefreshStart => 18,
            Self::RefreshPart => 19,
            Self::RefreshEnd => 20,
            Self::Unavailable => 21,
            Self::Other(flag) => flag,
        }
    }
}
