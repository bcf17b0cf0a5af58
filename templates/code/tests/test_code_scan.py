"""Secrets and restrictive licences are found before a model learns from them, and ordinary code is not."""

from __future__ import annotations

import pytest
from code_parts import module  # type: ignore[import-not-found]

scan = module("scan")

# Made up, and put together here, so that no other scanner takes them for real.
SECRETS = {
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "an access key of AWS": "AKIA" + "Q3EGV7RTZ4LMWX2B",
    "a token of GitHub": "ghp_" + "a8Kd02mPq7" * 4,
    "a token of GitLab": "glpat-" + "k3J9xQ2mLp7RtVw4Zs8B",
    "a token of Slack": "xoxb-" + "3141592653-5897932384",
    "a key of Google": "AIza" + "Sy4kQ9xT2mLp7RtVw8Zs3Bn6Hd1Gf5Jc0Ke",
    "a key of Stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "a key that starts with sk-": "sk-" + "p4Jq8Zt1Lm6Rv3Wx9Kd2Bn7",
    "a token of Hugging Face": "hf_" + "QmZtLpRvWxKdBnHgFjCkEyUoIaSdTr",
    "a token of PyPI": "pypi-" + "AgEIcHlwaS5vcmcCJDk4" * 3,
    "a signed web token": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0NTY3" + ".dBjftJeZ4CVPmB92K27u",
    "a password in an address": "postgres://admin:" + "h4rdT0guess" + "@db.internal/shop",
}


@pytest.mark.parametrize("what", list(SECRETS))
def test_a_secret_of_each_form_is_found_with_its_line_and_never_shown(what: str) -> None:
    found = scan.scan(f'import os\n\nvalue = "{SECRETS[what]}"\n')
    assert (what, 3) in [(each.what, each.line) for each in found]
    assert SECRETS[what] not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        'password = "' + "k8$Lq2!vN9xT" + '"',
        "API_KEY: '" + "9f8e7d6c5b4a3210" + "'",
        'config["secret_token"] = "' + "Zr7Qp2Lm9Xt4" + '"',
        '"db_password": "' + "w7Tn3Kq9Zp1" + '",',
    ],
)
def test_a_password_that_is_assigned_is_found(line: str) -> None:
    assert [each.what for each in scan.scan(line)] == ["a password, key or token in the code"]


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["DB_PASSWORD"]',
        'password = "changeme123"',
        'api_key = "your-api-key-1"',
        'token = "<token from 2FA>"',
        'tokens = ["<|fim_prefix|>"]',
        'password = "aaaaaaaaaaa1"',
        'raise ValueError("the password needs 8 characters")',
        "https://shop.example/path:8080/@home",
        'url = f"{scheme}://{user}:{password}@{host}"',
        "sha = '3f786850e387550fdab836ed7e6dc881de23001b'",
        "task-runner-with-a-very-long-name-indeed",
    ],
)
def test_ordinary_code_is_no_secret(line: str) -> None:
    assert scan.scan(line) == []


@pytest.mark.parametrize(
    ("header", "licence", "restricted"),
    [
        ("# SPDX-License-Identifier: GPL-3.0-or-later\n", "GPL-3.0-or-later", True),
        ("# SPDX-License-Identifier: MIT\n", "MIT", False),
        ("# SPDX-License-Identifier: MIT OR GPL-2.0-only\n", "MIT OR GPL-2.0-only", False),
        ("# SPDX-License-Identifier: AGPL-3.0-only\n", "AGPL-3.0-only", True),
        ("# This is free software under the GNU General\n# Public License, version 2.\n", "GPL", True),
        ("# Licensed under the GNU Lesser General Public License\n", "LGPL", True),
        ('"""A module.\n\nSubject to the Mozilla Public License."""\n', "MPL", True),
        ("# Licensed under the Apache License, Version 2.0\n", "Apache-2.0", False),
        ("# Permission is hereby granted, free of charge, to any\n", "MIT", False),
        ("# PROPRIETARY AND CONFIDENTIAL\n", "proprietary", True),
        ("import os\n", None, False),
        ("def read_gpl(path):\n    return confidential\n", None, False),
    ],
)
def test_licences_are_read_from_the_header(header: str, licence: str | None, restricted: bool) -> None:
    assert scan.licence_of(f"{header}x = 1\n") == licence
    assert bool(scan.scan(f"{header}x = 1\n")) == restricted


def test_a_licence_far_below_the_header_does_not_count() -> None:
    assert scan.licence_of("x = 1\n" * 60 + "# GNU General Public License\n") is None
