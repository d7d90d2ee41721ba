import pytest


def pytest_addoption(parser):
    parser.addoption("--count", type=int, default=250, help="How many generated rule sets of each language are compared with the kernel")
    parser.addoption("--seed", type=int, default=1, help="Of the first generated rule set")
