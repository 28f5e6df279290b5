//! What `#[model(...)]` says, checked against what a schema can be: mistakes are told at their place in the source.

use crate::docs;
use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, Field, Ident, Result, Token, Type};

/// Who sets an attribute.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SetBy {
    pub(crate) required: bool,
    pub(crate) optional: bool,
    pub(crate) computed: bool,
}

impl SetBy {
    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> bool {
        let known = [
            ("required", &mut self.required),
            ("optional", &mut self.optional),
            ("computed", &mut self.computed),
        ];
        known.into_iter().any(|(name, flag)| {
            let found = meta.path.is_ident(name);
            *flag |= found;
            found
        })
    }

    fn said(self) -> bool {
        self != Self::default()
    }

    fn check(self, span: Span) -> Result<()> {
        if self.required && (self.optional || self.computed) {
            return Err(Error::new(span, "what is `required` is neither `optional` nor `computed`"));
        }
        Ok(())
    }
}

/// What is said of the struct as a whole.
#[derive(Default)]
pub(crate) struct Container {
    /// Who sets the attributes that say nothing of it.
    pub(crate) set_by: SetBy,
    pub(crate) description: Option<Expr>,
}

impl Container {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut container = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("model")) {
            attribute.parse_nested_meta(|meta| {
                if container.set_by.take(&meta) {
                    return Ok(());
                }
                if meta.path.is_ident("description") {
                    container.description = Some(meta.value()?.parse()?);
                    return Ok(());
                }
                Err(meta.error(
                    "unknown option; on a struct `required`, `optional`, `computed` (for attributes that do not say) and \
                     `description = TEXT` (instead of the doc comment) are known",
                ))
            })?;
            container.set_by.check(attribute.span())?;
        }
        Ok(container)
    }
}

/// One field.
pub(crate) enum Member<'a> {
    /// An attribute.
    Attribute(Box<Options<'a>>),
    /// A struct whose attributes stand among this one's.
    Flattened { ident: &'a Ident, value_type: &'a Type },
}

/// What is said of a field that is an attribute.
pub(crate) struct Options<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) name: String,
    pub(crate) value_type: &'a Type,
    pub(crate) set_by: SetBy,
    pub(crate) flags: Flags,
    pub(crate) description: Description,
    pub(crate) default: Option<Expr>,
    pub(crate) deprecated: Option<Expr>,
    pub(crate) validators: Vec<Expr>,
    /// The whole attribute, instead of all else.
    pub(crate) attribute: Option<Expr>,
    /// Its type in Terraform, instead of the Rust type's.
    pub(crate) of_type: Option<Expr>,
}

/// What an attribute is or is not.
#[derive(Default)]
pub(crate) struct Flags {
    pub(crate) sensitive: bool,
    pub(crate) write_only: bool,
    pub(crate) replace: bool,
    pub(crate) set: bool,
    pub(crate) plain: bool,
    pub(crate) secret: bool,
}

/// Where a description comes from.
pub(crate) enum Description {
    None,
    Comment(String),
    Computed(Expr),
}

const KNOWN: &str = "unknown option; on a field these are known: `required`, `optional`, `computed`, `sensitive`, `write_only`, `secret`, \
                     `replace`, `default = VALUE`, `deprecated = TEXT`, `validate = FUNCTION`, `description = TEXT`, `set`, `plain`, \
                     `value_type = TYPE`, `name = \"NAME\"`, `attribute = ATTRIBUTE`, `flatten`";

