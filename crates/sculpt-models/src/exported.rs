//! Networks of other people, exported from PyTorch by `python/export_network.py`: TorchScript of
//! `(theta, buffers, images) -> (logits, buffers)`, and a description of its tensors beside it.

mod code;
mod description;
mod fault;
mod file;
mod trial;

pub use fault::NetworkFault;

use crate::ModelError;
use description::Description;
use sculpt_layout::Layout;
use sculpt_network::{Mode, Network};
use sculpt_store::canonical::sha256_hex;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tch::{CModule, Device, IValue, TchError, Tensor, no_grad};

/// What a program is given, in this order.
const GIVEN: [&str; 3] = ["parameters", "running statistics", "images"];

/// A network that is known by its file's content. All but its program stands in its JSON, so that whoever has a description can
/// plan, count and read states; to compute takes the file.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    sha256: String,
    description: Description,
    layout: Arc<Layout>,
    content: Option<Arc<Vec<u8>>>,
}

/// What stands in JSON of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawExported {
    sha256: String,
    description: Description,
}

impl Exported {
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let at = |fault| ModelError::Network {
            network: path.display().to_string(),
            fault,
        };
        let content = file::read(path).map_err(at)?;
        Self::of(content).map_err(at)
    }

    fn of(content: Vec<u8>) -> Result<Self, NetworkFault> {
        let (description, program) = file::open(&content)?;
        let layout = Arc::new(description.layout()?);
        // Before anything of the sizes that are described is made.
        code::check_parts(&program, &description)?;
        Ok(Self {
            sha256: sha256_hex(&content),
            description,
            layout,
            content: Some(Arc::new(content)),
        })
    }

    /// The same network with its program, which must be the one that it was described from.
    pub(crate) fn with_program(&self, content: Vec<u8>) -> Result<Self, ModelError> {
        let found = Self::of(content).map_err(|fault| self.error(fault))?;
        if found.sha256 != self.sha256 {
            return Err(self.error(NetworkFault::OtherContent {
                found: found.sha256,
                recorded: self.sha256.clone(),
            }));
        }
        if found.description != self.description {
            return Err(self.error(NetworkFault::OtherDescription));
        }
        Ok(found)
    }

    /// SHA-256 of the file.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file's content, where it was read.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.content.as_ref().map(|content| content.as_slice())
    }

    pub(crate) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// The network, after a trial of its program: a file from a stranger need not do what it says.
    pub(crate) fn network(&self) -> Result<ExportedNetwork, ModelError> {
        let content = self.content.as_ref();
        let content = content.ok_or_else(|| self.error(NetworkFault::NoProgram))?;
        let program = Arc::new(Program {
            content: Arc::clone(content),
            loaded: Mutex::default(),
        });
        let tried = trial::of(&program, &self.layout, &self.description);
        tried.map_err(|fault| self.error(fault))?;
        Ok(ExportedNetwork {
            layout: self.layout.clone(),
            program,
            named: self.named(),
        })
    }

    pub(crate) fn error(&self, fault: NetworkFault) -> ModelError {
        ModelError::Network {
            network: self.named(),
            fault,
        }
    }

    fn named(&self) -> String {
        format!(
            "network {} of SHA-256 {}…",
            self.description.title,
            &self.sha256[..12]
        )
    }
}

/// Whether the program is at hand is nothing of the network's.
impl PartialEq for Exported {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256 && self.description == other.description
    }
}

/// No number of a description is NaN.
impl Eq for Exported {}

impl Hash for Exported {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sha256.hash(state);
    }
}

impl TryFrom<RawExported> for Exported {
    type Error = ModelError;

    fn try_from(raw: RawExported) -> Result<Self, ModelError> {
        let at = |fault| ModelError::Network {
            network: "the network described".to_owned(),
            fault,
        };
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if raw.sha256.len() != 64 || !raw.sha256.bytes().all(is_hex) {
            return Err(at(NetworkFault::Value {
                what: "its SHA-256".to_owned(),
                value: raw.sha256,
                allowed: "64 hexadecimal digits",
            }));
        }
        Ok(Self {
            layout: Arc::new(raw.description.layout().map_err(at)?),
            sha256: raw.sha256,
            description: raw.description,
            content: None,
        })
    }
}

