use crate::{Buffer, BufferKind, Layout, LayoutError, Param, ParamKind};
use std::collections::BTreeSet;

/// Appends tensors in `state_dict` order; [`LayoutBuilder::build`] checks them.
#[derive(Clone, Debug, Default)]
pub struct LayoutBuilder {
    params: Vec<New>,
    buffers: Vec<(String, usize, BufferKind)>,
    beside: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct New {
    name: String,
    shape: Vec<usize>,
    kind: ParamKind,
    prunable: bool,
}

impl LayoutBuilder {
    /// A convolution without bias: `<name>.weight`, shape `[out, in, kh, kw]`, prunable.
    pub fn conv(self, name: &str, shape: [usize; 4]) -> Self {
        self.prunable(&format!("{name}.weight"), &shape, ParamKind::Conv)
    }

    /// A convolution with bias: `<name>.weight` `[out, in, kh, kw]`, prunable, and `<name>.bias` `[out]`.
    pub fn conv_with_bias(self, name: &str, shape: [usize; 4]) -> Self {
        let n_out = shape[0];
        self.conv(name, shape)
            .param(&format!("{name}.bias"), &[n_out], ParamKind::Bias)
    }

    /// A linear layer with bias: `<name>.weight` `[n_out, n_in]`, prunable, and `<name>.bias` `[n_out]`.
    pub fn linear(self, name: &str, n_out: usize, n_in: usize) -> Self {
        self.prunable(&format!("{name}.weight"), &[n_out, n_in], ParamKind::Linear)
            .param(&format!("{name}.bias"), &[n_out], ParamKind::Bias)
    }

    /// A BatchNorm over `n` channels: `.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub fn batch_norm(self, name: &str, n: usize) -> Self {
        self.param(&format!("{name}.weight"), &[n], ParamKind::NormScale)
            .param(&format!("{name}.bias"), &[n], ParamKind::NormShift)
            .buffer(&format!("{name}.running_mean"), n, BufferKind::RunningMean)
            .buffer(&format!("{name}.running_var"), n, BufferKind::RunningVar)
    }

    /// Any tensor under its full `state_dict` name, which no mask touches.
    pub fn param(self, name: &str, shape: &[usize], kind: ParamKind) -> Self {
        self.push(name, shape, kind, false)
    }

    /// Any tensor under its full `state_dict` name, whose entries a mask may remove.
    pub fn prunable(self, name: &str, shape: &[usize], kind: ParamKind) -> Self {
        self.push(name, shape, kind, true)
    }

    /// A running statistic of `n` numbers, under its full `state_dict` name.
    pub fn buffer(mut self, name: &str, n: usize, kind: BufferKind) -> Self {
        self.buffers.push((name.to_owned(), n, kind));
        self
    }

    /// What a `state_dict` may hold beside the tensors of the layout, under its full name: the second name of a tensor, a constant.
    pub fn beside(mut self, name: &str) -> Self {
        self.beside.insert(name.to_owned());
        self
    }

    fn push(mut self, name: &str, shape: &[usize], kind: ParamKind, prunable: bool) -> Self {
        self.params.push(New {
            name: name.to_owned(),
            shape: shape.to_vec(),
            kind,
            prunable,
        });
        self
    }

    /// Lays the tensors out one behind the other.
    ///
    /// # Errors
    /// A name that stands twice, a tensor without elements, or more of them together than a `usize` counts.
    pub fn build(self) -> Result<Layout, LayoutError> {
        let mut names = BTreeSet::new();
        let (mut n_params, mut n_buffers, mut n_prunable) = (0, 0, 0);
        let mut params = Vec::with_capacity(self.params.len());
        for New {
            name,
            shape,
            kind,
            prunable,
        } in self.params
        {
            let n = element_count(&name, &shape, n_params)?;
            if !names.insert(name.clone()) {
                return Err(LayoutError::NameTwice { name });
            }
            let prunable_range = prunable.then(|| n_prunable..n_prunable + n);
            if prunable {
                n_prunable += n;
            }
            params.push(Param {
                name,
                shape,
                range: n_params..n_params + n,
                kind,
                prunable_range,
            });
            n_params += n;
        }
        let mut buffers = Vec::with_capacity(self.buffers.len());
        for (name, n, kind) in self.buffers {
            element_count(&name, &[n], n_buffers)?;
            if !names.insert(name.clone()) {
                return Err(LayoutError::NameTwice { name });
            }
            buffers.push(Buffer {
                name,
                range: n_buffers..n_buffers + n,
                kind,
            });
            n_buffers += n;
        }
        if let Some(name) = self.beside.iter().find(|name| names.contains(*name)) {
            return Err(LayoutError::NameTwice { name: name.clone() });
        }
        Ok(Layout {
            params,
            buffers,
            beside: self.beside,
            n_params,
            n_buffers,
            n_prunable,
        })
    }
}

