//! The shape of a packet pool in a static, checked at compile time with a message that has the numbers.

use crate::packet::config::{PacketConfig, PacketLayout};
use crate::packet::error::PacketPoolError;
use crate::pool::StaticShape;
use crate::pool::config::Stride;
use crate::pool::static_shape::{Message, WrongShape, option};

/// What [`packet_pool!`](crate::packet_pool!) was given: a method for each option.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PacketPoolOptions {
    blocks: StaticShape,
    headroom: Option<usize>,
    side: Option<usize>,
    /// An option that was given twice.
    repeated: Option<&'static str>,
}

macro_rules! option_of_blocks {
    ($name:ident: $type:ty) => {
        /// Sets the option.
        pub const fn $name(mut self, value: $type) -> Self {
            self.blocks = self.blocks.$name(value);
            self
        }
    };
}

impl PacketPoolOptions {
    /// `count` blocks of `size` bytes, without options.
    pub const fn new(size: usize, count: usize) -> Self {
        Self {
            blocks: StaticShape::new(size, count),
            headroom: None,
            side: None,
            repeated: None,
        }
    }

    option_of_blocks!(align: usize);
    option_of_blocks!(stride: Stride);
    option_of_blocks!(caches: bool);
    option!(headroom: usize);
    option!(side: usize);

    /// Checks them.
    pub const fn layout(&self) -> Result<PacketLayout, WrongPackets> {
        if let Some(option) = self.repeated {
            return Err(WrongPackets::Blocks(WrongShape::Repeated(option)));
        }
        let mut config = match self.blocks.config() {
            Ok(blocks) => PacketConfig::of(blocks),
            Err(wrong) => return Err(WrongPackets::Blocks(wrong)),
        };
        if let Some(bytes) = self.headroom {
            config = config.headroom(bytes);
        }
        if let Some(lines) = self.side {
            config = config.side(lines);
        }
        match config.layout() {
            Ok(layout) => Ok(layout),
            Err(error) => Err(WrongPackets::Packets(error)),
        }
    }
}

/// Why there is no such pool.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WrongPackets {
    Blocks(WrongShape),
    Packets(PacketPoolError),
}

impl WrongPackets {
    /// Makes the text. That of an error is its `Display`.
    pub const fn message(&self) -> Message {
        match self {
            Self::Blocks(wrong) => wrong.message(),
            Self::Packets(PacketPoolError::Config(error)) => Message::of(error),
            Self::Packets(PacketPoolError::Headroom {
                headroom,
                block_size,
            }) => Message::new()
                .text_of("a headroom of ")
                .number(*headroom)
                .text_of(" bytes does not fit a block of ")
                .number(*block_size),
            Self::Packets(PacketPoolError::TooManyLines { blocks, side, max }) => Message::new()
                .number(*blocks)
                .text_of(" blocks and ")
                .number(*side)
                .text_of(" side lines exceed the maximum, ")
                .number(*max)
                .text_of(" lines"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn refused(options: PacketPoolOptions) -> std::string::String {
        options.layout().unwrap_err().message().text().to_string()
    }

    #[test]
    fn messages_are_those_of_the_errors() {
        for (size, count, headroom, side) in [
            (65_536, 4, 0, 0),
            (64, 0, 0, 0),
            (64, 4, 65, 0),
            (64, 4, 0, usize::MAX),
        ] {
            let config = PacketConfig::new(size, count);
            let error = config.headroom(headroom).side(side).layout().unwrap_err();
            let options = PacketPoolOptions::new(size, count);
            let said = refused(options.headroom(headroom).side(side));
            assert_eq!(said, error.to_string());
        }
    }

    #[test]
    fn an_option_given_twice_is_named() {
        let options = PacketPoolOptions::new(64, 4);
        let said = refused(options.side(1).align(8).side(1));
        assert_eq!(said, "the option `side` of a pool is given twice");
        assert!(refused(options.headroom(1).headroom(2)).contains("`headroom`"));
        assert!(refused(options.caches(true).caches(true)).contains("`caches`"));
    }

    #[test]
    fn every_option_reaches_the_layout() {
        let options = PacketPoolOptions::new(100, 8);
        let plain = PacketConfig::new(100, 8).layout();
        assert_eq!(options.layout().unwrap(), plain.unwrap());
        let all = (options.caches(false).stride(Stride::Bytes(256)).align(128))
            .side(3)
            .headroom(20);
        let layout = all.layout().unwrap();
        let blocks = layout.blocks();
        assert_eq!(
            (blocks.magazine(), blocks.stride(), blocks.block_align()),
            (0, 256, 128)
        );
        assert_eq!((layout.side(), layout.headroom()), (3, 20));
    }
}
