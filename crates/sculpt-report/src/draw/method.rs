//! The visual language: a method keeps its colour, marker and dash in every figure.

use super::look::{Dash, Look, Marker, MarkerShape as Shape, Rgb};
use sculpt_experiments::{Curve, PruningStep};
use sculpt_masks::Density;
use sculpt_schedules::Kind;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A training method of the paper, as its figures name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Learning-rate rewinding.
    Lrr,
    /// Weight rewinding.
    Wr,
    /// Iterative magnitude pruning, rewound to the initial weights.
    Imp,
    /// LRR's mask, new random weights, cyclic training.
    LrrMaskRandomInit,
    /// LRR's mask, dense weights after warm-up, cyclic training.
    LrrMaskWarmupInit,
    /// LRR's mask, LRR's initial weights, cyclic training.
    LrrMaskLrrInit,
    /// WR's mask, its warm-up weights, cyclic training.
    WrMaskWarmupInit,
    /// LRR's mask, signs after warm-up, random magnitudes (figures 8, 10).
    LrrMaskWarmupSigns,
    /// The same, one cycle over all epochs (figure 10).
    LrrMaskWarmupSignsOneCycle,
    /// Warm-up signs, 20 % of them flipped, cyclic (figure 10).
    LrrMaskFlippedSigns,
    /// The same, one cycle over all epochs.
    LrrMaskFlippedSignsOneCycle,
    /// LRR's mask, dense weights after warm-up, 20 % of the signs flipped, cyclic (A.1).
    LrrMaskFlippedWarmupInit,
    /// The same, one cycle over all epochs.
    LrrMaskFlippedWarmupInitOneCycle,
    /// Random mask, cyclic training.
    RandomCyclic,
    /// Random mask with ERK layer densities, cyclic training (figure 13).
    ErkCyclic,
    /// Random mask, one cycle over all epochs.
    RandomOneCycle,
    /// Random mask, cosine cycles.
    RandomCosine,
    /// Dense, cyclic training.
    DenseCyclic,
    /// Dense, one cycle over all epochs.
    DenseOneCycle,
    /// Dense, cosine cycles.
    DenseCosine,
    /// SNIP's mask, cyclic training.
    SnipCyclic,
    /// SynFlow's mask, cyclic training.
    SynflowCyclic,
    /// SCULPT; the figure says from which sparsity.
    Sculpt,
    /// SCULPT from 20 % sparsity.
    Sculpt20,
    /// SCULPT from 50 % sparsity.
    Sculpt50,
    /// SCULPT from 70 % sparsity.
    Sculpt70,
    /// SCULPT from 80 % sparsity.
    Sculpt80,
    /// SCULPT from 90 % sparsity.
    Sculpt90,
    /// SCULPT, pruning step at random (figure 9).
    SculptByRandom,
    /// SCULPT, pruning step by SNIP.
    SculptBySnip,
    /// SCULPT, pruning step by SynFlow.
    SculptBySynflow,
    /// SCULPT, pruning step by GraSP.
    SculptByGrasp,
    /// SCULPT, pruning step by Fisher information.
    SculptByFisher,
    /// SCULPT, pruning step by WoodFisher.
    SculptByWoodfisher,
}

impl Method {
    /// All methods, in the order of a legend.
    pub const ALL: [Self; 34] = [
        Self::Lrr,
        Self::Wr,
        Self::Imp,
        Self::LrrMaskRandomInit,
        Self::LrrMaskWarmupInit,
        Self::LrrMaskLrrInit,
        Self::WrMaskWarmupInit,
        Self::LrrMaskWarmupSigns,
        Self::LrrMaskWarmupSignsOneCycle,
        Self::LrrMaskFlippedSigns,
        Self::LrrMaskFlippedSignsOneCycle,
        Self::LrrMaskFlippedWarmupInit,
        Self::LrrMaskFlippedWarmupInitOneCycle,
        Self::RandomCyclic,
        Self::ErkCyclic,
        Self::RandomOneCycle,
        Self::RandomCosine,
        Self::DenseCyclic,
        Self::DenseOneCycle,
        Self::DenseCosine,
        Self::SnipCyclic,
        Self::SynflowCyclic,
        Self::Sculpt,
        Self::Sculpt20,
        Self::Sculpt50,
        Self::Sculpt70,
        Self::Sculpt80,
        Self::Sculpt90,
        Self::SculptByRandom,
        Self::SculptBySnip,
        Self::SculptBySynflow,
        Self::SculptByGrasp,
        Self::SculptByFisher,
        Self::SculptByWoodfisher,
    ];

