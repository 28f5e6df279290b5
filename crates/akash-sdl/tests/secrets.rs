//! No secret is ever shown: a canary stands at each place where an SDL holds secrets, the file is broken around it in each
//! way that YAML and the SDL's rules know, and the canary is looked for in all that is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use akash_sdl::{compile, render, report};

/// `SERVICE` is replaced by what a place has; `CANARY` is the secret.
const BASE: &str = "\
version: \"2.0\"
services:
  web:
    image: nginx:1.29.3
SERVICE
    expose:
      - port: 80
        to:
          - global: true
profiles:
  compute:
    web:
      resources: {cpu: {units: 1}, memory: {size: 1Gi}, storage: {size: 1Gi}}
  placement:
    dcloud:
      pricing:
        web: {denom: uact, amount: 1000}
deployment:
  web:
    dcloud: {profile: web, count: 1}
";

/// Each place, as lines of the service.
const PLACES: [(&str, &str); 40] = [
    ("a list", "    env:\n      - A=b\n      - TOKEN=CANARY\n      - C=d"),
    ("a list in the key's column", "    env:\n    - TOKEN=CANARY"),
    ("brackets", "    env: [A=b, TOKEN=CANARY]"),
    ("brackets over lines", "    env: [\n      A=b,\n      TOKEN=CANARY,\n    ]"),
    ("brackets at the left", "    env: [\nTOKEN=CANARY,\n\"X=CANARY\"\n]"),
    ("double quotes", "    env:\n      - \"TOKEN=CANARY\""),
    ("single quotes", "    env:\n      - 'TOKEN=CANARY'"),
    ("quotes over lines", "    env:\n      - \"TOKEN=\n        CANARY\""),
    ("quotes over lines at the left", "    env:\n      - \"TOKEN=\nCANARY\n\n  image: CANARY\n\""),
    ("single quotes over lines", "    env:\n      - 'TOKEN=it''s\n\n  image: CANARY'"),
    ("plain text over lines", "    env:\n      - TOKEN=a\n        port: CANARY"),
    ("plain over lines", "    env:\n      - TOKEN=a\n        CANARY"),
    ("a literal block", "    env:\n      - |\n        TOKEN=CANARY\n        image: CANARY"),
    ("a folded block", "    env:\n      - >-\n        TOKEN=CANARY\n\n        port: CANARY"),
    ("a quoted key", "    \"env\": [TOKEN=CANARY]"),
    ("an escaped key", "    \"\\x65nv\":\n      - TOKEN=CANARY"),
    ("a key of its own", "    ? env\n    : - TOKEN=CANARY"),
    ("a tagged key", "    !!str env:\n      - !!str TOKEN=CANARY"),
    ("base64", "    env:\n      - !!binary VE9LRU49Q0FOQVJZ # TOKEN=CANARY"),
    ("an alias", "    args: &secret [TOKEN=CANARY]\n    env: *secret"),
    ("an alias of one", "    args:\n      - &secret TOKEN=CANARY\n    env: [*secret]"),
    (
        "an alias from a public key",
        "    image: &secret CANARY\n    credentials: {host: h, username: u, password: *secret}",
    ),
    ("an alias as key", "    args: [&key env]\n    *key :\n      - TOKEN=CANARY"),
    ("a merge", "    <<: {env: [TOKEN=CANARY]}"),
    ("a merge of anchors", "    foo: &base\n      env:\n        - TOKEN=CANARY\n    <<: *base"),
    ("a merge of a list", "    foo: &base\n      credentials:\n        password: CANARY\n    <<: [*base]"),
    ("a mapping", "    env:\n      TOKEN: CANARY"),
    ("mappings in a list", "    env:\n      - TOKEN: CANARY"),
    ("a mapping in braces", "    env: {TOKEN: CANARY}"),
    ("a text", "    env: TOKEN=CANARY"),
    ("no space", "    env:TOKEN=CANARY"),
    ("no name", "    env:\n      - CANARY"),
    ("another key", "    environment:\n      - TOKEN=CANARY"),
    ("another key with a mapping", "    environment:\n      TOKEN: CANARY"),
    ("an item as key", "    env:\n    TOKEN=CANARY:"),
    ("a mapping too far left", "    env:\n    TOKEN: CANARY"),
    (
        "credentials",
        "    credentials:\n      host: CANARY\n      email: CANARY\n      username: CANARY\n      password: CANARY",
    ),
    ("credentials in braces", "    credentials: {host: CANARY, username: CANARY, password: \"CANARY\"}"),
    (
        "credentials too far left",
        "    credentials:\n    host: CANARY\n    username: CANARY\n    password: CANARY",
    ),
    (
        "credentials without spaces",
        "    credentials:\n      host:CANARY\n      username:CANARY\n      password:CANARY",
    ),
];

/// What is put in somewhere.
const PIECES: [&str; 26] = [
    "\"", "'", "[", "]", "{", "}", ": ", ":", "\t", " ", "- ", "&", "*", "&a ", "*a ", "!x ", "@", "%", "\\",
    "#", " #", "|", ",", "\u{7}", "\u{2028}", "? ",
];

