//! Packets: read in place, summed up, filtered, written.
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
//! Nothing here allocates, and there is no `unsafe`. No bytes make anything panic or loop: what a length
//! says is held against what is there, and headers that follow each other are counted. An error names the
//! layer, where it is, what was needed and what was there: [`ParseError`].
//!
//! Every protocol has the same two types. A *view*, such as [`Udp<T>`](Udp), lies over bytes and checks them
//! once, in `new_checked`; then fields are read, and over `&mut [u8]` set, where they are. A *header*, such as
//! [`UdpHeader`], has the fields as values; it is `parse`d from bytes and `emit`ted to bytes. Whoever changes
//! a length under a view gets shorter slices and zeros, never bytes that are not there.
//!
//! | file | what is in it |
//! |---|---|
//! | `summary/` | [`Summary`], [`summarize`] and its kin |
//! | `filter/` | [`Filter`]: terms, expressions, classic BPF |
//! | `checksum.rs` | the Internet checksum: made, verified, brought up to date |
//! | `error.rs` | [`ParseError`]: layer, reason, offset |
//! | `ethernet.rs`, `llc.rs`, `vlan.rs`, `mpls.rs`, `arp.rs` | the link layer and what is close to it |
//! | `ipv4.rs`, `ipv6.rs`, `ipv6_ext.rs` | IP, and its extension headers |
//! | `icmpv4.rs`, `icmpv6.rs`, `udp.rs`, `tcp.rs` | what is in IP |
//! | `icmp.rs` | what both ICMPs share |
//! | `options.rs`, `tcp_options.rs` | options of IP and TCP |
//! | `view.rs` | what all views share |
#![forbid(unsafe_code)]

mod arp;
pub mod checksum;
pub(crate) mod error;
mod ethernet;
mod filter;
mod icmp;
mod icmpv4;
mod icmpv6;
mod ipv4;
mod ipv6;
mod ipv6_ext;
mod llc;
mod mpls;
mod options;
#[doc(hidden)]
pub mod samples;
mod summary;
mod tcp;
mod tcp_options;
mod udp;
mod view;
mod vlan;

pub use arp::{Arp, ArpHeader};
pub use error::{Layer, ParseError, Reason, Unverifiable};
pub use ethernet::{Ethernet, EthernetHeader};
pub use filter::{
    BpfError, BpfInstruction, Filter, FilterError, FilterReason, MAX_TERMS, Side, Term,
};
pub use icmpv4::{Icmpv4, Icmpv4Header};
pub use icmpv6::{Icmpv6, Icmpv6Header};
pub use ipv4::{Ipv4, Ipv4Header};
pub use ipv6::{Ipv6, Ipv6Header};
pub use ipv6_ext::{
    Authentication, AuthenticationHeader, Ipv6Extension, Ipv6ExtensionHeader, Ipv6Fragment,
    Ipv6FragmentHeader,
};
pub use llc::{Llc, LlcHeader, SnapHeader};
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
