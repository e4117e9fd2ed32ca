//! The visual language: a method keeps its colour, marker and dash in every figure.

use super::look::{Dash, Look, Marker, MarkerShape as Shape, Rgb};
use sculpt_schedules::Kind;

/// The look of each method, by its id: no two share colour and marker, nor marker and dash. Where a dense network stands beside a
/// sparse one, its line is broken (figures 2 and 3).
const LOOKS: &[(&str, Rgb, Marker, Dash)] = &[
    ("lrr", Rgb::BLACK, Marker::filled(Shape::Circle), Dash::Solid),
    ("wr", Rgb::BLUE, Marker::filled(Shape::Square), Dash::Solid),
    (
        "imp",
        Rgb::ORANGE,
        Marker::filled(Shape::TriangleUp),
        Dash::Dashed,
    ),
    (
        "lrr-mask-random-init",
        Rgb::SKY_BLUE,
        Marker::filled(Shape::TriangleDown),
        Dash::DashDot,
    ),
    (
        "lrr-mask-warmup-init",
        Rgb::BLUISH_GREEN,
        Marker::filled(Shape::Diamond),
        Dash::LongDashed,
    ),
    (
        "lrr-mask-lrr-init",
        Rgb::VERMILLION,
        Marker::open(Shape::Circle),
        Dash::Dashed,
    ),
    (
        "wr-mask-warmup-init",
        Rgb::REDDISH_PURPLE,
        Marker::open(Shape::Square),
        Dash::DashDotDot,
    ),
    (
        "lrr-mask-warmup-signs",
        Rgb::REDDISH_PURPLE,
        Marker::filled(Shape::Square),
        Dash::Dashed,
    ),
    (
        "lrr-mask-flipped-signs",
        Rgb::VERMILLION,
        Marker::filled(Shape::TriangleUp),
        Dash::DashDot,
    ),
    (
        "lrr-mask-warmup-signs-one-cycle",
        Rgb::BLUE,
        Marker::open(Shape::Square),
        Dash::LongDashed,
    ),
    (
        "lrr-mask-flipped-signs-one-cycle",
        Rgb::SKY_BLUE,
        Marker::open(Shape::TriangleUp),
        Dash::LongDashed,
    ),
    (
        "lrr-mask-flipped-warmup-init",
        Rgb::BLUE,
        Marker::filled(Shape::Diamond),
        Dash::Solid,
    ),
    (
        "lrr-mask-flipped-warmup-init-one-cycle",
        Rgb::VERMILLION,
        Marker::open(Shape::Diamond),
        Dash::Dashed,
    ),
    (
        "random-cyclic",
        Rgb::GREY,
        Marker::open(Shape::Cross),
        Dash::Solid,
    ),
    (
        "erk-cyclic",
        Rgb::VERMILLION,
        Marker::open(Shape::Plus),
        Dash::Dashed,
    ),
    (
        "random-one-cycle",
        Rgb::ORANGE,
        Marker::open(Shape::TriangleUp),
        Dash::Solid,
    ),
    (
        "random-cosine",
        Rgb::BLUE,
        Marker::open(Shape::TriangleDown),
        Dash::Solid,
    ),
    (
        "dense-cyclic",
        Rgb::BLUISH_GREEN,
        Marker::open(Shape::Plus),
        Dash::LongDashed,
    ),
    (
        "dense-one-cycle",
        Rgb::VERMILLION,
        Marker::open(Shape::Square),
        Dash::Dashed,
    ),
    (
        "dense-cosine",
        Rgb::SKY_BLUE,
        Marker::open(Shape::Circle),
        Dash::DashDotDot,
    ),
    (
        "snip-cyclic",
        Rgb::ORANGE,
        Marker::open(Shape::Square),
        Dash::Solid,
    ),
    (
        "synflow-cyclic",
        Rgb::BLUE,
        Marker::open(Shape::Diamond),
        Dash::Solid,
    ),
    (
        "sculpt-20",
        Rgb::SKY_BLUE,
        Marker::open(Shape::Diamond),
        Dash::LongDashed,
    ),
    (
        "sculpt-50",
        Rgb::VERMILLION,
        Marker::open(Shape::Star),
        Dash::LongDashed,
    ),
    (
        "sculpt-70",
        Rgb::BLUISH_GREEN,
        Marker::filled(Shape::TriangleUp),
        Dash::Solid,
    ),
    (
        "sculpt-80",
        Rgb::REDDISH_PURPLE,
        Marker::filled(Shape::TriangleDown),
        Dash::Dashed,
    ),
    (
        "sculpt-90",
        Rgb::ORANGE,
        Marker::open(Shape::Circle),
        Dash::DashDot,
    ),
    (
        "sculpt-by-random",
        Rgb::GREY,
        Marker::filled(Shape::TriangleDown),
        Dash::Solid,
    ),
    (
        "sculpt-by-snip",
        Rgb::ORANGE,
        Marker::filled(Shape::Square),
        Dash::DashDotDot,
    ),
    (
        "sculpt-by-synflow",
        Rgb::BLUE,
        Marker::open(Shape::Plus),
        Dash::DashDot,
    ),
    (
        "sculpt-by-grasp",
        Rgb::SKY_BLUE,
        Marker::filled(Shape::Diamond),
        Dash::DashDot,
    ),
    (
        "sculpt-by-fisher",
        Rgb::REDDISH_PURPLE,
        Marker::open(Shape::Circle),
        Dash::Solid,
    ),
    (
        "sculpt-by-woodfisher",
        Rgb::BLACK,
        Marker::open(Shape::Star),
        Dash::DashDotDot,
    ),
];

