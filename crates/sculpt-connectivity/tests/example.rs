//! The example of the README, compiled.

use sculpt_connectivity::{BatchNormRule, Connectivity, End, ExampleSet, FromFn, Layout, Mode};
use tch::Tensor;

#[test]
#[rustfmt::skip] // As in the README.
fn example_of_the_readme() -> Result<(), Box<dyn std::error::Error>> {
    // One number in, two logits out; no BatchNorm.
    let layout = Layout::builder().linear("fc", 2, 1).build()?;
    let network = FromFn::new(layout.clone(), |theta: &Tensor, _: &Tensor, x: &Tensor, _: Mode| {
        x.linear(&theta.narrow(0, 0, 2).view([2, 1]), Some(&theta.narrow(0, 2, 2)))
    });
    let end = |theta: [f32; 4]| End::new(&layout, Tensor::from_slice(&theta), Tensor::from_slice::<f32>(&[]));
    let (a, b) = (end([3.0, -3.0, 0.0, 0.0])?, end([-1.0, 1.0, 0.5, 0.0])?);

    let (images, labels) = (Tensor::from_slice(&[1f32, -1.0]).view([2, 1]), Tensor::from_slice(&[0i64, 1]));
    let test = ExampleSet::new(|| [(images.shallow_clone(), labels.shallow_clone())]);

    let connectivity = Connectivity::new(&network, 11, BatchNormRule::Interpolate, None)?;
    let curve = &connectivity.curve(&a, &b, &[test])?[0];
    assert_eq!((curve.error[0], curve.error[10]), (0.0, 1.0));
    // The loss of a linear network is convex: nowhere above the chord, though a slope.
    assert!(curve.chord_loss == 0.0 && curve.barrier_loss > 0.0);
    Ok(())
}

/// From the layout to the last assertion, line by line.
#[test]
fn the_readme_shows_this_example() {
    let lines = |text: &'static str| -> Vec<&'static str> {
        let lines = text.lines().map(str::trim);
        let from_layout = lines.skip_while(|line| !line.starts_with("// One number in"));
        from_layout.take_while(|line| !line.contains("Ok")).collect()
    };
    let shown = lines(include_str!("../README.md"));
    assert_eq!(shown, lines(include_str!("example.rs")));
    assert_eq!(shown.len(), 16);
}
