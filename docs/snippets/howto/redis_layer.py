import os

from chanx import Channel, Context
from chanx.groups.redis import RedisLayer

layer = RedisLayer(
    os.environ.get("REDIS_URL", "redis://localhost:6379"),
    prefix="shop-staging",
    unavailable="raise",  # do not wait for a link that is broken
    heartbeat=2,
    heartbeat_timeout=3,
)
prices = Channel("prices", groups=layer, on_gap="close")
orders = Channel("orders", groups=layer)


@prices.on_connect
async def enter(ctx: Context) -> None:
    await ctx.join("prices")
