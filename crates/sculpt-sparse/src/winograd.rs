//! Winograd's algorithms: of F(2 × 2, 3 × 3) four pixels of the output take sixteen multiplications of each pair of channels, where they take
//! thirty-six directly; of F(4 × 4, 3 × 3) sixteen take thirty-six, where they take one hundred and forty-four (Winograd 1980; Lavin and Gray 2016,
//! "Fast algorithms for convolutional neural networks", sections 4.1 and 4.2).
//!
//! `Y = Aᵀ[(G w Gᵀ) ⊙ (Bᵀ d B)]A` of a tile `d` of pixels and a weight `w`; over channels, `⊙` is a product of matrices in each of the
//! places of a transformed tile. The gradient at the input is such a convolution, that at the weight `Gᵀ[(A g Aᵀ) ⊙ (Bᵀ d B)]G`.

mod algorithm;
mod multiply;
mod transform;

use crate::block::room;
use crate::dispatch::for_this_processor;
use crate::geometry::Padded;
use crate::{Convolution, LANES, Lanes, Pixel, Planes, WinogradTile};
use algorithm::{Algorithm, Four, Two};
use multiply::multiply;
use std::sync::OnceLock;
use transform::{from_gradient, from_images, from_transposed, to_images, transpose, weight_of, weight_to};

/// Vectors that lie beside each other in a matrix on the right.
const PANEL: usize = 2;

/// Sixteen rows of a matrix on the left, of sixteen columns.
type Square = [Lanes; LANES];

/// A transformed weight, `[places, rows / 16, columns / 16]`: rows are what is made, columns what is read.
#[derive(Clone, Debug)]
struct Transformed {
    squares: Vec<Square>,
    places: usize,
    rows: usize,
    columns: usize,
}

impl Transformed {
    fn zeros(places: usize, rows: usize, columns: usize) -> Self {
        let squares = vec![[Lanes::ZERO; LANES]; places * rows * columns / (LANES * LANES)];
        Self {
            squares,
            places,
            rows,
            columns,
        }
    }

    /// Of `weight` `[rows, columns, 3, 3]`.
    fn new<A: Algorithm>(rows: usize, columns: usize, weight: &[f32]) -> Self {
        let mut made = Self::zeros(A::PLACES, rows, columns);
        transform::<A>(weight, &mut made);
        made
    }

    /// By [`Two`], of the convolution from gradients at what is made to those at what is read: its kernels are turned, `w[2 − r, 2 − c]`, and so
    /// `G w Gᵀ` has its first and last rows, and columns, in each other's place.
    fn transposed(&self) -> Self {
        let mut made = Self::zeros(self.places, self.columns, self.rows);
        transpose_squares(self, &mut made);
        made
    }

    /// Where the squares of a place begin.
    fn place(&self, place: usize) -> usize {
        place * self.squares.len() / self.places
    }
}

for_this_processor! {
    fn transform[registers <A: Algorithm>](weight: &[f32], made: &mut Transformed) {
        let _ = TILE;
        let step = made.place(1);
        let n = made.columns / LANES;
        for (number, weight) in weight.as_chunks::<9>().0.as_chunks::<LANES>().0.iter().enumerate() {
            let (row, vector) = (number / n, number % n);
            let squares = &mut made.squares[row / LANES * n + vector..];
            weight_to::<A, _>(registers, weight, squares, step, row % LANES);
        }
    }
}

for_this_processor! {
    fn transpose_squares[registers](from: &Transformed, made: &mut Transformed) {
        let (rows, columns) = (from.rows / LANES, from.columns / LANES);
        let exchanged = |side: usize| match side {
            0 => Two::SIDE - 1,
            3 => 0,
            middle => middle,
        };
        for place in 0..Two::PLACES {
            let to = made.place(exchanged(place / Two::SIDE) * Two::SIDE + exchanged(place % Two::SIDE));
            for (number, square) in from.squares[from.place(place)..][..rows * columns].iter().enumerate() {
                let (row, column) = (number / columns, number % columns);
                registers.transpose(square, 1, &mut made.squares[to + column * rows + row]);
            }
        }
    }
}

/// `weight` `[rows, columns, 3, 3]` of the convolution from gradients at what is made to those at what is read: `[columns, rows, 3, 3]`, each kernel turned.
fn turned(rows: usize, columns: usize, weight: &[f32]) -> Vec<f32> {
    let mut made = Vec::with_capacity(weight.len());
    for column in 0..columns {
        for row in 0..rows {
            let kernel = &weight[(row * columns + column) * 9..][..9];
            made.extend(kernel.iter().rev());
        }
    }
    made
}

/// A 3 × 3 convolution with a stride and a padding of 1, whose weights are all multiplied.
#[derive(Clone, Debug)]
pub(crate) struct Winograd {
    tile: WinogradTile,
    forward: Transformed,
    /// Made when somebody goes back; of tiles of four with the other.
    backward: OnceLock<Transformed>,
}

