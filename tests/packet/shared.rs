//! Handles that share a packet.

use framepool::packet::*;

use crate::{in_use, pool};

#[test]
fn clones_end_at_the_maximum_and_the_packet_is_freed_once() {
    if cfg!(miri) {
        return;
    }
    let packets = pool(256, 2);
    let one = packets.alloc_from(b"data").unwrap().share();
    let mut others: Vec<_> = (1..Shared::MAX).map(|_| one.try_clone().unwrap()).collect();
    assert_eq!(one.handles(), Shared::MAX);
    assert_eq!(
        one.try_clone().unwrap_err(),
        TooManyShares { max: Shared::MAX }
    );
    others.pop();
    others.push(one.try_clone().unwrap());
    assert!(one.try_clone().is_err());
    drop(one);
    assert_eq!(
        (in_use(&packets), others[0].bytes()),
        ((1, 0), &b"data"[..])
    );
    drop(others);
    assert_eq!(
        (in_use(&packets), packets.stats().blocks.frees),
        ((0, 0), 1)
    );
}

#[test]
fn only_the_last_handle_becomes_exclusive() {
    let packets = pool(256, 2);
    let one = packets.alloc_from(b"data").unwrap().share();
    let two = one.try_clone().unwrap();
    let one = one.into_unique().unwrap_err();
    drop(one);
    let mut packet = two.into_unique().unwrap();
    packet.bytes_mut().fill(1);
    assert!(packet.is_whole());
}

#[test]
fn a_write_through_one_handle_copies_and_the_other_stays() {
    let packets = pool(256, 2);
    let one = packets.alloc_from(b"data").unwrap();
    let one = one.share();
    let mut two = one.try_clone().unwrap().make_unique(&mut &packets).unwrap();
    two.bytes_mut()[0] = b'D';
    assert_eq!((one.bytes(), two.bytes()), (&b"data"[..], &b"Data"[..]));
    // No block for another copy: the handle comes back.
    let refused = one
        .try_clone()
        .unwrap()
        .make_unique(&mut &packets)
        .unwrap_err();
    assert!(matches!(refused.reason(), FromBytesError::Exhausted(_)));
    assert_eq!(refused.into_inner().bytes(), b"data");
    drop((one, two));
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_slice_keeps_the_block_and_is_not_exclusive_beside_the_whole() {
    let packets = pool(256, 2);
    let whole = packets.alloc_from(b"0123456789").unwrap().share();
    let middle = whole.slice(3..7).unwrap();
    assert_eq!(middle.bytes(), b"3456");
    let inner = middle.slice(1..2).unwrap();
    assert_eq!((inner.bytes(), in_use(&packets)), (&b"4"[..], (1, 2)));
    assert!(matches!(middle.slice(3..5), Err(SplitError::PastEnd(_))));
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = middle.slice(3..2).unwrap_err();
    assert_eq!(reversed, SplitError::Reversed { start: 3, end: 2 });
    // One handle each, but the same bytes.
    let middle = middle.into_unique().unwrap_err();
    let whole = whole.into_unique().unwrap_err();
    let inner = inner.into_unique().unwrap_err();
    drop(whole);
    let middle = middle.into_unique().unwrap_err();
    drop(inner);
    let mut middle = middle.into_unique().unwrap();
    middle.bytes_mut().fill(b'x');
    assert!(middle.append(1).is_err(), "its window is the slice");
    drop(middle);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn parts_of_a_split_packet_are_shared_apart() {
    let packets = pool(256, 2);
    let mut head = packets.alloc_from(b"headtail").unwrap();
    let tail = head.split_off(4).unwrap().share();
    let more = tail.try_clone().unwrap();
    assert_eq!((tail.handles(), in_use(&packets)), (2, (1, 1)));
    drop(more);
    // The other part is not in the way.
    let mut tail = tail.into_unique().unwrap();
    tail.bytes_mut().fill(b'T');
    head.bytes_mut().fill(b'H');
    let head = head.share();
    assert!(head.into_unique().is_ok());
    assert_eq!(tail.bytes(), b"TTTT");
    // A slice of one part: now whichever part wants to be exclusive must be alone in the block.
    let tail = tail.share();
    let slice = tail.slice(0..2).unwrap();
    drop(tail);
    let mut slice = slice.into_unique().unwrap();
    slice.bytes_mut().fill(b'S');
    drop(slice);
    assert_eq!(in_use(&packets), (0, 0));
}

#[test]
fn a_block_has_at_most_so_many_parts() {
    if cfg!(miri) {
        return;
    }
    let config = PacketConfig::new(256, 2).side(10_000);
    let packets = PacketPool::allocate(config).unwrap();
    let whole = packets.alloc_from(b"0123456789").unwrap().share();
    let mut parts = Vec::new();
    let error = loop {
        match whole.slice(0..1) {
            Ok(part) => parts.push(part),
            Err(error) => break error,
        }
    };
    assert_eq!(error, SplitError::TooManyParts { max: parts.len() });
    assert_eq!(in_use(&packets), (1, parts.len() as u64));
    drop(whole);
    drop(parts);
    assert_eq!(in_use(&packets), (0, 0));
}
