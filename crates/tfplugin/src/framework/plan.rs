//! What the schema asks to be done to values: defaults, write-only to null, computed values, replace paths; and the
//! refusal, naming the attribute, of what Terraform's core would call a bug in the provider. Pure functions over
//! values that are already of their schema's type.

use crate::diagnostics::Diagnostics;
use crate::schema::{Attribute, Nesting, Schema, Shape, Type};
use crate::values::{Dynamic, Path};
use std::collections::{BTreeMap, BTreeSet};

type Attributes = BTreeMap<String, Attribute>;

/// Names that Terraform's language takes for itself at the top of a block.
const RESERVED: [&str; 7] =
    ["provider", "count", "for_each", "depends_on", "lifecycle", "connection", "provisioner"];

static NULL: Dynamic = Dynamic::Null;

fn member<'a>(object: &'a Dynamic, name: &str) -> &'a Dynamic {
    object.get(name).unwrap_or(&NULL)
}

/// The object of a list or map at the same place in another value.
fn element(value: &Dynamic, index: usize) -> &Dynamic {
    match value {
        Dynamic::List(items) => items.get(index).unwrap_or(&NULL),
        _ => &NULL,
    }
}

/// What is wrong with a schema itself, found when Terraform asks for it.
pub(crate) fn check_schema(owner: &str, schema: &Schema, diagnostics: &mut Diagnostics) {
    for name in schema.attributes.keys().filter(|name| RESERVED.contains(&name.as_str())) {
        schema_error(owner, &Path::root(name), "the name is reserved in Terraform", diagnostics);
    }
    for name in &schema.twice {
        schema_error(owner, &Path::root(name), "two attributes have this name", diagnostics);
    }
    check_attributes(owner, &schema.attributes, &Path::empty(), diagnostics);
}

fn schema_error(owner: &str, path: &Path, problem: &str, diagnostics: &mut Diagnostics) {
    let detail = format!("Attribute {path} of {owner}: {problem}. This is a bug in the provider.");
    diagnostics.error("Invalid schema", detail);
}

fn check_attributes(owner: &str, attributes: &Attributes, above: &Path, diagnostics: &mut Diagnostics) {
    for (name, attribute) in attributes {
        let path = above.attr(name);
        let mut refuse = |problem: &str| schema_error(owner, &path, problem, diagnostics);
        let plain_name = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain_name {
            refuse("a name has lower-case letters, digits and underscores only");
        }
        if !(attribute.required || attribute.optional || attribute.computed) {
            refuse("it must be required, optional or computed");
        }
        if attribute.required && (attribute.optional || attribute.computed) {
            refuse("what is required is neither optional nor computed");
        }
        if attribute.write_only && attribute.computed {
            refuse("what is write-only cannot be computed and has no default");
        }
        if attribute.write_only && attribute.requires_replace {
            refuse("what is write-only would replace the resource at every plan");
        }
        if let Shape::Nested(nesting, members) = &attribute.shape {
            if *nesting == Nesting::Set && has_write_only(members) {
                refuse("a set cannot hold write-only attributes");
            }
            check_attributes(owner, members, &path, diagnostics);
        }
    }
}

fn has_write_only(attributes: &Attributes) -> bool {
    attributes.values().any(|attribute| {
        attribute.write_only
            || matches!(&attribute.shape, Shape::Nested(_, members) if has_write_only(members))
    })
}

/// Checks a configuration by the schema: nothing null that is required, nothing set that only the provider sets, and
/// every validator.
pub(crate) fn check_config(schema: &Schema, config: &Dynamic, diagnostics: &mut Diagnostics) {
    walk_config(&schema.attributes, config, &Path::empty(), diagnostics);
}

