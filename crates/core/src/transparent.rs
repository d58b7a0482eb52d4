//! Wrappers that a schema shows as what they wrap.

/// Gives a wrapper the schema of its value, so that rules on a field (`length`, `email`) apply to
/// the value: `transparent_schema!(Change<T>)`.
///
/// With a keyword behind it the schema says `"keyword": true` as well, and always stands in place:
/// a definition by name would mark every other use of the type.
#[macro_export]
macro_rules! transparent_schema {
    ($wrapper:ident<$value:ident>) => {
        impl<$value: $crate::schemars::JsonSchema> $crate::schemars::JsonSchema
            for $wrapper<$value>
        {
            fn inline_schema() -> bool {
                $value::inline_schema()
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                $value::schema_name()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                $value::schema_id()
            }

            fn json_schema(
                generator: &mut $crate::schemars::SchemaGenerator,
            ) -> $crate::schemars::Schema {
                $value::json_schema(generator)
            }
        }
    };
    ($wrapper:ident<$value:ident: $bound:path>, $mark:literal) => {
        impl<$value: $crate::schemars::JsonSchema + $bound> $crate::schemars::JsonSchema
            for $wrapper<$value>
        {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                $value::schema_name()
            }

            fn schema_id() -> ::std::borrow::Cow<'static, str> {
                ::std::format!("{}({})", $mark, $value::schema_id()).into()
            }

            fn json_schema(
                generator: &mut $crate::schemars::SchemaGenerator,
            ) -> $crate::schemars::Schema {
                let mut schema = $value::json_schema(generator);
                schema.insert($mark.to_owned(), true.into());
                schema
            }
        }
    };
}
