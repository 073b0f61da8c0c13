# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes uapi/src/consts.rs, which userspace and the driver share."""

from gen_uapi.rust import camel, doc, header, snake, upper

VERSION = 1
"""YNL fixes the version of every genetlink family: what changes is appended, so nothing has to be told apart."""


def consts(spec):
    """The text of the file, before rustfmt."""
    out = [
        header("((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)"),
        *doc(f"{spec.doc} Commands, attributes, values and groups of the family.", "//!"),
        "//!",
        *doc("The crate `shunt-uapi` is this file; the driver mounts it as `crate::uapi`.", "//!"),
        "",
        *doc("Name of the generic netlink family."),
        f'pub const FAMILY_NAME: &core::ffi::CStr = c"{spec.name}";',
        "",
        *doc("Version of the generic netlink family."),
        f"pub const FAMILY_VERSION: u8 = {VERSION};",
    ]
    for item in spec.definitions.values():
        out += ["", *(enum(item) if item.entries else const(item))]
    out += ["", *module("cmd", "Commands and notifications.", "u8", spec.operations)]
    out += ["", *groups(spec)]
    for attr_set in spec.sets.values():
        if not attr_set.subset_of:
            attrs = attr_set.attrs.values()
            out += ["", *module(snake(attr_set.name), f"Attribute set `{attr_set.name}`. {attr_set.doc}", "u16", attrs)]
    return "\n".join(out) + "\n"


def const(item):
    """A constant."""
    return [*doc(item.doc), f"pub const {upper(item.name)}: u32 = {item.value};"]


def enum(item):
    """An enum with its words and its way back from a number."""
    out = [*doc(item.doc), "#[derive(Clone, Copy, Debug, PartialEq, Eq)]", "#[repr(u32)]"]
    out.append(f"pub enum {camel(item.name)} {{")
    for entry in item.entries:
        out += [*doc(entry.doc), f"{camel(entry.name)} = {entry.value},"]
    every = ", ".join(f"Self::{camel(entry.name)}" for entry in item.entries)
    out += ["}", "", f"impl {camel(item.name)} {{"]
    out += [*doc("Every value, in the order of their numbers.")]
    out += [f"pub const ALL: [Self; {len(item.entries)}] = [{every}];", ""]
    out += [*doc("The word that people and JSON use for the value.")]
    out += ["pub const fn name(self) -> &'static str {", "match self {"]
    out += [f'Self::{camel(entry.name)} => "{snake(entry.name)}",' for entry in item.entries]
    out += ["}", "}", "", *doc("The value of a number; none if this version does not know it.")]
    out += ["pub const fn from_u32(value: u32) -> Option<Self> {", "match value {"]
    out += [f"{entry.value} => Some(Self::{camel(entry.name)})," for entry in item.entries]
    out += ["_ => None,", "}", "}", "}"]
    return out


def module(name, about, kind, items):
    """A module of numbers."""
    out = [*doc(about), f"pub mod {name} {{"]
    for item in items:
        out += [*doc(item.doc), f"pub const {upper(item.name)}: {kind} = {item.value};"]
    return [*out, "}"]


def groups(spec):
    """The multicast groups."""
    out = [*doc("Multicast groups."), "pub mod group {"]
    for group in spec.groups:
        sent = [op.name for op in spec.operations if op.group == group.name]
        out += [*doc(f"Group that carries {', '.join(sent)}.")]
        out += [f'pub const {upper(group.name)}: &core::ffi::CStr = c"{group.name}";']
        out += [*doc(f"Place of the group `{group.name}` in the family's list.")]
        out += [f"pub const {upper(group.name)}_INDEX: usize = {group.index};"]
    return [*out, "}"]