/// Room to work in, of a thread.
#[derive(Debug, Default)]
pub(crate) struct Room {
    left: Vec<Square>,
    right: Vec<Lanes>,
    made: Vec<Lanes>,
    strip: Vec<Lanes>,
    sums: Vec<Lanes>,
}

impl Winograd {
    /// Whether a convolution of such images can be computed so.
    pub(crate) fn fits(convolution: Convolution, input: Planes, tile: WinogradTile) -> bool {
        let Convolution {
            n_out,
            kernel,
            stride,
            padding,
        } = convolution;
        [kernel, stride, padding] == [3, 1, 1]
            && [n_out, input.channels].iter().all(|n| n.is_multiple_of(LANES))
            && [input.height, input.width]
                .iter()
                .all(|n| n.is_multiple_of(tile.side()))
            && n_out > 0
            && !input.is_empty()
    }

    /// Of `values` `[n_out, n_in, 3, 3]`.
    pub(crate) fn new(tile: WinogradTile, n_out: usize, n_in: usize, values: &[f32]) -> Self {
        let (forward, backward) = match tile {
            WinogradTile::Two => (Transformed::new::<Two>(n_out, n_in, values), OnceLock::new()),
            // Of other points the turned one is no other order of it.
            WinogradTile::Four => {
                let turned = turned(n_out, n_in, values);
                let backward = Transformed::new::<Four>(n_in, n_out, &turned);
                (
                    Transformed::new::<Four>(n_out, n_in, values),
                    OnceLock::from(backward),
                )
            }
        };
        Self {
            tile,
            forward,
            backward,
        }
    }

    #[cfg(test)]
    pub(crate) fn tile(&self) -> WinogradTile {
        self.tile
    }

    /// The convolution of a block, `x` padded.
    pub(crate) fn forward<P: Pixel>(
        &self,
        x: &[Lanes],
        padded: &Padded,
        y: &mut [P],
        add: bool,
        room: &mut Room,
    ) {
        self.convolve(&self.forward, x, padded, y, add, room);
    }

    /// The gradient of a block at the input, from that at the output, `g`, padded.
    pub(crate) fn at_input<P: Pixel>(
        &self,
        g: &[Lanes],
        padded: &Padded,
        at_input: &mut [P],
        add: bool,
        room: &mut Room,
    ) {
        let weight = self.backward.get_or_init(|| self.forward.transposed());
        self.convolve(weight, g, padded, at_input, add, room);
    }

    fn convolve<P: Pixel>(
        &self,
        weight: &Transformed,
        x: &[Lanes],
        padded: &Padded,
        y: &mut [P],
        add: bool,
        room: &mut Room,
    ) {
        match self.tile {
            WinogradTile::Two => convolve::<Two, P>(weight, x, padded, y, add, room),
            WinogradTile::Four => convolve::<Four, P>(weight, x, padded, y, add, room),
        }
    }

    /// The gradient of a block at the weights in `places`, in their order: of padded images `x` and gradient at the output `g`.
    pub(crate) fn at_weight(
        &self,
        [x, g]: [&[Lanes]; 2],
        padded: [&Padded; 2],
        places: &[u32],
        room: &mut Room,
        at_weight: &mut [f32],
    ) {
        let Transformed { rows, columns, .. } = self.forward;
        let size = [rows, columns];
        match self.tile {
            WinogradTile::Two => {
                products::<Two>([x, g], padded, room);
                pick::<Two>(&room.sums, size, places, &mut room.strip, at_weight);
            }
            WinogradTile::Four => {
                products::<Four>([x, g], padded, room);
                pick::<Four>(&room.sums, size, places, &mut room.strip, at_weight);
            }
        }
    }
}

/// Tiles beside and above each other.
#[derive(Clone, Copy, Debug)]
struct Tiles {
    row: usize,
    column: usize,
    n_rows: usize,
    n_columns: usize,
}

impl Tiles {
    fn n(&self) -> usize {
        self.n_rows * self.n_columns
    }

    /// Rows and columns of pixels that they read.
    fn reads<A: Algorithm>(&self) -> [usize; 2] {
        [self.n_rows, self.n_columns].map(|n| A::MADE * n + A::SIDE - A::MADE)
    }

    /// All of an image, at most so many at once.
    fn of<A: Algorithm>(planes: &Planes, most: usize) -> impl Iterator<Item = Self> + use<A> {
        let (height, width) = (planes.height / A::MADE, planes.width / A::MADE);
        let step = most.min(width);
        let row_step = (most / step).clamp(1, height);
        (0..height).step_by(row_step).flat_map(move |row| {
            (0..width).step_by(step).map(move |column| Self {
                row,
                column,
                n_rows: row_step.min(height - row),
                n_columns: step.min(width - column),
            })
        })
    }
}

/// Bytes of transformed tiles, read and made, that are worked with at once, to the next power of two of tiles, at least four: what the
/// second cache has room for.
const AT_ONCE: usize = 768 << 10;

