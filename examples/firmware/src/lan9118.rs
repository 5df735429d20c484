//! The Ethernet controller LAN9118 (Microchip DS00002266), as far as this firmware needs it.
//!
//! The controller has two ends, which use different registers: [`Receiver`] belongs to the interrupt,
//! [`Transmitter`] to the main loop. Frames go through FIFOs that the processor reads and writes word by word.

use core::ptr;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const TX_STATUS: usize = 0x48;
const ID_REV: usize = 0x50;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5C;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7C;
const TX_FIFO_INF: usize = 0x80;
const MAC_COMMAND: usize = 0xA4;
const MAC_DATA: usize = 0xA8;

/// Registers of the MAC, reached through `MAC_COMMAND`.
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;

/// `INT_STS`, `INT_EN`: the receive FIFO holds more frames than `FIFO_INT` states (none).
const RECEIVED: u32 = 1 << 3;
/// `RX_STATUS`: the frame has an error.
const RX_ERROR: u32 = 1 << 15;
/// The frame check sequence, which the length in `RX_STATUS` includes.
const FCS: usize = 4;

/// There is no LAN9118 at the address.
pub struct NotFound;

/// Resets the controller, gives it its Ethernet address and starts it.
///
/// # Safety
/// `base` is the address of a device's registers, 0x100 bytes that may be read and written as words, and nothing else
/// uses them. If the device is not a LAN9118, reading `BYTE_TEST` and `ID_REV` does no harm.
pub unsafe fn start(base: usize, mac: [u8; 6]) -> Result<(Receiver, Transmitter), NotFound> {
    let registers = Registers { base };
    if registers.read(BYTE_TEST) != 0x8765_4321 || registers.read(ID_REV) >> 16 != 0x0118 {
        return Err(NotFound);
    }
    registers.write(HW_CFG, 1);
    while registers.read(HW_CFG) & 1 != 0 {}

    let [a, b, c, d, e, f] = mac;
    registers.write_mac(MAC_ADDRESS_LOW, u32::from_le_bytes([a, b, c, d]));
    registers.write_mac(MAC_ADDRESS_HIGH, u32::from_le_bytes([e, f, 0, 0]));
    // Full duplex, transmitter, receiver.
    registers.write_mac(MAC_CONTROL, 1 << 20 | 1 << 3 | 1 << 2);
    registers.write(TX_CFG, 1 << 1);

    // One interrupt for each frame: push-pull, active high, enabled, at level 0.
    registers.write(FIFO_INT, 0);
    registers.write(INT_STS, u32::MAX);
    registers.write(INT_EN, RECEIVED);
    registers.write(IRQ_CFG, 0x111);
    Ok((Receiver(registers), Transmitter(Registers { base })))
}

/// The receiving end.
pub struct Receiver(Registers);

impl Receiver {
    /// Clears the interrupt. A frame that arrives later raises it again, so clear it before looking for frames.
    pub fn acknowledge(&mut self) {
        self.0.write(INT_STS, RECEIVED);
    }

    /// The next frame that has arrived.
    pub fn next(&mut self) -> Option<Arrival<'_>> {
        if self.0.read(RX_FIFO_INF) >> 16 & 0xFF == 0 {
            return None;
        }
        let status = self.0.read(RX_STATUS);
        let len = (status >> 16 & 0x3FFF) as usize;
        Some(Arrival {
            registers: &mut self.0,
            len: len.saturating_sub(FCS),
            words_left: len.div_ceil(4),
            is_good: status & RX_ERROR == 0 && len > FCS,
        })
    }
}

/// A frame in the receive FIFO: an iterator over its words. Dropping it discards the words that were not read.
pub struct Arrival<'r> {
    registers: &'r mut Registers,
    len: usize,
    words_left: usize,
    is_good: bool,
}

impl Arrival<'_> {
    /// Bytes of the frame, without the frame check sequence.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the controller found no error in the frame.
    pub fn is_good(&self) -> bool {
        self.is_good
    }
}

impl Iterator for Arrival<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.words_left = self.words_left.checked_sub(1)?;
        Some(self.registers.read(RX_DATA))
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

/// The sending end.
pub struct Transmitter(Registers);

/// The transmit FIFO has no room for the frame.
pub struct NoRoom;

impl Transmitter {
    /// Copies a frame to the transmit FIFO; the controller adds padding and the frame check sequence.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), NoRoom> {
        let info = self.0.read(TX_FIFO_INF);
        for _ in 0..info >> 16 & 0xFF {
            self.0.read(TX_STATUS);
        }
        // Two command words and the rounding come with each frame.
        if (info & 0xFFFF) as usize <= frame.len() + 12 {
            return Err(NoRoom);
        }
        let len = frame.len() as u32;
        // One buffer holds the whole frame: first segment, last segment.
        self.0.write(TX_DATA, 1 << 13 | 1 << 12 | len);
        self.0.write(TX_DATA, len << 16 | len);
        for bytes in frame.chunks(4) {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            self.0.write(TX_DATA, u32::from_le_bytes(word));
        }
        Ok(())
    }
}

/// The registers of a LAN9118 at `base`, as [`start`]'s caller promised.
struct Registers {
    base: usize,
}

impl Registers {
    fn read(&self, register: usize) -> u32 {
        // SAFETY: `start`'s caller promised the device; `register` is one of the constants above.
        unsafe { ptr::read_volatile(ptr::with_exposed_provenance(self.base + register)) }
    }

    fn write(&self, register: usize, value: u32) {
        // SAFETY: as in `read`.
        unsafe {
            ptr::write_volatile(
                ptr::with_exposed_provenance_mut(self.base + register),
                value,
            )
        }
    }

    fn write_mac(&self, register: u32, value: u32) {
        self.write(MAC_DATA, value);
        self.write(MAC_COMMAND, 1 << 31 | register);
        while self.read(MAC_COMMAND) >> 31 != 0 {}
    }
}