/// Lines that are put in somewhere.
const LINES: [&str; 16] = [
    "bad",
    "  bad",
    "\"unclosed",
    "'unclosed",
    "]",
    "}",
    "- x",
    ": x",
    "%FOO",
    "---",
    "...",
    "@x",
    "\tx",
    "image: x",
    "    image: [",
    "    expose: {",
];

/// Things of the base that are replaced, each by what breaks a rule.
const SEMANTIC: [(&str, &str); 14] = [
    ("port: 80", "port: x"),
    ("port: 80", "port: 0"),
    ("global: true", "global: perhaps"),
    ("image: nginx:1.29.3", "image: ''"),
    ("image: nginx:1.29.3", "image: nginx"),
    ("image: nginx:1.29.3", "images: nginx"),
    ("    image: nginx:1.29.3\n", "    image: nginx:1.29.3\n    image: nginx:1.29.3\n"),
    ("global: true", "service: other"),
    ("units: 1", "units: 1x"),
    ("denom: uact", "denom: uakt"),
    ("profile: web", "profile: other"),
    ("count: 1", "count: 0"),
    ("version: \"2.0\"", "version: \"3.9\""),
    ("deployment:", "deployments:"),
];

#[test]
fn no_secret_is_shown() {
    let mut tried = 0;
    for (place, lines) in PLACES {
        let base = BASE.replace("SERVICE", lines);
        for (from, to) in SEMANTIC.iter().copied().chain([("", "")]) {
            check(place, &base.replacen(from, to, 1));
        }
        for text in broken(&base, lines.lines().count()) {
            check(place, &text);
            tried += 1;
        }
    }
    assert!(tried > 20_000, "only {tried} files");
}

/// The file broken in every way in and around the lines of the place.
fn broken(base: &str, count: usize) -> Vec<String> {
    const FIRST: usize = 4;
    let lines: Vec<&str> = base.lines().collect();
    let mut texts = Vec::new();
    let join = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    for at in FIRST - 1..=FIRST + count {
        let line = lines[at];
        let mut replace = |new: &str| {
            let mut lines = lines.clone();
            lines[at] = new;
            texts.push(join(&lines));
        };
        for position in boundaries(line) {
            for piece in PIECES {
                replace(&format!("{}{piece}{}", &line[..position], &line[position..]));
            }
        }
        for cut in 1..=4 {
            if let Some(rest) = line.strip_prefix(&" ".repeat(cut)) {
                replace(rest);
            }
        }
        for indent in [" ", "  ", "\t", "        "] {
            replace(&format!("{indent}{line}"));
        }
        for extra in LINES.iter().copied().chain([line]) {
            let mut lines = lines.clone();
            lines.insert(at, extra);
            texts.push(join(&lines));
        }
        let mut without = lines.clone();
        without.remove(at);
        texts.push(join(&without));
        texts.push(lines[..=at].join("\n"));
    }
    texts
}

/// Where something is put in: at both ends, and where letters begin or end. Not inside the canary.
fn boundaries(line: &str) -> Vec<usize> {
    let is_word = |at: usize| {
        line[..at].ends_with(char::is_alphanumeric) != line[at..].starts_with(char::is_alphanumeric)
    };
    (0..=line.len()).filter(|&at| at == 0 || at == line.len() || is_word(at)).collect()
}

fn check(place: &str, text: &str) {
    let compilation = compile(text);
    let report = report("deploy.yaml", &compilation);
    let told = |words: &str, what: &str| {
        for part in ["CANA", "NARY", "Q0FOQVJ"] {
            assert!(!words.contains(part), "{place}: {what}\n{words}\n----\n{text}");
        }
    };
    told(&report["errors"].to_string(), "report");
    told(&report["warnings"].to_string(), "report");
    for diagnostic in &compilation.diagnostics {
        told(&render(diagnostic, text, "deploy.yaml"), "rendered");
        told(&format!("{diagnostic} {diagnostic:?}"), "displayed");
    }
}

/// What surely is no secret is shown also where YAML is broken.
#[test]
fn other_lines_are_shown() {
    let base = BASE.replace("SERVICE", "    env:\n      - TOKEN=sesame");
    for (from, to) in [
        ("image: nginx:1.29.3", "image: nginx: 1.29.3"),
        ("image: nginx:1.29.3", "image: \"nginx:1.29.3"),
        ("      - port: 80", "\t- port: 80"),
        ("    expose:", "   expose:"),
        ("        to:", "       to:"),
        ("units: 1}", "units: 1"),
    ] {
        let text = base.replacen(from, to, 1);
        let compilation = compile(&text);
        let rendered = render(compilation.errors().next().unwrap(), &text, "deploy.yaml");
        assert!(!rendered.contains("hidden"), "{rendered}");
        assert!(rendered.contains(" | "), "{rendered}");
    }
}
