//! framepool's heap. Its state is in the 64 KiB.
#![no_std]
#![no_main]

framepool::heap!(
    #[global_allocator]
    static HEAP: sizes::LEN,
    lock = framepool::heap::CriticalSection
);

sizes::program!({});
