//! `sculpt`: every command of the laboratory. Its arguments are parsed in `words`, each command is a file of
//! `commands`, and everything that they compute is in the crates below.

mod children;
mod commands;
mod cuda;
mod device;
mod display;
mod jobs;
mod places;
mod printing;
mod process;
mod ranks;
mod remotes;
mod signals;
mod slurm;
mod watch;
mod words;

use clap::Parser;
use words::{Command, Global, Words};

fn main() {
    process::keep_large_blocks();
    process::end(code());
}

/// Does what the words say, and what the process is to answer: 0, 2 where they are wrong, 1 where something else is.
fn code() -> u8 {
    let words = match Words::try_parse() {
        Ok(words) => words,
        // `--help` too is a result.
        Err(said) if !said.use_stderr() => {
            printing::line(said.to_string().trim_end());
            return ended(printing::check_stdout());
        }
        Err(error) => error.exit(),
    };
    printing::one_sentence_panics();
    ended(run(words).and_then(|()| printing::check_stdout()))
}

fn ended(result: anyhow::Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            printing::failure(&error);
            if error.is::<words::BadUsage>() { 2 } else { 1 }
        }
    }
}

fn run(mut words: Words) -> anyhow::Result<()> {
    remotes::resolve(&mut words.global)?;
    words.check()?;
    let ended = dispatch(words.command, &words.global);
    ended.inspect_err(|error| remotes::tell_of_cache(error, &words.global))
}

fn dispatch(command: Command, global: &Global) -> anyhow::Result<()> {
    match command {
        Command::Figure(args) => commands::figure::run(&args, global),
        Command::Table(args) => commands::table::run(&args, global),
        Command::Claims(args) => commands::claims::run(&args, global),
        Command::Contrasts(args) => commands::contrasts::run(&args, global),
        Command::Differences(args) => commands::differences::run(&args, global),
        Command::All(args) => commands::all::run(&args, global),
        Command::List(args) => commands::list::run(&args, global),
        Command::Plan(args) => commands::plan::run(&args, global),
        Command::Reproduce(args) => commands::reproduce::run(&args, global),
        Command::Run(args) => commands::run::run(&args, global),
        Command::Draw(args) => commands::draw::run(&args, global),
        Command::Compare(args) => commands::compare::run(&args, global),
        Command::Work(args) => commands::work::run(&args, global),
        Command::Status(args) => commands::status::run(&args, global),
        Command::Simulate(args) => commands::simulate::run(&args, global),
        Command::Recipe(args) => commands::recipe::run(&args, global),
        Command::Node(args) => commands::node::run(&args, global),
        Command::Show(args) => commands::show::run(&args, global),
        Command::Ls(args) => commands::ls::run(&args, global),
        Command::Export(args) => commands::export::run(&args, global),
        Command::Publish(args) => commands::publish::run(&args, global),
        Command::Fetch(args) => commands::fetch::run(&args, global),
        Command::Gc(args) => commands::gc::run(&args, global),
        Command::Verify(args) => commands::verify::run(&args, global),
        Command::Eval(args) => commands::eval::run(&args, global),
        Command::Mask(args) => commands::mask::run(&args, global),
        Command::Hessian(args) => commands::hessian::run(&args, global),
        Command::Connect(args) => commands::connect::run(&args, global),
        Command::Signs(args) => commands::signs::run(&args, global),
        Command::Noise(args) => commands::noise::run(&args, global),
        Command::Schedule(args) => commands::schedule::run(&args, global),
        Command::Data(args) => commands::data::run(&args, global),
        Command::Bench(args) => commands::bench::run(&args, global),
    }
}
