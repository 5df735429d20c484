//! Reads capture files, classic pcap and pcapng, instead of sockets.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use framepool::adapters::metrics::{Publish, Sink};
use framepool::packet::{PacketCache, PacketPool};
use framepool::time::{Clock, HostClock};
use framepool::wire::{Filter, Summary, summarize_ip_lax, summarize_lax};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block as PcapBlock, Linktype, PcapBlockOwned, PcapError};

use crate::decode::Errors;
use crate::exporter::Publishers;
use crate::link::{self, Start, UNDECLARED, Unsupported};
use crate::receiver::Producer;
use crate::sys;
use crate::venues::{Others, Sequences, Stream};
use crate::worker::{self, Packet};

/// Bytes of the reader's buffer: more than any block of a usual capture.
const BUFFER: usize = 1 << 20;

/// An open capture whose first bytes were read and are valid.
pub struct Capture {
    name: String,
    reader: Box<dyn PcapReaderIterator + Send>,
}

/// What a replay found.
#[derive(Debug, Default)]
pub struct Replayed {
    pub frames: u64,
    /// Frames longer than a block.
    pub truncated: u64,
    /// Frames that belong to a known feed.
    pub feed_frames: u64,
    /// Frames of link types that are not supported.
    pub unsupported: Unsupported,
    /// Frames that the filter rejected.
    pub filtered: u64,
    /// Malformed frames, by what is wrong.
    pub errors: Errors,
    pub others: Others,
    pub sequences: Sequences,
}

/// Opens a capture and reads its first bytes.
pub fn open(path: &Path) -> Result<Capture, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|e| format!("{name}: {e}"))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(format!("{name}: is a directory"));
    }
    match pcap_parser::create_reader(BUFFER, file) {
        Ok(reader) => Ok(Capture { name, reader }),
        Err(PcapError::Eof) => Err(format!("{name}: the file is empty")),
        Err(PcapError::ReadError) => Err(format!("{name}: cannot be read")),
        Err(_) => Err(format!("{name}: neither a pcap nor a pcapng file")),
    }
}

impl Capture {
    /// Copies every frame of a feed into a block and sends it to the worker. Waits while the pool is
    /// exhausted, because a file can wait.
    pub fn replay<'p>(
        mut self,
        pool: &'p PacketPool<'p>,
        frames: Producer<'p>,
        clock: &HostClock,
        filter: Option<&Filter>,
        publishers: Option<Publishers>,
    ) -> Result<Replayed, String> {
        sys::pin(sys::RECEIVER_CORE);
        let cache = worker::cache(pool);
        let mut out = Out {
            cache,
            frames,
            clock,
            filter,
            publishers,
        };
        let mut replayed = Replayed::default();
        let mut links = Links::default();
        loop {
            match self.reader.next() {
                Ok((size, block)) => {
                    if let Some((link, data)) = links.frame(&block) {
                        replayed.take(link, data, &mut out);
                    }
                    self.reader.consume(size);
                    out.publish_if_due(&replayed);
                }
                Err(PcapError::Eof) => {
                    out.publish(&replayed);
                    return Ok(replayed);
                }
                Err(PcapError::Incomplete(_)) => {
                    if self.reader.refill().is_err() {
                        return Err(self.corrupt(&replayed, "the rest cannot be read"));
                    }
                }
                Err(e) => {
                    let why = reason(&e);
                    return Err(self.corrupt(&replayed, why));
                }
            }
        }
    }

    fn corrupt(&self, replayed: &Replayed, why: &str) -> String {
        let after = replayed.frames;
        format!("{}: corrupt after {after} frames: {why}", self.name)
    }
}

fn reason(e: &PcapError<&[u8]>) -> &'static str {
    match e {
        PcapError::UnexpectedEof => "it ends inside a record",
        PcapError::BufferTooSmall => "a record is larger than the read buffer",
        _ => "a record is malformed",
    }
}

/// Where the replay sends frames.
struct Out<'p, 'c> {
    cache: Box<PacketCache<'p, 512>>,
    frames: Producer<'p>,
    clock: &'c HostClock,
    filter: Option<&'c Filter>,
    publishers: Option<Publishers>,
}

/// Blocks of the file between two looks at the time for metrics.
const LOOK: u64 = 256;