fn walk_config(attributes: &Attributes, config: &Dynamic, above: &Path, diagnostics: &mut Diagnostics) {
    // An object that is not known yet.
    let Dynamic::Map(_) = config else { return };
    for (name, attribute) in attributes {
        let path = above.attr(name);
        let value = member(config, name);
        if value.is_null() {
            // Terraform itself refuses only what is not written at all.
            if attribute.required {
                let detail = format!(
                    "{path} is required, and here it is null. Give it a value; if it comes from a variable or a \
                     condition, see to it that this is never null."
                );
                diagnostics.error_at(&path, format!("{path} must not be null"), detail);
            }
            continue;
        }
        if attribute.computed && !attribute.optional {
            let detail = format!("{path} is decided by the provider and cannot be set. Remove it.");
            diagnostics.error_at(&path, "Attribute cannot be set", detail);
            continue;
        }
        if let Some(message) = &attribute.deprecated {
            diagnostics.warning_at(&path, format!("{path} is deprecated"), message);
        }
        if value.first_unknown().is_none() {
            for check in &attribute.validators {
                if let Err(problem) = check(value) {
                    diagnostics.error_at(&path, format!("Invalid value for {path}"), problem);
                }
            }
        }
        let Shape::Nested(nesting, members) = &attribute.shape else { continue };
        match (nesting, value) {
            (Nesting::Single, Dynamic::Map(_)) => walk_config(members, value, &path, diagnostics),
            (Nesting::Map, Dynamic::Map(objects)) => {
                for (key, object) in objects {
                    walk_config(members, object, &path.key(key), diagnostics);
                }
            }
            (_, Dynamic::List(objects)) => {
                for (index, object) in objects.iter().enumerate() {
                    // An element of a set has no path of its own.
                    let path = if *nesting == Nesting::Set { path.clone() } else { path.index(index) };
                    walk_config(members, object, &path, diagnostics);
                }
            }
            _ => {}
        }
    }
}

/// The plan before the resource has its say. `prior` is null in a create.
pub(crate) fn propose(schema: &Schema, config: &Dynamic, prior: &Dynamic) -> Dynamic {
    propose_object(&schema.attributes, config, prior)
}

fn propose_object(attributes: &Attributes, config: &Dynamic, prior: &Dynamic) -> Dynamic {
    let Dynamic::Map(_) = config else { return config.clone() };
    let planned = attributes.iter().map(|(name, attribute)| {
        let value = propose_value(attribute, member(config, name), prior.get(name));
        (name.clone(), value)
    });
    Dynamic::Map(planned.collect())
}

