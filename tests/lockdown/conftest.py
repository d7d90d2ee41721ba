import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def build():
    root = pathlib.Path(__file__).resolve().parents[2]
    folder = root / os.environ.get("CLAWQL_BUILD", "build/release")
    assert (folder / "libexec").is_dir(), f"{folder}: build it first, or name another in CLAWQL_BUILD"
    return folder
