"""What a frame carries beside its message, what a frame can get wrong, and how each is answered."""

from typing import Any, Literal

import msgspec
import pytest
from pydantic import BaseModel, ConfigDict

from chanx import Channel, ConfigurationError, Context, Limits
from chanx.testing import Client, connect

pytestmark = pytest.mark.anyio


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = 0


class Plain(BaseModel):
    action: Literal["plain"] = "plain"
    text: str = ""
    inner: Inner = Inner()


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["strict"] = "strict"
    inner: Inner = Inner()


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    action: Literal["open"] = "open"


class InnerStruct(msgspec.Struct, forbid_unknown_fields=True):
    number: int = 0


class StrictStruct(msgspec.Struct, tag_field="action", tag="sstrict", forbid_unknown_fields=True):
    inner: InnerStruct = msgspec.field(default_factory=InnerStruct)


class Many(BaseModel):
    action: Literal["many"] = "many"
    form: Literal["none", "one", "empty", "list", "tuple", "raise"]


class Got(BaseModel):
    action: Literal["got"] = "got"
    number: int = 0


class StructGot(msgspec.Struct, tag_field="action", tag="sgot", omit_defaults=True):
    number: int = 0


def channel(*types: Any, **options: Any) -> Channel:
    """A channel that sends back what it gets."""
    chat = Channel(**options)

    @chat.on(*types)  # type: ignore[untyped-decorator]
    async def back(message: Any) -> Any:
        return message

    return chat


async def error(client: Client, frame: dict[str, Any] | str | bytes) -> dict[str, Any]:
    """The answer to a frame, which must be an error, without its payload's texts."""
    await client.send(frame)
    answer = await client.receive()
    assert answer["action"] == "error", answer
    found = {"code": answer["payload"]["code"]}
    assert answer["payload"]["detail"]
    if "errors" in answer["payload"]:
        found["at"] = [one["loc"] for one in answer["payload"]["errors"]]
    if "ref" in answer:
        found["ref"] = answer["ref"]
    return found


# -- envelope keys beside strict messages -----------------------------------------------------------

ENVELOPE = {"ref": "r", "topic": "t", "stream": "s", "seq": 1, "epoch": "e", "version": 1}
STRICT: list[Any] = [
    pytest.param((Strict,), "strict", id="pydantic"),
    pytest.param((Strict, Plain), "strict", id="pydantic union"),
    pytest.param((StrictStruct,), "sstrict", id="msgspec"),
    pytest.param((StrictStruct, Plain), "sstrict", id="both, struct"),
    pytest.param((StrictStruct, Strict), "strict", id="both, model"),
]


@pytest.mark.parametrize(("types", "tag"), STRICT)
async def test_strict_messages_tolerate_the_envelope_at_the_top_only(types: Any, tag: str) -> None:
    async with connect(channel(*types)) as client:
        await client.send({"action": tag, **ENVELOPE, "inner": {"number": 1}})
        assert await client.receive() == {"action": tag, "inner": {"number": 1}, "ref": "r"}
        for key, value in ENVELOPE.items():
            await client.send({"action": tag, key: value})
            assert (await client.receive())["action"] == tag
            found = await error(client, {"action": tag, "inner": {key: value}})
            assert found == {"code": "invalid_message", "at": [["inner", key]]}
        found = await error(client, {"action": tag, "inner": {"ref": 1}, "ref": 2})
        assert found == {"code": "invalid_message", "at": [["inner", "ref"]], "ref": 2}
        found = await error(client, {"action": tag, "other": 1, "ref": 2})
        assert found == {"code": "invalid_message", "at": [["other"]], "ref": 2}


async def test_open_messages_keep_everything_but_the_envelope() -> None:
    async with connect(channel(Open)) as client:
        await client.send({"action": "open", **ENVELOPE, "more": [1]})
        assert await client.receive() == {"action": "open", "more": [1], "ref": "r"}


async def test_without_the_envelope_its_keys_are_like_any_other() -> None:
    async with connect(channel(Open, Strict, envelope=False)) as client:
        await client.send({"action": "open", **ENVELOPE})
        assert await client.receive() == {"action": "open", **ENVELOPE}
        assert await error(client, {"action": "strict", "ref": 1}) == {"code": "invalid_message", "at": [["ref"]]}


# -- answers and their ref --------------------------------------------------------------------------