/// Of a tensor behind so many numbers of others.
fn element_count(name: &str, shape: &[usize], before: usize) -> Result<usize, LayoutError> {
    let n = shape.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
    match n.filter(|n| before.checked_add(*n).is_some()) {
        Some(n) if n > 0 => Ok(n),
        Some(_) | None => Err(LayoutError::BadShape {
            name: name.to_owned(),
            shape: shape.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// conv1 2·3·1·1 = 6, bn1 2 + 2, fc 4·2 = 8 and 4: ranges 0..6, 6..8, 8..10, 10..18, 18..22.
    #[test]
    fn ranges_follow_each_other() {
        let layout = Layout::builder()
            .conv("conv1", [2, 3, 1, 1])
            .batch_norm("bn1", 2)
            .linear("fc", 4, 2)
            .build()
            .unwrap();
        let ranges: Vec<_> = layout.params().iter().map(Param::range).collect();
        assert_eq!(ranges, [0..6, 6..8, 8..10, 10..18, 18..22]);
        let prunable: Vec<_> = layout
            .prunable()
            .map(|p| (p.name(), p.prunable_range().unwrap()))
            .collect();
        assert_eq!(prunable, [("conv1.weight", 0..6), ("fc.weight", 6..14)]);
        assert_eq!(
            (layout.n_params(), layout.n_buffers(), layout.n_prunable()),
            (22, 4, 14)
        );
        let conv1 = layout.param("conv1.weight").unwrap();
        assert_eq!((conv1.fan_in(), conv1.fan_out()), (3, 2));
    }

    /// A convolution that is always dense, beside one that is not: 2 · 3 = 6 prunable of 6 + 2 + 6.
    #[test]
    fn prunability_is_a_fact_of_a_parameter() {
        let layout = Layout::builder()
            .conv_with_bias("conv1", [2, 3, 1, 1])
            .param("head.weight", &[3, 2], ParamKind::Linear)
            .build()
            .unwrap();
        let prunable: Vec<_> = layout.params().iter().map(Param::is_prunable).collect();
        assert_eq!(prunable, [true, false, false]);
        assert_eq!((layout.n_params(), layout.n_prunable()), (14, 6));
    }

    #[test]
    fn a_name_stands_once_and_has_elements() {
        let twice = Layout::builder().linear("fc", 1, 1).linear("fc", 1, 1).build();
        assert_eq!(
            twice,
            Err(LayoutError::NameTwice {
                name: "fc.weight".into()
            })
        );
        let beside = Layout::builder().linear("fc", 1, 1).beside("fc.weight").build();
        assert_eq!(beside, twice);
        let empty = Layout::builder().linear("fc", 0, 1).build();
        assert_eq!(
            empty,
            Err(LayoutError::BadShape {
                name: "fc.weight".into(),
                shape: vec![0, 1]
            })
        );
        let huge = Layout::builder()
            .param("w", &[usize::MAX, 2], ParamKind::Linear)
            .build();
        assert!(matches!(huge, Err(LayoutError::BadShape { .. })));
        let half = usize::MAX / 2 + 1;
        let together = Layout::builder()
            .param("a", &[half], ParamKind::Other)
            .param("b", &[half], ParamKind::Other)
            .build();
        assert_eq!(
            together,
            Err(LayoutError::BadShape {
                name: "b".into(),
                shape: vec![half]
            })
        );
    }
}
