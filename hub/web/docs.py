"""The API's description as a page to read: rendered here from the OpenAPI document, nothing is loaded."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, render_template

blp = Blueprint("docs", __name__)


@blp.get("/docs")
def page() -> str:
    """Show every route with what it takes and gives."""
    spec = current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    return render_template("docs.html", info=spec["info"], groups=_groups(spec), resolve=_Resolver(spec))


def _groups(spec: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations by tag, in the order of the document."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in spec.get("tags", [])}
    for path, item in spec["paths"].items():
        shared = item.get("parameters", [])
        for method in ("get", "post", "patch", "delete"):
            if method in item:
                operation = item[method]
                given = {"method": method.upper(), "path": path}
                given["parameters"] = shared + operation.get("parameters", [])
                found.setdefault(operation["tags"][0], []).append(operation | given)
    return found


class _Resolver:
    """Looks schemas up for the template."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec

    def __call__(self, value: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in value:
            found: Any = self._spec
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def body(self, operation: dict[str, Any]) -> dict[str, Any] | None:
        content = operation.get("requestBody", {}).get("content", {})
        return self(next(iter(content.values()))["schema"]) if content else None

    def answer(self, operation: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """Return the status and the schema of success."""
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                content = self(response).get("content", {})
                return status, self(next(iter(content.values()))["schema"]) if content else None
        return "", None

    def kind(self, schema: dict[str, Any]) -> str:
        """Return a schema's type in a few words."""
        if "$ref" in schema:
            return str(schema["$ref"].rsplit("/", 1)[1])
        if "anyOf" in schema or "oneOf" in schema:
            return " or ".join(self.kind(s) for s in schema.get("anyOf") or schema["oneOf"])
        if "allOf" in schema:
            return self.kind(schema["allOf"][0])
        kind = schema.get("type", "any")
        words = " or ".join(kind) if isinstance(kind, list) else str(kind)
        if "items" in schema:
            return f"list of {self.kind(schema['items'])}"
        if "enum" in schema:
            return " | ".join(str(v) for v in schema["enum"] if v is not None)
        return f"{words} ({schema['format']})" if "format" in schema else words
