//! The connectivity of two torchvision `state_dict`s: DenseNets, of which no crate of ours knows anything. The
//! files and PyTorch's answers come from `make_densenets.py`. Names one crate of ours: `sculpt-connectivity`.
#![expect(clippy::unwrap_used, reason = "tests")]

use sculpt_connectivity::{
    BatchNormRule, Connectivity, End, ExampleSet, FromFn, Layout, LayoutBuilder, Mode, Network, ParamKind,
};
use std::collections::BTreeMap;
use std::ops::Range;
use tch::{Kind, Tensor};

type Tensors = BTreeMap<String, Tensor>;

fn read(name: &str) -> Tensors {
    let path = format!("{}/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

/// The layout of any `state_dict` of convolutions, BatchNorms and linear layers, from its names and shapes.
fn layout_of(state_dict: &Tensors) -> Layout {
    let with = |builder: LayoutBuilder, (name, tensor): (&String, &Tensor)| {
        let (layer, kind) = name.rsplit_once('.').unwrap();
        let shape: Vec<usize> = tensor.size().iter().map(|&n| n as usize).collect();
        match (kind, shape.len()) {
            ("weight", 4) => builder.prunable(name, &shape, ParamKind::Conv),
            ("weight", 2) => builder.prunable(name, &shape, ParamKind::Linear),
            ("running_mean", 1) => builder.batch_norm(layer, shape[0]),
            ("bias", 1) if state_dict.contains_key(&format!("{layer}.weight")) => {
                let is_norm = state_dict.contains_key(&format!("{layer}.running_mean"));
                match is_norm {
                    true => builder,
                    false => builder.param(name, &shape, ParamKind::Bias),
                }
            }
            ("weight" | "running_var", 1) | ("num_batches_tracked", 0) => builder,
            _ => panic!("{name} {shape:?} is of no layer known here"),
        }
    };
    let builder = state_dict.iter().fold(Layout::builder(), with);
    builder.build().unwrap()
}

/// The `state_dict` as the two flat vectors of the layout.
fn end(layout: &Layout, state_dict: &Tensors, kind: Kind) -> End {
    let join = |names: Vec<&str>| {
        let parts: Vec<Tensor> = names
            .iter()
            .map(|&name| state_dict[name].flatten(0, -1))
            .collect();
        Tensor::cat(&parts, 0).to_kind(kind)
    };
    let theta = join(layout.params().iter().map(|p| p.name()).collect());
    let buffers = join(layout.buffers().iter().map(|b| b.name()).collect());
    End::new(layout, theta, buffers).unwrap()
}

/// One forward pass of torchvision's DenseNet, its tensors found by name.
struct Pass<'a> {
    layout: &'a Layout,
    theta: &'a Tensor,
    buffers: &'a Tensor,
    mode: Mode,
}

impl Pass<'_> {
    fn weight(&self, name: &str) -> Tensor {
        let param = self.layout.param(name).unwrap();
        let shape: Vec<i64> = param.shape().iter().map(|&n| n as i64).collect();
        slice(self.theta, param.range()).view(&shape[..])
    }

    fn buffer(&self, name: &str) -> Tensor {
        let buffer = self.layout.buffers().iter().find(|b| b.name() == name).unwrap();
        slice(self.buffers, buffer.range())
    }

    fn conv(&self, name: &str, x: &Tensor, stride: i64) -> Tensor {
        let weight = self.weight(&format!("{name}.weight"));
        let padding = weight.size()[2] / 2;
        x.conv2d(&weight, None::<Tensor>, stride, padding, 1, 1)
    }

    fn norm_relu(&self, name: &str, x: &Tensor) -> Tensor {
        let (batch_statistics, momentum) = match self.mode {
            Mode::Train => (true, 0.1),
            Mode::Calibrate => (true, 1.0),
            Mode::Eval => (false, 0.0),
        };
        let [scale, shift] = ["weight", "bias"].map(|kind| self.weight(&format!("{name}.{kind}")));
        let [mean, variance] =
            ["running_mean", "running_var"].map(|kind| self.buffer(&format!("{name}.{kind}")));
        let y = x.batch_norm(
            Some(scale),
            Some(shift),
            Some(mean),
            Some(variance),
            batch_statistics,
            momentum,
            1e-5,
            true,
        );
        y.relu()
    }

    /// Each layer sees all before it.
    fn block(&self, name: &str, x: Tensor) -> Tensor {
        let mut features = x;
        for layer in ["denselayer1", "denselayer2"].map(|layer| format!("{name}.{layer}")) {
            let y = self.norm_relu(&format!("{layer}.norm1"), &features);
            let y = self.conv(&format!("{layer}.conv1"), &y, 1);
            let y = self.norm_relu(&format!("{layer}.norm2"), &y);
            let y = self.conv(&format!("{layer}.conv2"), &y, 1);
            features = Tensor::cat(&[features, y], 1);
        }
        features
    }

    fn logits(&self, images: &Tensor) -> Tensor {
        let x = self.conv("features.conv0", images, 2);
        let x = self
            .norm_relu("features.norm0", &x)
            .max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        let x = self.block("features.denseblock1", x);
        let x = self.norm_relu("features.transition1.norm", &x);
        let x = self.conv("features.transition1.conv", &x, 1);
        // tch's avg_pool2d_default sums: its divisor is 1.
        let x = x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>);
        let x = self.block("features.denseblock2", x);
        let x = self
            .norm_relu("features.norm5", &x)
            .mean_dim([2i64, 3].as_slice(), false, None::<Kind>);
        let (weight, bias) = (self.weight("classifier.weight"), self.weight("classifier.bias"));
        x.linear(&weight, Some(&bias))
    }
}

