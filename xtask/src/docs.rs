//! `cargo xtask docs`: the registry pages, generated from the schema that the built provider reports
//! (`providers schema -json`) and from `examples/` in the registry's layout, and the crate graph in the architecture.
//! `--check` fails where the committed pages differ. What else is in `docs/` is written by hand and left alone.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Map, Value};
use xtask::{
    client::Client,
    workdir::{Install, Workdir},
};

use crate::{cargo, graph, test};

/// Directories of `docs/` that hold generated pages and nothing else.
const GENERATED: [&str; 3] = ["resources", "data-sources", "functions"];

const CONFIGURATION: &str =
    "terraform {\n  required_providers {\n    akash = { source = \"vaultmesh/akash\" }\n  }\n}\n";

#[derive(Parser)]
pub(crate) struct Args {
    /// Changes nothing; fails if a page is not what the provider's schema and the examples give
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let client =
        test::clients().into_iter().next().context("neither terraform nor tofu: install one of them")?;
    let [provider] = cargo::build([cargo::PROVIDER], false)?;
    let mut pages = pages(&schema(&client, &provider)?)?;
    let docs = xtask::root().join("docs");
    let architecture = graph::drawn_into(&fs::read_to_string(docs.join(graph::PAGE))?)?;
    pages.insert(PathBuf::from(graph::PAGE), architecture);
    let stale = stale(&docs, &pages)?;
    if args.check {
        for path in &stale {
            eprintln!("differs: docs/{}", path.display());
        }
        if !stale.is_empty() {
            bail!("{} pages are not up to date: run cargo xtask docs and commit", stale.len());
        }
        println!("{} pages are up to date", pages.len());
        return Ok(ExitCode::SUCCESS);
    }
    for path in &stale {
        let file = docs.join(path);
        match pages.get(path) {
            None => fs::remove_file(&file)?,
            Some(text) => {
                fs::create_dir_all(file.parent().unwrap_or(&docs))?;
                fs::write(&file, text)?;
            }
        }
        println!("docs/{}", path.display());
    }
    println!("{} pages, {} changed", pages.len(), stale.len());
    Ok(ExitCode::SUCCESS)
}

