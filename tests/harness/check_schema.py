"""Holds YAML files against a JSON Schema: check_schema.py SCHEMA FILES...; a line a file, "ok" or
why not. What schema_test.cpp reads. Wants Debian's python3-jsonschema and python3-yaml."""

import json
import sys

import jsonschema
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        errors = list(validator.iter_errors(yaml.safe_load(file)))
    best = jsonschema.exceptions.best_match(errors)
    print(" ".join(best.message.split())[:200] if best else "ok")
