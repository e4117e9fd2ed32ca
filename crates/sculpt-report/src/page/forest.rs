//! A forest plot: the contrasts of a claim, one a line, on one scale a unit. Each line is a small inline drawing whose places are
//! percent of its width, so that it is as wide as the page leaves it and its marks stay round; words and numbers are text of the
//! page.

use super::claims::{VERDICT, class, of_images, verdict};
use super::html::{Text, number};
use super::table::Table;
use sculpt_rows::Verdict;
use std::fmt::Write;

/// Where the scale's ends are, in percent of the drawing's width: their labels need room.
const ENDS: (f64, f64) = (6.0, 94.0);

/// Labels of a scale, about.
const TICKS: f64 = 4.0;

const HEIGHT: u32 = 22;
const MIDDLE: u32 = HEIGHT / 2;

/// From values to places on the drawing.
struct Scale {
    low: f64,
    high: f64,
}

/// The contrasts of the claim of this number, part by part; nothing where there are none.
pub(super) fn plot(contrasts: &Table, claim: &str) -> String {
    let rows: Vec<usize> = (0..contrasts.n_rows)
        .filter(|row| contrasts.cell(*row, "claim") == claim)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut units: Vec<&str> = rows.iter().map(|row| contrasts.cell(*row, "unit")).collect();
    units.dedup();
    let mut html = String::from("<div class=\"forest\">\n");
    for unit in units {
        let own: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| contrasts.cell(*row, "unit") == unit)
            .collect();
        let scale = Scale::of(contrasts, &own);
        let mut parts: Vec<&str> = Vec::new();
        for row in &own {
            let part = contrasts.cell(*row, "part");
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        for part in parts {
            writeln!(html, "<h4>{}</h4>", Text(part)).expect("a string takes what is written");
            for row in own.iter().filter(|row| contrasts.cell(**row, "part") == part) {
                html.push_str(&line(contrasts, *row, scale.as_ref()));
            }
        }
        if let Some(scale) = &scale {
            html.push_str(&axis(scale, unit));
        }
    }
    html.push_str(
        "<p class=\"note\">Point: mean over seeds. Line: the interval that decides. Small dots: seeds. Dashed: what the mean is \
         tested against. ◆: the paper's number, where its text has one. All of it, and the rows that it comes from, is in the frame <a \
         href=\"#contrasts\">contrasts</a>.</p>\n</div>\n",
    );
    html
}

/// A contrast in words, drawn, and in numbers.
fn line(contrasts: &Table, row: usize, scale: Option<&Scale>) -> String {
    let cell = |name: &str| contrasts.cell(row, name);
    let mut html = format!(
        "<div class=\"line\"><span class=\"label\"><b>{}</b> {}",
        Text(cell("replicate")),
        Text(cell("contrast"))
    );
    if !cell("note").is_empty() {
        write!(html, " ({})", Text(cell("note"))).expect("a string takes what is written");
    }
    html.push_str("</span>");
    match scale {
        Some(scale) => html.push_str(&drawing(contrasts, row, scale)),
        None => html.push_str("<span></span>"),
    }
    let mut numbers = Vec::new();
    if !cell("effect").is_empty() {
        let mut effect = number(cell("effect"));
        if !cell("low").is_empty() {
            write!(effect, " [{}, {}]", number(cell("low")), number(cell("high")))
                .expect("a string takes what is written");
        }
        numbers.push(effect);
    }
    if !cell("p").is_empty() {
        numbers.push(format!("p = {}", number(cell("p"))));
    }
    if !cell("n").is_empty() && cell("n") != "0" {
        numbers.push(format!("n = {}", Text(cell("n"))));
    }
    numbers.extend(Some(of_images(contrasts, row)).filter(|words| !words.is_empty()));
    if !cell("mean_of_ends").is_empty() {
        numbers.push(format!(
            "by the mean of the ends {}",
            number(cell("mean_of_ends"))
        ));
    }
    writeln!(
        html,
        "<span class=\"numbers\">{} {}</span></div>",
        verdict(cell(VERDICT)),
        numbers.join(", ")
    )
    .expect("a string takes what is written");
    html
}

fn drawing(contrasts: &Table, row: usize, scale: &Scale) -> String {
    let cell = |name: &str| contrasts.cell(row, name);
    let place = |name: &str| value(cell(name)).map(|x| scale.place(x));
    let class = Verdict::of_word(cell(VERDICT)).map_or("open", class);
    let mut svg =
        format!("<svg class=\"mark {class}\" width=\"100%\" height=\"{HEIGHT}\" aria-hidden=\"true\">");
    let mut upright = |class: &str, x: f64| {
        let x = scale.place(x);
        write!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"{HEIGHT}\"/>"
        )
        .expect("a string takes what is written");
    };
    upright("zero", 0.0);
    for bound in bounds(cell("test"), value(cell("bound"))) {
        if bound != 0.0 {
            upright("bound", bound);
        }
    }
    for x in values(cell("values")) {
        let x = scale.place(x);
        write!(
            svg,
            "<circle class=\"seed\" cx=\"{x:.2}%\" cy=\"{MIDDLE}\" r=\"2.5\"/>"
        )
        .expect("a string takes what is written");
    }
    if let Some((low, high)) = place("low").zip(place("high")) {
        write!(
            svg,
            "<line class=\"span\" x1=\"{low:.2}%\" x2=\"{high:.2}%\" y1=\"{MIDDLE}\" y2=\"{MIDDLE}\"/>"
        )
        .expect("a string takes what is written");
    }
    if let Some(x) = place("effect") {
        write!(
            svg,
            "<circle class=\"mean\" cx=\"{x:.2}%\" cy=\"{MIDDLE}\" r=\"4.5\"/>"
        )
        .expect("a string takes what is written");
    }
    if let Some(x) = place("paper") {
        write!(
            svg,
            "<svg class=\"paper\" x=\"{x:.2}%\" overflow=\"visible\"><path d=\"M0 4L5 {MIDDLE}L0 18L-5 {MIDDLE}Z\"/></svg>"
        )
        .expect("a string takes what is written");
    }
    svg.push_str("</svg>");
    svg
}

fn axis(scale: &Scale, unit: &str) -> String {
    let mut svg = format!(
        "<div class=\"line axis\"><span class=\"label\">{}</span><svg class=\"mark\" width=\"100%\" height=\"{HEIGHT}\" \
         aria-hidden=\"true\">",
        Text(unit)
    );
    for tick in scale.ticks() {
        let x = scale.place(tick);
        write!(
            svg,
            "<line class=\"zero\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"4\"/><text x=\"{x:.2}%\" y=\"17\" \
             text-anchor=\"middle\">{}</text>",
            number(&tick.to_string())
        )
        .expect("a string takes what is written");
    }
    svg.push_str("</svg><span></span></div>\n");
    svg
}

/// What a mean is tested against, at both sides of 0 for `within`.
fn bounds(test: &str, bound: Option<f64>) -> Vec<f64> {
    match bound {
        Some(bound) if test == "within" => vec![-bound, bound],
        bound => bound.into_iter().collect(),
    }
}

fn value(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|x: &f64| x.is_finite())
}

fn values(cell: &str) -> impl Iterator<Item = f64> {
    cell.split_whitespace().filter_map(value)
}

impl Scale {
    /// Of all that is drawn; none where nothing is known.
    fn of(contrasts: &Table, rows: &[usize]) -> Option<Self> {
        let (mut all, mut known) = (vec![0.0], false);
        for row in rows {
            let cell = |name: &str| contrasts.cell(*row, name);
            known |= value(cell("effect")).is_some();
            all.extend(
                ["effect", "low", "high", "paper"]
                    .into_iter()
                    .filter_map(|name| value(cell(name))),
            );
            all.extend(values(cell("values")));
            all.extend(bounds(cell("test"), value(cell("bound"))));
        }
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low_high = if high > low { (low, high) } else { (-1.0, 1.0) };
        known.then_some(Self {
            low: low_high.0,
            high: low_high.1,
        })
    }

    /// In percent of the width.
    fn place(&self, x: f64) -> f64 {
        ENDS.0 + (ENDS.1 - ENDS.0) * (x - self.low) / (self.high - self.low)
    }

    /// Round numbers within it, 0 among them.
    fn ticks(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / TICKS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|m| m * power)
            .find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let (first, last) = ((self.low / step).ceil() as i32, (self.high / step).floor() as i32);
        (first..=last).map(|i| f64::from(i) * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const CSV: &str = "claim,part,replicate,contrast,values,unit,test,bound,effect,low,high,p,n,verdict,paper,mean_of_ends,note\n\
        3,gains,2a,\"a < b\",1 2 3,points,above,0,2,0.31,3.69,0.03,3,supported,1.7,,\n\
        3,gains,2b,\"a < b\",,points,above,0,,,,,0,absent,,,\n\
        3,plateaus,2a,c,0 1,points,within,0.5,0.5,,,,2,not enough runs,,0.1,\"x & y\"\n\
        3,gains,2c,e,,points,above,0,,,,,0,absent,,,\n\
        4,other,4a,d,,points,above,0,,,,,0,absent,,,\n";

    #[track_caller]
    fn table() -> Table {
        Table::read(CSV, Path::new("contrasts.csv")).unwrap()
    }

    /// From −0.5, a bound, to 3.69, the interval's end: 0 lies at 6 + 88 · 0.5 / 4.19 = 16.5 %.
    #[test]
    fn a_claim_has_its_contrasts_on_one_scale() {
        let html = plot(&table(), "3");
        assert_eq!(html.matches("<div class=\"line\">").count(), 4);
        assert_eq!(html.matches("<h4>").count(), 2);
        for part in [
            "<h4>gains</h4>",
            "<b>2a</b> a &lt; b</span><svg class=\"mark yes\"",
            "<line class=\"zero\" x1=\"16.50%\" x2=\"16.50%\"",
            "<line class=\"span\" x1=\"23.01%\" x2=\"94.00%\"",
            "<svg class=\"paper\" x=\"",
            "2 [0.310, 3.69], p = 0.0300, n = 3",
            "<line class=\"bound\" x1=\"6.00%\"",
            "c (x &amp; y)</span>",
            "by the mean of the ends 0.100",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("<b>4a</b>"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(plot(&table(), "9"), "");
        let absent = plot(&table(), "4");
        assert!(absent.contains("absent") && !absent.contains("<svg"));
    }

    #[test]
    fn ticks_are_round() {
        let ticks = |low, high| Scale { low, high }.ticks();
        assert_eq!(ticks(-0.5, 3.69), [0.0, 2.0]);
        assert_eq!(ticks(-22.0, 5.0), [-20.0, -10.0, 0.0]);
    }
}
