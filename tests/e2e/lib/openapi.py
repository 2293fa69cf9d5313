"""openapi - an OpenAPI document: what it says of answers is checked, and what it
says of requests is asked, rightly and wrongly."""

import random
import re
from urllib.parse import quote

METHODS = ("get", "put", "post", "delete")
ODD_TEXTS = ["", " ", "a" * 600, "\u0000", "\n", "\u00e9", "../..", "live/../x", "%2e%2e",
             "$app", "live/cam1", "*", "**", "'", "\"", "<x>", "{\"a\":1}", "-1", "\ud83d\ude00",
             "10.0.0.1", "::1", "10.0.0.0/8", "999.1.1.1", "rtmp://127.0.0.1:1/x/y", "true", "null"]
ODD_NUMBERS = [0, 1, -1, 2, 1000, 1001, 65536, 2**31, 2**63 - 1, 2**63, -2**63, 1.5, 1e300]


class Operation:
    def __init__(self, document, path, method, told):
        self.document, self.path, self.method, self.told = document, path, method, told
        self.name = told["operationId"]
        self.is_control = told["x-weir-role"] == "control"
        self.parameters = told.get("parameters", [])
        body = told.get("requestBody")
        self.body = body and body["content"]["application/json"]["schema"]

    def answer_schema(self, status):
        """Of a status: itself, else its range."""
        answers = self.told["responses"]
        told = answers.get(str(status)) or answers.get(f"{status // 100}XX")
        assert told, f"{self.name}: status {status} is not in the document"
        content = told.get("content")
        return content and content["application/json"]["schema"]

    def check_answer(self, status, answer):
        schema = self.answer_schema(status)
        if schema is None:
            return
        wrong = faults(self.document, schema, answer)
        assert not wrong, f"{self.name}: {status} {wrong[:3]} in {str(answer)[:400]}"

    def fill(self, values):
        """The target of a request, and its body (None: it has none)."""
        path, query = self.path, []
        for p in self.parameters:
            if p["name"] not in values:
                assert not p["required"], f"{self.name}: no {p['name']}"
                continue
            text = as_text(values[p["name"]])
            if p["in"] == "path":
                path = path.replace("{%s}" % p["name"], quote(text, safe=""))
            else:
                query.append(f"{p['name']}={quote(text, safe='')}")
        names = {p["name"] for p in self.parameters}
        body = {k: v for k, v in values.items() if k not in names}
        return path + ("?" + "&".join(query) if query else ""), (body if self.body else None)


def as_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def operations(document):
    return [Operation(document, path, method, told)
            for path, methods in document["paths"].items()
            for method, told in methods.items() if method in METHODS]


# ---- a value against its schema; what is not in the schema is a fault, too


TYPES = {"string": str, "object": dict, "array": list, "boolean": bool,
         "null": type(None)}


def resolve(document, schema):
    while "$ref" in schema:
        at = document
        for part in schema["$ref"].lstrip("#/").split("/"):
            at = at[part]
        schema = at
    return schema


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(document, schema, value, where="answer"):
    schema = resolve(document, schema)
    if "anyOf" in schema:
        tries = [faults(document, s, value, where) for s in schema["anyOf"]]
        return min(tries, key=len)
    if "type" in schema and not is_type(value, schema["type"]):
        return [f"{where} is no {schema['type']}: {value!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is none of {schema['enum']}: {value!r}"]
    found = []
    for name, is_so in (("minimum", lambda m: value < m), ("maximum", lambda m: value > m),
                        ("minLength", lambda m: len(value) < m),
                        ("maxLength", lambda m: len(value) > m),
                        ("minItems", lambda m: len(value) < m),
                        ("maxItems", lambda m: len(value) > m)):
        if name in schema and is_so(schema[name]):
            found.append(f"{where}: {name} {schema[name]}: {value!r}")
    if isinstance(value, dict):
        found += object_faults(document, schema, value, where)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += faults(document, schema["items"], item, f"{where}[{i}]")
    return found


def object_faults(document, schema, value, where):
    found = [f"{where}.{name} is missing" for name in schema.get("required", ())
             if name not in value]
    known, more = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        if name in known:
            found += faults(document, known[name], item, f"{where}.{name}")
        elif more:
            found += faults(document, more, item, f"{where}.{name}")
        elif known:
            found.append(f"{where}.{name} is not in the document")
    return found


# ---- the document itself


def check_document(document):
    """What every tool that reads it relies on."""
    assert re.match(r"3\.1\.", document["openapi"]), document["openapi"]
    names = [o.name for o in operations(document)]
    assert len(names) == len(set(names)), "operations share a name"
    for o in operations(document):
        told = {p["name"] for p in o.parameters if p["in"] == "path"}
        assert told == set(re.findall(r"\{(\w+)\}", o.path)), o.path
        assert o.told["summary"], o.name
        schemas = [p["schema"] for p in o.parameters]
        for status in o.told["responses"].values():
            schemas += [c["schema"] for c in status.get("content", {}).values()]
        for s in schemas:
            resolve(document, s)


# ---- requests


class Maker:
    """Values for the fields of a request: as the document says, or nearly."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def value(self, schema):
        """One that the schema allows."""
        if "anyOf" in schema:
            return self.value(self.random.choice(schema["anyOf"]))
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if schema.get("type") == "integer":
            low, high = schema.get("minimum", 0), schema.get("maximum", 1000)
            return self.random.choice([low, high, self.random.randint(low, high)])
        if schema.get("type") == "boolean":
            return self.random.random() < 0.5
        if schema.get("type") == "array":
            count = self.random.randint(schema.get("minItems", 0), schema.get("maxItems", 3))
            return [self.value(schema["items"]) for _ in range(count)]
        if schema.get("type") == "object":
            return {}
        size = schema.get("minLength", 0)
        text = self.random.choice(["live/fuzz", "x", "fuzz-1", "192.0.2.7", "a b", ""])
        return text.ljust(size, "x")[:schema.get("maxLength", 600)]

    def odd(self):
        return self.random.choice([
            lambda: self.random.choice(ODD_TEXTS), lambda: self.random.choice(ODD_NUMBERS),
            lambda: None, lambda: True, lambda: [], lambda: {}, lambda: [[[]]],
            lambda: {"a": {"b": {"c": {}}}}, lambda: [None] * 100])()

    def fields(self, operation):
        """(values, is_right): some of them left out, some odd."""
        values, is_right = {}, True
        told = [(p["name"], p["schema"], p["required"]) for p in operation.parameters]
        body = operation.body or {}
        told += [(name, s, name in body.get("required", ()))
                 for name, s in body.get("properties", {}).items()]
        for name, schema, is_needed in told:
            in_path = "{%s}" % name in operation.path
            if not in_path and self.random.random() < (0.05 if is_needed else 0.5):
                is_right = is_right and not is_needed
                continue
            if self.random.random() < 0.25:
                values[name], is_right = self.odd(), False
            else:
                values[name] = self.value(schema)
        if self.random.random() < 0.1:
            values["no_such_field"], is_right = self.odd(), False
        return values, is_right

    def body(self, fields):
        """As JSON; now and then as something that is none."""
        import json  # pylint: disable=import-outside-toplevel
        text = json.dumps(fields, ensure_ascii=self.random.random() < 0.5)
        raw = text.encode("utf-8", "surrogatepass")
        how = self.random.random()
        if how < 0.05:
            return raw[:self.random.randint(0, len(raw))]
        if how < 0.1:
            return raw + self.random.choice([b"}", b"\0", b" x", b"[" * 100])
        if how < 0.12:
            return bytes(self.random.randrange(256) for _ in range(50))
        return raw
