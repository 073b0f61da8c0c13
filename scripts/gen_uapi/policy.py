# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes driver/control/policy.rs: which attributes the kernel takes with each command, and in which range.

The rules are those of the kernel tree's ynl_gen_c.py, with one more: of a nest X in a request only the attributes
of the subset X-input are taken, where the spec has one.
"""

from gen_uapi.rust import camel, doc, header, snake, upper
from gen_uapi.spec import SpecError


def policy(spec):
    """The text of the file, before rustfmt."""
    tables = Tables(spec)
    for op in spec.operations:
        for way, names in op.requests.items():
            attrs = [spec.sets[op.attr_set].attrs[name] for name in names]
            tables.add(f"{op.name}-{way}", f"Attributes of a `{op.name}` request ({way}).", op.attr_set, attrs)
    used = ", ".join(["self", *sorted(tables.modules)])
    out = [
        header("GPL-2.0-only"),
        "//! Which attributes a request of each command may have, by number; all others are refused.",
        "//! `control` gives these tables to generic netlink, which checks a request before the command runs.",
        "",
        "use crate::kernel_ext::net::attr::Policy;",
        f"use crate::uapi::{{{used}}};",
    ]
    return "\n".join(out + tables.lines) + "\n"


class Tables:
    """The tables made so far, and the modules of `uapi` that they name."""

    def __init__(self, spec):
        self.spec = spec
        self.lines = []
        self.modules = set()
        self.nests = set()

    def add(self, name, about, attr_set, attrs):
        """One table, and the constant with its greatest attribute."""
        name, module = upper(name), snake(attr_set)
        attrs = sorted(attrs, key=lambda attr: attr.value)
        last = f"{module}::{upper(attrs[-1].name)}" if attrs else "1"
        checks = [f"table[{module}::{upper(attr.name)} as usize] = {self.check(attr)};" for attr in attrs]
        none = f"[const {{ Policy::NONE }}; {name}_MAX as usize + 1]"
        body = ["{", f"let mut table = {none};", *checks, "table", "};"] if attrs else [f"{none};"]
        if attrs:
            self.modules.add(module)
        else:
            about += " It has none: a table without entries would not be looked at."
        self.lines += [
            "",
            *doc(f"Greatest attribute number in [`{name}`]."),
            f"pub(crate) const {name}_MAX: u16 = {last};",
            "",
            *doc(about),
            f"pub(crate) static {name}: [Policy; {name}_MAX as usize + 1] = {body[0]}",
            *body[1:],
        ]

    def check(self, attr):
        """The policy of one attribute."""
        checks = dict(attr.checks)
        if attr.type == "nest":
            made = self.nest(attr.nested)
        elif attr.type == "string" and "max-len" in checks:
            made = f"Policy::string({limit(checks.pop('max-len'))} as u16)"
        elif attr.type == "u32" and attr.enum:
            greatest = max(self.spec.definitions[attr.enum].entries, key=lambda entry: entry.value)
            made = f"Policy::u32_max(uapi::{camel(attr.enum)}::{camel(greatest.name)} as u32)"
        elif attr.type == "u32" and "min" in checks and "max" in checks:
            made = f"Policy::u32_range({limit(checks.pop('min'))}, {limit(checks.pop('max'))})"
        elif attr.type == "u32" and "max" in checks:
            made = f"Policy::u32_max({limit(checks.pop('max'))})"
        elif attr.type in ("u32", "uint", "flag"):
            made = f"Policy::{attr.type}()"
        else:
            raise SpecError(f"{attr.name}: no policy for type {attr.type} with checks {attr.checks}")
        if checks:
            raise SpecError(f"{attr.name}: no policy for check {', '.join(checks)}")
        return made

    def nest(self, name):
        """The policy of a nest, whose table is made once."""
        if name not in self.nests:
            self.nests.add(name)
            attrs = self.spec.input(name).attrs.values()
            self.add(name, f"Attributes of a `{name}` in a request.", name, attrs)
        return f"Policy::nested(&{upper(name)})"


def limit(value):
    """A number of a check: itself, or the constant that it names."""
    return str(value) if isinstance(value, int) else f"uapi::{upper(value)}"
