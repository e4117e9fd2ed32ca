use crate::gratings::{MEAN, STD, gratings};
use crate::{DataSpec, DemoClasses, DemoSpec, DigestRule, Origin, Shape};

/// Panel (a) of the demo preset (design §2): 10 classes of gratings of 16 × 16.
pub static TEN: DataSpec = DataSpec {
    digest: Some("2110caef22132c44afb88f89e9d0500fbee8193b2738e2f7ea94b8e81b6ea375"),
    ..of_gratings(
        "demo gratings",
        &DemoSpec::panel_a(),
        Origin::Memory(|| gratings(DemoSpec::panel_a())),
    )
};

/// Panel (b): 20 classes.
pub static TWENTY: DataSpec = DataSpec {
    digest: Some("9b2a81aeccb4a47b5589d341c0634f685f5a5f216293ef05dc511096aa17c10a"),
    ..of_gratings(
        "demo gratings, 20 classes",
        &DemoSpec::panel_b(),
        Origin::Memory(|| gratings(DemoSpec::panel_b())),
    )
};

/// Panel (c): 20 other classes, of 32 × 32.
pub static OTHER_TWENTY: DataSpec = DataSpec {
    digest: Some("5c03f4a85dab1c37fc6a056373475319dcb554de173d4ac830a1da76069bf1c3"),
    ..of_gratings(
        "demo gratings, 20 other classes",
        &DemoSpec::panel_c(),
        Origin::Memory(|| gratings(DemoSpec::panel_c())),
    )
};

const fn of_gratings(key: &'static str, spec: &DemoSpec, origin: Origin) -> DataSpec {
    let n_classes = match spec.classes {
        DemoClasses::Ten => 10,
        DemoClasses::Twenty | DemoClasses::OtherTwenty => 20,
    };
    DataSpec {
        key,
        title: key,
        shape: Shape::square(spec.side as u32),
        n_classes,
        n_train: spec.n_train as u32,
        n_test: spec.n_test as u32,
        mean: [MEAN; 3],
        std: [STD; 3],
        origin,
        digest_rule: DigestRule::RecordFiles,
        digest: None,
        titled: &[],
    }
}
