# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reads uapi/shunt.yaml: definitions, attribute sets, operations and groups with their numbers.

Only the parts of YNL that the family uses are known; anything else is an error, never skipped.
"""

from dataclasses import dataclass, field

import yaml


class SpecError(Exception):
    """The spec says something that this generator does not understand."""


@dataclass
class Entry:
    """A value of an enum."""

    name: str
    value: int
    doc: str


@dataclass
class Definition:
    """A constant or an enum."""

    name: str
    doc: str
    value: int | None = None
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Attr:
    """One attribute of a set."""

    name: str
    value: int
    type: str
    doc: str
    enum: str | None = None
    nested: str | None = None
    multi: bool = False
    checks: dict = field(default_factory=dict)


@dataclass
class AttrSet:
    """A set of attributes; a subset has the numbers of the set that it is cut from."""

    name: str
    doc: str
    subset_of: str | None
    attrs: dict[str, Attr]


@dataclass
class Operation:
    """A command or a notification; request and reply name attributes of the set."""

    name: str
    value: int
    doc: str
    attr_set: str
    flags: list[str]
    group: str | None
    requests: dict[str, list[str]]
    replies: dict[str, list[str]]


@dataclass
class Group:
    """A multicast group; its index is its place in the list."""

    name: str
    index: int
    flags: list[str]


def text(node):
    """The doc of a node as one line."""
    return " ".join(node["doc"].split())


def only(node, where, *known):
    """Refuses keys that the generator would drop silently."""
    unknown = set(node) - {"name", "doc", *known}
    if unknown:
        raise SpecError(f"{where}: unknown key {', '.join(sorted(unknown))}")


def numbered(nodes, first):
    """Pairs each node with its number: the one that it gives, or the one after its predecessor's."""
    value = first
    for node in nodes:
        value = node.get("value", value)
        yield value, node
        value += 1


class Spec:
    """The whole family."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            raw = yaml.safe_load(file)
        only(raw, path.name, "protocol", "definitions", "attribute-sets", "operations", "mcast-groups")
        if raw.get("protocol") != "genetlink":
            raise SpecError(f"{path.name}: protocol is not genetlink")
        self.name = raw["name"]
        self.doc = text(raw)
        self.definitions = {node["name"]: self._definition(node) for node in raw.get("definitions", [])}
        self.sets = {}
        for node in raw["attribute-sets"]:
            self.sets[node["name"]] = self._attr_set(node)
        only(raw["operations"], "operations", "list")
        self.operations = [self._operation(value, node) for value, node in numbered(raw["operations"]["list"], 1)]
        self.groups = []
        for index, node in enumerate(raw.get("mcast-groups", {}).get("list", [])):
            only(node, f"group {node['name']}", "flags")
            self.groups.append(Group(node["name"], index, node.get("flags", [])))

    def input(self, name):
        """The attributes of a nest that a request may have: the subset NAME-input where there is one."""
        return self.sets.get(f"{name}-input", self.sets[name])

    @staticmethod
    def _definition(node):
        if node["type"] == "const":
            only(node, node["name"], "type", "value")
            return Definition(node["name"], text(node), value=node["value"])
        if node["type"] != "enum":
            raise SpecError(f"{node['name']}: definition of unknown type {node['type']}")
        only(node, node["name"], "type", "entries", "value-start")
        entries = []
        for value, entry in numbered(node["entries"], node.get("value-start", 0)):
            only(entry, f"{node['name']}: {entry['name']}", "value")
            entries.append(Entry(entry["name"], value, text(entry)))
        return Definition(node["name"], text(node), entries=entries)

    def _attr_set(self, node):
        only(node, node["name"], "attributes", "subset-of")
        parent = node.get("subset-of")
        attrs = {}
        for value, raw in numbered(node["attributes"], 1):
            where = f"{node['name']}: {raw['name']}"
            if parent:
                only(raw, where)
                attrs[raw["name"]] = self.sets[parent].attrs[raw["name"]]
                continue
            only(raw, where, "type", "value", "enum", "nested-attributes", "multi-attr", "checks")
            attrs[raw["name"]] = Attr(
                raw["name"], value, raw["type"], text(raw), raw.get("enum"), raw.get("nested-attributes"),
                raw.get("multi-attr", False), raw.get("checks", {}),
            )
        return AttrSet(node["name"], text(node), parent, attrs)

    @staticmethod
    def _operation(value, node):
        only(node, node["name"], "attribute-set", "flags", "do", "dump", "event", "mcgrp", "value")
        requests, replies = {}, {}
        for way in ("do", "dump"):
            if way in node:
                only(node[way], f"{node['name']}: {way}", "request", "reply")
                requests[way] = node[way].get("request", {}).get("attributes", [])
                replies[way] = node[way].get("reply", {}).get("attributes", [])
        if "event" in node:
            replies["event"] = node["event"]["attributes"]
        return Operation(
            node["name"], value, text(node), node["attribute-set"], node.get("flags", []), node.get("mcgrp"),
            requests, replies,
        )

