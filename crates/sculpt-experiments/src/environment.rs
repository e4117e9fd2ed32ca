use serde::{Deserialize, Serialize};
use tch::Device;

/// What may change the last bits of a result without being part of its identity (design §2, Determinism).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Version of libtorch.
    pub libtorch: String,
    /// Processor architecture and the vector extensions that libtorch chooses its kernels by.
    pub instruction_set: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// libtorch threads.
    pub threads: u32,
    /// Processes that trained it together.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub ranks: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

/// The libtorch that this workspace is built against (`tch` 0.24; design §8).
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Of these crates, of which all have the same.
pub(crate) const CODE_VERSION: &str = env!("CARGO_PKG_VERSION");

impl Environment {
    /// This process's, alone.
    pub fn here(device: Device, threads: u32) -> Self {
        Self {
            libtorch: LIBTORCH_VERSION.to_owned(),
            instruction_set: instruction_set(),
            device: device_name(device),
            threads,
            ranks: 1,
        }
    }

    /// The same on so many processes.
    #[must_use]
    pub fn on_ranks(self, ranks: u32) -> Self {
        Self { ranks, ..self }
    }
}

/// `cpu`, `cuda:0`, ….
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Mps => "mps".to_owned(),
        Device::Vulkan => "vulkan".to_owned(),
    }
}

#[cfg(target_arch = "x86_64")]
fn instruction_set() -> String {
    let found = [
        (is_x86_feature_detected!("avx2"), "avx2"),
        (is_x86_feature_detected!("avx512f"), "avx512f"),
        (is_x86_feature_detected!("avx512vnni"), "avx512vnni"),
        (is_x86_feature_detected!("avx512bf16"), "avx512bf16"),
        (is_x86_feature_detected!("avx512fp16"), "avx512fp16"),
    ];
    let mut words = vec!["x86_64"];
    words.extend(
        found
            .iter()
            .filter(|(present, _)| *present)
            .map(|(_, name)| *name),
    );
    words.extend(sculpt_models::has_amx().then_some("amx_bf16"));
    words.join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_set() -> String {
    std::env::consts::ARCH.to_owned()
}
