//! Parity with the network's own parser on public SDLs, when the corpus lies beside the project.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "test code")]

use std::path::{Path, PathBuf};

use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sdl-corpus");
    if !shared.join("expected.jsonl").is_file() {
        println!("skipped: no ../shared");
        return None;
    }
    Some(shared)
}

#[test]
fn verdict_groups_manifest_and_hash_are_the_networks() {
    let Some(corpus) = corpus() else { return };
    let expected = std::fs::read_to_string(corpus.join("expected.jsonl")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in expected.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let file = line["file"].as_str().unwrap();
        let text = std::fs::read(corpus.join(file)).unwrap();
        let compilation = akash_sdl::compile_bytes(&text);
        count += 1;
        if compilation.sdl.is_some() != line["valid"].as_bool().unwrap() {
            let errors: Vec<String> = compilation.errors().map(ToString::to_string).collect();
            wrong.push(format!("{file}: valid is {}: {errors:?} / {}", line["valid"], line["error"]));
            continue;
        }
        let Some(sdl) = compilation.sdl else { continue };
        for (what, ours, theirs) in [
            ("hash", Value::from(sdl.hash_hex()), &line["hash"]),
            ("manifest", serde_json::to_value(&sdl.manifest).unwrap(), &line["manifest"]),
            ("groups", serde_json::to_value(&sdl.groups).unwrap(), &line["groups"]),
        ] {
            if ours != *theirs {
                wrong.push(format!("{file}: {what}: ours {ours}, the network's {theirs}"));
            }
        }
        let back: akash_sdl::Manifest = serde_json::from_str(&sdl.manifest.canonical_json()).unwrap();
        assert_eq!(back, sdl.manifest, "{file}: the manifest's JSON reads back");
        let back: Vec<akash_sdl::Group> = serde_json::from_value(line["groups"].clone()).unwrap();
        assert_eq!(back, sdl.groups, "{file}: the groups' JSON reads back");
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 251, "the corpus has {count} files");
}
