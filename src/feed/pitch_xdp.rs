//! The framing that PITCH and XDP share: a header that states the packet's length and the number of its
//! messages, then messages that each state their own length.
//!
//! ```text
//!  ┌────────┬───────────────┬─────┬──────┬────────┬─────┬──────┬────────┬──
//!  │ length │ … count …     │ len │ type │ fields │ len │ type │ fields │ …     lengths count themselves,
//!  └────────┴───────────────┴─────┴──────┴────────┴─────┴──────┴────────┴──     their least byte first
//!      2       HEADER - 2    WIDTH  WIDTH
//! ```
//!
//! The macro `packets!` makes a feed's `Packet`, `Messages` and `Builder` of the generic parts here.

use super::emit::{EmitError, Writer};
use crate::wire::error::{Layer, ParseError};

/// Bytes of the packet's own length.
const LENGTH: usize = 2;
/// The maximum number of messages that a header can count.
const MAX_MESSAGES: usize = u8::MAX as usize;

/// A packet: its header, its messages, and the bytes after it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a, const HEADER: usize> {
    pub(super) header: &'a [u8; HEADER],
    pub(super) body: &'a [u8],
    pub(super) rest: &'a [u8],
}

impl<'a, const HEADER: usize> Parts<'a, HEADER> {
    /// The packet that `bytes` begin with.
    pub(super) fn parse(layer: Layer, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let short = |needed| ParseError::truncated(layer, 0, needed, bytes.len());
        let (header, rest) = bytes.split_first_chunk().ok_or(short(HEADER))?;
        let length = little::<LENGTH>(header).unwrap_or_default();
        let Some(body) = length.checked_sub(HEADER) else {
            let most = u16::MAX.into();
            return Err(ParseError::bad_length(layer, 0, length, HEADER, most));
        };
        let (body, rest) = rest.split_at_checked(body).ok_or(short(length))?;
        Ok(Self { header, body, rest })
    }

    /// Iterates over the messages; the header states `count`.
    pub(super) const fn walk<const WIDTH: usize>(&self, count: u8) -> Walk<'a, WIDTH> {
        Walk {
            rest: self.body,
            end: HEADER + self.body.len(),
            left: count,
        }
    }
}

/// The first `N` bytes as an integer.
#[inline(always)]
fn little<const N: usize>(bytes: &[u8]) -> Option<usize> {
    let bytes = bytes.first_chunk::<N>()?;
    let add = |sum, byte: &u8| sum << 8 | usize::from(*byte);
    Some(bytes.iter().rev().fold(0, add))
}

/// Iterates over messages whose lengths and types have `WIDTH` bytes each. Offsets in errors count from the
/// packet's first byte.
#[derive(Clone)]
pub(super) struct Walk<'a, const WIDTH: usize> {
    rest: &'a [u8],
    end: usize,
    left: u8,
}

impl<'a, const WIDTH: usize> Walk<'a, WIDTH> {
    /// Bytes of a length and a type: the minimum length of a message.
    const PREFIX: usize = 2 * WIDTH;

    /// The next message. After an error there is none, as its start is unknown.
    #[inline(always)]
    pub(super) fn next(&mut self, layer: Layer) -> Option<Result<&'a [u8], ParseError>> {
        self.left = self.left.checked_sub(1)?;
        let len = little::<WIDTH>(self.rest).filter(|&len| len >= Self::PREFIX);
        if let Some((message, rest)) = len.and_then(|len| self.rest.split_at_checked(len)) {
            self.rest = rest;
            return Some(Ok(message));
        }
        Some(Err(self.cut(layer)))
    }

    #[cold]
    fn cut(&mut self, layer: Layer) -> ParseError {
        self.left = 0;
        let (offset, available) = (self.offset(), self.rest.len());
        let stated = little::<WIDTH>(self.rest).unwrap_or(Self::PREFIX);
        if stated < Self::PREFIX {
            let most = (1 << (8 * WIDTH)) - 1;
            return ParseError::bad_length(layer, offset, stated, Self::PREFIX, most);
        }
        ParseError::truncated(layer, offset, stated, available)
    }

    /// The offset of the next message.
    pub(super) const fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    /// The bytes that were not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// Writes a packet into a buffer of the caller.
pub(super) struct PacketWriter<'b> {
    layer: Layer,
    buffer: &'b mut [u8],
    len: usize,
    count: u8,
}

impl<'b> PacketWriter<'b> {
    /// Starts a packet with this header. [`finish`](Self::finish) fills in its length and count.
    pub(super) fn new(
        layer: Layer,
        buffer: &'b mut [u8],
        header: &[u8],
    ) -> Result<Self, EmitError> {
        Writer::new(layer, buffer).put(header)?;
        Ok(Self {
            layer,
            buffer,
            len: header.len(),
            count: 0,
        })
    }

    /// The number of messages so far.
    pub(super) const fn count(&self) -> u8 {
        self.count
    }

    /// Appends the message that `emit` writes; `emit` returns its length. If that fails, the packet is
    /// unchanged, and lengths in the error are those of the whole packet.
    pub(super) fn push(
        &mut self,
        emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
    ) -> Result<(), EmitError> {
        let too_long = EmitError::TooLong {
            layer: self.layer,
            len: MAX_MESSAGES + 1,
            most: MAX_MESSAGES,
        };
        let more = self.count.checked_add(1).ok_or(too_long)?;
        let available = self.buffer.len();
        let end = available.min(u16::MAX.into());
        let space = self.buffer.get_mut(self.len..end).unwrap_or_default();
        let room = space.len();
        let start = self.len;
        let no_room = |layer, written: usize| {
            let needed = start.saturating_add(written);
            let most = u16::MAX.into();
            match needed > most && available > most {
                // More room would not help: the length field holds no more.
                true => EmitError::TooLong {
                    layer,
                    len: needed,
                    most,
                },
                false => EmitError::NoRoom {
                    layer,
                    needed,
                    available,
                },
            }
        };
        let written = emit(space).map_err(|error| match error {
            EmitError::NoRoom { layer, needed, .. } => no_room(layer, needed),
            other => other,
        })?;
        if written > room {
            return Err(no_room(self.layer, written));
        }
        (self.len, self.count) = (self.len + written, more);
        Ok(())
    }

