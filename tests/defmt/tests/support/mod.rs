//! Writes a log of one line, and reads it back.

use std::sync::{LazyLock, Mutex, PoisonError};

use defmt::{Encoder, Format};
use defmt_decoder::Table;

static BYTES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ENCODER: Mutex<Encoder> = Mutex::new(Encoder::new());

fn keep(bytes: &[u8]) {
    BYTES.lock().unwrap().extend_from_slice(bytes);
}

#[defmt::global_logger]
struct Capture;

// SAFETY: `render` logs from one thread at a time, which is what `acquire` has to see to.
unsafe impl defmt::Logger for Capture {
    fn acquire() {
        ENCODER.lock().unwrap().start_frame(keep);
    }

    unsafe fn flush() {}

    unsafe fn release() {
        ENCODER.lock().unwrap().end_frame(keep);
    }

    unsafe fn write(bytes: &[u8]) {
        ENCODER.lock().unwrap().write(bytes, keep);
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let elf = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    Table::parse(&elf)
        .unwrap()
        .expect("there is a .defmt section")
});

/// What a log line with the value says.
pub fn render(value: impl Format) -> String {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    defmt::println!("{}", value);
    let bytes = std::mem::take(&mut *BYTES.lock().unwrap());
    let mut decoder = TABLE.new_stream_decoder();
    decoder.received(&bytes);
    decoder.decode().unwrap().display_message().to_string()
}
