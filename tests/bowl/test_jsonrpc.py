"""JSON-RPC as texts: both versions, batches, what is no request, and what servers make no objects of."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import jsonrpc
from nm.jsonrpc import FaultError, Params


def echo(method: str, params: Params) -> Any:
    """Answers its arguments."""
    if method != "echo":
        raise FaultError(jsonrpc.METHOD, f"no method {method}")
    return params


def ask(message: Any) -> Any:
    """The answer to a message, parsed; None when there is none."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    answer = jsonrpc.answer(body, echo)
    return json.loads(answer) if answer else None


def code(answer: Any) -> int:
    assert answer.get("result") is None
    found: int = answer["error"]["code"]
    return found


def test_both_versions_are_answered_in_their_own_form() -> None:
    new = ask({"jsonrpc": "2.0", "method": "echo", "params": [1, "ä"], "id": "a"})
    assert new == {"jsonrpc": "2.0", "result": [1, "ä"], "id": "a"}
    old = ask({"method": "echo", "params": [1], "id": 7})
    assert old == {"result": [1], "error": None, "id": 7}


def test_arguments_by_name_by_position_or_none() -> None:
    assert ask({"jsonrpc": "2.0", "method": "echo", "params": {"a": 1}, "id": 1})["result"] == {"a": 1}
    assert ask({"jsonrpc": "2.0", "method": "echo", "id": 1})["result"] == []
    assert ask({"method": "echo", "params": None, "id": 1})["result"] == []


def test_errors_have_each_versions_form() -> None:
    new = ask({"jsonrpc": "2.0", "method": "rpc.secret", "id": 1})
    assert new == {"jsonrpc": "2.0", "error": {"code": -32601, "message": "no method rpc.secret"}, "id": 1}
    old = ask({"method": "other", "params": [], "id": 1})
    assert (old["result"], code(old), old["id"]) == (None, -32601, 1)


def test_nobody_answers_notifications() -> None:
    assert ask({"jsonrpc": "2.0", "method": "echo"}) is None
    assert ask({"jsonrpc": "2.0", "method": "other"}) is None
    assert ask({"method": "echo", "params": [], "id": None}) is None
    assert ask([{"jsonrpc": "2.0", "method": "echo"}]) is None
    assert ask({"jsonrpc": "2.0", "method": "echo", "id": None})["id"] is None  # an id, if an odd one


def test_a_batch_is_answered_call_by_call() -> None:
    calls = [
        {"jsonrpc": "2.0", "method": "echo", "params": [1], "id": 1},
        {"jsonrpc": "2.0", "method": "echo", "params": [2]},
        {"jsonrpc": "2.0", "method": "other", "id": 3},
        {"method": "echo", "params": [4], "id": 4},
        5,
    ]
    first, third, fourth, fifth = ask(calls)
    assert (first["result"], code(third), fourth["result"], code(fifth)) == ([1], -32601, [4], -32600)
    assert (fifth["id"], fifth["jsonrpc"]) == (None, "2.0")


@pytest.mark.parametrize("size", [0, jsonrpc.LONGEST_BATCH + 1])
def test_a_batch_is_neither_empty_nor_endless(size: int) -> None:
    assert code(ask([{"jsonrpc": "2.0", "method": "echo", "id": 1}] * size)) == jsonrpc.REQUEST


@pytest.mark.parametrize(
    "message",
    [
        1,
        "echo",
        {},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "method": 1, "id": 1},
        {"jsonrpc": "2.0", "method": "echo", "params": 1, "id": 1},
        {"jsonrpc": "2.0", "method": "echo", "params": None, "id": 1},
        {"jsonrpc": "2.0", "method": "echo", "id": [1]},
        {"jsonrpc": "2.0", "method": "echo", "id": True},
        {"jsonrpc": "1.0", "method": "echo", "id": 1},
        {"jsonrpc": 2.0, "method": "echo", "id": 1},
    ],
)
def test_what_is_no_request_is_told_so(message: Any) -> None:
    assert code(ask(message)) == jsonrpc.REQUEST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"\xff\xfe1\x00",
        b"[" * 100_000,
        b"1" * 10_000,
        b'{"jsonrpc": "2.0", "method": "echo", "id": 1, "id": 2}',
        b'{"jsonrpc": "2.0", "method": "echo", "params": [NaN], "id": 1}',
        b'{"jsonrpc": "2.0", "method": "echo", "params": [], "id": 1e999}',  # to be answered by Infinity
        b'{"jsonrpc": "2.0", "method": 1, "id": -1e999}',
    ],
)
def test_what_is_no_json_is_told_so(body: bytes) -> None:
    assert code(ask(body)) == jsonrpc.PARSE


@pytest.mark.parametrize(
    "value",
    [
        {"__jsonclass__": ["os.system", ["true"]]},
        [[{"deep": {"__jsonclass__": []}}]],
        "\ud800",
        {"\udfff": 1},
    ],
)
def test_values_are_jsons_own_and_nothing_else(value: Any) -> None:
    assert code(ask({"jsonrpc": "2.0", "method": "echo", "params": [value], "id": 1})) == jsonrpc.PARAMS


def test_arguments_are_not_nested_without_end() -> None:
    body = b'{"jsonrpc": "2.0", "method": "echo", "params": ' + b"[" * 200 + b"]" * 200 + b', "id": 1}'
    assert code(ask(body)) == jsonrpc.PARAMS


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | _JSON,
        "method": st.just("echo") | _JSON,
        "params": _JSON,
        "id": _JSON,
    },
)


@settings(max_examples=60)
@given(_JSON | _LIKE | st.lists(_LIKE, max_size=3))
def test_whatever_comes_is_answered_by_json_or_not_at_all(message: Any) -> None:
    answer = ask(message)
    for one in answer if isinstance(answer, list) else [answer] if answer else []:
        assert "id" in one
        assert ("result" in one) or ("error" in one)


@given(st.binary(max_size=60))
def test_any_bytes_are_answered(body: bytes) -> None:
    assert "error" in ask(body) or ask(body) is not None
