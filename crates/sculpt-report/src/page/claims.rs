//! The verdicts on the paper's claims: sorted by verdict, each opening into a forest plot of its contrasts. A word and a sign
//! for each verdict, never colour alone.

use super::files::Files;
use super::forest;
use super::html::{Text, capital, number};
use super::table::Table;
use sculpt_rows::Verdict;
use std::fmt::Write;

/// Column of the verdicts, in the frames of claims and contrasts.
pub(super) const VERDICT: &str = "verdict";

/// A verdict with its sign.
pub(super) fn verdict(word: &str) -> String {
    let (class, sign) = match Verdict::of_word(word) {
        Some(verdict) => (class(verdict), verdict.sign()),
        None if word.is_empty() => return String::new(),
        // A verdict that this page does not know is shown as it is worded.
        None => ("open", "·"),
    };
    format!(
        "<span class=\"verdict {class}\"><span aria-hidden=\"true\">{sign}</span> {}</span>",
        Text(word)
    )
}

/// How a verdict is coloured.
pub(super) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Supported => "yes",
        Verdict::Contradicted => "no",
        Verdict::Partly => "partly",
        Verdict::Undecided | Verdict::NotEnoughRuns | Verdict::ByConstruction | Verdict::Absent => "open",
    }
}

/// The section of the claims; `grey` where they are no evidence about the paper.
pub(super) fn section(files: &Files, contrasts: Option<&Files>, grey: bool) -> String {
    let class = if grey { " class=\"grey\"" } else { "" };
    let mut html = format!("<section id=\"claims\"{class}>\n<h2>Verdicts on the paper's claims</h2>\n");
    if let Some(table) = &files.table {
        let contrasts = contrasts.and_then(|files| files.table.as_ref());
        html.push_str(&summary(table));
        html.push_str(
            "<p class=\"note\">Effect, interval and p are those of a claim's weakest contrast, of a contradicted one the most \
             strongly contradicted; the interval is the one that decides (of 90 %, wider where each of several sparsities may be the best \
             one), p in brackets is adjusted over all claims (Holm). <em>Test images ±</em>: what other images of their kind would \
             have made of the same states, half of the interval of the same level; seeds decide. A claim opens into its contrasts.</p>\n\
             <div class=\"claims\">\n",
        );
        for row in by_verdict(table) {
            html.push_str(&claim(table, row, contrasts));
        }
        html.push_str("</div>\n");
    }
    html.push_str(&files.origin());
    html.push_str("</section>\n");
    html
}

/// `2 supported, 1 contradicted`, in the order of the verdicts, without those that no claim has; empty without the column.
fn summary(table: &Table) -> String {
    let count = |word: &str| {
        (0..table.n_rows)
            .filter(|row| table.cell(*row, VERDICT) == word)
            .count()
    };
    let counted = Verdict::ALL.into_iter().filter_map(|verdict| {
        let n = count(verdict.word());
        (n > 0).then(|| format!("{n} {verdict}"))
    });
    let meanings = Verdict::ALL
        .into_iter()
        .filter(|verdict| count(verdict.word()) > 0);
    let meanings: Vec<_> = meanings
        .map(|verdict| format!("<em>{verdict}</em>: {}", verdict.meaning()))
        .collect();
    match counted.collect::<Vec<_>>().join(", ") {
        words if words.is_empty() => String::new(),
        words => format!(
            "<p>{words}.</p>\n<p class=\"note\">{}.</p>\n",
            meanings.join("; ")
        ),
    }
}

/// Rows in the order of their verdicts, then as they stand; a verdict that is none comes last.
pub(super) fn by_verdict(table: &Table) -> Vec<usize> {
    let place = |row: usize| {
        let verdict = Verdict::of_word(table.cell(row, VERDICT));
        Verdict::ALL
            .into_iter()
            .position(|other| Some(other) == verdict)
            .unwrap_or(usize::MAX)
    };
    let mut rows: Vec<usize> = (0..table.n_rows).collect();
    rows.sort_by_key(|row| place(*row));
    rows
}

fn claim(table: &Table, row: usize, contrasts: Option<&Table>) -> String {
    let cell = |name: &str| table.cell(row, name);
    let mut html = format!(
        "<details class=\"claim\" id=\"claim-{}\"><summary>{}<span class=\"said\"><b>{}.</b> {}</span>",
        Text(cell("number")),
        verdict(cell(VERDICT)),
        Text(cell("number")),
        Text(cell("claim"))
    );
    write!(
        html,
        "<span class=\"found\">{}</span><span class=\"links\">{}</span></summary>\n<div class=\"opened\">\n",
        found(table, row),
        links(cell("artefacts"))
    )
    .expect("a string takes what is written");
    for (name, text) in [
        ("parts", cell("parts")),
        ("weakest contrast", cell("contrast")),
        ("the paper", cell("paper")),
        ("said in", cell("place")),
    ] {
        if !text.is_empty() {
            writeln!(
                html,
                "<p><span class=\"name\">{}</span> {}</p>",
                capital(name),
                Text(text)
            )
            .expect("a string takes what is written");
        }
    }
    let known = known(table, row);
    if !known.is_empty() {
        writeln!(html, "<p>{known}</p>").expect("a string takes what is written");
    }
    if let Some(contrasts) = contrasts {
        html.push_str(&forest::plot(contrasts, cell("number")));
    }
    html.push_str("</div></details>\n");
    html
}

