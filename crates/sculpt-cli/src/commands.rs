//! One file a command: `Words`, what it takes, and `run`.

pub(crate) mod bench;
pub(crate) mod chain;
pub(crate) mod connect;
pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod figure;
pub(crate) mod hessian;
pub(crate) mod list;
pub(crate) mod ls;
pub(crate) mod mask;
pub(crate) mod masks;
pub(crate) mod model;
pub(crate) mod node;
pub(crate) mod noise;
pub(crate) mod plan;
pub(crate) mod preset;
pub(crate) mod probe;
pub(crate) mod publish;
pub(crate) mod reproduce;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod show;
pub(crate) mod signs;
pub(crate) mod verify;
pub(crate) mod weights;
