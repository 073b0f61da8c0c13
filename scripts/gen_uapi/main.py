# SPDX-License-Identifier: MIT OR Apache-2.0
"""Makes all that is generated from uapi/shunt.yaml: the constants of both sides, the attribute policies of the
driver, the C header and the reference of the protocol."""

import argparse
import difflib
import pathlib
import subprocess
import sys

from gen_uapi.consts import consts
from gen_uapi.policy import policy
from gen_uapi.protocol import protocol
from gen_uapi.rust import rustfmt
from gen_uapi.spec import Spec, SpecError
from gen_uapi.ynl import Unavailable, c_header

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "uapi/shunt.yaml"
SKIPPED = 77


def main():
    """Writes or compares the files; the result is the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="KSRC names the kernel source whose ynl_gen_c.py makes the header; without it the newest in "
        "$SHUNT_CACHE/kernels is taken. Exit status: 0 done, 1 failed or, with --check, a file is stale, "
        f"{SKIPPED} with --check if the header could not be compared and all else is fresh.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; say which files are stale")
    check = parser.parse_args().check
    try:
        spec = Spec(SPEC)
        made = {
            "uapi/src/consts.rs": rustfmt(consts(spec), ROOT),
            "driver/control/policy.rs": rustfmt(policy(spec), ROOT),
            "docs/protocol.md": protocol(spec),
        }
        try:
            made["uapi/shunt.h"] = c_header(SPEC)
            missing = None
        except Unavailable as error:
            missing = error
        if check:
            return compare(made, missing)
        if missing:
            raise missing
    except KeyError as error:
        print(f"gen-uapi: uapi/shunt.yaml names {error} or lacks it", file=sys.stderr)
        return 1
    except (SpecError, Unavailable, OSError, subprocess.CalledProcessError) as error:
        print(f"gen-uapi: {error}", file=sys.stderr)
        return 1
    for name, text in made.items():
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


def compare(made, missing):
    """Says how the files differ from what they should be."""
    stale = False
    for name, text in made.items():
        path = ROOT / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there != text:
            stale = True
            print(f"{name} is stale: regenerate with scripts/gen-uapi")
            sys.stdout.writelines(difflib.unified_diff(
                there.splitlines(True), text.splitlines(True), name, "from uapi/shunt.yaml"))
    if missing:
        print(f"uapi/shunt.h: skipped: {missing}")
    if stale:
        return 1
    return SKIPPED if missing else 0
