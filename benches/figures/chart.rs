//! The chart: each row's ratio from minimum to maximum, with the median and the goal, on a logarithmic axis.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Failure;
use crate::rows::Goal;
use crate::summary::{Found, Line, Spread, Summary};

const WIDTH: u32 = 1000;
const ROW: u32 = 26;
/// Room for the names of rows.
const NAMES: u32 = 470;
const LEAST: f64 = 0.1;
const MOST: f64 = 20.0;

/// Draws a run into a file.
pub(crate) fn draw(summary: &Summary, path: &Path) -> Result<(), Failure> {
    let bars = bars(summary);
    let count = u32::try_from(bars.len())?;
    let area = SVGBackend::new(path, (WIDTH, ROW * count + 70)).into_drawing_area();
    area.fill(&WHITE)?;
    let machine = &summary.machine;
    let caption = format!(
        "ratio to the floor: median, minimum to maximum; | the goal. {}, {}, {}",
        machine.version, machine.kind, machine.date
    );
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, ("sans-serif", 14))
        .margin_right(24)
        .x_label_area_size(36)
        .y_label_area_size(NAMES)
        .build_cartesian_2d((LEAST..MOST).log_scale(), 0.0..f64::from(count))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_label_formatter(&|value| format!("{value}"))
        .light_line_style(WHITE)
        .draw()?;
    let line = |x: f64, y: f64, color: RGBColor, width: u32| {
        let points = vec![(x, y + 0.2), (x, y + 0.8)];
        PathElement::new(points, color.stroke_width(width))
    };
    // by 1 in the middle of all: as good as the floor
    chart.draw_series([PathElement::new(vec![(1.0, 0.0), (1.0, f64::from(count))], BLACK)])?;
    for (at, bar) in (0..count).rev().zip(&bars) {
        let (y, color) = (f64::from(at), if bar.misses() { RED } else { BLUE });
        let (least, most) = (inside(bar.ratio.min), inside(bar.ratio.max));
        chart.draw_series([Rectangle::new(
            [(least, y + 0.4), (most, y + 0.6)],
            color.mix(0.4).filled(),
        )])?;
        chart.draw_series([line(inside(bar.ratio.median), y, color, 4)])?;
        if let Some(goal) = bar.goal {
            chart.draw_series([line(inside(goal_at(goal)), y, BLACK, 1)])?;
        }
        let (_, pixel) = chart.backend_coord(&(LEAST, y + 0.5));
        let style =
            ("sans-serif", 13).into_text_style(&area).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(&bar.name, &style, (i32::try_from(NAMES)? - 8, pixel))?;
    }
    area.present()?;
    Ok(())
}

/// A row with a ratio.
struct Bar {
    name: String,
    ratio: Spread,
    goal: Option<Goal>,
}

impl Bar {
    fn misses(&self) -> bool {
        self.goal.is_some_and(|goal| !goal.is_met(self.ratio.median))
    }
}

fn bars(summary: &Summary) -> Vec<Bar> {
    let rows = summary.rows.iter().flat_map(|line| {
        line.builds.iter().zip(&summary.builds).map(move |(found, build)| (line, found, build))
    });
    let several = summary.builds.len() > 1;
    let bar = |(line, found, build): (&Line, &Found, &String)| match found {
        Found::Measured { ratio: Some(ratio), .. } => {
            let of = if several { format!(" ({build})") } else { String::new() };
            let name = format!("{}{of} / {}", line.what, line.floor);
            Some(Bar { name, ratio: *ratio, goal: line.goal })
        }
        _ => None,
    };
    rows.filter_map(bar).collect()
}

fn goal_at(goal: Goal) -> f64 {
    match goal {
        Goal::AtMost(value) | Goal::AtLeast(value) => value,
    }
}

/// Where a value is drawn: what is beyond the axis at its end.
fn inside(value: f64) -> f64 {
    value.clamp(LEAST, MOST)
}
