//! What `packet_pool!` makes of attributes and options.

use framepool::packet::PacketPool;

/// Documentation that did not reach the pool would be missed.
pub mod documented {
    #![deny(missing_docs)]

    framepool::packet_pool! {
        /// What the card receives.
        #[unsafe(link_section = ".bss.received")]
        /// Attributes of the pool may follow those of its memory.
        #[cfg(all())]
        #[allow(non_upper_case_globals)]
        pub static received: [256; 4], headroom = 16
    }
}

framepool::packet_pool! {
    /// Gone, with all of its parts: nothing that it names exists.
    #[unsafe(link_section = ".bss.gone")]
    #[cfg(any())]
    pub static GONE: [MISSING; MISSING], side = MISSING
}

/// The name is free.
const GONE: usize = 3;

framepool::packet_pool!(static GIVEN: [300; GONE + 1], side = 2, align = 128, headroom = GONE,);

#[test]
fn attributes_reach_the_pool_and_its_memory() {
    let first = &documented::received;
    let packets: [&PacketPool<'_>; 2] = [first, &GIVEN];
    assert_eq!(packets.map(|it| it.headroom()), [16, 3]);
    assert_eq!(packets.map(|it| it.capacity()), [4, 4]);
    assert_eq!((GIVEN.side(), GIVEN.block_align()), (2, 128));
    assert_eq!(first.alloc().unwrap().tailroom(), 240);
}
