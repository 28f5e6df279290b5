//! The code that a model's struct gets.

use crate::docs;
use crate::options::{Container, Description, Member, Options};
use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Type};

pub(crate) fn model(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "a model is a struct"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new(input.ident.span(), "a model is a struct with named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "a model has no parameters"));
    }
    let container = Container::read(&input.attrs)?;
    let mut members = Vec::new();
    let mut errors: Option<Error> = None;
    for field in &fields.named {
        match Member::read(field, &container) {
            Ok(member) => members.push(member),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let name = &input.ident;
    let description = match &container.description {
        Some(text) => quote!(::std::string::String::from(#text)),
        None => {
            let text = docs::description(&input.attrs).unwrap_or_default();
            quote!(::std::string::String::from(#text))
        }
    };
    let attributes = members.iter().map(attribute);
    let count = members.iter().map(|member| match member {
        Member::Attribute(_) => quote!(1),
        Member::Flattened { value_type, .. } => quote!(<#value_type as ::tfplugin::Model>::COUNT),
    });
    let write = members.iter().map(|member| match member {
        Member::Attribute(options) => {
            let Options { ident, name, flags, .. } = options.as_ref();
            let value = if flags.secret { quote!(()) } else { quote!(self.#ident) };
            quote!(::tfplugin::derive::SerializeStruct::serialize_field(out, #name, &#value)?;)
        }
        Member::Flattened { ident, .. } => quote!(::tfplugin::Model::write(&self.#ident, out)?;),
    });
    let read = members.iter().map(|member| match member {
        Member::Attribute(options) => {
            let Options { ident, name, .. } = options.as_ref();
            quote! {
                if key == #name {
                    self.#ident = ::tfplugin::derive::MapAccess::next_value(members)?;
                    return ::std::result::Result::Ok(true);
                }
            }
        }
        Member::Flattened { ident, .. } => quote! {
            if ::tfplugin::Model::read(&mut self.#ident, key, members)? {
                return ::std::result::Result::Ok(true);
            }
        },
    });
    let keep = members.iter().map(|member| match member {
        Member::Attribute(options) => {
            let ident = options.ident;
            quote!(::tfplugin::Field::keep_unknown(&mut self.#ident, prior.map(|prior| &prior.#ident));)
        }
        Member::Flattened { ident, .. } => {
            quote!(::tfplugin::Model::keep_unknown(&mut self.#ident, prior.map(|prior| &prior.#ident));)
        }
    });
    let group = group(name, &members);
    let text = name.to_string();
    Ok(quote! {
        #[automatically_derived]
        impl ::tfplugin::Model for #name {
            const COUNT: usize = 0 #(+ #count)*;

            fn description() -> ::std::string::String {
                #description
            }

            fn attributes() -> ::std::vec::Vec<(&'static str, ::tfplugin::Attribute)> {
                let mut attributes = ::std::vec::Vec::with_capacity(<Self as ::tfplugin::Model>::COUNT);
                #(#attributes)*
                attributes
            }

            fn write<Out: ::tfplugin::derive::SerializeStruct>(
                &self,
                out: &mut Out,
            ) -> ::std::result::Result<(), Out::Error> {
                #(#write)*
                let _ = out;
                ::std::result::Result::Ok(())
            }

            fn read<'de, Members: ::tfplugin::derive::MapAccess<'de>>(
                &mut self,
                key: &str,
                members: &mut Members,
            ) -> ::std::result::Result<bool, Members::Error> {
                #(#read)*
                let _ = (key, members);
                ::std::result::Result::Ok(false)
            }

            fn keep_unknown(&mut self, prior: ::std::option::Option<&Self>) {
                #(#keep)*
                let _ = prior;
            }
        }

        #group

        #[automatically_derived]
        impl ::tfplugin::Field for #name {
            fn value_type() -> ::tfplugin::Type {
                ::tfplugin::derive::object_type::<Self>()
            }

            fn members() -> ::std::option::Option<::std::vec::Vec<(&'static str, ::tfplugin::Attribute)>> {
                ::std::option::Option::Some(<Self as ::tfplugin::Model>::attributes())
            }

            fn attribute() -> ::tfplugin::Attribute {
                ::tfplugin::Attribute::object(<Self as ::tfplugin::Model>::attributes())
            }

            fn keep_unknown(&mut self, prior: ::std::option::Option<&Self>) {
                ::tfplugin::Model::keep_unknown(self, prior);
            }
        }

        #[automatically_derived]
        impl ::tfplugin::derive::Serialize for #name {
            fn serialize<Out: ::tfplugin::derive::Serializer>(
                &self,
                out: Out,
            ) -> ::std::result::Result<Out::Ok, Out::Error> {
                ::tfplugin::derive::serialize(self, #text, out)
            }
        }

        #[automatically_derived]
        impl<'de> ::tfplugin::derive::Deserialize<'de> for #name {
            fn deserialize<In: ::tfplugin::derive::Deserializer<'de>>(
                input: In,
            ) -> ::std::result::Result<Self, In::Error> {
                ::tfplugin::derive::deserialize(#text, input)
            }
        }
    })
}

/// `set_unknown` for a struct all of whose fields have a place for an unknown.
fn group(name: &Ident, members: &[Member<'_>]) -> TokenStream {
    let mut assignments = Vec::new();
    for member in members {
        let Member::Attribute(options) = member else { return TokenStream::new() };
        let ident = options.ident;
        let unknown = match last_segment(options.value_type).as_deref() {
            Some("Value") => quote!(::tfplugin::Value::Unknown),
            Some("Dynamic") => quote!(::tfplugin::Dynamic::Unknown),
            _ => return TokenStream::new(),
        };
        assignments.push(quote!(self.#ident = #unknown;));
    }
    quote! {
        #[automatically_derived]
        impl ::tfplugin::Group for #name {
            fn set_unknown(&mut self) {
                #(#assignments)*
            }
        }
    }
}

fn last_segment(value_type: &Type) -> Option<String> {
    match value_type {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

/// Pushes a field's attributes.
fn attribute(member: &Member<'_>) -> TokenStream {
    let options = match member {
        Member::Flattened { value_type, .. } => {
            return quote_spanned! {value_type.span()=>
                attributes.extend(<#value_type as ::tfplugin::Model>::attributes());
            };
        }
        Member::Attribute(options) => options,
    };
    let Options { name, value_type, set_by, flags, .. } = options.as_ref();
    let described = match &options.description {
        Description::None => TokenStream::new(),
        Description::Comment(text) => quote!(.description(#text)),
        Description::Computed(text) => quote!(.description(#text)),
    };
    if let Some(whole) = &options.attribute {
        // It may bring its description; a text here counts more.
        return quote!(attributes.push((#name, #whole #described)););
    }
    let span = value_type.span();
    let field = quote_spanned!(span=> <#value_type as ::tfplugin::Field>);
    let mut built = match &options.of_type {
        Some(of_type) => quote!(::tfplugin::Attribute::of_type(#of_type)),
        None if flags.plain => quote!(::tfplugin::Attribute::of_type(#field::value_type())),
        None => quote!(#field::attribute()),
    };
    let methods = [
        (flags.set, "as_set"),
        (set_by.required, "required"),
        (set_by.optional, "optional"),
        (set_by.computed, "computed"),
        (flags.sensitive, "sensitive"),
        (flags.write_only, "write_only"),
        (flags.replace, "requires_replace"),
    ];
    for (_, method) in methods.into_iter().filter(|(wanted, _)| *wanted) {
        let method = format_ident!("{method}");
        built = quote!(#built.#method());
    }
    if let Some(default) = &options.default {
        built = quote!(#built.default(#default));
    }
    if let Some(text) = &options.deprecated {
        built = quote!(#built.deprecated(#text));
    }
    for check in &options.validators {
        built = quote!(#built.validate(#check));
    }
    quote!(attributes.push((#name, #built #described));)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler says of a struct.
    fn errors(text: &str) -> Vec<String> {
        let input: DeriveInput = syn::parse_str(text).unwrap();
        let Err(errors) = model(&input) else { return Vec::new() };
        errors.into_iter().map(|error| error.to_string()).collect()
    }

    #[test]
    fn mistakes_are_told() {
        for (text, message) in [
            ("enum E { A }", "a model is a struct"),
            ("struct S(u8);", "a model is a struct with named fields"),
            ("struct S<T> { #[model(required)] a: Value<T> }", "a model has no parameters"),
            ("struct S { a: Value<bool> }", "say who sets it: `#[model(required)]`"),
            (
                "struct S { #[model(requird)] a: Value<bool> }",
                "unknown option; on a field these are known: `required`",
            ),
            ("#[model(sensitive)] struct S { a: Value<bool> }", "unknown option; on a struct"),
            ("struct S { #[model(required, computed)] a: Value<bool> }", "what is `required` is neither"),
            (
                "struct S { #[model(required, default = 1)] a: Value<u8> }",
                "what is `required` has no default",
            ),
            (
                "struct S { #[model(write_only, default = 1)] a: Value<u8> }",
                "what is write-only has no default",
            ),
            ("struct S { #[model(write_only, computed)] a: Value<u8> }", "cannot be computed"),
            ("#[model(computed)] struct S { #[model(write_only)] a: Value<u8> }", "cannot be computed"),
            ("struct S { #[model(optional, write_only, replace)] a: Value<u8> }", "at every plan"),
            ("struct S { #[model(default)] a: Value<u8> }", "`default` needs a value: `default = ...`"),
            ("struct S { #[model(flatten, computed)] a: Terms }", "`flatten` stands alone"),
            ("struct S { #[model(attribute = x(), computed)] a: Value<u8> }", "it stands alone"),
            ("struct S { #[model(optional, plain, value_type = Type::Bool)] a: Dynamic }", "plain already"),
        ] {
            let told = errors(text);
            assert!(matches!(told.as_slice(), [said] if said.contains(message)), "{text}: {told:?}");
        }
    }

    #[test]
    fn all_fields_are_told_at_once() {
        let fields = "a: Value<bool>, #[model(optional)] b: Value<bool>, #[model(x)] c: Value<bool>";
        assert_eq!(errors(&format!("struct S {{ {fields} }}")).len(), 2);
    }
}
