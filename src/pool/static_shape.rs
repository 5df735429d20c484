//! The shape of a pool in a static, checked at compile time with a message that has the numbers.

use crate::pool::config::{PoolConfig, PoolLayout, Stride};
use crate::pool::error::ConfigError;

/// The largest alignment that [`Align`](crate::Align) can name.
const MAX_ALIGN: usize = 2 << 20;

/// What [`pool!`](crate::pool!) was given.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StaticShape {
    size: usize,
    count: usize,
    align: Option<usize>,
    stride: Option<Stride>,
    caches: Option<bool>,
    /// An option that was given twice.
    repeated: Option<&'static str>,
}

macro_rules! option {
    ($name:ident: $type:ty) => {
        /// Sets the option.
        pub const fn $name(mut self, value: $type) -> Self {
            if self.$name.is_some() {
                self.repeated = Some(stringify!($name));
            }
            self.$name = Some(value);
            self
        }
    };
}
#[cfg(feature = "packet")]
pub(crate) use option;

impl StaticShape {
    /// `count` blocks of `size` bytes, without options.
    pub const fn new(size: usize, count: usize) -> Self {
        Self {
            size,
            count,
            align: None,
            stride: None,
            caches: None,
            repeated: None,
        }
    }

    option!(align: usize);
    option!(stride: Stride);
    option!(caches: bool);

    /// Checks it.
    pub const fn layout(&self) -> Result<PoolLayout, WrongShape> {
        match self.config() {
            Ok(config) => match config.layout() {
                Ok(layout) => Ok(layout),
                Err(error) => Err(WrongShape::Config(error)),
            },
            Err(wrong) => Err(wrong),
        }
    }

    /// Checks the options alone.
    pub(crate) const fn config(&self) -> Result<PoolConfig, WrongShape> {
        if let Some(option) = self.repeated {
            return Err(WrongShape::Repeated(option));
        }
        let mut config = PoolConfig::new(self.size, self.count);
        if let Some(align) = self.align {
            if !align.is_power_of_two() || align > MAX_ALIGN {
                let max = MAX_ALIGN;
                return Err(WrongShape::Config(ConfigError::BadAlign {
                    asked: align,
                    max,
                }));
            }
            config = config.align(align);
        }
        if let Some(stride) = self.stride {
            config = config.stride(stride);
        }
        if let Some(false) = self.caches {
            config = config.without_caches();
        }
        Ok(config)
    }
}

/// Why there is no such pool.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WrongShape {
    Config(ConfigError),
    /// The option that was given twice.
    Repeated(&'static str),
}

impl WrongShape {
    /// Makes the text. That of an error is its `Display`.
    pub const fn message(&self) -> Message {
        match self {
            Self::Config(error) => Message::of(error),
            Self::Repeated(option) => Message::new()
                .text_of("the option `")
                .text_of(option)
                .text_of("` of a pool is given twice"),
        }
    }
}

/// Bytes of the longest message.
const ROOM: usize = 192;

/// A text that is made at compile time.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Message {
    /// Invariant: the first `len` bytes are UTF-8.
    bytes: [u8; ROOM],
    len: usize,
}

