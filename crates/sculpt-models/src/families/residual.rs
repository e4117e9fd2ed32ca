//! Stages of residual blocks, which both families of ResNets are made of.

use crate::plan::{Block, ConvNorm, Join, Plan, PlanBuilder, Shape, Step};
use sculpt_layout::Layout;

pub(super) struct Residual {
    /// Of the first convolution.
    pub(super) stem: (usize, i64),
    /// Kernel, stride and padding behind it.
    pub(super) pool: Option<[i64; 3]>,
    /// Blocks of each stage; each has twice the channels of the one before, and all but the first halve the size.
    pub(super) stages: Vec<u32>,
    /// Kernel and expansion of each convolution of a block.
    pub(super) block: &'static [(usize, usize)],
    /// Blocks of different shapes are joined by a strided 1 × 1 convolution, or by every second pixel.
    pub(super) projections: bool,
}

pub(super) const BASIC: &[(usize, usize)] = &[(3, 1), (3, 1)];
pub(super) const BOTTLENECK: &[(usize, usize)] = &[(1, 1), (3, 1), (1, 4)];

impl Residual {
    /// Under torchvision's names.
    pub(super) fn plan(&self, width: usize, classes: usize) -> (Layout, Plan) {
        let mut builder = PlanBuilder::default();
        let (kernel, stride) = self.stem;
        let stem = conv(&mut builder, "conv1", "bn1", (width, 3), kernel, stride);
        let mut steps = vec![Step::ConvNorm(stem)];
        if let Some([kernel, stride, padding]) = self.pool {
            steps.push(Step::MaxPool(builder.max_pool(kernel, stride, padding)));
        }
        let mut n_in = width;
        for (stage, &n_blocks) in self.stages.iter().enumerate() {
            for block in 0..n_blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                let (block, n_out) = self.block(&mut builder, &name, n_in, width << stage, stride);
                steps.push(Step::Block(block));
                n_in = n_out;
            }
        }
        builder.finish(steps, "fc", classes, n_in)
    }

    /// A block, and how many channels it puts out.
    fn block(
        &self,
        builder: &mut PlanBuilder,
        name: &str,
        n_in: usize,
        planes: usize,
        stride: i64,
    ) -> (Block, usize) {
        // torchvision strides the 3×3 convolution of a bottleneck, the first one of a basic block.
        let strided = self.block.iter().position(|&(kernel, _)| kernel == 3);
        let mut channels = n_in;
        let mut convs = Vec::new();
        for (i, &(kernel, expansion)) in self.block.iter().enumerate() {
            let n_out = planes * expansion;
            let stride = if Some(i) == strided { stride } else { 1 };
            let (of_conv, of_norm) = (format!("{name}.conv{}", i + 1), format!("{name}.bn{}", i + 1));
            convs.push(conv(
                builder,
                &of_conv,
                &of_norm,
                (n_out, channels),
                kernel,
                stride,
            ));
            channels = n_out;
        }
        let shortcut = if stride == 1 && n_in == channels {
            Join::Same
        } else if self.projections {
            let (of_conv, of_norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
            Join::Project(conv(builder, &of_conv, &of_norm, (channels, n_in), 1, stride))
        } else {
            Join::Subsample
        };
        (Block { convs, shortcut }, channels)
    }
}

fn conv(
    builder: &mut PlanBuilder,
    name: &str,
    batch_norm: &str,
    (n_out, n_in): (usize, usize),
    kernel: usize,
    stride: i64,
) -> ConvNorm {
    let shape = Shape {
        n_out,
        n_in,
        kernel,
        stride,
        has_bias: false,
    };
    builder.conv_norm(name, batch_norm, shape)
}