fn slice(vector: &Tensor, range: Range<usize>) -> Tensor {
    vector.narrow(0, range.start as i64, range.len() as i64)
}

#[track_caller]
fn check_close(ours: &[f64], theirs: &Tensor, tolerance: f64) {
    let theirs = Vec::<f64>::try_from(theirs).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < tolerance, "{ours} is not {theirs}");
    }
}

#[test]
fn curves_between_densenets_equal_pytorchs() {
    // Where other work runs beside the tests, threads of a network this small wait for each other.
    tch::set_num_threads(1);
    let [a, b, images, curves] = ["a", "b", "images", "curves"].map(read);
    let layout = layout_of(&a);
    let network = FromFn::new(
        layout.clone(),
        move |theta: &Tensor, buffers: &Tensor, images: &Tensor, mode| {
            let pass = Pass {
                layout: &layout,
                theta,
                buffers,
                mode,
            };
            pass.logits(images)
        },
    );
    let layout = Network::<Tensor>::layout(&network);
    for (kind, tolerance) in [(Kind::Double, 1e-10), (Kind::Float, 1e-5)] {
        let (a, b) = (end(layout, &a, kind), end(layout, &b, kind));
        let pixels = images["pixels"].to_kind(kind) / 127.5 - 1.0;
        let training = ExampleSet::new(|| {
            let (images, labels) = (pixels.split(20, 0), images["labels"].split(20, 0));
            images.into_iter().zip(labels)
        });
        for rule in [BatchNormRule::Interpolate, BatchNormRule::Recalibrate] {
            let connectivity = Connectivity::new(&network, 7, rule, Some(&training)).unwrap();
            let curve = connectivity
                .curve(&a, &b, std::slice::from_ref(&training))
                .unwrap()
                .remove(0);
            check_close(&curve.loss, &curves[&format!("{rule}.loss")], tolerance);
            check_close(&curve.error, &curves[&format!("{rule}.error")], 1e-12);
            // Two networks from different seeds, both right on every image: a barrier between them.
            assert!(curve.barrier_error > 0.4 && curve.barrier_loss > 0.5);
        }
    }
}
