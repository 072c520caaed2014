"""Hooks of schemathesis (SCHEMATHESIS_HOOKS) for scripts/schemathesis.mjs."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, schema):
    """Schemathesis 4.32 writes `prefixItems` of responses as `items: [...]`, which it then refuses as JSON Schema 2020-12: there only the number of dims is checked."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            for response in operation.get("responses", {}).values():
                loosen(response.get("content", {}))


def loosen(part):
    if isinstance(part, dict):
        if part.pop("prefixItems", None) is not None:
            part["items"] = {"type": "integer", "minimum": 0}
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            loosen(one)
