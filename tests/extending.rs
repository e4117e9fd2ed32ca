//! The worked examples of EXTENDING.md, word for word; `tests/house_rules.rs` compares the two.

mod criterion {
    use sculpt_layout::{Layout, ParamKind};
    use sculpt_network::{FromFn, Mode};
    use sculpt_scores::{Choice, Density, Images, Point, Probe, ScoreError, Scorer, Scores, Snip};
    use tch::Tensor;

    /// `|∂L/∂θ|`: what the loss asks of a weight, whatever the weight's size. It has no numbers of its own.
    struct GradientSize {}

    impl Scorer for GradientSize {
        const HELP: &'static str = "The largest |gradient|";
        const USUAL: Self = Self {};

        fn choose(
            &self,
            point: &Point<'_>,
            images: Images<'_>,
            density: Density,
        ) -> Result<Choice, ScoreError> {
            let gradient = point.gradient(images.probe()?, Mode::Eval, 1.0)?;
            Scores::new(point, "gradient size", &point.prunable(&gradient.abs()))?.choose(density)
        }
    }

    /// Inputs 1 and 4, equal logits, label 0: ∂L/∂θ is (−½, −2), (½, 2), and SNIP's scores (.4, .2), (.4, .2).
    #[test]
    fn it_keeps_other_weights_than_snip() {
        let layout = Layout::builder().prunable("fc.weight", &[2, 2], ParamKind::Linear);
        let forward =
            |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| x.linear(&theta.view([2, 2]), None::<Tensor>);
        let network = FromFn::new(layout.build().unwrap(), forward);
        let theta = Tensor::from_slice(&[0.8f32, 0.1, 0.8, 0.1]);
        let buffers = theta.narrow(0, 0, 0);
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let image = Tensor::from_slice(&[1f32, 4.0]).view([1, 2]);
        let probe = Probe::new([(image, Tensor::from_slice(&[0i64]))]).unwrap();
        let half = Density::new(0.5).unwrap();
        let images = Images::Probe(&probe);
        let ours = GradientSize::USUAL.choose(&point, images, half).unwrap();
        let snip = Snip::USUAL.choose(&point, images, half).unwrap();
        assert_eq!(ours.mask.as_slice(), [false, true, false, true]);
        assert_eq!(snip.mask.as_slice(), [true, false, true, false]);
    }

    /// Scores of something else than the prunable weights are refused.
    #[test]
    fn scores_are_one_a_prunable_weight() {
        let layout = Layout::builder().prunable("fc.weight", &[2, 2], ParamKind::Linear);
        let forward = |theta: &Tensor, _: &Tensor, _: &Tensor, _: Mode| theta.view([1, 4]);
        let network = FromFn::new(layout.build().unwrap(), forward);
        let theta = Tensor::from_slice(&[1f32; 4]);
        let buffers = theta.narrow(0, 0, 0);
        let point = Point::new(&network, &theta, &buffers, None).unwrap();
        let error = Scores::new(&point, "three", &theta.narrow(0, 0, 3)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the scores has shape [3] where the network has [4]"
        );
    }
}

mod schedule {
    use super::{network::Tiny, source::Halves};
    use sculpt_masks::Mask;
    use sculpt_models::{InitRule, initialise};
    use sculpt_network::Network;
    use sculpt_random::Seed;
    use sculpt_schedules::Schedule;
    use sculpt_trainers::{
        Division, EpochMetrics, Flow, Observer, Position, Sgd, State, Step, TrainError, Training,
    };

    struct Rates(Vec<f64>);

    impl Observer<TrainError> for Rates {
        fn on_epoch(&mut self, metrics: &EpochMetrics, _: &Step<'_>) -> Result<Flow, TrainError> {
            self.0.push(metrics.learning_rate);
            Ok(Flow::GoOn)
        }
    }

    /// Three epochs of two steps: the peak at step 1, from there down by a fifth of it a step. An epoch tells its last rate.
    #[test]
    fn it_drives_training() {
        let (network, mut rates) = (Tiny::new(), Rates(Vec::new()));
        let schedule = Schedule::new("triangular".parse().unwrap(), 0.5, 3, 2).unwrap();
        let (theta, buffers) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
        let mask = Mask::full(network.layout().n_prunable());
        let mut state = State::new(network.layout(), &theta, &buffers, &mask, tch::Device::Cpu).unwrap();
        let training = Training {
            network: &network,
            batches: &Halves,
            schedule: &schedule,
            epochs: 3,
            sgd: Sgd::new(0.9, 0.0).unwrap(),
            epochs_before: 0,
            division: Division::WHOLE,
            recorder: None,
        };
        let ended = training.run::<TrainError>(&mut state, Position::default(), &mut [&mut rates]);
        assert!(ended.is_ok());
        assert_eq!(rates.0, [0.5, 0.3, 0.1]);
    }
}

