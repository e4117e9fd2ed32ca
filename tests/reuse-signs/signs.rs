//! The sign overlap of two ndarray vectors: `sculpt-signs` alone, without a layout, a mask or libtorch.

use ndarray::{Array1, array, s};
use sculpt_signs::compare;

/// Signs are equal at 0, 2 and 3; of the last three, at 2.
#[test]
fn overlap_of_two_vectors() {
    let before: Array1<f32> = array![0.5, -1.0, 2.0, 0.0, -3.0];
    let after: Array1<f32> = array![0.1, 1.0, 4.0, -0.0, 3.0];
    let count = compare(before.as_slice().unwrap(), after.as_slice().unwrap(), None).unwrap();
    assert_eq!((count.overlap(), count.n_flips()), (Some(0.6), 2));

    let tails = (before.slice(s![2..]), after.slice(s![2..]));
    let kept = before.mapv(|x| x != 0.0);
    let count = compare(
        tails.0.as_slice().unwrap(),
        tails.1.as_slice().unwrap(),
        Some(kept.slice(s![2..]).as_slice().unwrap()),
    );
    assert_eq!(count.unwrap().overlap(), Some(0.5));
}

#[test]
fn a_nan_is_named() {
    let before: Array1<f32> = array![1.0, f32::NAN];
    let refused = compare(before.as_slice().unwrap(), &[1.0, 1.0], None).unwrap_err();
    assert_eq!(refused.to_string(), "number 1 of a is NaN");
}