/// The provider's part of `providers schema -json`.
fn schema(client: &Client, provider: &Path) -> Result<Value> {
    let dir = Workdir::new(client, provider, Install::Mirror)?;
    dir.write("main.tf", CONFIGURATION)?;
    for args in [&["init", "-no-color"][..], &["providers", "schema", "-json"]] {
        let output = dir.command(args).output().with_context(|| format!("cannot run {client}"))?;
        if !output.status.success() {
            bail!("{} {}: {}", client.kind, args.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        if args.len() > 2 {
            let all: Value = serde_json::from_slice(&output.stdout)?;
            let schemas = all.get("provider_schemas").and_then(Value::as_object);
            return schemas.and_then(|s| s.values().next()).cloned().context("no schema in the answer");
        }
    }
    bail!("no schema")
}

/// Paths, relative to `docs/`, that must be written or removed.
fn stale(docs: &Path, pages: &BTreeMap<PathBuf, String>) -> Result<Vec<PathBuf>> {
    let mut stale: Vec<PathBuf> = pages
        .iter()
        .filter(|(path, text)| fs::read_to_string(docs.join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| path.clone())
        .collect();
    for dir in GENERATED {
        let Ok(entries) = fs::read_dir(docs.join(dir)) else { continue };
        for entry in entries {
            let path = Path::new(dir).join(entry?.file_name());
            if !pages.contains_key(&path) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

fn pages(schema: &Value) -> Result<BTreeMap<PathBuf, String>> {
    let mut pages = BTreeMap::new();
    let block = schema.pointer("/provider/block").context("no provider schema")?;
    pages.insert(PathBuf::from("index.md"), provider_page(block)?);
    for (section, dir, label, file) in [
        ("resource_schemas", "resources", "Resource", "resource.tf"),
        ("data_source_schemas", "data-sources", "Data Source", "data-source.tf"),
    ] {
        for (name, value) in entries(schema, section) {
            let block = value.get("block").with_context(|| format!("{name} has no block"))?;
            let path = Path::new(dir).join(format!("{}.md", name.trim_start_matches("akash_")));
            pages.insert(path, block_page(name, label, block, &Path::new(dir).join(name), file)?);
        }
    }
    for (name, value) in entries(schema, "functions") {
        pages.insert(Path::new("functions").join(format!("{name}.md")), function_page(name, value)?);
    }
    Ok(pages)
}

fn entries<'a>(value: &'a Value, section: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(section).and_then(Value::as_object).into_iter().flatten()
}

fn provider_page(block: &Value) -> Result<String> {
    let mut page = front("akash Provider", "Akash Provider", text(block, "description"));
    example(&mut page, "## Example Usage", "terraform", Path::new("provider/provider.tf"))?;
    arguments(&mut page, block)?;
    Ok(page)
}

fn block_page(name: &str, label: &str, block: &Value, examples: &Path, file: &str) -> Result<String> {
    let title = format!("{name} ({label})");
    let mut page = front(&format!("{name} {label} - akash"), &title, text(block, "description"));
    example(&mut page, "## Example Usage", "terraform", &examples.join(file))?;
    arguments(&mut page, block)?;
    example(&mut page, "## Import", "shell", &examples.join("import.sh"))?;
    let identity = "From OpenTofu 1.12 and Terraform 1.12 on, also by identity:";
    example(&mut page, identity, "terraform", &examples.join("import-by-identity.tf"))?;
    Ok(page)
}

fn function_page(name: &str, function: &Value) -> Result<String> {
    let summary = text(function, "summary");
    let title = format!("{name} (Function)");
    let mut page = front(&format!("{name} Function - akash"), &title, summary);
    let description = text(function, "description");
    if !description.is_empty() && description != summary {
        write!(page, "\n{description}\n")?;
    }
    let file = Path::new("functions").join(name).join("function.tf");
    example(&mut page, "## Example Usage", "terraform", &file)?;
    let parameters: Vec<&Value> =
        function.get("parameters").and_then(Value::as_array).into_iter().flatten().collect();
    let variadic = function.get("variadic_parameter");
    let mut signature: Vec<String> = parameters.iter().map(|p| signature_part(p)).collect();
    signature.extend(variadic.map(|p| format!("{}...", signature_part(p))));
    let returns = type_name(function.get("return_type").unwrap_or(&Value::Null)).to_lowercase();
    write!(page, "\n## Signature\n\n```text\n{name}({}) {returns}\n```\n", signature.join(", "))?;
    page.push_str("\n## Arguments\n\n");
    for parameter in parameters.into_iter().chain(variadic) {
        let kind = type_name(parameter.get("type").unwrap_or(&Value::Null));
        let nullable = if flag(parameter, "is_nullable") { ", nullable" } else { "" };
        let description = text(parameter, "description");
        writeln!(page, "- `{}` ({kind}{nullable}) {description}", text(parameter, "name"))?;
    }
    Ok(page)
}

fn signature_part(parameter: &Value) -> String {
    let kind = type_name(parameter.get("type").unwrap_or(&Value::Null)).to_lowercase();
    format!("{} {kind}", text(parameter, "name"))
}

/// The head of a page: what the registry reads, the title and the description.
fn front(page_title: &str, title: &str, description: &str) -> String {
    let first = description.lines().next().unwrap_or_default();
    format!(
        "---\npage_title: \"{page_title}\"\nsubcategory: \"\"\ndescription: |-\n  {first}\n---\n\n# {title}\n\n{description}\n"
    )
}

/// Adds a file of `examples/` under a heading, if there is one.
fn example(page: &mut String, heading: &str, language: &str, file: &Path) -> Result<()> {
    if let Ok(code) = fs::read_to_string(xtask::root().join("examples").join(file)) {
        write!(page, "\n{heading}\n\n```{language}\n{}\n```\n", code.trim_end())?;
    }
    Ok(())
}

/// The arguments and attributes of a block, then those of its nested objects, each under an anchor.
fn arguments(page: &mut String, block: &Value) -> Result<()> {
    page.push_str("\n## Schema\n");
    let mut nested = Vec::new();
    list(page, block.get("attributes").and_then(Value::as_object), "", &mut nested)?;
    // A nested object may hold others; they follow it.
    while !nested.is_empty() {
        let (path, attributes) = nested.remove(0);
        write!(page, "\n<a id=\"{}\"></a>\n### Nested Schema for `{path}`\n", anchor(&path))?;
        let mut deeper = Vec::new();
        list(page, Some(attributes), &path, &mut deeper)?;
        nested.splice(0..0, deeper);
    }
    Ok(())
}

fn list<'a>(
    page: &mut String,
    attributes: Option<&'a Map<String, Value>>,
    prefix: &str,
    nested: &mut Vec<(String, &'a Map<String, Value>)>,
) -> Result<()> {
    let Some(attributes) = attributes else { return Ok(()) };
    for heading in ["Required", "Optional", "Read-Only"] {
        let members: Vec<_> = attributes.iter().filter(|(_, a)| role(a) == heading).collect();
        if members.is_empty() {
            continue;
        }
        // Headings of nested objects would clutter the page's index: they get a bold line.
        match prefix {
            "" => write!(page, "\n### {heading}\n\n")?,
            _ => write!(page, "\n{heading}:\n\n")?,
        }
        for (name, attribute) in members {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let inner = attribute.pointer("/nested_type/attributes").and_then(Value::as_object);
            let mut line = format!("- `{name}` ({})", kind(attribute));
            let description = text(attribute, "description");
            if !description.is_empty() {
                write!(line, " {description}")?;
            }
            if let Some(inner) = inner {
                write!(line, " (see [below for nested schema](#{}))", anchor(&path))?;
                nested.push((path, inner));
            }
            writeln!(page, "{line}")?;
        }
    }
    Ok(())
}

/// Under which heading an attribute stands.
fn role(attribute: &Value) -> &'static str {
    match (flag(attribute, "required"), flag(attribute, "optional")) {
        (true, _) => "Required",
        (_, true) => "Optional",
        _ => "Read-Only",
    }
}

/// What stands in parentheses: type and flags, such as `String, Sensitive`.
fn kind(attribute: &Value) -> String {
    let mut words = vec![match attribute.pointer("/nested_type/nesting_mode").and_then(Value::as_str) {
        Some("single") => "Attributes".to_owned(),
        Some("list") => "Attributes List".to_owned(),
        Some("set") => "Attributes Set".to_owned(),
        Some("map") => "Attributes Map".to_owned(),
        _ => type_name(attribute.get("type").unwrap_or(&Value::Null)),
    }];
    for (name, word) in
        [("sensitive", "Sensitive"), ("write_only", "Write-only"), ("deprecated", "Deprecated")]
    {
        if flag(attribute, name) {
            words.push(word.to_owned());
        }
    }
    words.join(", ")
}

/// A type as the registry's pages write it.
fn type_name(value: &Value) -> String {
    match value {
        Value::String(name) => match name.as_str() {
            "bool" => "Boolean".to_owned(),
            "dynamic" => "Dynamic".to_owned(),
            "number" => "Number".to_owned(),
            _ => "String".to_owned(),
        },
        Value::Array(parts) => {
            let inner = parts.get(1).map(type_name).unwrap_or_default();
            match parts.first().and_then(Value::as_str) {
                Some("list") => format!("List of {inner}"),
                Some("set") => format!("Set of {inner}"),
                Some("map") => format!("Map of {inner}"),
                Some("tuple") => "Tuple".to_owned(),
                _ => "Object".to_owned(),
            }
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(k, v)| format!("{k}: {}", type_name(v))).collect();
            fields.join(", ")
        }
        _ => "Dynamic".to_owned(),
    }
}

fn anchor(path: &str) -> String {
    format!("nestedatt--{}", path.replace('.', "--"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default().trim()
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or_default()
}
