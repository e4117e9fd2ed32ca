use serde::Serialize;

/// Loss and error along a line, and how far they rise above its ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Places on the line, evenly spaced from 0 (end a) to 1 (end b), both exact.
    pub alpha: Vec<f64>,
    /// Mean cross-entropy at each place, nats.
    pub loss: Vec<f64>,
    /// Fraction of images classified wrongly at each place, in [0, 1].
    pub error: Vec<f64>,
    /// [`barrier`] of the loss, nats.
    pub barrier_loss: f64,
    /// [`barrier`] of the error, a fraction.
    pub barrier_error: f64,
    /// [`chord`] of the loss, nats.
    pub chord_loss: f64,
    /// [`chord`] of the error, a fraction.
    pub chord_error: f64,
}

impl Curve {
    pub(crate) fn new(alpha: Vec<f64>, loss: Vec<f64>, error: Vec<f64>) -> Self {
        Self {
            barrier_loss: barrier(&loss),
            barrier_error: barrier(&error),
            chord_loss: chord(&alpha, &loss),
            chord_error: chord(&alpha, &error),
            alpha,
            loss,
            error,
        }
    }
}

/// The largest value minus the mean of the first and the last (Frankle et al. 2020): at least half the
/// difference of the ends, even where the line between them only falls.
///
/// # Panics
/// When there is no value.
pub fn barrier(values: &[f64]) -> f64 {
    let (first, last) = (values[0], values[values.len() - 1]);
    maximum(values.iter().copied()) - (first + last) / 2.0
}

/// The largest `value(α) − [(1 − α)·first + α·last]` (as in Entezari et al. 2022): never below 0, and 0 where
/// the curve lies nowhere above the straight line between its ends.
///
/// # Panics
/// When there is no value, or another number of places than of values.
pub fn chord(alpha: &[f64], values: &[f64]) -> f64 {
    assert_eq!(alpha.len(), values.len(), "every value has its place");
    let (first, last) = (values[0], values[values.len() - 1]);
    let above = |(alpha, value): (&f64, &f64)| value - ((1.0 - alpha) * first + alpha * last);
    maximum(alpha.iter().zip(values).map(above))
}

fn maximum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest 5, ends 1 and 2: barrier 5 − 1.5. Chords at ½ and ¾: 5 − 1.5 and 4 − 1.75.
    #[test]
    fn heights_of_a_hill() {
        let curve = Curve::new(
            vec![0.0, 0.5, 0.75, 1.0],
            vec![1.0, 5.0, 4.0, 2.0],
            vec![0.5, 0.75, 0.5, 0.25],
        );
        assert_eq!((curve.barrier_loss, curve.chord_loss), (3.5, 3.5));
        // 0.75 − 0.375; chords at ½: 0.75 − 0.375, at ¾: 0.5 − 0.3125.
        assert_eq!((curve.barrier_error, curve.chord_error), (0.375, 0.375));
        assert_eq!(
            serde_json::to_string(&curve).unwrap(),
            concat!(
                r#"{"alpha":[0.0,0.5,0.75,1.0],"loss":[1.0,5.0,4.0,2.0],"error":[0.5,0.75,0.5,0.25],"#,
                r#""barrier_loss":3.5,"barrier_error":0.375,"chord_loss":3.5,"chord_error":0.375}"#
            )
        );
    }

    /// The two differ where the maximum is not over the middle: 4 − (4 + 0)/2 = 2 and, at ½, 3 − 2 = 1.
    #[test]
    fn heights_of_a_slope() {
        let (alpha, values) = ([0.0, 0.5, 1.0], [4.0, 3.0, 0.0]);
        assert_eq!((barrier(&values), chord(&alpha, &values)), (2.0, 1.0));
        // A straight line and a valley have no chord.
        assert_eq!(chord(&alpha, &[4.0, 2.0, 0.0]), 0.0);
        assert_eq!(chord(&alpha, &[4.0, 0.0, 3.0]), 0.0);
        assert_eq!(barrier(&[1.0, 0.0, 1.0]), 0.0);
    }
}
