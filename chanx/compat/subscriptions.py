"""The topics that one connection of a consumer is subscribed to.

Rules: a subscription is known by its name. At most one to a topic lives; another one begins when nothing is left of the
one before. What is sent for it comes after `subscribed` and before `unsubscribed`. Messages for it wait until it has
begun. It is in its topic's group from before `on_subscribe` to its end. `on_unsubscribe` runs exactly once for each
whose `on_subscribe` has finished, when its last handler has ended.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import anyio
import msgspec
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from chanx._topics.frames import make_peek, reason_of
from chanx._topics.pattern import MAX_TOPIC, parse
from chanx.compat.answering import envelope
from chanx.compat.casing import snaked
from chanx.compat.compiled import RESERVED, Compiled, Route
from chanx.compat.sending import needed
from chanx.compat.topic_routes import called, filled
from chanx.exceptions import ChanxError
from chanx.messages.outgoing import CompleteMessage

logger = logging.getLogger("chanx")

_CONTROL = ("subscribe", "unsubscribe")


class Refused(ChanxError):
    """A frame about a topic is answered with an error."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Subscription:
    """One subscription.

    Attributes:
        topic: the object whose methods handle its messages; `made` is what its class was compiled into.
        beside: what stands beside messages of the topic that answer nothing; empty where the client has not named it.
        begun: the client is subscribed, or refused.
        done: nothing of it is left.
        refusal: why the client was refused.
        live: it has not ended.
        joined: it is in its topic's group.
        entered: `on_subscribe` has finished, and `on_unsubscribe` has not been called.
        told: the client has got `subscribed`, or none is for it.
        running: how many of its handlers run.
        asked: what stands beside the answers to those messages with a `ref` that they handle, by its identity.
    """

    def __init__(self, topic: Any, made: Compiled, beside: Mapping[str, Any], answer: Mapping[str, Any] | None) -> None:
        self.topic = topic
        self.made = made
        self.beside = beside
        self.answer = answer
        self.begun = anyio.Event()
        self.done = anyio.Event()
        self.refusal: Refused | None = None
        self.live = True
        self.joined = False
        self.entered = False
        self.told = answer is None
        self.running = 0
        self.asked: dict[int, Mapping[str, Any]] = {}


