//! Packet parsing and exchange feeds.
#![forbid(unsafe_code)]

mod arp;
pub mod checksum;
mod error;
mod ethernet;
pub mod feed;
mod filter;
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
pub use error::{Layer, ParseError, Reason};
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
pub use tcp_options::{SackBlocks, TcpOption, TcpOptions};
pub use udp::{Udp, UdpHeader};
pub use vlan::{Vlan, VlanHeader};
