//! A line plot as one SVG that stands still: for a README, in the reader's theme.

use maud::{Markup, PreEscaped, html};

use crate::plot::{Axis, Lines, Mark, Origin, Scale, Series};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 440.0;
/// Around the plot: left for the ticks, right for the names of the series.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 218.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 56.0;
/// Between the names of two series.
const LINE: f64 = 19.0;

/// Colours that are told apart without seeing red or green; the first stands out.
const STYLE: &str = "\
    .paper{fill:#fff}.ink{fill:#1f2328}.faint{fill:#59636e}.grid{stroke:#d1d9e0}.mark{stroke:#59636e}\
    text{font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px}\
    .title{font-size:17px;font-weight:600}.name{font-weight:600}\
    .s0{stroke:#0550ae;fill:#0550ae}.s1{stroke:#bc4c00;fill:#bc4c00}.s2{stroke:#1a7f64;fill:#1a7f64}\
    .s3{stroke:#8250df;fill:#8250df}.s4{stroke:#6e7781;fill:#6e7781}.s5{stroke:#9a6700;fill:#9a6700}\
    .line{fill:none;stroke-width:2.5;stroke-linejoin:round}.name,.dot{stroke:none}\
    @media (prefers-color-scheme:dark){\
    .paper{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}.mark{stroke:#9198a1}\
    .s0{stroke:#79c0ff;fill:#79c0ff}.s1{stroke:#ffa657;fill:#ffa657}.s2{stroke:#56d4a5;fill:#56d4a5}\
    .s3{stroke:#d2a8ff;fill:#d2a8ff}.s4{stroke:#aab3bd;fill:#aab3bd}.s5{stroke:#e3b341;fill:#e3b341}.line,.name{}.line{fill:none}.name,.dot{stroke:none}}";

/// How many colours there are.
const COLOURS: usize = 6;

/// From values to pixels.
struct Span {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Span {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let drawn = values.filter(|v| v.is_finite() && (axis.scale == Scale::Linear || *v > 0.0));
        let (low, high) = drawn.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = match axis.scale {
            _ if low > high => (1.0, 10.0),
            Scale::Linear => (low.min(0.0), high * 1.05),
            Scale::Log => (low / 1.3, high * 1.3),
        };
        Self { low, high, scale: axis.scale }
    }

    /// Where a value is: 0 at the low end, 1 at the high one.
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// The axis's own ticks; else the powers of ten, with twos and fives if those are few, or five equal steps.
    fn ticks(&self, axis: &Axis) -> Vec<f64> {
        let inside = |value: &f64| (self.low..=self.high).contains(value);
        if !axis.ticks.is_empty() {
            return axis.ticks.iter().copied().filter(inside).collect();
        }
        if self.scale == Scale::Linear {
            return (0..=5)
                .map(|n| self.low + f64::from(n) * (self.high - self.low) / 5.0)
                .collect();
        }
        let powers = (-30..=30).map(|power| 10f64.powi(power));
        let tens: Vec<f64> = powers.clone().filter(inside).collect();
        if tens.len() > 3 {
            return tens;
        }
        powers.flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]).filter(inside).collect()
    }
}

