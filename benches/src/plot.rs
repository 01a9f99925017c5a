//! Plots as SVG: panels one below the other, readable in light and in dark mode.

use std::fmt::Write as _;

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 50.0;
/// Above a panel, for its title and its legend; below it, for the labels of its axis.
const ABOVE: f64 = 56.0;
const BELOW: f64 = 50.0;

/// Colours that differ in brightness too, with enough contrast on their ground.
const STYLE: &str = "\
.ground{fill:#fff}.text{fill:#1f2328}.grid{stroke:#d8dee4}.frame{stroke:#6e7781;fill:none}
.c0{stroke:#0969da;fill:#0969da}.c1{stroke:#cf222e;fill:#cf222e}.c2{stroke:#1a7f37;fill:#1a7f37}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.text{fill:#e6edf3}.grid{stroke:#30363d}.frame{stroke:#8b949e}
.c0{stroke:#58a6ff;fill:#58a6ff}.c1{stroke:#ff7b72;fill:#ff7b72}.c2{stroke:#56d364;fill:#56d364}}
.line{fill:none;stroke-width:2}.bars{fill:none;stroke-width:1}.text.title{font-weight:bold}
";

/// How a value becomes a place on an axis.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// Equal distances for equal differences.
    Linear,
    /// Equal distances for equal factors; values are above zero.
    Log,
    /// The same for the value plus one, so that zero has a place.
    LogPlusOne,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
            Self::LogPlusOne => (value + 1.0).log10(),
        }
    }
}

/// One axis of a panel.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: String,
    /// How values are placed.
    pub scale: Scale,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// Values with their texts.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    fn share(&self, value: f64) -> f64 {
        let place = |value| self.scale.place(value);
        let (least, most) = (place(self.range.0), place(self.range.1));
        (place(value) - least) / (most - least)
    }
}

/// How a curve is drawn.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A line with a mark per point.
    Line,
    /// A bar per point, from the bottom.
    Bars,
}

/// One curve of a panel.
#[derive(Clone, Debug)]
pub struct Curve {
    /// For the legend; none if it is empty.
    pub name: String,
    /// One of three colours, by number.
    pub colour: usize,
    /// How it is drawn.
    pub shape: Shape,
    /// The points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// One panel of a picture.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Drawn in this order.
    pub curves: Vec<Curve>,
}

/// The panels as one SVG, each of that height. `description` is for readers who see no pictures.
#[must_use]
pub fn svg(description: &str, height: f64, panels: &[Panel]) -> String {
    let total = panels.len() as f64 * (ABOVE + height + BELOW);
    let width = LEFT + WIDTH + RIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {total}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"14\">\n<title>{description}</title>\n\
         <style>\n{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n"
    );
    let mut top = ABOVE;
    for panel in panels {
        panel.draw(&mut svg, Frame { top, height });
        top += height + BELOW + ABOVE;
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where the curves of a panel are.
#[derive(Clone, Copy)]
struct Frame {
    top: f64,
    height: f64,
}

impl Frame {
    fn bottom(self) -> f64 {
        self.top + self.height
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, frame: Frame) {
        text(svg, LEFT, frame.top - 34.0, "start", " title", &self.title);
        self.draw_axes(svg, frame);
        let mut legend = LEFT;
        for curve in &self.curves {
            self.draw_curve(svg, frame, curve);
            if !curve.name.is_empty() {
                let y = frame.top - 12.0;
                mark(svg, curve.colour, legend + 6.0, y - 5.0);
                text(svg, legend + 18.0, y, "start", "", &curve.name);
                legend += 40.0 + 7.5 * curve.name.len() as f64;
            }
        }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + WIDTH * self.x.share(value)
    }

    fn y(&self, frame: Frame, value: f64) -> f64 {
        frame.bottom() - frame.height * self.y.share(value)
    }

    fn draw_axes(&self, svg: &mut String, frame: Frame) {
        let (right, bottom) = (LEFT + WIDTH, frame.bottom());
        for (value, name) in &self.y.ticks {
            let y = self.y(frame, *value);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
            text(svg, LEFT - 8.0, y + 5.0, "end", "", name);
        }
        for (value, name) in &self.x.ticks {
            let x = self.x(*value);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {bottom}v6\"/>");
            text(svg, x, bottom + 20.0, "middle", "", name);
        }
        let _ = writeln!(
            svg,
            "<path class=\"frame\" d=\"M{LEFT} {}V{bottom}H{right}\"/>",
            frame.top
        );
        text(
            svg,
            LEFT + WIDTH / 2.0,
            bottom + 40.0,
            "middle",
            "",
            &self.x.label,
        );
        let middle = frame.top + frame.height / 2.0;
        let _ = writeln!(
            svg,
            "<text class=\"text\" transform=\"translate(16 {middle}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            self.y.label
        );
    }

    fn draw_curve(&self, svg: &mut String, frame: Frame, curve: &Curve) {
        let colour = curve.colour;
        let mut path = String::new();
        let class = match curve.shape {
            Shape::Line => "line",
            Shape::Bars => "bars",
        };
        for (index, (x, y)) in curve.points.iter().enumerate() {
            let (x, y) = (self.x(*x), self.y(frame, *y));
            let _ = match curve.shape {
                Shape::Line if index == 0 => write!(path, "M{x:.1} {y:.1}"),
                Shape::Line => write!(path, "L{x:.1} {y:.1}"),
                Shape::Bars => write!(path, "M{x:.1} {}V{y:.1}", frame.bottom()),
            };
            if matches!(curve.shape, Shape::Line) {
                mark(svg, colour, x, y);
            }
        }
        // `fill:none` of the shape comes later in the style than the colour's fill.
        let _ = writeln!(svg, "<path class=\"c{colour} {class}\" d=\"{path}\"/>");
    }
}

/// A shape per colour, so that curves differ for readers who see no colours.
fn mark(svg: &mut String, colour: usize, x: f64, y: f64) {
    let _ = match colour {
        0 => writeln!(
            svg,
            "<circle class=\"c0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"
        ),
        1 => writeln!(
            svg,
            "<path class=\"c1\" d=\"M{:.1} {:.1}h8v8h-8z\"/>",
            x - 4.0,
            y - 4.0
        ),
        other => writeln!(
            svg,
            "<path class=\"c{other}\" d=\"M{x:.1} {:.1}l5 9h-10z\"/>",
            y - 5.0
        ),
    };
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"text{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}
