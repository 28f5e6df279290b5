//! The RPCs of managed resources: what a request holds is decoded by the schema, the resource works, and what it
//! returns is checked before it leaves. What was really reached is never thrown away.

use super::values::{bug, null_value, parse_json, read_value, write_value};
use super::{schema, tell};
use crate::codec::{Hints, conform, from_state_json};
use crate::diagnostics::Diagnostics;
use crate::framework::{Context, DynApply, DynPlan, DynResource, DynSaved, Import, plan};
use crate::proto::tfplugin6 as proto;
use crate::schema::{IdentitySchema, Schema, Type};
use crate::values::{Dynamic, Path, Step, ValueError};
use std::collections::BTreeMap;

pub(super) struct Managed {
    pub(super) resource: Box<dyn DynResource>,
    pub(super) schema: Schema,
    pub(super) value_type: Type,
    pub(super) identity: Option<Identity>,
}

pub(super) struct Identity {
    pub(super) schema: IdentitySchema,
    pub(super) value_type: Type,
}

impl Managed {
    pub(super) fn new(resource: Box<dyn DynResource>) -> Self {
        let schema = resource.schema();
        let identity =
            resource.identity_schema().map(|schema| Identity { value_type: schema.value_type(), schema });
        Self { value_type: schema.value_type(), schema, identity, resource }
    }

    /// Checks a state that the resource returned and brings it into the form that may be saved. What was really
    /// reached is never thrown away: what is wrong with it becomes null and an error.
    fn finish(&self, state: Dynamic, planned: Option<&Dynamic>, diagnostics: &mut Diagnostics) -> Dynamic {
        let failed = diagnostics.has_errors();
        let mut state = self.salvage(state, diagnostics);
        for path in plan::take_write_only(&self.schema, &mut state) {
            bug(&path, "a write-only value must be null in a state", diagnostics);
        }
        if let Some(path) = state.first_unknown() {
            // A failed operation need not have decided everything.
            if !failed {
                bug(&path, "the value is still unknown after the operation", diagnostics);
            }
            state = state.unknowns_to_null();
        } else if let (false, Some(planned)) = (failed, planned) {
            for path in plan::broken_promises(&self.value_type, planned, &state) {
                bug(&path, "the value is another one than was planned", diagnostics);
            }
        }
        state
    }

    /// The state in the form of its type, without the attributes that do not fit.
    fn salvage(&self, state: Dynamic, diagnostics: &mut Diagnostics) -> Dynamic {
        let (Dynamic::Map(mut members), Type::Object(types)) = (state, &self.value_type) else {
            let problem = ValueError::new(Path::empty(), "the provider returned a state that is no object");
            diagnostics.value_error(&problem);
            return Dynamic::Null;
        };
        let kept: BTreeMap<_, _> = types
            .iter()
            .map(|(name, member_type)| {
                let member = conform(members.remove(name).unwrap_or_default(), member_type);
                let member = member.unwrap_or_else(|error| {
                    diagnostics.value_error(&error.below(Step::Attribute(name.clone())));
                    Dynamic::Null
                });
                (name.clone(), member)
            })
            .collect();
        for name in members.into_keys() {
            let problem = ValueError::new(Path::root(name), "the schema has no attribute of this name");
            diagnostics.value_error(&problem);
        }
        Dynamic::Map(kept)
    }

    /// The identity of a state for an answer; `before` is what the client has. An identity must not change.
    fn identity_of(
        &self,
        state: &Dynamic,
        before: Option<&proto::ResourceIdentityData>,
        diagnostics: &mut Diagnostics,
    ) -> Option<proto::ResourceIdentityData> {
        let identity = self.identity.as_ref()?;
        let before_value = before
            .and_then(|before| {
                read_value(before.identity_data.as_ref(), &identity.value_type, &mut Hints::new()).ok()
            })
            .filter(|value| !value.is_null() && value.first_unknown().is_none() && !all_null(value));
        let now = self
            .resource
            .identity(state)
            .and_then(|value| value.map(|value| conform(value, &identity.value_type)).transpose());
        let now = match now {
            Ok(now) => now.filter(|value| value.first_unknown().is_none() && !all_null(value)),
            Err(error) => {
                diagnostics.value_error(&error);
                None
            }
        };
        match (before_value, now) {
            (Some(before), Some(now)) if before != now => {
                let parts: Vec<_> = identity
                    .schema
                    .attributes
                    .keys()
                    .filter(|name| before.get(name) != now.get(name))
                    .map(String::as_str)
                    .collect();
                diagnostics.error(
                    "The provider changed an identity",
                    format!(
                        "{} of the identity of this {} differs from what it was. An identity never changes while a \
                         resource lives. This is a bug in the provider, which should be reported to its developers.",
                        parts.join(", "),
                        self.resource.type_name()
                    ),
                );
                None
            }
            (_, Some(now)) => write_value(&now, &identity.value_type, &Hints::new(), diagnostics)
                .map(|data| proto::ResourceIdentityData { identity_data: Some(data) }),
            (Some(_), None) => before.cloned(),
            (None, None) => None,
        }
    }
}

