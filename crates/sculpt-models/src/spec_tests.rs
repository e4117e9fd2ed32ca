use super::*;
use crate::Bf16Units;
use proptest::prelude::*;
use sculpt_sparse::has_many_registers;

fn counts(name: &str, classes: u32, shortcut: Option<Shortcut>) -> (usize, usize, usize) {
    let layout = ModelSpec::named(name, classes, None, shortcut).unwrap().layout();
    (layout.n_params(), layout.n_prunable(), layout.prunable().count())
}

/// Reference §2.9, worked out there by hand and equal to torchvision's own counts.
#[test]
fn parameter_counts() {
    assert_eq!(counts("resnet20", 10, None), (272_474, 270_896, 22));
    let identity = counts("resnet20", 10, Some(Shortcut::Identity));
    assert_eq!((identity.0, identity.1), (269_722, 268_336));
    assert_eq!(counts("resnet18-cifar", 10, None), (11_173_962, 11_164_352, 21));
    assert_eq!(counts("resnet18-cifar", 100, None), (11_220_132, 11_210_432, 21));
    assert_eq!(counts("resnet18", 1000, None), (11_689_512, 11_678_912, 21));
    assert_eq!(counts("resnet50-cifar", 100, None), (23_705_252, 23_652_032, 54));
    assert_eq!(counts("resnet50", 1000, None), (25_557_032, 25_502_912, 54));
}

/// ResNet-18 on 224 × 224: 1,814,073,344 multiply-accumulates, the 1.81 GMac of torchvision's model table.
#[test]
fn multiply_accumulates_of_resnet18() {
    let spec = ModelSpec::named("resnet18", 1000, None, None).unwrap();
    let macs = spec.multiply_accumulates([3, 224, 224]).unwrap();
    assert_eq!((macs.len(), macs.iter().sum::<u64>()), (21, 1_814_073_344));
}

/// Dense networks in f32 of their usual width, on any processor: our own convolutions where most weights are of kernels of 3 × 3, libtorch's where they are of
/// one pixel (measured: 1.5 × as fast at ResNet-50).
#[test]
fn work_of_dense_networks() {
    for (name, side, is_own) in [
        ("resnet20", 32, true),
        ("resnet18-cifar", 32, true),
        ("resnet18", 224, true),
        ("vgg16", 32, true),
        ("resnet50", 224, false),
        ("resnet50-cifar", 32, false),
    ] {
        let spec = ModelSpec::named(name, 10, None, None).unwrap();
        let kept = vec![1.0; spec.layout().n_params()];
        let work = spec
            .convolution_work(&kept, [3, side, side], Precision::F32)
            .unwrap();
        assert_eq!(work.share_kept, 1.0);
        let is_below = work.work <= work.most();
        assert_eq!(is_below, is_own, "{name}: {}", work.work);
    }
}

/// Channels of 8 where libtorch's kernels work as at 16: of a layer's multiplications four times as many, of the first one's, whose images
/// have three, twice.
#[test]
fn few_channels_are_work_for_libtorch() {
    let spec = ModelSpec::named("resnet20", 10, Some(8), None).unwrap();
    let wide = ModelSpec::named("resnet20", 10, Some(16), None).unwrap();
    let work = |spec: &ModelSpec| {
        let kept = vec![1.0; spec.layout().n_params()];
        spec.convolution_work(&kept, [3, 32, 32], Precision::F32).unwrap()
    };
    let (narrow, wide) = (work(&spec), work(&wide));
    assert_eq!(wide.filled_up, 1.0);
    // 432 and six of 2,304; (4,608, five of 9,216, a shortcut 512) over 4, of which the last five are half as narrow; four times so over 16.
    let stages = [
        432.0 + 6.0 * 2304.0,
        (4608.0 + 512.0) / 4.0,
        5.0 * 9216.0 / 4.0,
        (18432.0 + 2048.0) / 16.0,
        5.0 * 36864.0 / 16.0,
    ];
    let weighted: f64 = stages
        .iter()
        .zip([1.0, 1.0, 0.5, 0.5, 0.25])
        .map(|(n, by)| n * by)
        .sum();
    assert!((wide.narrowness - weighted / stages.iter().sum::<f64>()).abs() < 1e-12);
    // Of pixels of the first stage: 3·8·9, six layers of 8·8·9; (8·16·9, five of 16·16·9, a shortcut 8·16) over 4; of 16 to 32 over 16.
    let [first, of_8] = [216.0, 6.0 * 576.0];
    let [into_16, of_16, into_32] = [
        (1152.0 + 128.0) / 4.0,
        5.0 * 2304.0 / 4.0,
        (4608.0 + 512.0 + 5.0 * 9216.0) / 16.0,
    ];
    let all = first + of_8 + into_16 + of_16 + into_32;
    let filled = 2.0 * first + 4.0 * of_8 + 2.0 * into_16 + of_16 + into_32;
    assert!(
        (narrow.filled_up - filled / all).abs() < 1e-12,
        "{} {}",
        narrow.filled_up,
        filled / all
    );
    // Nowhere more than twice.
    let none = Bf16Units::None;
    assert_eq!(narrow.most_on(none), 0.6 * narrow.filled_up.sqrt());
    assert_eq!(narrow.most(), narrow.most_on(none));
    assert_eq!(wide.most(), 0.6);
    // bfloat16 by what multiplies it; f32 is not asked.
    let rounded = ConvolutionWork {
        precision: Precision::Bf16,
        ..wide
    };
    for (units, most) in [
        (none, 0.6),
        (Bf16Units::HalfRate, 0.6),
        (Bf16Units::FullRate, 0.16 + 0.38 * wide.narrowness),
        (Bf16Units::Tiles, 0.15),
    ] {
        assert_eq!(rounded.most_on(units), most);
        assert_eq!(wide.most_on(units), 0.6);
    }
    // Dense networks whose channels do not fill sixteens are ours where units are of full rate, but for those that nearly do.
    for (width, is_ours) in [
        (2, true),
        (8, true),
        (12, true),
        (20, true),
        (24, true),
        (28, false),
        (16, true),
    ] {
        let spec = ModelSpec::named("resnet20", 10, Some(width), None).unwrap();
        let kept = vec![1.0; spec.layout().n_params()];
        let work = spec
            .convolution_work(&kept, [3, 32, 32], Precision::Bf16)
            .unwrap();
        // Where there are few registers all of such convolutions are multiplied one by one: more work than here.
        if has_many_registers() {
            let most = work.most_on(Bf16Units::FullRate);
            assert_eq!(
                work.work <= most,
                is_ours,
                "width {width}: {} of {most}",
                work.work
            );
        }
    }
    let very_narrow = work(&ModelSpec::named("resnet20", 10, Some(2), None).unwrap());
    assert!(very_narrow.filled_up > 4.0 && very_narrow.most() <= 1.2);
}