    /// The method of a curve; `starts` are the densities that SCULPT starts from in its panel.
    pub(crate) fn of(curve: Curve, starts: &[Density]) -> Self {
        match curve {
            Curve::Lrr => Self::Lrr,
            Curve::Wr => Self::Wr,
            Curve::Imp => Self::Imp,
            Curve::LrrMaskRandomInit => Self::LrrMaskRandomInit,
            Curve::LrrMaskWarmupInit => Self::LrrMaskWarmupInit,
            Curve::LrrMaskLrrInit => Self::LrrMaskLrrInit,
            Curve::WrMaskWarmupInit => Self::WrMaskWarmupInit,
            Curve::LrrMaskWarmupSigns => Self::LrrMaskWarmupSigns,
            Curve::LrrMaskWarmupSignsOneCycle => Self::LrrMaskWarmupSignsOneCycle,
            Curve::LrrMaskFlippedSigns => Self::LrrMaskFlippedSigns,
            Curve::LrrMaskFlippedSignsOneCycle => Self::LrrMaskFlippedSignsOneCycle,
            Curve::LrrMaskFlippedWarmupInit => Self::LrrMaskFlippedWarmupInit,
            Curve::LrrMaskFlippedWarmupInitOneCycle => Self::LrrMaskFlippedWarmupInitOneCycle,
            Curve::RandomCyclic => Self::RandomCyclic,
            Curve::ErkCyclic => Self::ErkCyclic,
            Curve::RandomOneCycle => Self::RandomOneCycle,
            Curve::RandomCosine => Self::RandomCosine,
            Curve::SnipCyclic => Self::SnipCyclic,
            Curve::SynflowCyclic => Self::SynflowCyclic,
            Curve::DenseCyclic => Self::DenseCyclic,
            Curve::DenseOneCycle => Self::DenseOneCycle,
            Curve::DenseCosine => Self::DenseCosine,
            Curve::Sculpt(place) => {
                let sparsity = starts
                    .get(place)
                    .map(|start| (100.0 * (1.0 - start.get())).round());
                match sparsity {
                    Some(20.0) => Self::Sculpt20,
                    Some(50.0) => Self::Sculpt50,
                    Some(70.0) => Self::Sculpt70,
                    Some(80.0) => Self::Sculpt80,
                    Some(90.0) => Self::Sculpt90,
                    Some(_) | None => Self::Sculpt,
                }
            }
            Curve::SculptBy(PruningStep::Random) => Self::SculptByRandom,
            Curve::SculptBy(PruningStep::Snip) => Self::SculptBySnip,
            Curve::SculptBy(PruningStep::Synflow) => Self::SculptBySynflow,
            Curve::SculptBy(PruningStep::Grasp) => Self::SculptByGrasp,
            Curve::SculptBy(PruningStep::Fisher) => Self::SculptByFisher,
            Curve::SculptBy(PruningStep::WoodFisher) => Self::SculptByWoodfisher,
        }
    }