impl From<&Exported> for RawExported {
    fn from(exported: &Exported) -> Self {
        Self {
            sha256: exported.sha256.clone(),
            description: exported.description.clone(),
        }
    }
}

/// A program as read, and as loaded on the devices where it was used.
#[derive(Debug)]
struct Program {
    content: Arc<Vec<u8>>,
    loaded: Mutex<Vec<(Device, Arc<CModule>)>>,
}

impl Program {
    fn on(&self, device: Device) -> Result<Arc<CModule>, NetworkFault> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, module)) = loaded.iter().find(|(on, _)| *on == device) {
            return Ok(Arc::clone(module));
        }
        let module = CModule::load_data_on_device(&mut self.content.as_slice(), device);
        let module = Arc::new(module.map_err(failed("load"))?);
        loaded.push((device, Arc::clone(&module)));
        Ok(module)
    }

    /// Logits, and the running statistics after them. What it is given stays as it is.
    fn run(
        &self,
        theta: &Tensor,
        buffers: &Tensor,
        images: &Tensor,
        mode: Mode,
    ) -> Result<(Tensor, Tensor), NetworkFault> {
        // What libtorch's optimiser of programs makes has first derivatives only. The switch is the thread's.
        tch::jit::f_set_graph_executor_optimize(false).map_err(failed("run"))?;
        let module = self.on(theta.device())?;
        let given = [theta, buffers, images];
        let versions = || given.map(|tensor| (tensor.internal_version(), tensor.data_ptr(), tensor.size()));
        let before = versions();
        let answer = module.method_is(
            method(mode),
            &given.map(|tensor| IValue::Tensor(tensor.shallow_clone())),
        );
        // libtorch counts what is written into a tensor.
        let changed = before
            .iter()
            .zip(versions())
            .position(|(before, after)| *before != after);
        if let Some(which) = changed {
            return Err(NetworkFault::Changes {
                method: method(mode),
                what: GIVEN[which],
            });
        }
        match answer.map_err(failed(method(mode)))? {
            IValue::Tuple(parts) => match <[IValue; 2]>::try_from(parts) {
                Ok([IValue::Tensor(logits), IValue::Tensor(after)]) => Ok((logits, after)),
                _ => Err(NetworkFault::NoLogits { method: method(mode) }),
            },
            _ => Err(NetworkFault::NoLogits { method: method(mode) }),
        }
    }
}

fn method(mode: Mode) -> &'static str {
    match mode {
        Mode::Train => "learn",
        Mode::Calibrate => "calibrate",
        Mode::Eval => "evaluate",
    }
}

fn failed(doing: &'static str) -> impl Fn(TchError) -> NetworkFault {
    move |error| {
        // A backtrace of libtorch's follows, and of a program's failure where in it: its last line says why.
        let text = error.to_string();
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        let why = lines().rfind(|line| line.contains("Error"));
        let first = || lines().find(|line| *line != "Internal torch error:");
        NetworkFault::Failed {
            doing,
            reason: why.or_else(first).unwrap_or_default().to_owned(),
        }
    }
}

/// A program as a function of its flat parameter vector.
#[derive(Debug)]
pub(crate) struct ExportedNetwork {
    layout: Arc<Layout>,
    program: Arc<Program>,
    named: String,
}

impl Network<Tensor> for ExportedNetwork {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    /// # Panics
    /// When a length or shape does not fit the layout, or the program fails where its trial went well: with a [`ModelError`],
    /// since that is a fault of a file.
    fn forward(&self, theta: &Tensor, buffers: &Tensor, images: &Tensor, mode: Mode) -> Tensor {
        let answer = self.program.run(theta, buffers, images, mode);
        let (logits, after) = answer.unwrap_or_else(|fault| {
            std::panic::panic_any(ModelError::Network {
                network: self.named.clone(),
                fault,
            })
        });
        match mode {
            Mode::Train | Mode::Calibrate => no_grad(|| buffers.shallow_clone().copy_(&after)),
            Mode::Eval => {}
        }
        logits
    }
}
