//! Provider functions, one file each: `provider::akash::NAME(...)`. None reads network, files, clock or environment.

mod monthly_price;
mod sdl;
mod sdl_hash;
mod sdl_template;
mod sdl_validate;

use tfplugin::{Dynamic, Function, FunctionError};

/// Every function.
pub(crate) fn all() -> Vec<Box<dyn Function>> {
    vec![
        Box::new(monthly_price::MonthlyPrice),
        Box::new(sdl::Sdl),
        Box::new(sdl_hash::SdlHash),
        Box::new(sdl_template::SdlTemplate),
        Box::new(sdl_validate::SdlValidate),
    ]
}

/// The text that is argument `index`; core has converted it already.
fn text(arguments: &[Dynamic], index: usize) -> Result<&str, FunctionError> {
    match arguments.get(index) {
        Some(Dynamic::String(text)) => Ok(text),
        _ => Err(FunctionError::at(i64::try_from(index).unwrap_or(0), "a text is expected")),
    }
}
