//! A Lanczos run on a sparse matrix of somebody else: `sculpt-lanczos` alone, with the matrix of `sprs`.

use sculpt_lanczos::{Eigen, Seed, VecSpace, Which, eigenpairs, hutchinson};
use sprs::{CsMat, TriMat, prod::mul_acc_mat_vec_csr};
use std::f64::consts::PI;

const SIDE: usize = 16;

/// −Δ on a square grid by the five-point stencil, zero outside it.
fn laplacian() -> CsMat<f64> {
    let at = |row, column| SIDE * row + column;
    let mut entries = TriMat::new((SIDE * SIDE, SIDE * SIDE));
    for i in 0..SIDE {
        for j in 0..SIDE {
            entries.add_triplet(at(i, j), at(i, j), 4.0);
            if j + 1 < SIDE {
                for (a, b) in [(at(i, j), at(i, j + 1)), (at(j, i), at(j + 1, i))] {
                    entries.add_triplet(a, b, -1.0);
                    entries.add_triplet(b, a, -1.0);
                }
            }
        }
    }
    entries.to_csr()
}

/// The eigenvalues are 4 + 2 cos(πi/17) + 2 cos(πj/17) for i, j from 1 to 16: the second and third largest
/// are two copies of one.
#[test]
fn spectrum_of_a_grid() {
    let (matrix, space) = (laplacian(), VecSpace::new(SIDE * SIDE));
    let product = |x: &Vec<f64>| {
        let mut y = vec![0.0; SIDE * SIDE];
        mul_acc_mat_vec_csr(matrix.view(), x.as_slice(), &mut y);
        y
    };
    let params = Eigen::new(3, Which::LargestAlgebraic, 1e-8, 1_000, 60, Seed(1)).unwrap();
    let pairs = eigenpairs(&space, product, &params.confirmed_by(40).unwrap()).unwrap();
    assert!(pairs.converged);

    let cosine = |i: f64| 2.0 * (PI * i / (SIDE + 1) as f64).cos();
    let second = 4.0 + cosine(1.0) + cosine(2.0);
    for (i, exact) in [4.0 + 2.0 * cosine(1.0), second, second].into_iter().enumerate() {
        let error = (pairs.values[i] - exact).abs();
        assert!(error <= pairs.residuals[i] + 1e-13, "{exact} {:?}", pairs.values);
    }

    // 4 at each of 256 points.
    let trace = hutchinson(&space, product, 100, Seed(1)).unwrap();
    assert!((trace.estimate - 1024.0).abs() < 4.0 * trace.standard_error.unwrap());
}
