//! A block and the number of its bytes that hold a frame.

use core::fmt;

use framepool::Block;

/// A frame in a block. It moves from the interrupt to the main loop; its bytes stay where the interrupt put them.
pub struct Frame {
    block: Block<'static>,
    /// Bytes of the frame. The first `len` bytes of `block` are initialised.
    len: usize,
}

impl Frame {
    /// Stores the words of a frame of `len` bytes. Takes no more words than fit into the block.
    pub fn from_words(
        mut block: Block<'static>,
        len: usize,
        words: impl Iterator<Item = u32>,
    ) -> Self {
        let mut written = 0;
        for (place, word) in block.as_uninit_mut().chunks_exact_mut(4).zip(words) {
            for (to, byte) in place.iter_mut().zip(word.to_le_bytes()) {
                to.write(byte);
            }
            written += 4;
        }
        let len = len.min(written);
        Self { block, len }
    }

    /// The frame's bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised, as the field states.
        unsafe { self.block.assume_init(self.len) }
    }

    /// The frame's bytes, for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { self.block.assume_init_mut(self.len) }
    }

    /// Cuts the frame to `len` bytes, if it is longer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// Text is appended to the frame. It is an error if the block has no room for it.
impl fmt::Write for Frame {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.block.as_uninit_mut().get_mut(self.len..end);
        for (to, byte) in room.ok_or(fmt::Error)?.iter_mut().zip(text.bytes()) {
            to.write(byte);
        }
        self.len = end;
        Ok(())
    }
}
