"""What is freed is not given back in between."""

import ctypes
import platform

import pytest

from entropy_rl._memory import keep_freed


def test_it_is_asked_of_the_c_library_where_that_can_be_asked(monkeypatch):
    if platform.libc_ver()[0] == "glibc":
        assert keep_freed()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed()


@pytest.mark.parametrize("refused", [-1, -3])
def test_a_refusal_is_told(monkeypatch, refused):
    class Library:
        @staticmethod
        def mallopt(name, size):
            return int(name != refused)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    assert not keep_freed()
