//! The project's own vectors (`data/vectors.jsonl`): what YAML's corners, common mistakes and made-up SDLs come to, with
//! verdict, hash, groups and manifest by the network's own parser.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use serde_json::Value;

const VECTORS: &str = include_str!("data/vectors.jsonl");

#[test]
fn verdict_hash_groups_and_manifest_are_the_networks() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in VECTORS.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let name = vector["name"].as_str().unwrap();
        let compilation = akash_sdl::compile_bytes(vector["sdl"].as_str().unwrap().as_bytes());
        count += 1;
        if compilation.sdl.is_some() != vector["valid"].as_bool().unwrap() {
            let errors: Vec<String> = compilation.errors().map(ToString::to_string).collect();
            wrong.push(format!("{name}: valid is {}: {errors:?} / {}", vector["valid"], vector["error"]));
            continue;
        }
        let Some(sdl) = compilation.sdl else { continue };
        for (what, ours, theirs) in [
            ("hash", Value::from(sdl.hash_hex()), &vector["hash"]),
            ("groups", serde_json::to_value(&sdl.groups).unwrap(), &vector["groups"]),
            ("manifest", serde_json::to_value(&sdl.manifest).unwrap(), &vector["manifest"]),
        ] {
            if ours != *theirs {
                wrong.push(format!("{name}: {what}: ours {ours}, the network's {theirs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(count, 264);
}
