"""Who may ask: checks of every request, before anything is done for it.

A server on the loopback interface is reached by every page that its user's browser has open. So the name by which it is called is
checked, since a stranger's name may be made to lead here (DNS rebinding), and so is where a request comes from. On any other
interface a token is asked for: it comes once in the address, and is a cookie from then on.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from html import escape
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
TOKEN = "token"  # in the address

PAGES_MAY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": PAGES_MAY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    return host in LOOPBACK


@dataclass(frozen=True)
class Guard:
    """The checks of one server. Without a token it answers to the names of the loopback interface alone."""

    token: str | None = None
    cookie: str = field(
        default_factory=lambda: f"live-{secrets.token_hex(4)}"
    )  # ports of one machine share their cookies

    @web.middleware
    async def checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle what may be asked, and refuse the rest."""
        try:
            return self._refused(request) or await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "This request is larger than any that the page sends.")

    def _refused(self, request: web.Request) -> web.Response | None:
        """The answer to what may not be asked; None where it may."""
        called = _host(request.host)
        if self.token is None and called not in LOOPBACK:
            return refusal(403, f"This server answers to localhost alone, and was called {called!r}.")
        if not _is_from_here(request):
            return refusal(403, "This request comes from a page of another site.")
        return self._without_token(request) if self.token else None

    def _without_token(self, request: web.Request) -> web.Response | None:
        assert self.token
        given = request.query.get(TOKEN)
        if given is not None and _is_same(given, self.token):
            return self._let_in(request)
        if _is_same(request.cookies.get(self.cookie, ""), self.token):
            return None
        return refusal(
            401, "This server asks for its token: open the address that its terminal shows, with the token in it."
        )

    def _let_in(self, request: web.Request) -> web.Response:
        """Keep the token as a cookie, and go on without it in the address.

        By a page and not by a redirect: where the address was clicked in another site, a redirect would come without the cookie.
        """
        to = "/" + quote(request.path).lstrip("/")  # two would be another server's
        page = (
            '<!doctype html><meta charset="utf-8"><title>…</title>'
            '<link rel="icon" href="data:,">'  # browsers that find none may ask for one
            f'<meta http-equiv="refresh" content="0; url={escape(to)}">'
        )
        answer = web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})
        answer.set_cookie(self.cookie, self.token or "", httponly=True, samesite="Strict", path="/")
        return answer


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Tell browsers what pages may do, with every answer."""
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)


def new_token() -> str:
    """Return what nobody guesses: 256 bits of chance."""
    return secrets.token_urlsafe(32)


def refusal(status: int, said: str) -> web.Response:
    """An answer that says in a sentence why it is none."""
    return web.json_response({"kind": "failed", "said": said}, status=status, headers={"Cache-Control": "no-store"})


def _is_same(given: str, token: str) -> bool:
    """Compare in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def _is_from_here(request: web.Request) -> bool:
    """Whether a request is of a page of this server, or typed by a person. A browser says so; whoever is none says nothing."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        return False
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_reading = request.method == "GET" and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    return site in ("same-origin", "none") or is_reading


def _host(header: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
