//! What each figure of accuracies and of losses between checkpoints shows, by the paper's numbers.

use crate::accuracies::{Accuracies, CYCLIC, FIRST_CYCLE, GAIN, Plot, all, last, standard};
use crate::artefact::PanelSource;
use crate::landscapes::Landscape;
use crate::shows;
use crate::words::named;
use sculpt_experiments::{Labels, PanelName, Setup, Show, methods};
use sculpt_figures::{Guide, Over, PanelRows, Shown};
use sculpt_measures::Pairs;
use sculpt_rows::{Along, JumpRow, LineRow, Name, sparsity};
use std::marker::PhantomData;

const fn source(letter: &'static str, panel: PanelName, shows: &'static [Show]) -> PanelSource {
    PanelSource {
        letter,
        panel,
        once: false,
        shows,
        labels: Labels::Clean,
    }
}

/// A single run of it (A.2).
const fn once(letter: &'static str, panel: PanelName, shows: &'static [Show]) -> PanelSource {
    PanelSource {
        once: true,
        ..source(letter, panel, shows)
    }
}

/// The same with noisy training labels.
const fn noisy(source: PanelSource) -> PanelSource {
    PanelSource {
        labels: Labels::Noisy,
        ..source
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
        seeds: false,
        demo_differs: false,
    }
}

const fn beside(plot: Plot, guides: &'static [Guide]) -> Plot {
    Plot { guides, ..plot }
}

const fn about(plot: Plot, what: fn(&Setup) -> String) -> Plot {
    Plot { what, ..plot }
}

/// Each of a few seeds in the place of intervals.
const fn each_seed(plot: Plot) -> Plot {
    Plot { seeds: true, ..plot }
}

/// On the demo it comes out otherwise than in the paper.
const fn unlike_the_paper(plot: Plot) -> Plot {
    Plot {
        demo_differs: true,
        ..plot
    }
}

fn sparse_90(setup: &Setup) -> String {
    format!(", {}", sparsity(setup.sparse_90.get()))
}

fn sparse_90_and_dense(setup: &Setup) -> String {
    format!("{}, in (c) also dense", sparse_90(setup))
}

fn data_and_sparse_90(setup: &Setup) -> String {
    format!(": {}{}", setup.data_title, sparse_90(setup))
}

const ITERATIVE: &[Shown] = &[
    last(&methods::LRR),
    last(&methods::WR),
    all(&methods::DENSE_CYCLIC),
];

pub(crate) static FIGURE_2: Accuracies = Accuracies {
    name: Name::Figure(2),
    title: "Increased cyclic training",
    sources: &[
        source("a", PanelName::A, shows::ITERATIVE_AGAINST_DENSE),
        source("b", PanelName::C, shows::ITERATIVE_AGAINST_DENSE),
        source("c", PanelName::A, shows::CYCLE_BY_CYCLE),
        source("d", PanelName::A, shows::SCHEDULES_AT_EQUAL_EPOCHS),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Cycles, ITERATIVE), &[GAIN]),
        beside(plot("b", "(b)", Over::Cycles, ITERATIVE), &[GAIN]),
        about(
            plot("c", "(c)", Over::Cycles, &[all(&methods::RANDOM_CYCLIC)]),
            |setup| sparsity(setup.sparse_67.get()),
        ),
        about(
            plot(
                "d",
                "(d)",
                Over::Epochs,
                &[
                    all(&methods::DENSE_CYCLIC),
                    all(&methods::DENSE_COSINE),
                    all(&methods::DENSE_ONE_CYCLE),
                    all(&methods::RANDOM_CYCLIC),
                    all(&methods::RANDOM_COSINE),
                    all(&methods::RANDOM_ONE_CYCLE),
                ],
            ),
            |setup| format!("dense and {}", sparsity(setup.sparse_90.get())),
        ),
    ],
};