    /// What a legend calls it.
    pub fn label(self) -> &'static str {
        self.names().1
    }

    /// The name in frames; never changes.
    pub fn id(self) -> &'static str {
        self.names().0
    }

    /// Its colour, marker and dash.
    pub fn look(self) -> Look {
        let (colour, marker, dash) = match self {
            Self::Lrr => (Rgb::BLACK, Marker::filled(Shape::Circle), Dash::Solid),
            Self::Wr => (Rgb::BLUE, Marker::filled(Shape::Square), Dash::Solid),
            Self::Imp => (Rgb::ORANGE, Marker::filled(Shape::TriangleUp), Dash::Dashed),
            Self::LrrMaskRandomInit => (Rgb::SKY_BLUE, Marker::filled(Shape::TriangleDown), Dash::DashDot),
            Self::LrrMaskWarmupInit => (
                Rgb::BLUISH_GREEN,
                Marker::filled(Shape::Diamond),
                Dash::LongDashed,
            ),
            Self::LrrMaskLrrInit => (Rgb::VERMILLION, Marker::open(Shape::Circle), Dash::Dashed),
            Self::WrMaskWarmupInit => (Rgb::REDDISH_PURPLE, Marker::open(Shape::Square), Dash::DashDotDot),
            Self::LrrMaskWarmupSigns => (Rgb::REDDISH_PURPLE, Marker::filled(Shape::Square), Dash::Dashed),
            Self::LrrMaskFlippedSigns => (Rgb::ORANGE, Marker::filled(Shape::TriangleUp), Dash::DashDot),
            Self::LrrMaskWarmupSignsOneCycle => (Rgb::BLUE, Marker::open(Shape::Square), Dash::LongDashed),
            Self::LrrMaskFlippedSignsOneCycle => {
                (Rgb::SKY_BLUE, Marker::open(Shape::TriangleUp), Dash::Solid)
            }
            Self::LrrMaskFlippedWarmupInit => {
                (Rgb::BLUISH_GREEN, Marker::filled(Shape::Diamond), Dash::Solid)
            }
            Self::LrrMaskFlippedWarmupInitOneCycle => {
                (Rgb::VERMILLION, Marker::open(Shape::Diamond), Dash::Dashed)
            }
            Self::RandomCyclic => (Rgb::GREY, Marker::open(Shape::Cross), Dash::Solid),
            Self::ErkCyclic => (Rgb::VERMILLION, Marker::open(Shape::Plus), Dash::Dashed),
            Self::RandomOneCycle => (Rgb::ORANGE, Marker::open(Shape::TriangleUp), Dash::LongDashed),
            Self::RandomCosine => (Rgb::BLUE, Marker::open(Shape::TriangleDown), Dash::DashDot),
            Self::DenseCyclic => (Rgb::BLUISH_GREEN, Marker::open(Shape::Plus), Dash::LongDashed),
            Self::DenseOneCycle => (Rgb::VERMILLION, Marker::open(Shape::Square), Dash::DashDot),
            Self::DenseCosine => (Rgb::SKY_BLUE, Marker::open(Shape::Circle), Dash::DashDotDot),
            Self::SnipCyclic => (Rgb::ORANGE, Marker::open(Shape::TriangleUp), Dash::DashDot),
            Self::SynflowCyclic => (Rgb::BLUE, Marker::open(Shape::TriangleDown), Dash::Dashed),
            Self::Sculpt => (Rgb::VERMILLION, Marker::open(Shape::Star), Dash::Solid),
            Self::Sculpt20 => (Rgb::SKY_BLUE, Marker::open(Shape::Diamond), Dash::Solid),
            Self::Sculpt50 => (Rgb::VERMILLION, Marker::open(Shape::Star), Dash::LongDashed),
            Self::Sculpt70 => (Rgb::BLUISH_GREEN, Marker::filled(Shape::TriangleUp), Dash::Solid),
            Self::Sculpt80 => (
                Rgb::REDDISH_PURPLE,
                Marker::filled(Shape::TriangleDown),
                Dash::Dashed,
            ),
            Self::Sculpt90 => (Rgb::ORANGE, Marker::open(Shape::Diamond), Dash::DashDot),
            Self::SculptByRandom => (Rgb::GREY, Marker::open(Shape::Cross), Dash::Dashed),
            Self::SculptBySnip => (Rgb::ORANGE, Marker::open(Shape::TriangleUp), Dash::DashDotDot),
            Self::SculptBySynflow => (Rgb::BLUE, Marker::open(Shape::TriangleDown), Dash::LongDashed),
            Self::SculptByGrasp => (Rgb::SKY_BLUE, Marker::filled(Shape::Diamond), Dash::DashDot),
            Self::SculptByFisher => (Rgb::REDDISH_PURPLE, Marker::open(Shape::Circle), Dash::Solid),
            Self::SculptByWoodfisher => (Rgb::BLACK, Marker::open(Shape::Star), Dash::DashDotDot),
        };
        Look { colour, marker, dash }
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Lrr => ("lrr", "LRR"),
            Self::Wr => ("wr", "WR"),
            Self::Imp => ("imp", "IMP"),
            Self::LrrMaskRandomInit => ("lrr-mask-random-init", "LRR mask + random init"),
            Self::LrrMaskWarmupInit => ("lrr-mask-warmup-init", "LRR mask + warm-up init"),
            Self::LrrMaskLrrInit => ("lrr-mask-lrr-init", "LRR mask + LRR init"),
            Self::WrMaskWarmupInit => ("wr-mask-warmup-init", "WR mask + warm-up init"),
            Self::LrrMaskWarmupSigns => ("lrr-mask-warmup-signs", "LRR mask + warm-up signs"),
            Self::LrrMaskFlippedSigns => ("lrr-mask-flipped-signs", "LRR mask + 20 % flipped signs"),
            Self::LrrMaskWarmupSignsOneCycle => (
                "lrr-mask-warmup-signs-one-cycle",
                "LRR mask + warm-up signs, one cycle",
            ),
            Self::LrrMaskFlippedSignsOneCycle => (
                "lrr-mask-flipped-signs-one-cycle",
                "LRR mask + 20 % flipped signs, one cycle",
            ),
            Self::LrrMaskFlippedWarmupInit => (
                "lrr-mask-flipped-warmup-init",
                "LRR mask + warm-up init, 20 % signs flipped",
            ),
            Self::LrrMaskFlippedWarmupInitOneCycle => (
                "lrr-mask-flipped-warmup-init-one-cycle",
                "LRR mask + warm-up init, 20 % signs flipped, one cycle",
            ),
            Self::RandomCyclic => ("random-cyclic", "random mask, cyclic"),
            Self::ErkCyclic => ("erk-cyclic", "ERK mask, cyclic"),
            Self::RandomOneCycle => ("random-one-cycle", "random mask, one cycle"),
            Self::RandomCosine => ("random-cosine", "random mask, cosine"),
            Self::DenseCyclic => ("dense-cyclic", "dense, cyclic"),
            Self::DenseOneCycle => ("dense-one-cycle", "dense, one cycle"),
            Self::DenseCosine => ("dense-cosine", "dense, cosine"),
            Self::SnipCyclic => ("snip-cyclic", "SNIP, cyclic"),
            Self::SynflowCyclic => ("synflow-cyclic", "SynFlow, cyclic"),
            Self::Sculpt => ("sculpt", "SCULPT"),
            Self::Sculpt20 => ("sculpt-20", "SCULPT from 20 %"),
            Self::Sculpt50 => ("sculpt-50", "SCULPT from 50 %"),
            Self::Sculpt70 => ("sculpt-70", "SCULPT from 70 %"),
            Self::Sculpt80 => ("sculpt-80", "SCULPT from 80 %"),
            Self::Sculpt90 => ("sculpt-90", "SCULPT from 90 %"),
            Self::SculptByRandom => ("sculpt-by-random", "SCULPT by random"),
            Self::SculptBySnip => ("sculpt-by-snip", "SCULPT by SNIP"),
            Self::SculptBySynflow => ("sculpt-by-synflow", "SCULPT by SynFlow"),
            Self::SculptByGrasp => ("sculpt-by-grasp", "SCULPT by GraSP"),
            Self::SculptByFisher => ("sculpt-by-fisher", "SCULPT by Fisher"),
            Self::SculptByWoodfisher => ("sculpt-by-woodfisher", "SCULPT by WoodFisher"),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// An id that names no method.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{id:?} is no method, known are {}", Method::ALL.map(Method::id).join(", "))]
pub struct UnknownMethod {
    /// The id.
    pub id: String,
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(id: &str) -> Result<Self, UnknownMethod> {
        let known = Self::ALL.into_iter().find(|method| method.id() == id);
        known.ok_or_else(|| UnknownMethod { id: id.to_owned() })
    }
}

/// What a curve stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Series {
    /// A method, in its own look.
    Method(Method),
    /// One of a sequence (cycles, levels), from dark to light; counted from 0. At most ten looks:
    /// the eleventh is the first again.
    Stage(usize),
    /// A learning-rate schedule: a line without markers.
    Schedule(Kind),
}

