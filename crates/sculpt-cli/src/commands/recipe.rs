//! `recipe show FILE`: what a recipe of the user's own stands for.

use super::preset::DataWords;
use super::run::say_gone;
use crate::words::Global;
use crate::{places, printing};
use clap::{Args, Subcommand};
use sculpt_experiments::{Node, StateRef};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct Words {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Print every node that a recipe stands for, checked, without running any
    Show(Show),
}

#[derive(Args)]
struct Show {
    /// The recipe (RECIPES.md says what stands in one)
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    #[command(flatten)]
    data: DataWords,
    /// One JSON object on stdout: nodes, each with its name, state and whole description
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    name: String,
    state: &'a StateRef,
    density: f64,
    /// Epochs trained since its initialisation, its own included.
    epochs: u64,
    node: &'a Node,
}

pub(crate) fn run(words: &Words, global: &Global) -> anyhow::Result<()> {
    let What::Show(words) = &words.what;
    let user = places::store(global).read_user_recipe(&words.file, &words.data.folder(global, 1)?)?;
    say_gone(&user.gone);
    let mut lines = Vec::new();
    for named in &user.states {
        let state = &named.state;
        let entry = user.recipe.get(&state.id).expect("a named node is of the recipe");
        lines.push(Line {
            name: named.title(),
            state,
            density: entry.density,
            epochs: user.recipe.epochs_trained(state),
            node: &entry.node,
        });
    }
    if words.json {
        return printing::json(&serde_json::json!({ "nodes": lines }));
    }
    let width = lines
        .iter()
        .map(|line| line.name.chars().count())
        .max()
        .unwrap_or(0);
    for Line {
        name,
        state,
        density,
        epochs,
        node,
    } in &lines
    {
        let id = state.id.short();
        printing::line(&format!(
            "{name:width$}  {id}  {:<8}  density {density:.4}  after {epochs} epochs",
            node.kind()
        ));
    }
    printing::note(&format!(
        "{} different nodes, {} names above; `sculpt show ID` tells more of one that was run",
        user.recipe.len(),
        lines.len()
    ));
    Ok(())
}
