import pathlib
import tempfile

import pytest


@pytest.fixture
def open_folder():
    """A folder that every user can look into (pytest's own are root's alone)."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        yield folder