/// `prior` is `None` where the object that holds the attribute is new.
fn propose_value(attribute: &Attribute, config: &Dynamic, prior: Option<&Dynamic>) -> Dynamic {
    if attribute.write_only {
        return Dynamic::Null;
    }
    if config.is_null() {
        return match (&attribute.default, attribute.computed, prior) {
            (Some(default), _, _) => default.clone(),
            (None, true, None) => Dynamic::Unknown,
            (None, true, Some(prior)) => prior.clone(),
            (None, false, _) => Dynamic::Null,
        };
    }
    let Shape::Nested(nesting, members) = &attribute.shape else { return config.clone() };
    let prior = prior.unwrap_or(&NULL);
    match (nesting, config) {
        (Nesting::Single, Dynamic::Map(_)) => propose_object(members, config, prior),
        (Nesting::Map, Dynamic::Map(objects)) => Dynamic::object(
            objects.iter().map(|(key, object)| (key, propose_object(members, object, member(prior, key)))),
        ),
        (Nesting::List, Dynamic::List(objects)) => {
            let objects = objects.iter().enumerate();
            Dynamic::List(
                objects.map(|(i, object)| propose_object(members, object, element(prior, i))).collect(),
            )
        }
        (Nesting::Set, Dynamic::List(objects)) => {
            let mut left: Vec<&Dynamic> = match prior {
                Dynamic::List(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            let objects = objects.iter().map(|object| {
                // An element of a set is the prior one if all that is configured in it is the same.
                let same = left.iter().position(|prior| propose_object(members, object, prior) == **prior);
                let prior = same.map_or(&NULL, |position| left.swap_remove(position));
                propose_object(members, object, prior)
            });
            Dynamic::List(objects.collect())
        }
        _ => config.clone(),
    }
}

/// Refuses a plan that core would refuse: a write-only value, a configured value that is neither the configuration's
/// nor the prior one, a value where there is none configured and none computed.
pub(crate) fn check_planned(
    schema: &Schema,
    config: &Dynamic,
    prior: &Dynamic,
    planned: &Dynamic,
    diagnostics: &mut Diagnostics,
) {
    for problem in planned_problems(&schema.attributes, config, prior, planned, &Path::empty()) {
        let detail = format!(
            "{}: {}. This is a bug in the provider, which should be reported to its developers.",
            problem.path, problem.what
        );
        diagnostics.error_at(&problem.path, "The provider made an invalid plan", detail);
    }
}

struct Problem {
    path: Path,
    what: &'static str,
}

fn planned_problems(
    attributes: &Attributes,
    config: &Dynamic,
    prior: &Dynamic,
    planned: &Dynamic,
    above: &Path,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, attribute) in attributes {
        let (config, prior, planned) = (member(config, name), member(prior, name), member(planned, name));
        let path = above.attr(name);
        problems.extend(planned_value_problems(attribute, config, prior, planned, &path));
    }
    problems
}

fn planned_value_problems(
    attribute: &Attribute,
    config: &Dynamic,
    prior: &Dynamic,
    planned: &Dynamic,
    path: &Path,
) -> Vec<Problem> {
    let one = |what| vec![Problem { path: path.clone(), what }];
    if attribute.write_only {
        return if planned.is_null() { Vec::new() } else { one("a write-only value must be null in a plan") };
    }
    if config.is_null() {
        let free = attribute.computed || planned.is_null();
        return if free {
            Vec::new()
        } else {
            one("planned a value, but none is configured and none is computed")
        };
    }
    // A provider may find that what is configured means the same as what is there.
    if planned == config || (planned == prior && !prior.is_null()) {
        return Vec::new();
    }
    let differs = || one("planned another value than the configured one");
    let Shape::Nested(nesting, members) = &attribute.shape else { return differs() };
    match (nesting, config, planned) {
        (Nesting::Single, Dynamic::Map(_), Dynamic::Map(_)) => {
            planned_problems(members, config, prior, planned, path)
        }
        (Nesting::Map, Dynamic::Map(configured), Dynamic::Map(objects)) => {
            if !configured.keys().eq(objects.keys()) {
                return differs();
            }
            let pairs = configured.iter().zip(objects.values());
            pairs
                .flat_map(|((key, config), planned)| {
                    planned_problems(members, config, member(prior, key), planned, &path.key(key))
                })
                .collect()
        }
        (Nesting::List, Dynamic::List(configured), Dynamic::List(objects)) => {
            if configured.len() != objects.len() {
                return differs();
            }
            let pairs = configured.iter().zip(objects).enumerate();
            pairs
                .flat_map(|(index, (config, planned))| {
                    planned_problems(members, config, element(prior, index), planned, &path.index(index))
                })
                .collect()
        }
        (Nesting::Set, Dynamic::List(configured), Dynamic::List(objects)) => {
            let fits = configured.len() == objects.len()
                && objects.iter().all(|planned| {
                    configured
                        .iter()
                        .any(|config| planned_problems(members, config, &NULL, planned, path).is_empty())
                });
            if fits { Vec::new() } else { differs() }
        }
        _ => differs(),
    }
}

/// All paths whose change needs a new resource: those of the schema that change, and those that the resource gave,
/// which are refused where core would drop them without a word.
pub(crate) fn replace_paths(
    schema: &Schema,
    given: Vec<Path>,
    prior: &Dynamic,
    planned: &Dynamic,
    diagnostics: &mut Diagnostics,
) -> Vec<Path> {
    let mut paths = BTreeSet::new();
    for path in given {
        if prior.at(&path) == planned.at(&path) {
            let detail = format!(
                "{path} is said to force a replacement, but its planned value is the prior one (or there is no such \
                 attribute, or it is write-only), so Terraform would ignore it. This is a bug in the provider, which \
                 should be reported to its developers."
            );
            diagnostics.error_at(&path, "The provider made an invalid plan", detail);
        } else {
            paths.insert(path);
        }
    }
    collect_replacing(&schema.attributes, prior, planned, &Path::empty(), &mut paths);
    paths.into_iter().collect()
}

fn collect_replacing(
    attributes: &Attributes,
    prior: &Dynamic,
    planned: &Dynamic,
    above: &Path,
    paths: &mut BTreeSet<Path>,
) {
    for (name, attribute) in attributes {
        let (prior, planned) = (member(prior, name), member(planned, name));
        if prior == planned {
            continue;
        }
        let path = above.attr(name);
        if attribute.requires_replace {
            paths.insert(path.clone());
        }
        let Shape::Nested(nesting, members) = &attribute.shape else { continue };
        match (nesting, prior, planned) {
            (Nesting::Single, Dynamic::Map(_), Dynamic::Map(_)) => {
                collect_replacing(members, prior, planned, &path, paths);
            }
            (Nesting::Map, Dynamic::Map(old), Dynamic::Map(new)) => {
                for (key, prior) in old {
                    if let Some(planned) = new.get(key) {
                        collect_replacing(members, prior, planned, &path.key(key), paths);
                    }
                }
            }
            (Nesting::List, Dynamic::List(old), Dynamic::List(new)) => {
                for (index, (prior, planned)) in old.iter().zip(new).enumerate() {
                    collect_replacing(members, prior, planned, &path.index(index), paths);
                }
            }
            _ => {}
        }
    }
}

/// The write-only values of a configuration. All else is null, but for the objects, lists and maps that may hold some.
pub(crate) fn write_only_part(schema: &Schema, config: &Dynamic) -> Dynamic {
    write_only_members(&schema.attributes, config)
}

fn write_only_members(attributes: &Attributes, object: &Dynamic) -> Dynamic {
    let Dynamic::Map(_) = object else { return Dynamic::Null };
    Dynamic::object(attributes.iter().map(|(name, attribute)| {
        let value = member(object, name);
        let kept = match (&attribute.shape, value) {
            _ if attribute.write_only => value.clone(),
            (Shape::Nested(_, members), _) if !has_write_only(members) => Dynamic::Null,
            (Shape::Nested(Nesting::Single, members), object) => write_only_members(members, object),
            (Shape::Nested(Nesting::Map, members), Dynamic::Map(objects)) => Dynamic::object(
                objects.iter().map(|(key, object)| (key.as_str(), write_only_members(members, object))),
            ),
            (Shape::Nested(_, members), Dynamic::List(objects)) => {
                Dynamic::List(objects.iter().map(|object| write_only_members(members, object)).collect())
            }
            _ => Dynamic::Null,
        };
        (name.as_str(), kept)
    }))
}

/// Makes every write-only value of a state null. Returns the paths of those that were not.
pub(crate) fn take_write_only(schema: &Schema, state: &mut Dynamic) -> Vec<Path> {
    let mut found = Vec::new();
    null_write_only(&schema.attributes, state, &Path::empty(), &mut found);
    found
}

fn null_write_only(attributes: &Attributes, object: &mut Dynamic, above: &Path, found: &mut Vec<Path>) {
    let Dynamic::Map(values) = object else { return };
    for (name, value) in values {
        let Some(attribute) = attributes.get(name) else { continue };
        let path = above.attr(name);
        if attribute.write_only {
            if !value.is_null() {
                *value = Dynamic::Null;
                found.push(path);
            }
            continue;
        }
        let Shape::Nested(nesting, members) = &attribute.shape else { continue };
        match (nesting, value) {
            (Nesting::Single, value) => null_write_only(members, value, &path, found),
            (Nesting::Map, Dynamic::Map(objects)) => {
                for (key, object) in objects {
                    null_write_only(members, object, &path.key(key), found);
                }
            }
            (_, Dynamic::List(objects)) => {
                for (index, object) in objects.iter_mut().enumerate() {
                    null_write_only(members, object, &path.index(index), found);
                }
            }
            _ => {}
        }
    }
}

/// The paths at which a new state differs from what was planned: known values must come out as they are, unknown
/// ones may become anything.
pub(crate) fn broken_promises(value_type: &Type, planned: &Dynamic, state: &Dynamic) -> Vec<Path> {
    let mut paths = Vec::new();
    compare(value_type, planned, state, &Path::empty(), &mut paths);
    paths
}

fn compare(value_type: &Type, planned: &Dynamic, state: &Dynamic, path: &Path, paths: &mut Vec<Path>) {
    if planned.is_unknown() || planned == state {
        return;
    }
    match (value_type, planned, state) {
        (Type::Object(types), Dynamic::Map(_), Dynamic::Map(_)) => {
            for (name, member_type) in types {
                compare(member_type, member(planned, name), member(state, name), &path.attr(name), paths);
            }
        }
        (Type::Map(inner), Dynamic::Map(old), Dynamic::Map(new)) if old.keys().eq(new.keys()) => {
            for ((key, planned), state) in old.iter().zip(new.values()) {
                compare(inner, planned, state, &path.key(key), paths);
            }
        }
        (Type::List(inner), Dynamic::List(old), Dynamic::List(new)) if old.len() == new.len() => {
            for (index, (planned, state)) in old.iter().zip(new).enumerate() {
                compare(inner, planned, state, &path.index(index), paths);
            }
        }
        (Type::Tuple(inner), Dynamic::List(old), Dynamic::List(new)) if old.len() == new.len() => {
            for (index, ((planned, state), inner)) in old.iter().zip(new).zip(inner).enumerate() {
                compare(inner, planned, state, &path.index(index), paths);
            }
        }
        // Elements of a set that become known may move, and two may become one.
        (Type::Set(inner), Dynamic::List(old), Dynamic::List(new))
            if new.len() <= old.len()
                && old.iter().all(|planned| {
                    new.iter().any(|state| broken_promises(inner, planned, state).is_empty())
                }) => {}
        // The type of a dynamic value is not told apart further: with an unknown inside it may become anything.
        (Type::Dynamic, planned, _) if planned.first_unknown().is_some() => {}
        _ => paths.push(path.clone()),
    }
}
