//! Stored results, in one file for each processor and build under `results/`: tab-separated lines.
//!
//! ```text
//! fact      microcode  0x1000065
//! measured  ring  near  3f19395  2026-11-28  3b1f…,9c2e…       commit, its date, and the trees of the code
//! row       ring  ring/u64/burst1  near  framepool  once  0.753  0.701
//! ```
//!
//! A run replaces the results that it measures, by room and placement, and keeps all others, so results of
//! several machines add up.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Placement, Row};
use crate::machine::{self, Processor, git};
use crate::options::Command;

/// A room, the command that measures it, and the code that its results depend on.
pub const ROOMS: &[(&str, Command, &[&str])] = &[
    ("pool", Command::Pool, &["src/pool"]),
    ("cross", Command::Cross, &["src/pool", "src/ring"]),
    ("region", Command::Region, &["src/region"]),
    ("ring", Command::Ring, &["src/ring"]),
    ("time", Command::Time, &["src/time"]),
    ("wire", Command::Wire, &["src/wire"]),
    ("heap", Command::Heap, &["src/heap"]),
    ("packet", Command::Packet, &["src/pool", "src/packet"]),
];

/// The room, placement and code of a measurement.
#[derive(Clone, Debug)]
pub struct Measured {
    pub room: String,
    pub placement: String,
    pub commit: String,
    pub date: String,
    trees: String,
}

/// One result.
#[derive(Clone, Debug)]
pub struct Figure {
    pub room: String,
    pub bench: String,
    pub placement: String,
    pub contender: String,
    pub wait: String,
    pub median: f64,
    pub min: f64,
}

/// All stored results of one processor and build.
#[derive(Clone, Debug)]
pub struct Kept {
    pub processor: Processor,
    pub build: String,
    pub facts: Vec<(String, String)>,
    pub measured: Vec<Measured>,
    pub figures: Vec<Figure>,
}

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "results"].iter().collect()
}

/// The git trees of the committed code of a room.
fn trees(room: &str) -> String {
    let code = ROOMS.iter().find(|(name, ..)| *name == room);
    let names = code.map_or(&[][..], |(.., code)| code).iter();
    let names = names.map(|path| git(&["rev-parse", &format!("HEAD:{path}")]));
    names.collect::<Vec<_>>().join(",")
}

impl Measured {
    fn now(room: &str, placement: Placement) -> Self {
        let dirty = match git(&["status", "--porcelain", "--", "src"]).is_empty() {
            true => "",
            false => "-changed",
        };
        Self {
            room: room.to_owned(),
            placement: placement.name().to_owned(),
            commit: git(&["rev-parse", "--short", "HEAD"]) + dirty,
            date: git(&["log", "-1", "--format=%cs"]),
            trees: trees(room) + dirty,
        }
    }

    /// Whether the code has changed since the measurement.
    pub fn is_old(&self) -> bool {
        self.trees != trees(&self.room)
    }
}

impl Kept {
    fn new(processor: Processor, build: String) -> Self {
        Self {
            processor,
            build,
            facts: Vec::new(),
            measured: Vec::new(),
            figures: Vec::new(),
        }
    }

