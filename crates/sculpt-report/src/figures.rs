//! What each figure of accuracies and of losses between checkpoints shows, by the paper's numbers.

use crate::Name;
use crate::accuracies::{Accuracies, Guide, Over, Plot, Shown};
use crate::artefact::PanelSource;
use crate::draw::{Method, Stroke};
use crate::landscapes::{Along, Landscape, Pairs, Rows};
use crate::words;
use sculpt_experiments::{
    PanelName, Point, Recipe, Setup, allocations, basins, coupling, cycle_by_cycle, iterative_against_dense,
    jumps, levels, long_runs, noisy_labels, pruned_at_initialisation, pruning_criteria, random_masks,
    schedules_at_equal_epochs, sculpting, sculpting_against_lrr, sign_recovery, signs_suffice,
};

type Points = fn(&mut Recipe, &Setup) -> Vec<Point>;

const fn source(letter: &'static str, panel: PanelName, points: Points) -> PanelSource {
    PanelSource {
        letter,
        panel,
        once: false,
        points,
    }
}

/// A single run of it (A.2).
const fn once(letter: &'static str, panel: PanelName, points: Points) -> PanelSource {
    PanelSource {
        once: true,
        ..source(letter, panel, points)
    }
}

fn nothing(_: &Setup) -> String {
    String::new()
}

const fn plot(source: &'static str, place: &'static str, x: Over, curves: &'static [Shown]) -> Plot {
    Plot {
        source,
        place,
        what: nothing,
        x,
        curves,
        guides: &[],
    }
}

const fn beside(plot: Plot, guides: &'static [Guide]) -> Plot {
    Plot { guides, ..plot }
}

const fn about(plot: Plot, what: fn(&Setup) -> String) -> Plot {
    Plot { what, ..plot }
}

const ITERATIVE: &[Shown] = &[
    Shown::last(Method::Lrr),
    Shown::last(Method::Wr),
    Shown::all(Method::DenseCyclic),
];

pub(crate) static FIGURE_2: Accuracies = Accuracies {
    name: Name::Figure(2),
    title: "Increased cyclic training",
    sources: &[
        source("a", PanelName::A, iterative_against_dense),
        source("b", PanelName::C, iterative_against_dense),
        source("c", PanelName::A, cycle_by_cycle),
        source("d", PanelName::A, schedules_at_equal_epochs),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Cycles, ITERATIVE), &[Guide::Gain]),
        beside(plot("b", "(b)", Over::Cycles, ITERATIVE), &[Guide::Gain]),
        about(
            plot("c", "(c)", Over::Cycles, &[Shown::all(Method::RandomCyclic)]),
            |setup| words::sparsity(setup.sparse_67.get()),
        ),
        about(
            plot(
                "d",
                "(d)",
                Over::Epochs,
                &[
                    Shown::all(Method::DenseCyclic),
                    Shown::all(Method::DenseCosine),
                    Shown::all(Method::DenseOneCycle),
                    Shown::all(Method::RandomCyclic),
                    Shown::all(Method::RandomCosine),
                    Shown::all(Method::RandomOneCycle),
                ],
            ),
            |setup| format!("dense and {}", words::sparsity(setup.sparse_90.get())),
        ),
    ],
};