fn all_null(value: &Dynamic) -> bool {
    matches!(value, Dynamic::Map(members) if members.values().all(Dynamic::is_null))
}

/// Checks a configuration.
pub(super) async fn validate(
    managed: &Managed,
    cx: &Context,
    request: proto::validate_resource_config::Request,
) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    match read_value(request.config.as_ref(), &managed.value_type, &mut Hints::new()) {
        Ok(config) => {
            plan::check_config(&managed.schema, &config, &mut diagnostics);
            let client = request.client_capabilities.as_ref();
            check_write_only(&managed.schema, &config, client, &mut diagnostics);
            managed.resource.validate(cx, &config, &mut diagnostics).await;
        }
        Err(error) => diagnostics.value_error(&error),
    }
    diagnostics
}

/// Refuses write-only values from a client that would save them.
fn check_write_only(
    schema: &Schema,
    config: &Dynamic,
    client: Option<&proto::ClientCapabilities>,
    diagnostics: &mut Diagnostics,
) {
    if client.is_some_and(|client| client.write_only_attributes_allowed) {
        return;
    }
    for path in plan::take_write_only(schema, &mut config.clone()) {
        let detail = format!("{path} is write-only, which needs Terraform 1.11 or OpenTofu 1.11 or newer.");
        diagnostics.error_at(&path, "Write-only attribute cannot be used", detail);
    }
}

/// Reads the state of a state file, of whatever version.
pub(super) fn upgrade(
    managed: &Managed,
    request: &proto::upgrade_resource_state::Request,
) -> (Option<proto::DynamicValue>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let mut hints = Hints::new();
    let state = upgraded(managed, request, &mut hints)
        .map_err(|error| diagnostics.value_error(&error))
        .ok()
        .and_then(|state| write_value(&state, &managed.value_type, &hints, &mut diagnostics));
    (state, diagnostics)
}

/// Reads the identity of a state file, by name.
pub(super) fn upgrade_identity(
    identity: &Identity,
    request: proto::upgrade_resource_identity::Request,
) -> (Option<proto::ResourceIdentityData>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let json = request.raw_identity.map(|raw| raw.json).unwrap_or_default();
    let data = parse_json(&json)
        .and_then(|json| from_state_json(&json, &identity.value_type, &mut Hints::new()))
        .map_err(|error| diagnostics.value_error(&error))
        .ok()
        .and_then(|value| write_value(&value, &identity.value_type, &Hints::new(), &mut diagnostics));
    (data.map(|data| proto::ResourceIdentityData { identity_data: Some(data) }), diagnostics)
}

fn upgraded(
    managed: &Managed,
    request: &proto::upgrade_resource_state::Request,
    hints: &mut Hints,
) -> Result<Dynamic, ValueError> {
    let refused = |message: String| ValueError::new(Path::empty(), message);
    let raw = request.raw_state.as_ref().map(|raw| raw.json.as_ref()).unwrap_or_default();
    if raw.is_empty() {
        return Err(refused(
            "the saved state is from before Terraform 0.12, which cannot be read".to_owned(),
        ));
    }
    let mut json = parse_json(raw)?;
    let version = u64::try_from(request.version)
        .map_err(|_| refused(format!("the saved state has the version {}", request.version)))?;
    if version != managed.schema.version {
        json = managed.resource.upgrade(version, json).map_err(|problem| {
            refused(format!("the state of version {version} cannot be brought to today's form: {problem}"))
        })?;
    }
    let mut state = from_state_json(&json, &managed.value_type, hints)?;
    plan::take_write_only(&managed.schema, &mut state);
    Ok(state)
}

