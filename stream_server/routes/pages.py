"""The dashboard at `/`, and the API's documentation, all from local files: nothing is fetched from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from analyzer.errors import ConfigError

DOCS_ASSETS: Final = "/docs-assets"

router = APIRouter(include_in_schema=False)


def static_folder() -> Path:
    """The dashboard's files: in the installed package, or at the top of a checkout. Raises `ConfigError`."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "static", package.parent / "static"):
        if (folder / "index.html").is_file():
            return folder
    raise ConfigError(
        f"the dashboard is missing: no index.html in {package / 'static'} nor {package.parent / 'static'}"
    )


class _FreshFiles(StaticFiles):
    """Files that the browser asks for again each time (and gets 304 for): an update must not meet old modules."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-cache")
        return response


@router.get("/docs")
async def get_swagger() -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="deepfake-monitor API",
        swagger_js_url=f"{DOCS_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{DOCS_ASSETS}/favicon.png",
    )


@router.get("/redoc")
async def get_redoc() -> HTMLResponse:
    """ReDoc."""
    return get_redoc_html(
        openapi_url="/openapi.json",
        title="deepfake-monitor API",
        redoc_js_url=f"{DOCS_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{DOCS_ASSETS}/favicon.png",
        with_google_fonts=False,
    )


def file_routes() -> list[BaseRoute]:
    """The files of the documentation and, last because it takes every other path, the dashboard."""
    # fastapi-offline ships Swagger UI and ReDoc beside its module
    assets = Path(fastapi_offline.__file__).parent / "static"
    return [
        Mount(DOCS_ASSETS, StaticFiles(directory=assets), name="docs-assets"),
        Mount("/", _FreshFiles(directory=static_folder(), html=True), name="dashboard"),
    ]
