//! `#[derive(Fault)]`: each variant's kind, code and message, written once beside the variant.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Fields, Ident, Lit, Meta, Path, Result,
    Variant, meta::ParseNestedMeta, spanned::Spanned,
};

const KINDS: [(&str, &str); 15] = [
    ("malformed", "Malformed"),
    ("invalid", "Invalid"),
    ("unauthenticated", "Unauthenticated"),
    ("forbidden", "Forbidden"),
    ("not_found", "NotFound"),
    ("conflict", "Conflict"),
    ("gone", "Gone"),
    ("precondition_failed", "PreconditionFailed"),
    ("precondition_required", "PreconditionRequired"),
    ("rate_limited", "RateLimited"),
    ("overloaded", "Overloaded"),
    ("unavailable", "Unavailable"),
    ("timeout", "Timeout"),
    ("upstream", "Upstream"),
    ("internal", "Internal"),
];

/// When a caller may try again.
enum RetryAfter {
    /// `retry_after = 5`: after so many seconds.
    Seconds(syn::LitInt),
    /// `retry_after`: after the `Duration` that is the variant's field.
    Field,
}

/// What one `#[fault(...)]` says.
#[derive(Default)]
struct Declaration {
    kind: Option<Ident>,
    code: Option<syn::LitStr>,
    path: Option<Path>,
    retry_after: Option<RetryAfter>,
    from: bool,
    fields: bool,
}

