"""The dashboard at `/`, and the API's documentation, all from local files: nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketClose

from analyzer.errors import ConfigError

DOCS_ASSETS: Final = "/docs-assets"

# fastapi-offline ships Swagger UI and ReDoc beside its module
_ASSETS_FOLDER: Final = Path(fastapi_offline.__file__).parent / "static"

router = APIRouter(include_in_schema=False)


def static_folder() -> Path:
    """The dashboard's files: in the installed package, or at the top of a checkout. Raises `ConfigError`."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "static", package.parent / "static"):
        if (folder / "index.html").is_file():
            return folder
    raise ConfigError(
        f"the dashboard is missing: no index.html in {package / 'static'} nor {package.parent / 'static'}"
    )


class Dashboard:
    """The ASGI application for every path that nothing else takes: a file of the dashboard, or 404.

    It stands behind the routes rather than among them, so that a wrong method on a known path stays a 405. Browsers ask
    again each time (and get 304): an update must not meet old modules in a cache.
    """

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        path = self._files.get_path(scope)
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(404)
        response = await self._files.get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        await response(scope, receive, send)


@cache
def _redoc_script() -> bytes:
    """ReDoc without the one thing that it would fetch from elsewhere: its maker's logo."""
    script = (_ASSETS_FOLDER / "redoc.standalone.js").read_bytes()
    return re.sub(rb"https://cdn\.redoc\.ly/[\w./-]+", f"{DOCS_ASSETS}/favicon.png".encode(), script)


@router.get(f"{DOCS_ASSETS}/redoc.standalone.js")
async def get_redoc_script() -> Response:
    """ReDoc itself."""
    return Response(_redoc_script(), media_type="text/javascript")


@router.get("/docs", response_class=HTMLResponse)
async def get_swagger() -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="deepfake-monitor API",
        swagger_js_url=f"{DOCS_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{DOCS_ASSETS}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},  # or it would send our address to validator.swagger.io
    )


@router.get("/redoc", response_class=HTMLResponse)
async def get_redoc() -> HTMLResponse:
    """ReDoc."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title="deepfake-monitor API",
        redoc_js_url=f"{DOCS_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{DOCS_ASSETS}/favicon.png",
        with_google_fonts=False,
    )


def docs_assets() -> Mount:
    """Swagger UI and ReDoc themselves."""
    return Mount(DOCS_ASSETS, StaticFiles(directory=_ASSETS_FOLDER), name="docs-assets")