/// Looks of a user's own curves, in their order: no two share a marker.
const OWN_LOOKS: [(Rgb, Marker, Dash); 10] = [
    (Rgb::BLACK, Marker::filled(Shape::Circle), Dash::Solid),
    (Rgb::BLUE, Marker::filled(Shape::Square), Dash::Dashed),
    (
        Rgb::VERMILLION,
        Marker::filled(Shape::TriangleUp),
        Dash::LongDashed,
    ),
    (Rgb::BLUISH_GREEN, Marker::filled(Shape::Diamond), Dash::DashDot),
    (Rgb::ORANGE, Marker::filled(Shape::TriangleDown), Dash::DashDotDot),
    (Rgb::REDDISH_PURPLE, Marker::open(Shape::Circle), Dash::Solid),
    (Rgb::SKY_BLUE, Marker::open(Shape::Square), Dash::Dashed),
    (Rgb::GREY, Marker::open(Shape::Cross), Dash::LongDashed),
    (Rgb::BLUE, Marker::open(Shape::TriangleUp), Dash::DashDot),
    (Rgb::VERMILLION, Marker::open(Shape::Star), Dash::DashDotDot),
];

/// The look of the method of this id; none where it has none of its own.
pub fn look_of(id: &str) -> Option<Look> {
    let known = LOOKS.iter().find(|(own, ..)| *own == id);
    known.map(|&(_, colour, marker, dash)| Look { colour, marker, dash })
}

/// A method as a picture names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    /// What [`look_of`] knows it by.
    pub id: &'static str,
    /// What a legend calls it.
    pub label: &'static str,
}

/// What a curve stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
    /// A method, in its own look; one without is the first of a sequence.
    Method(Named),
    /// One of a sequence (cycles, levels), from dark to light; counted from 0. At most ten looks:
    /// the eleventh is the first again.
    Stage(usize),
    /// One of several that a user told apart, counted from 0; its curve has the name. At most ten looks: the eleventh is the first
    /// again.
    Own(usize),
    /// A learning-rate schedule: a line without markers.
    Schedule(Kind),
    /// The points of a panel that nothing lies beyond: a dotted line without markers.
    Front,
}

impl Series {
    /// Its colour, marker and dash.
    pub fn look(self) -> Look {
        match self {
            Self::Method(method) => look_of(method.id).unwrap_or_else(|| stage_look(0)),
            Self::Stage(stage) => stage_look(stage % 10),
            Self::Own(place) => {
                let (colour, marker, dash) = OWN_LOOKS[place % OWN_LOOKS.len()];
                Look { colour, marker, dash }
            }
            Self::Schedule(kind) => {
                let stage = Kind::ALL.iter().position(|k| *k == kind);
                Look {
                    marker: Marker::open(Shape::None),
                    ..stage_look(stage.expect("every kind is among all"))
                }
            }
            Self::Front => Look {
                colour: Rgb::BLACK,
                marker: Marker::open(Shape::None),
                dash: Dash::Dotted,
            },
        }
    }