mod data_set {
    use sculpt_datasets::{Augmentation, DataSpec, DigestRule, Examples, Origin, Shape};
    use sculpt_random::Seed;
    use tch::{Device, Kind};

    /// Black images of class 0 and white ones of class 1.
    static FLAGS: DataSpec = DataSpec {
        key: "flags",
        title: "flags",
        shape: Shape::square(8),
        n_classes: 2,
        n_train: 6,
        n_test: 2,
        mean: [0.5; 3],
        std: [0.25; 3],
        origin: Origin::Memory(|| (flags(6), flags(2))),
        digest_rule: DigestRule::RecordFiles,
        digest: None,
        titled: &[],
    };

    fn flags(n: u16) -> Examples {
        let labels: Vec<u16> = (0..n).map(|i| i % 2).collect();
        let pixels = labels.iter().flat_map(|&label| [255 * label as u8; 3 * 8 * 8]);
        Examples::new(8, 8, pixels.collect(), labels).unwrap()
    }

    /// White is (1 − .5) / .25 = 2, black −2.
    #[test]
    fn it_is_opened_and_put_on_a_device() {
        let data = FLAGS.open(None).unwrap();
        let loader = data
            .loader(Augmentation::None, 4, true, Seed(1), Device::Cpu)
            .unwrap();
        let (images, labels) = loader.batch(0, 0);
        let brightness = images.flatten(1, -1).mean_dim(1, false, Kind::Float);
        assert_eq!((loader.steps_per_epoch(), data.digest().len()), (1, 64));
        assert_eq!(brightness, (labels * 4 - 2).to_kind(Kind::Float));
    }
}

mod source {
    use sculpt_trainers::{BatchError, Batches};
    use tch::{Device, Kind, Tensor};

    /// A bright image and a dark one, made when they are asked for.
    pub(super) struct Halves;

    impl Batches for Halves {
        fn steps_per_epoch(&self) -> usize {
            2
        }

        fn batch(&self, epoch: u64, step: usize) -> Result<(Tensor, Tensor), BatchError> {
            let light = 1.0 / (1 + epoch + step as u64) as f64;
            let bright = Tensor::full([1, 3, 8, 8], light, (Kind::Float, Device::Cpu));
            let images = Tensor::cat(&[&bright, &(-&bright)], 0);
            Ok((images, Tensor::from_slice(&[0i64, 1])))
        }
    }
}

mod network {
    use sculpt_layout::{Layout, ParamKind};
    use sculpt_models::{InitRule, initialise};
    use sculpt_network::{Mode, Network};
    use sculpt_random::Seed;
    use sculpt_scores::{Density, Point, SynFlow, synflow};
    use tch::Tensor;

    /// One convolution, the mean over all pixels, one linear layer.
    pub(super) struct Tiny(Layout);

    impl Tiny {
        pub(super) fn new() -> Self {
            let layout = Layout::builder()
                .prunable("conv.weight", &[4, 3, 3, 3], ParamKind::Conv)
                .prunable("fc.weight", &[2, 4], ParamKind::Linear)
                .param("fc.bias", &[2], ParamKind::Bias);
            Self(layout.build().unwrap())
        }
    }

    impl Network<Tensor> for Tiny {
        fn layout(&self) -> &Layout {
            &self.0
        }

        fn forward(&self, theta: &Tensor, _: &Tensor, images: &Tensor, _: Mode) -> Tensor {
            let (conv, fc) = (theta.narrow(0, 0, 108), theta.narrow(0, 108, 8));
            let maps = images.conv2d(&conv.view([4, 3, 3, 3]), None::<Tensor>, [1], [1], [1], 1);
            let means = maps.relu().mean_dim([2i64, 3].as_slice(), false, None);
            means.linear(&fc.view([2, 4]), Some(&theta.narrow(0, 116, 2)))
        }
    }

    /// A quarter of 4 · 3 · 9 + 2 · 4 weights is 29.
    #[test]
    fn it_is_scored_and_pruned() {
        let network = Tiny::new();
        let (mut theta, _) = initialise(network.layout(), InitRule::KaimingNormalFanIn, Seed(1));
        let (at, buffers) = (Tensor::from_slice(&theta), Tensor::from_slice(&[0f32; 0]));
        let point = Point::new(&network, &at, &buffers, None).unwrap();
        let quarter = Density::new(0.25).unwrap();
        let mask = synflow(&point, [3, 8, 8], quarter, SynFlow::default()).unwrap();
        mask.apply(network.layout(), &mut theta);
        assert_eq!((mask.len(), mask.n_kept()), (116, 29));
        assert_eq!(theta[..116].iter().filter(|weight| **weight != 0.0).count(), 29);
    }
}