impl<'a> Member<'a> {
    pub(crate) fn read(field: &'a Field, container: &Container) -> Result<Self> {
        let Some(ident) = &field.ident else {
            return Err(Error::new(field.span(), "a model's fields have names"));
        };
        let mut options = Options {
            ident,
            name: ident.to_string().trim_start_matches("r#").to_owned(),
            value_type: &field.ty,
            set_by: SetBy::default(),
            flags: Flags::default(),
            description: docs::description(&field.attrs).map_or(Description::None, Description::Comment),
            default: None,
            deprecated: None,
            validators: Vec::new(),
            attribute: None,
            of_type: None,
        };
        let (mut flatten, mut count) = (false, 0_usize);
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("model")) {
            attribute.parse_nested_meta(|meta| {
                count += 1;
                if meta.path.is_ident("flatten") {
                    flatten = true;
                    return Ok(());
                }
                options.take(&meta)
            })?;
        }
        if flatten {
            if count > 1 {
                return Err(Error::new(
                    ident.span(),
                    "`flatten` stands alone: what is flattened says itself what it is",
                ));
            }
            return Ok(Self::Flattened { ident, value_type: &field.ty });
        }
        options.check(container)?;
        Ok(Self::Attribute(Box::new(options)))
    }
}

impl Options<'_> {
    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if self.set_by.take(meta) {
            return Ok(());
        }
        let flags = [
            ("sensitive", &mut self.flags.sensitive),
            ("write_only", &mut self.flags.write_only),
            ("replace", &mut self.flags.replace),
            ("set", &mut self.flags.set),
            ("plain", &mut self.flags.plain),
            ("secret", &mut self.flags.secret),
        ];
        for (name, flag) in flags {
            if meta.path.is_ident(name) {
                *flag = true;
                return Ok(());
            }
        }
        let known = ["default", "deprecated", "validate", "description", "value_type", "attribute", "name"];
        if !known.iter().any(|name| meta.path.is_ident(name)) {
            return Err(meta.error(KNOWN));
        }
        if !meta.input.peek(Token![=]) {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            return Err(meta.error(format!("`{name}` needs a value: `{name} = ...`")));
        }
        let value = meta.value()?;
        if meta.path.is_ident("name") {
            self.name = value.parse::<syn::LitStr>()?.value();
            return Ok(());
        }
        let value: Expr = value.parse()?;
        if meta.path.is_ident("default") {
            self.default = Some(value);
        } else if meta.path.is_ident("deprecated") {
            self.deprecated = Some(value);
        } else if meta.path.is_ident("validate") {
            self.validators.push(value);
        } else if meta.path.is_ident("description") {
            self.description = Description::Computed(value);
        } else if meta.path.is_ident("value_type") {
            self.of_type = Some(value);
        } else {
            self.attribute = Some(value);
        }
        Ok(())
    }

    fn check(&mut self, container: &Container) -> Result<()> {
        let refuse = |text: &str| Err(Error::new(self.ident.span(), text));
        let Flags { sensitive, write_only, replace, set, plain, secret } = self.flags;
        let said = sensitive || write_only || replace || set || plain || self.of_type.is_some();
        let valued = self.default.is_some() || self.deprecated.is_some() || !self.validators.is_empty();
        if self.attribute.is_some() {
            if said || valued || self.set_by.said() {
                return refuse("`attribute` says everything: it stands alone");
            }
            return Ok(());
        }
        self.flags.sensitive |= secret && !write_only;
        if plain && self.of_type.is_some() {
            return refuse("`value_type` is plain already");
        }
        if let Some(default) = &self.default {
            if self.set_by.required {
                return Err(Error::new(default.span(), "what is `required` has no default"));
            }
            if write_only {
                return Err(Error::new(default.span(), "what is write-only has no default"));
            }
            self.set_by = SetBy { optional: true, computed: true, ..self.set_by };
        }
        if !self.set_by.said() {
            self.set_by = container.set_by;
        }
        if !self.set_by.said() {
            return refuse(
                "say who sets it: `#[model(required)]`, `#[model(optional)]`, `#[model(computed)]` or `#[model(optional, computed)]`, \
                 here or on the struct",
            );
        }
        if write_only && self.set_by.computed {
            return refuse("what is write-only cannot be computed");
        }
        if write_only && replace {
            return refuse("what is write-only would replace the resource at every plan");
        }
        self.set_by.check(self.ident.span())
    }
}