for_this_processor! {
    fn convolve[registers <A: Algorithm, P: Pixel>](weight: &Transformed, x: &[Lanes], padded: &Padded, y: &mut [P], add: bool, memory: &mut Room) {
        let Transformed { rows: n_out, columns: n_in, .. } = *weight;
        // Not a multiple of a page: what one tile leaves in all places would fall on the same few lines of the cache.
        let most = (AT_ONCE / ((n_in + n_out) * A::PLACES * size_of::<Lanes>())).next_power_of_two().clamp(2 * PANEL, 16);
        let (right_step, made_step) = (n_in * most + 1, n_out * most + 1);
        let right = room(&mut memory.right, A::PLACES * right_step);
        let made = room(&mut memory.made, A::PLACES * made_step);
        for tiles in Tiles::of::<A>(&padded.planes, most) {
            let n_panels = tiles.n().div_ceil(PANEL);
            from_images::<A>(registers, x, padded, tiles, right, right_step);
            for place in 0..A::PLACES {
                let squares = &weight.squares[weight.place(place)..weight.place(place + 1)];
                for (panel, right) in right[place * right_step..][..n_panels * n_in * PANEL].chunks_exact(n_in * PANEL).enumerate() {
                    for (row, left) in squares.chunks_exact(n_in / LANES).enumerate() {
                        let made = &mut made[place * made_step + row * LANES * n_panels * PANEL + panel * PANEL..];
                        multiply::<TILE, PANEL>(registers, left, right, made, n_panels * PANEL, false);
                    }
                }
            }
            to_images::<A, P, _>(registers, made, made_step, n_panels * PANEL, tiles, &padded.planes, y, add);
        }
    }
}

/// Tiles whose gradients at weights are summed at once, in registers.
const SUMMED: usize = 4;

for_this_processor! {
    fn products[registers <A: Algorithm>](images: [&[Lanes]; 2], padded: [&Padded; 2], memory: &mut Room) {
        let ([x, g], [of_x, of_g]) = (images, padded);
        let (n_in, n_out) = (of_x.planes.channels, of_g.planes.channels);
        let n = n_in / LANES;
        let panel = if n.is_multiple_of(PANEL) { PANEL } else { 1 };
        let (right_step, left_step) = (n * SUMMED * LANES + 1, n_out / LANES * SUMMED + 1);
        let right = room(&mut memory.right, A::PLACES * right_step);
        if memory.left.len() < A::PLACES * left_step {
            memory.left.resize(A::PLACES * left_step, [Lanes::ZERO; LANES]);
        }
        let left = &mut memory.left[..];
        let sums = room(&mut memory.sums, A::PLACES * n_out * n);
        let mut add = false;
        for tiles in Tiles::of::<A>(&of_x.planes, SUMMED) {
            transpose::<A>(registers, x, of_x, tiles, &mut memory.strip);
            from_transposed::<A>(registers, &memory.strip, tiles, n, panel, right, right_step);
            from_gradient::<A>(registers, g, of_g, tiles, left, left_step);
            let rows = tiles.n() * LANES;
            for place in 0..A::PLACES {
                for (number, right) in right[place * right_step..][..n * rows].chunks_exact(rows * panel).enumerate() {
                    for (row, left) in left[place * left_step..][..n_out / LANES * tiles.n()].chunks_exact(tiles.n()).enumerate() {
                        let sums = &mut sums[(place * n_out + row * LANES) * n + number * panel..];
                        if panel == PANEL {
                            multiply::<TILE, PANEL>(registers, left, right, sums, n, add);
                        } else {
                            multiply::<TILE, 1>(registers, left, right, sums, n, add);
                        }
                    }
                }
            }
            add = true;
        }
    }
}

for_this_processor! {
    /// `Gᵀ u G` of `sums` `[places, rows, columns / 16]`, at some places of `[rows, columns, 3, 3]`.
    fn pick[registers <A: Algorithm>](sums: &[Lanes], size: [usize; 2], places: &[u32], memory: &mut Vec<Lanes>, out: &mut [f32]) {
        let [rows, columns] = size;
        let n = columns / LANES;
        let of_row = room(memory, 9 * n);
        let mut flat = vec![0.0; 9 * columns];
        let mut done = 0;
        for row in 0..rows {
            let of_this = places[done..].partition_point(|&place| (place as usize) < (row + 1) * columns * 9);
            for vector in 0..n {
                weight_of::<A, _>(registers, &sums[row * n + vector..], rows * n, &mut of_row[9 * vector..]);
            }
            for (vector, out) in of_row.chunks_exact(9).zip(flat.chunks_exact_mut(9 * LANES)) {
                for (at, lanes) in vector.iter().enumerate() {
                    for (lane, out) in lanes.0.iter().zip(out[at..].iter_mut().step_by(9)) {
                        *out = *lane;
                    }
                }
            }
            let first = row * columns * 9;
            for (out, &place) in out[done..].iter_mut().zip(&places[done..done + of_this]) {
                *out = flat[place as usize - first];
            }
            done += of_this;
        }
    }
}
