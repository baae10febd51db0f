"""The server of the page. It sends the page to the browser and nothing to anyone else."""

import logging
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, make_server

from hndesc.app import choices
from hndesc.app.matching import match_uploads
from hndesc.errors import HndescError, printable
from hndesc.geometry.two_view import GEOMETRIES

logger = logging.getLogger(__name__)

_LARGEST = 200_000_000  # bytes of both photos
# The browser itself refuses whatever is not from this server.
_POLICY = (
    "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def create_app(models: Sequence[str] = (), host: str = "127.0.0.1") -> Flask:
    """Return the application.

    Args:
        models: checkpoints that can be chosen beside the bundled models.
        host: address that is listened on. At a loopback address, only requests to such an address are answered, so
            that no other site can reach the page through the browser.
    """
    app = Flask(__name__)
    local = _is_loopback(host)
    app.config.update(MAX_CONTENT_LENGTH=_LARGEST)
    names = choices.list_models(models)

    @app.before_request
    def check_host() -> None:
        if local and not _is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise HndescError(f"'{printable(request.host)}' is not the address of this page")

    @app.get("/")
    def page() -> str:
        return render_template(
            "page.html",
            models=names,
            detectors=choices.list_detectors(),
            geometries=[choices.AUTOMATIC, *GEOMETRIES],
            sliders={"max_keypoints": choices.KEYPOINTS, "resize_max": choices.LONGEST_SIDE, "ratio": choices.RATIO},
            local=local,
        )

    @app.post("/match")
    def match() -> Response:
        settings = choices.read_settings(request.form, names)
        first, second = (_upload(key) for key in ("first", "second"))
        return jsonify(match_uploads((first[1], second[1]), (first[0], second[0]), settings))

    @app.errorhandler(HndescError)
    def refuse(error: HndescError) -> tuple[Response, int]:
        return jsonify(error=str(error)), 400

    @app.errorhandler(HTTPException)
    def refuse_request(error: HTTPException) -> tuple[Response, int]:
        if error.code == 413:
            return jsonify(error=f"the photos have more than {_LARGEST // 1_000_000} MB; make them smaller"), 413
        return jsonify(error=error.description), error.code or 500

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def serve(host: str, port: int, models: Sequence[str] = ()) -> None:
    """Serve the page until the program is interrupted.

    Raises:
        HndescError: the address cannot be used.
    """
    server = open_server(host, port, models)
    if not _is_loopback(host):
        logger.warning("every machine that reaches %s can use this page; photos are sent to it unencrypted", host)
    print(f"http://{f'[{host}]' if ':' in host else host}:{server.port} (stop with Ctrl+C)", flush=True)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not every request
    server.serve_forever()  # until KeyboardInterrupt, which ends it without an error


def open_server(host: str, port: int, models: Sequence[str] = ()) -> BaseWSGIServer:
    """Return a server that listens; port 0 takes a free one."""
    app = create_app(models, host)
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
            return make_server(host, port, app, threaded=True, fd=listening.fileno())
    except OSError as error:
        cause = f"cannot be listened on ({error.strerror or error})"
        raise HndescError(f"{printable(host)}, port {port}: {cause}; choose another by --port or --host") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _upload(key: str) -> tuple[str, bytes]:
    """Return name and content of an uploaded photo."""
    file = request.files.get(key)
    if file is None or not file.filename:
        raise HndescError(f"the {key} photo is missing; choose two photos")
    content = file.read()
    if not content:
        raise HndescError(f"'{printable(file.filename)}' is empty; choose another photo")
    return printable(file.filename), content