pub(crate) static FIGURE_3: Landscape = Landscape {
    name: Name::Figure(3),
    title: "Insights on cyclic training",
    sources: &[source("a", PanelName::A, jumps)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: Rows::Methods(&[&[Method::RandomCyclic, Method::RandomOneCycle]]),
    curvature: &[
        (Method::RandomCyclic, Stroke::Solid),
        (Method::RandomOneCycle, Stroke::Solid),
        (Method::DenseCyclic, Stroke::Dashed),
        (Method::DenseOneCycle, Stroke::Dashed),
    ],
};

const PRUNED_AT_INITIALISATION: &[Shown] = &[
    Shown::last(Method::Lrr),
    Shown::last(Method::RandomCyclic).solid(),
    Shown::last(Method::SnipCyclic).solid(),
    Shown::last(Method::SynflowCyclic).solid(),
    Shown::standard(Method::RandomCyclic, "random mask, standard"),
    Shown::standard(Method::SnipCyclic, "SNIP, standard"),
    Shown::standard(Method::SynflowCyclic, "SynFlow, standard"),
];

pub(crate) static FIGURE_4: Accuracies = Accuracies {
    name: Name::Figure(4),
    title: "PaI with cyclic training",
    sources: &[
        source("a", PanelName::A, pruned_at_initialisation),
        source("b", PanelName::B, pruned_at_initialisation),
        source("c", PanelName::C, pruned_at_initialisation),
    ],
    plots: &[
        beside(
            plot("a", "(a)", Over::Density, PRUNED_AT_INITIALISATION),
            &[Guide::Gain],
        ),
        beside(
            plot("b", "(b)", Over::Density, PRUNED_AT_INITIALISATION),
            &[Guide::Gain],
        ),
        beside(
            plot("c", "(c)", Over::Density, PRUNED_AT_INITIALISATION),
            &[Guide::Gain],
        ),
    ],
};

const COUPLING: &[Shown] = &[
    Shown::last(Method::Lrr),
    Shown::last(Method::Wr),
    Shown::last(Method::Imp),
    Shown::last(Method::LrrMaskLrrInit),
    Shown::last(Method::LrrMaskWarmupInit),
    Shown::last(Method::WrMaskWarmupInit),
    Shown::last(Method::LrrMaskRandomInit),
    Shown::last(Method::RandomCyclic),
];

pub(crate) static FIGURE_5: Accuracies = Accuracies {
    name: Name::Figure(5),
    title: "Coupling of mask and initialisation",
    sources: &[
        source("a", PanelName::A, coupling),
        once("b", PanelName::B, coupling),
        source("c", PanelName::C, coupling),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Density, COUPLING), &[Guide::OneCycle]),
        beside(plot("b", "(b)", Over::Density, COUPLING), &[Guide::OneCycle]),
        beside(plot("c", "(c)", Over::Density, COUPLING), &[Guide::OneCycle]),
    ],
};

const BASINS: Rows = Rows::Methods(&[&[Method::LrrMaskWarmupInit], &[Method::LrrMaskRandomInit]]);

pub(crate) static FIGURE_6: Landscape = Landscape {
    name: Name::Figure(6),
    title: "Linear mode connectivity of consecutive training cycles",
    sources: &[source("a", PanelName::A, basins)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: BASINS,
    curvature: &[],
};

const SCULPTING: &[Shown] = &[
    Shown::last(Method::Lrr),
    Shown::last(Method::RandomCyclic),
    Shown::last(Method::Sculpt20),
    Shown::last(Method::Sculpt50),
    Shown::last(Method::Sculpt70),
];

pub(crate) static FIGURE_7: Accuracies = Accuracies {
    name: Name::Figure(7),
    title: "SCULPT-ing from a random sparse mask",
    sources: &[
        source("a", PanelName::A, sculpting),
        source("b", PanelName::B, sculpting),
        source("c", PanelName::C, sculpting),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Density, SCULPTING), &[Guide::Cyclic]),
        beside(plot("b", "(b)", Over::Density, SCULPTING), &[Guide::Cyclic]),
        beside(plot("c", "(c)", Over::Density, SCULPTING), &[Guide::Cyclic]),
    ],
};

pub(crate) static FIGURE_8: Accuracies = Accuracies {
    name: Name::Figure(8),
    title: "Signs are sufficient for coupling; SCULPT-ing a ResNet-50",
    sources: &[
        source("a", PanelName::A, signs_suffice),
        source("b", PanelName::LargeB, sculpting_against_lrr),
        source("c", PanelName::LargeC, sculpting_against_lrr),
    ],
    plots: &[
        plot(
            "a",
            "(a)",
            Over::Density,
            &[
                Shown::last(Method::Lrr),
                Shown::last(Method::LrrMaskWarmupInit),
                Shown::last(Method::LrrMaskWarmupSigns),
                Shown::last(Method::LrrMaskRandomInit),
                Shown::last(Method::RandomCyclic),
            ],
        ),
        plot("b", "(b)", Over::Density, SCULPTING),
        plot("c", "(c)", Over::Density, SCULPTING),
    ],
};

