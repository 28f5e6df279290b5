//! The crate graph in `docs/architecture.md`, drawn from `cargo metadata` as a Mermaid picture. Knows nothing of what the
//! crates do.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cargo;

/// The page, below `docs/`.
pub(crate) const PAGE: &str = "architecture.md";
const BEGIN: &str = "<!-- Crates: written by `cargo xtask docs`. -->\n";
const END: &str = "<!-- End of crates. -->\n";

/// The page with the picture as it is now.
pub(crate) fn drawn_into(page: &str) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no place for the crate graph")?;
    let (_, after) = rest.split_once(END).context("the crate graph on the page has no end")?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", draw(&metadata()?)?))
}

fn metadata() -> Result<Value> {
    let output = cargo::command()
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .output()
        .context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// An arrow is a dependency, a dotted one is that of tests alone.
fn draw(metadata: &Value) -> Result<String> {
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let names: BTreeSet<String> = packages.iter().filter_map(|package| text(package, "name")).collect();
    let mut picture = "```mermaid\ngraph TD\n".to_owned();
    for name in &names {
        writeln!(picture, "    {}[{name}]", id(name))?;
    }
    let mut arrows = BTreeSet::new();
    for package in packages {
        let from = text(package, "name").context("a package without a name")?;
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let to = text(dependency, "name").context("a dependency without a name")?;
            if names.contains(&to) && dependency.get("path").is_some_and(Value::is_string) {
                arrows.insert((from.clone(), to, text(dependency, "kind").as_deref() == Some("dev")));
            }
        }
    }
    for (from, to, tests) in &arrows {
        // A dependency of both kinds has one arrow.
        if !(*tests && arrows.contains(&(from.clone(), to.clone(), false))) {
            writeln!(picture, "    {} {} {}", id(from), if *tests { "-.->" } else { "-->" }, id(to))?;
        }
    }
    picture.push_str("```\n");
    Ok(picture)
}

fn id(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_in_the_docs_is_the_graph() {
        let page = std::fs::read_to_string(xtask::root().join("docs").join(PAGE)).unwrap();
        assert_eq!(drawn_into(&page).unwrap(), page, "run `cargo xtask docs` and commit");
    }

    #[test]
    fn the_provider_is_never_built_with_the_devnet() {
        let packages = metadata().unwrap();
        let shipped = packages["packages"].as_array().unwrap().iter();
        let devnet = |dependency: &Value| dependency["name"] == "akash-devnet" && dependency["kind"] != "dev";
        let with: Vec<_> = shipped
            .filter(|package| package["dependencies"].as_array().unwrap().iter().any(devnet))
            .map(|package| &package["name"])
            .collect();
        assert!(with.is_empty(), "{with:?} depend on akash-devnet outside of tests");
    }
}
