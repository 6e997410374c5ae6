# --8<-- [start:use]
from chat_client.chat import ChatClient, Said, Say


async def shout(url: str, text: str) -> str:
    async with ChatClient(url, room=7) as client:
        await client.send(Say(text=text, loud=True))
        async for message in client:
            if isinstance(message, Said):
                return message.text
    raise ConnectionError("the server closed the connection")


# --8<-- [end:use]
# --8<-- [start:extend]
class Listener(ChatClient):
    async def handle_connect(self) -> None:
        await self.send_say(Say(text="Good morning"))

    async def on_said(self, message: Said) -> None:
        print(message.text)
        await self.close()


async def listen(url: str) -> None:
    await Listener(url, room=7, headers={"Authorization": "Bearer abc"}).handle()


# --8<-- [end:extend]
