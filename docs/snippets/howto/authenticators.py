"""An authenticator: who shows a token that somebody has may stay."""

from chanx.core.authenticator import BaseAuthenticator

TOKENS = {"sesame": "ada"}


class TokenAuthenticator(BaseAuthenticator):
    user: str | None = None

    async def authenticate(self) -> bool:
        self.user = TOKENS.get(self.get_query_param("token", ""))
        return self.user is not None