pub(crate) static FIGURE_3: Landscape<JumpRow> = Landscape {
    name: Name::Figure(3),
    title: "Insights on cyclic training",
    what: sparse_90_and_dense,
    demo_differs: true,
    sources: &[source("a", PanelName::A, shows::JUMPS)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: PanelRows::Methods(&[&[named(&methods::RANDOM_CYCLIC), named(&methods::RANDOM_ONE_CYCLE)]]),
    curvature: &[
        named(&methods::RANDOM_CYCLIC),
        named(&methods::RANDOM_ONE_CYCLE),
        named(&methods::DENSE_CYCLIC),
        named(&methods::DENSE_ONE_CYCLE),
    ],
    rows_are: PhantomData,
};

const PRUNED_AT_INITIALISATION: &[Shown] = &[
    last(&methods::LRR),
    last(&methods::RANDOM_CYCLIC),
    last(&methods::SNIP_CYCLIC),
    last(&methods::SYNFLOW_CYCLIC),
    standard(&methods::RANDOM_CYCLIC, "random mask, standard"),
    standard(&methods::SNIP_CYCLIC, "SNIP, standard"),
    standard(&methods::SYNFLOW_CYCLIC, "SynFlow, standard"),
];

pub(crate) static FIGURE_4: Accuracies = Accuracies {
    name: Name::Figure(4),
    title: "PaI with cyclic training",
    sources: &[
        source("a", PanelName::A, shows::PRUNED_AT_INITIALISATION),
        source("b", PanelName::B, shows::PRUNED_AT_INITIALISATION),
        source("c", PanelName::C, shows::PRUNED_AT_INITIALISATION),
    ],
    plots: &[pai("a", "(a)"), pai("b", "(b)"), pai("c", "(c)")],
};

const fn pai(source: &'static str, place: &'static str) -> Plot {
    each_seed(beside(
        plot(source, place, Over::Density, PRUNED_AT_INITIALISATION),
        &[GAIN],
    ))
}

const COUPLING: &[Shown] = &[
    last(&methods::LRR),
    last(&methods::WR),
    last(&methods::IMP),
    last(&methods::LRR_MASK_LRR_INIT),
    last(&methods::LRR_MASK_WARMUP_INIT),
    last(&methods::WR_MASK_WARMUP_INIT),
    last(&methods::LRR_MASK_RANDOM_INIT),
    last(&methods::RANDOM_CYCLIC),
];

pub(crate) static FIGURE_5: Accuracies = Accuracies {
    name: Name::Figure(5),
    title: "Coupling of mask and initialisation",
    sources: &[
        source("a", PanelName::A, shows::COUPLING),
        once("b", PanelName::B, shows::COUPLING),
        source("c", PanelName::C, shows::COUPLING),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Density, COUPLING), &[FIRST_CYCLE]),
        beside(plot("b", "(b)", Over::Density, COUPLING), &[FIRST_CYCLE]),
        beside(plot("c", "(c)", Over::Density, COUPLING), &[FIRST_CYCLE]),
    ],
};

const BASINS: PanelRows<'static> = PanelRows::Methods(&[
    &[named(&methods::LRR_MASK_WARMUP_INIT)],
    &[named(&methods::LRR_MASK_RANDOM_INIT)],
]);