    /// Its name in frames.
    pub fn id(self) -> String {
        match self {
            Self::Method(method) => method.id.to_owned(),
            Self::Stage(place) | Self::Own(place) => (place + 1).to_string(),
            Self::Schedule(kind) => kind.name().to_owned(),
            Self::Front => "pareto-front".to_owned(),
        }
    }

    /// What a legend calls it unless the curve says otherwise.
    pub fn label(self) -> String {
        match self {
            Self::Method(method) => method.label.to_owned(),
            Self::Stage(place) | Self::Own(place) => (place + 1).to_string(),
            Self::Schedule(kind) => kind.name().to_owned(),
            Self::Front => "Pareto front".to_owned(),
        }
    }
}

impl From<Named> for Series {
    fn from(method: Named) -> Self {
        Self::Method(method)
    }
}

/// Dark blue over purple to orange, which also grow lighter; neighbours differ in marker and dash.
fn stage_look(stage: usize) -> Look {
    let shapes = [
        Shape::Circle,
        Shape::Square,
        Shape::TriangleUp,
        Shape::TriangleDown,
        Shape::Diamond,
    ];
    let dashes = [
        Dash::Solid,
        Dash::Dashed,
        Dash::LongDashed,
        Dash::DashDot,
        Dash::DashDotDot,
    ];
    let t = stage as f64 / 9.0;
    let (dark, middle, light) = (Rgb(26, 28, 96), Rgb(176, 52, 116), Rgb(240, 165, 48));
    let colour = if t < 0.5 {
        dark.towards(middle, 2.0 * t)
    } else {
        middle.towards(light, 2.0 * t - 1.0)
    };
    let marker = Marker {
        shape: shapes[stage % 5],
        filled: stage < 5,
    };
    Look {
        colour,
        marker,
        dash: dashes[(stage + stage / 5) % 5],
    }
}

#[cfg(test)]
pub(crate) mod examples {
    use super::{LOOKS, Named};

    pub(crate) const LRR: Named = named("lrr", "LRR");
    pub(crate) const WR: Named = named("wr", "WR");
    pub(crate) const RANDOM: Named = named("random-cyclic", "random mask, cyclic");

    const fn named(id: &'static str, label: &'static str) -> Named {
        Named { id, label }
    }

    /// The first `n` of the table: those above, the others by their ids.
    pub(crate) fn first(n: usize) -> Vec<Named> {
        let label = |id: &'static str| {
            let known = [LRR, WR, RANDOM].into_iter().find(|method| method.id == id);
            known.map_or(id, |method| method.label)
        };
        LOOKS[..n].iter().map(|(id, ..)| named(id, label(id))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// A broken line is another one where a method is trained otherwise: colour and marker alone tell every method apart.
    #[test]
    fn looks_differ_whatever_the_line() {
        let looks: HashSet<_> = LOOKS
            .iter()
            .map(|(_, colour, marker, _)| (colour, marker))
            .collect();
        assert_eq!(looks.len(), LOOKS.len());
        let ids: HashSet<_> = LOOKS.iter().map(|(id, ..)| id).collect();
        assert_eq!(ids.len(), LOOKS.len());
    }

    /// Without colour, as in grey print, marker and dash tell every method apart. In one figure the marker alone does, which
    /// sculpt-report's tests hold the figures to.
    #[test]
    fn looks_differ_without_colour() {
        let methods: HashSet<_> = LOOKS.iter().map(|(_, _, marker, dash)| (marker, dash)).collect();
        assert_eq!(methods.len(), LOOKS.len());
        let grey = |look: Look| (look.marker, look.dash);
        let stages: HashSet<_> = (0..10).map(|stage| grey(Series::Stage(stage).look())).collect();
        assert_eq!(stages.len(), 10);
        let own: HashSet<_> = OWN_LOOKS.iter().map(|(_, marker, _)| marker).collect();
        assert_eq!(own.len(), OWN_LOOKS.len());
    }

    #[test]
    fn schedules_are_lines() {
        let looks = Kind::ALL.map(|kind| Series::Schedule(kind).look());
        assert!(looks.iter().all(|look| look.marker.shape == Shape::None));
        assert_eq!(HashSet::from(looks).len(), Kind::ALL.len());
        assert_eq!(Series::Schedule(Kind::OneCycle).label(), "one-cycle");
    }

    #[test]
    fn dotted_belongs_to_no_method() {
        assert!(LOOKS.iter().all(|(_, _, _, dash)| *dash != Dash::Dotted));
    }
}