class Subscriptions:
    """All subscriptions of one connection.

    Args:
        consumer: of the connection.
        made: what its class was compiled into.
    """

    def __init__(self, consumer: Any, made: Compiled) -> None:
        self._consumer = consumer
        self._topics = made.topics
        self._peek = make_peek(made.discriminator)
        self._own: frozenset[str] = frozenset() if made.plan.direct is None else made.plan.direct.tags
        self._live: dict[str, Subscription] = {}
        self._all: dict[str, Subscription] = {}  # with those that are about to end
        self._default: str | None = None

    # -- what the client says -------------------------------------------------------------------------

    def target(self, seen: Mapping[str, Any], frame: Any) -> str | None:
        """The topic that a frame is for; None where it is for the consumer itself."""
        topic = seen.get("topic")
        if topic is not None:
            return topic if isinstance(topic, str) else ""
        if self._default is None:
            return None
        action = self._action(frame)
        return None if action is None or action in self._own else self._default

    async def frame(self, name: str, seen: Mapping[str, Any], frame: Any) -> None:
        """Handle a frame that is for a topic."""
        ref = seen.get("ref")
        named = seen.get("topic") is not None
        answer: dict[str, Any] = {"version": 1, "topic": name[:MAX_TOPIC]}
        if isinstance(ref, str | int) and not isinstance(ref, bool):
            answer["ref"] = ref
        action = self._action(frame)
        try:
            if action in _CONTROL:
                await (self._subscribe(name, answer) if action == "subscribe" else self._unsubscribe(name, answer))
                return
            one = self._live.get(name)
            if one is None:
                raise self._missing(name)
            await one.begun.wait()
            if not one.live:
                raise Refused("not_subscribed", "there is no subscription to this topic")
        except Refused as refusal:
            await self._answer("error", answer, {"reason": refusal.reason, "detail": refusal.detail})
            return
        if not named:
            del answer["topic"]
        beside = answer if named or "ref" in answer else None
        await self._handle(one, beside, self._message, frame)

    def _action(self, frame: Any) -> Any:
        """The tag of a frame, which is text, or what JSON gives."""
        if isinstance(frame, str):
            try:
                return msgspec.json.decode(self._peek(frame).tag)
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                return None
        content = cast("dict[str, Any]", frame) if isinstance(frame, dict) else {}
        return content.get(self._consumer.discriminator_field)

    async def _message(self, one: Subscription, frame: Any) -> None:
        consumer, made = self._consumer, one.made
        try:
            if isinstance(frame, str) and not made.strict:
                message = made.decode(frame)
            else:
                content = json.loads(frame) if isinstance(frame, str) else frame
                content = {key: value for key, value in content.items() if key not in RESERVED}
                given = snaked(content) if consumer.camelize else content
                message = made.validate(given, by_name=bool(consumer.camelize))
        except ValidationError as error:
            await consumer._chanx_refuse(error)
            return
        except Exception as error:  # noqa: BLE001 - a validator of the application is broken
            await consumer._chanx_broken(error)
            return
        try:
            result = await getattr(one.topic, made.methods[message.__class__])(message)
            if result is not None and one.live:
                await consumer.handle_result(result)
        except BaseException as error:  # noqa: BLE001 - of the application
            if not one.live:  # nothing is sent for it any more
                self._failed(error, one.topic, made.methods[message.__class__])
                return
            failure = consumer._chanx_ordinary(error)
            await consumer._chanx_told(consumer.handle_message_handler_error(failure, made.tag(message), message))
        if consumer.send_completion and one.live:
            await consumer.send_message(CompleteMessage())

    async def _handle(self, one: Subscription, beside: Mapping[str, Any] | None, function: Any, *args: Any) -> None:
        """Run what may send something for a subscription; the last one of its handlers ends it."""
        one.running += 1
        if beside is not None and "ref" in beside:
            one.asked[id(beside)] = beside
        token = envelope.set(beside)
        try:
            await function(one, *args)
        finally:
            envelope.reset(token)
            one.running -= 1
            one.asked.pop(id(beside), None)
            if not one.live:
                await self._finish(one)

    def _missing(self, name: str) -> Refused:
        if self._route(name) is None:
            return Refused("unknown_topic", "there is no such topic")
        return Refused("not_subscribed", "there is no subscription to this topic")

    def _route(self, name: str) -> tuple[Route, Compiled, dict[str, str]] | None:
        """The class of a topic, and its parameters."""
        if 1 <= len(name) <= MAX_TOPIC:
            for route, made in self._topics:
                match = route.pattern.regex.fullmatch(name)
                if match is not None:
                    return route, made, match.groupdict()
        return None

    async def _answer(self, action: str, beside: Mapping[str, Any], payload: Any = None) -> None:
        consumer = self._consumer
        await consumer.send_json({consumer.discriminator_field: action, "payload": payload, **beside})

    # -- how a subscription begins --------------------------------------------------------------------

    async def begin(self, topic: Any) -> None:
        """Subscribe the client to the topic of frames that name none.

        Args:
            topic: its name, with parameters from the URL in braces, or a class of topics.

        Raises:
            ConfigurationError: the URL does not have the parameters.
        """
        consumer = self._consumer
        where = f"{consumer.name}.default_topic"
        pattern = parse(getattr(topic, "pattern", topic), where)
        params = filled(pattern, consumer.url_params, where)
        self._default = "" if params is None else pattern.text.format_map(params)
        try:
            await self._begin(self._default, {}, None)
        except Refused as refusal:
            logger.info("%s: %r was refused: %s", where, self._default, refusal.detail)

    async def _subscribe(self, name: str, answer: Mapping[str, Any]) -> None:
        one = self._live.get(name)
        if one is not None:
            await one.begun.wait()
            if one.refusal is not None:
                raise one.refusal
            if one.live:
                one.beside = {"version": 1, "topic": name}
                await self._answer("subscribed", answer)
                return
        await self._begin(name, {"version": 1, "topic": name}, answer)

    async def _begin(self, name: str, beside: Mapping[str, Any], answer: Mapping[str, Any] | None) -> None:
        found = self._route(name)
        if found is None:
            raise self._missing(name)
        route, made, params = found
        consumer = self._consumer
        if len(self._all) >= consumer.max_topics and name not in self._all:
            raise Refused("overloaded", f"a connection may have {consumer.max_topics} topics; unsubscribe from one")
        one = Subscription(route.topic(consumer, name, params), made, beside, answer)
        before = self._all.get(name)
        self._live[name] = self._all[name] = one
        try:
            if before is not None:
                await before.done.wait()
            await self._handle(one, beside or None, self._enter)
        except Refused as refusal:
            one.refusal = refusal
            if answer is None or not one.told:
                raise
            await self._answer("unsubscribed", beside, {"code": 1011, "reason": refusal.detail})
        finally:
            one.begun.set()
            if not one.entered:
                one.live = False
                await self._finish(one)

    async def _enter(self, one: Subscription) -> None:
        topic = one.topic
        try:
            allowed = await called(topic.authorize, topic.params)
        except HTTPException as refusal:
            raise Refused(reason_of(refusal.status_code), refusal.detail) from None
        except BaseException as error:  # noqa: BLE001 - of the application
            raise self._failed(error, topic, "authorize") from None
        if not allowed:
            raise Refused("unauthorized", "the subscription was refused")
        layer = needed(self._consumer.channel_layer, topic.__class__)
        await layer.group_add(topic.group_name(topic.topic), self._consumer.channel_name)
        one.joined = True
        try:
            await called(topic.on_subscribe, topic.params)
        except HTTPException as refusal:
            raise Refused(reason_of(refusal.status_code), refusal.detail) from None
        except BaseException as error:  # noqa: BLE001 - of the application
            raise self._failed(error, topic, "on_subscribe") from None
        one.entered = True
        await self.tell(one)

    def _failed(self, error: BaseException, topic: Any, method: str) -> Refused:
        """A method of a topic has raised; it is logged."""
        failure = self._consumer._chanx_ordinary(error)
        logger.error("%s.%s failed for %r", type(topic).__qualname__, method, topic.topic, exc_info=failure)
        return Refused("internal_error", "internal error")

    async def tell(self, one: Subscription) -> None:
        """Tell the client that it is subscribed, unless it knows, or need not."""
        if not one.told:
            one.told = True
            await self._answer("subscribed", one.answer or {})

    def of(self, topic: Any) -> Subscription | None:
        """The subscription of an object of a topic's class; None where it has ended."""
        one = self._live.get(topic.topic)
        return one if one is not None and one.topic is topic and one.live else None

    # -- how it ends ----------------------------------------------------------------------------------

    async def _unsubscribe(self, name: str, answer: Mapping[str, Any]) -> None:
        one = self._live.get(name)
        if one is not None:
            await one.begun.wait()
        if one is None or not one.live:
            raise self._missing(name)
        await self.end(one, answer)

    async def end(self, one: Subscription, answer: Mapping[str, Any]) -> None:
        """End a subscription, at the client's wish or at the server's."""
        one.live = False
        if self._live.get(one.topic.topic) is one:
            del self._live[one.topic.topic]
        await self._leave(one)
        detail = "the subscription ended before this was answered"
        for beside in tuple(one.asked.values()):
            await self._answer("error", beside, {"reason": "not_subscribed", "detail": detail})
        await self._answer("unsubscribed", answer)
        await self._finish(one)

    async def _leave(self, one: Subscription) -> None:
        if one.joined:
            one.joined = False
            topic = one.topic
            await self._consumer.channel_layer.group_discard(topic.group_name(topic.topic), self._consumer.channel_name)

    async def _finish(self, one: Subscription, *, now: bool = False) -> None:
        """Call `on_unsubscribe` when nothing of a subscription runs any more."""
        if one.running and not now:
            return
        name = one.topic.topic
        try:
            if self._live.get(name) is one:
                del self._live[name]
            await self._leave(one)
            if one.entered:
                one.entered = False
                token = envelope.set(one.beside or None)
                try:
                    await called(one.topic.on_unsubscribe, one.topic.params)
                except BaseException as error:  # noqa: BLE001 - of the application
                    self._failed(error, one.topic, "on_unsubscribe")
                finally:
                    envelope.reset(token)
        finally:
            if self._all.get(name) is one:
                del self._all[name]
            one.done.set()

    async def end_all(self) -> None:
        """The client is gone."""
        everything = list(self._all.values())
        for one in everything:
            one.live = False
        for one in reversed(everything):
            await self._finish(one, now=True)

    # -- what comes from the channel layer ------------------------------------------------------------

    async def event(self, payload: Mapping[str, Any]) -> None:
        """Handle an event that was broadcast to a topic."""
        one = self._live.get(payload["topic"])
        if one is None or not one.joined:
            return
        await one.begun.wait()
        if not one.live:
            return
        seq = payload.get("seq")
        beside = one.beside if seq is None else {"version": 1, **one.beside, "seq": seq}
        await self._handle(one, beside or None, self._happened, payload["event_data"])

    async def _happened(self, one: Subscription, data: Any) -> None:
        topic = one.topic

        async def receive(event: Any) -> None:
            result = await getattr(topic, one.made.event_methods[event.__class__])(event)
            if result is not None and one.live:
                await self._consumer.handle_result(result)

        await self._consumer._chanx_event(one.made, data, receive)
