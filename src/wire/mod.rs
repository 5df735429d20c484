//! Packet parsing: summaries, filters, checksums and views of every header.
//!
//! ```text
//!   frame  | Ethernet | VLAN, MPLS | IPv4, IPv6 | extensions | UDP, TCP, ICMP | payload | padding |
//!          |                                                                  |
//!          | one pass: summarize, summarize_lax, summarize_burst              |
//!          v                                                                  v
//!   Summary: layers, offsets, lengths, addresses, ports; 64 bytes        &frame[summary.payload()]
//!          |
//!          v
//!   Filter::matches            the same filter in the kernel: Filter::to_bpf
//!
//!   One header at a time: Udp::new_checked(bytes), getters, setters, UdpHeader::emit
//! ```
//!
//! Nothing here allocates, and there is no `unsafe`. No input makes a function panic or loop: lengths are compared
//! with the bytes, and the number of headers in a frame is limited. An error names the layer, the offset, and how
//! many bytes were needed and available: [`ParseError`].
//!
//! Every protocol has two types. A *view*, such as [`Udp<T>`](Udp), is over bytes. `new_checked` checks them once;
//! then the view reads fields in place and, over `&mut [u8]`, sets them. A *header*, such as [`UdpHeader`], has the
//! fields as values: `parse` reads it from bytes, `emit` writes it. Setters and `emit` write the lowest bits of a
//! value that is too large for its field. A caller that changes a length under a view gets shorter slices and zeros,
//! never bytes that do not exist.

// `view.rs` has what all views share, and the macros that declare a view and its header from one table of fields.
// `icmp.rs` has what both ICMPs share, `options.rs` what the options of IPv4, IPv6 and TCP share.
#![forbid(unsafe_code)]

mod arp;
mod authentication;
pub mod checksum;
pub(crate) mod error;
mod ethernet;
mod filter;
mod icmp;
mod icmpv4;
mod icmpv6;
mod ipv4;
mod ipv6;
mod ipv6_extension;
mod ipv6_fragment;
mod llc_snap;
mod mpls;
mod options;
mod summary;
mod tcp;
mod tcp_options;
mod udp;
mod view;
mod vlan;

pub use arp::{Arp, ArpHeader};
pub use authentication::{Authentication, AuthenticationHeader};
pub use error::{Layer, ParseError, Reason, Unverifiable};
pub use ethernet::{Ethernet, EthernetHeader};
pub use filter::{
    BpfError, BpfInstruction, Filter, FilterError, FilterReason, MAX_TERMS, Side, Term,
};
pub use icmpv4::{Icmpv4, Icmpv4Header};
pub use icmpv6::{Icmpv6, Icmpv6Header};
pub use ipv4::{Ipv4, Ipv4Header};
pub use ipv6::{Ipv6, Ipv6Header};
pub use ipv6_extension::{Ipv6Extension, Ipv6ExtensionHeader};
pub use ipv6_fragment::{Ipv6Fragment, Ipv6FragmentHeader};
pub use llc_snap::{Llc, LlcHeader, SnapHeader};
pub use mpls::{Mpls, MplsHeader};
pub use options::{Options, RawOption};
pub use summary::{
    Extensions, FragmentInfo, Link, MAX_EXTENSIONS, MAX_LABELS, MAX_TAGS, Network, Summary,
    Transport, summarize, summarize_burst, summarize_ip, summarize_ip_lax, summarize_lax,
};
pub use tcp::{Tcp, TcpHeader};
pub use tcp_options::{SackBlocks, TcpOption, TcpOptions, WindowScale};
pub use udp::{Udp, UdpHeader};
pub use vlan::{Vlan, VlanHeader};

/// A frame for the examples: UDP over IPv4, from 192.0.2.1:4660 to 233.252.0.1:26400, with `tick` in it, padded to 60
/// bytes.
#[doc(hidden)]
pub const EXAMPLE_FRAME: &[u8] = b"\x01\x00\x5E\x7C\x00\x01\x02\x00\x00\x00\x00\x01\x08\x00\
\x45\x00\x00\x20\x00\x01\x40\x00\x10\x11\xBE\xCD\xC0\x00\x02\x01\xE9\xFC\x00\x01\
\x12\x34\x67\x20\x00\x0C\x00\x00tick\
\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