/// `0.5 [0.1, 0.9] points, p = 0.02 (0.4), n = 3`.
fn found(table: &Table, row: usize) -> String {
    let cell = |name: &str| table.cell(row, name);
    let mut words = Vec::new();
    if !cell("effect").is_empty() {
        let mut effect = number(cell("effect"));
        if !cell("low").is_empty() {
            write!(effect, " [{}, {}]", number(cell("low")), number(cell("high")))
                .expect("a string takes what is written");
        }
        words.push(format!("{effect} {}", Text(cell("unit"))));
    }
    if !cell("p").is_empty() {
        words.push(format!("p = {} ({})", number(cell("p")), number(cell("p_holm"))));
    }
    if !cell("n").is_empty() {
        words.push(format!("n = {}", Text(cell("n"))));
    }
    words.extend(Some(of_images(table, row)).filter(|words| !words.is_empty()));
    words.join(", <br>")
}

/// What other test images would have made of it, `± half of the interval`, and whether that is more than the seeds'; empty where it
/// is not known. Of a claim or a contrast.
pub(super) fn of_images(table: &Table, row: usize) -> String {
    let width = |low: &str, high: &str| {
        let of = |name: &str| table.cell(row, name).parse::<f64>().ok();
        Some(of(high)? - of(low)?)
    };
    let Some(images) = width("image_low", "image_high") else {
        return String::new();
    };
    let is_more = width("low", "high").is_some_and(|seeds| images > seeds);
    let more = if is_more {
        ", more than the seeds\u{2019}"
    } else {
        ""
    };
    format!("test images ± {}{more}", number(&(0.5 * images).to_string()))
}

/// What margin and number of seeds have to do with it.
fn known(table: &Table, row: usize) -> String {
    let cell = |name: &str| table.cell(row, name);
    let mut sentences = Vec::new();
    if !cell("verdict_half_margin").is_empty() {
        sentences.push(format!(
            "Margins are ours: at half of them the verdict is <em>{}</em>, at twice <em>{}</em>.",
            Text(cell("verdict_half_margin")),
            Text(cell("verdict_twice_margin"))
        ));
    }
    if !cell("smallest_effect").is_empty() {
        let what = if cell("test") == "within" {
            "the smallest margin that is shown with 80 % power, were there no difference,"
        } else {
            "the smallest distance from the bound that is found with 80 % power"
        };
        sentences.push(format!(
            "With n = {}, {what} is {} {}.",
            Text(cell("n")),
            number(cell("smallest_effect")),
            Text(cell("unit"))
        ));
    }
    if !cell("n_to_decide").is_empty() {
        sentences.push(format!(
            "What is undecided would take {} seeds to decide with 80 % power, were these means and deviations the true ones.",
            Text(cell("n_to_decide"))
        ));
    }
    sentences.join(" ")
}

/// `figure 4, table 3` as links within the page.
fn links(artefacts: &str) -> String {
    let names = artefacts.split(", ").filter(|name| !name.is_empty());
    let link = |name: &str| {
        let stem = name.replace(' ', "-");
        format!("<a href=\"#{}\">{}</a>", Text(&stem), Text(&capital(name)))
    };
    names.map(link).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Table {
        Table::read(text, Path::new("claims.csv")).unwrap()
    }

    #[test]
    fn verdicts_have_a_word_and_a_sign() {
        assert_eq!(
            verdict("contradicted"),
            "<span class=\"verdict no\"><span aria-hidden=\"true\">✗</span> contradicted</span>"
        );
        for known in Verdict::ALL {
            assert!(verdict(known.word()).contains(&format!("{}</span> {known}", known.sign())));
        }
        assert!(verdict("<b>").contains("·</span> &lt;b&gt;"));
        assert_eq!(verdict(""), "");
    }

    #[test]
    fn verdicts_are_counted_and_sorted() {
        let table = read("verdict\nnot enough runs\nsupported\nwhat\ncontradicted\nsupported\n");
        assert_eq!(
            summary(&table),
            "<p>2 supported, 1 contradicted, 1 not enough runs.</p>\n<p class=\"note\"><em>supported</em>: all of the sentence holds at 5 %; \
             <em>contradicted</em>: the opposite of a part holds at 5 %, or what is said to be alike differs by more than the \
             margin; <em>not enough runs</em>: fewer than three seeds, which decide nothing.</p>\n"
        );
        assert_eq!(by_verdict(&table), [1, 4, 3, 0, 2]);
        assert_eq!(summary(&read("claim\nx\n")), "");
    }

    #[test]
    fn a_claim_says_what_it_rests_on() {
        let table = read(
            "number,claim,artefacts,verdict,parts,contrast,effect,low,high,unit,test,n,p,p_holm,verdict_half_margin,\
             verdict_twice_margin,smallest_effect,n_to_decide,paper\n\
             4,\"a < b\",\"figure 4, table 3\",undecided,all: undecided,\"a − b, 4a\",-0.5,-1.25,0.25,points,within,3,0.4,1,\
             undecided,supported,1.5,12,2 points\n",
        );
        let html = claim(&table, 0, None);
        for part in [
            "id=\"claim-4\"",
            "?</span> undecided</span><span class=\"said\"><b>4.</b> a &lt; b</span>",
            "−0.500 [−1.25, 0.250] points, <br>p = 0.400 (1), <br>n = 3",
            "<a href=\"#figure-4\">Figure 4</a>, <a href=\"#table-3\">Table 3</a>",
            "<span class=\"name\">The paper</span> 2 points",
            "at half of them the verdict is <em>undecided</em>, at twice <em>supported</em>.",
            "were there no difference, is 1.50 points.",
            "would take 12 seeds",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