impl Lines {
    /// The plot as an SVG under a title and a line of text. The same plot gives the same bytes.
    pub fn to_svg(&self, title: &str, subtitle: &str) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let levels = self.marks.iter().filter_map(|mark| match mark {
            Mark::Y { at, .. } => Some(*at),
            Mark::X { .. } => None,
        });
        let across = Span::of(&self.x, points().map(|point| point.0));
        let up = Span::of(&self.y, points().map(|point| point.1).chain(levels));
        let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(title) {
                title { (title) }
                style { (PreEscaped(STYLE)) }
                rect.paper width=(WIDTH) height=(HEIGHT) rx="6" {}
                text.ink.title x="20" y="30" { (title) }
                text.faint x="20" y="52" { (subtitle) }
                @for tick in up.ticks(&self.y) {
                    line.grid x1=(left) x2=(right) y1=(pixel(y(tick))) y2=(pixel(y(tick))) {}
                    text.faint x=(left - 8.0) y=(pixel(y(tick) + 4.0)) text-anchor="end" { (self.y.unit.short(tick)) }
                }
                @for tick in across.ticks(&self.x) {
                    line.grid x1=(pixel(x(tick))) x2=(pixel(x(tick))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                    text.faint x=(pixel(x(tick))) y=(HEIGHT - BOTTOM + 19.0) text-anchor="middle" { (self.x.unit.short(tick)) }
                }
                text.faint x=(pixel(f64::midpoint(left, right))) y=(HEIGHT - 14.0) text-anchor="middle" { (self.x.label) }
                @for mark in &self.marks {
                    @if let Mark::Y { at, label } = mark {
                        line.mark x1=(left) x2=(right) y1=(pixel(y(*at))) y2=(pixel(y(*at))) stroke-dasharray="2 4" {}
                        text.faint x=(left + 6.0) y=(pixel(y(*at) - 5.0)) { (label) }
                    }
                }
                (self.curves(&x, &y))
            }
        };
        markup.into_string()
    }

    /// The curves, and their names where they end.
    fn curves(&self, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> Markup {
        let mut names: Vec<&str> = Vec::new();
        for series in &self.series {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        let colour = |series: &Series| {
            let at = names.iter().position(|name| *name == series.name).unwrap_or(0);
            format!("s{}", at % COLOURS)
        };
        let mut ends: Vec<(f64, &Series)> = Vec::new();
        for name in &names {
            let of_name = self.series.iter().filter(|series| series.name == *name);
            let last = of_name.filter(|series| !series.points.is_empty());
            let last = last.max_by(|a, b| {
                a.points[a.points.len() - 1].0.total_cmp(&b.points[b.points.len() - 1].0)
            });
            if let Some(series) = last {
                ends.push((y(series.points[series.points.len() - 1].1) + 4.0, series));
            }
        }
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Names that would meet move down, and then all up again if the last has left the picture.
        for at in 1..ends.len() {
            ends[at].0 = ends[at].0.max(ends[at - 1].0 + LINE);
        }
        let beyond = ends.last().map_or(0.0, |end| (end.0 - (HEIGHT - BOTTOM)).max(0.0));
        for at in (0..ends.len()).rev() {
            let below = ends.get(at + 1).map_or(f64::INFINITY, |end: &(f64, &Series)| end.0 - LINE);
            ends[at].0 =
                if beyond > 0.0 { ends[at].0.min(below).min(HEIGHT - BOTTOM) } else { ends[at].0 };
        }
        html! {
            @for series in &self.series {
                polyline.line.(colour(series))
                    points=(path(series, x, y))
                    stroke-dasharray=[(series.origin == Origin::Predicted).then_some("7 4")] {}
                @if series.origin != Origin::Predicted {
                    @for point in &series.points {
                        circle.dot.(colour(series)) cx=(pixel(x(point.0))) cy=(pixel(y(point.1))) r="3.5" {}
                    }
                }
            }
            @for (at, series) in ends {
                text.name.(colour(series)) x=(WIDTH - RIGHT + 8.0) y=(pixel(at)) { (series.name) }
            }
        }
    }
}

fn path(series: &Series, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let points = series.points.iter().filter(|point| point.1.is_finite());
    let points = points.map(|point| format!("{},{}", pixel(x(point.0)), pixel(y(point.1))));
    points.collect::<Vec<_>>().join(" ")
}

/// A tenth of a pixel is enough.
fn pixel(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use crate::{Axis, Lines, Mark, Origin, Series, Unit};

    #[test]
    fn a_picture_has_each_series_and_mark_and_escapes_its_text() {
        let series = |name: &str, origin, factor: f64| {
            Series::new(name, origin, vec![(1.0, factor), (8.0, 30.0 * factor)])
        };
        let lines = Lines {
            x: Axis::doublings("times <today>", Unit::Count, 1.0, 3),
            y: Axis::log("a month", Unit::Bytes),
            series: vec![
                series("ours & more", Origin::Predicted, 1e3),
                series("ours & more", Origin::Measured, 1.1e3),
                series("theirs", Origin::Predicted, 1e3),
            ],
            marks: vec![Mark::Y { at: 5e3, label: "a limit".to_owned() }],
        };
        let svg = lines.to_svg("Title", "What is meant");
        assert_eq!(svg, lines.to_svg("Title", "What is meant"));
        for part in [
            "times &lt;today&gt;",
            "ours &amp; more",
            "theirs",
            "a limit",
            "10 kB",
            "prefers-color-scheme:dark",
        ] {
            assert!(svg.contains(part), "{part} is not in {svg}");
        }
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert_eq!(svg.matches("stroke-dasharray=\"7 4\"").count(), 2);
        // Both names end at the same place and are told apart.
        assert_eq!(svg.matches("class=\"name").count(), 2);
    }
}
