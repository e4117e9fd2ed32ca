//! Layouts that tests share.

use crate::Density;
use proptest::prelude::*;
use sculpt_layout::{Layout, LayoutBuilder};

/// ResNet-20 for CIFAR-10: three stages of three blocks, widths 16, 32, 64, projection shortcuts.
pub(crate) fn resnet20() -> Layout {
    stages(
        Layout::builder().conv("conv1", [16, 3, 3, 3]),
        16,
        &[16, 32, 64],
        3,
    )
    .linear("fc", 10, 64)
    .build()
    .unwrap()
}

/// torchvision's ResNet-18 with a `stem` × `stem` first convolution.
pub(crate) fn resnet18(stem: usize, n_classes: usize) -> Layout {
    stages(
        Layout::builder().conv("conv1", [64, 3, stem, stem]),
        64,
        &[64, 128, 256, 512],
        2,
    )
    .linear("fc", n_classes, 512)
    .build()
    .unwrap()
}

/// Stages of blocks of two 3 × 3 convolutions, with a 1 × 1 shortcut where the width changes.
fn stages(mut builder: LayoutBuilder, n_in: usize, widths: &[usize], n_blocks: usize) -> LayoutBuilder {
    let mut n_in = n_in;
    for (stage, &width) in widths.iter().enumerate() {
        for block in 0..n_blocks {
            let name = format!("layer{}.{block}", stage + 1);
            builder = builder
                .conv(&format!("{name}.conv1"), [width, n_in, 3, 3])
                .conv(&format!("{name}.conv2"), [width, width, 3, 3]);
            if n_in != width {
                builder = builder.conv(&format!("{name}.downsample.0"), [width, n_in, 1, 1]);
            }
            n_in = width;
        }
    }
    builder
}

/// One to six small convolutions, and a linear layer.
pub(crate) fn any_layout() -> impl Strategy<Value = Layout> {
    let conv = (1usize..6, 1usize..6, 1usize..4, 1usize..4);
    (proptest::collection::vec(conv, 1..7), 1usize..6, 1usize..6).prop_map(|(convs, n_out, n_in)| {
        let builder = convs
            .into_iter()
            .enumerate()
            .fold(Layout::builder(), |builder, (i, (n_out, n_in, kh, kw))| {
                builder.conv(&format!("conv{i}"), [n_out, n_in, kh, kw])
            });
        builder.linear("fc", n_out, n_in).build().unwrap()
    })
}

/// Any density, 1 included.
pub(crate) fn any_density() -> impl Strategy<Value = Density> {
    prop_oneof![Just(1.0), 1e-3..1.0].prop_map(|value| Density::new(value).unwrap())
}

/// Reference §2.9.
#[test]
fn prunable_counts() {
    assert_eq!(resnet20().n_prunable(), 270_896);
    assert_eq!(resnet18(3, 100).n_prunable(), 11_210_432);
    assert_eq!(resnet18(7, 1000).n_prunable(), 11_678_912);
    assert_eq!(resnet20().prunable().count(), 22);
    assert_eq!(resnet18(3, 100).prunable().count(), 21);
}
