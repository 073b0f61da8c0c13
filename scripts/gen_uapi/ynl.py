# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes uapi/shunt.h with the generator of the kernel tree, tools/net/ynl/pyynl/ynl_gen_c.py."""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

GENERATOR = "tools/net/ynl/pyynl/ynl_gen_c.py"
SCHEMA = "Documentation/netlink/genetlink.yaml"


class Unavailable(Exception):
    """What the kernel's generator needs is not on this machine."""


def kernel_source():
    """The kernel source to use: $KSRC, else the newest that scripts/setup has left in the cache."""
    if named := os.environ.get("KSRC"):
        if not (pathlib.Path(named) / GENERATOR).is_file():
            raise Unavailable(f"KSRC={named} has no {GENERATOR}")
        return pathlib.Path(named)
    cache = pathlib.Path(os.environ.get("SHUNT_CACHE") or pathlib.Path.home() / ".cache/shunt")
    found = [path for path in cache.glob("kernels/*/source") if (path / GENERATOR).is_file()]
    if not found:
        raise Unavailable(f"no kernel source in {cache}/kernels: run scripts/setup, or set KSRC to one")
    return max(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parent.name)])


def c_header(spec_path):
    """The text of the C header."""
    source = kernel_source()
    if not importlib.util.find_spec("jsonschema"):
        raise Unavailable("python3 has no jsonschema, which the kernel's generator needs: use scripts/in-sysroot")
    # The generator looks for the schema and for a file MAINTAINERS in folders above the spec, the latter for ever.
    with tempfile.TemporaryDirectory() as stage:
        stage = pathlib.Path(stage)
        staged = stage / spec_path.parent.name / spec_path.name
        staged.parent.mkdir()
        shutil.copy(spec_path, staged)
        shutil.copy(source / SCHEMA, stage)
        (stage / "MAINTAINERS").touch()
        command = [sys.executable, "-B", source / GENERATOR, "--mode", "uapi", "--header", "--spec", staged]
        made = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout
    return made.replace("tools/net/ynl/ynl-regen.sh", "scripts/gen-uapi")