impl Series {
    /// Its colour, marker and dash.
    pub fn look(self) -> Look {
        match self {
            Self::Method(method) => method.look(),
            Self::Stage(stage) => stage_look(stage % 10),
            Self::Schedule(kind) => {
                let stage = Kind::ALL.iter().position(|k| *k == kind);
                Look {
                    marker: Marker::open(Shape::None),
                    ..stage_look(stage.expect("every kind is among all"))
                }
            }
        }
    }

    /// What a legend calls it unless the curve says otherwise.
    pub fn label(self) -> String {
        match self {
            Self::Method(method) => method.label().to_owned(),
            Self::Stage(stage) => (stage + 1).to_string(),
            Self::Schedule(kind) => kind.name().to_owned(),
        }
    }
}

impl From<Method> for Series {
    fn from(method: Method) -> Self {
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
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_round_trip() {
        for method in Method::ALL {
            assert_eq!(method.id().parse(), Ok(method));
            assert!(
                method
                    .id()
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            );
        }
        let unknown = "LRR".parse::<Method>().unwrap_err();
        assert!(
            unknown
                .to_string()
                .starts_with("\"LRR\" is no method, known are lrr, wr, imp")
        );
    }

    /// Without colour, as in grey print, marker and dash tell every method apart.
    #[test]
    fn looks_differ_without_colour() {
        let grey = |look: Look| (look.marker, look.dash);
        let methods: HashSet<_> = Method::ALL
            .map(|method| grey(method.look()))
            .into_iter()
            .collect();
        assert_eq!(methods.len(), Method::ALL.len());
        let stages: HashSet<_> = (0..10).map(|stage| grey(Series::Stage(stage).look())).collect();
        assert_eq!(stages.len(), 10);
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
        assert!(
            Method::ALL
                .iter()
                .all(|method| method.look().dash != Dash::Dotted)
        );
    }

    #[test]
    fn labels_differ() {
        let labels: HashSet<_> = Method::ALL.map(Method::label).into_iter().collect();
        assert_eq!(labels.len(), Method::ALL.len());
    }
}
