//! Requests and their answers.

use framepool::wire::{
    Ethernet, EthernetHeader, Icmpv4, Icmpv4Header, Ipv4, Ipv4Header, Udp, UdpHeader, summarize,
};

use crate::answer::{Verdict, answer};

const HERE: [u8; 4] = [192, 0, 2, 1];
const THERE: [u8; 4] = [192, 0, 2, 2];
const UDP: u8 = 17;
const ICMP: u8 = 1;

/// A frame from the peer, with a transport message that is written by `fill`.
fn frame(protocol: u8, dst: [u8; 4], len: usize, fill: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame = vec![0; 34 + len];
    let ethernet = EthernetHeader {
        dst: [2, 0, 0, 0, 0, 1],
        src: [2, 0, 0, 0, 0, 2],
        ether_type: 0x0800,
    };
    ethernet.emit(&mut frame).unwrap();
    let ip = Ipv4Header {
        total_len: 20 + len as u16,
        protocol,
        src: THERE.into(),
        dst: dst.into(),
        ..Ipv4Header::default()
    };
    ip.emit(&mut frame[14..]).unwrap();
    Ipv4::new_checked(&mut frame[14..]).unwrap().fill_checksum();
    fill(&mut frame[34..]);
    frame
}

fn udp(dst: [u8; 4]) -> Vec<u8> {
    frame(UDP, dst, 12, |bytes| {
        bytes[8..].copy_from_slice(b"tick");
        let header = UdpHeader {
            src_port: 4660,
            dst_port: 7,
            len: 12,
            checksum: 0,
        };
        header.emit(bytes).unwrap();
        Udp::new_checked(bytes)
            .unwrap()
            .fill_checksum_v4(THERE.into(), dst.into());
    })
}

fn ping() -> Vec<u8> {
    frame(ICMP, HERE, 13, |bytes| {
        bytes[8..].copy_from_slice(b"abcde");
        let header = Icmpv4Header {
            kind: 8,
            code: 0,
            checksum: 0,
            rest: [0, 1, 0, 7],
        };
        header.emit(bytes).unwrap();
        Icmpv4::new_checked(bytes).unwrap().fill_checksum();
    })
}

/// Both ends are swapped below the transport, and all checksums are right.
#[track_caller]
fn assert_turned(answer: &[u8], payload: &[u8]) {
    let ethernet = Ethernet::new_checked(answer).unwrap();
    assert_eq!((ethernet.dst()[5], ethernet.src()[5]), (2, 1));
    let ip = Ipv4::new_checked(&answer[14..]).unwrap();
    assert_eq!((ip.src().octets(), ip.dst().octets()), (HERE, THERE));
    let summary = summarize(answer).unwrap();
    assert_eq!(summary.verify(answer), Ok(()));
    assert_eq!(&answer[summary.payload()], payload);
}

#[test]
fn a_datagram_goes_back_to_its_sender() {
    let mut frame = udp(HERE);
    assert_eq!(answer(&mut frame), Verdict::Udp);
    assert_turned(&frame, b"tick");
    assert_eq!(summarize(&frame).unwrap().ports(), Some((7, 4660)));
}

#[test]
fn a_ping_of_odd_length_is_answered_also_in_a_padded_frame() {
    for padding in [0, 13] {
        let mut frame = ping();
        frame.resize(frame.len() + padding, 0);
        assert_eq!(answer(&mut frame), Verdict::Ping);
        assert_turned(&frame, b"abcde");
        assert_eq!(summarize(&frame).unwrap().icmp(), Some((0, 0)));
        assert_eq!(
            answer(&mut frame),
            Verdict::Ignored,
            "no answer to an answer"
        );
    }
}

#[test]
fn a_wrong_checksum_is_not_answered() {
    for (frame, at) in [(udp(HERE), 45), (udp(HERE), 22), (ping(), 46)] {
        let mut frame = frame;
        frame[at] ^= 0x10;
        let before = frame.clone();
        assert_eq!(answer(&mut frame), Verdict::BadChecksum, "byte {at}");
        assert_eq!(frame, before);
    }
}

#[test]
fn a_datagram_to_a_group_is_not_answered() {
    let mut frame = udp([233, 252, 0, 1]);
    assert_eq!(answer(&mut frame), Verdict::Ignored);
    let mut frame = udp(HERE);
    frame[..6].fill(0xFF);
    assert_eq!(answer(&mut frame), Verdict::Ignored);
}

#[test]
fn damaged_frames_are_answered_rightly_or_not_at_all() {
    for whole in [udp(HERE), ping()] {
        for len in 0..whole.len() {
            let mut cut = whole[..len].to_vec();
            assert_eq!(answer(&mut cut), Verdict::Ignored, "{len} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut frame = whole.clone();
            frame[bit / 8] ^= 1 << (bit % 8);
            let before = frame.clone();
            match answer(&mut frame) {
                Verdict::Udp | Verdict::Ping => {
                    let summary = summarize(&frame).unwrap();
                    assert_eq!(summary.verify(&frame), Ok(()), "bit {bit}");
                }
                Verdict::BadChecksum | Verdict::Ignored => assert_eq!(frame, before, "bit {bit}"),
            }
        }
    }
}
