//! Packet pools under smoltcp.

mod tokens;
mod transfer;

use framepool::adapters::Driver;
use framepool::packet::PacketPool;
use smoltcp::phy::{DeviceCapabilities, Medium};

use crate::card::{Card, in_use, pool};

const MTU: usize = 1514;

fn capabilities(medium: Medium) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = medium;
    capabilities.max_transmission_unit = match medium {
        Medium::Ethernet => MTU,
        _ => MTU - 14,
    };
    capabilities
}
