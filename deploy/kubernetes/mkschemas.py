#!/usr/bin/env python3
"""Writes deploy/helm/testdata/schemas.json: the JSON schemas of the kinds that the
chart uses, out of Kubernetes' own OpenAPI document and of CRDs, without their
descriptions.

    mkschemas.py SWAGGER.json CRD.yaml... >deploy/helm/testdata/schemas.json

Fields that are not known are refused, as the API server refuses them with
--validate=strict.
"""
import json
import sys

import yaml

KINDS = """
v1 ConfigMap
v1 PersistentVolumeClaim
v1 Pod
v1 Secret
v1 Service
v1 ServiceAccount
apps/v1 Deployment
autoscaling/v2 HorizontalPodAutoscaler
batch/v1 Job
networking.k8s.io/v1 Ingress
networking.k8s.io/v1 NetworkPolicy
policy/v1 PodDisruptionBudget
rbac.authorization.k8s.io/v1 Role
rbac.authorization.k8s.io/v1 RoleBinding
""".split("\n")
CRD_KINDS = {"ScaledObject", "TriggerAuthentication", "HTTPRoute", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
KEPT = {"type", "properties", "required", "items", "enum", "additionalProperties", "pattern", "minimum", "maximum",
        "minLength", "maxLength", "minItems", "maxItems", "oneOf", "anyOf", "allOf", "not", "$ref"}


def slim(o, name=None):
    """A schema without what only people read, closed against unknown fields."""
    if isinstance(o, list):
        return [slim(x) for x in o]
    if not isinstance(o, dict):
        return o
    if o.get("format") == "int-or-string" or o.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    out = {}
    for k, v in o.items():
        if k == "properties":
            out[k] = {n: slim(p) for n, p in v.items()}
        elif k in KEPT:
            out[k] = slim(v) if isinstance(v, (dict, list)) and k not in ("required", "enum", "type") else v
    if "properties" in out and "additionalProperties" not in out and not o.get("x-kubernetes-preserve-unknown-fields"):
        out["additionalProperties"] = False
    return out


def refs(o, found):
    if isinstance(o, dict):
        if "$ref" in o:
            found.add(o["$ref"].removeprefix("#/definitions/"))
        for v in o.values():
            refs(v, found)
    elif isinstance(o, list):
        for v in o:
            refs(v, found)


def main():
    swagger = json.load(open(sys.argv[1]))["definitions"]
    kinds, todo, definitions = {}, set(), {}
    for line in filter(None, KINDS):
        version, kind = line.split()
        group, _, v = version.rpartition("/")
        for name, d in swagger.items():
            for g in d.get("x-kubernetes-group-version-kind", []):
                if (g["group"], g["version"], g["kind"]) == (group, v, kind):
                    kinds[f"{version} {kind}"] = {"$ref": f"#/definitions/{name}"}
                    todo.add(name)
        if f"{version} {kind}" not in kinds:
            sys.exit(f"there is no {line}")
    while todo:
        name = todo.pop()
        if name in definitions:
            continue
        definitions[name] = slim(swagger[name])
        if name.endswith(".resource.Quantity"):
            definitions[name] = {"type": ["string", "number"]}
        found = set()
        refs(definitions[name], found)
        todo |= found - set(definitions)
    for file in sys.argv[2:]:
        for crd in yaml.safe_load_all(open(file)):
            if not crd or crd["spec"]["names"]["kind"] not in CRD_KINDS:
                continue
            for v in crd["spec"]["versions"]:
                schema = slim(v["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
                schema["properties"].pop("status", None)
                kinds[f'{crd["spec"]["group"]}/{v["name"]} {crd["spec"]["names"]["kind"]}'] = schema
    json.dump({"kinds": kinds, "definitions": definitions}, sys.stdout, sort_keys=True, separators=(",", ":"))
    print()


main()