    /// The packet's bytes. The count is at `count_at` in the header.
    pub(super) fn finish(self, count_at: usize) -> &'b [u8] {
        if let Some(length) = self.buffer.first_chunk_mut::<LENGTH>() {
            *length = (self.len as u16).to_le_bytes();
        }
        if let Some(count) = self.buffer.get_mut(count_at) {
            *count = self.count;
        }
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

/// Makes a feed's `Packet`, `Messages` and `Builder`.
///
/// `kind` is the integer type of the fields for a message's type and length; `header` is the length of the
/// header, and `count` the offset of the number of messages in it.
macro_rules! packets {
    (
        layer: $layer:ident;
        kind: $kind:ty;
        header: $header:literal;
        count: $count:literal;
        $(#[$packet_doc:meta])*
        Packet;
        $(#[$builder_doc:meta])*
        Builder;
    ) => {
        /// Length of the header in bytes.
        pub const HEADER: usize = $header;
        /// The offset of the number of messages.
        const COUNT: usize = $count;

        $(#[$packet_doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct Packet<'a>(Parts<'a, HEADER>);

        impl<'a> Packet<'a> {
            /// Reads the packet at the start of `bytes`: the payload of a UDP datagram, or the bytes of a stream
            /// that have arrived.
            ///
            /// # Errors
            /// There are fewer bytes than the header has or states, or the stated length is less than the
            /// header's.
            pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
                Parts::parse(Layer::$layer, bytes).map(Self)
            }

            /// The number of messages that the header states.
            pub fn count(&self) -> u8 {
                Le::get(at::<COUNT, 1, HEADER>(self.0.header))
            }

            /// The bytes after the packet. In multicast there are none.
            pub const fn rest(&self) -> &'a [u8] {
                self.0.rest
            }

            /// Iterates over the messages.
            pub fn messages(&self) -> Messages<'a> {
                Messages(self.0.walk(self.count()))
            }
        }

        /// Iterates over the messages of a packet. Offsets in errors count from the packet's first byte.
        ///
        /// An unknown type, or a message too short for its type, is an error, and the next message follows. An
        /// impossible length is an error that ends the iteration.
        #[derive(Clone)]
        pub struct Messages<'a>(Walk<'a, { size_of::<$kind>() }>);

        describe!(Messages<'_> as Messages { offset, rest });

        impl<'a> Messages<'a> {
            /// The type and all bytes of the next message, whether or not its type is known.
            pub fn next_raw(&mut self) -> Option<Result<($kind, &'a [u8]), ParseError>> {
                let message = self.0.next(Layer::$layer)?;
                Some(message.and_then(|message| Ok((kind_of(message)?, message))))
            }

            /// The next message with its type and length checked, without a branch on its type. With
            /// [`Raw::values`] this is the fastest way to read messages.
            ///
            /// # Errors
            /// As for [`Message::parse`]; or the packet ends before the message does.
            #[inline]
            pub fn next_checked(&mut self) -> Option<Result<Raw<'a>, ParseError>> {
                let (at, window) = (self.offset(), self.0.rest());
                Some(match self.0.next(Layer::$layer)? {
                    Ok(bytes) => match Raw::fitting(bytes, window) {
                        Some(message) => Ok(message),
                        None => Raw::parse(bytes).map_err(|error| error.shifted(at)),
                    },
                    Err(error) => Err(error),
                })
            }

            /// The offset of the next message in the packet.
            pub const fn offset(&self) -> usize {
                self.0.offset()
            }

            /// The bytes that were not read yet. There are none after the last message of a correct packet.
            pub const fn rest(&self) -> &'a [u8] {
                self.0.rest()
            }
        }

        impl<'a> Iterator for Messages<'a> {
            type Item = Result<Message<'a>, ParseError>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let at = self.offset();
                let message = self.0.next(Layer::$layer)?;
                Some(message.and_then(|bytes| {
                    Message::parse(bytes).map_err(|error| error.shifted(at))
                }))
            }
        }

        impl core::iter::FusedIterator for Messages<'_> {}

        $(#[$builder_doc])*
        pub struct Builder<'b>(PacketWriter<'b>);

        describe!(Builder<'_> as Builder { count });

        impl<'b> Builder<'b> {
            /// Appends the message that `emit` writes; `emit` returns its length.
            ///
            /// # Errors
            /// The error of `emit`, with the lengths in [`EmitError::NoRoom`] counted from the packet's start;
            /// [`EmitError::TooLong`] if the packet would have more than 255 messages or 65,535 bytes. The packet
            /// is then unchanged.
            pub fn push(
                &mut self,
                emit: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
            ) -> Result<(), EmitError> {
                self.0.push(emit)
            }

            /// The number of messages so far.
            pub const fn count(&self) -> u8 {
                self.0.count()
            }

            /// Finishes the packet and returns its bytes.
            pub fn finish(self) -> &'b [u8] {
                self.0.finish(COUNT)
            }
        }
    };
}

pub(super) use packets;