mod method {
    use sculpt_experiments::methods::{By, MaskSource, SNIP_CYCLIC};
    use sculpt_experiments::{At, DataFolder, Labels, Method, Overrides, PanelName};
    use sculpt_experiments::{Preset, PresetName, Recipe, Show, grow};
    use sculpt_scores::{Criterion, Grasp, Scorer};

    /// GraSP's mask, trained as SNIP's is.
    static GRASP_CYCLIC: Method = Method {
        id: "grasp-cyclic",
        label: "GraSP, cyclic",
        mask: MaskSource::AtInit(By::Score(Criterion::Grasp(Grasp::USUAL))),
        ..SNIP_CYCLIC
    };

    static SHOWS: &[Show] = &[Show::all(&[&GRASP_CYCLIC], At::Sparse90)];

    /// A state a cycle and seed; to each seed an Init, a Prune and four Train nodes.
    #[test]
    fn it_grows_into_a_recipe() {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let setup = preset.panel(PanelName::A).unwrap();
        let mut recipe = Recipe::default();
        let points = grow(&mut recipe, &setup, SHOWS, Labels::Clean);
        assert_eq!((setup.seeds.len(), setup.cycles), (3, 4));
        assert_eq!((points.len(), recipe.len()), (3 * 4, 3 * (1 + 1 + 4)));
        assert!(points.iter().all(|point| point.density == setup.sparse_90));
    }
}

mod figure {
    use sculpt_experiments::{Method, methods};
    use sculpt_figures::{Caption, Named, Over, Plot, Shown, accuracy_panels, svg};
    use sculpt_report::Artefact;
    use sculpt_rows::{AccuracyRow, Name};
    use std::path::Path;

    const fn last(Method { id, label, .. }: &'static Method) -> Shown {
        Shown::last(Named { id, label })
    }

    /// Two curves of the published figure 5, by density: three seeds at each of seven levels, dense among them.
    #[test]
    fn it_is_drawn_from_rows() {
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/published/demo");
        let frame = Artefact::find(Name::Figure(5)).unwrap().read(&published).unwrap();
        let rows: Vec<AccuracyRow> = frame.rows().unwrap();
        let plot = Plot {
            source: "a",
            title: "By density".to_owned(),
            x: Over::Density,
            curves: &[last(&methods::LRR), last(&methods::RANDOM_CYCLIC)],
            guides: &[],
            seeds: false,
        };
        let panels = accuracy_panels(&rows, &[plot]).unwrap();
        let points = panels[0].curves.iter().map(|curve| &curve.points);
        assert!(points.clone().flatten().all(|point| point.n == 3));
        assert_eq!(points.map(Vec::len).collect::<Vec<_>>(), [7, 7]);
        let caption = Caption {
            title: "LRR against chance".to_owned(),
            subtitle: "preset demo".to_owned(),
            footnote: String::new(),
            comment: "An example".to_owned(),
        };
        assert!(
            svg(&caption.of_means(panels))
                .unwrap()
                .contains("<!-- An example -->")
        );
    }
}

mod worker {
    use sculpt_experiments::{Board, DataFolder, Drive, Event, JobNumber, NodeId, Overrides, Preset};
    use sculpt_experiments::{PresetName, Report, Worker, drive};
    use std::{convert::Infallible, mem, sync::atomic::AtomicBool, time::Duration};

    /// Two jobs at a time, whose nodes are done when they are asked for.
    #[derive(Default)]
    struct Nothing {
        n: JobNumber,
        begun: Vec<(JobNumber, Report)>,
    }

    impl Worker for Nothing {
        type Error = Infallible;

        fn start(&mut self, chain: &[NodeId]) -> Result<JobNumber, Infallible> {
            self.n += 1;
            let done = chain
                .iter()
                .map(|id| Report::Event(Event::Done { id: id.clone() }));
            let reports = done.chain([Report::Ended { died: None }]);
            self.begun.extend(reports.map(|report| (self.n, report)));
            Ok(self.n)
        }

        fn poll(&mut self, _: Duration) -> Result<Vec<(JobNumber, Report)>, Infallible> {
            Ok(mem::take(&mut self.begun))
        }

        fn stop(&mut self) {}

        fn capacity(&self) -> usize {
            2
        }
    }

    #[test]
    fn it_is_driven_through_a_whole_programme() {
        let preset = Preset::new(PresetName::Demo, Overrides::default(), &DataFolder::default()).unwrap();
        let recipe = sculpt_report::programme(&preset).unwrap();
        let mut board = Board::new(&recipe, |_, _| false);
        let (mut worker, stop) = (Nothing::default(), AtomicBool::new(false));
        let Ok(end) = drive(&mut board, &mut worker, &stop, &|_, _| false, &mut |_, _| {});
        assert_eq!((end, board.n_run()), (Drive::Finished, recipe.len()));
        assert!(worker.n < recipe.len(), "a job does a chain of nodes");
    }
}
