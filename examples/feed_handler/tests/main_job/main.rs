//! What the feed handler promises, tried on the built program: the main job of the pool.
//!
//! | file | promises about |
//! |---|---|
//! | `live` | runs over sockets |
//! | `replay` | captures that are what they seem |
//! | `corrupt` | captures that are not, and captures of others |
//! | `links` | captures of every link type, and those without a feed |
//! | `plot` | the labels of plots |
//! | `command_line` | options |
//! | `venues` | which venue sent a packet |
//! | `run`, `json`, `wire` | running the program, reading its report, building captures |

mod command_line;
mod corrupt;
mod json;
mod links;
mod live;
mod plot;
mod replay;
#[path = "../../src/rules.rs"]
mod rules;
mod run;
mod venues;
mod wire;