pub(super) async fn read(
    managed: &Managed,
    cx: &Context,
    request: proto::read_resource::Request,
    stays: proto::read_resource::Response,
) -> proto::read_resource::Response {
    let mut diagnostics = Diagnostics::new();
    let mut hints = Hints::new();
    let state = match read_value(request.current_state.as_ref(), &managed.value_type, &mut hints) {
        Ok(state) => state,
        Err(error) => {
            diagnostics.value_error(&error);
            return proto::read_resource::Response {
                diagnostics: tell::messages(diagnostics, &managed.schema),
                ..stays
            };
        }
    };
    let saved = DynSaved { state, private: request.private.to_vec() };
    let answer = match managed.resource.read(cx, saved, &mut diagnostics).await {
        None if diagnostics.has_errors() => stays,
        None => proto::read_resource::Response { new_state: Some(null_value()), ..Default::default() },
        Some(saved) => {
            let state = managed.finish(saved.state, None, &mut diagnostics);
            let new_identity =
                managed.identity_of(&state, request.current_identity.as_ref(), &mut diagnostics);
            match write_value(&state, &managed.value_type, &hints, &mut diagnostics) {
                Some(new_state) => proto::read_resource::Response {
                    new_state: Some(new_state),
                    private: saved.private.into(),
                    new_identity,
                    diagnostics: Vec::new(),
                },
                None => stays,
            }
        }
    };
    proto::read_resource::Response { diagnostics: tell::messages(diagnostics, &managed.schema), ..answer }
}

pub(super) async fn plan_change(
    managed: &Managed,
    cx: &Context,
    request: proto::plan_resource_change::Request,
) -> proto::plan_resource_change::Response {
    let mut diagnostics = Diagnostics::new();
    let answer = plan_change_or_tell(managed, cx, request, &mut diagnostics).await;
    let answer = answer.unwrap_or_else(|error| {
        diagnostics.value_error(&error);
        proto::plan_resource_change::Response::default()
    });
    proto::plan_resource_change::Response {
        diagnostics: tell::messages(diagnostics, &managed.schema),
        ..answer
    }
}

async fn plan_change_or_tell(
    managed: &Managed,
    cx: &Context,
    request: proto::plan_resource_change::Request,
    diagnostics: &mut Diagnostics,
) -> Result<proto::plan_resource_change::Response, ValueError> {
    let mut hints = Hints::new();
    let value_type = &managed.value_type;
    let prior = read_value(request.prior_state.as_ref(), value_type, &mut hints)?;
    let proposed = read_value(request.proposed_new_state.as_ref(), value_type, &mut hints)?;
    let config = read_value(request.config.as_ref(), value_type, &mut hints)?;
    if proposed.is_null() {
        let prior = DynSaved { state: prior, private: request.prior_private.to_vec() };
        managed.resource.plan_delete(cx, &prior, diagnostics).await;
        return Ok(proto::plan_resource_change::Response {
            planned_state: Some(null_value()),
            planned_private: request.prior_private,
            planned_identity: request.prior_identity,
            ..Default::default()
        });
    }
    let creates = prior.is_null();
    let mut planned = DynPlan {
        planned: conform(plan::propose(&managed.schema, &config, &prior), value_type)?,
        // In the second half of a replacement Terraform hands over what the first half planned, and when it plans
        // again in apply it does not; a create starts from nothing both times.
        private: if creates { Vec::new() } else { request.prior_private.to_vec() },
        config,
        prior,
        replace: Vec::new(),
    };
    managed.resource.plan(cx, &mut planned, diagnostics).await;
    let DynPlan { config, prior, planned, private, replace } = planned;
    let planned = conform(planned, value_type)?;
    plan::check_planned(&managed.schema, &config, &prior, &planned, diagnostics);
    let replace = if creates {
        Vec::new()
    } else {
        plan::replace_paths(&managed.schema, replace, &prior, &planned, diagnostics)
    };
    let planned_identity = if replace.is_empty() {
        managed.identity_of(&planned, request.prior_identity.as_ref(), diagnostics)
    } else {
        None
    };
    Ok(proto::plan_resource_change::Response {
        planned_state: write_value(&planned, value_type, &hints, diagnostics),
        requires_replace: replace.iter().map(schema::path).collect(),
        planned_private: private.into(),
        planned_identity,
        diagnostics: Vec::new(),
    })
}