def many() -> Channel:
    chat = Channel()

    @chat.on
    async def handle(message: Many) -> Got | list[Got | StructGot] | tuple[Got, ...] | None:
        match message.form:
            case "none":
                return None
            case "one":
                return Got(number=1)
            case "empty":
                return []
            case "list":
                return [Got(number=1), StructGot()]
            case "tuple":
                return Got(number=1), Got(number=2)
            case "raise":
                raise ValueError("not for clients")

    return chat


REFS = ["r", "x" * 64, 'é😀"\\\n', 0, 7, -1, 2**70]


@pytest.mark.parametrize("ref", REFS, ids=[str(ref)[:5].encode("unicode_escape").decode() for ref in REFS])
async def test_every_ref_gets_one_final_answer(ref: str | int) -> None:
    async with connect(many()) as client:

        async def ask(form: str, frames: int) -> list[Any]:
            await client.send({"action": "many", "form": form, "ref": ref})
            found = [await client.receive() for _ in range(frames)]
            await client.settled()
            assert client.pending == []
            return found

        assert await ask("none", 1) == [{"action": "ack", "ref": ref}]
        assert await ask("one", 1) == [{"action": "got", "number": 1, "ref": ref}]
        assert await ask("empty", 1) == [{"action": "complete", "ref": ref}]
        assert await ask("list", 3) == [
            {"action": "got", "number": 1, "ref": ref},
            {"action": "sgot", "ref": ref},
            {"action": "complete", "ref": ref},
        ]
        assert [frame["action"] for frame in await ask("tuple", 3)] == ["got", "got", "complete"]
        [failed] = await ask("raise", 1)
        assert (failed["payload"]["code"], failed["ref"]) == ("internal_error", ref)
        assert "not for clients" not in str(failed)
        assert await error(client, {"action": "many", "form": "?", "ref": ref}) == {
            "code": "invalid_message",
            "at": [["form"]],
            "ref": ref,
        }
        client.errors.clear()


async def test_without_a_ref_there_is_only_what_was_returned() -> None:
    async with connect(many()) as client:
        for form in ("none", "empty", "one", "tuple"):
            await client.send({"action": "many", "form": form})
        await client.settled()
        assert client.pending == [{"action": "got", "number": number} for number in (1, 1, 2)]


BAD_REFS = ["", "x" * 65, 1.5, True, None, [], {}, "x" * 10_000]


@pytest.mark.parametrize("ref", BAD_REFS, ids=[str(ref)[:8] for ref in BAD_REFS[:-1]] + ["long"])
async def test_a_bad_ref_is_refused_and_not_repeated(ref: Any) -> None:
    async with connect(many()) as client:
        frame = {"action": "many", "form": "one", "ref": ref}
        assert await error(client, frame) == {"code": "invalid_message", "at": [["ref"]]}


async def test_escaped_keys_are_the_same_keys() -> None:
    async with connect(many()) as client:
        await client.send(r'{"\u0061ction": "m\u0061ny", "form": "none", "\u0072ef": "\u0072"}')
        assert await client.receive() == {"action": "ack", "ref": "r"}
        await client.send(r'{"action": "many", "form": "none", "r\u0065f": 1.5}')
        assert (await client.receive())["payload"]["code"] == "invalid_message"


async def test_the_word_ref_in_a_text_is_no_ref() -> None:
    async with connect(channel(Plain)) as client:
        text = 'a "ref": 1 in a text'
        await client.send({"action": "plain", "text": text})
        answer = await client.receive()
        assert answer["text"] == text
        assert "ref" not in answer


# -- bad frames -------------------------------------------------------------------------------------

UNION = pytest.mark.parametrize("types", [(Plain,), (Plain, Strict), (Plain, StrictStruct)], ids=len)