pub(crate) static FIGURE_6: Landscape<LineRow> = Landscape {
    name: Name::Figure(6),
    title: "Linear mode connectivity of consecutive training cycles",
    what: sparse_90,
    demo_differs: false,
    sources: &[source("a", PanelName::A, shows::BASINS)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: BASINS,
    curvature: &[],
    rows_are: PhantomData,
};

const SCULPTING: &[Shown] = &[
    last(&methods::LRR),
    last(&methods::RANDOM_CYCLIC),
    last(&methods::SCULPT_20),
    last(&methods::SCULPT_50),
    last(&methods::SCULPT_70),
];

pub(crate) static FIGURE_7: Accuracies = Accuracies {
    name: Name::Figure(7),
    title: "SCULPT-ing from a random sparse mask",
    sources: &[
        source("a", PanelName::A, shows::SCULPTING),
        source("b", PanelName::B, shows::SCULPTING),
        source("c", PanelName::C, shows::SCULPTING),
    ],
    plots: &[
        beside(plot("a", "(a)", Over::Density, SCULPTING), &[CYCLIC]),
        beside(plot("b", "(b)", Over::Density, SCULPTING), &[CYCLIC]),
        beside(plot("c", "(c)", Over::Density, SCULPTING), &[CYCLIC]),
    ],
};

pub(crate) static FIGURE_8: Accuracies = Accuracies {
    name: Name::Figure(8),
    title: "Signs are sufficient for coupling; SCULPT-ing a ResNet-50",
    sources: &[
        source("a", PanelName::A, shows::SIGNS_SUFFICE),
        source("b", PanelName::LargeB, shows::SCULPTING_AGAINST_LRR),
        source("c", PanelName::LargeC, shows::SCULPTING_AGAINST_LRR),
    ],
    plots: &[
        plot(
            "a",
            "(a)",
            Over::Density,
            &[
                last(&methods::LRR),
                last(&methods::LRR_MASK_WARMUP_INIT),
                last(&methods::LRR_MASK_WARMUP_SIGNS),
                last(&methods::LRR_MASK_RANDOM_INIT),
                last(&methods::RANDOM_CYCLIC),
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
        source("a", PanelName::A, shows::PRUNING_CRITERIA),
        noisy(source("b", PanelName::A, shows::NOISY_LABELS)),
    ],
    plots: &[
        unlike_the_paper(about(
            plot(
                "a",
                "(a)",
                Over::Density,
                &[
                    Shown {
                        label: Some("SCULPT by magnitude"),
                        ..last(&methods::SCULPT_70)
                    },
                    last(&methods::SCULPT_BY_RANDOM),
                    last(&methods::SCULPT_BY_SNIP),
                    last(&methods::SCULPT_BY_SYNFLOW),
                    last(&methods::SCULPT_BY_GRASP),
                    last(&methods::SCULPT_BY_FISHER),
                    last(&methods::SCULPT_BY_WOODFISHER),
                ],
            ),
            |setup| {
                let start = setup.sculpt_starts.last();
                start.map_or_else(String::new, |start| {
                    format!("SCULPT from {}", sparsity(start.get()))
                })
            },
        )),
        beside(
            about(
                plot(
                    "b",
                    "(b)",
                    Over::Density,
                    &[last(&methods::LRR), last(&methods::RANDOM_CYCLIC)],
                ),
                |setup| {
                    format!(
                        "{:.0} % label noise, clean test",
                        100.0 * setup.label_noise_rate.get()
                    )
                },
            ),
            &[CYCLIC],
        ),
    ],
};

pub(crate) static FIGURE_10: Accuracies = Accuracies {
    name: Name::Figure(10),
    title: "Recovery of signs, cyclic against one-cycle",
    sources: &[source("a", PanelName::A, shows::SIGN_RECOVERY)],
    plots: &[
        about(
            plot(
                "a",
                "(left)",
                Over::Density,
                &[
                    last(&methods::LRR),
                    last(&methods::LRR_MASK_WARMUP_SIGNS),
                    last(&methods::LRR_MASK_WARMUP_SIGNS_ONE_CYCLE),
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
                    last(&methods::LRR),
                    last(&methods::LRR_MASK_FLIPPED_SIGNS),
                    last(&methods::LRR_MASK_FLIPPED_SIGNS_ONE_CYCLE),
                ],
            ),
            |setup| format!("{:.0} % of them flipped", 100.0 * setup.flip_fraction.get()),
        ),
    ],
};

pub(crate) static FIGURE_13: Accuracies = Accuracies {
    name: Name::Figure(13),
    title: "Random masks with different layerwise sparsities",
    sources: &[source("a", PanelName::C, shows::ALLOCATIONS)],
    plots: &[unlike_the_paper(plot(
        "a",
        "",
        Over::Density,
        &[
            Shown {
                label: Some("balanced mask, cyclic"),
                ..last(&methods::RANDOM_CYCLIC)
            },
            last(&methods::ERK_CYCLIC),
        ],
    ))],
};

pub(crate) static FIGURE_14: Landscape<LineRow> = Landscape {
    name: Name::Figure(14),
    title: "Linear mode connectivity of random networks after the first cycle",
    what: nothing,
    demo_differs: false,
    sources: &[source("a", PanelName::A, shows::RANDOM_MASKS)],
    along: Along::Cycles,
    pairs: Pairs::First,
    rows: PanelRows::Densities(named(&methods::RANDOM_CYCLIC)),
    curvature: &[],
    rows_are: PhantomData,
};

pub(crate) static FIGURE_15: Landscape<LineRow> = Landscape {
    name: Name::Figure(15),
    title: "Linear mode connectivity of random networks after repeated cyclic training",
    what: nothing,
    demo_differs: false,
    sources: &[source("a", PanelName::A, shows::RANDOM_MASKS)],
    along: Along::Cycles,
    pairs: Pairs::Last,
    rows: PanelRows::Densities(named(&methods::RANDOM_CYCLIC)),
    curvature: &[],
    rows_are: PhantomData,
};

pub(crate) static FIGURE_16: Landscape<LineRow> = Landscape {
    name: Name::Figure(16),
    title: "Linear mode connectivity between consecutive levels of iterative pruning",
    what: nothing,
    demo_differs: true,
    sources: &[source("a", PanelName::A, shows::LEVELS)],
    along: Along::Levels,
    pairs: Pairs::All,
    rows: PanelRows::Methods(&[
        &[named(&methods::LRR)],
        &[named(&methods::WR)],
        &[named(&methods::IMP)],
        &[named(&methods::LRR_MASK_RANDOM_INIT)],
    ]),
    curvature: &[],
    rows_are: PhantomData,
};

pub(crate) static FIGURE_17: Landscape<LineRow> = Landscape {
    name: Name::Figure(17),
    title: "Linear mode connectivity with increased training, cosine cycles and one-cycle",
    what: sparse_90,
    demo_differs: false,
    sources: &[source("a", PanelName::A, shows::LONG_RUNS)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: PanelRows::Methods(&[
        &[named(&methods::RANDOM_COSINE)],
        &[named(&methods::RANDOM_ONE_CYCLE)],
    ]),
    curvature: &[],
    rows_are: PhantomData,
};

pub(crate) static FIGURE_18: Landscape<LineRow> = Landscape {
    name: Name::Figure(18),
    title: "Linear mode connectivity of consecutive training cycles (CIFAR-100 in the paper)",
    what: data_and_sparse_90,
    demo_differs: false,
    sources: &[once("a", PanelName::B, shows::BASINS)],
    along: Along::Cycles,
    pairs: Pairs::All,
    rows: BASINS,
    curvature: &[],
    rows_are: PhantomData,
};
