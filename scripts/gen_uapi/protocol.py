# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes docs/protocol.md, the reference of the netlink family for people."""

from gen_uapi.consts import VERSION
from gen_uapi.rust import snake


def protocol(spec):
    """The text of the file."""
    out = [
        "<!-- SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) -->",
        "<!-- Generated from uapi/shunt.yaml. Do not edit; regenerate with scripts/gen-uapi. -->",
        "",
        f"# The generic netlink family `{spec.name}`",
        "",
        f"{spec.doc} Version {VERSION}; it only grows, as [uapi/README.md](../uapi/README.md) says.",
        "",
        "Numbers are in the byte order of the machine; a `uint` takes 4 or 8 bytes. Requests are checked strictly: an",
        "attribute that a command does not list, or one out of range, is refused. The extended acknowledgement says in a text",
        "why a request was refused, and where in it the attribute is that was wrong, if it was one (`NLMSGERR_ATTR_OFFS`).",
        "",
        "## Commands",
    ]
    for op in spec.operations:
        out += ["", *operation(spec, op)]
    out += ["", "## Multicast groups", "", "| group | carries | to join it |", "|---|---|---|"]
    for group in spec.groups:
        sent = ", ".join(f"`{op.name}`" for op in spec.operations if op.group == group.name)
        out.append(f"| `{group.name}` | {sent} | {privilege(group.flags)} |")
    out += ["", "## Attributes"]
    for attr_set in spec.sets.values():
        if not attr_set.subset_of:
            out += ["", *attributes(spec, attr_set)]
    out += ["", "## Values"]
    for item in spec.definitions.values():
        if item.entries:
            out += ["", f"### {item.name}", "", item.doc, "", "| number | name | in JSON | meaning |", "|---|---|---|---|"]
            out += [f"| {one.value} | `{one.name}` | `{snake(one.name)}` | {one.doc} |" for one in item.entries]
    out += ["", "### Constants", "", "| name | value | meaning |", "|---|---|---|"]
    out += [f"| `{one.name}` | {one.value} | {one.doc} |" for one in spec.definitions.values() if not one.entries]
    return "\n".join(out) + "\n"


def privilege(flags):
    """Who may do it."""
    return "`CAP_SYS_ADMIN`" if "admin-perm" in flags else "no privilege"


def listed(names):
    """Attribute names in a line."""
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def operation(spec, op):
    """A command or a notification."""
    out = [f"### `{op.name}`", "", op.doc, ""]
    kind = f"Notification {op.value}" if op.group else f"Command {op.value}"
    needs = f"in group `{op.group}`" if op.group else f"needs {privilege(op.flags)}"
    out += [f"{kind}, {needs}, attributes of [{op.attr_set}](#{op.attr_set}).", ""]
    for way, names in op.replies.items():
        if way == "event":
            out.append(f"- carries {listed(names)}")
            continue
        what = "each message of the dump" if way == "dump" else "the reply"
        out.append(f"- {way}: the request takes {listed(op.requests[way])}; {what} has {listed(names)}")
    return out


def attributes(spec, attr_set):
    """An attribute set."""
    taken = spec.sets.get(f"{attr_set.name}-input")
    out = [f"### {attr_set.name}", "", attr_set.doc]
    if taken:
        out[-1] += f" A request takes only {listed(taken.attrs)}."
    out += ["", "| number | name | type | meaning |", "|---|---|---|---|"]
    out += [f"| {attr.value} | `{attr.name}` | {kind(attr)} | {attr.doc} |" for attr in attr_set.attrs.values()]
    return out


def kind(attr):
    """The type of an attribute with what bounds it."""
    if attr.nested:
        return f"nest of [{attr.nested}](#{attr.nested})" + (", repeated" if attr.multi else "")
    if attr.enum:
        return f"`{attr.type}`, [{attr.enum}](#{attr.enum})"
    bounds = [f", {check} {bound}" for check, bound in attr.checks.items()]
    return f"`{attr.type}`" + "".join(bounds)
