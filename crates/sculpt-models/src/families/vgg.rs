//! VGG-16 with BatchNorm: torchvision's `vgg16_bn` up to its features, then the mean over all pixels and one linear layer,
//! as on CIFAR: widths w, 2w, 4w, 8w, 8w (w = 64), convolutions with bias, five max poolings.

use super::{Architecture, Family};
use crate::ModelError;
use crate::plan::{Plan, PlanBuilder, Shape, Step};
use sculpt_layout::Layout;
use serde::{Deserialize, Serialize};

/// A network of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vgg {
    /// 16.
    depth: u32,
}

pub(super) const NAMES: &str = "vgg16";

/// Convolutions before each pooling, and how many times the first width they put out (Simonyan & Zisserman 2015, D).
const STAGES: [(usize, usize); 5] = [(2, 1), (2, 2), (3, 4), (3, 8), (3, 8)];

pub(super) fn parse(name: &str) -> Option<Architecture> {
    (name == NAMES).then_some(Architecture::Vgg(Vgg { depth: 16 }))
}

impl Family for Vgg {
    fn check(&self) -> Result<(), ModelError> {
        match self.depth {
            16 => Ok(()),
            depth => Err(ModelError::BadDepth { depth, allowed: "16" }),
        }
    }

    fn name(&self) -> String {
        format!("vgg{}", self.depth)
    }

    fn title(&self) -> String {
        format!("VGG-{}", self.depth)
    }

    fn usual_width(&self) -> u32 {
        64
    }

    fn usual_classes(&self) -> u32 {
        10
    }

    fn usual_side(&self) -> u32 {
        32
    }

    fn plan(&self, width: usize, classes: usize) -> (Layout, Plan) {
        let mut builder = PlanBuilder::default();
        let mut steps = Vec::new();
        let (mut n_in, mut place) = (3, 0);
        for (n_convs, times) in STAGES {
            for _ in 0..n_convs {
                let shape = Shape {
                    n_out: width * times,
                    n_in,
                    kernel: 3,
                    stride: 1,
                    has_bias: true,
                };
                // torchvision counts the ReLU behind them too, and the pooling.
                let (conv, batch_norm) = (format!("features.{place}"), format!("features.{}", place + 1));
                steps.push(Step::ConvNorm(builder.conv_norm(&conv, &batch_norm, shape)));
                (n_in, place) = (shape.n_out, place + 3);
            }
            steps.push(Step::MaxPool(builder.max_pool(2, 2, 0)));
            place += 1;
        }
        builder.finish(steps, "classifier", classes, n_in)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ModelError, ModelSpec};

    fn vgg16() -> ModelSpec {
        ModelSpec::named("vgg16", 10, None, None).unwrap()
    }

    /// torchvision's `vgg16_bn` has 14,723,136 parameters in its features: 14,710,464 weights, 4,224 biases and twice as many
    /// for BatchNorm; 512 · 10 + 10 are the linear layer's.
    #[test]
    fn parameter_counts() {
        let layout = vgg16().layout();
        assert_eq!(layout.n_params(), 14_723_136 + 5_130);
        assert_eq!(
            (layout.n_prunable(), layout.prunable().count()),
            (14_710_464 + 5_120, 14)
        );
        assert_eq!(layout.n_buffers(), 2 * 4_224);
        let json = r#"{"architecture":{"vgg":{"depth":16}},"width":64,"classes":10}"#;
        assert_eq!(serde_json::to_string(&vgg16()).unwrap(), json);
    }

    /// Five halvings leave something of 32 pixels, and nothing of 31.
    #[test]
    fn images_must_survive_five_halvings() {
        assert_eq!(vgg16().check_image([3, 32, 100]), Ok(()));
        let error = vgg16().check_image([3, 32, 31]).unwrap_err();
        assert!(matches!(error, ModelError::ImageTooSmall { width: 31, .. }));
        assert_eq!(
            error.to_string(),
            "vgg16 halves images so often that nothing is left of 32 x 31 pixels"
        );
    }
}