impl Declaration {
    fn parse(variant: &Variant) -> Result<Self> {
        let mut attributes = variant.attrs.iter().filter(|a| a.path().is_ident("fault"));
        let (Some(attribute), None) = (attributes.next(), attributes.next()) else {
            return Err(Error::new(
                variant.span(),
                format!(
                    "variant `{}` needs one #[fault(...)]: a kind and a code, as in \
                     #[fault(not_found, code = \"USER_NOT_FOUND\")], or #[fault(from)]",
                    variant.ident
                ),
            ));
        };
        let mut declaration = Self::default();
        attribute.parse_nested_meta(|meta| declaration.take(&meta))?;
        Ok(declaration)
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("code") {
            self.code = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("retry_after") {
            let has_value = meta.input.peek(syn::Token![=]);
            self.retry_after = Some(if has_value {
                RetryAfter::Seconds(meta.value()?.parse()?)
            } else {
                RetryAfter::Field
            });
        } else if meta.path.is_ident("from") {
            self.from = true;
        } else if meta.path.is_ident("fields") {
            self.fields = true;
        } else if let Some(kind) = known_kind(&meta.path) {
            self.kind = Some(kind);
        } else if meta.path.segments.last().is_some_and(|s| is_screaming(&s.ident.to_string())) {
            self.path = Some(meta.path.clone());
        } else {
            let kinds = KINDS.map(|(name, _)| name).join(", ");
            return Err(meta.error(format!("not a kind; the kinds are {kinds}")));
        }
        Ok(())
    }
}

fn known_kind(path: &Path) -> Option<Ident> {
    let ident = path.get_ident()?;
    let (_, kind) = KINDS.iter().find(|(name, _)| ident == name)?;
    Some(Ident::new(kind, ident.span()))
}

fn is_screaming(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The `match` arms that one variant contributes.
struct Arms {
    code: TokenStream,
    detail: TokenStream,
    fields: TokenStream,
    retry_after: TokenStream,
    declare: TokenStream,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(
            input.span(),
            "Fault is derived for enums: one variant for each thing a caller can act on",
        ));
    };
    let arms = data.variants.iter().map(arms).collect::<Result<Vec<_>>>()?;
    let name = &input.ident;
    let code = arms.iter().map(|a| &a.code);
    let detail = arms.iter().map(|a| &a.detail);
    let fields = arms.iter().map(|a| &a.fields);
    let retry_after = arms.iter().map(|a| &a.retry_after);
    let declare = arms.iter().map(|a| &a.declare);
    Ok(quote! {
        #[automatically_derived]
        impl ::mainstay::core::Fault for #name {
            fn code(&self) -> ::mainstay::core::Code {
                match self { #(#code)* }
            }
            fn detail(&self) -> ::std::borrow::Cow<'static, str> {
                match self { #(#detail)* }
            }
            fn fields(&self) -> &[::mainstay::core::FieldProblem] {
                match self { #(#fields)* }
            }
            fn retry_after(&self) -> ::std::option::Option<::std::time::Duration> {
                match self { #(#retry_after)* }
            }
        }

        #[automatically_derived]
        impl ::mainstay::core::FaultSet for #name {
            fn declare(codes: &mut ::std::vec::Vec<::mainstay::core::Code>) {
                #(#declare)*
            }
        }
    })
}

fn arms(variant: &Variant) -> Result<Arms> {
    let declaration = Declaration::parse(variant)?;
    if declaration.from {
        return passed_on(variant);
    }
    let name = &variant.ident;
    let any = match variant.fields {
        Fields::Unit => quote!(),
        Fields::Unnamed(_) => quote!((..)),
        Fields::Named(_) => quote!({ .. }),
    };
    let code = code(variant, &declaration)?;
    let fields = if declaration.fields {
        single_field(variant)?;
        quote!(Self::#name(problems) => problems,)
    } else {
        quote!(Self::#name #any => &[],)
    };
    let retry_after = match &declaration.retry_after {
        None => quote!(Self::#name #any => ::std::option::Option::None,),
        Some(RetryAfter::Seconds(seconds)) => quote! {
            Self::#name #any => {
                ::std::option::Option::Some(::std::time::Duration::from_secs(#seconds))
            }
        },
        Some(RetryAfter::Field) => {
            single_field(variant)?;
            quote!(Self::#name(wait) => ::std::option::Option::Some(*wait),)
        }
    };
    Ok(Arms {
        code: quote!(Self::#name #any => #code,),
        detail: quote! {
            Self::#name #any => ::std::borrow::Cow::Owned(::std::string::ToString::to_string(self)),
        },
        fields,
        retry_after,
        declare: quote!(codes.push(#code);),
    })
}

fn passed_on(variant: &Variant) -> Result<Arms> {
    let name = &variant.ident;
    let inner = single_field(variant)?;
    Ok(Arms {
        code: quote!(Self::#name(inner) => ::mainstay::core::Fault::code(inner),),
        detail: quote!(Self::#name(inner) => ::mainstay::core::Fault::detail(inner),),
        fields: quote!(Self::#name(inner) => ::mainstay::core::Fault::fields(inner),),
        retry_after: quote!(Self::#name(inner) => ::mainstay::core::Fault::retry_after(inner),),
        declare: quote!(<#inner as ::mainstay::core::FaultSet>::declare(codes);),
    })
}

fn single_field(variant: &Variant) -> Result<&syn::Type> {
    match &variant.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Ok(&fields.unnamed[0].ty),
        _ => Err(Error::new(variant.span(), "needs exactly one unnamed field")),
    }
}

/// The expression of the variant's `Code`: a constant in place, or one defined elsewhere.
fn code(variant: &Variant, declaration: &Declaration) -> Result<TokenStream> {
    if let Some(path) = &declaration.path {
        return Ok(quote!(#path));
    }
    let (Some(kind), Some(code)) = (&declaration.kind, &declaration.code) else {
        return Err(Error::new(
            variant.span(),
            "name a kind and a code: #[fault(conflict, code = \"EMAIL_TAKEN\")]",
        ));
    };
    if !is_screaming(&code.value()) {
        return Err(Error::new(code.span(), "a code is SCREAMING_SNAKE_CASE: <NOUN>_<PROBLEM>"));
    }
    let meaning = meaning(variant)?;
    Ok(quote! {
        const { ::mainstay::core::Code::new(#code, ::mainstay::core::Kind::#kind, #meaning) }
    })
}

/// The first sentence of the variant's doc comment, without its full stop.
fn meaning(variant: &Variant) -> Result<String> {
    let text = variant.attrs.iter().filter_map(doc_line).collect::<Vec<_>>().join(" ");
    let sentence = text.split(". ").next().unwrap_or_default().trim().trim_end_matches('.');
    if sentence.is_empty() {
        return Err(Error::new(
            Span::call_site().located_at(variant.span()),
            "write a doc comment: its first sentence is what the error catalogue says of this code",
        ));
    }
    Ok(sentence.to_owned())
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value else { return None };
    pair.path.is_ident("doc").then(|| text.value().trim().to_owned())
}
