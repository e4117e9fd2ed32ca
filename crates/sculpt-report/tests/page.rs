//! The page in a browser: sorting, the width of a phone, hostile names. Without Chromium the browser's half is skipped.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failure, helpers included")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use sculpt_experiments::Suite;
use sculpt_report::write_page;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Nine significant digits apart, a missing value, a negative one; `10` sorts before `9` as text only.
const FRAME: &str = "method,seed,loss\n\
    lrr,10,0.123456789\n\
    <img src=x onerror=\"document.title='broken'\">,9,\n\
    imp,1,-2.5\n\
    wr,2,0.123456788\n";

const PICTURE: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"252mm\" height=\"84mm\" viewBox=\"0 0 252 84\">\n\
    <script>document.title = 'broken'</script>\n\
    <circle cx=\"40\" cy=\"40\" r=\"30\"/>\n\
    </svg>\n";

fn report() -> TempDir {
    let suite: Suite = serde_json::from_value(json!({
        "name": "fabricated",
        "title": "</title><script>document.title='broken'</script>",
        "preset": { "name": "demo", "overrides": {}, "data": { "name": "d", "digest": "0f".repeat(32) } },
        "artefacts": ["figure 5"],
    }))
    .unwrap();
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("figure-5.csv", FRAME);
    put("figure-5.svg", PICTURE);
    put(
        "figure-5.json",
        &json!({ "command": "sculpt figure 5", "n": [1, 1], "nodes": ["0f".repeat(32)] }).to_string(),
    );
    put(
        "claims.csv",
        "number,claim,verdict\n1,a,supported\n2,b,contradicted\n",
    );
    let path = write_page(&suite, folder.path()).unwrap();
    assert_eq!(path, folder.path().join("index.html"));
    folder
}

/// What `script` puts into `said` after the page has loaded; none without Chromium.
fn ask(folder: &Path, script: &str) -> Option<Value> {
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    let probe = format!(
        "<pre id=\"probe\"></pre><script>{{ const said = {{}}; {script}; \
         document.querySelector('#probe').textContent = 'PROBE' + JSON.stringify(said) + 'END'; }}</script></body>"
    );
    let probed = folder.join("probed.html");
    fs::write(&probed, page.replace("</body>", &probe)).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .arg(&probed)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: chromium (not installed)");
            return None;
        }
        Err(error) => panic!("chromium: {error}"),
    };
    let dom = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = dom.split_once("id=\"probe\">PROBE").unwrap_or_else(|| {
        panic!("no answer in {dom}; {}", String::from_utf8_lossy(&output.stderr));
    });
    let (said, _) = rest.split_once("END").unwrap();
    Some(
        serde_json::from_str(
            &said
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        )
        .unwrap(),
    )
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let folder = report();
    let page = fs::read_to_string(folder.path().join("index.html")).unwrap();
    for outside in ["src=\"http", "href=\"http", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn headers_sort_up_down_and_back() {
    let folder = report();
    let said = ask(
        folder.path(),
        "const table = document.querySelector('#figure-5 table');
         const seeds = () => [...table.tBodies[0].rows].map((row) => row.cells[1].textContent).join(' ');
         const [, seed, loss] = table.tHead.rows[0].cells;
         said.start = seeds();
         said.seed = [1, 2, 3].map(() => { seed.querySelector('button').click(); return [seeds(), seed.ariaSort]; });
         said.loss = [1, 2].map(() => { loss.querySelector('button').click(); return seeds(); });
         said.others = seed.ariaSort",
    );
    let Some(said) = said else { return };
    let expected = json!({
        "start": "10 9 1 2",
        "seed": [["1 2 9 10", "ascending"], ["10 9 2 1", "descending"], ["10 9 1 2", null]],
        // By all nine digits, -2.5 first; the row without a loss stays last both times.
        "loss": ["1 2 10 9", "10 2 1 9"],
        "others": null,
    });
    assert_eq!(said, expected);
}

#[test]
fn nothing_is_wider_than_a_phone_and_no_name_acts() {
    let folder = report();
    let said = ask(
        folder.path(),
        "document.documentElement.style.width = '360px';
         document.querySelectorAll('details').forEach((folded) => { folded.open = true; });
         said.page = document.body.scrollWidth;
         said.title = document.title;
         said.broken = document.querySelectorAll('main img:not([src^=\"data:\"])').length;
         said.levels = [...document.querySelectorAll('h1, h2, h3')].map((head) => head.tagName).join(' ');
         said.focusable = document.querySelector('#figure-5 .picture').tabIndex",
    );
    let Some(said) = said else { return };
    assert!(said["page"].as_u64().unwrap() <= 360, "{said}");
    assert_eq!(said["title"], "Sculpt report: fabricated");
    assert_eq!((&said["broken"], &said["focusable"]), (&json!(0), &json!(0)));
    // Title; claims, contents, figure 5, what is missing.
    assert_eq!(said["levels"], "H1 H2 H2 H2 H2");
}
