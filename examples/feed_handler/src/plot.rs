//! Draws the distribution of latency.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;

use crate::axis;
use crate::latency::Latency;
use crate::venues::NAMES;

/// Steps per octave of latency.
const STEPS: f64 = 8.0;
const SIZE: (u32, u32) = (960, 540);

/// The output file, already open.
pub struct Plot {
    path: PathBuf,
    file: File,
}

/// Creates the file before the run, so that an error is reported at once.
pub fn create(path: &Path) -> Result<Plot, String> {
    let file = File::create(path).map_err(|e| format!("--plot {}: {e}", path.display()))?;
    let path = path.to_path_buf();
    Ok(Plot { path, file })
}

/// A venue's line: its name, and for each step the middle in ns and the percentage of packets.
type Line = (&'static str, Vec<(f64, f64)>);

impl Plot {
    /// Draws a line for every venue.
    pub fn draw(mut self, latency: &Latency) -> Result<(), String> {
        let lines: Vec<Line> = NAMES
            .into_iter()
            .zip(latency.channels())
            .filter(|(_, channel)| channel.stats().count > 0)
            .map(|(name, channel)| (name, shares(channel.histogram())))
            .collect();
        let name = self.path.display().to_string();
        let mut svg = String::new();
        chart(&mut svg, &lines).map_err(|e| format!("--plot {name}: {e}"))?;
        let written = self.file.write_all(svg.as_bytes());
        written.map_err(|e| format!("--plot {name}: {e}"))
    }
}

/// Percentages of values per logarithmic step.
fn shares<const P: u32, const N: usize>(
    histogram: &framepool::time::Histogram<P, N>,
) -> Vec<(f64, f64)> {
    let total = histogram.count() as f64;
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for bucket in histogram.iter() {
        let middle = bucket.middle().max(1) as f64;
        let step = ((middle.log2() * STEPS).floor() + 0.5) / STEPS;
        let share = bucket.count as f64 * 100.0 / total;
        match steps.last_mut() {
            Some(last) if last.0 == step => last.1 += share,
            _ => steps.push((step, share)),
        }
    }
    steps
        .iter()
        .map(|(log, share)| (log.exp2(), *share))
        .collect()
}

/// An axis from 0 to `top` percent.
struct Percentages {
    top: f64,
}

impl Ranged for Percentages {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, share: &f64, (low, high): (i32, i32)) -> i32 {
        low + (share / self.top * f64::from(high - low)) as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        axis::linear(self.top)
    }

    fn range(&self) -> Range<f64> {
        0.0..self.top
    }
}

fn chart(svg: &mut String, lines: &[Line]) -> Result<(), String> {
    let points = || lines.iter().flat_map(|(_, line)| line);
    let least = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let most = points().map(|p| p.0).fold(1.0, f64::max) * 1.5;
    let least = if least.is_finite() { least / 1.5 } else { 1.0 };
    let top = points().map(|p| p.1).fold(1.0, f64::max) * 1.1;
    let (least, most, top) = match lines {
        [] => (1.0, 1e9, 100.0),
        _ => (least, most, top),
    };
    let text = |e: DrawingAreaErrorKind<_>| e.to_string();

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(text)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Latency from reception to consumption", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(
            (least..most)
                .log_scale()
                .with_key_points(axis::logarithmic(least, most)),
            Percentages { top },
        )
        .map_err(text)?;
    chart
        .configure_mesh()
        .x_desc("latency")
        .y_desc("% of packets")
        .x_label_formatter(&|ns| axis::duration(*ns))
        .y_label_formatter(&|share| axis::percent(*share, top))
        .draw()
        .map_err(text)?;
    for (number, (name, line)) in lines.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let series = LineSeries::new(line.iter().copied(), color.stroke_width(2)).point_size(2);
        chart
            .draw_series(series)
            .map_err(text)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    if !lines.is_empty() {
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()
            .map_err(text)?;
    }
    area.present().map_err(text)
}
