//! Cycle clocks, histograms, latency trackers.