pub(crate) static FIGURE_9: Accuracies = Accuracies {
    name: Name::Figure(9),
    title: "Pruning criteria of SCULPT, and training with noisy labels",
    sources: &[
        source("a", PanelName::A, pruning_criteria),
        source("b", PanelName::A, noisy_labels),
    ],
    plots: &[
        about(
            plot(
                "a",
                "(a)",
                Over::Density,
                &[
                    Shown {
                        label: Some("SCULPT by magnitude"),
                        ..Shown::last(Method::Sculpt70)
                    },
                    Shown::last(Method::SculptByRandom),
                    Shown::last(Method::SculptBySnip),
                    Shown::last(Method::SculptBySynflow),
                    Shown::last(Method::SculptByGrasp),
                    Shown::last(Method::SculptByFisher),
                    Shown::last(Method::SculptByWoodfisher),
                ],
            ),
            |setup| {
                let start = setup.sculpt_starts.last();
                start.map_or_else(String::new, |start| {
                    format!("SCULPT from {}", words::sparsity(start.get()))
                })
            },
        ),
        beside(
            about(
                plot(
                    "b",
                    "(b)",
                    Over::Density,
                    &[Shown::last(Method::Lrr), Shown::last(Method::RandomCyclic)],
                ),
                |setup| {
                    format!(
                        "{:.0} % label noise, clean test",
                        100.0 * setup.label_noise_rate.get()
                    )
                },
            ),
            &[Guide::Cyclic],
        ),
    ],
};

pub(crate) static FIGURE_10: Accuracies = Accuracies {
    name: Name::Figure(10),
    title: "Recovery of signs, cyclic against one cycle",
    sources: &[source("a", PanelName::A, sign_recovery)],
    plots: &[
        about(
            plot(
                "a",
                "(left)",
                Over::Density,
                &[
                    Shown::last(Method::Lrr),
                    Shown::last(Method::LrrMaskWarmupSigns),
                    Shown::last(Method::LrrMaskWarmupSignsOneCycle),
                ],
            ),
            |_| "signs of the warm-up".to_owned(),
        ),
        about(
            plot(
                "a",
                "(right)",
                Over::Density,
                &[
                    Shown::last(Method::Lrr),
                    Shown::last(Method::LrrMaskFlippedSigns),
                    Shown::last(Method::LrrMaskFlippedSignsOneCycle),
                ],
            ),
            |setup| format!("{:.0} % of them flipped", 100.0 * setup.flip_fraction.get()),
        ),
    ],
};

pub(crate) static FIGURE_13: Accuracies = Accuracies {
    name: Name::Figure(13),
    title: "Random masks with different layerwise sparsities",
    sources: &[source("a", PanelName::C, allocations)],
    plots: &[plot(
        "a",
        "",
        Over::Density,
        &[
            Shown {
                label: Some("balanced mask, cyclic"),
                ..Shown::last(Method::RandomCyclic)
            },
            Shown::last(Method::ErkCyclic),
        ],
    )],
};

pub(crate) static FIGURE_14: Landscape = Landscape {
    name: Name::Figure(14),
    title: "Linear mode connectivity of random networks after the first cycle",
    sources: &[source("a", PanelName::A, random_masks)],
    along: Along::Cycles,
    pairs: Pairs::First,
    rows: Rows::Densities(Method::RandomCyclic),
    curvature: &[],
};

pub(crate) static FIGURE_15: Landscape = Landscape {
    name: Name::Figure(15),
    title: "Linear mode connectivity of random networks after repeated cyclic training",
    sources: &[source("a", PanelName::A, random_masks)],
    along: Along::Cycles,
    pairs: Pairs::Last,
    rows: Rows::Densities(Method::RandomCyclic),
    curvature: &[],
};

pub(crate) static FIGURE_16: Landscape = Landscape {
    name: Name::Figure(16),
    title: "Linear mode connectivity between consecutive levels of iterative pruning",
    sources: &[source("a", PanelName::A, levels)],
    along: Along::Levels,
    pairs: Pairs::All,
    rows: Rows::Methods(&[
        &[Method::Lrr],
        &[Method::Wr],
        &[Method::Imp],
        &[Method::LrrMaskRandomInit],
    ]),
    curvature: &[],
};

pub(crate) static FIGURE_17: Landscape = Landscape {
    name: Name::Figure(17),
    title: "Linear mode connectivity with increased training, cosine cycles and one cycle",
    sources: &[source("a", PanelName::A, long_runs)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: Rows::Methods(&[&[Method::RandomCosine], &[Method::RandomOneCycle]]),
    curvature: &[],
};

pub(crate) static FIGURE_18: Landscape = Landscape {
    name: Name::Figure(18),
    title: "Linear mode connectivity of consecutive training cycles, on the data of panel (b)",
    sources: &[once("a", PanelName::B, basins)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: BASINS,
    curvature: &[],
};