impl Message {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            len: 0,
        }
    }

    pub(crate) const fn of(error: &ConfigError) -> Self {
        let to = Self::new();
        match *error {
            ConfigError::ZeroBlockSize => to.text_of("a block must have at least one byte"),
            ConfigError::ZeroBlocks => to.text_of("a pool must have at least one block"),
            ConfigError::BlockTooLarge { asked, max } => to
                .text_of("a block size or stride of ")
                .number(asked)
                .text_of(" bytes exceeds the maximum, ")
                .number(max),
            ConfigError::TooManyBlocks { asked, max } => to
                .number(asked)
                .text_of(" blocks exceed the maximum on this target, ")
                .number(max),
            ConfigError::BadAlign { asked, max } => to
                .text_of("alignment ")
                .number(asked)
                .text_of(" is not a power of two of at most ")
                .number(max),
            ConfigError::BadStride {
                stride,
                block_size,
                align,
            } => to
                .text_of("stride ")
                .number(stride)
                .text_of(" is less than the block size ")
                .number(block_size)
                .text_of(", or not a multiple of the alignment ")
                .number(align),
            ConfigError::Overflow { count, stride } => to
                .number(count)
                .text_of(" blocks at a stride of ")
                .number(stride)
                .text_of(" bytes exceed the address space"),
            // A static has neither a region nor a magazine size of its own.
            ConfigError::BadMagazine { .. }
            | ConfigError::RegionTooSmall { .. }
            | ConfigError::OutOfMemory { .. } => to.text_of("the shape of the pool is invalid"),
        }
    }

    /// The text so far.
    pub const fn text(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // Whole texts alone are added.
            Err(_) => "",
        }
    }

    pub(crate) const fn text_of(mut self, text: &str) -> Self {
        let mut rest = text.as_bytes();
        while let [first, more @ ..] = rest {
            self = self.push(*first);
            rest = more;
        }
        self
    }

    pub(crate) const fn number(mut self, n: usize) -> Self {
        if n >= 10 {
            self = self.number(n / 10);
        }
        self.push(b'0' + (n % 10) as u8)
    }

    /// Adds an ASCII character. A text that is too long is cut.
    const fn push(mut self, byte: u8) -> Self {
        if self.len < ROOM {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        self
    }
}

describe!(Message as Message { text });

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn refused(shape: StaticShape) -> std::string::String {
        shape.layout().unwrap_err().message().text().to_string()
    }

    #[test]
    fn a_wrong_shape_says_what_is_wrong_and_the_limit() {
        let shape = StaticShape::new;
        assert_eq!(refused(shape(0, 4)), "a block must have at least one byte");
        assert_eq!(refused(shape(64, 0)), "a pool must have at least one block");
        for align in [48, 0, 4 << 20, 3 << 30] {
            let said = refused(shape(64, 4).align(align));
            let limit = "is not a power of two of at most 2097152";
            assert_eq!(said, std::format!("alignment {align} {limit}"));
        }
        let stride = Stride::Bytes(48);
        assert_eq!(
            refused(shape(64, 4).align(64).caches(true).stride(stride)),
            "stride 48 is less than the block size 64, or not a multiple of the alignment 64"
        );
    }

    #[test]
    fn messages_are_those_of_the_errors() {
        for config in [
            PoolConfig::new(0, 1),
            PoolConfig::new(1, 0),
            PoolConfig::new(usize::MAX, 1),
            PoolConfig::new(1, usize::MAX),
            PoolConfig::new(64, 1).align(usize::MAX),
            PoolConfig::new(64, 1).stride(Stride::Bytes(65)),
        ] {
            let error = config.layout().unwrap_err();
            assert_eq!(Message::of(&error).text(), error.to_string());
        }
        let (count, stride) = (usize::MAX, usize::MAX);
        let longest = ConfigError::Overflow { count, stride };
        assert_eq!(Message::of(&longest).text(), longest.to_string());
        let (block_size, align) = (stride, stride);
        let longest = ConfigError::BadStride {
            stride,
            block_size,
            align,
        };
        assert_eq!(Message::of(&longest).text(), longest.to_string());
    }

    #[test]
    fn an_option_given_twice_is_named() {
        let shape = StaticShape::new(64, 4);
        assert_eq!(
            refused(shape.stride(Stride::Exact).align(64).stride(Stride::Exact)),
            "the option `stride` of a pool is given twice"
        );
        assert!(refused(shape.caches(true).caches(true)).contains("`caches`"));
        let all = shape.caches(false).align(128).stride(Stride::Exact);
        let layout = all.layout().unwrap();
        assert_eq!((layout.stride(), layout.magazine()), (128, 0));
        let plain = PoolConfig::new(64, 4).layout().unwrap();
        assert_eq!(shape.layout(), Ok(plain));
    }
}
