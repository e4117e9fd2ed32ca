use crate::operator::Operator;
use crate::projection::Projection;
use crate::space::norm;
use crate::start::sphere;
use crate::{Density, LanczosError, Space};

/// Lanczos steps of a start at least, however little of the spectrum is left.
const FEWEST_STEPS: usize = 20;

/// Part of itself that the residual of an eigenvalue may have, for it to be taken as known.
const KNOWN: f64 = 1e-3;

/// Orthonormal eigenvectors that are known before the first start.
pub(crate) struct Outliers<V> {
    pub(crate) vectors: Vec<V>,
    pub(crate) values: Vec<f64>,
    pub(crate) residuals: Vec<f64>,
    /// Lanczos steps that resolve what is left about as finely as those of a start resolve the whole: by the length of what the search saw
    /// and does not know.
    pub(crate) steps: usize,
}

impl<V> Outliers<V> {
    /// By the Lanczos steps that `params` asks for, from a uniform start.
    pub(crate) fn search<S: Space<Vector = V>, F: FnMut(&V) -> V>(
        space: &S,
        operator: &mut Operator<F>,
        params: &Density,
    ) -> Result<Self, LanczosError> {
        let mut found = Self {
            vectors: Vec::new(),
            values: Vec::new(),
            residuals: Vec::new(),
            steps: params.steps,
        };
        if params.search == 0 {
            return Ok(found);
        }
        let mut projection = Projection::new();
        // After the vectors of the starts, which stay what they are without a search.
        projection.next = Some(sphere(space, &[], params.seed, params.n_starts as u64)?);
        while projection.basis.len() < params.search
            && let Some(v) = projection.next.take()
        {
            projection.extend(space, operator, v)?;
        }
        let ritz = projection.ritz(f64::abs);
        let (mut whole, mut left) = (Range::NONE, Range::NONE);
        for (i, value) in ritz.values.iter().enumerate() {
            let residual = ritz.residual(i);
            whole.take(*value);
            if residual <= KNOWN * value.abs() && *value != 0.0 {
                let mut v = space.combine(&projection.basis, &ritz.coordinates[i]);
                let length = norm(space, &v);
                space.scale(1.0 / length, &mut v);
                found.vectors.push(v);
                found.values.push(*value);
                found.residuals.push(residual);
            } else {
                // An eigenvalue lies within the residual of it.
                left.take(value - residual);
                left.take(value + residual);
            }
        }
        let share = left.length() / whole.length();
        if share < 1.0 {
            let enough = (share * params.steps as f64).ceil() as usize;
            found.steps = enough.max(FEWEST_STEPS).min(params.steps);
        }
        Ok(found)
    }
}

#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    const NONE: Self = Self {
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
    };

    fn take(&mut self, x: f64) {
        self.low = self.low.min(x);
        self.high = self.high.max(x);
    }

    fn length(self) -> f64 {
        (self.high - self.low).max(0.0)
    }
}