    fn path(&self) -> PathBuf {
        folder().join(format!("{}.{}.tsv", self.processor.slug(), self.build))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let unknown = Processor {
            vendor: String::new(),
            family: 0,
            model: 0,
        };
        let mut kept = Self::new(unknown, String::new());
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let own = |i: usize| fields.get(i).copied().unwrap_or_default().to_owned();
            let number = |i: usize| {
                own(i)
                    .parse()
                    .map_err(|_| format!("a number is missing in `{line}`"))
            };
            match fields[0] {
                "processor" => {
                    kept.processor = Processor {
                        vendor: own(1),
                        family: number(2)? as u32,
                        model: number(3)? as u32,
                    }
                }
                "build" => kept.build = own(1),
                "fact" => kept.facts.push((own(1), own(2))),
                "measured" => kept.measured.push(Measured {
                    room: own(1),
                    placement: own(2),
                    commit: own(3),
                    date: own(4),
                    trees: own(5),
                }),
                "row" => kept.figures.push(Figure {
                    room: own(1),
                    bench: own(2),
                    placement: own(3),
                    contender: own(4),
                    wait: own(5),
                    median: number(6)?,
                    min: number(7)?,
                }),
                _ => return Err(format!("a line of unknown kind: `{line}`")),
            }
        }
        Ok(kept)
    }

    fn text(&self) -> String {
        let Processor {
            vendor,
            family,
            model,
        } = &self.processor;
        let mut lines = vec![
            format!("processor\t{vendor}\t{family}\t{model}"),
            format!("build\t{}", self.build),
        ];
        lines.extend(
            self.facts
                .iter()
                .map(|(name, value)| format!("fact\t{name}\t{value}")),
        );
        lines.extend(self.measured.iter().map(|m| {
            let Measured {
                room,
                placement,
                commit,
                date,
                trees,
            } = m;
            format!("measured\t{room}\t{placement}\t{commit}\t{date}\t{trees}")
        }));
        lines.extend(self.figures.iter().map(|f| {
            let Figure {
                room,
                bench,
                placement,
                contender,
                wait,
                median,
                min,
            } = f;
            format!("row\t{room}\t{bench}\t{placement}\t{contender}\t{wait}\t{median:.4}\t{min:.4}")
        }));
        lines.join("\n") + "\n"
    }

    /// Replaces a room's rows.
    fn replace(&mut self, room: &str, rows: &[Row]) {
        for placement in [Placement::Single, Placement::Near, Placement::Far] {
            let new: Vec<&Row> = rows
                .iter()
                .filter(|row| row.placement == placement)
                .collect();
            if new.is_empty() {
                continue;
            }
            let place = placement.name();
            let is_new = |bench: &str| new.iter().any(|row| row.bench == bench);
            self.figures
                .retain(|f| !(f.room == room && f.placement == place && is_new(&f.bench)));
            self.measured
                .retain(|m| !(m.room == room && m.placement == place));
            self.measured.push(Measured::now(room, placement));
            self.figures.extend(new.iter().map(|row| Figure {
                room: room.to_owned(),
                bench: row.bench.clone(),
                placement: place.to_owned(),
                contender: row.contender.clone(),
                wait: row.wait.to_owned(),
                median: row.median,
                min: row.min,
            }));
        }
    }

    /// The date and the code of a measurement.
    pub fn measured(&self, figure: &Figure) -> Option<&Measured> {
        let mut all = self.measured.iter();
        all.find(|m| m.room == figure.room && m.placement == figure.placement)
    }

    /// The results of one bench and placement, the fastest first.
    pub fn of(&self, bench: &str, placement: &str) -> Vec<&Figure> {
        let all = self.figures.iter();
        let mut all: Vec<&Figure> = all
            .filter(|f| f.bench == bench && f.placement == placement)
            .collect();
        all.sort_by(|a, b| a.median.total_cmp(&b.median));
        all
    }
}

/// All stored results.
///
/// # Errors
/// A file cannot be read, or has another format.
pub fn load() -> Result<Vec<Kept>, String> {
    let mut all = Vec::new();
    let Ok(files) = fs::read_dir(folder()) else {
        return Ok(all);
    };
    for file in files.flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            let named = |error: String| format!("{}: {error}", path.display());
            let text = fs::read_to_string(&path).map_err(|error| named(error.to_string()))?;
            all.push(Kept::parse(&text).map_err(named)?);
        }
    }
    // The native build of each processor comes first.
    all.sort_by_key(|kept| {
        (
            kept.processor.slug(),
            kept.build != "native",
            kept.build.clone(),
        )
    });
    Ok(all)
}

/// Stores the results of this run.
///
/// # Errors
/// A file cannot be read or written.
pub fn keep(room: &str, rows: &[Row]) -> Result<(), String> {
    let (processor, build) = (Processor::this(), machine::build());
    let known = load()?
        .into_iter()
        .find(|kept| kept.processor == processor && kept.build == build);
    let mut kept = known.unwrap_or_else(|| Kept::new(processor, build));
    kept.facts = machine::facts();
    kept.replace(room, rows);
    fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    let path = kept.path();
    fs::write(&path, kept.text()).map_err(|error| format!("{}: {error}", path.display()))
}
