//! The project's own written cases, one and more for every rule: verdict, hash, and what is said (`rules.txt`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::fmt::Write;

use akash_sdl::{compile, render};

const RULES: &str = include_str!("rules.txt");

/// Name, whether it is accepted, and the text, of each case.
fn cases() -> Vec<(String, bool, String)> {
    let mut sections = RULES.split("\n== ").skip(1);
    let base = sections.next().unwrap().strip_prefix("base\n").unwrap();
    sections
        .map(|section| {
            let (title, edits) = section.split_once('\n').unwrap_or((section, ""));
            let (name, verdict) = title.rsplit_once(": ").unwrap();
            let accepted = match verdict {
                "accepted" => true,
                "refused" => false,
                other => panic!("{name}: {other}"),
            };
            (name.to_owned(), accepted, edited(base, edits, name))
        })
        .collect()
}

fn edited(base: &str, edits: &str, name: &str) -> String {
    let mut text = format!("{base}\n");
    let mut lines = edits.lines().filter(|line| !line.starts_with('#')).peekable();
    while lines.peek().is_some() {
        let mut block = |mark: char| {
            let mut block = String::new();
            while let Some(line) = lines.next_if(|line| line.starts_with(mark)) {
                writeln!(block, "{}", &line[1..]).unwrap();
            }
            block
        };
        let (from, to) = (block('-'), block('+'));
        // The last line of `from` may be the beginning of a line.
        let from = from.strip_suffix('\n').unwrap();
        let to = to.strip_suffix('\n').unwrap_or(&to);
        assert!(text.contains(from), "{name}: not in the text: {from}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn verdicts() {
    for (name, accepted, text) in cases() {
        let compilation = compile(&text);
        assert_eq!(compilation.sdl.is_some(), accepted, "{name}: {:?}\n{text}", compilation.diagnostics);
        assert_eq!(compilation.errors().next().is_none(), accepted, "{name}");
    }
}

/// Every diagnostic as it is rendered, and the hash of what is accepted.
#[test]
fn rendered() {
    let mut out = String::new();
    for (name, _, text) in cases() {
        let compilation = compile(&text);
        let hash = compilation.sdl.map_or("refused".into(), |sdl| sdl.hash_hex());
        writeln!(out, "== {name}: {hash}").unwrap();
        for diagnostic in &compilation.diagnostics {
            writeln!(out, "{}\n", render(diagnostic, &text, "deploy.yaml")).unwrap();
        }
    }
    insta::assert_snapshot!(out);
}