impl Replayed {
    fn take(&mut self, link: Linktype, data: &[u8], out: &mut Out<'_, '_>) {
        self.frames += 1;
        let (data, (summary, error)) = match link::start(link, data) {
            Start::Ethernet => (data, summarize_lax(data)),
            Start::Ip(at) => {
                let datagram = data.get(at..).unwrap_or_default();
                (datagram, summarize_ip_lax(datagram))
            }
            // Filters see Ethernet frames and IP packets only.
            Start::Other if out.filter.is_some() => {
                self.filtered += 1;
                return;
            }
            Start::Other => {
                self.others.not_ip += 1;
                return;
            }
            Start::Cut(header) => return self.errors.count_cut(header),
            Start::Unknown => return self.unsupported.count(link),
        };
        if let Some(error) = error {
            return self.errors.count(error);
        }
        if !out.filter.is_none_or(|filter| filter.matches(&summary)) {
            self.filtered += 1;
            return;
        }
        let Some((stream, payload)) = self.others.stream_of(data, &summary) else {
            return;
        };
        self.feed_frames += 1;
        let packet = data.get(payload.clone()).unwrap_or_default();
        if let Err(error) = self.sequences.follow(stream, packet, Some(&summary)) {
            return self.errors.count(error);
        }
        // Without the padding.
        let frame = data.get(..payload.end).unwrap_or(data);
        if !out.hand_on(frame, &summary, stream) {
            self.truncated += 1;
        }
    }
}

impl Replayed {
    /// Says that no frame belongs to a known feed, and what the frames are.
    pub fn without_feed(&self) -> String {
        let mut text = format!("no known feed in {} frames", self.frames);
        if self.filtered > 0 {
            text += &format!(", {} of them filtered out", self.filtered);
        }
        if self.unsupported.frames() > 0 {
            text += &format!(", not supported: {}", self.unsupported);
        }
        text
    }
}

impl Publish for Replayed {
    const LABEL: &'static str = "thread";

    fn publish_to(&self, sink: &mut Sink<'_>) {
        for (metric, help, count) in [
            (
                "feed_handler_packets_total",
                "Packets received.",
                self.frames,
            ),
            (
                "feed_handler_truncated_total",
                "Packets longer than a block.",
                self.truncated,
            ),
        ] {
            sink.counter(metric, help, count);
        }
    }
}

impl Out<'_, '_> {
    fn publish_if_due(&mut self, replayed: &Replayed) {
        let due = |publishers: &Publishers| publishers.due(Instant::now());
        if replayed.frames % LOOK == 0 && self.publishers.as_ref().is_some_and(due) {
            self.publish(replayed);
        }
    }

    fn publish(&mut self, replayed: &Replayed) {
        if let Some(publishers) = &mut self.publishers {
            publishers.publish(&*self.cache, &self.frames, replayed);
        }
    }

    /// Copies a frame into a block and sends it. Returns false if the frame is longer than a block.
    fn hand_on(&mut self, frame: &[u8], summary: &Summary, stream: Stream) -> bool {
        let mut idle = 0;
        let mut packet = loop {
            match self.cache.alloc() {
                Ok(packet) => break packet,
                Err(_) => {
                    idle += 1;
                    sys::back_off(idle);
                }
            }
        };
        if packet.append_slice(frame).is_err() {
            return false;
        }
        let facts = packet.meta_mut();
        facts.set_layers(summary);
        facts.user = self.clock.now();
        // The ring has a place for every block of the pool.
        drop(self.frames.push(Some(Packet { packet, stream })));
        true
    }
}

/// The link types that a capture has declared so far.
#[derive(Default)]
struct Links {
    legacy: Option<Linktype>,
    interfaces: Vec<Linktype>,
}

impl Links {
    /// The frame in a block of the file, if it has one.
    fn frame<'a>(&mut self, block: &'a PcapBlockOwned<'a>) -> Option<(Linktype, &'a [u8])> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                // The upper half may state the length of a checksum at the end of frames.
                self.legacy = Some(Linktype(header.network.0 & 0xFFFF));
                None
            }
            PcapBlockOwned::Legacy(frame) => Some((self.legacy?, frame.data)),
            PcapBlockOwned::NG(PcapBlock::SectionHeader(_)) => {
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(PcapBlock::InterfaceDescription(interface)) => {
                self.interfaces.push(interface.linktype);
                None
            }
            PcapBlockOwned::NG(PcapBlock::EnhancedPacket(frame)) => {
                let link = self.interfaces.get(frame.if_id as usize);
                Some((link.copied().unwrap_or(UNDECLARED), frame.packet_data()))
            }
            PcapBlockOwned::NG(PcapBlock::SimplePacket(frame)) => {
                let link = self.interfaces.first();
                Some((link.copied().unwrap_or(UNDECLARED), frame.packet_data()))
            }
            PcapBlockOwned::NG(_) => None,
        }
    }
}
