"""A pod's token is read again before it is over."""

import httpx2 as httpx

from ocicat.cluster.client import TOKEN_AGE_S, AccountToken


def sent(auth):
    request = httpx.Request("GET", "https://server/")
    return next(auth.auth_flow(request)).headers["Authorization"]


def test_a_renewed_token_is_used_after_a_while(tmp_path):
    file, now = tmp_path / "token", [0.0]
    file.write_text("first\n")
    auth = AccountToken(file, lambda: now[0])
    assert sent(auth) == "Bearer first"
    file.write_text("second\n")
    assert sent(auth) == "Bearer first"
    now[0] = TOKEN_AGE_S
    assert sent(auth) == "Bearer second"


def test_while_the_file_is_away_the_last_token_is_used(tmp_path):
    file, now = tmp_path / "token", [0.0]
    file.write_text("first")
    auth = AccountToken(file, lambda: now[0])
    sent(auth)
    file.unlink()
    now[0] = TOKEN_AGE_S
    assert sent(auth) == "Bearer first"
    file.write_text("second")
    assert sent(auth) == "Bearer second"