/// Nine depths of the CIFAR family with two kinds of shortcuts, and resnet50-6n2; two ResNets with two stems; VGG-16.
#[test]
fn networks_in_use() {
    let all = ModelSpec::in_use(10, Some(4));
    assert_eq!(all.len(), 2 * 10 + 4 + 1);
    assert!(
        all.iter()
            .all(|model| model.width() == Some(4) && model.classes() == 10)
    );
    for name in ["resnet20", "resnet50-6n2", "resnet18", "resnet50-cifar", "vgg16"] {
        assert!(all.iter().any(|model| model.name() == name), "{name}");
    }
}

#[test]
fn unknown_models_are_refused() {
    for name in [
        "resnet",
        "resnet21",
        "vgg19",
        "resnet34",
        "",
        "resnet-20",
        "resnet020",
        "resnet050",
        "resnet+20",
        "resnet20-6n2",
        "resnet99999999999",
    ] {
        let error = ModelSpec::named(name, 10, None, None).unwrap_err();
        assert_eq!(error, ModelError::UnknownName { name: name.into() });
    }
    assert!(ModelSpec::named("resnet20", 0, None, None).is_err());
    assert!(ModelSpec::named("resnet20", 10, Some(0), None).is_err());
    assert!(ModelSpec::named("resnet18", 10, None, Some(Shortcut::Identity)).is_err());
}

/// torchvision's and He et al.'s of depth 6 · 8 + 2.
#[test]
fn two_networks_of_depth_50_have_two_names() {
    let of = |name| ModelSpec::named(name, 10, None, None).unwrap();
    let (torchvision, cifar) = (of("resnet50"), of("resnet50-6n2"));
    assert_ne!(torchvision, cifar);
    assert_eq!(
        (torchvision.to_string(), cifar.to_string()),
        ("ResNet-50".to_owned(), "ResNet-50 (6n + 2)".to_owned())
    );
    let json =
        r#"{"architecture":{"cifar-resnet":{"depth":50,"shortcut":"projection"}},"width":16,"classes":10}"#;
    assert_eq!(serde_json::to_string(&cifar).unwrap(), json);
    assert_eq!(serde_json::from_str::<ModelSpec>(json).unwrap(), cifar);
}

fn any_name() -> impl Strategy<Value = String> {
    let cifar = (1u32..=200).prop_map(|n| format!("resnet{}", 6 * n + 2));
    let others = [
        "resnet18",
        "resnet50",
        "resnet18-cifar",
        "resnet50-cifar",
        "resnet50-6n2",
        "vgg16",
    ];
    prop_oneof![
        cifar,
        proptest::sample::select(others.to_vec()).prop_map(str::to_owned)
    ]
}

proptest! {
    /// No two descriptions share a name, and a description survives its name, its words and its JSON.
    #[test]
    fn named_by_its_name_it_is_itself(
        name in any_name(), width in 1u32..=1024, classes in 1u32..=100_000, identity: bool,
    ) {
        let spec = ModelSpec::named(&name, classes, Some(width), None).unwrap();
        let other = spec.shortcut().filter(|_| identity).map(|_| Shortcut::Identity);
        let spec = ModelSpec::named(&name, classes, Some(width), other).unwrap();
        prop_assert_eq!(spec.name(), name);
        let again = ModelSpec::named(&spec.name(), spec.classes(), spec.width(), spec.shortcut());
        prop_assert_eq!(again.as_ref(), Ok(&spec));
        let json = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(&serde_json::from_str::<ModelSpec>(&json).unwrap(), &spec);
    }

    /// Also from JSON, through which a depth may come that only one family has a name for.
    #[test]
    fn read_from_json_it_has_a_name_of_its_own(depth in 0u32..1300, cifar: bool, stem: bool, identity: bool) {
        let architecture = if cifar {
            let shortcut = if identity { "identity" } else { "projection" };
            serde_json::json!({ "cifar-resnet": { "depth": depth, "shortcut": shortcut } })
        } else {
            let stem = if stem { "cifar" } else { "imagenet" };
            serde_json::json!({ "resnet": { "depth": depth % 60, "stem": stem } })
        };
        let json = serde_json::json!({ "architecture": architecture, "width": 4, "classes": 3 });
        if let Ok(spec) = serde_json::from_value::<ModelSpec>(json) {
            let again = ModelSpec::named(&spec.name(), 3, Some(4), spec.shortcut());
            prop_assert_eq!(again, Ok(spec));
        }
    }
}
