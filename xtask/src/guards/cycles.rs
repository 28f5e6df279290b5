//! No cycle between the top-level modules of a crate, read from the paths that begin with `crate::`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::{compare, crates, sources};

/// Crates that still have one.
const EXCEPTIONS: &[&str] = &["crates/akash-chain"];

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_top_level_modules_depend_on_each_other_in_a_cycle() {
    let mut found = Vec::new();
    for dir in crates() {
        let name = match dir.strip_prefix(xtask::root()).unwrap().display().to_string() {
            root if root.is_empty() => "provider".to_owned(),
            path => path,
        };
        for cycle in cycles(&modules(&dir.join("src"))) {
            found.push((name.clone(), cycle.into_iter().collect::<Vec<_>>().join(", ")));
        }
    }
    compare("top-level modules form no cycle", &found, EXCEPTIONS);
}

/// Which top-level modules of the crate in `src` each of them uses.
fn modules(src: &Path) -> Graph {
    let root =
        ["lib.rs", "main.rs"].map(|file| fs::read_to_string(src.join(file)).unwrap_or_default()).join("\n");
    let (declared, exported) = (declared(&root), exported(&root));
    let mut graph = Graph::new();
    for file in sources(src) {
        let relative = file.strip_prefix(src).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let is_test = relative.file_stem().is_some_and(|stem| stem == "tests");
        if !declared.contains(&module) || is_test {
            continue;
        }
        let uses = graph.entry(module.clone()).or_default();
        for name in paths(&code(&fs::read_to_string(&file).unwrap())) {
            // `crate::Name` may be what the root exports of a module.
            let used = if declared.contains(&name) { Some(&name) } else { exported.get(&name) };
            uses.extend(used.filter(|used| **used != module).cloned());
        }
    }
    graph
}

/// The modules that the crate's root declares, but for those of tests.
fn declared(root: &str) -> BTreeSet<String> {
    let mut previous = "";
    let mut names = BTreeSet::new();
    for line in root.lines().map(str::trim) {
        let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
        if let [.., "mod", name] = words[..]
            && line.ends_with(';')
            && previous != "#[cfg(test)]"
        {
            names.insert(name.to_owned());
        }
        previous = line;
    }
    names
}

/// Names that the root exports (`use module::{Name, …};`), with their modules.
fn exported(root: &str) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for statement in root.split(';') {
        let Some((_, path)) = statement.rsplit_once("use ") else { continue };
        let Some((module, rest)) = path.split_once("::") else { continue };
        let module = module.trim();
        let separators = |c: char| !(c.is_alphanumeric() || c == '_');
        for name in rest.split(separators).filter(|name| !name.is_empty()) {
            names.insert(name.to_owned(), module.to_owned());
        }
    }
    names
}

/// A file without comments and without its tests, which come last.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = before_tests.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The first name after each `crate::`, or all first names in the braces after it.
fn paths(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            names.insert(word(after));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    names.insert(word(list.get(at..).unwrap_or_default()));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The sets of modules that reach each other.
fn cycles(graph: &Graph) -> BTreeSet<BTreeSet<String>> {
    let reach = |from: &String| {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(module) = next.pop() {
            for used in graph.get(module).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    next.push(used);
                }
            }
        }
        seen
    };
    let reached: Graph = graph.keys().map(|module| (module.clone(), reach(module))).collect();
    let reaches = |from: &String, to: &String| reached.get(from).is_some_and(|all| all.contains(to));
    let around = graph.keys().filter(|module| reaches(module, module));
    around
        .map(|one| graph.keys().filter(|other| reaches(one, other) && reaches(other, one)).cloned().collect())
        .collect()
}

#[test]
fn what_is_read_as_a_use() {
    let text = "use crate::{a::{b, c}, d, Name};\n// crate::comment\nlet x = crate::e::f();\n#[cfg(test)]\nmod tests { use crate::g; }";
    let names = ["Name", "a", "d", "e"].map(str::to_owned);
    assert_eq!(paths(&code(text)), BTreeSet::from(names));
    let root = "mod a;\npub mod b;\n#[cfg(test)]\nmod c;\npub use a::{X, Y};\npub use b::Z;\n";
    assert_eq!(declared(root), BTreeSet::from(["a", "b"].map(str::to_owned)));
    assert_eq!(exported(root)["Y"], "a");
    let uses = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let graph = Graph::from([
        ("a".to_owned(), uses(&["b"])),
        ("b".to_owned(), uses(&["c"])),
        ("c".to_owned(), uses(&["a"])),
        ("d".to_owned(), uses(&["a"])),
    ]);
    assert_eq!(cycles(&graph), BTreeSet::from([uses(&["a", "b", "c"])]));
}
