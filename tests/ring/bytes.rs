//! Rings of bytes as text and as streams.

use std::io::{ErrorKind, Read, Write};
use std::thread;

use framepool::ring::{self, flags};

/// Short reads and writes, the end of the stream, and what would block: `$allocate` makes the ends of a ring.
macro_rules! streams {
    ($name:ident, $allocate:path) => {
        #[test]
        fn $name() {
            let (mut tx, mut rx) = $allocate(4).unwrap();
            let mut out = [0; 8];
            assert_eq!(rx.read(&mut out).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert_eq!(rx.read(&mut []).unwrap(), 0);
            assert_eq!(tx.write(b"abcdef").unwrap(), 4);
            assert_eq!(
                Write::write(&mut tx, b"ef").unwrap_err().kind(),
                ErrorKind::WouldBlock
            );
            assert_eq!(tx.write(&[]).unwrap(), 0);
            tx.flush().unwrap();
            assert_eq!(rx.read(&mut out[..3]).unwrap(), 3);
            assert_eq!(tx.write(b"ef").unwrap(), 2);
            assert_eq!(rx.read(&mut out[3..]).unwrap(), 3);
            assert_eq!(&out[..6], b"abcdef");
            // What is left is read before the end.
            tx.write_all(b"gh").unwrap();
            drop(tx);
            assert_eq!(rx.read(&mut out[..1]).unwrap(), 1);
            assert_eq!(rx.read(&mut out[1..]).unwrap(), 1);
            assert_eq!((rx.read(&mut out).unwrap(), &out[..2]), (0, &b"gh"[..]));
            assert_eq!(rx.read(&mut out).unwrap(), 0);
            // A pipe without a reader is broken, also while there is room.
            let (mut tx, rx) = $allocate(4).unwrap();
            drop(rx);
            assert_eq!(
                Write::write(&mut tx, b"a").unwrap_err().kind(),
                ErrorKind::BrokenPipe
            );
            assert!(tx.is_empty());
        }

        mod $name {
            use super::*;

            #[test]
            fn a_stream_goes_from_thread_to_thread() {
                let count = if cfg!(miri) { 200 } else { 100_000 };
                let (mut tx, mut rx) = $allocate(64).unwrap();
                thread::scope(|scope| {
                    scope.spawn(move || {
                        let mut next = 0_usize;
                        while next < count {
                            let bytes: Vec<u8> = (next..count).take(50).map(|i| i as u8).collect();
                            match tx.write(&bytes) {
                                Ok(n) => next += n,
                                Err(e) if e.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                                Err(e) => panic!("{e}"),
                            }
                        }
                    });
                    let (mut next, mut out) = (0_usize, [0; 40]);
                    loop {
                        match rx.read(&mut out) {
                            Ok(0) => break,
                            Ok(n) => {
                                let expected = (next..).map(|i| i as u8);
                                assert!(out[..n].iter().copied().eq(expected.take(n)));
                                next += n;
                            }
                            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                            Err(e) => panic!("{e}"),
                        }
                    }
                    assert_eq!(next, count);
                });
            }
        }
    };
}

streams!(a_ring_of_bytes_is_a_stream, ring::allocate);
streams!(a_ring_of_bytes_with_flags_is_a_stream, flags::allocate);

/// Both traits `Write` have a `write_fmt`, so this module has only one of them in scope.
mod text {
    use std::fmt::Write;
    use std::io::{ErrorKind, Read};

    use framepool::ring::{self, Ring, flags};

    macro_rules! whole_pieces {
        ($name:ident, $allocate:path) => {
            #[test]
            fn $name() {
                let (mut tx, mut rx) = $allocate(8).unwrap();
                write!(tx, "{}-{}", 12, 345).unwrap();
                let mut out = [0; 8];
                assert_eq!((rx.read(&mut out).unwrap(), &out[..6]), (6, &b"12-345"[..]));
                tx.write_str("grün").unwrap();
                // Its first byte would fit, and so would three of its bytes.
                assert!(tx.write_str("€uro").is_err());
                assert_eq!((tx.len(), tx.stats().refused), (5, 1));
                tx.write_str("€").unwrap();
                let mut text = String::new();
                drop(tx);
                rx.read_to_string(&mut text).unwrap();
                assert_eq!(text, "grün€");
            }
        };
    }

    whole_pieces!(text_goes_in_by_whole_pieces, ring::allocate);
    whole_pieces!(text_goes_in_by_whole_pieces_with_flags, flags::allocate);

    /// A producer that is put back is not gone: the stream goes on.
    #[test]
    fn a_stream_does_not_end_with_a_producer_that_is_put_back() {
        static LOG: Ring<u8, 16> = Ring::new();
        let mut rx = LOG.consumer().unwrap();
        let mut out = [0; 16];
        for i in 0..3 {
            writeln!(LOG.producer().unwrap(), "line {i}").unwrap();
            let n = rx.read(&mut out).unwrap();
            assert_eq!(out[..n], *format!("line {i}\n").as_bytes());
            let error = rx.read(&mut out).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    }
}
