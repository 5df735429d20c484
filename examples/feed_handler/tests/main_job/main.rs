//! What the feed handler promises, tested on the built program.
//!
//! | file | promises about |
//! |---|---|
//! | `live` | runs over sockets |
//! | `replay` | valid captures |
//! | `corrupt` | broken captures, and captures from other programs |
//! | `links` | captures of every link type, and captures without a feed |
//! | `metrics` | metrics for Prometheus |
//! | `plot` | the labels of plots |
//! | `command_line` | options |
//! | `venues` | which venue sent a packet |
//! | `program`, `run`, `json`, `wire` | building the program, running it, reading its report, building captures |

mod command_line;
mod corrupt;
mod json;
mod links;
mod live;
mod metrics;
mod plot;
#[path = "../../../support/program.rs"]
mod program;
mod replay;
#[path = "../../src/rules.rs"]
mod rules;
mod run;
mod venues;
mod wire;