@pytest.mark.parametrize(
    "types",
    [(Plain,), (StrictStruct,), (Plain, Strict), (Plain, StrictStruct)],
    ids=["model", "struct", "union", "both"],
)
class TestBadFrames:
    async def test_an_unknown_action(self, types: Any) -> None:
        async with connect(channel(*types)) as client:
            known = {"code": "unknown_action", "at": [["action"]]}
            assert await error(client, {"action": "nothing"}) == known
            assert await error(client, {"action": "nothing", "ref": 5}) == {**known, "ref": 5}
            assert await error(client, {"action": "", "ref": "r"}) == {**known, "ref": "r"}
            await client.send({"action": "n" * 100_000})
            assert len(str(await client.receive())) < 1000

    @pytest.mark.parametrize(
        "frame", [{}, {"ref": 3}, {"action": 3}, {"action": None, "ref": 3}, {"action": ["plain"]}]
    )
    async def test_no_action(self, types: Any, frame: dict[str, Any]) -> None:
        async with connect(channel(*types)) as client:
            found = await error(client, frame)
            assert found["code"] == "invalid_message"
            assert found.get("ref") == frame.get("ref")

    @pytest.mark.parametrize("text", ["[]", "3", '"plain"', "null", "true", "[[1]]"])
    async def test_no_object(self, types: Any, text: str) -> None:
        async with connect(channel(*types)) as client:
            assert (await error(client, text))["code"] == "invalid_message"

    @pytest.mark.parametrize("text", ["", "{", "plain", '{"action":}', '{"action":"plain"} x', "{'action':'plain'}"])
    async def test_no_json(self, types: Any, text: str) -> None:
        async with connect(channel(*types)) as client:
            assert await error(client, text) == {"code": "malformed_json"}

    @pytest.mark.parametrize("opening", ["[", '{"a":'])
    async def test_too_deep(self, types: Any, opening: str) -> None:
        async with connect(channel(*types)) as client:
            for tag in ("plain", "sstrict"):
                text = f'{{"action":"{tag}","ref":1,"inner":' + opening * 50_000
                assert (await error(client, text))["code"] == "malformed_json"

    async def test_half_of_a_surrogate_pair(self, types: Any) -> None:
        async with connect(channel(*types)) as client:
            for text in (
                '{"action":"%s","text":"\ud800"}',
                r'{"action":"%s","text":"\ud800"}',
                r'{"action":"%s","\udfff":1}',
            ):
                for tag in ("plain", "sstrict"):
                    assert (await error(client, text % tag))["code"] in ("malformed_json", "invalid_message")
            assert (await error(client, '{"action":"\ud800"}'))["code"] == "malformed_json"
            assert (await error(client, '{"action":"plain","ref":"\ud800"}'))["code"] == "malformed_json"

    async def test_binary(self, types: Any) -> None:
        async with connect(channel(*types)) as client:
            for frame in (b"", b'{"action":"plain"}', b"\xff"):
                assert await error(client, frame) == {"code": "unsupported_frame"}

    async def test_the_connection_stays_up(self, types: Any) -> None:
        async with connect(channel(*types, limits=Limits(strikes=3))) as client:
            for frame in ("{", b"", {"action": "nothing"}):
                await error(client, frame)
            tag = "plain" if Plain in types else "sstrict"
            await client.send({"action": tag, "ref": 1})
            assert (await client.receive())["ref"] == 1
            await client.send("{")
            assert (await client.wait_closed()).code == 1008


async def test_findings_are_limited_in_number() -> None:
    class Numbers(BaseModel):
        action: Literal["numbers"] = "numbers"
        values: list[int]

    async with connect(channel(Numbers)) as client:
        for count, told in ((20, 20), (21, 20), (5000, 0)):
            await client.send({"action": "numbers", "values": ["x"] * count})
            payload = (await client.receive())["payload"]
            assert payload["code"] == "invalid_message"
            assert len(payload.get("errors", [])) == told


async def test_what_a_handler_returns_must_be_a_message() -> None:
    class Bare(BaseModel):
        text: str = ""

    class Reserved(BaseModel):
        action: Literal["ack"] = "ack"

    wrong: list[Any] = [3, "text", {"action": "plain"}, Bare(), Reserved(), [Plain(), 3]]
    chat = Channel()

    @chat.on(Plain)
    async def handle(message: Plain) -> Any:
        return wrong[int(message.text)]

    async with connect(chat) as client:
        for index in range(len(wrong)):
            assert await error(client, {"action": "plain", "text": str(index), "ref": index}) == {
                "code": "internal_error",
                "ref": index,
            }
        assert [type(one).__name__ for one in client.errors] == ["ConfigurationError"] * len(wrong)
        client.errors.clear()


async def test_without_an_envelope_nothing_can_be_asked() -> None:
    bare = Channel("bare", envelope=False)

    @bare.on(Plain)
    async def plain(message: Plain, ctx: Context) -> None:
        await ctx.ask(message)

    async with connect(bare, raise_app_exceptions=False) as client:
        await client.send(Plain())
        assert (await client.receive())["payload"]["code"] == "internal_error"
        [error] = client.errors
    assert isinstance(error, ConfigurationError)
    assert "use Channel(envelope=True) to ask" in str(error)
