use crate::*;

#[test]
fn training_steps_are_timed() {
    let folder = Folder::new();
    for precision in ["f32", "bf16"] {
        let words =
            format!("bench train {TINY} --batch 8 --steps 3 --size 8 --precision {precision} --density 0.5");
        let report = json(&folder, &words);
        assert_eq!(report["n_parameters"], tiny().layout().n_params());
        assert_eq!(
            (&report["threads"], report["seconds"].as_array().unwrap().len()),
            (&1.into(), 3)
        );
        let (speed, median) = (
            report["images_per_second"].as_f64().unwrap(),
            report["median_seconds"].as_f64().unwrap(),
        );
        assert!((speed * median - 8.0).abs() < 1e-9);
        // Uniform labels of 3 classes: about log 3 = 1.1 at first.
        let (first, last) = (
            report["loss_first"].as_f64().unwrap(),
            report["loss_last"].as_f64().unwrap(),
        );
        assert!(
            (0.3..4.0).contains(&first) && last.is_finite() && first != last,
            "{report}"
        );
    }
}

#[test]
fn masks_are_timed() {
    let report = json(&Folder::new(), "bench mask --n 10001 --density 0.1 --rounds 2");
    assert_eq!(report["kept"], 1000);
    assert!(report["scores_per_second"].as_f64().unwrap() > 0.0);
}