pub(super) async fn apply(
    managed: &Managed,
    cx: &Context,
    request: proto::apply_resource_change::Request,
    stays: proto::apply_resource_change::Response,
) -> proto::apply_resource_change::Response {
    let mut diagnostics = Diagnostics::new();
    let answer = apply_or_tell(managed, cx, request, &mut diagnostics).await.unwrap_or_else(|error| {
        diagnostics.value_error(&error);
        None
    });
    proto::apply_resource_change::Response {
        diagnostics: tell::messages(diagnostics, &managed.schema),
        ..answer.unwrap_or(stays)
    }
}

/// `None`: the prior state stays.
async fn apply_or_tell(
    managed: &Managed,
    cx: &Context,
    request: proto::apply_resource_change::Request,
    diagnostics: &mut Diagnostics,
) -> Result<Option<proto::apply_resource_change::Response>, ValueError> {
    let mut hints = Hints::new();
    let value_type = &managed.value_type;
    let prior = read_value(request.prior_state.as_ref(), value_type, &mut hints)?;
    let planned = read_value(request.planned_state.as_ref(), value_type, &mut hints)?;
    // The raw configuration, without `ignore_changes`: what was agreed is the planned state alone.
    let config = read_value(request.config.as_ref(), value_type, &mut hints)?;
    let write_only = plan::write_only_part(&managed.schema, &config);
    let private = request.planned_private.to_vec();
    if planned.is_null() {
        managed.resource.delete(cx, DynSaved { state: prior, private }, diagnostics).await;
        let gone =
            proto::apply_resource_change::Response { new_state: Some(null_value()), ..Default::default() };
        return Ok(if diagnostics.has_errors() { None } else { Some(gone) });
    }
    let creates = prior.is_null();
    let change = DynApply { prior, planned: planned.clone(), write_only, private };
    let saved = if creates {
        managed.resource.create(cx, change, diagnostics).await
    } else {
        managed.resource.update(cx, change, diagnostics).await
    };
    let Some(saved) = saved else {
        if !diagnostics.has_errors() {
            let detail = format!(
                "Creating this {} gave neither a state nor an error. This is a bug in the provider, which should be \
                 reported to its developers.",
                managed.resource.type_name()
            );
            diagnostics.error("The provider returned no state", detail);
        }
        return Ok(None);
    };
    let state = managed.finish(saved.state, Some(&planned), diagnostics);
    let before = request.planned_identity.as_ref();
    let new_identity = managed.identity_of(&state, before, diagnostics);
    if new_identity.is_none() && managed.identity.is_some() && !diagnostics.has_errors() {
        let detail = format!(
            "The new {} has no identity. This is a bug in the provider, which should be reported to its developers.",
            managed.resource.type_name()
        );
        diagnostics.error("The provider returned no identity", detail);
    }
    Ok(Some(proto::apply_resource_change::Response {
        new_state: write_value(&state, value_type, &hints, diagnostics),
        private: saved.private.into(),
        new_identity,
        diagnostics: Vec::new(),
    }))
}

pub(super) async fn import(
    managed: &Managed,
    cx: &Context,
    request: proto::import_resource_state::Request,
) -> proto::import_resource_state::Response {
    let mut diagnostics = Diagnostics::new();
    let identity_data = request.identity.as_ref().and_then(|identity| identity.identity_data.as_ref());
    let what = match (&managed.identity, identity_data) {
        (Some(identity), Some(data)) => {
            read_value(Some(data), &identity.value_type, &mut Hints::new()).map(Import::Identity)
        }
        _ => Ok(Import::Id(request.id)),
    };
    let saved = match what {
        Ok(what) => managed.resource.import(cx, what, &mut diagnostics).await,
        Err(error) => {
            diagnostics.value_error(&error);
            None
        }
    };
    let imported = saved.and_then(|saved| {
        let state = managed.finish(saved.state, None, &mut diagnostics);
        // The user may leave out parts of the identity, so that what was asked for is no identity to compare with.
        let identity = managed.identity_of(&state, None, &mut diagnostics);
        let state = write_value(&state, &managed.value_type, &Hints::new(), &mut diagnostics)?;
        Some(proto::import_resource_state::ImportedResource {
            type_name: request.type_name,
            state: Some(state),
            private: saved.private.into(),
            identity,
        })
    });
    if imported.is_none() && !diagnostics.has_errors() {
        diagnostics.error("The provider returned no state", "The import gave neither a state nor an error.");
    }
    proto::import_resource_state::Response {
        imported_resources: imported.into_iter().collect(),
        diagnostics: tell::messages(diagnostics, &managed.schema),
    }
}
