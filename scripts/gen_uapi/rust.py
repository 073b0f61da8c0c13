# SPDX-License-Identifier: MIT OR Apache-2.0
"""How Rust is spelled: names, doc comments, the header of a generated file."""

import subprocess
import textwrap


def snake(name):
    """kebab-case to snake_case."""
    return name.replace("-", "_")


def upper(name):
    """kebab-case to UPPER_CASE."""
    return snake(name).upper()


def camel(name):
    """kebab-case to CamelCase."""
    return "".join(word.capitalize() for word in name.split("-"))


def doc(text, mark="///"):
    """A doc comment."""
    return [f"{mark} {line}" for line in textwrap.wrap(text, 92, break_on_hyphens=False)]


def header(licence):
    """The first lines of a generated file."""
    return (
        f"// SPDX-License-Identifier: {licence}\n"
        "// Generated from uapi/shunt.yaml. Do not edit; regenerate with scripts/gen-uapi.\n"
    )


def rustfmt(text, root):
    """The text as rustfmt would have it."""
    command = ["rustfmt", "--edition", "2021", "--config-path", str(root / ".rustfmt.toml")]
    return subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout
