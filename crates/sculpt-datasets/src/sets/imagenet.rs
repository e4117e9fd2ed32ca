use crate::{DataSpec, DigestRule, Origin, Shape};

/// ImageNet, the 1,000 classes of ILSVRC 2012 (Russakovsky et al. 2015), whose pictures every user gets from its owners.
/// Mean and standard deviation: those that torchvision's models were trained with.
pub static IMAGENET: DataSpec = DataSpec {
    key: "ImageNet",
    title: "ImageNet",
    shape: Shape::square(224),
    n_classes: 1_000,
    n_train: 1_281_167,
    n_test: 50_000,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    origin: Origin::Pictures {
        site: "https://image-net.org",
    },
    digest_rule: DigestRule::Pictures,
    digest: None,
    titled: &[],
};
