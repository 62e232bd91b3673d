"""From text to `Spec`: the schema, extends and overrides, params, editing, the zoo."""
